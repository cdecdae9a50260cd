package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// TestQueueTimeoutIsSaid asks why a job left the queue. In LAVA it is canceled, by nobody and for no reason.
func TestQueueTimeoutIsSaid(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "x")
	const why = "queue timeout after 1m0s"
	b.Append(t, submitted(job), events.JobWithdrawn{Job: job, Reason: why})
	var j api.Job
	call(t, c, "jobs.show", api.JobRequest{Job: job}, &j)
	if j.State != api.StateFinished || j.Health != events.Canceled || j.Error != why {
		t.Errorf("job that waited too long: %s, %s, %q; want Finished, Canceled, %q", j.State, j.Health, j.Error, why)
	}
	var w api.Why
	call(t, c, "jobs.why", api.JobRequest{Job: job}, &w)
	if want := "it waits no more: finished canceled: " + why; w.Over != want {
		t.Errorf("why: %q, want %q", w.Over, want)
	}
}

// TestLargeGroupInQueue lists a group of twelve with a guest. LAVA sorts parts as text, P.10 before P.2, and
// its queue fails over a guest, which asks for no device type.
func TestLargeGroupInQueue(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	const size = 12
	var ids []events.JobID
	for range size {
		ids = append(ids, publish(t, b, "x"))
	}
	var facts []events.Event
	for n, id := range ids {
		e := submitted(id)
		e.Display = fmt.Sprintf("%d.%d", ids[0], n)
		e.Part = &events.Membership{Group: "g", Parent: ids[0], Role: "server", Size: size}
		if n == size-1 {
			e.DeviceType, e.Part.Role, e.Part.Guest, e.Part.HostRole = "", "guest", true, "server"
		}
		facts = append(facts, e)
	}
	b.Append(t, append(facts, events.DefinitionSplit{Job: ids[0], Group: "g", Parts: ids})...)

	var j api.Job
	call(t, c, "jobs.show", api.JobRequest{Job: ids[0]}, &j)
	var listed api.Jobs
	call(t, c, "jobs.list", api.JobsRequest{}, &listed)
	slices.Reverse(listed.Jobs) // newest first
	if len(j.Parts) != size || len(listed.Jobs) != size {
		t.Fatalf("%d parts and %d jobs, want %d", len(j.Parts), len(listed.Jobs), size)
	}
	for n := range size {
		if want := fmt.Sprintf("%d.%d", ids[0], n); j.Parts[n].Display != want || listed.Jobs[n].Display != want {
			t.Errorf("part %d: %s of the group, %s of the list; want %s", n, j.Parts[n].Display, listed.Jobs[n].Display, want)
		}
	}
	var q api.Queue
	call(t, c, "queue.list", api.QueueRequest{}, &q)
	if q.Total == 0 {
		t.Error("the queue is empty, want the group in it")
	}
	var w api.Why
	call(t, c, "jobs.why", api.JobRequest{Job: ids[size-1]}, &w)
	if w.Over != "" {
		t.Errorf("why the guest waits: %q, want that it waits", w.Over)
	}
}

// TestReasonIsBounded cancels a job with a reason that just fits into the request: what the scheduler records of
// it is a little longer, and would not fit into any message.
func TestReasonIsBounded(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	b.Append(t, events.JobSubmitted{Job: 1, Display: "1", User: "alice", At: noon, DeviceType: "qemu", Source: events.Source{Sequence: 1}})
	b.Append(t, events.DeviceAdded{Device: "q1", DeviceType: "qemu", By: "alice"})
	for verb, in := range map[string]any{
		"jobs.cancel":    api.JobRequest{Job: 1, Reason: strings.Repeat("x", 8<<20-600)},
		"devices.health": api.DeviceRequest{Device: "q1", Health: events.Bad, Reason: strings.Repeat("ä", 1001)},
	} {
		err := c.Call(t.Context(), verb, in, nil)
		if !api.HasCode(err, api.Invalid) || !strings.Contains(err.Error(), "at most 1000 are allowed") {
			t.Errorf("%s with a reason without end: got %v, want it refused with what is allowed", verb, err)
		}
	}
	call(t, c, "devices.health", api.DeviceRequest{Device: "q1", Health: events.Bad, Reason: strings.Repeat("ä", 1000)}, nil)
}

// TestNewestJobs lists a queue that is longer than the list: the newest jobs, the newest first, and how many wait.
func TestNewestJobs(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	for n := events.JobID(1); n <= 30; n++ {
		user := events.UserName("alice")
		if n%3 == 0 {
			user = "bob"
		}
		b.Append(t, events.JobSubmitted{Job: n, Display: n.String(), User: user, At: noon, DeviceType: "qemu", Source: events.Source{Sequence: uint64(n)}})
	}
	var out api.Jobs
	call(t, c, "jobs.list", api.JobsRequest{Limit: 3, User: "bob"}, &out)
	var got []events.JobID
	for _, j := range out.Jobs {
		got = append(got, j.Job)
	}
	if want := []events.JobID{30, 27, 24}; !slices.Equal(got, want) || out.Waiting != 30 {
		t.Errorf("bob's newest three: %v of %d that wait, want %v of 30", got, out.Waiting, want)
	}
}
