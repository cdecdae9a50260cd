package api_test

import (
	"testing"
	"time"

	"strata/events"
	"strata/events/stream"
	"strata/services/api"
)

// TestActingSubmits has an administrator submit as a user: the job is the user's, the submission says who acted and
// from where, and the user's secrets stay closed: over HTTP and on the bus.
func TestActingSubmits(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "alice"}, nil)
	alice := asUser(t, p.broker, "alice")
	call(t, alice, "remote-tokens.set", api.RemoteToken{Name: "store", Value: "s3cret"}, nil)
	var own, acting api.Token
	call(t, alice, "tokens.issue", api.TokenRequest{Description: "ci"}, &own)
	call(t, p.admin, "users.act", api.ActRequest{User: "alice", Reason: "ticket 7"}, &acting)
	who, err := p.Authenticate(acting.Value, here)
	if err != nil || who.ActingFor != "local" || who.User != "alice" {
		t.Fatalf("acting as alice: got %+v, error %v", who, err)
	}
	for _, naming := range []string{"secrets: {A: store}", "notify: {callback: {url: x, token: ci}}", "notify: {callbacks: [{url: x, token: store}]}",
		"actions: [{deploy: {url: x, headers: {T: store}}}]"} {
		if _, err := p.Submit(t.Context(), who, []byte("job_name: x\n"+naming), ""); !api.HasCode(err, api.Denied) {
			t.Errorf("submit %q as alice: got error %v, want denied", naming, err)
		}
	}
	id, err := p.Submit(t.Context(), who, []byte("job_name: x\nsecrets: {A: plain}\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.broker.Log.JetStream().Stream(t.Context(), stream.Submissions)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := m.GetMsg(t.Context(), uint64(id))
	if err != nil || msg.Subject != "submit.api" || msg.Header.Get(events.HeaderUser) != "alice" ||
		msg.Header.Get(events.HeaderSubmitted) != here+" token "+string(acting.Token)+", local acts as alice" {
		t.Errorf("submission: %s %v, error %v; want it alice's, with who acted", msg.Subject, msg.Header, err)
	}
	// On the bus the broker takes nothing of an acting token at submit.alice (TestEverySubject): the api does it.
	bus := asToken(t, p.broker, acting.Value)
	forbidden(t, bus, "jobs.submit", api.SubmitRequest{Definition: "job_name: x\nsecrets: {A: store}\n"}, "the job names the secret")
	forbidden(t, bus, "jobs.submit", api.SubmitRequest{Definition: " \n"}, "definition is empty")
	forbidden(t, asUser(t, p.broker, ""), "jobs.submit", api.SubmitRequest{Definition: "job_name: x\n"}, "sign in first")
	var got, again api.Receipt
	call(t, bus, "jobs.submit", api.SubmitRequest{Definition: "job_name: x\n", ID: "once"}, &got)
	call(t, bus, "jobs.submit", api.SubmitRequest{Definition: "job_name: x\n", ID: "once"}, &again)
	if got.Job != again.Job {
		t.Errorf("submitted twice with one id: jobs %d and %d, want one", got.Job, again.Job)
	}
	msg, err = m.GetMsg(t.Context(), uint64(got.Job))
	if err != nil || msg.Subject != "submit.api" || msg.Header.Get(events.HeaderUser) != "alice" ||
		msg.Header.Get(events.HeaderSubmitted) != "bus token "+string(acting.Token)+", local acts as alice" {
		t.Errorf("submission on the bus: %s %v, error %v; want it alice's, with who acted", msg.Subject, msg.Header, err)
	}
	// Who acts gives out nothing that outlives it, and does not climb.
	for verb, in := range map[string]any{"tokens.issue": api.TokenRequest{}, "users.act": api.ActRequest{User: "alice", Reason: "x"}, "remote-tokens.list": struct{}{},
		"users.set": api.UserRequest{User: "alice", Email: word("x@example.com")}, "workers.invite": api.InviteRequest{}} {
		if err := p.Call(t.Context(), who, verb, in, nil); !api.HasCode(err, api.Denied) {
			t.Errorf("%s while acting: got error %v, want denied", verb, err)
		}
	}
	yes := true
	call(t, p.admin, "users.add", api.UserRequest{User: "root", Superuser: &yes}, nil)
	forbidden(t, p.admin, "users.act", api.ActRequest{User: "root", Reason: "x"}, "superuser")
	forbidden(t, p.admin, "users.act", api.ActRequest{User: "local", Reason: "x"}, "superuser")
	forbidden(t, alice, "users.act", api.ActRequest{User: "root", Reason: "x"}, "may not")
}

// TestActingTokens shows whose acting tokens somebody ends who acts as another, and that such tokens are bounded for
// each who acts, leave the user's own alone, and go when they are over.
func TestActingTokens(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	yes := true
	for _, user := range []events.UserName{"alice", "bob"} {
		call(t, p.admin, "users.add", api.UserRequest{User: user}, nil)
	}
	call(t, p.admin, "users.add", api.UserRequest{User: "root", Superuser: &yes}, nil)
	act := func(by api.Client, as events.UserName) (got api.Token) {
		t.Helper()
		call(t, by, "users.act", api.ActRequest{User: as, Reason: "ticket 7"}, &got)
		return got
	}
	root := asUser(t, p.broker, "root")
	mine, others, elsewhere := act(p.admin, "alice"), act(root, "alice"), act(p.admin, "bob")
	acting := asToken(t, p.broker, mine.Value)
	forbidden(t, acting, "tokens.revoke", api.TokenRequest{Token: others.Token}, "who acts as another")
	forbidden(t, acting, "tokens.describe", api.TokenRequest{Token: others.Token, Description: "x"}, "who acts as another")
	call(t, acting, "tokens.revoke", api.TokenRequest{Token: elsewhere.Token}, nil)
	call(t, acting, "tokens.revoke", api.TokenRequest{Token: mine.Token}, nil)
	if _, err := p.Authenticate(others.Value, here); err != nil {
		t.Errorf("another's acting token after all of that: %v, want it good", err)
	}

	for range 20 {
		act(p.admin, "alice")
	}
	forbidden(t, p.admin, "users.act", api.ActRequest{User: "bob", Reason: "x"}, "local acts as others with 20 tokens already")
	act(root, "alice")
	p.turn(31 * time.Minute)
	act(p.admin, "alice")
	for range 190 { // the user's own are counted apart
		call(t, p.admin, "tokens.issue", api.TokenRequest{User: "alice"}, nil)
	}
}
