package exports

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"strata/dispatcher/pipeline"
)

// The host's server serves one connection after the other, and ends when it is told to though a client
// is there.
func TestNBD(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nbd-server"); err != nil {
		t.Skipf("NOT SHOWN: a real NBD server: %v (Debian: nbd-server)", err)
	}
	n := &NBD{Port: freePort(t), File: filepath.Join(t.TempDir(), "root.img"), Dir: t.TempDir()}
	if err := os.WriteFile(n.File, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	if err := n.Start(t.Context(), command); err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", n.Port)
	for range 3 {
		if err := greetNBD(t.Context(), address); err != nil {
			t.Fatal(err)
		}
	}
	client, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	// Another that wants the port is told so, and does not take this one for itself.
	other := &NBD{Port: n.Port, File: n.File, Dir: t.TempDir()}
	if err := other.Start(t.Context(), command); !errors.Is(err, syscall.EADDRINUSE) || pipeline.ClassOf(err) != pipeline.Infrastructure {
		t.Errorf("a second server: %v", err)
	}
	if err := greetNBD(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	n.Stop()
	n.Stop()
	if err := client.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(client); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client is still served: %q", rest)
	}
	if err := greetNBD(t.Context(), address); err == nil {
		t.Error("the server is still there")
	}
}

// A server that ends by itself, and one that says something else, are no servers.
func TestNBDRefuses(t *testing.T) {
	t.Parallel()
	fails := errors.New("no such program")
	n := &NBD{Port: "1", Dir: t.TempDir()}
	if err := n.Start(t.Context(), func(context.Context, ...string) error { return fails }); !errors.Is(err, fails) {
		t.Errorf("it cannot be run: %v", err)
	}
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
	if err := greetNBD(t.Context(), other.Addr().String()); pipeline.ClassOf(err) != pipeline.Infrastructure || !strings.Contains(err.Error(), "HTTP/1.0") {
		t.Errorf("another server: %v", err)
	}
}

func command(ctx context.Context, argv ...string) error {
	return exec.CommandContext(ctx, argv[0], argv[1:]...).Run()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
