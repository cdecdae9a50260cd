package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"strata/dispatcher/output"
	"strata/events"
)

// fake is an action whose behaviour a test gives.
type fake struct {
	name     string
	children []Action
	run      func(ctx context.Context, s *Session) error
	validate func(s *Session) error
	cleanup  func() error
	stop     func(context.Context) error // a cleanup that wants its context
	timeouts Class
}

func (f *fake) Name() string { return f.name }
func (f *fake) Populate(step *Step, _ *Session) error {
	for _, child := range f.children {
		if err := step.Add(child); err != nil {
			return err
		}
	}
	return nil
}
func (f *fake) Run(ctx context.Context, s *Session) error {
	if f.run != nil {
		return f.run(ctx, s)
	}
	return s.RunChildren(ctx)
}
func (f *fake) Validate(_ context.Context, s *Session) error {
	if f.validate != nil {
		return f.validate(s)
	}
	return nil
}
func (f *fake) Cleanup(ctx context.Context, _ *Session) error {
	if f.stop != nil {
		return f.stop(ctx)
	}
	if f.cleanup != nil {
		return f.cleanup()
	}
	return nil
}
func (f *fake) TimeoutClass() Class {
	if f.timeouts == "" {
		return Job
	}
	return f.timeouts
}

// again is a fake that is tried again.
type again struct{ *fake }

func (again) Retries() {}

func fails(class Class, text string) func(context.Context, *Session) error {
	return func(context.Context, *Session) error { return Blamef(class, "%s", text) }
}

// hangs waits until its time is up.
func hangs(ctx context.Context, _ *Session) error {
	<-ctx.Done()
	return fmt.Errorf("wait for the end: %w", ctx.Err())
}

