package dispatchertest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Programs stand for programs of the worker: each only writes down how it was called and answers as
// the real one would. They are first on PATH for the test and its subtests, which may be parallel.
//
// answers are cases of a POSIX shell's `case` over "NAME ARGUMENTS", such as
//
//	'qdl --version') echo qdl version 2.7;;
//	uuu*bad*) exit 1;;
//
// Where the calls are written down the job's environment says: see [Calls].
func Programs(t *testing.T, answers string, names ...string) {
	t.Helper()
	dir := t.TempDir()
	text := "#!/bin/sh\nname=${0##*/}\n[ -z \"$CALLS\" ] || printf '%s\\n' \"$name $*\" >>\"$CALLS\"\ncase \"$name $*\" in\n" + answers + "\nesac\n"
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// Calls is what the programs of one job were called with.
type Calls struct{ file string }

// NewCalls returns an empty record.
func NewCalls(t *testing.T) Calls {
	t.Helper()
	return Calls{filepath.Join(t.TempDir(), "calls")}
}

// Env returns the variable that a job's environment needs for it.
func (c Calls) Env() string { return "CALLS=" + c.file }

// List returns the calls in their order, without those of ignored programs. Names of the directories
// that are given stand as @, and what was made up at random as *.
func (c Calls) List(t *testing.T, dirs ...string) []string {
	t.Helper()
	text, err := os.ReadFile(c.file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	out := []string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		for _, dir := range dirs {
			line = strings.ReplaceAll(line, dir, "@")
		}
		out = append(out, random.ReplaceAllString(line, "-*"))
	}
	return out
}
