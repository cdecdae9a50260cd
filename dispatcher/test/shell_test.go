package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/protocol"
	"strata/events"
)

// story is what a device says, and what becomes of it.
type story struct {
	name    string
	file    string   // of the definition, beside metadata
	job     string   // of the definition's entry in the job
	says    string   // once the runner is started
	want    []string // level and message of the records that tell something; times are T, lines N
	class   pipeline.Class
	text    string // part of the error
	hangsUp bool   // the console ends
}

const (
	start = "<LAVA_SIGNAL_STARTRUN 0_smoke 7_1.2.1>\n"
	end   = "<LAVA_SIGNAL_ENDRUN 0_smoke 7_1.2.1>\n"
	over  = "<LAVA_TEST_RUNNER EXIT>\n"
	ended = `results {"definition":"lava","case":"0_smoke","uuid":"7_1.2.1","repository":REPO,"path":"smoke.yaml","duration":"T","result":"pass","revision":"unspecified","namespace":"common"}`
)

// unfinished is how the log tells of a run that did not come to its end.
func unfinished() []string {
	return []string{"error Marking unfinished test run as failed",
		`results {"definition":"lava","case":"0_smoke","uuid":"7_1.2.1","result":"fail","duration":"T"}`}
}

// one is the record of a case with its lines.
func one(result string) string {
	return `results {"definition":"0_smoke",` + result + `,"starttc":N,"endtc":N}`
}

// signalStories are about what comes within a run.
func signalStories() []story {
	return []story{
		{name: "one case", says: start + "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n" + end + over,
			want: []string{one(`"case":"a","result":"pass"`), ended}},
		{name: "kernel messages around it",
			says: start + "[ 1.2] usb <LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>[ 1.3] x\n" + end + over,
			want: []string{one(`"case":"a","result":"pass"`), ended}},
		{name: "measurement and units", says: start + "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass UNITS=MB/s MEASUREMENT=1e2>\n" + end + over,
			want: []string{one(`"case":"a","result":"pass","measurement":100,"units":"MB/s"`), ended}},
		{name: "units without a measurement", says: start + "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass UNITS=s>\n" + end + over,
			want: []string{one(`"case":"a","result":"pass"`), ended}},
		{name: "no number", says: start + "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass MEASUREMENT=fast>\n" + end + over,
			want: []string{"error Invalid measurement: 'fast'", ended}},
		{name: "capitals", says: start + "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=SKIP>\n" + end + over,
			want: []string{one(`"case":"a","result":"skip"`), ended}},
		{name: "bad result", says: start + "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=nope>\n" + end + over,
			want: []string{"error Bad test result: 'nope'", ended}},
		{name: "broken argument", says: start + "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT>\n" + end + over,
			want: []string{`error Ignoring malformed parameter for signal: "RESULT".`, ended}},
		{name: "no case", says: start + "<LAVA_SIGNAL_TESTCASE RESULT=pass>\n" + end + over,
			want: []string{"error Test case without a test_case_id: RESULT=pass", ended}},
		{name: "set that outlives its run",
			says: start + "<LAVA_SIGNAL_TESTSET START s1>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n" + end + start +
				"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=b RESULT=pass>\n<LAVA_SIGNAL_TESTSET STOP>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=c RESULT=pass>\n" + end + over,
			want: []string{one(`"case":"a","result":"pass","set":"s1"`), ended, one(`"case":"b","result":"pass","set":"s1"`), one(`"case":"c","result":"pass"`), ended}},
		{name: "set without a name", says: start + "<LAVA_SIGNAL_TESTSET START>\n", want: unfinished(), class: pipeline.Job, text: "Test set START called without a name"},
		{name: "reference", says: start + "<LAVA_SIGNAL_TESTREFERENCE c odd http://x/y>\n" + end + over,
			want: []string{`results {"case":"c","definition":"0_smoke","result":"odd","reference":"http://x/y"}`, ended}},
		{name: "reference without its url", says: start + "<LAVA_SIGNAL_TESTREFERENCE c fail>\n", want: unfinished(), class: pipeline.Test, text: "TESTREFERENCE needs"},
		{name: "event", says: start + "<LAVA_SIGNAL_TESTEVENT look  here>\n" + end + over, want: []string{"event look  here", ended}},
		{name: "raise", says: start + "<LAVA_SIGNAL_TESTRAISE no disk>\n", want: unfinished(), class: pipeline.Test, text: "no disk"},
		{name: "feedback of nobody", says: start + "<LAVA_SIGNAL_TESTFEEDBACK other>\n" + end + over,
			want: []string{"error No connection for the namespace 'other' to read feedback from", ended}},
		{name: "signals of other programs", says: start + "<LAVA_SIGNAL_FUTURE a b>\n<LAVA_SIGNAL_NOARGS>\n" + end + over, want: []string{ended}},
	}
}

