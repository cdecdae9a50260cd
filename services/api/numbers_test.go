package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
)

// TestNumbersOfParts asks for the jobs of a group as people call them, whatever numbers their texts got.
func TestNumbersOfParts(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	call(t, c, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	call(t, c, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Worker: "w1", Dictionary: "a: 1"}, nil)
	whole := publish(t, b, "x")
	lone := publish(t, b, "y") // between the group and its parts
	second, third := publish(t, b, "part 1"), publish(t, b, "part 2")
	ids := []events.JobID{whole, second, third}
	var facts []events.Event
	for n, role := range []string{"server", "client", "guest"} {
		e := submitted(ids[n])
		e.Display = fmt.Sprintf("%d.%d", whole, n)
		e.Part = &events.Membership{Group: "g", Parent: whole, Role: role, Size: 3, Essential: n == 0}
		if role == "guest" {
			e.DeviceType, e.Part.Guest, e.Part.HostRole = "", true, "server"
		}
		facts = append(facts, e)
	}
	b.Append(t, append(facts, events.DefinitionSplit{Job: whole, Group: "g", Parts: ids}, submitted(lone))...)
	b.Append(t, events.JobScheduled{Job: second, Device: "q1", Worker: "w1", Lease: 5},
		events.DeviceReserved{Device: "q1", Job: second, Lease: 5})

	called := func(n int) map[string]any { return map[string]any{"job": fmt.Sprintf("%d.%d", whole, n)} }
	var j api.Job
	for n, id := range ids {
		call(t, c, "jobs.show", called(n), &j)
		if j.Job != id || len(j.Parts) != 3 {
			t.Errorf("jobs.show %v: job %d with %d parts, want %d with 3", called(n), j.Job, len(j.Parts), id)
		}
	}
	want := []api.Part{
		{Job: whole, Display: fmt.Sprintf("%d.0", whole), Role: "server", State: "Submitted", Essential: true, DeviceType: "qemu"},
		{Job: second, Display: fmt.Sprintf("%d.1", whole), Role: "client", State: "Scheduled", DeviceType: "qemu", Device: "q1"},
		{Job: third, Display: fmt.Sprintf("%d.2", whole), Role: "guest", State: "Submitted", Guest: true, HostRole: "server"},
	}
	for n, p := range j.Parts {
		if p != want[n] {
			t.Errorf("part %d:\n got %+v\nwant %+v", n, p, want[n])
		}
	}
	if j.Role != "guest" || j.Display != want[2].Display {
		t.Errorf("the third: role %q as %q, want guest as %q", j.Role, j.Display, want[2].Display)
	}

	// All that names a job takes such a number: verbs, flows, the past, and entities.
	var p api.Job
	ask := called(0)
	ask["priority"] = 80
	call(t, c, "jobs.priority", ask, &p)
	if p.Job != whole || p.Priority != 80 {
		t.Errorf("jobs.priority: got %d with %d, want %d with 80", p.Job, p.Priority, whole)
	}
	for verb, in := range map[string]any{
		"events": map[string]any{"entity": fmt.Sprintf("job/%d.2", whole)},
		"at":     map[string]any{"seq": lastOf(t, b), "verb": "jobs.show", "request": called(2)},
	} {
		var got []string
		err := c.Stream(t.Context(), verb, in, func(m *nats.Msg) error { got = append(got, string(m.Data)); return nil })
		if err != nil || len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf(`"job":%d`, third)) {
			t.Errorf("%s of %v: got %s, %v; want one message about job %d", verb, in, got, err, third)
		}
	}
	var d api.Device
	call(t, c, "devices.show", api.DeviceRequest{Device: "q1"}, &d)
	if d.JobDisplay != want[1].Display {
		t.Errorf("q1 is held by %q, want %q", d.JobDisplay, want[1].Display)
	}
	call(t, c, "jobs.cancel", called(2), &j)
	if j.Job != third || j.CanceledBy == "" {
		t.Errorf("jobs.cancel: got %d, canceled by %q; want %d", j.Job, j.CanceledBy, third)
	}

	for name, says := range map[string]string{
		fmt.Sprintf("%d.3", whole):    fmt.Sprintf("the parts of job %d are %[1]d.0 to %[1]d.2", whole),
		fmt.Sprintf("%d.0", lone):     fmt.Sprintf("job %d is not a group", lone),
		fmt.Sprintf("%d.0", second):   fmt.Sprintf("itself a part of group %d", whole),
		"999.1":                       "there is no job 999",
		"one":                         "is not a job number",
		fmt.Sprintf("%d.x", whole):    "is not a job number",
		fmt.Sprintf("%d.99999", lone): "is not a job number",
	} {
		if err := c.Call(t.Context(), "jobs.show", map[string]string{"job": name}, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("jobs.show %s: got %v, want %q", name, err, says)
		}
	}
	p = api.Job{}
	// A number as text is a number.
	call(t, c, "jobs.show", json.RawMessage(fmt.Sprintf(`{"job":"#%d"}`, lone)), &p)
	if p.Job != lone || len(p.Parts) != 0 {
		t.Errorf("jobs.show of #%d: got %d with %d parts", lone, p.Job, len(p.Parts))
	}
}

// lastOf returns the sequence of the last fact.
func lastOf(t *testing.T, b *eventtest.Broker) uint64 {
	t.Helper()
	last, err := b.Log.Last(t.Context(), stream.Lab)
	if err != nil {
		t.Fatal(err)
	}
	return last
}
