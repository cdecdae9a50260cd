package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
)

// TestWholeJob follows a job that the lab fails and that is retried, as a client does that knows its
// first number alone, and as a person who looks at each attempt.
func TestWholeJob(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	first, second := publish(t, b, "x"), publish(t, b, "x")
	whole := api.JobRequest{Job: first, Whole: true}
	log := make(chan []string, 1)
	b.Append(t, once(first))
	go func() { log <- readLog(t, c, api.LogRequest{Job: first, Follow: true, Whole: true}) }()
	attemptOn(t, b, first, "q1", "no power")

	var j api.Job
	call(t, c, "jobs.show", whole, &j)
	if j.State != "Running" || j.Health != "" || j.Ended != nil || j.Error != "" || !j.Retrying {
		t.Errorf("whole job before its further attempt: %+v, want it Running", j)
	}
	call(t, c, "jobs.show", api.JobRequest{Job: first}, &j)
	if j.State != api.StateFinished || j.Health != events.Incomplete || !j.Retrying || j.Error != "no power" {
		t.Errorf("first attempt: %+v, want its own end", j)
	}
	again := once(second)
	again.Attempt = &events.Attempt{Of: first, N: 2, Avoid: []events.DeviceName{"q1"}}
	b.Append(t, again, events.JobRetried{Job: first, As: second, Attempt: 2})
	j = api.Job{}
	call(t, c, "jobs.show", whole, &j)
	if j.Job != first || j.State != "Running" || j.Health != "" || j.RetriedAs != second || j.Device != "" {
		t.Errorf("whole job whose further attempt waits: %+v, want it Running", j)
	}
	var w api.Why
	call(t, c, "jobs.why", api.JobRequest{Job: first}, &w)
	if want := "it waits no more: finished incomplete on q1; it is tried again as job " + second.String(); w.Over != want {
		t.Errorf("why the first attempt waits: %q, want %q", w.Over, want)
	}

	listed := func(in api.JobsRequest) string {
		var out api.Jobs
		call(t, c, "jobs.list", in, &out)
		var words []string
		for _, j := range out.Jobs {
			words = append(words, fmt.Sprintf("%d %s %s", j.Job-first, j.State, j.Health))
		}
		return strings.Join(words, ", ")
	}
	if got := listed(api.JobsRequest{Whole: true}); got != "0 Running " {
		t.Errorf("jobs as wholes: %q, want the first number alone, Running", got)
	}
	if got := listed(api.JobsRequest{Whole: true, State: "Submitted"}); got != "" {
		t.Errorf("jobs as wholes that wait: %q, want none", got)
	}
	if got := listed(api.JobsRequest{}); got != "1 Submitted " {
		t.Errorf("jobs: %q, want the second attempt", got)
	}
	attemptOn(t, b, second, "q2", "")
	if got := listed(api.JobsRequest{Whole: true, All: true}); got != "0 Finished Complete" && got != "" { // it may have left the fold
		t.Errorf("jobs as wholes, over: %q", got)
	}
	if got, want := <-log, []string{"0:on q1", "1:more", "0:on q2", "1:more"}; !slices.Equal(got, want) {
		t.Errorf("log that was followed: %q, want %q", got, want)
	}
	for _, id := range []events.JobID{first, second} { // each names both
		call(t, c, "jobs.show", api.JobRequest{Job: id}, &j)
		want := []api.Attempt{
			{Job: first, State: "Finished", Health: events.Incomplete, Device: "q1", ErrorType: events.InfrastructureError, Error: "no power"},
			{Job: second, State: "Finished", Health: events.Complete, Device: "q2"}}
		if j.Job != id || !slices.Equal(j.Attempts, want) {
			t.Errorf("attempts of job %d: %+v, want %+v", id, j.Attempts, want)
		}
	}
	j = api.Job{}
	call(t, c, "jobs.show", whole, &j)
	if j.Job != first || j.Display != first.String() || j.State != "Finished" || j.Health != events.Complete || j.Device != "q2" ||
		j.Error != "" || !j.Complete || j.Lines != 2 || j.RetryOf != 0 {
		t.Errorf("whole job at its end: %+v, want the end of its last attempt under the first number", j)
	}
	for in, want := range map[api.JobRequest]string{whole: "q2", {Job: first}: "q1", {Job: second, Whole: true}: "q2"} {
		var r api.Results
		call(t, c, "jobs.results", in, &r)
		if len(r.Cases) != 1 || r.Cases[0].Name != want || !r.Complete || r.Job != in.Job {
			t.Errorf("results %+v: %+v, want those of %s", in, r, want)
		}
	}
	if got, want := readLog(t, c, api.LogRequest{Job: first, Whole: true, From: 1}), []string{"1:more"}; !slices.Equal(got, want) {
		t.Errorf("log of the whole job from line 1: %q, want %q", got, want)
	}
	if got, want := readLog(t, c, api.LogRequest{Job: first}), []string{"0:on q1", "1:more"}; !slices.Equal(got, want) {
		t.Errorf("log of the first attempt: %q, want %q", got, want)
	}
	if err := c.Call(t.Context(), "jobs.cancel", whole, nil); !api.HasCode(err, api.Conflict) {
		t.Errorf("cancel a chain that is over: got %v, want a conflict", err)
	}
}