// runStories are about how runs begin and end.
func runStories() []story {
	return []story{
		{name: "case without a run", says: "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n",
			want:  []string{"error Test case results without test definition (testsuite), probably the test runner was not started"},
			class: pipeline.Test, text: "Test case results without test definition"},
		{name: "run without a uuid", says: "<LAVA_SIGNAL_STARTRUN 0_smoke>\n", class: pipeline.Test, text: "STARTRUN without"},
		{name: "run without an end", says: start + over, want: unfinished()},
		{name: "run without an end before another", says: start + start + end + over, want: []string{ended}},
		{name: "nobody there any more", says: start, want: unfinished(), class: pipeline.Infrastructure, text: "Connection closed", hangsUp: true},
		{name: "out of time", says: start, want: unfinished(), class: pipeline.Test, text: "lava-test-shell timed out after 60 seconds"},
		{name: "installation failed", says: "<LAVA_TEST_RUNNER INSTALL_FAIL>\n" + over,
			want: []string{"error Unable to start stage 0. Read the log for more details.", "error Marking unfinished test run as failed",
				`results {"definition":"lava","case":"stage_0","result":"fail","duration":"T"}`},
			class: pipeline.Test, text: "['Unable to start test stage 0']"},
		{name: "installation failed, another ran", says: "<LAVA_TEST_RUNNER INSTALL_FAIL>\n" + start + end + over,
			want:  []string{"error Unable to start stage 0. Read the log for more details.", ended},
			class: pipeline.Test, text: "['Unable to start test stage 0']"},
	}
}

// expectStories are about cases that must come, and about those that patterns find.
func expectStories() []story {
	return []story{
		{name: "expected cases of the file", file: "expected: [c, a, b]",
			says: start + "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=x RESULT=pass>\n" + end + over,
			want: []string{one(`"case":"a","result":"pass"`), "warning 'x' not found in expected test case list!", "warning Forcing unexpected 'x' result 'pass' to 'fail' ...", one(`"case":"x","result":"fail"`),
				"warning Reporting missing expected test cases as 'fail' ...", missing("b"), missing("c"), ended}},
		{name: "expected cases of the job", file: "expected: [z]", job: "expected: [a]", says: start + end + over,
			want: []string{"warning Reporting missing expected test cases as 'fail' ...", missing("a"), ended}},
		{name: "expected cases of a run that never came", job: "expected: [a]", says: over,
			want: []string{"warning Reporting missing expected test cases as 'fail' ...", missing("a")}},
		{name: "expected cases of a run that was cut short", job: "expected: [a, b]",
			says:  start + "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n<LAVA_SIGNAL_TESTRAISE x>\n",
			want:  append(append([]string{one(`"case":"a","result":"pass"`)}, unfinished()...), "warning Reporting missing expected test cases as 'fail' ...", missing("b")),
			class: pipeline.Test, text: "x"},
		{name: "expected cases, nothing came", job: "expected: [a]", says: "<LAVA_SIGNAL_TESTRAISE x>\n",
			want: []string{"warning Reporting missing expected test cases as 'fail' ...", missing("a"),
				"warning Reporting missing expected test cases as 'fail' ...", missing("a")},
			class: pipeline.Test, text: "x"},
		{name: "pattern", file: `parse: {pattern: '^(?P<test_case_id>[\w ]+): (?P<result>\w+)( (?P<measurement>[0-9.]+)(?P<units>\w+))?\r?$', fixupdict: {good: pass, bad: fail}}`,
			says: start + "boot: good 1.5s\nmount: bad\nsome thing: good\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=good>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=b RESULT=PASS>\n" +
				end + "late: good\n" + over,
			want: []string{one(`"case":"boot","result":"pass","measurement":1.5,"units":"s"`), one(`"case":"mount","result":"fail"`), one(`"case":"a","result":"pass"`),
				"error Bad test result: 'PASS'", ended}},
		{name: "pattern without its groups", file: `parse: {pattern: 'x(\d)'}`, says: start + "x1\n", want: unfinished(), class: pipeline.Test, text: "without the groups"},
		{name: "pattern that matches nothing", file: `parse: {pattern: '(?P<test_case_id>[a-z]*)(?P<result>[0-9]*)'}`, says: start + "-\n", want: unfinished(),
			class: pipeline.Test, text: "matches the empty text"},
		{name: "pattern that is none", file: `parse: {pattern: '('}`, says: start, want: unfinished(), class: pipeline.Test, text: "Invalid regular expression"},
		{name: "parse without a pattern", file: "parse: {fixupdict: {OK: pass}}", says: start + "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=OK>\n" + end + over,
			want: []string{"warning The parse section of 0_smoke has no pattern: output is not searched for results", one(`"case":"a","result":"pass"`), ended}},
	}
}

