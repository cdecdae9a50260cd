package test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// doors is a worker that offers a place for doors on this machine.
func doors() pipeline.Services {
	return pipeline.Services{Files: &pipeline.FileDoor{Host: "127.0.0.1"}}
}

// toDoor is the file that tells the helper of the door.
const toDoor = `$(dirname $(command -v lava-test-artifact))/../door`

// only returns a step that leaves the shell these programs beside the helpers and what those cannot do
// without. "busybox nc" is the nc of busybox, "no curl" one that fails.
func only(t *testing.T, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range append(programs, "sh", "cat", "wc", "tr", "cksum", "base64", "od", "date", "dirname", "rm", "chmod", "timeout", "sed", "mkdir") {
		name, box := strings.CutPrefix(p, "busybox ")
		program := name
		if box {
			program = "busybox"
		}
		if name, fails := strings.CutPrefix(p, "no "); fails {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nexit 7\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		debian := map[string]string{"busybox": "busybox-static", "curl": "curl", "wget": "wget", "bash": "bash"}[program]
		dispatchertest.Need(t, program+":"+cmp.Or(debian, "coreutils"))
		found, err := exec.LookPath(program)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(found, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return "PATH=$(dirname $(command -v lava-test-artifact)):" + dir + "; "
}

// binary writes a file of n bytes that no text has, and returns its path and content.
func binary(t *testing.T, n int) (file, content string) {
	t.Helper()
	made := make([]byte, n)
	for i := range made {
		made[i] = byte(i*i*31 + i>>3)
	}
	file = filepath.Join(t.TempDir(), "trace of it.dat")
	if err := os.WriteFile(file, made, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, string(made)
}

// Whatever client a device has, a file comes byte for byte, with the same record, and the console has
// nothing to do but to say so.
func TestFilesOverTheNetwork(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		programs []string
		options  string
		console  bool // that is how it comes
	}{
		"curl":            {[]string{"curl"}, "", false},
		"nc of busybox":   {[]string{"busybox nc"}, "", false},
		"wget of busybox": {[]string{"busybox wget"}, "", false},
		"wget":            {[]string{"wget"}, "", false},
		"bash":            {[]string{"bash"}, "", false},
		"the first fails": {[]string{"no curl", "no nc", "wget"}, "", false},
		"asked for":       {[]string{"curl"}, "--by network", false},
		"no client":       {nil, "", true},
		"console wanted":  {[]string{"curl"}, "--by console", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, content := binary(t, 40_000)
			log := shellJob{steps: only(t, tt.programs...) + "lava-test-artifact '" + file + "' --case boot " + tt.options, services: doors()}.run(t)
			files, bodies := kept(t, log)
			if len(files) != 1 || bodies[0] != content {
				t.Fatalf("%d files kept: %+v\n%s", len(files), files, text(log))
			}
			sum := sha256.Sum256([]byte(content))
			want := events.File{Suite: "0_smoke", Case: "boot", Name: "trace_of_it.dat", Bytes: 40_000, SHA256: hex.EncodeToString(sum[:]), First: files[0].First, Parts: 2}
			if files[0] != want {
				t.Errorf("kept as %+v, want %+v", files[0], want)
			}
			if over := strings.Contains(text(log), "STRATA_FILE BEGIN"); over != tt.console {
				t.Errorf("over the console: %v, want %v\n%s", over, tt.console, text(log))
			}
		})
	}
}

// Where nobody answers the console has to do; what must not go over it is not kept.
func TestNoWayToTheDoor(t *testing.T) {
	t.Parallel()
	file, content := binary(t, 1000)
	shut := "s=$(sed 's/^network .*/network 127.0.0.1 1 x/' " + toDoor + `); echo "$s" >` + toDoor + "; "
	log := shellJob{steps: only(t, "curl") + shut + "lava-test-artifact '" + file + "'; lava-test-artifact '" + file + "' --by network; lava-test-case last --result pass",
		services: doors()}.run(t)
	files, bodies := kept(t, log)
	if len(files) != 1 || bodies[0] != content {
		t.Fatalf("%d files kept: %+v\n%s", len(files), files, text(log))
	}
	if said := text(log); !strings.Contains(said, "is to come over the network only, and the job's door did not answer") {
		t.Errorf("nothing is said of the file that is not kept:\n%s", said)
	}
}

// A console that breaks the announcement costs nothing: the file's path has said the same.
func TestAnnouncementBroken(t *testing.T) {
	t.Parallel()
	file, content := binary(t, 3000)
	log := shellJob{steps: only(t, "curl") + "lava-test-artifact '" + file + "' --case boot", services: doors(), faults: []fault{{2, 16, true}}}.run(t)
	files, bodies := kept(t, log)
	if len(files) != 1 || bodies[0] != content || files[0].Suite != "0_smoke" || files[0].Case != "boot" || files[0].Name != "trace_of_it.dat" {
		t.Fatalf("%d files kept: %+v\n%s", len(files), files, text(log))
	}
}

// The limits hold in order, by either way, are said, and cost the job nothing.
func TestLimitsOfFiles(t *testing.T) {
	t.Parallel()
	for name, services := range map[string]pipeline.Services{"console": {}, "network": doors()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, size := range map[string]int{"big": 50_001, "a": 40_000, "b": 40_000, "c>d": 10, "sp ace": 10, "full": 30_000, "more": 1} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat(name[:1], size)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			log := shellJob{steps: only(t, "curl") + "cd " + dir + "; for f in big a b 'c>d' 'sp ace' full more; do lava-test-artifact \"$f\"; done; lava-test-case last --result pass",
				services: services}.run(t)
			files, _ := kept(t, log)
			var names []string
			for _, f := range files {
				names = append(names, f.Name)
			}
			if want := []string{"a", "sp_ace", "more"}; !slices.Equal(names, want) {
				t.Errorf("files: got %q, want %q\n%s", names, want, text(log))
			}
			said := text(log)
			for _, words := range []string{
				"A file is not kept: file big has 50001 bytes; at most 50000 are kept of one file",
				"A file is not kept: file b has 40000 bytes, and this job may give 30000 more",
				"A file is not kept: the path of file c_d has a '>'",
				`File \"sp ace\" is kept as sp_ace`,
				"A file is not kept: file full has 30000 bytes, and this job may give 29990 more",
			} {
				if !strings.Contains(said, words) {
					t.Errorf("the log does not say %q:\n%s", words, said)
				}
			}
			if over := strings.Contains(said, "STRATA_FILE BEGIN"); over != (name == "console") {
				t.Errorf("over the console: %v", over)
			}
			if all := casesOf(t, log); !slices.ContainsFunc(all, func(c reported) bool { return c.Case == "last" && c.Result == "pass" }) {
				t.Errorf("the test did not go on: %+v", all)
			}
		})
	}
}

// What belongs to no test of the job is not kept, and the log says so.
func TestFilesOfNoTest(t *testing.T) {
	t.Parallel()
	file, _ := binary(t, 100)
	send := "url=$(sed -n 's,^network \\(.*\\) \\(.*\\) \\(.*\\),http://\\1:\\2/\\3,p' " + toDoor + "); curl -sS -T '" + file + "' $url/1/raw/100/" +
		hex.EncodeToString(fmt.Append(nil, "9_none base64 100 - - - /x"))
	log := shellJob{steps: only(t, "curl") + send, services: doors()}.run(t)
	if files, _ := kept(t, log); len(files) != 0 {
		t.Errorf("kept %+v", files)
	}
	if said := text(log); !strings.Contains(said, `File x is not kept: \"9_none\" is no test of this shell`) {
		t.Errorf("the log does not say what became of the file:\n%s", said)
	}
}
