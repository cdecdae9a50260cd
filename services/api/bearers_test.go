package api_test

import (
	"context"
	"testing"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/services/api"
)

// TestStreamsAreCut follows facts with tokens and a session, and takes their worth away in each way there is: the
// stream ends, with the reason, though nothing happens that it would tell of.
func TestStreamsAreCut(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	no := false
	for name, tt := range map[string]struct {
		cut func(t *testing.T, user events.UserName, id events.TokenID)
	}{
		"revoked": {func(t *testing.T, _ events.UserName, id events.TokenID) {
			call(t, p.admin, "tokens.revoke", api.TokenRequest{Token: id}, nil)
		}},
		"shut out": {func(t *testing.T, user events.UserName, _ events.TokenID) {
			call(t, p.admin, "users.set", api.UserRequest{User: user, Active: &no}, nil)
		}},
		"removed": {func(t *testing.T, user events.UserName, _ events.TokenID) {
			call(t, p.admin, "users.remove", api.UserRequest{User: user}, nil)
		}},
	} {
		for _, session := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				user := events.UserName(map[bool]string{false: "t.", true: "s."}[session] + map[string]string{"revoked": "a", "shut out": "b", "removed": "c"}[name])
				call(t, p.admin, "users.add", api.UserRequest{User: user}, nil)
				var who api.Caller
				var err error
				if session {
					s, bad := p.Enter(t.Context(), api.Vouched{User: user, Means: "password"}, here)
					if bad != nil {
						t.Fatal(bad)
					}
					who, err = p.Session(s.Value, here)
				} else {
					var token api.Token
					call(t, p.admin, "tokens.issue", api.TokenRequest{User: user}, &token)
					who, err = p.Authenticate(token.Value, here)
				}
				if err != nil {
					t.Fatal(err)
				}
				ended, began := make(chan error, 1), make(chan bool, 100)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				go func() {
					ended <- p.Stream(ctx, who, "events", api.EventsRequest{Entity: "user/" + string(user), Follow: true}, func(api.Piece) error {
						began <- true
						return nil
					})
				}()
				<-began
				tt.cut(t, user, who.Token)
				if err := <-ended; !api.HasCode(err, api.Denied) {
					t.Errorf("the stream ended with %v, want denied", err)
				}
				if err := p.Stream(ctx, who, "events", api.EventsRequest{Entity: "user/" + string(user), Follow: true}, func(api.Piece) error { return nil }); !api.HasCode(err, api.Denied) {
					t.Errorf("another stream with it ended with %v, want denied", err)
				}
			})
		}
	}
}

// TestExpiryCuts shows that a stream ends with the token's time.
func TestExpiryCuts(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "alice"}, nil)
	var token api.Token
	call(t, p.admin, "tokens.issue", api.TokenRequest{User: "alice", Expires: time.Now().Add(time.Hour)}, &token)
	who, err := p.Authenticate(token.Value, here)
	if err != nil {
		t.Fatal(err)
	}
	p.turn(time.Hour - time.Second)
	ctx, done := p.While(t.Context(), who)
	defer done()
	select {
	case <-ctx.Done():
	case <-time.After(2 * time.Minute):
		t.Error("a context outlives its token")
	}
	plain, free := p.While(t.Context(), api.Caller{User: access.Local})
	defer free()
	if plain.Err() != nil {
		t.Errorf("without a token: %v", plain.Err())
	}
}
