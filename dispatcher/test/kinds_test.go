package test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/protocol"
	"strata/events"
)

// kindStory is a test block, a device, and what becomes of both.
type kindStory struct {
	name  string
	block string
	first string            // what the device says by itself
	says  map[string]string // what it answers to a line; "" for the others
	want  []string
	typed []string
	class pipeline.Class
	text  string

	dir      string           // of the job; a new one where it is ""
	log      *[]events.Record // gets all of the log
	patience int              // seconds of the connection's timeout, 60 where it is 0
	ask      protocol.Ask     // of a job in a group
}

func TestMonitors(t *testing.T) {
	t.Parallel()
	block := `monitors: [{name: My Suite, start: Booting, end: DONE, pattern: '(?P<result>PASS|FAIL|ODD) - (?P<test_case_id>[^\r]*)\r|(?P<id>x)', fixupdict: {PASS: pass, FAIL: fail}EXPECTED}]`
	lat := `monitors: [{name: l, start: go, end: stop, pattern: '(?P<test_case_id>\w+): (?P<measurement>[\d.]+) (?P<units>\w+)'}]`
	for _, tt := range []kindStory{
		{name: "cases", block: strings.Replace(block, "EXPECTED", "", 1), first: "Booting\nPASS - Test One!\nODD - b\nFAIL - c\nDONE\n",
			want: []string{`results {"definition":"my-suite","case":"test_one_","level":"1.2.1","result":"pass"}`, "error Bad test result: ODD",
				`results {"definition":"my-suite","case":"c","level":"1.2.1","result":"fail"}`}},
		{name: "expected", block: strings.Replace(block, "EXPECTED", ", expected: [a, z]", 1), first: "Booting\nPASS - a\nPASS - b\nDONE\n",
			want: []string{`results {"definition":"my-suite","case":"a","level":"1.2.1","result":"pass"}`,
				"warning 'b' not found in expected test case list!", "warning Forcing unexpected 'b' result 'pass' to 'fail' ...",
				`results {"definition":"my-suite","case":"b","level":"1.2.1","result":"fail"}`, "warning Reporting missing expected test cases as 'fail' ...",
				`results {"definition":"my-suite","case":"z","result":"fail","level":"1.2.1","extra":{"reason":"missing expected test cases are reported as 'fail' by LAVA."}}`}},
		{name: "measurements", block: lat, first: "go\nlatency: 12.5 ns\nstop\n",
			want: []string{`results {"definition":"l","case":"latency","level":"1.2.1","result":"pass","measurement":12.5,"units":"ns"}`}},
		{name: "the console ends", block: lat, first: "go\nHANGUP", want: []string{"warning err: lava test monitoring reached end of file"},
			class: pipeline.Infrastructure, text: "Connection closed"},
		{name: "no end", patience: 3, block: lat, first: "go\n", want: []string{"warning err: lava test monitoring has timed out"}},
		{name: "no start", patience: 3, block: lat, first: "quiet\n", class: pipeline.Job, text: "wait for prompt timed out"},
	} {
		t.Run(tt.name, tt.run)
	}
}

func TestInteractive(t *testing.T) {
	t.Parallel()
	script := func(text string) string {
		return "interactive: [{name: s, prompts: ['=> '], script: [" + text + "]}]"
	}
	passed, failed := `results {"definition":"lava","case":"0_s","result":"pass","duration":"T"}`, `results {"definition":"lava","case":"0_s","result":"fail","duration":"T"}`
	named := func(name, result string) string {
		return fmt.Sprintf(`results {"definition":"0_s","case":%q,"result":%q,"duration":"T"}`, name, result)
	}
	for _, tt := range []kindStory{
		{name: "prompt", block: script("{command: help, name: h}"), want: []string{named("h", "pass"), passed}, typed: []string{"help"}},
		{name: "nothing typed", block: script("{command: null}"), first: "=> ", want: []string{passed}},
		{name: "success with a group", block: script(`{command: dhcp, name: d, successes: [{message: 'bound to (?P<ADDR>[\d.]+)'}]}, {command: 'ping {ADDR} {JOB_ID}'}`),
			says: map[string]string{"dhcp": "bound to 10.0.0.5 \n"}, want: []string{named("d", "pass"), passed}, typed: []string{"dhcp", "ping 10.0.0.5 7"}},
		{name: "a prompt is no success", block: script("{command: dhcp, name: d, successes: [{message: bound}]}, {command: next}"),
			want:  []string{"error Matched a prompt (was expecting a success): '=> '", named("d", "fail"), passed},
			typed: []string{"dhcp", "next"}},
		{name: "failure with an exception", block: script("{command: dhcp, name: d, failures: [{message: TIMEOUT, exception: InfrastructureError, error: dhcp failed}]}, {command: next}"),
			says: map[string]string{"dhcp": "TIMEOUT\n"}, want: []string{"error Matched a failure: 'TIMEOUT'", named("d", "fail"), failed},
			typed: []string{"dhcp"}, class: pipeline.Infrastructure, text: "dhcp failed"},
		{name: "failure without a name", block: script("{command: x, failures: [{message: bad}]}"), says: map[string]string{"x": "bad\n"},
			want: []string{"error Matched a failure: 'bad'", failed}, typed: []string{"x"}, class: pipeline.Test, text: "Failed to run command 'x'"},
		{name: "echo discarded", block: strings.Replace(script("{command: 'echo =>', name: e, successes: [{message: '=>'}]}"), "{name: s,", "{name: s, echo: discard,", 1),
			says: map[string]string{"echo =>": "ok\n"}, want: []string{"error Matched a prompt (was expecting a success): '=> '", named("e", "fail"), passed}},
		{name: "no wait for the prompt", block: script("{command: boot, name: b, successes: [{message: Starting}], wait_for_prompt: false}"),
			says: map[string]string{"boot": "Starting\nMUTE"}, want: []string{named("b", "pass"), passed}},
		{name: "multinode", block: script("{lava-send: 'a b=c'}"), want: []string{failed}, class: pipeline.Job, text: "lava-send in an interactive script needs a multinode job"},
	} {
		t.Run(tt.name, tt.run)
	}
}