func TestListen(t *testing.T) {
	for _, tt := range slices.Concat(signalStories(), runStories(), expectStories()) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := &job{file: tt.file, entry: tt.job, says: tt.says, stays: !tt.hangsUp, timeout: 60}
			var err error
			// In a bubble time passes only while everybody waits: a minute is over at once.
			synctest.Test(t, func(t *testing.T) { err = j.run(t) })
			if got := pipeline.ClassOf(err); got != tt.class || err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v of class %q, want %q of class %q", err, got, tt.text, tt.class)
			}
			if got, want := strings.Join(j.story(t), "\n"), strings.Join(tt.want, "\n"); got != want {
				t.Errorf("story:\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func missing(name string) string {
	return `results {"definition":"0_smoke","case":"` + name + `","result":"fail","level":"3.1","extra":{"reason":"missing expected test cases are reported as 'fail' by LAVA."}}`
}

// A case points at the log lines that it came from.
func TestCasesPointIntoTheLog(t *testing.T) {
	t.Parallel()
	j := &job{stays: true, timeout: 60, says: "<LAVA_SIGNAL_STARTRUN 0_smoke u>\n<LAVA_SIGNAL_STARTTC a>\noutput\n<LAVA_SIGNAL_ENDTC a>\n" +
		"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n<LAVA_TEST_RUNNER EXIT>\n"}
	if err := j.run(t); err != nil {
		t.Fatal(err)
	}
	for _, r := range j.log {
		var m struct {
			Case       string
			Start, End *int
		}
		if r.Level != events.Results || !strings.Contains(string(r.Message), `"case":"a"`) {
			continue
		}
		if err := json.Unmarshal([]byte(strings.NewReplacer("starttc", "start", "endtc", "end").Replace(string(r.Message))), &m); err != nil {
			t.Fatal(err)
		}
		if m.Start == nil || m.End == nil {
			t.Fatalf("result without lines: %s", r.Message)
		}
		if got := string(j.log[*m.Start].Message); got != `"Received signal: <STARTTC> a"` {
			t.Errorf("line %d: %s", *m.Start, got)
		}
		if got := string(j.log[*m.End].Message); got != `"Received signal: <ENDTC> a"` {
			t.Errorf("line %d: %s", *m.End, got)
		}
		return
	}
	t.Error("no result")
}

func TestStart(t *testing.T) {
	t.Parallel()
	j := &job{stays: true, timeout: 60, says: "<LAVA_TEST_RUNNER EXIT>\n", commands: []string{"mount it"}}
	if err := j.run(t); err != nil {
		t.Fatal(err)
	}
	want := "#|mount it|export SHELL=/bin/sh|. /lava-7/environment ; printf \"<LAVA_SIGNAL_RETRUNCODE $?>\\n\"|/lava-7/bin/lava-test-runner /lava-7/0"
	if got := strings.Join(j.typed, "|"); got != want {
		t.Errorf("typed:\n got %s\nwant %s", got, want)
	}
	broken := &job{stays: true, timeout: 60, status: "2"}
	if err := broken.run(t); pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), "'. /lava-7/environment' failed with return code 2!") {
		t.Errorf("error: %v of class %q", err, pipeline.ClassOf(err))
	}
	alone := &job{timeout: 60, alone: true}
	if err := alone.run(t); pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), "No connection to the DUT") {
		t.Errorf("error: %v of class %q", err, pipeline.ClassOf(err))
	}
}

// job is a job on a scripted device.
type job struct {
	file, entry string // of the definition, and of its entry in the job
	says        string // once the runner is started
	stays       bool   // the console stays open afterwards
	alone       bool   // there is no console
	status      string // of sourcing the environment; "0" where empty
	timeout     int    // of the test block, in seconds
	commands    []string
	speak       func(io.Writer) // says more, in place of says
	limit       int64           // of the output; 0 is the usual one
	ask         protocol.Ask    // of a job in a group

	typed []string
	log   []events.Record
}

