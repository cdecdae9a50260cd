package acceptance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// A system that runs already is logged in to: the overlay is copied there and the tests run on the
// session. Who cannot be reached, or does not let us in, is the lab's matter.
func TestSSH(t *testing.T) {
	t.Parallel()
	guest := newSSHGuest(t)
	tests := []struct {
		name, port, key, boot, steps string
		class                        events.ErrorType
		says                         []string
		results                      map[string]string
	}{
		{name: "a test passes", says: []string{"ssh', '-o', 'Compression=yes'", "'scp', ", "Skipping kernel messages", `"logout"`, "tar -C / -xzf /lava-42/overlay-1.1.4.tar.gz"},
			results: map[string]string{"0_smoke/uname": "pass", "0_smoke/session": "pass", "0_smoke/false": "fail", "0_smoke/environment": "pass",
				"lava/0_smoke": "pass", "scp-deploy": "pass", "login-action": "<nil>", "kernel-messages": "<nil>", "job": "pass"}},
		{name: "a key that is not authorized", key: stranger(t), class: events.InfrastructureError, says: []string{"Connection closed"}},
		{name: "no key", key: "/none/key", class: events.ConfigurationError, says: []string{"Cannot find SSH private key"}},
		{name: "nobody listens", port: closedPort(t), class: events.InfrastructureError, says: []string{"Connection closed"}},
		{name: "nobody answers", port: portOf(listen(t)), boot: "timeout: {seconds: 3}, failure_retry: 1,", class: events.InfrastructureError,
			says: []string{"scp-deploy timed out after 3 seconds"}},
		{name: "another prompt", boot: "timeout: {seconds: 5}, failure_retry: 1, prompts: ['login: $'],", class: events.InfrastructureError,
			says: []string{"scp-deploy timed out after 5 seconds"}},
		// The last one: the machine is gone then.
		{name: "the system goes down", steps: "poweroff -f", class: events.InfrastructureError, says: []string{"Connection closed"},
			results: map[string]string{"0_smoke/uname": "pass"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			values := map[string]string{"PORT": guest.port, "KEY": guest.key, "BOOT": "prompts: ['~ # '],", "STEPS": "lava-test-case false --shell false"}
			for name, value := range map[string]string{"PORT": tt.port, "KEY": tt.key, "STEPS": tt.steps} {
				if value != "" {
					values[name] = value
				}
			}
			if strings.Contains(tt.boot, "prompts") {
				values["BOOT"] = tt.boot
			} else {
				values["BOOT"] += tt.boot
			}
			got := run(t, job{definition: text(t, "testdata/ssh-job.yaml"), device: text(t, "testdata/ssh-device.yaml"), values: values})
			if tt.class == "" {
				got.wantComplete(t)
			} else {
				got.wantError(t, tt.class, tt.says...)
			}
			for name, want := range tt.results {
				if got := fmt.Sprint(got.result(t, name)["result"]); got != want {
					t.Errorf("result of %s: %s, want %s", name, got, want)
				}
			}
			got.wantText(t, tt.says...)
		})
	}
}

// A guest's session beside the host's console: what the host deploys lets the worker's own key in.
func TestSSHGuest(t *testing.T) {
	t.Parallel()
	dispatchertest.Need(t, "qemu-system-x86_64:qemu-system-x86", "ssh:openssh-client")
	got := run(t, job{
		definition: text(t, "testdata/ssh-guest-job.yaml"), device: text(t, "testdata/ssh-guest-device.yaml"),
		values: map[string]string{"KERNEL": material(t, "kernel-amd64"), "RAMDISK": initramfs(t, "amd64", modules{load: "virtio_pci virtio_net virtio_rng", add: filepath.Join(sshFiles(t), "closed"), key: "ssh, closed"}), "PORT": closedPort(t)},
	})
	got.wantComplete(t)
	got.wantResults(t, map[string]string{"0_host/serve": "pass", "0_host/keys": "pass", "0_guest/session": "pass", "0_guest/same-system": "pass", "job": "pass"})
	got.wantText(t, "Authorizing the key ", "/ssh-keys/dynamic_vm_keys/lava.pub for root", `"logout"`, `"poweroff"`)
	if text := got.text(); strings.Contains(text, "PRIVATE KEY") {
		t.Error("the private key is in the log")
	}
}