func TestRunLogsAndBlames(t *testing.T) {
	tests := []struct {
		name string
		job  string // below timeouts: {job: 10 min, action: 1 min}
		root Action
		want string // log of the run
		err  string // class and text
	}{
		{
			"success says nothing but start and end", "boot: {}",
			&fake{name: "root", children: []Action{&fake{name: "leaf", run: func(_ context.Context, s *Session) error {
				s.Log.Info("working in %s", s.Namespace())
				s.Result("size", 7)
				return nil
			}}}},
			`info start: 1 root (timeout 00:01:00) [common]
debug start: 1.1 leaf (timeout 00:01:00) [common]
info working in common
debug end: 1.1 leaf (duration 00:00:00) [common]
results {"definition":"lava","namespace":"common","case":"leaf","level":"1.1","duration":"0.00","result":"pass","extra":{"size":7}}
info end: 1 root (duration 00:00:00) [common]`, "",
		},
		{
			"the innermost action reports a time-out, with its own class", "boot: {timeout: {seconds: 20}, timeouts: {leaf: {seconds: 50}}}",
			&fake{name: "root", children: []Action{&fake{name: "leaf", run: hangs, timeouts: Infrastructure}}},
			`info start: 1 root (timeout 00:00:20) [common]
debug start: 1.1 leaf (timeout 00:00:20) [common]
exception leaf timed out after 20 seconds
debug end: 1.1 leaf (duration 00:00:20) [common]
results {"definition":"lava","namespace":"common","case":"leaf","level":"1.1","duration":"20.00","result":"fail","extra":{"fail":"leaf timed out after 20 seconds"}}
exception leaf timed out after 20 seconds
info end: 1 root (duration 00:00:20) [common]
results {"definition":"lava","namespace":"common","case":"root","level":"1","duration":"20.00","result":"fail","extra":{"fail":"leaf timed out after 20 seconds"}}`,
			"Infrastructure leaf timed out after 20 seconds",
		},
		{
			"a child that comes back too late: the parent's time is up", "boot: {timeouts: {root: {seconds: 5}}}",
			&fake{name: "root", children: []Action{&fake{name: "leaf", run: func(context.Context, *Session) error {
				time.Sleep(7 * time.Second)
				return nil
			}}}},
			`info start: 1 root (timeout 00:00:05) [common]
debug start: 1.1 leaf (timeout 00:00:05) [common]
exception leaf timed out after 7 seconds
debug end: 1.1 leaf (duration 00:00:07) [common]
results {"definition":"lava","namespace":"common","case":"leaf","level":"1.1","duration":"7.00","result":"fail","extra":{"fail":"leaf timed out after 7 seconds"}}
exception leaf timed out after 7 seconds
info end: 1 root (duration 00:00:07) [common]
results {"definition":"lava","namespace":"common","case":"root","level":"1","duration":"7.00","result":"fail","extra":{"fail":"leaf timed out after 7 seconds"}}`,
			"Job leaf timed out after 7 seconds",
		},
		{
			"attempts", "boot: {failure_retry: 3, failure_retry_interval: 2, namespace: n}",
			again{&fake{name: "root", run: fails(Infrastructure, "no power")}},
			`info start: 1 root (timeout 00:01:00) [n]
error root failed: 1 of 3 attempts. 'no power'
warning Retrying: 1 root (timeout 00:01:00)
error root failed: 2 of 3 attempts. 'no power'
warning Retrying: 1 root (timeout 00:01:00)
error root failed: 3 of 3 attempts. 'no power'
exception no power
info end: 1 root (duration 00:00:04) [n]
results {"definition":"lava","namespace":"n","case":"root","level":"1","duration":"4.00","result":"fail","extra":{"fail":"no power"}}`,
			"Infrastructure no power",
		},
		{
			"no attempt after a wrong configuration", "boot: {failure_retry: 3}",
			again{&fake{name: "root", run: fails(Configuration, "no such port")}},
			`info start: 1 root (timeout 00:01:00) [common]
exception no such port
info end: 1 root (duration 00:00:00) [common]
results {"definition":"lava","namespace":"common","case":"root","level":"1","duration":"0.00","result":"fail","extra":{"fail":"no such port"}}`,
			"Configuration no such port",
		},
		{
			"no time for another attempt", "boot: {failure_retry: 2, failure_retry_interval: 90}",
			again{&fake{name: "root", run: fails(Test, "lost")}},
			`info start: 1 root (timeout 00:01:00) [common]
error root failed: 1 of 2 attempts. 'lost'
exception No time left for remaining 1 retries. You should either increase block timeout or decrease named action timeout. 1 retries out of 2 failed for root
info end: 1 root (duration 00:00:00) [common]
results {"definition":"lava","namespace":"common","case":"root","level":"1","duration":"0.00","result":"fail","extra":{"fail":"No time left for remaining 1 retries. You should either increase block timeout or decrease named action timeout. 1 retries out of 2 failed for root"}}`,
			"Test No time left for remaining 1 retries. You should either increase block timeout or decrease named action timeout. 1 retries out of 2 failed for root",
		},
		{
			"repeat goes on after a failure and fails at the end", "boot: {repeat: 3}",
			again{&fake{name: "root", run: failsOnce()}},
			`info start: 1 root (timeout 00:01:00) [common]
error root failed: 1 of 3 attempts. 'first'
warning Retrying: 1 root (timeout 00:01:00)
exception 3 retries out of 3 failed for root
info end: 1 root (duration 00:00:01) [common]
results {"definition":"lava","namespace":"common","case":"root","level":"1","duration":"1.00","result":"fail","extra":{"fail":"3 retries out of 3 failed for root"}}`,
			"Test 3 retries out of 3 failed for root",
		},
		{
			"a test that may run out of time", "boot: {timeout: {seconds: 8, skip: true}}",
			&fake{name: "root", children: []Action{&fake{name: "leaf", run: hangs, timeouts: TestTimeout}}},
			`info start: 1 root (timeout 00:00:08) [common]
debug start: 1.1 leaf (timeout 00:00:08) [common]
exception leaf timed out after 8 seconds
debug end: 1.1 leaf (duration 00:00:08) [common]
results {"definition":"lava","namespace":"common","case":"leaf","level":"1.1","duration":"8.00","result":"fail","extra":{"fail":"leaf timed out after 8 seconds"}}
exception leaf timed out after 8 seconds
warning skip_timeout is set for root - continuing to next action block.
info end: 1 root (duration 00:00:08) [common]
results {"definition":"lava","namespace":"common","case":"root","level":"1","duration":"8.00","result":"fail","extra":{"fail":"leaf timed out after 8 seconds"}}`,
			"",
		},
		{
			"a test that may not", "boot: {timeout: {seconds: 8}}",
			&fake{name: "root", run: hangs, timeouts: TestTimeout},
			`info start: 1 root (timeout 00:00:08) [common]
exception root timed out after 8 seconds
info end: 1 root (duration 00:00:08) [common]
results {"definition":"lava","namespace":"common","case":"root","level":"1","duration":"8.00","result":"fail","extra":{"fail":"root timed out after 8 seconds"}}`,
			"Test root timed out after 8 seconds",
		},
		{
			"an error without a class is a bug", "boot: {}",
			&fake{name: "root", run: func(context.Context, *Session) error { return errors.New("index out of range") }},
			`info start: 1 root (timeout 00:01:00) [common]
exception index out of range
info end: 1 root (duration 00:00:00) [common]
results {"definition":"lava","namespace":"common","case":"root","level":"1","duration":"0.00","result":"fail","extra":{"fail":"index out of range"}}`,
			"Bug index out of range",
		},
		{
			"an error that does not end the action", "boot: {}",
			&fake{name: "root", run: func(_ context.Context, s *Session) error {
				s.Result("a", "b")
				s.Fail("half of it")
				return nil
			}},
			`info start: 1 root (timeout 00:01:00) [common]
info end: 1 root (duration 00:00:00) [common]
results {"definition":"lava","namespace":"common","case":"root","level":"1","duration":"0.00","result":"fail","extra":{"a":"b"}}`,
			"",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan, log := planned(t, tt.job, tt.root)
				log.records = nil
				err := plan.Run(t.Context())
				if got := strings.TrimSpace(log.text()); got != tt.want {
					t.Errorf("log:\n%s\nwant:\n%s", got, tt.want)
				}
				got := ""
				if err != nil {
					got = fmt.Sprintf("%s %s", ClassOf(err), err)
				}
				if got != tt.err {
					t.Errorf("error: %q, want %q", got, tt.err)
				}
			})
		})
	}
}