func (j *job) run(t *testing.T) error {
	t.Helper()
	definition := fmt.Sprintf(`
timeouts: {job: {minutes: 5}, action: {minutes: 1}, connection: {minutes: 1}}
actions:
- deploy: {to: x, os: oe}
- boot: {method: x}
- test:
    timeout: {seconds: %d}
    definitions:
    - name: smoke
      from: inline
      path: smoke.yaml
      %s
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: smoke}
        %s
`, j.timeout, j.entry, j.file)
	var protocols []pipeline.Protocol
	if j.ask != nil {
		definition += group
		protocols = protocol.Of(read(t, definition), j.ask)
	}
	log := output.New(output.Settings{Now: time.Now, Limit: j.limit, Write: func(r events.Record) error {
		j.log = append(j.log, r)
		return nil
	}})
	p, err := pipeline.Parse(pipeline.Inputs{
		ID: "7", Job: read(t, definition), Device: read(t, device), Env: os.Environ(),
		Dispatcher: read(t, "dispatcher_ip: 192.0.2.1"), Dir: filepath.Join(t.TempDir(), "7"),
		Log: log, Now: time.Now, Protocols: protocols,
		Methods: pipeline.Methods{
			Deploy: []pipeline.Method{{Name: "x", Accepts: always, Action: func(pipeline.Data) pipeline.Action { return overlay.New() }}},
			Boot:   []pipeline.Method{{Name: "x", Accepts: always, Action: func(pipeline.Data) pipeline.Action { return power{j, t} }}},
			Test:   Methods(),
			Finalize: func() pipeline.Action {
				return pipeline.Basic{Title: "finalize", About: "test", Fill: func(*pipeline.Step, *pipeline.Session) error { return nil }}
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if j.ask != nil {
		if err = protocols[0].Validate(&pipeline.Session{ID: "7"}); err != nil {
			t.Fatal(err)
		}
	}
	err = p.Run(t.Context())
	log.Finish()
	if failed := p.Cleanup(context.Background()); failed != nil {
		t.Error(failed)
	}
	return err
}

const device = `
hostname: d
devicetype: d
constants: {failure_retry: 1, boot_retry: , posix: {lava_test_results_dir: /lava-%s, lava_test_sh_cmd: /bin/sh, lava_test_shell_file: x}}
actions: {deploy: {methods: {x: }}, boot: {methods: {x: }}}
`

func always(_, _ pipeline.Data) (string, error) { return "", nil }

// power is the boot action: it connects the scripted device.
type power struct {
	j *job
	t *testing.T
}

func (power) Name() string { return "power" }

func (p power) Run(_ context.Context, s *pipeline.Session) error {
	if p.j.alone {
		return nil
	}
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.j.talk(far)
	}()
	c := connection.New(near, connection.Settings{Log: s.Log})
	c.Prompts, c.CheckChar = []string{"board # "}, "#"
	p.t.Cleanup(func() {
		far.Close()
		near.Close()
		<-done
	})
	pipeline.Put(s, pipeline.PreCommands, p.j.commands)
	s.SetConsole(c)
	return nil
}

// talk is the device: it echoes what is typed, and does as its script says.
func (j *job) talk(console io.ReadWriteCloser) {
	say := func(text string) { io.WriteString(console, strings.ReplaceAll(text, "\n", "\r\n")) }
	in := bufio.NewScanner(console)
	for in.Scan() {
		line := in.Text()
		j.typed = append(j.typed, line)
		say(line + "\n")
		switch {
		case strings.Contains(line, "RETRUNCODE"):
			status := j.status
			if status == "" {
				status = "0"
			}
			say("<LAVA_SIGNAL_RETRUNCODE " + status + ">\nboard # ")
		case strings.Contains(line, "lava-test-runner"):
			say(j.says)
			if j.speak != nil {
				j.speak(console)
			}
			if !j.stays {
				console.Close()
				return
			}
		default:
			say("board # ")
		}
	}
}

// story returns the records that tell something.
func (j *job) story(t *testing.T) []string {
	t.Helper()
	var story []string
	for _, r := range j.log {
		var text string
		if json.Unmarshal(r.Message, &text) != nil {
			text = string(r.Message)
		}
		switch r.Level {
		case events.Results:
			var m map[string]any
			if err := json.Unmarshal(r.Message, &m); err != nil {
				t.Fatal(err)
			}
			if m["definition"] == "lava" && m["namespace"] != nil && m["uuid"] == nil {
				continue // of an action
			}
			for key, to := range map[string]string{"duration": `"T"`, "starttc": "N", "endtc": "N", "repository": "REPO"} {
				if m[key] != nil {
					text = strings.Replace(text, `"`+key+`":`+field(t, r.Message, key), `"`+key+`":`+to, 1)
				}
			}
		case events.Warning, events.EventText:
		case events.Error:
			if strings.Contains(text, "attempts.") {
				continue // of the retry action
			}
		default:
			continue
		}
		story = append(story, string(r.Level)+" "+text)
	}
	return story
}

// field returns a value of a mapping as it is written.
func field(t *testing.T, message json.RawMessage, key string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(message, &m); err != nil {
		t.Fatal(err)
	}
	return string(m[key])
}

func read(t *testing.T, text string) pipeline.Data {
	t.Helper()
	d, err := pipeline.ReadYAML([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}
