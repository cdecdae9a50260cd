package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/services/api"
)

// tailWait is how long the follower of a finished job waits for further lines, where nobody says
// that its output is complete.
const tailWait = time.Minute

// errNoMoreLines ends following when a finished job stays silent.
var errNoMoreLines = errors.New("the job is over, and the lab does not say that its output is complete")

// followed says how a job is followed.
type followed struct {
	levels     []events.Level // of the lines that are shown; none: all
	failOnTest bool           // failed test cases are a failure too
}

// follow shows what becomes of a job until it is over and its log read, of all parts of a multinode job
// at once, and returns errQuiet where one did not end well.
// errQuiet stands for the job's own end: status 1 with nothing more to say. Any other error says that
// nobody knows how the job ended.
func (a *app) follow(ctx context.Context, c api.Client, job events.JobID, how followed) error {
	g := &chorus{app: a, client: c, how: how, parts: map[events.JobID]bool{job: true}}
	if err := g.follow(ctx, job); err != nil {
		return err
	}
	// Asked once more: by the end every part and every further attempt has its number.
	var whole api.Job
	if err := c.Call(ctx, "jobs.show", api.JobRequest{Job: job}, &whole); err != nil {
		return err
	}
	all := []events.JobID{job}
	for _, part := range whole.Parts {
		if part.Job != job {
			all = append(all, part.Job)
		}
	}
	var ended error
	for _, one := range all {
		var j api.Job
		if err := c.Call(ctx, "jobs.show", api.JobRequest{Job: one, Whole: true}, &j); err != nil {
			return err
		}
		err := a.conclude(ctx, c, j, how.failOnTest)
		if err != nil && !errors.Is(err, errQuiet) {
			return err
		}
		ended = errors.Join(ended, err)
	}
	return ended
}

// followAttempt follows one job to the end of its log.
// Log and facts are two flows without an order between them; the log is the one that ends the
// following.
func (g *chorus) followAttempt(ctx context.Context, job events.JobID, as speaker) error {
	a, c := g.app, g.client
	f := &follower{chorus: g, as: as, finished: make(chan struct{}), lines: make(chan struct{}, 1)}
	followCtx, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel(nil)
	group.Add(2)
	go func() {
		defer group.Done()
		f.facts(followCtx, c, job)
	}()
	go func() {
		defer group.Done()
		f.watch(followCtx, cancel)
	}()
	err := c.Log(followCtx, api.LogRequest{Job: job, Follow: true}, f.line)
	if cause := context.Cause(followCtx); errors.Is(cause, errNoMoreLines) {
		fmt.Fprintf(a.err, "strata: %v\n", cause)
		err = nil
	}
	return err
}

// conclude prints how a job ended and decides the exit status.
// With --json a job is one api.Job, behind the lines of its log.
func (a *app) conclude(ctx context.Context, c api.Client, j api.Job, failOnTest bool) error {
	var r api.Results
	if j.State != api.StateRejected {
		if err := c.Call(ctx, "jobs.results", api.JobRequest{Job: j.Job, Whole: true}, &r); err != nil {
			return err
		}
	}
	passed, failed := 0, 0
	for _, e := range r.Cases {
		switch {
		case e.Suite == "lava": // the pipeline's own steps: their failure is the job's end
		case e.Result == events.Pass:
			passed++
		case e.Result == events.Fail:
			failed++
		}
	}
	if a.json {
		if err := a.printJSON(j); err != nil {
			return err
		}
	} else if j.State == api.StateRejected {
		a.printRejection(j)
	} else {
		fmt.Fprintf(a.out, "\njob %s is %s: %d test cases passed, %d failed, %d log lines\n", j.Display,
			a.paint(a.out, healthColour(string(j.Health)), string(j.Health)), passed, failed, j.Lines)
		if j.Error != "" {
			fmt.Fprintf(a.out, "%s error: %s\n", j.ErrorType, j.Error)
		}
		if j.NotRetried != "" { // the fact may come after the last line, when nobody listens any more
			fmt.Fprintf(a.out, "not tried again: %s\n", j.NotRetried)
		}
		// Where the job was tried again its results and its log are those of the last attempt.
		last := j.Display
		if len(j.Attempts) > 0 {
			last = j.Attempts[len(j.Attempts)-1].Job.String()
		}
		fmt.Fprintf(a.out, "results: strata results %s    log: strata logs %s\n", last, last)
	}
	if j.Health != events.Complete || failOnTest && failed > 0 {
		return errQuiet
	}
	return nil
}

// follower prints the lines and the facts of one job, which come from two flows.
type follower struct {
	*chorus
	as       speaker // guarded by the chorus's print
	once     sync.Once
	display  string        // the job as people call it; empty until its first fact came
	finished chan struct{} // closed when the job is over
	lines    chan struct{} // something was printed
}

// line prints a record.
func (f *follower) line(n uint64, r events.Record) error {
	select {
	case f.lines <- struct{}{}:
	default:
	}
	if len(f.how.levels) > 0 && !slices.Contains(f.how.levels, r.Level) {
		return nil
	}
	f.print.Lock()
	defer f.print.Unlock()
	return f.app.printRecordOf(f.as, n, r)
}