// run plays a story.
func (k kindStory) run(t *testing.T) {
	t.Parallel()
	if got := k.plays(t); !slices.Equal(got, k.want) {
		t.Errorf("story:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(k.want, "\n     "))
	}
}

// plays plays a story to its end and returns what it tells.
func (k kindStory) plays(t *testing.T) []string {
	t.Helper()
	near, far := net.Pipe()
	var typed []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		typed = k.device(far)
	}()
	j := &job{}
	if k.patience == 0 {
		k.patience = 60
	}
	text := "timeouts: {job: {minutes: 5}, action: {minutes: 2}, connection: {seconds: " + strconv.Itoa(k.patience) + "}}\nactions: [{test: {" + k.block + "}}]\n"
	if k.ask != nil {
		text += group
	}
	if k.dir == "" {
		k.dir = filepath.Join(t.TempDir(), "7")
	}
	plan, err := pipeline.Parse(pipeline.Inputs{
		ID: "7", Job: read(t, text), Protocols: protocol.Of(read(t, text), k.ask),
		Device: read(t, "{constants: {failure_retry: 1}, actions: {boot: {methods: {}}}}"), Dispatcher: read(t, "dispatcher_ip: 192.0.2.1"),
		Dir: k.dir, Now: time.Now,
		Log: output.New(output.Settings{Now: time.Now, Files: output.FileLimits{File: 1000, Job: 5000}, Write: func(r events.Record) error {
			j.log = append(j.log, r)
			if k.log != nil {
				*k.log = append(*k.log, r)
			}
			return nil
		}}),
		Methods: pipeline.Methods{Test: plugged(near), Finalize: func() pipeline.Action {
			return pipeline.Basic{Title: "finalize", Fill: func(*pipeline.Step, *pipeline.Session) error { return nil }}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err = plan.Validate(t.Context()); err == nil {
		j.log = nil
		err = plan.Run(t.Context())
	}
	near.Close()
	<-done
	if pipeline.ClassOf(err) != k.class || err != nil && !strings.Contains(err.Error(), k.text) {
		t.Errorf("error %v of class %q, want %q of %q", err, pipeline.ClassOf(err), k.text, k.class)
	}
	if k.typed != nil && !slices.Equal(typed, k.typed) {
		t.Errorf("typed %q, want %q", typed, k.typed)
	}
	return j.story(t)
}

// device says its first words, echoes each line, answers it and prompts.
func (k kindStory) device(console io.ReadWriteCloser) (typed []string) {
	say := func(text string) { io.WriteString(console, strings.ReplaceAll(text, "\n", "\r\n")) }
	first, hangup := strings.CutSuffix(k.first, "HANGUP")
	say(first)
	if hangup {
		console.Close()
		return nil
	}
	for in := bufio.NewScanner(console); in.Scan(); {
		typed = append(typed, in.Text())
		answer, mute := strings.CutSuffix(k.says[in.Text()], "MUTE")
		say(in.Text() + "\n" + answer)
		if !mute {
			say("=> ")
		}
	}
	return typed
}

// plug connects the console.
type plug struct{ stream io.ReadWriteCloser }

func (plug) Name() string { return "plug" }

func (p plug) Run(_ context.Context, s *pipeline.Session) error {
	s.SetConsole(connection.New(p.stream, connection.Settings{Log: s.Log}))
	return nil
}

// plugged returns the methods with a console at the start of each test.
func plugged(stream io.ReadWriteCloser) []pipeline.Method {
	methods := Methods()
	for i := range methods {
		inner := methods[i].Action
		methods[i].Action = func(block pipeline.Data) pipeline.Action {
			return pipeline.Basic{Title: "outer", Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
				if err := step.Add(plug{stream}); err != nil {
					return err
				}
				return step.Add(inner(block))
			}}
		}
	}
	return methods
}
