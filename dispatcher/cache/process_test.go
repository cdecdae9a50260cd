package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain makes this binary, started again, a job's process that reads one URL through the cache.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "job" {
		if err := childJob(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// childText is what the child's server has.
const childText = "hello, world"

// childJob reads a part of a file, says so, and never comes to the rest.
func childJob(dir string) error {
	c, err := Open(dir, 0, time.Now)
	if err != nil {
		return err
	}
	s := newServer(childText, Version{ETag: `"1"`})
	content, err := c.Get(context.Background(), Request{URL: "http://x/f"}, s.ask, func() {})
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(content, make([]byte, 5)); err != nil {
		return err
	}
	fmt.Print("x")
	_, err = io.Copy(io.Discard, os.Stdin) // which never ends: it is killed
	return errors.Join(err, content.Close())
}

// TestHundredJobs has a hundred jobs want one file at once, from a server that names no versions.
func TestHundredJobs(t *testing.T) {
	t.Parallel()
	s := newServer(strings.Repeat("content ", 10_000), Version{})
	s.begun, s.gate = make(chan struct{}), make(chan struct{})
	begun, dir := s.begun, t.TempDir()
	var jobs, waiting sync.WaitGroup
	waiting.Add(99)
	for range 100 {
		jobs.Go(func() {
			c, err := Open(dir, 0, time.Now) // nothing is shared but the directory
			if err != nil {
				t.Error(err)
				return
			}
			content, err := c.Get(t.Context(), Request{URL: "http://x/f"}, s.ask, waiting.Done)
			if err != nil {
				t.Error(err)
				return
			}
			defer content.Close()
			if got, err := io.ReadAll(content); err != nil || !bytes.Equal(got, s.content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	<-begun
	waiting.Wait() // all others have asked
	close(s.gate)
	jobs.Wait()
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the server was asked %d times, want once", n)
	}
}

// TestKilled kills a process in the middle of a download. Who waited for it goes on where it was.
func TestKilled(t *testing.T) {
	t.Parallel()
	c, err := Open(t.TempDir(), 0, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "job", c.dir)
	cmd.Stderr = os.Stderr
	told, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	open, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := told.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the process did not begin: %v", err)
	}
	waited, done := make(chan struct{}), make(chan string, 1)
	s := newServer(childText, Version{ETag: `"1"`})
	go func() {
		content, err := c.Get(t.Context(), Request{URL: "http://x/f"}, s.ask, func() { close(waited) })
		if err != nil {
			done <- err.Error()
			return
		}
		defer content.Close()
		got, err := io.ReadAll(content)
		done <- fmt.Sprintf("%s %v, %t", got, err, content.Resumed >= 5)
	}()
	<-waited // it holds the lock
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if got, want := <-done, childText+" <nil>, true"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if s.rest.Load() != 1 || s.whole.Load() != 0 {
		t.Errorf("the server sent %d rests and %d whole files, want one rest", s.rest.Load(), s.whole.Load())
	}
}

func TestCanceledWhileWaiting(t *testing.T) {
	t.Parallel()
	c, s := open(t, 0), newServer("content", Version{})
	r := Request{URL: "http://x/f"}
	lock, err := c.lock(t.Context(), r.key(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := c.Get(ctx, r, s.ask, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}
