package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLabGuides types what the guides for administrators say, block by block, in a lab of its own, and looks
// for what must come of it.
func TestLabGuides(t *testing.T) {
	t.Parallel()
	tests := []struct {
		page  string
		board bool     // it takes board1, which runs quickJob, for granted
		want  []string // printed somewhere
	}{
		{"workers.md", false, []string{"strata1_", "lab2 is ", "by local: kernel update", "second NIC", "-dispatcher_ip: 10.0.0.2", "+dispatcher_ip: 10.0.0.3",
			"device board7 moved", "worker lab3 removed", "worker lab2 removed", "job_limit: 4"}},
		{"health-checks.md", true, []string{"health Unknown by local: new cable", "device board1 is Looping", "device.health-set", "device board1 is Unknown"}},
	}
	for _, tt := range tests {
		t.Run(tt.page, func(t *testing.T) {
			t.Parallel()
			page, err := os.ReadFile(filepath.Join(workspace(t), "docs", tt.page))
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t)
			w.up(t, "--listen-sql", "")
			if tt.board {
				w.must(t, "workers", "register", "w1")
				file := filepath.Join(w.dir, "board1.yaml")
				if err := os.WriteFile(file, []byte(quickDevice), 0o600); err != nil {
					t.Fatal(err)
				}
				w.must(t, "devices", "add", "board1", "--type", "quick", "--worker", "w1", "--dict", file, "--health", "Good")
			}
			said := ""
			blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(page, -1)
			if len(blocks) < 4 {
				t.Fatalf("%s has %d blocks to type, want some", tt.page, len(blocks))
			}
			for _, m := range blocks {
				said += w.typed(t, string(m[1]))
			}
			for _, want := range tt.want {
				if !strings.Contains(said, want) {
					t.Errorf("nothing that was typed printed %q; printed was:\n%s", want, said)
				}
			}
		})
	}
}

// typed types a block of a guide into a shell in which strata is this binary.
func (w *world) typed(t *testing.T, block string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(w.dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	strata := "#!/bin/sh\nexec env " + asStrata + "=1 " + self + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "strata"), []byte(strata), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(block, " > lab2.token", " | tee lab2.token"))
	cmd.Dir, cmd.Env = w.dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	for name, value := range w.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s\nprinted:\n%s", err, block, out)
	}
	return string(out)
}
