package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A device whose shell is on the worker, and that guests reach by an ssh server of the test.
const hostDevice = `
constants:
  posix: {lava_test_sh_cmd: /bin/sh, lava_test_results_dir: /lava-%s, lava_test_shell_file: ~/.bashrc}
  shutdown-message: 'The system is going down for reboot NOW'
  kernel-start-message: ''
  default-shell-prompt: 'lava-test: # '
  failure_retry: 1
commands: {connect: "env PS1='shell:# ' bash --norc --noprofile -i", hard_reset: /bin/true, power_off: /bin/true}
actions:
  deploy:
    connections: {serial: }
    methods:
      overlay:
      ssh: {options: [-o, PasswordAuthentication=no, -o, LogLevel=ERROR], port: @PORT@, identity_file: dynamic_vm_keys/lava}
  boot: {connections: {serial: }, methods: {minimal: , ssh: }}
`

// TestGuests runs a host and two guests: the host lets their key in, says where it is and waits; each guest logs in
// by ssh, gets its tests and meets the others.
func TestGuests(t *testing.T) {
	if os.Getenv("STRATA_TEST_ALL") != "1" {
		t.Skip("SKIPPED: needs an ssh server, and root whom it lets in; `make test-all` runs it, and so does STRATA_TEST_ALL=1")
	}
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: guests log in as root, which only root's ssh server lets them")
	}
	for program, of := range map[string]string{"sshd": "openssh-server", "ssh-keygen": "openssh-client", "busybox": "busybox-static"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: %v (Debian: %s)", err, of)
		}
	}
	w := newWorld(t)
	keys := filepath.Join(w.dir, "keys")
	port := serveSSH(t, keys)
	w.up(t, "--listen-sql", "", "--worker", "w1", "--first-job", ownNumbers(t, 2))
	w.must(t, "workers", "configure", "w1", "--dispatcher", write(t, w.dir, "dispatcher.yaml", "dispatcher_ip: 127.0.0.1\n"))
	dict := strings.ReplaceAll(hostDevice, "@PORT@", port)
	w.must(t, "devices", "add", "sh1", "--type", "shell", "--worker", "w1", "--dict", write(t, w.dir, "sh1.yaml", dict), "--health", "Good")

	// The guide's group, on a shell instead of a machine. What the overlay would put into root's own
	// directory goes to the server of the test.
	unpack := write(t, w.dir, "unpack.sh", `tar -xzOf "$1" --wildcards '*.ssh/authorized_keys' >`+keys+` && tar -C / --exclude '*.ssh*' -xzf "$1"`+"\n")
	guide := yamlBlocks(t, filepath.Join(workspace(t), "docs", "multinode.md"))[2]
	head, tail, _ := strings.Cut(guide, "actions:\n")
	_, tests, _ := strings.Cut(tail, "- test:\n")
	job := strings.ReplaceAll(head, "device_type: qemu, count: 1, context: {arch: amd64}", "device_type: shell, count: 1") + `actions:
- deploy: {role: [host], to: overlay, os: debian, authorize: ssh}
- boot:
    role: [host]
    method: minimal
    prompts: ['shell:# ']
    transfer_overlay: {download_command: cd $(mktemp -d) && busybox wget -q, unpack_command: sh ` + unpack + `}
- test:
` + strings.NewReplacer("systemctl start ssh", "echo served", "$(lava-echo-ipv4 eth0)", "127.0.0.1", "root@debian:~#", "[#$] $").Replace(tests)
	status, text := w.strata(t, "submit", write(t, w.dir, "guests.yaml", job), "--follow", "--fail-on-test")
	if status != exitOK || strings.Count(text, " is Complete: ") != 3 || strings.Count(text, "login: pass") < 2 {
		t.Errorf("a host and two guests: status %d\n%s", status, text)
	}
	if strings.Contains(text, "PRIVATE KEY") {
		t.Error("the private key is in the log")
	}
}

// serveSSH runs an ssh server on loopback that lets in whose key stands in the file, and returns its port.
func serveSSH(t *testing.T, keys string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	dir := t.TempDir()
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "host")).CombinedOutput(); err != nil {
		t.Fatalf("make a host key: %v: %s", err, out)
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // where sshd locks itself up, as its package has it
		t.Fatal(err)
	}
	config := write(t, dir, "sshd.conf", "ListenAddress 127.0.0.1\nPort "+port+"\nHostKey "+filepath.Join(dir, "host")+"\nAuthorizedKeysFile "+keys+
		"\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\nPidFile none\nSubsystem sftp internal-sftp\n")
	program, err := exec.LookPath("sshd") // which wants to be called by its whole path
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(program, "-D", "-e", "-f", config)
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	eventually(t, "the ssh server listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return port
}
