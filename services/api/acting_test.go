package api_test

import (
	"testing"

	"strata/events"
	"strata/events/stream"
	"strata/services/api"
)

// TestActingSubmits has an administrator submit as a user: the job is the user's, the submission says who acted and
// from where, and the user's secrets stay closed. On the bus an acting token submits nothing (TestEverySubject).
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
