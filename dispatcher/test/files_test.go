package test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/events"
)

// kept returns the files of a log with their bytes, as its readers put them together.
func kept(t *testing.T, log []events.Record) (files []events.File, bodies []string) {
	t.Helper()
	part := func(n uint64) (p events.FilePart) {
		if log[n].Level != events.FileData {
			t.Fatalf("line %d is no part of a file: %s", n, log[n].Message)
		}
		if err := json.Unmarshal(log[n].Message, &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for n, r := range log {
		if r.Level != events.FileData || part(uint64(n)).File == nil {
			continue
		}
		f := *part(uint64(n)).File
		var body []byte
		for i := range f.Parts {
			body = append(body, part(f.First+i).Data...)
		}
		files, bodies = append(files, f), append(bodies, string(body))
	}
	return files, bodies
}

// A file arrives byte for byte, whatever the console does to its lines.
func TestFilesOverTheConsole(t *testing.T) {
	if _, err := exec.LookPath("cksum"); err != nil {
		t.Skip("SKIPPED: no cksum")
	}
	var random []byte
	for i := range 25_000 {
		random = append(random, byte(i*i*31+i>>3), byte(i>>2))
	}
	random = random[:45_000] // 790 lines, in three records
	for name, tt := range map[string]struct {
		body   []byte
		faults []fault
	}{
		"whole":                   {random, nil},
		"empty":                   {nil, nil},
		"without an end of line":  {[]byte("one\ntwo"), nil},
		"lines cut and shortened": {random, []fault{{9, 20, true}, {10, 3, true}, {40, 50, false}, {791, 1, true}, {792, 30, true}}},
		"its beginning":           {random, []fault{{2, 16, true}}},
		"its end":                 {random, []fault{{793, 14, true}}},
		"the answer as well":      {random, []fault{{9, 20, true}, {797, 30, true}, {798, 30, true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "trace of it.dat")
			if err := os.WriteFile(file, tt.body, 0o600); err != nil {
				t.Fatal(err)
			}
			log := shellJob{steps: "lava-test-artifact '" + file + "' --case boot", faults: tt.faults}.run(t)
			files, bodies := kept(t, log)
			if len(files) != 1 || bodies[0] != string(tt.body) {
				t.Fatalf("%d files kept: %+v\n%s", len(files), files, text(log))
			}
			if broken := strings.Contains(text(log), "came broken"); broken != (tt.faults != nil && name != "its end") {
				t.Errorf("the log tells of broken lines: %v\n%s", broken, text(log))
			}
			if f := files[0]; f.Name != "trace_of_it.dat" || f.Suite != "0_smoke" || f.Case != "boot" || f.Bytes != uint64(len(tt.body)) {
				t.Errorf("kept as %+v", f)
			}
		})
	}
}

// A file that tells its kind brings its cases; what cannot be read, or is too much, is said and costs
// nothing else.
func TestFilesOfAKind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, body := range map[string]string{
		"r.xml":    `<testsuites><testsuite name="net io"><testcase name="ping"/><testcase name="dns"><failure message="no answer"/></testcase></testsuite></testsuites>`,
		"r.tap":    "TAP version 13\n1..2\nok 1 first\nnot ok 2 second # SKIP later\n",
		"evil.xml": `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><testsuites><testsuite name="x"><testcase name="&b;"/></testsuite></testsuites>`,
		"big":      strings.Repeat("x", 50_001),
		"a":        strings.Repeat("a", 40_000),
		"b":        strings.Repeat("b", 40_000),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := shellJob{steps: "cd " + dir + "; lava-test-artifact r.xml --kind junit; lava-test-artifact r.tap --kind tap; lava-test-artifact evil.xml --kind junit; " +
		"lava-test-artifact big; lava-test-artifact a; lava-test-artifact a; lava-test-artifact b; lava-test-case last --result pass"}.run(t)
	var got []string
	for _, r := range log {
		var c struct{ Definition, Set, Case, Result, File string }
		if r.Level != events.Results {
			continue
		}
		if err := json.Unmarshal(r.Message, &c); err != nil {
			t.Fatal(err)
		}
		if c.Definition == "0_smoke" {
			got = append(got, strings.Join([]string{c.Set, c.Case, c.Result, c.File}, " "))
		}
	}
	want := []string{"net_io ping pass r.xml", "net_io dns fail r.xml", " first pass r.tap", " second skip r.tap", " last pass "}
	if !slices.Equal(got, want) {
		t.Errorf("results:\n got %q\nwant %q", got, want)
	}
	files, _ := kept(t, log)
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	if want := []string{"r.xml", "r.tap", "evil.xml", "a", "a"}; !slices.Equal(names, want) {
		t.Errorf("files: got %q, want %q", names, want)
	} else if files[3].First != files[4].First {
		t.Errorf("one content is kept twice: %+v", files[3:])
	}
	said := text(log)
	for _, words := range []string{"No results were read from file evil.xml", "file big has 50001 bytes; at most 50000", "file b has 40000 bytes, and this job may give"} {
		if !strings.Contains(said, words) {
			t.Errorf("the log does not say %q:\n%s", words, said)
		}
	}
	if bytes.Contains([]byte(said), []byte("root:")) {
		t.Error("a file of the worker was read")
	}
}