// Nested retry actions multiply, because both read the block's number.
func TestAttemptsMultiply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs, cleanups := 0, 0
		leaf := &fake{name: "leaf", run: func(context.Context, *Session) error { runs++; return Blamef(Job, "no") },
			cleanup: func() error { cleanups++; return nil }}
		plan, _ := planned(t, "boot: {failure_retry: 2}", again{&fake{name: "outer", children: []Action{again{&fake{name: "inner", children: []Action{leaf}}}}}})
		if err := plan.Run(t.Context()); ClassOf(err) != Job {
			t.Errorf("error: %v, want a Job error", err)
		}
		if runs != 4 || cleanups != 6 {
			t.Errorf("%d runs and %d cleanups, want 4 runs, and cleanups after each failed attempt of both: 4 + 2", runs, cleanups)
		}
	})
}

func TestJobTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan, log := planned(t, "boot: {timeout: {hours: 1}}", &fake{name: "root", run: hangs})
		if err := plan.Validate(t.Context()); err != nil || !strings.Contains(log.text(), "warning The timeout of 1 root (01:00:00) is longer") {
			t.Errorf("validate: %v, want a warning:\n%s", err, log.text())
		}
		err := plan.Run(t.Context())
		if err == nil || err.Error() != "root timed out after 600 seconds" {
			t.Errorf("error: %v, want the action's name with the job's time", err)
		}
		if !strings.Contains(log.text(), "start: 1 root (timeout 00:10:00)") {
			t.Errorf("the start line must show what is left of the job's time:\n%s", log.text())
		}
	})
}

func TestCancelEndsTheJobAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		plan, log := planned(t, "boot: {failure_retry: 5}", again{&fake{name: "root", run: func(ctx context.Context, s *Session) error {
			cancel(CanceledBy{"canceled by alice"})
			return hangs(ctx, s)
		}}})
		start := time.Now()
		err := plan.Run(ctx)
		if ClassOf(err) != Canceled || err.Error() != "canceled by alice" {
			t.Errorf("error: %s %v, want Canceled with the reason", ClassOf(err), err)
		}
		if time.Since(start) != 0 || strings.Contains(log.text(), "attempts") {
			t.Errorf("a canceled job was tried again:\n%s", log.text())
		}
	})
}

func TestPanicIsABug(t *testing.T) {
	plan, log := planned(t, "boot: {}", &fake{name: "root", run: func(context.Context, *Session) error { panic("boom") }})
	err := plan.Run(t.Context())
	if ClassOf(err) != Bug || !strings.Contains(err.Error(), "boom") || !strings.Contains(log.text(), "run_test.go") {
		t.Errorf("error: %s %v, want a Bug, with the stack in the log", ClassOf(err), err)
	}
}

