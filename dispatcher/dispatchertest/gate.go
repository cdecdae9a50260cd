package dispatchertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Slow skips a test that takes too long for every run. `make test-all` runs it.
func Slow(t *testing.T) {
	t.Helper()
	if os.Getenv("STRATA_TEST_ALL") != "1" {
		t.Skip("SKIPPED: slow; `make test-all` runs it, and so does STRATA_TEST_ALL=1")
	}
}

// Boots skips a test that boots machines, in short runs.
func Boots(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: boots a machine, which -short forbids")
	}
}

// Need skips the test where a program or file is missing. Each is named with the Debian package that
// brings it, as in .ci/install: "ip:iproute2", "/usr/lib/u-boot/qemu_arm/u-boot.bin:u-boot-qemu".
// Where the machine was promised to have everything, which STRATA_REQUIRE_BOOT says, the test fails.
func Need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		name, debian, _ := strings.Cut(program, ":")
		var err error
		if filepath.IsAbs(name) {
			_, err = os.Stat(name)
		} else if _, err = exec.LookPath(name); err != nil {
			// The system's own directories are not on the path of every user.
			_, err = os.Stat(filepath.Join("/usr/sbin", name))
		}
		if err != nil {
			Missing(t, "%v (Debian: %s)", err, debian)
		}
	}
}

// Missing skips the test for want of something that .ci/install brings, or fails it where it was
// promised.
func Missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("STRATA_REQUIRE_BOOT") != "" {
		t.Fatalf("MISSING: "+format, args...)
	}
	t.Skipf("SKIPPED: "+format, args...)
}

// Corpus returns the directory of recorded data, or skips the test where there is none, or not the
// folder of it that the test wants, such as "consoles".
func Corpus(t *testing.T, folder string) string {
	t.Helper()
	dir := os.Getenv("STRATA_CORPUS")
	if dir == "" {
		dir = filepath.Join(Root(t), "..", "shared")
	}
	if _, err := os.Stat(filepath.Join(dir, folder)); err != nil {
		t.Skipf("SKIPPED: no recorded %s in %s; set STRATA_CORPUS", folder, dir)
	}
	return dir
}

// Root returns the directory of the repository.
func Root(t *testing.T) string {
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
	t.Fatal("the test runs outside of the repository: no go.work above it")
	return ""
}
