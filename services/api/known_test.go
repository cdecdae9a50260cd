package api_test

import (
	"testing"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/services/api"
)

// TestKnown shows whom requests are counted for: each token by itself for its rate, all
// of a user together for their turns, and what is made up, or worth
// nothing any more, is nobody's.
func TestKnown(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "alice"}, nil)
	var first, second api.Token
	for _, made := range []*api.Token{&first, &second} {
		call(t, p.admin, "tokens.issue", api.TokenRequest{User: "alice", Description: "a", Expires: time.Now().Add(24 * time.Hour)}, made)
	}
	worker := p.key.Token(access.Principal{Role: access.Worker, Worker: "w1"})
	expect := func(secret, want string, user events.UserName) {
		t.Helper()
		if got, of, ok := p.Known(secret); got != want || of != user || ok != (want != "") {
			t.Errorf("Known(%.10s…) = %q, %q, %v; want %q, %q", secret, got, of, ok, want, user)
		}
	}
	expect(p.key.Administrator(), "local", "local")
	expect(first.Value, "token "+string(first.Token), "alice")
	expect(second.Value, "token "+string(second.Token), "alice")
	for _, none := range []string{worker, "made-up", ""} {
		expect(none, "", "")
	}
	p.turn(25 * time.Hour)
	expect(first.Value, "", "")
}
