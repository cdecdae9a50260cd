package dispatch_test

import (
	"maps"
	"strings"
	"testing"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/schemas/order"
)

// TestSecrets shows that an order has the submitter's own secrets that its definition names, beside the definition
// as it was submitted, and that no fact has them. One that cannot be opened ends the job, for a name must not go
// out in a secret's place.
func TestSecrets(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	keep := func(user events.UserName, name, value string) events.Event {
		return events.RemoteTokenSet{User: user, Name: name, Sealed: l.key.Seal(value, access.Place(user, "remote", name)), By: user}
	}
	l.Append(t, events.UserAdded{User: "alice", By: "local"}, events.UserAdded{User: "bob", By: "local"},
		keep("alice", "store", "s3cret"), keep("alice", "unused", "unused-value"), keep("bob", "his", "bobs-value"),
		// Copied over from bob: it is sealed for another place.
		events.RemoteTokenSet{User: "alice", Name: "stolen", Sealed: l.key.Seal("bobs-value", access.Place("bob", "remote", "his")), By: "alice"})
	l.run(t)
	text := "job_name: x\nsecrets: {A: store, B: his, C: literal}\nactions:\n- deploy: {image: {url: u, headers: {T: store}}}\n"
	l.schedule(t, "q1", 5, text)
	w := l.next(t).Work
	if w.Definition.Inline != text || !maps.Equal(w.Secrets, map[string]string{"store": "s3cret"}) {
		t.Errorf("order: got secrets %v with %q; want alice's store alone, beside the definition as it was submitted", w.Secrets, w.Definition.Inline)
	}
	job := l.schedule(t, "q2", 6, "job_name: x\nsecrets: {A: stolen}\n")
	end := eventtest.Await(t, l.Log, func(e events.JobFinished) bool { return e.Job == job })
	if end.ErrorType != events.InfrastructureError || !strings.Contains(end.Error, `the secret "stolen" of alice cannot be opened`) {
		t.Errorf("a secret that cannot be opened: the job ended with %s %q", end.ErrorType, end.Error)
	}
	l.schedule(t, "q3", 7, "job_name: x\nsecrets: {A: literal}\n")
	if o := l.next(t); o.Kind != order.Start || o.Work.Secrets != nil {
		t.Errorf("a job that names no secret: got order %+v", o)
	}
	if story := eventtest.Story(t, l.Log, "LAB"); strings.Contains(story, "s3cret") || strings.Contains(story, "bobs-value") {
		t.Errorf("the facts have a secret:\n%s", story)
	}
}
