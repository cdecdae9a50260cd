package jobproc

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"strata/dispatcher/pipeline"
)

// TestIdentity follows a process from its start to its end: a number alone is not an identity.
func TestIdentity(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	who, err := Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !who.Lives() {
		t.Errorf("%+v is said not to live", who)
	}
	for _, other := range []Identity{{who.PID, who.Start + 1, who.Boot}, {who.PID, who.Start, "another boot"}, {}} {
		if other.Lives() {
			t.Errorf("%+v is said to live, only %+v does", other, who)
		}
		if n, err := other.KillSession(); n != 0 || err != nil {
			t.Errorf("KillSession of %+v: killed %d, error %v; want nobody", other, n, err)
		}
		if err := other.Signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("signal to %+v: got %v, want ErrProcessDone", other, err)
		}
	}
	if n, err := who.KillSession(); n != 1 || err != nil {
		t.Errorf("KillSession: killed %d, error %v; want 1", n, err)
	}
	cmd.Wait()
	if who.Lives() {
		t.Errorf("%+v is said to live after its end", who)
	}
}

// TestClaimOnce shows that a directory has one process in its life, whoever comes first.
func TestClaimOnce(t *testing.T) {
	dir := t.TempDir()
	me, err := Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	release, err := claim(dir, me)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := GiveUp(dir); !errors.Is(err, ErrHeld) || who != me {
		t.Errorf("GiveUp of a held directory: got %+v, %v; want %+v and ErrHeld", who, err, me)
	}
	release()
	if _, err := claim(dir, me); !errors.Is(err, ErrHeld) {
		t.Errorf("claim after the first process ended: got %v, want ErrHeld", err)
	}
}

// TestGiveUp shows that a process that is slow to start does nothing once the worker gave it up.
func TestGiveUp(t *testing.T) {
	dir := t.TempDir()
	if _, err := GiveUp(dir); err != nil {
		t.Fatalf("GiveUp of a directory that nobody has: %v", err)
	}
	if err := Main(dir, Deps{Now: time.Now}); !errors.Is(err, ErrHeld) {
		t.Errorf("Main in a directory that was given up: got %v, want ErrHeld", err)
	}
	if _, err := ReadVerdict(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("verdict of a job that never ran: got error %v, want none there", err)
	}
}

// TestWriteIsWhole shows that a file is replaced or left alone, and that only its owner may read it.
func TestWriteIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.json")
	if err := Write(path, Task{Servers: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, func() {}); err == nil {
		t.Error("writing what cannot be encoded: no error")
	}
	var got Task
	if err := Read(path, &got); err != nil || got.Servers != "a" {
		t.Errorf("after a failed write: got %+v, error %v; want what was there before", got, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v (error %v), want 0600: orders hold secrets", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("files beside: got %v (error %v), want none", entries, err)
	}
}

func TestFinalizeTime(t *testing.T) {
	tests := []struct {
		name  string
		steps []pipeline.Node
		want  time.Duration
	}{
		{"no plan", nil, 0},
		{"last action finalizes", []pipeline.Node{{Name: "deploy", Timeout: 900}, {Name: "finalize", Timeout: 180}}, 3 * time.Minute},
		{"last action is another", []pipeline.Node{{Name: "finalize", Timeout: 180}, {Name: "deploy", Timeout: 900}}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.steps != nil {
				if err := Write(filepath.Join(dir, DescriptionFile), pipeline.Description{Pipeline: tt.steps}); err != nil {
					t.Fatal(err)
				}
			}
			if got := FinalizeTime(dir); got != tt.want {
				t.Errorf("FinalizeTime: got %s, want %s", got, tt.want)
			}
		})
	}
}