// sshGuest is a machine with an ssh server that lets one key in.
type sshGuest struct{ port, key string }

// newSSHGuest boots one, which ends with the test.
func newSSHGuest(t *testing.T) sshGuest {
	t.Helper()
	dispatchertest.Need(t, "qemu-system-x86_64:qemu-system-x86", "ssh:openssh-client")
	files := sshFiles(t)
	g := sshGuest{closedPort(t), filepath.Join(files, "key")}
	ramdisk := initramfs(t, "amd64", modules{load: "virtio_pci virtio_net virtio_rng", add: filepath.Join(files, "open"), key: "ssh, open"})
	machine := exec.Command("qemu-system-x86_64", "-accel", "tcg", "-M", "q35", "-m", "256", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", material(t, "kernel-amd64"), "-initrd", ramdisk, "-netdev", "user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:"+g.port+"-:22",
		"-device", "virtio-net-pci,netdev=n0,romfile=", "-device", "virtio-rng-pci",
		"-append", "console=ttyS0 no_timer_check panic=-1 lab.net=dhcp lab.run=dropbear,-R,-s lab.hello=ssh-ready")
	console, err := machine.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := machine.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = machine.Process.Kill() // it may have ended, as one of the tests has it
		_ = machine.Wait()
	})
	var said strings.Builder
	for lines := bufio.NewScanner(console); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "ssh-ready") {
			go func() { _, _ = io.Copy(io.Discard, console) }() // a full pipe would stop it; ends with the machine
			return g
		}
	}
	t.Fatalf("the machine ended before its server was up:\n%s", said.String())
	return g
}

// sshFiles returns a directory of the cache with a key pair, key and key.pub, and what goes into an
// initramfs that has an ssh server: open lets the key in, and closed nobody.
func sshFiles(t *testing.T) string {
	t.Helper()
	sftp := debian{arch: "amd64", names: "openssh-sftp-server"}.unpack(t, "sftp-server")
	return cached(t, "ssh", "1 "+sftp, func(dir string) error {
		dispatchertest.Need(t, "dropbear:dropbear-bin", "ssh-keygen:openssh-client")
		return command("sh", "-euc", `
			server=$(PATH=$PATH:/usr/sbin command -v dropbear)
			mkdir -p $1/closed/usr/sbin $1/closed/usr/lib $1/closed/etc/dropbear
			cp $server $1/closed/usr/sbin/dropbear
			cp $2/usr/lib/openssh/sftp-server $1/closed/usr/lib/sftp-server
			for l in $(ldd $server $2/usr/lib/openssh/sftp-server | grep -o '/lib[^ )]*\.so[^ )]*' | sort -u); do
				mkdir -p $1/closed$(dirname $l)
				cp -L $l $1/closed$l
			done
			ssh-keygen -q -t ed25519 -N '' -C board -f $1/key
			cp -r $1/closed $1/open
			mkdir -p -m 700 $1/open/root $1/open/root/.ssh
			cp $1/key.pub $1/open/root/.ssh/authorized_keys`, "sh", dir, sftp)
	})
}

// stranger returns a key that nobody knows.
func stranger(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file); err != nil {
		t.Fatal(err)
	}
	return file
}

// closedPort returns a port of this machine at which nobody listens now.
func closedPort(t *testing.T) string {
	t.Helper()
	l := listen(t)
	defer l.Close()
	return portOf(l)
}

// listen returns a listener that nobody accepts from: who connects waits for ever.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // closedPort has done so
	return l
}

func portOf(l net.Listener) string {
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
