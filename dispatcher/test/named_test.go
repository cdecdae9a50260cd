package test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"strata/dispatcher/pipeline"
	"strata/events"
)

// Files that a test on the worker leaves are kept as the job names them, and nothing else of the worker.
func TestNamedFiles(t *testing.T) {
	t.Parallel()
	monitors := "monitors: [{name: First One, start: go, end: stop, pattern: '(?P<test_case_id>x): (?P<result>y)'}, {name: second, start: go, end: stop, pattern: '(?P<test_case_id>x): (?P<result>y)'}]"
	interactive := "interactive: [{name: s, prompts: ['=> '], script: [{command: help}]}]"
	failing := "interactive: [{name: s, prompts: ['=> '], script: [{command: help, failures: [{message: bad, exception: JobError}]}]}]"
	for _, tt := range []struct {
		kindStory
		files []string // suite, case, name and content
		says  []string
	}{
		{kindStory{name: "monitors", block: monitors + ", files: [{path: '*.txt', case: c}, {path: /lava-downloads/sub/r.xml, kind: junit, suite: second}]", first: "go\nstop\ngo\nstop\n"},
			[]string{"first-one c a.txt A", "first-one c b.txt B", "second  r.xml <testsuite name=\"n\"><testcase name=\"k\"/></testsuite>"},
			[]string{`"definition":"second","case":"k","result":"pass"`}},
		{kindStory{name: "interactive", block: interactive + ", files: [{path: 'sub/*'}]"}, []string{"0_s  r.xml <testsuite name=\"n\"><testcase name=\"k\"/></testsuite>"}, nil},
		{kindStory{name: "a test that fails", block: failing + ", files: [{path: a.txt}]", says: map[string]string{"help": "bad\n"}, class: pipeline.Job, text: "bad"}, []string{"0_s  a.txt A"}, nil},
		{kindStory{name: "what is not there", block: interactive + ", files: [{path: none}, {path: a.txt, suite: other}]"}, nil, []string{"No file is kept of 'none'", "No file is kept of 'a.txt'"}},
		{kindStory{name: "what is none of the job's", block: interactive + ", files: [{path: out}, {path: sub}, {path: pipe}, {path: big}]"}, nil,
			[]string{"No file is kept of 'out'", "File sub is not kept: is no regular file", "File pipe is not kept: is no regular file", "file big has more than 1000 bytes"}},
		{kindStory{name: "a way out", block: interactive + ", files: [{path: ../x}]", class: pipeline.Job, text: "no pattern of files"}, nil, nil},
		{kindStory{name: "another directory", block: interactive + ", files: [{path: /etc/passwd}]", class: pipeline.Job, text: "no pattern of files"}, nil, nil},
		{kindStory{name: "another way out", block: interactive + ", files: [{path: /lava-downloads/../x}]", class: pipeline.Job, text: "no pattern of files"}, nil, nil},
		{kindStory{name: "another kind", block: interactive + ", files: [{path: a.txt, kind: html}]", class: pipeline.Job, text: "is none of"}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.dir = filepath.Join(t.TempDir(), "7")
			leave(t, filepath.Join(tt.dir, "downloads", "common"))
			var log []events.Record
			tt.log, tt.want = &log, nil
			tt.plays(t)
			var got []string
			files, bodies := kept(t, log)
			for i, f := range files {
				got = append(got, strings.Join([]string{f.Suite, f.Case, f.Name, bodies[i]}, " "))
			}
			if !slices.Equal(got, tt.files) {
				t.Errorf("kept %q, want %q\n%s", got, tt.files, text(log))
			}
			for _, words := range tt.says {
				if !strings.Contains(text(log), words) {
					t.Errorf("the log does not say %q:\n%s", words, text(log))
				}
			}
		})
	}
}

// leave puts there what a test may leave.
func leave(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"a.txt": "A", "b.txt": "B", "big": strings.Repeat("x", 1001), "sub/r.xml": `<testsuite name="n"><testcase name="k"/></testsuite>`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A container leaves its files where the worker finds them, whatever it puts in their place.
func TestFilesOfAContainer(t *testing.T) {
	t.Parallel()
	file, content := binary(t, 40_000)
	log := shellJob{mounted: true, steps: "lava-test-artifact '" + file + "'; lava-test-artifact '" + file + "' --by console --case c; " +
		"echo '<STRATA_FILE LEFT 1-1 base64 3 - - - /x>'; echo '<STRATA_FILE LEFT ../x base64 3 - - - /y>'; " +
		"ln -s /etc/passwd $(dirname $(command -v lava-test-artifact))/../files/2-2; echo '<STRATA_FILE LEFT 2-2 base64 3 - - - /z>'"}.run(t)
	files, bodies := kept(t, log)
	if len(files) != 2 || bodies[0] != content || bodies[1] != content || files[0].Name != "trace_of_it.dat" || files[1].Case != "c" {
		t.Errorf("%d files kept: %+v", len(files), files)
	}
	said := text(log)
	for _, words := range []string{"STRATA_FILE LEFT", "File x is not kept", "File y is not kept", "File z is not kept"} {
		if !strings.Contains(said, words) {
			t.Errorf("the log does not say %q:\n%s", words, said)
		}
	}
	if strings.Contains(said, "root:") {
		t.Error("a file of the worker was read")
	}
}
