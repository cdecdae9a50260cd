package exports

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// address is the worker's in the network of the test. An emulator's user network reaches it, and
// loopback it does not.
const address = "10.20.0.1"

// TestPort69 serves real U-Boot from the port that it knows: first from our server, then from
// tftpd-hpa, for two workers at once.
func TestPort69(t *testing.T) {
	if !dispatchertest.OwnNetwork(t, address) {
		return
	}
	t.Run("ours", func(t *testing.T) {
		servers := start(t, Settings{Dir: t.TempDir(), Worker: "w1", TFTP: ":69"})
		e := servers.For("", "").TFTP
		if e.Fault != "" || e.Path != "" || e.Port != 0 {
			t.Fatalf("export %+v", e)
		}
		fetch(t, e, "w1")
	})
	t.Run("nobody's", func(t *testing.T) {
		config := filepath.Join(t.TempDir(), "none")
		taken := hpa(t, t.TempDir())
		defer taken()
		e := start(t, Settings{Dir: t.TempDir(), Worker: "w1", TFTP: ":69", hpaConfig: config}).For("", "").TFTP
		if !strings.Contains(e.Fault, "address already in use") || !strings.Contains(e.Fault, "set worker.tftp_dir") {
			t.Errorf("export %+v", e)
		}
	})
	t.Run("the host's", func(t *testing.T) {
		root := shared(t)
		config := filepath.Join(t.TempDir(), "tftpd-hpa")
		if err := os.WriteFile(config, []byte("TFTP_DIRECTORY=\""+root+"\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		stop := hpa(t, root)
		defer stop()
		// One finds the directory, the other is told it.
		found := start(t, Settings{Dir: t.TempDir(), Worker: "w1.example.com", TFTP: ":69", hpaConfig: config}).For("", "").TFTP
		told := start(t, Settings{Dir: t.TempDir(), Worker: "w2", TFTPDir: root}).For("", "").TFTP
		for path, e := range map[string]pipeline.Export{"strata-w1.example.com": found, "strata-w2": told} {
			if e.Fault != "" || e.Path != path || e.Dir != filepath.Join(root, path) {
				t.Fatalf("export %+v, want path %s", e, path)
			}
			if left, err := filepath.Glob(filepath.Join(e.Dir, "*")); err != nil || len(left) != 0 {
				t.Errorf("the probe stays: %v, %v", left, err)
			}
		}
		var boards sync.WaitGroup
		boards.Go(func() { fetch(t, found, "w1") })
		boards.Go(func() { fetch(t, told, "w2") })
		boards.Wait()
		// A server that serves another directory is not believed.
		wrong := start(t, Settings{Dir: t.TempDir(), Worker: "w3", TFTPDir: shared(t)}).For("", "").TFTP
		if !strings.Contains(wrong.Fault, "does not serve") {
			t.Errorf("a server of another directory: %+v", wrong)
		}
	})
}

// fetch has a board get a file that a job has deployed.
func fetch(t *testing.T, e pipeline.Export, what string) {
	t.Helper()
	config, err := pipeline.ReadYAML([]byte("dispatcher_ip: " + address))
	if err != nil {
		t.Error(err)
		return
	}
	content := make([]byte, 3_000_000+rand.Intn(1000)) // not whole blocks; the kernels of boards are larger
	for i := range content {
		content[i] = byte(i>>9) ^ byte(i)
	}
	copy(content, what)
	dir := filepath.Join(e.Dir, "42", "tftp-deploy-x", "kernel")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Error(err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, "Image"), content, 0o644); err != nil {
		t.Error(err)
		return
	}
	name := filepath.Join(e.Path, "42/tftp-deploy-x/kernel/Image")
	got, err := Fetch(config.Get("dispatcher_ip").Text()+":69", name, 1<<24)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
		return
	}
	uboot(t, name, content)
}

// uboot loads a file in real U-Boot and compares its checksum there.
func uboot(t *testing.T, name string, content []byte) {
	t.Helper()
	const firmware = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
	if _, err := os.Stat(firmware); err != nil {
		t.Logf("NOT SHOWN: a real U-Boot fetches %s: %v (Debian: u-boot-qemu)", name, err)
		return
	}
	if _, err := exec.LookPath("qemu-system-aarch64"); err != nil {
		t.Logf("NOT SHOWN: a real U-Boot fetches %s: %v (Debian: qemu-system-arm)", name, err)
		return
	}
	var said strings.Builder
	log := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		said.Write(append(r.Message, '\n'))
		return nil
	}})
	console, err := connection.Start(connection.Settings{Log: log, Command: []string{
		"qemu-system-aarch64", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-accel", "tcg",
		"-M", "virt", "-cpu", "cortex-a57", "-m", "256", "-bios", firmware,
		"-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0"}})
	if err != nil {
		t.Error(err)
		return
	}
	defer console.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, step := range []struct{ await, send string }{
		{"Hit any key to stop autoboot", ""},
		{"=> ", "setenv autoload no"},
		{"=> ", "dhcp"},
		{`DHCP client bound to address[^=]*=> `, "setenv serverip " + address},
		{"=> ", "tftp 0x40400000 " + name},
		{fmt.Sprintf(`Bytes transferred = %d [^=]*=> `, len(content)), "crc32 0x40400000 ${filesize}"},
		{fmt.Sprintf(`==> %08x[^=]*=> `, crc32.ChecksumIEEE(content)), "tftp 0x40400000 42/none"},
		{`TFTP error: 'File not found' \(1\)[^=]*=> `, "poweroff"},
	} {
		if _, err := console.ExpectText(ctx, step.await); err != nil {
			t.Errorf("await %q: %v\n%s", step.await, err, said.String())
			return
		}
		if err := console.SendLine(ctx, step.send, 0); err != nil {
			t.Errorf("send %q: %v", step.send, err)
			return
		}
	}
}

// hpa starts tftpd-hpa on port 69.
func hpa(t *testing.T, dir string) (stop func()) {
	t.Helper()
	program := "/usr/sbin/in.tftpd"
	if _, err := os.Stat(program); err != nil {
		t.Skipf("NOT SHOWN: a host's own TFTP server: %v (Debian: tftpd-hpa)", err)
	}
	cmd := exec.Command(program, "--foreground", "--address", ":69", "--user", "root", "--secure", dir)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ready"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		if _, err := Fetch("127.0.0.1:69", "ready", 10); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("tftpd-hpa does not answer: %v", err)
		}
	}
	return func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}
}

// shared is a directory that a server of another user can read.
func shared(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
