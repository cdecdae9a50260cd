package feedback_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/feedback"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// act is an action of a test's own.
type act struct {
	name string
	do   func(ctx context.Context, s *pipeline.Session) error
}

func (a act) Name() string                                       { return a.name }
func (a act) Run(ctx context.Context, s *pipeline.Session) error { return a.do(ctx, s) }

// run runs actions in the namespace "main" and returns the log.
func run(t *testing.T, timeouts string, actions ...pipeline.Action) (log []events.Record, err error) {
	t.Helper()
	read := func(text string) pipeline.Data {
		d, err := pipeline.ReadYAML([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	plan, err := pipeline.Parse(pipeline.Inputs{
		ID: "7", Job: read("{timeouts: {job: {minutes: 5}, action: {minutes: 2}, connection: {minutes: 1}" + timeouts + "}, actions: [{test: {namespace: main}}]}"),
		Device: read("{constants: {failure_retry: 1}, actions: {boot: {methods: {}}}}"), Dir: filepath.Join(t.TempDir(), "7"), Now: time.Now,
		Log: output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
			log = append(log, r)
			return nil
		}}),
		Methods: pipeline.Methods{
			Test: []pipeline.Method{{Name: "x", Accepts: func(_, _ pipeline.Data) (string, error) { return "", nil },
				Test: func(pipeline.Data) pipeline.TestInfo { return pipeline.TestInfo{} },
				Action: func(pipeline.Data) pipeline.Action {
					return pipeline.Basic{Title: "outer", Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
						for _, a := range actions {
							if err := step.Add(a); err != nil {
								return err
							}
						}
						return nil
					}}
				}}},
			Finalize: func() pipeline.Action {
				return pipeline.Basic{Title: "finalize", Fill: func(*pipeline.Step, *pipeline.Session) error { return nil }}
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = plan.Run(t.Context())
	return log, err
}

// console returns a console that has said a text.
func console(t *testing.T, s *pipeline.Session, text string) *connection.Connection {
	t.Helper()
	near, far := net.Pipe()
	c := connection.New(near, connection.Settings{Log: s.Log})
	if _, err := io.WriteString(far, text); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() {
		far.Close()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// said returns the console lines of a log, each behind its level and namespace.
func said(log []events.Record) (lines []string) {
	for _, r := range log {
		if r.Level == events.Target || r.Level == events.Feedback {
			lines = append(lines, fmt.Sprintf("%s %s %s", r.Level, r.Namespace, r.Message))
		}
	}
	return lines
}

// The consoles of other namespaces are read and logged under their names. One's own is left alone, under
// whatever names it has: actions wait for what it says.
func TestOthersAreRead(t *testing.T) {
	t.Parallel()
	log, err := run(t, "",
		act{"open", func(_ context.Context, s *pipeline.Session) error {
			own := console(t, s, "prompt # ")
			s.SetConsole(own)
			s.SetConsoleOf("alias", own)
			s.SetConsoleOf("uart1", console(t, s, "boot ROM\r\nready\r\n"))
			return nil
		}},
		feedback.Read(false, false),
		act{"look", func(ctx context.Context, s *pipeline.Session) error {
			_, err := s.Expect(ctx, s.Console(), []string{"prompt # "})
			return err
		}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`feedback uart1 "boot ROM"`, `feedback uart1 "ready"`}
	if got := said(log); !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
}

// In the end all are read, one's own too, and closed with what they had left.
func TestAllAreReadInTheEnd(t *testing.T) {
	t.Parallel()
	var own, other *connection.Connection
	log, err := run(t, ", connections: {read-feedback: {seconds: 2}}",
		act{"open", func(_ context.Context, s *pipeline.Session) error {
			own, other = console(t, s, "going down\r\n"), console(t, s, "no line end")
			s.SetConsole(own)
			s.SetConsoleOf("uart1", other)
			return nil
		}},
		feedback.Read(true, true))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`feedback main "going down"`, `target  "no line end"`}
	if got := said(log); !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
	if own.Connected() || other.Connected() {
		t.Errorf("connected in the end: %v, %v", own.Connected(), other.Connected())
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"timeouts: {}": time.Second,
		"timeouts: {connections: {read-feedback: {minutes: 2}}}": 2 * time.Minute,
		"timeouts: {connections: {read-feedback: soon}}":         0,
	} {
		job, err := pipeline.ReadYAML([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := feedback.Limit(job)
		if got != want || (err != nil) != (want == 0) || err != nil && !strings.Contains(err.Error(), "timeouts.connections.read-feedback") {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
}
