package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"strata/events"
	"strata/services/api"
)

// TestDiskFull fills the disk of the lab's data directory to the last byte while a job runs: new
// submissions are refused with the reason, nothing that was acknowledged is lost, and once there is
// room again the job ends with all its lines and the lab takes submissions, without a restart.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	assets := needBoot(t)
	w := newWorld(t)
	data := smallDisk(t, 96<<20)
	config := filepath.Join(w.dir, "strata.yaml")
	if err := os.WriteFile(config, []byte("space: {server: 16MiB, worker: 16MiB}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.up(t, "--data", data, "--config", config, "--listen-sql", "")
	w.spawn(t, "worker", "--name", "w1", "--data", filepath.Join(w.dir, "worker"), "--config", config)
	device := filepath.Join(w.dir, "device.yaml")
	if err := os.WriteFile(device, []byte(demoDevice), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the worker has registered itself", func() bool {
		_, text := w.strata(t, "workers")
		return strings.Contains(text, "w1")
	})
	w.must(t, "devices", "add", "q1", "--type", "qemu", "--worker", "w1", "--dict", device, "--health", "Good")
	c, done, err := w.app(nil).client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	l := &split{world: w, client: c, assets: assets}
	const cases = 40
	job := l.submit(t, cases)
	f := l.follow(t, job)
	eventually(t, "the job is at work", func() bool { return f.seen() >= 5 })

	fill := filepath.Join(data, "fill")
	fillDisk(t, fill)
	quick := filepath.Join(w.dir, "quick.yaml")
	if err := os.WriteFile(quick, []byte(quickJob), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a submission is refused for want of space", func() bool {
		status, text := w.strata(t, "submit", quick)
		return status == exitFailed && strings.Contains(text, "disk space")
	})
	// What is in its last pages still fits; it is full when the bus cannot store what it is given.
	eventually(t, "the bus takes nothing any more", func() bool {
		reply, err := c.Conn.Request("submit.local", bytes.Repeat([]byte("# "), 16<<10), 2*time.Second)
		return err != nil || bytes.Contains(reply.Data, []byte(`"error"`))
	})
	if status, text := w.strata(t, "submit", quick); status != exitFailed || !strings.Contains(text, "disk space") {
		t.Errorf("submit to a disk that is full to the last byte: status %d, said %q; want the reason", status, text)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the follower has come to the log's end", f.ended)
	var j api.Job
	w.ask(t, &j, "show", job.String())
	if j.Health != events.Complete || j.Missing != 0 || uint64(len(f.lines)) != j.Lines || f.seen() != cases {
		t.Errorf("job %d: %s with %d lines, %d missing; the follower got %d lines and %d of %d markers, and ended with %v; want it Complete and nothing missing",
			job, j.Health, j.Lines, j.Missing, len(f.lines), f.seen(), cases, f.err)
	}
	var r api.Results
	w.ask(t, &r, "results", job.String(), "--suite", "0_smoke")
	for i, e := range r.Cases {
		if want := fmt.Sprintf("m%d", i+1); e.Name != want {
			t.Fatalf("result %d is %s, want %s", i+1, e.Name, want)
		}
	}
	if len(r.Cases) != cases {
		t.Errorf("job %d has %d results, want %d", job, len(r.Cases), cases)
	}
	eventually(t, "the lab takes submissions again", func() bool {
		status, text := w.strata(t, "submit", quick)
		return status == exitOK || strings.Contains(text, "rejected") && !strings.Contains(text, "disk space")
	})
}

// smallDisk mounts a file system of that size in memory and returns where.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			t.Skipf("SKIPPED, no full disk is tested: mounting a small file system needs root: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// fillDisk writes a file until nothing more fits.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("fill the disk: %v", err)
			}
			size /= 2
		}
	}
}
