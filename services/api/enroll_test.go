package api_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/services/api"
)

// invite returns a word of the administrator's.
func (p people) invite(t *testing.T, in api.InviteRequest) string {
	t.Helper()
	var w api.Token
	call(t, p.admin, "workers.invite", in, &w)
	return w.Value
}

// TestEnroll makes machines workers: by a word that is good once, for a while, and for one worker where it names one.
func TestEnroll(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	machine := asUser(t, p.broker, "") // a machine has no name before
	enroll := func(word string, name events.WorkerName) (api.Worker, error) {
		var w api.Worker
		err := machine.Call(t.Context(), "workers.enroll", api.EnrollRequest{Word: word, Worker: name}, &w)
		return w, err
	}
	refused := func(word string, name events.WorkerName, why string) {
		t.Helper()
		if w, err := enroll(word, name); err == nil || !strings.Contains(err.Error(), why) || w.Token != "" {
			t.Errorf("enroll %s: got %+v, error %v; want it refused with %q", name, w, err, why)
		}
	}
	any := p.invite(t, api.InviteRequest{})
	refused("", "w1", "this word makes no worker")
	refused(any[:127], "w1", "this word makes no worker")
	refused(access.Digest(any), "w1", "this word makes no worker")
	refused(any, "a/b", "contains a slash")
	refused(any, "", "worker is missing")
	w1, err := enroll(any, "w1")
	if err != nil {
		t.Fatal(err)
	}
	if who, err := p.key.Verify(w1.Token); err != nil || who.Role != access.Worker || who.Worker != "w1" {
		t.Errorf("credential of w1: stands for %+v, error %v", who, err)
	}
	refused(any, "w2", "it was used")
	refused(p.invite(t, api.InviteRequest{}), "w1", "there is a worker w1 already")
	named := p.invite(t, api.InviteRequest{Worker: "w1", Reason: "its disk died"})
	refused(named, "w2", "is for the worker w1, not for w2: call it so (--name w1)")
	again, err := enroll(named, "w1")
	if err != nil || again.Token == w1.Token {
		t.Errorf("w1 anew: error %v, the same credential %v; want another one", err, again.Token == w1.Token)
	}

	late := p.invite(t, api.InviteRequest{Hours: 1})
	p.turn(time.Hour)
	refused(late, "w3", "has expired")
	revoked := p.invite(t, api.InviteRequest{})
	call(t, p.admin, "tokens.revoke", api.TokenRequest{Token: access.TokenID(revoked)}, nil)
	refused(revoked, "w3", "was taken back")

	// What gives the word its worth is its giver's right, at the time it is used.
	call(t, p.admin, "users.add", api.UserRequest{User: "alice"}, nil)
	alice := asUser(t, p.broker, "alice")
	forbidden(t, alice, "workers.invite", api.InviteRequest{}, "may not")
	call(t, p.admin, "permissions.grant", api.PermissionRequest{User: "alice", Permission: "add_worker"}, nil)
	forbidden(t, alice, "workers.invite", api.InviteRequest{Worker: "w1"}, "may not")
	var word api.Token
	call(t, alice, "workers.invite", api.InviteRequest{}, &word)
	call(t, p.admin, "permissions.revoke", api.PermissionRequest{User: "alice", Permission: "add_worker"}, nil)
	refused(word.Value, "w3", "may not")
	if who, err := p.Authenticate(word.Value, here); err == nil {
		t.Errorf("a word in place of a token: got %+v", who)
	}
	facts, err := p.broker.Log.Load(t.Context(), events.Entity{Kind: events.Worker, ID: "w1"})
	if err != nil || len(facts) != 2 || facts[0].Actor != "local" || !strings.Contains(facts[0].From, "enrolment "+string(access.TokenID(any))) {
		t.Errorf("facts of w1 (error %v): got %+v; want who gave the word, and which", err, facts)
	}
}

// TestEnrollOnce has many machines come with one word at once: one of them is a worker.
func TestEnrollOnce(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	word := p.invite(t, api.InviteRequest{})
	machine := asUser(t, p.broker, "")
	made := make(chan events.WorkerName, 10)
	var all sync.WaitGroup
	for _, name := range strings.Fields("a b c d e f g h") {
		all.Go(func() {
			if machine.Call(t.Context(), "workers.enroll", api.EnrollRequest{Word: word, Worker: events.WorkerName(name)}, nil) == nil {
				made <- events.WorkerName(name)
			}
		})
	}
	all.Wait()
	var workers []api.Worker
	call(t, p.admin, "workers.list", struct{}{}, &workers)
	if len(made) != 1 || len(workers) != 1 {
		t.Errorf("workers made with one word: %d were told so, %d are there; want one", len(made), len(workers))
	}
}

// TestLocalIsShown gives the machine's own administrator an account, as the first invitation of a worker does: lists of
// users tell it as the superuser that it is.
func TestLocalIsShown(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	p.invite(t, api.InviteRequest{})
	var users []api.User
	call(t, p.admin, "users.list", api.UserRequest{}, &users)
	if len(users) != 1 || users[0].User != "local" || !users[0].Superuser {
		t.Errorf("users after an invitation: %+v, want local alone, a superuser", users)
	}
}