// facts prints what happens to the job beside its log. Its end is not an error: the log decides.
func (f *follower) facts(ctx context.Context, c api.Client, job events.JobID) {
	in := api.EventsRequest{Entity: "job/" + job.String(), Follow: true}
	for ctx.Err() == nil {
		_ = c.Stream(ctx, "events", in, func(m *nats.Msg) error {
			var e api.Fact
			if err := json.Unmarshal(m.Data, &e); err != nil {
				return err
			}
			// A flow that broke off goes on behind what was printed; nothing is shown twice.
			in.From = e.Seq + 1
			f.fact(e, m.Data)
			if e.Name == splitFact {
				_ = f.join(job, f) // asked again at the end
			}
			return nil
		})
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// fact prints one fact for people; with --json the log alone is printed.
func (f *follower) fact(e api.Fact, raw []byte) {
	if over(e.Name) {
		f.once.Do(func() { close(f.finished) })
	}
	if f.app.json {
		return
	}
	f.print.Lock()
	defer f.print.Unlock()
	fmt.Fprintf(f.app.out, "%s %s\n", f.app.paint(f.app.out, bold, "●"), f.app.paint(f.app.out, bold, plain(f.sentence(e, raw))))
}

// watch ends the following when the job is over and nothing more comes.
// Each line starts its time anew, so a job that still talks is never cut off.
func (f *follower) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-f.finished:
	case <-ctx.Done():
		return
	}
	t := time.NewTimer(tailWait)
	defer t.Stop()
	for {
		select {
		case <-f.lines:
			t.Reset(tailWait)
		case <-t.C:
			cancel(errNoMoreLines)
			return
		case <-ctx.Done():
			return
		}
	}
}

// over reports whether a fact of this name ends a job.
// The names are the catalogue's; a fact by which a job ends that is missing here would have people
// wait for [tailWait] in vain.
func over(name string) bool {
	switch name {
	case "job.finished", "job.rejected", "job.withdrawn":
		return true
	}
	return false
}

// sentence says for people what a fact about a job means.
// Facts it does not know are told by their name: a newer lab may have more than this binary.
func (f *follower) sentence(e api.Fact, raw []byte) string {
	var d struct {
		Data struct {
			Job       events.JobID `json:"job"`
			Display   string       `json:"display"`
			Name      string       `json:"name"`
			Device    string       `json:"device"`
			Worker    string       `json:"worker"`
			Reason    string       `json:"reason"`
			Message   string       `json:"message"`
			Health    string       `json:"health"`
			ErrorType string       `json:"error_type"`
			Error     string       `json:"error"`
			Lines     uint64       `json:"lines"`
			Cases     uint64       `json:"cases"`
			By        string       `json:"by"`
			Parts     []uint64     `json:"parts"`
			As        events.JobID `json:"as"`
		} `json:"data"`
	}
	_ = json.Unmarshal(raw, &d) // what is missing reads as empty
	v := d.Data
	if e.Name == "job.submitted" {
		f.display = v.Display
	}
	job := f.display
	if job == "" {
		job = v.Job.String()
	}
	switch e.Name {
	case "job.submitted":
		return fmt.Sprintf("job %s submitted: %s", job, v.Name)
	case splitFact:
		return fmt.Sprintf("job %[1]d is a group of %[2]d jobs, which are shown together: %[1]d.0 to %[1]d.%[3]d", v.Job, len(v.Parts), len(v.Parts)-1)
	case "job.rejected":
		return fmt.Sprintf("job %s rejected: %s", job, v.Message)
	case "job.scheduled":
		if v.Device == "" {
			return fmt.Sprintf("job %s is a guest on worker %s", job, v.Worker)
		}
		return fmt.Sprintf("job %s gets device %s on worker %s", job, v.Device, v.Worker)
	case "job.started":
		return fmt.Sprintf("job %s runs", job)
	case "job.finished":
		s := fmt.Sprintf("job %s finished: %s", job, v.Health)
		if v.Error != "" {
			s += fmt.Sprintf(" (%s: %s)", v.ErrorType, v.Error)
		}
		return s
	case "job.withdrawn", "job.returned":
		return fmt.Sprintf("job %s %s: %s", job, e.Name[len("job."):], v.Reason)
	case "job.cancel-requested":
		return fmt.Sprintf("job %s is to end: asked by %s", job, v.By)
	case "job.retried":
		return fmt.Sprintf("job %s was failed by the lab and is tried again as job %d", job, v.As)
	case "job.retry-dropped":
		return fmt.Sprintf("job %s was failed by the lab and is not tried again: %s", job, v.Reason)
	case "job.output-complete":
		return fmt.Sprintf("job %s: all output read, %d lines, %d results", job, v.Lines, v.Cases)
	}
	return fmt.Sprintf("job %s: %s", job, e.Name)
}
