package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"strata/projections/engine"
)

// TestImage builds the image of every role on a Debian root that it makes itself, and runs a job in
// it: the demo, from a kernel in QEMU to a table in ClickHouse. It takes minutes and downloads
// packages, so it runs where STRATA_TEST_IMAGE=1 asks for it (`make test-all`).
func TestImage(t *testing.T) {
	if os.Getenv("STRATA_TEST_IMAGE") != "1" {
		t.Skip("SKIPPED: builds a container image; STRATA_TEST_IMAGE=1 runs it, as `make test-all` does")
	}
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: mmdebstrap and podman are run as root here")
	}
	for _, program := range []string{"podman", "mmdebstrap", "runc"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing: apt-get install podman mmdebstrap runc catatonit", program)
		}
	}
	a := &app{env: os.Getenv}
	assets, err := a.assets()
	if err != nil {
		t.Fatal(err)
	}
	library, err := engine.Library()
	if err != nil {
		t.Fatal(err)
	}
	root := repository(t)
	dir := t.TempDir()
	podman := newPodman(t, dir)

	base := filepath.Join(dir, "root.tar")
	command(t, dir, "mmdebstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", base)
	podman("import", base, "localhost/debian:12-slim")

	build := filepath.Join(dir, "build")
	command(t, filepath.Join(root, "services"), "go", "build", "-o", filepath.Join(build, "bin", "strata"), "./cmd/strata")
	command(t, dir, "cp", filepath.Join(root, "Dockerfile"), filepath.Join(root, ".dockerignore"), build)
	podman("build", "--network", "host", "--pull-never", "--build-arg", "BASE=localhost/debian:12-slim", "-t", "localhost/strata:test", build)

	run := []string{"run", "--rm", "--pull=never", "--network", "host", "-v", assets + ":/assets:ro", "-e", "STRATA_ASSETS=/assets",
		"-v", library + ":/libchdb.so:ro", "-e", "STRATA_CHDB_LIB=/libchdb.so"}
	if _, err := os.Stat("/dev/kvm"); err == nil {
		run = append(run, "--device", "/dev/kvm")
	}
	out := podman(append(run, "localhost/strata:test", "demo", "--color", "never")...)
	for _, want := range []string{"kernel-version", "boot-time", "Complete", "strata sql"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo in the container did not print %q:\n%s", want, out)
		}
	}
}

// newPodman returns a function that runs podman on a store of its own, and removes that at the end.
func newPodman(t *testing.T, dir string) func(args ...string) string {
	t.Helper()
	settings := filepath.Join(dir, "containers.conf")
	// Limits within the machine's own, and runc: root of a test machine may lack the right to raise
	// limits, and crun refuses mixed control groups.
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	n := min(files.Max, 4096)
	text := fmt.Sprintf("[containers]\ndefault_ulimits = [\"nofile=%d:%d\", \"nproc=1024:1024\"]\n[engine]\nruntime = \"runc\"\n", n, n)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_CONF", settings)
	store := []string{"--root", filepath.Join(dir, "store"), "--runroot", filepath.Join(dir, "run")}
	podman := func(args ...string) string {
		t.Helper()
		return command(t, dir, "podman", append(store, args...)...)
	}
	t.Cleanup(func() {
		// What podman mounted has to go before the directory can.
		out, err := exec.Command("podman", append(store, "system", "reset", "--force")...).CombinedOutput()
		if err != nil {
			t.Logf("podman system reset: %v\n%s", err, out)
		}
	})
	return podman
}

// command runs a program in a directory and returns what it printed; its failure ends the test.
func command(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, tail(string(out), 4000))
	}
	return string(out)
}

// tail returns the last n bytes of s.
func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return fmt.Sprintf("… %d bytes …\n%s", len(s)-n, s[len(s)-n:])
}

// repository returns the root of the checkout.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.work above the test")
	return ""
}