// Planning and validation come before anything is run, and a panic there must not end the process either.
func TestPanicBeforeTheRunIsABug(t *testing.T) {
	var none []string
	plan, log := planned(t, "boot: {}", &fake{name: "root", validate: func(*Session) error { return errors.New(none[3]) }})
	err := plan.Validate(t.Context())
	if ClassOf(err) != Bug || !strings.Contains(err.Error(), "root: ") || !strings.Contains(log.text(), "run_test.go") {
		t.Errorf("validate: %s %v, want a Bug of root, with the stack in the log", ClassOf(err), err)
	}
	_, log, err = parse(t, "actions:\n- boot: {}", "", Basic{Title: "root", Fill: func(*Step, *Session) error { panic("boom") }})
	if ClassOf(err) != Bug || !strings.Contains(err.Error(), "boom") || !strings.Contains(log.text(), "run_test.go") {
		t.Errorf("plan: %s %v, want a Bug, with the stack in the log", ClassOf(err), err)
	}
}

func TestValidateCollectsProblems(t *testing.T) {
	root := &fake{name: "root", validate: func(s *Session) error { s.Invalid("one"); return nil }, children: []Action{
		&fake{name: "a", validate: func(*Session) error { return Blamef(Job, "it's two") }},
		&fake{name: "bad_name"},
	}}
	plan, log := planned(t, "boot: {}", root)
	err := plan.Validate(t.Context())
	want := `Invalid job data: ['one', "1.1 a: it's two", 'action name "bad_name" must not be empty nor hold spaces or underscores']` + "\n"
	if ClassOf(err) != Job || err.Error() != want {
		t.Errorf("error:\n got %v\nwant %s", err, want)
	}
	if got := log.text(); !strings.Contains(got, "info start: 0 validate\n") ||
		!strings.HasSuffix(strings.TrimSpace(got), `results {"definition":"lava","case":"validate","result":"fail"}`) {
		t.Errorf("log:\n%s", got)
	}
	plan, _ = planned(t, "boot: {}", &fake{name: "root", validate: func(*Session) error { return Blamef(Configuration, "no port") },
		children: []Action{&fake{name: "b", validate: func(*Session) error { t.Error("checked on after a wrong configuration"); return nil }}}})
	if err := plan.Validate(t.Context()); ClassOf(err) != Configuration {
		t.Errorf("error: %v, want the configuration's", err)
	}
}

func TestNamespaceRules(t *testing.T) {
	for job, want := range map[string]string{
		"boot: {namespace: a}\n- boot: {namespace: b}": "",
		"boot: {namespace: a}\n- boot: {}":             "reserved namespace",
		"boot: {namespace: docker-test-shell}":         "reserved namespace",
	} {
		plan, _ := planned(t, job, &fake{name: "root"})
		err := plan.Validate(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", job, err, want)
		}
	}
}

func TestCleanup(t *testing.T) {
	var order []string
	note := func(name string, err error) *fake {
		return &fake{name: name, cleanup: func() error { order = append(order, name); return err }}
	}
	root := note("root", nil)
	root.children = []Action{note("a", errors.New("stuck")), note("b", nil)}
	plan, log := planned(t, "boot: {}", root)
	dir := plan.session.JobDir()
	err := plan.Cleanup(t.Context())
	if ClassOf(err) != Infrastructure || err.Error() != "Failed to clean after job" {
		t.Errorf("error: %v", err)
	}
	if got := strings.Join(order, " "); got != "root a b" {
		t.Errorf("cleaned: %s, want the rest to be cleaned after a failure", got)
	}
	if !strings.Contains(log.text(), "error Failed to clean after action 'a': ") {
		t.Errorf("log:\n%s", log.text())
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the job's directory must stay after a failed cleanup: %v", err)
	}
	plan, log = planned(t, "boot: {}", &fake{name: "root", run: func(_ context.Context, s *Session) error {
		_, err := s.DirUnder(filepath.Join(t.TempDir(), "tftp"))
		return err
	}})
	if err := errors.Join(plan.Run(t.Context()), plan.Cleanup(t.Context()), plan.Cleanup(t.Context())); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"Removing override tmp directory at ", "Removing root tmp directory at ", "Cleanup already called, skipping"} {
		if strings.Count(log.text(), want) != 1 {
			t.Errorf("%q is not in the log once:\n%s", want, log.text())
		}
	}
	if _, err := os.Stat(plan.session.JobDir()); !os.IsNotExist(err) {
		t.Errorf("the job's directory is still there: %v", err)
	}
}

