package api_test

import (
	"testing"
	"time"

	"strata/events/access"
	"strata/services/api"
)

// TestKnown shows whom requests are counted for: each token and session by itself, and what is made up, or worth
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
	expect := func(secret, want string) {
		t.Helper()
		if got, ok := p.Known(secret); got != want || ok != (want != "") {
			t.Errorf("Known(%.10s…) = %q, %v; want %q", secret, got, ok, want)
		}
	}
	expect(p.key.Administrator(), "local")
	expect(first.Value, "token "+string(first.Token))
	expect(second.Value, "token "+string(second.Token))
	for _, none := range []string{worker, "made-up", ""} {
		expect(none, "")
	}
	p.turn(25 * time.Hour)
	expect(first.Value, "")
}
