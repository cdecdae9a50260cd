package worker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"strata/dispatcher/worker"
	"strata/schemas/order"
)

// TestFullDisk fills the worker's disk to the last byte in mid-job. The job ends with the right class,
// what it said before arrives, new orders are refused with the reason, and freed space is enough to
// go on without a restart.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.dir = smallDisk(t)
	l.work(t, func(d *worker.Deps) { d.MinFree = 1 << 20 })
	gate := filepath.Join(t.TempDir(), "gate")
	l.send(t, start(1, 7, "q1"), "say before", "await "+gate, "count 20000")
	l.awaitLine(t, 1, "before")
	ballast := filepath.Join(l.dir, "ballast")
	fill(t, ballast)
	touch(t, gate)
	v := l.await(t, order.Finished, 1, 7).Verdict
	if v.Result != "fail" || v.ErrorType != "Infrastructure" || !strings.Contains(v.Error, "no space left") {
		t.Errorf("job on a full disk: got %+v, want fail, Infrastructure and that there is no space", *v)
	}
	l.send(t, start(2, 8, "q2"), "say never")
	if r := l.await(t, order.Refused, 2, 8); !strings.Contains(r.Reason, "free space") {
		t.Errorf("order on a full disk: refused with %q, want the free space", r.Reason)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	l.send(t, start(3, 9, "q3"), "say after")
	if v := l.await(t, order.Finished, 3, 9).Verdict; v.Result != "pass" {
		t.Errorf("job after space was freed: got %+v, want pass", *v)
	}
	empty := l.await(t, order.SpoolEmpty, 1, 7)
	if got := l.lines(t, 1); uint64(len(got)) != empty.Lines || len(got) == 0 || got[0] != "before" {
		t.Errorf("output of the first job: got %d lines, want the %d of its spool, from the first on", len(got), empty.Lines)
	}
}

// smallDisk gives the test a file system of a few MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("SKIPPED: a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		_, err := f.Write(make([]byte, size))
		if errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
