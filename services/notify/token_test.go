package notify

import (
	"path/filepath"
	"strings"
	"testing"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
)

// TestCallbackTokens shows what a callback's token stands for: the submitter's API token of that description, else
// the submitter's secret of that name, else what is written. Nobody else's, and nothing of it is recorded.
func TestCallbackTokens(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	issue := func(user events.UserName, description, value string) events.Event {
		id := access.TokenID(value)
		return events.TokenIssued{User: user, Token: id, SHA256: access.Digest(value), Description: description, Sealed: key.Seal(value, access.Place(user, "token", string(id))), By: user}
	}
	remote := func(user events.UserName, name, value string) events.Event {
		return events.RemoteTokenSet{User: user, Name: name, Sealed: key.Seal(value, access.Place(user, "remote", name)), By: user}
	}
	l.Append(t, events.UserAdded{User: "alice", By: "local"}, events.UserAdded{User: "bob", By: "local"},
		issue("alice", "ci", "alices-api-token"), remote("alice", "ci", "never-sent"), remote("alice", "store", "alices-secret"),
		issue("bob", "bobs", "bobs-api-token"), remote("bob", "his", "bobs-secret"))
	l.serve(func(d *Deps) { d.Key = key })
	r := newReceiver(t, nil)
	for name, want := range map[string]string{"ci": "alices-api-token", "store": "alices-secret", "bobs": "bobs", "his": "his", "Token abc": "Token abc"} {
		l.finish(l.submit(callback(r.URL, ", token: '"+name+"'")), complete())
		g := r.next(t)
		if got := g.header.Get("Authorization"); got != want || g.fields(t)["token"] != want {
			t.Errorf("token %q: sent %q and in the body %q, want %q", name, got, g.fields(t)["token"], want)
		}
	}
	if story := eventtest.Story(t, l.Log, stream.Lab); strings.Contains(story, "alices-secret") || strings.Contains(story, "alices-api-token") {
		t.Errorf("the facts have a secret:\n%s", story)
	}
}

// TestCallbackTokenOfAnotherKey shows that a token that cannot be opened is not sent, nor its name in its place.
func TestCallbackTokenOfAnotherKey(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Append(t, events.UserAdded{User: "alice", By: "local"}, events.RemoteTokenSet{User: "alice", Name: "store", Sealed: "sealed1_AAAA", By: "alice"})
	l.serve()
	r := newReceiver(t, nil)
	id := l.submit(callback(r.URL, ", token: store"))
	l.finish(id, complete())
	given := eventtest.Await(t, l.Log, func(e events.NotificationFailed) bool { return e.Job == id })
	if len(r.came) != 0 || !strings.Contains(given.Reason, "cannot be opened") {
		t.Errorf("callback: %d requests, given up with %q; want none", len(r.came), given.Reason)
	}
}
