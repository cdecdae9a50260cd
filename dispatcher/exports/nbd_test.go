package exports

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
)

func TestAwaitNBD(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nbd-server"); err != nil {
		t.Skipf("NOT SHOWN: a real NBD server: %v (Debian: nbd-server)", err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "root.img")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	cmd := exec.Command("nbd-server", port, file, "-d", "-p", filepath.Join(dir, "pid"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	if err := AwaitNBD(t.Context(), port); err != nil {
		t.Error(err)
	}
}

func TestAwaitNBDRefuses(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() { // ends with the listener
		for {
			conn, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.0 400")) // to whoever is there
			conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(other.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := AwaitNBD(t.Context(), port); pipeline.ClassOf(err) != pipeline.Infrastructure || !strings.Contains(err.Error(), "port "+port) {
		t.Errorf("another server: %v", err)
	}
}
