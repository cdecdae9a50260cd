package submission

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// TestInboxBounds: reading ahead stops where undecided requests hold enough, and goes on when one
// is decided.
func TestInboxBounds(t *testing.T) {
	t.Parallel()
	in := newInbox(Deps{})
	large, small := &request{weight: inboxBytes - 1}, &request{weight: 2}
	if err := in.hold(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := in.hold(stopped, small); err == nil {
		t.Fatal("there is room for more than the bound")
	}
	held := make(chan error)
	go func() { held <- in.hold(t.Context(), small) }()
	in.done(large)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	in.done(small)
	// One that is larger than the bound passes when it is alone.
	if err := in.hold(t.Context(), &request{weight: 2 * inboxBytes}); err != nil {
		t.Fatal(err)
	}
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	s := folded(append(labFacts(), events.JobRejected{Job: 12, User: "alice", At: noon})...)
	data, err := s.save()
	if err != nil {
		t.Fatal(err)
	}
	loaded := newState()
	if err := loaded.load(format, data); err != nil {
		t.Fatal(err)
	}
	if loaded.position != 12 || loaded.lab.Through() != s.lab.Through() || loaded.lab.Device("qemu01") == nil {
		t.Errorf("loaded position %d through %d, want 12 and %d", loaded.position, loaded.lab.Through(), s.lab.Through())
	}
	again, err := loaded.save()
	if err != nil || string(again) != string(data) {
		t.Errorf("saved again: %q, %v, want %q", again, err, data)
	}
	for name, bad := range map[string]string{"submission.v0": string(data), format: "{", format + " ": string(data)} {
		if err := loaded.load(name, []byte(bad)); err == nil {
			t.Errorf("a checkpoint of format %q with %.10q is loaded", name, bad)
		}
	}
	if err := loaded.load(formatV1, []byte(`{"position":1,"lab_format":"lab.v99","lab":{}}`)); err == nil || loaded.position != 12 {
		t.Errorf("a lab of another format: %v, position %d; want an error and the fold as it was", err, loaded.position)
	}
	// The release before wrote one JSON text.
	if err := loaded.load(formatV1, []byte(`{"position":3,"lab_format":"lab.v1","lab":{"through":9}}`)); err != nil || loaded.position != 3 || loaded.lab.Through() != 9 {
		t.Errorf("load %s: %v, position %d through %d; want 3 through 9", formatV1, err, loaded.position, loaded.lab.Through())
	}
}

// TestLargeGang: groups as large as one batch of facts holds, when they are submitted and when they start.
func TestLargeGang(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	for i := range 100 {
		b.Append(t, events.DeviceAdded{Device: events.DeviceName(fmt.Sprintf("kvm%03d", i)), DeviceType: "qemu", Health: events.Good, By: "local"})
	}
	start(t, b.Log, nil)
	before := publish(t, b.Conn, "submit.alice", small)
	ask := func(clients, guests int) events.JobID {
		text := strings.Replace(gang, "client: {device_type: qemu, count: 1}", fmt.Sprintf("client: {device_type: qemu, count: %d}", clients), 1)
		return publish(t, b.Conn, "submit.alice", strings.Replace(text, "{connection: ssh, count: 1", fmt.Sprintf("{connection: ssh, count: %d", guests), 1))
	}
	whole, devices := ask(1, 95), ask(48, 1)
	unplaced, over := ask(49, 1), ask(98, 1)
	for job, parts := range map[events.JobID]int{whole: 97, devices: 50} {
		split := eventtest.Await(t, b.Log, func(e events.DefinitionSplit) bool { return e.Job == job })
		if len(split.Parts) != parts {
			t.Errorf("%d parts, want %d", len(split.Parts), parts)
		}
	}
	decision(t, b.Log, before)
	for job, message := range map[events.JobID]string{unplaced: "multinode job needs 50 devices beside 1 guests: at most 49 devices can be had at once",
		over: "multinode job has more than 99 parts"} {
		if e, ok := decision(t, b.Log, job).(events.JobRejected); !ok || e.Message != message {
			t.Errorf("gang that is too large: %+v, want %q", e, message)
		}
	}
	counted(t, b.Log, 1+97+50+1+1)
}

// TestLargeMetadata: facts as large as a definition may be do not pile up in one batch.
func TestLargeMetadata(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	text := strings.Replace(small, "{build: 17}", "{build: "+strings.Repeat("x", 1<<20-500)+"}", 1)
	var last events.JobID
	for range 12 {
		last = publish(t, b.Conn, "submit.alice", text)
	}
	start(t, b.Log, nil)
	if e := decision(t, b.Log, last).(events.JobSubmitted); len(e.Metadata["build"]) != 1<<20-500 {
		t.Errorf("metadata of %d bytes", len(e.Metadata["build"]))
	}
	counted(t, b.Log, 12)
}

// TestTrace: who follows a submission through the lab finds its trace on the fact.
func TestTrace(t *testing.T) {
	t.Parallel()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	start(t, b.Log, nil)
	m := natsMsg("submit.alice", small)
	m.Header.Set(events.HeaderTrace, trace)
	number := publishMsg(t, b.Conn, m)
	decision(t, b.Log, number)
	facts, err := b.Log.Load(t.Context(), events.Entity{Kind: events.Job, ID: number.String()})
	if err != nil || len(facts) != 1 || facts[0].Trace != trace || facts[0].Source != "services/submission" || facts[0].Cause != stream.Cause(stream.Submissions, uint64(number)) {
		t.Errorf("facts %+v, %v, want one with the trace of its submission", facts, err)
	}
}

// What this instance records right behind what it has read is known without reading it; a fact of somebody
// else between the two has to be read first.
func TestReach(t *testing.T) {
	t.Parallel()
	job := func(n events.JobID, seq uint64) stream.Recorded {
		return stream.Recorded{Seq: seq, Event: events.JobSubmitted{Job: n, Display: n.String(), User: "alice", DeviceType: "qemu"}}
	}
	s := newState()
	s.evolve(job(1, 10))
	steps := []struct {
		seq  uint64
		read bool
		want uint64
	}{
		{11, false, 11}, {12, false, 12}, // in a row
		{14, false, 12},                                // somebody else has 13
		{11, true, 12}, {12, true, 12}, {13, true, 13}, // it comes
		{14, true, 14}, {15, false, 15},
	}
	for i, step := range steps {
		if r := job(events.JobID(step.seq), step.seq); step.read {
			s.evolve(r)
		} else {
			s.anticipate(r)
		}
		if got := s.through(); got != step.want {
			t.Errorf("step %d (%+v): everything is known up to %d, want %d", i, step, got, step.want)
		}
	}
}
