package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/events"
)

// timedOut is the error of a step that ran out of time. The innermost step reports it; the steps
// above pass it on as it is.
type timedOut struct {
	name    string
	seconds int
}

func (t *timedOut) Error() string {
	return fmt.Sprintf("%s timed out after %d seconds", t.name, t.seconds)
}

// CanceledBy is the cause with which a job's context is canceled: its text is what the job's log
// and result say.
type CanceledBy struct{ Text string }

// Error returns the text.
func (c CanceledBy) Error() string { return c.Text }

// Console returns the console that was used last, nil where there is none.
func (p *Plan) Console() *connection.Connection { return p.session.Current() }

// Run carries the plan out, without Validate and Cleanup.
func (p *Plan) Run(ctx context.Context) error {
	p.session.shared.started, p.session.shared.job = true, ctx
	start := p.session.Now()
	ctx, cancel := context.WithDeadline(ctx, start.Add(p.Timeout))
	defer cancel()
	err := p.session.runSteps(ctx, p.Steps)
	if err == nil {
		return nil
	}
	return p.session.expired(ctx, err, "job", Job, start)
}

// RunChildren runs the step's children in order, each under its own timeout.
func (s *Session) RunChildren(ctx context.Context) error { return s.runSteps(ctx, s.Step.Children) }

// runSteps runs steps until one fails. Time that is up, or a cancellation, between two steps ends
// it too; the caller gets the context's error then and knows whose time it was.
func (s *Session) runSteps(ctx context.Context, steps []*Step) error {
	for _, step := range steps {
		if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if err := s.at(step).run(ctx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// run runs the session's step: the lines around it, its timeout, its result.
func (s *Session) run(ctx context.Context) error {
	step := s.Step
	log := s.Log.Debug
	if step.Root() {
		log = s.Log.Info
	}
	start := s.Now()
	end := start.Add(step.Timeout)
	if limit, ok := ctx.Deadline(); ok && limit.Before(end) {
		end = limit
	}
	var err error
	if left := end.Sub(start); left <= 0 {
		err = s.blameTimeout(&timedOut{step.Name(), 0})
	} else {
		log("start: %s %s (timeout %s) [%s]", step.Level, step.Name(), Clock(left.Round(time.Second)), step.Namespace)
		stepCtx, cancel := context.WithDeadline(ctx, end)
		s.shared.progress(step).ran = true
		err = s.attempt(stepCtx, end)
		if err == nil {
			err = stepCtx.Err() // it came back, but too late
		}
		err = s.expired(stepCtx, err, step.Name(), s.timeoutClass(), start)
		cancel()
	}
	failed := err != nil
	err = s.settle(err)
	took := s.Now().Sub(start)
	log("end: %s %s (duration %s) [%s]", step.Level, step.Name(), Clock(took.Round(time.Second)), step.Namespace)
	s.logResult(took, failed)
	return err
}

// settle logs the error that ends a step and decides whether it ends the steps above as well.
func (s *Session) settle(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	s.Log.Exception("%s", text)
	s.Result("fail", text)
	if ClassOf(err) != TestTimeout {
		return err
	}
	switch {
	case !s.Step.SkipTimeout:
		return Blame(Test, errors.New(text))
	case s.Step.Root():
		s.Log.Warning("skip_timeout is set for %s - continuing to next action block.", s.Step.Name())
		return nil
	}
	return err
}

// logResult logs the step's result, if it has anything to say.
func (s *Session) logResult(took time.Duration, failed bool) {
	p := s.shared.progress(s.Step)
	if len(p.results) == 0 {
		return
	}
	verdict := "pass"
	if failed || len(p.errors) > 0 {
		verdict = "fail"
	}
	s.Log.Result(output.Fields{
		{Key: "definition", Value: "lava"},
		{Key: "namespace", Value: s.Step.Namespace},
		{Key: "case", Value: s.Step.Name()},
		{Key: "level", Value: s.Step.Level},
		{Key: "duration", Value: Seconds(took)},
		{Key: "result", Value: verdict},
		{Key: "extra", Value: append(output.Fields(nil), p.results...)},
	})
}

// Seconds prints a duration as results do: seconds with two decimals.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

// expired turns an error that comes of ctx's end into what users read: a time-out with the name of
// the innermost step that had no time left, or a cancellation. Other errors pass, except that one
// without a class is a bug, whose details go to the log.
func (s *Session) expired(ctx context.Context, err error, name string, class Class, start time.Time) error {
	var already *timedOut
	var canceled CanceledBy
	switch {
	case err == nil, errors.As(err, &already):
		return err
	case errors.As(context.Cause(ctx), &canceled):
		return Blame(Canceled, canceled)
	case errors.Is(ctx.Err(), context.Canceled):
		return Blame(Canceled, errors.New("The job was canceled"))
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		took := s.Now().Sub(start).Round(time.Second)
		return s.blameAs(class, &timedOut{name, int(took / time.Second)})
	}
	var fault *Fault
	if !errors.As(err, &fault) {
		return Blame(Bug, err)
	}
	return err
}

func (s *Session) blameTimeout(t *timedOut) error { return s.blameAs(s.timeoutClass(), t) }

func (s *Session) blameAs(class Class, t *timedOut) error { return &Fault{class, t} }

func (s *Session) timeoutClass() Class {
	if b, ok := s.Step.Action.(Blamer); ok {
		return b.TimeoutClass()
	}
	return Job
}

func (s *Session) commandClass() Class {
	if b, ok := s.Step.Action.(CommandBlamer); ok {
		return b.CommandClass()
	}
	return Job
}

// once runs the step's action one time. A panic is a bug of the action, not the end of the
// process: the device must still be switched off.
func (s *Session) once(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = s.bug(s.Step.Name(), r)
		}
	}()
	return s.Step.Action.Run(ctx, s)
}

// bug returns the error for a panic, and logs where it was. It is called from the deferred function that
// recovered: the stack still holds the place then.
func (s *Session) bug(doing string, panicked any) error {
	s.Log.Exception("%s", strings.TrimSpace(string(debug.Stack())))
	return Blamef(Bug, "%s: %v", doing, panicked)
}

// Finish logs the end of a job: the sentence for its class, and the result of case "job". err is
// what ended the job, nil if it is complete.
func Finish(log *output.Logger, err error) {
	result := output.Fields{{Key: "definition", Value: "lava"}, {Key: "case", Value: "job"}}
	if err == nil {
		log.Info("Job finished correctly")
		log.Result(append(result, output.Field{Key: "result", Value: "pass"}))
		return
	}
	class := ClassOf(err)
	if class == Bug {
		log.Text(events.Exception, "", err.Error())
	}
	log.Error("%s", class.Help())
	log.Result(append(result,
		output.Field{Key: "result", Value: "fail"},
		output.Field{Key: "error_msg", Value: err.Error()},
		output.Field{Key: "error_type", Value: string(class)}))
}