// A cancel during the cleanup after a failed attempt ends that cleanup: the device must be off before
// the worker's patience is.
func TestCancelDuringCleanupOfAnAttempt(t *testing.T) {
	tests := []struct {
		name  string
		block string
		run   func(context.Context, *Session) error
	}{
		{"after a failure", "boot: {failure_retry: 3}", fails(Infrastructure, "no prompt")},
		{"after a time-out", "boot: {failure_retry: 3, timeout: {seconds: 5}}", hangs},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				attempts := 0
				root := again{&fake{name: "root", run: func(ctx context.Context, s *Session) error {
					attempts++
					return tt.run(ctx, s)
				}}}
				root.stop = func(ctx context.Context) error {
					cancel(CanceledBy{Text: "enough"})
					select { // an undo that takes long, and ends when it is told to
					case <-time.After(4 * time.Minute):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				plan, log := planned(t, tt.block, root)
				begin := time.Now()
				err := plan.Run(ctx)
				if ClassOf(err) != Canceled || err.Error() != "enough" || attempts != 1 {
					t.Errorf("%d attempts, %s: %v; want one, Canceled and its text\n%s", attempts, ClassOf(err), err, log.text())
				}
				if took := time.Since(begin); took > 10*time.Second {
					t.Errorf("the run went on for %s after its cancel", took)
				}
			})
		})
	}
}

func failsOnce() func(context.Context, *Session) error {
	n := 0
	return func(context.Context, *Session) error {
		if n++; n == 1 {
			return Blamef(Test, "first")
		}
		return nil
	}
}

// memory keeps a log.
type memory struct{ records []events.Record }

func (m *memory) text() string {
	var b strings.Builder
	for _, r := range m.records {
		var s string
		if json.Unmarshal(r.Message, &s) != nil {
			s = string(r.Message)
		}
		fmt.Fprintf(&b, "%s %s\n", r.Level, s)
	}
	return b.String()
}

// planned plans a job whose boot blocks all have the given root action.
func planned(t *testing.T, blocks string, root Action) (*Plan, *memory) {
	t.Helper()
	plan, log, err := parse(t, "timeouts: {job: {minutes: 10}, action: {minutes: 1}}\nactions:\n- "+blocks, "", root)
	if err != nil {
		t.Fatal(err)
	}
	plan.Steps = plan.Steps[:len(plan.Steps)-1] // without finalize
	return plan, log
}

func parse(t *testing.T, job, device string, root Action) (*Plan, *memory, error) {
	t.Helper()
	definition, err := ReadYAML([]byte(job))
	if err != nil {
		t.Fatal(err)
	}
	if device == "" {
		device = "constants: {failure_retry: 1, boot_retry: }\nactions: {boot: {methods: {fake: }}, deploy: {methods: {fake: }}}"
	}
	dictionary, err := ReadYAML([]byte(device))
	if err != nil {
		t.Fatal(err)
	}
	log := &memory{}
	method := Method{Name: "fake", Action: func(Data) Action { return root },
		Accepts: func(_, block Data) (string, error) {
			if refusal := block.Get("refuse").Text(); refusal != "" {
				return refusal, nil
			}
			return "", nil
		}}
	for _, block := range definition.Get("actions").Items() {
		for i := range block.Pairs() {
			if p := &block.Pairs()[i]; p.Key == "boot" {
				p.Value = p.Value.With("method", Of("fake"))
			}
		}
	}
	plan, err := Parse(Inputs{
		ID: "42", Job: definition, Device: dictionary, Dir: filepath.Join(t.TempDir(), "42"), Now: time.Now,
		Log: output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
			log.records = append(log.records, r)
			return nil
		}}),
		Methods: Methods{Boot: []Method{method}, Deploy: []Method{method}, Test: []Method{method},
			Command: func(Data) Action { return root }, Finalize: func() Action { return Basic{Title: "finalize", Fill: func(*Step, *Session) error { return nil }} }},
	})
	if err == nil {
		err = os.MkdirAll(plan.session.JobDir(), 0o755)
	}
	return plan, log, err
}
