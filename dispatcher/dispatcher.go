// Package dispatcher runs one job on one device.
//
// It is the one door to the packages below it: [Run] takes a definition, a rendered device and a
// directory, and returns a [Verdict]; everything else that the job has to say goes, as it happens,
// to the log. It needs no lab and no bus: `strata run` and a worker's job process use it alike.
//
// A job walks through the phases of package pipeline: the definition is parsed and planned, the
// plan validated, run, and cleaned up after. Which deploy, boot and test methods there are is said
// by the tables of packages deploy, boot and test, which are put together here.
package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"strata/dispatcher/boot"
	"strata/dispatcher/command"
	"strata/dispatcher/connection"
	"strata/dispatcher/deploy"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/protocol"
	"strata/dispatcher/test"
	"strata/events"
)

// Job is what Run needs to run a job.
type Job struct {
	ID         string // the job's number as users see it: "42", "40.1"
	Version    string // of the dispatcher, for the log
	Definition []byte // YAML, as submitted (one part of it for a multinode job)
	Device     []byte // the rendered device dictionary, YAML
	Dispatcher []byte // the worker's configuration for jobs, YAML; may be empty
	EnvDUT     []byte // environment of the shells on devices, YAML; may be empty
	Env        []string
	// Dir is the job's scratch directory: emptied at the start, removed at the end. Nothing that
	// must outlive the job, such as its spool, may lie in it.
	Dir string
	Log *output.Logger
	Now func() time.Time
	// Services are the worker's servers and cache, where it has any.
	Services pipeline.Services
	// Ask reaches the job's multinode group; nil where there is no way to it.
	Ask protocol.Ask
	// Keyboard is what people may type on beside the job; nil where they cannot.
	Keyboard *connection.Keyboard
	// Planned, if set, is told the plan once it is made.
	Planned func(pipeline.Description)
	// ValidateOnly ends the job after its validation.
	ValidateOnly bool
	// Failed, if set, is called when the job has failed and its device is still as it was then: on,
	// with the console of the last action, which is nil where there is none.
	Failed func(ctx context.Context, err error, console *connection.Connection)
	// Again, if set, is closed when a canceled job is asked once more to end: the cleanup stops too.
	Again <-chan struct{}
}

// Verdict is how a job ended.
type Verdict struct {
	Health    events.JobHealth
	ErrorType events.ErrorType // "" for Complete
	Error     string           // the sentence users see
	Lines     uint64           // records in the log
}

// againText is what users of LAVA know for a cleanup that was cut short.
const againText = "The job was canceled again (too long to cancel)"

// Run runs a job to its end. When ctx is canceled the running action ends, the device is switched
// off, and the verdict is Canceled; a cause of type pipeline.CanceledBy gives the reason that the
// log shows. Run always returns a verdict: its last log line is the result of case "job".
func Run(ctx context.Context, j Job) Verdict {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// A log that cannot be written is the end of a job: nobody could see why it passed.
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-j.Log.Failed():
			stop(pipeline.CanceledBy{Text: "the log cannot be written"})
		case <-ctx.Done():
		}
	}()
	err := run(ctx, j)
	stop(nil)
	<-watched
	if full := j.Log.Err(); full != nil {
		err = pipeline.Blamef(pipeline.Infrastructure, "write the job's log: %w", full)
	}
	j.Log.Finish()
	pipeline.Finish(j.Log, err)
	v := verdict(err, j.Log.Lines())
	v.Error = j.Log.Hide(v.Error) // it becomes a fact, which outlives the job and its log
	return v
}

func verdict(err error, lines uint64) Verdict {
	v := Verdict{Health: events.Complete, Lines: lines}
	if err == nil {
		return v
	}
	v.Health, v.ErrorType, v.Error = events.Incomplete, pipeline.ClassOf(err).ErrorType(), err.Error()
	if v.ErrorType == events.CanceledError {
		v.Health = events.Canceled
	}
	return v
}

// run carries the job through its phases and returns what ended it.
func run(ctx context.Context, j Job) error {
	plan, err := Plan(j)
	if err != nil {
		return err
	}
	if j.Planned != nil {
		j.Planned(plan.Describe())
	}
	err = plan.Validate(ctx)
	if err == nil && !j.ValidateOnly {
		if err = plan.Agree(ctx); err == nil {
			err = plan.Run(ctx)
		}
	}
	if j.Keyboard != nil {
		j.Keyboard.Close() // who typed when the job failed does not keep the cleanup, or who looks at the console now
	}
	if err != nil && j.Failed != nil && ctx.Err() == nil {
		j.Failed(ctx, err, plan.Console())
	}
	// The cleanup must come to its end though ctx is over, unless somebody asks again.
	cleaning, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-j.Again:
			stop(pipeline.CanceledBy{Text: againText})
		case <-cleaning.Done():
		}
	}()
	clean := plan.Cleanup(cleaning)
	stop(nil)
	<-done
	if clean != nil {
		return clean // the device is in an unknown state, whatever ended the job before
	}
	return err
}

// Plan reads a job's texts and plans it, making its scratch directory afresh. Its errors have a
// class: a panic is one of class Bug.
func Plan(j Job) (plan *pipeline.Plan, err error) {
	defer func() {
		if r := recover(); r != nil {
			plan, err = nil, pipeline.Blamef(pipeline.Bug, "plan the job: %v", r)
		}
		if err != nil && j.Dir != "" {
			_ = os.RemoveAll(j.Dir) // there is no cleanup without a plan
		}
	}()
	var texts [3]pipeline.Data
	for i, in := range []struct {
		name  string
		text  []byte
		class pipeline.Class
	}{
		{"job definition", j.Definition, pipeline.Job},
		{"device configuration", j.Device, pipeline.Configuration},
		{"dispatcher configuration", j.Dispatcher, pipeline.Configuration},
	} {
		if len(in.text) == 0 {
			continue
		}
		var err error
		if texts[i], err = pipeline.ReadYAML(in.text); err != nil {
			return nil, pipeline.Blamef(in.class, "parse %s: %w", in.name, err)
		}
	}
	if texts[0].Get("actions").Kind() != pipeline.List {
		return nil, pipeline.Blamef(pipeline.Job, "parse job definition: 'actions' is missing or is no list")
	}
	if j.Dir == "" {
		return nil, pipeline.Blame(pipeline.Bug, errors.New("the job has no scratch directory"))
	}
	if err := errors.Join(os.RemoveAll(j.Dir), os.MkdirAll(j.Dir, 0o755)); err != nil {
		return nil, pipeline.Blame(pipeline.Infrastructure, fmt.Errorf("make scratch directory: %w", err))
	}
	for _, secret := range texts[0].Get("secrets").Pairs() {
		j.Log.Mask(secret.Value.Text())
	}
	return pipeline.Parse(pipeline.Inputs{
		ID: j.ID, Version: j.Version,
		Job: texts[0], Device: texts[1], Dispatcher: texts[2], EnvDUT: string(j.EnvDUT),
		Env: j.Env, Dir: j.Dir, Log: j.Log, Now: j.Now, Methods: Methods(), Services: j.Services,
		Protocols: protocol.Of(texts[0], j.Ask), Keyboard: j.Keyboard,
	})
}

// Methods returns the tables of everything that a block can ask for.
func Methods() pipeline.Methods {
	return pipeline.Methods{
		Deploy: deploy.Methods(), Boot: boot.Methods(), Test: test.Methods(),
		Command: command.New, Finalize: newFinalize,
	}
}