// TestCancelChain cancels a job by its first number at each point of its retry.
func TestCancelChain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		retried  bool
		canceled int // which attempt is told
	}{
		{"before the further attempt is there", false, 0},
		{"while it waits", true, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, c := start(t)
			jobs := []events.JobID{publish(t, b, "x"), publish(t, b, "x")}
			b.Append(t, once(jobs[0]))
			attemptOn(t, b, jobs[0], "q1", "no power")
			if tt.retried {
				again := once(jobs[1])
				again.Attempt = &events.Attempt{Of: jobs[0], N: 2}
				b.Append(t, again, events.JobRetried{Job: jobs[0], As: jobs[1], Attempt: 2})
			}
			for range 2 { // the second time there is nothing left to do
				call(t, c, "jobs.cancel", api.JobRequest{Job: jobs[0], Reason: "enough"}, nil)
				if !tt.retried {
					break
				}
			}
			var told []events.JobID
			for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
				if e, ok := r.Event.(events.JobCancelRequested); ok {
					told = append(told, e.Job)
				}
			}
			if want := []events.JobID{jobs[tt.canceled]}; !slices.Equal(told, want) {
				t.Errorf("asked to end: %d, want %d", told, want)
			}
			var j api.Job
			call(t, c, "jobs.show", api.JobRequest{Job: jobs[0], Whole: true}, &j)
			if j.Retrying || !tt.retried && j.State != api.StateFinished {
				t.Errorf("whole job: %+v, want no further attempt", j)
			}
		})
	}
}

// once submits a job that may be retried.
func once(job events.JobID) events.JobSubmitted {
	e := submitted(job)
	e.Retries = 1
	return e
}

// attemptOn runs a job to its end on a device, with two lines and one result; it fails by the lab's
// fault where there is an error.
func attemptOn(t *testing.T, b *eventtest.Broker, job events.JobID, device events.DeviceName, fault string) {
	t.Helper()
	b.Append(t, events.JobScheduled{Job: job, Device: device, Worker: "w1", Lease: 5},
		events.JobStarted{Job: job, Device: device, Worker: "w1", Lease: 5, At: noon})
	last := frame(t, b, job, 0, "on "+string(device), "more")
	end := events.JobFinished{Job: job, Device: device, Worker: "w1", Lease: 5, At: noon, Health: events.Complete, Lines: 2, LinesKnown: true}
	if fault != "" {
		end.Health, end.ErrorType, end.Error = events.Incomplete, events.InfrastructureError, fault
	}
	b.Append(t, end)
	b.Append(t, events.ResultsRecorded{Job: job, Lease: 5, Lines: 2, Cases: []events.Case{{Suite: "0_x", Name: string(device), Result: events.Pass}}})
	b.Append(t, events.JobOutputComplete{Job: job, Lease: 5, OutputSeq: last, Lines: 2, Cases: 1})
}
