package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
	"strata/events"
	"strata/services/api"
)

// narrow is a network namespace from which one address is reached, that of a proxy.
type narrow struct {
	name string
	near string // address of this machine that is seen from inside
}

// newNarrow makes one, and takes it away with the test.
func newNarrow(t *testing.T) narrow {
	t.Helper()
	n := narrow{name: fmt.Sprintf("strata%d", os.Getpid())}
	outside, inside := fmt.Sprintf("so%d", os.Getpid()), fmt.Sprintf("si%d", os.Getpid())
	net := fmt.Sprintf("10.%d.%d.", 200+os.Getpid()%50, os.Getpid()/50%250)
	n.near = net + "1"
	for _, line := range [][]string{
		{"netns", "add", n.name},
		{"link", "add", outside, "type", "veth", "peer", "name", inside, "netns", n.name},
		{"addr", "add", n.near + "/30", "dev", outside}, {"link", "set", outside, "up"},
		{"-n", n.name, "addr", "add", net + "2/30", "dev", inside}, {"-n", n.name, "link", "set", inside, "up"}, {"-n", n.name, "link", "set", "lo", "up"},
	} {
		if text, err := exec.Command("ip", line...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(line, " "), err, text)
		}
		if line[1] == "add" && line[0] == "netns" {
			t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", n.name).Run() }) // its half of the pair goes with it
		}
	}
	return n
}

// startSquid runs Debian's squid at the near end: it opens ways by CONNECT to two names, which only it knows, and
// does nothing else. It returns its address and the file in which it notes what it was asked.
func startSquid(t *testing.T, n narrow) (address, log string) {
	t.Helper()
	// Not below the test's own directory: squid drops root's rights, and nobody else may look in there.
	dir, err := os.MkdirTemp("", "squid")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	probe, err := net.Listen("tcp", n.near+":0")
	if err != nil {
		t.Fatal(err)
	}
	address = probe.Addr().String()
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	log = filepath.Join(dir, "access.log")
	hosts := write(t, dir, "hosts", "127.0.0.1 lab.example.com\n127.0.0.1 files.example.com\n")
	config := write(t, dir, "squid.conf", fmt.Sprintf(`http_port %s
hosts_file %s
acl known dstdomain lab.example.com files.example.com
acl way method CONNECT
http_access allow way known
http_access deny all
access_log stdio:%s
cache_log %s/cache.log
pid_filename none
cache deny all
netdb_filename none
coredump_dir %s
shutdown_lifetime 1 second
`, address, hosts, log, dir, dir))
	for _, file := range []string{hosts, config} {
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("squid", "-N", "-f", config)
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		said.Close()
		if t.Failed() {
			for _, name := range []string{"said", "cache.log", "access.log"} {
				text, _ := os.ReadFile(filepath.Join(dir, name))
				t.Logf("squid's %s:\n%s", name, lastOf(string(text)))
			}
		}
	})
	eventually(t, "squid answers", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return address, log
}

// TestSquid runs a worker whose only way out is a proxy: from a network namespace where nothing but Debian's squid
// is reached, which opens ways by CONNECT. A kernel in QEMU, fetched by that way too, runs to its end, and the lab has
// each line of its log and a file that the test gave.
func TestSquid(t *testing.T) {
	dispatchertest.Slow(t)
	dispatchertest.Need(t, "squid:squid", "ip:iproute2")
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: makes a network namespace, which root may")
	}
	assets := needBoot(t)
	l := startEncrypted(t)
	n := newNarrow(t)
	proxy, log := startSquid(t, n)
	_, port, err := net.SplitHostPort(l.host)
	if err != nil {
		t.Fatal(err)
	}
	server := "https://lab.example.com:" + port

	files := l.serveFiles(t, assets)
	inside := func(env []string, args ...string) *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("ip", append([]string{"netns", "exec", n.name, self}, args...)...)
		cmd.Env = append(os.Environ(), asStrata+"=1", "SSL_CERT_FILE="+l.authority.file, "HOME="+l.dir)
		for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"} {
			cmd.Env = append(cmd.Env, name+"=")
		}
		cmd.Env = append(cmd.Env, env...)
		return cmd
	}
	token := strings.TrimSpace(l.must(t, "workers", "register", "far"))
	l.must(t, "devices", "add", "demo", "--type", "qemu", "--worker", "far", "--health", "Good", "--dict", write(t, l.dir, "device.yaml", demoDevice))

	// There is no other way, and the proxy opens none elsewhere.
	if text, err := inside(nil, "devices", "--server", server, "--token", l.ready.Token).CombinedOutput(); err == nil {
		t.Errorf("without the proxy the lab was reached: %s", text)
	}
	way := "HTTPS_PROXY=http://" + proxy
	if text, err := inside([]string{way}, "devices", "--server", "https://elsewhere.example.com", "--token", l.ready.Token).CombinedOutput(); err == nil || !strings.Contains(string(text), "403 Forbidden") {
		t.Errorf("elsewhere: got %v, %s; want the proxy's refusal", err, text)
	}
	if text, err := inside([]string{way}, "devices", "--server", server, "--token", l.ready.Token).CombinedOutput(); err != nil || !strings.Contains(string(text), "demo") {
		t.Errorf("strata devices by the proxy: %v: %s", err, text)
	}

	worker := inside([]string{way}, "worker", "--name", "far", "--server", server, "--token", token, "--data", filepath.Join(l.dir, "far"))
	background(t, worker, filepath.Join(l.dir, "far.log"))
	definition := strings.NewReplacer("${ASSETS}", files,
		"- lava-test-case no-sound --result skip", "- lava-test-artifact /proc/version").Replace(demoJob)
	status, text := l.strata(t, "submit", write(t, l.dir, "job.yaml", definition), "--follow")
	if status != exitOK {
		t.Fatalf("the job: status %d\n%s", status, lastOf(text))
	}
	var j api.Job
	eventually(t, "all of the job's output is there", func() bool {
		l.ask(t, &j, "show", "1")
		return j.Complete
	})
	if j.Health != events.Complete || j.Missing != 0 {
		t.Errorf("the job: got %s with %d lines missing, want it Complete with its whole log", j.Health, j.Missing)
	}
	lines := strings.Count(l.must(t, "logs", "1"), "\n")
	if uint64(lines) < j.Lines {
		t.Errorf("strata logs has %d lines, the worker wrote %d", lines, j.Lines)
	}
	if text := l.must(t, "artifacts", "1"); !strings.Contains(text, "version") {
		t.Errorf("the file that the test gave: %s", text)
	}
	asked, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"CONNECT lab.example.com:" + port, "CONNECT files.example.com:"} {
		if !strings.Contains(string(asked), name) {
			t.Errorf("squid was not asked for %s:\n%s", name, asked)
		}
	}
}

// background runs a command until the test ends, and shows what it said where that failed.
func background(t *testing.T, cmd *exec.Cmd, file string) {
	t.Helper()
	said, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		said.Close()
		if t.Failed() {
			text, _ := os.ReadFile(said.Name())
			t.Logf("%q said:\n%s", cmd.Args, lastOf(string(text)))
		}
	})
}

// serveFiles serves a directory by HTTPS at a name that only the proxy knows, and returns the address.
func (l *encrypted) serveFiles(t *testing.T, dir string) string {
	t.Helper()
	certificate, key := filepath.Join(l.authority.dir, "files.pem"), filepath.Join(l.authority.dir, "files.key")
	l.authority.issue(t, certificate, key, time.Now().Add(time.Hour), "files.example.com")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, certificate, key) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "https://files.example.com:" + port
}
