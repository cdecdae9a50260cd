package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
)

// TestAddABoard does what docs/add-a-board.md says, block by block as a reader does: a virtual board is
// built, looked at, described and added, and a job on it passes.
func TestAddABoard(t *testing.T) {
	root := workspace(t)
	corpus := dispatchertest.Corpus(t, "devices/vboard")
	dispatchertest.Need(t, "telnet:telnet", "/usr/lib/u-boot/qemu-x86/u-boot.rom:u-boot-qemu")
	assets := dispatchertest.Assets(t)
	if !dispatchertest.OwnNetwork(t, "192.0.2.2") { // where the lab's default ports and TFTP's are free
		return
	}
	if out, err := exec.Command("ip", "route", "add", "default", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("make a default route: %v: %s", err, out)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "add-a-board.md"))
	if err != nil {
		t.Fatal(err)
	}
	desk := reader{t: t, top: t.TempDir(), rack: t.TempDir()}
	desk.furnish(root, corpus, assets)
	said := ""
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(page, -1) {
		said += desk.do(strings.ReplaceAll(string(m[1]), "/tmp/rack", desk.rack))
	}
	for _, want := range []string{"\non\n", `"connect":"telnet 127.0.0.1 5101"`, "device board1 added", "accepted", "bootloader-commands",
		"job 1 is Complete: 3 test cases passed, 0 failed", "KiB"} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing that was typed printed %q", want)
		}
	}
	// The check is the same job once more: that it begins is enough.
	desk.await("the health check to begin", `bin/strata show 2 --json | grep '"state":"Running"'`)
	desk.do("bin/strata cancel 2 --reason enough")
	desk.await("the board to be free", "bin/strata devices | grep 'Idle '")
	if t.Failed() {
		t.Logf("printed was:\n%s", said)
	}
}

// reader is somebody at a terminal, at the top of a repository.
type reader struct {
	t    *testing.T
	top  string // has bin/strata and nothing else
	rack string // in place of /tmp/rack
	env  []string
}

// furnish makes what the page takes for granted.
func (r *reader) furnish(root, corpus, assets string) {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	home := r.t.TempDir()
	cache, err := os.UserCacheDir()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(r.top, "bin"), filepath.Join(home, ".cache/strata")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	strata := "#!/bin/sh\nexec env " + asStrata + "=1 " + self + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(r.top, "bin/strata"), []byte(strata), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink(assets, filepath.Join(home, ".cache/strata/assets-1")); err != nil {
		r.t.Fatal(err)
	}
	// Tools keep what they build and fetch where they always do. The note of the lab is the reader's own: in the cache another
	// lab of this machine would write over it.
	r.env = append(os.Environ(), "HOME="+home, "STRATA_CORPUS="+corpus, "XDG_CACHE_HOME="+cache, "XDG_RUNTIME_DIR="+filepath.Join(home, "run"))
}

// do types a block and returns what it printed. What gets a terminal of its own goes on until the test
// ends, and serves when do returns.
func (r *reader) do(block string) string {
	r.t.Helper()
	var out bytes.Buffer
	cmd := exec.Command("bash", "-eu", "-c", block)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.top, r.env, &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if !strings.HasPrefix(block, "# in a terminal of its own\n") {
		if err := cmd.Run(); err != nil {
			r.t.Fatalf("%v:\n%s\nprinted:\n%s", err, block, &out)
		}
		return out.String()
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait() // of a program that was told to end
		if r.t.Failed() {
			r.t.Logf("%s\nprinted:\n%s", block, &out)
		}
	})
	r.await("the rack", "test -S "+r.rack+"/control.sock")
	if strings.Contains(block, "strata ") {
		r.await("the lab", "bin/strata devices")
	}
	return ""
}

// await types a line until it succeeds.
func (r *reader) await(what, line string) {
	r.t.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	late := time.After(patience)
	for {
		cmd := exec.Command("bash", "-c", line)
		cmd.Dir, cmd.Env = r.top, r.env
		out, err := cmd.CombinedOutput()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-late:
			r.t.Fatalf("waiting for %s took longer than %v: %s", what, patience, out)
		}
	}
}
