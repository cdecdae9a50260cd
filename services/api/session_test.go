package api_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/lab"
	"strata/services/api"
)

// people is an api in this process with a clock that a test may turn.
type people struct {
	api.Inside
	broker *eventtest.Broker
	admin  api.Client
	key    access.Key
	ahead  *atomic.Int64 // nanoseconds that the clock is ahead of the machine's
}

func (p people) turn(d time.Duration) { p.ahead.Add(int64(d)) }

// startPeople runs the api, with a directory or without one.
func startPeople(t *testing.T, directory func(context.Context, string, string) (api.Vouched, error)) people {
	t.Helper()
	b := eventtest.Start(t)
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	p := people{broker: b, key: key, ahead: new(atomic.Int64)}
	now := func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan api.Inside, 1), make(chan error, 1)
	go func() {
		done <- api.Run(ctx, api.Deps{Log: b.Log, Now: now, Logger: slog.New(slog.DiscardHandler), Key: key, Directory: directory,
			Ready: func(in api.Inside) { ready <- in }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("api: %v", err)
		}
	})
	select {
	case p.Inside = <-ready:
	case err := <-done:
		done <- err
		t.Fatalf("api ended before it answered: %v", err)
	}
	p.admin = api.Client{Conn: b.Connect(t), User: access.Local}
	return p
}

const here, elsewhere = "http 192.0.2.7", "http 198.51.100.9"

// signIn starts a session that has to start.
func (p people) signIn(t *testing.T, user events.UserName, password string) api.Session {
	t.Helper()
	s, err := p.SignIn(t.Context(), user, password, here)
	if err != nil {
		t.Fatalf("sign in as %s: %v", user, err)
	}
	return s
}

// worthless says that a session stands for nobody.
func (p people) worthless(t *testing.T, s api.Session, why string) {
	t.Helper()
	if who, err := p.Session(s.Value, here); !errors.Is(err, api.ErrUnknownToken) {
		t.Errorf("a session %s: got %+v, error %v; want ErrUnknownToken", why, who, err)
	}
}

func word(s string) *string { return &s }

// TestSessionLife starts sessions and ends them in each way that there is.
func TestSessionLife(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "alice", Password: word("correct horse")}, nil)
	for _, wrong := range [][2]string{{"alice", "correct hors"}, {"alice", ""}, {"bob", "correct horse"}, {"", ""}, {"local", ""}, {"Alice", "correct horse"}} {
		if _, err := p.SignIn(t.Context(), events.UserName(wrong[0]), wrong[1], here); !errors.Is(err, api.ErrUnknownToken) {
			t.Errorf("sign in as %q with %q: got error %v, want ErrUnknownToken", wrong[0], wrong[1], err)
		}
	}

	first, second := p.signIn(t, "alice", "correct horse"), p.signIn(t, "alice", "correct horse")
	if first.Value == second.Value || len(first.Value) != 128 {
		t.Fatalf("values of two sessions: %q and %q, want long ones that differ", first.Value, second.Value)
	}
	who, err := p.Session(first.Value, elsewhere)
	if err != nil || who.User != "alice" || !who.Session || len(who.Scopes) != 0 {
		t.Fatalf("alice's session: got %+v, error %v", who, err)
	}
	var tokens []api.Token
	if err := p.Call(t.Context(), who, "tokens.list", api.TokenRequest{}, &tokens); err != nil || len(tokens) != 0 {
		t.Errorf("alice's tokens: got %+v, error %v; sessions are none of them", tokens, err)
	}
	if err := p.Call(t.Context(), who, "tokens.list", api.TokenRequest{Sessions: true}, &tokens); err != nil || len(tokens) != 2 ||
		tokens[0].Kind != lab.Session || tokens[0].Means != "password" || tokens[0].From != here || tokens[0].Value != "" {
		t.Errorf("alice's sessions: got %+v, error %v; want two, by password, with where from", tokens, err)
	}

	if err := p.SignOut(t.Context(), first.Value, here); err != nil {
		t.Fatal(err)
	}
	p.worthless(t, first, "that was signed out")
	if err := p.SignOut(t.Context(), first.Value, here); err != nil {
		t.Errorf("sign out twice: %v", err)
	}
	if err := p.Call(t.Context(), who, "tokens.revoke", api.TokenRequest{Token: access.TokenID(second.Value)}, nil); err != nil {
		t.Fatal(err)
	}
	p.worthless(t, second, "that was revoked")

	third, keeping := p.signIn(t, "alice", "correct horse"), p.signIn(t, "alice", "correct horse")
	mine, err := p.Session(keeping.Value, here)
	if err != nil {
		t.Fatal(err)
	}
	change := api.UserRequest{User: "alice", Password: word("battery staple")}
	if err := p.Call(t.Context(), mine, "users.set", change, nil); !api.HasCode(err, api.Denied) {
		t.Errorf("change the password without the one before: got error %v, want denied", err)
	}
	change.Current = "correct horse"
	if err := p.Call(t.Context(), mine, "users.set", change, nil); err != nil {
		t.Fatalf("change the password: %v", err)
	}
	p.worthless(t, third, "from before the password was changed")
	if _, err := p.Session(keeping.Value, here); err != nil {
		t.Errorf("the session that changed the password: %v; it goes on", err)
	}
	p.turn(15 * 24 * time.Hour)
	p.worthless(t, keeping, "of 15 days ago")
	p.turn(-15 * 24 * time.Hour)
	no := false
	call(t, p.admin, "users.set", api.UserRequest{User: "alice", Active: &no}, nil)
	p.worthless(t, keeping, "of an account that is not active")
	if _, err := p.SignIn(t.Context(), "alice", "battery staple", here); !errors.Is(err, api.ErrUnknownToken) {
		t.Errorf("sign in to an account that is not active: got error %v", err)
	}
}

// TestKindsOfTokens shows that a session is good in a cookie alone, and a token nowhere in one.
func TestKindsOfTokens(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "alice", Password: word("correct horse")}, nil)
	var token api.Token
	call(t, p.admin, "tokens.issue", api.TokenRequest{User: "alice"}, &token)
	s := p.signIn(t, "alice", "correct horse")
	p.worthless(t, api.Session{Value: token.Value}, "that is a token")
	p.worthless(t, api.Session{Value: p.key.Administrator()}, "that is the administrator's credential")
	p.worthless(t, api.Session{Value: ""}, "without a value")
	p.worthless(t, api.Session{Value: access.Digest(s.Value)}, "that is the digest in the log")
	if who, err := p.Authenticate(s.Value, here); !errors.Is(err, api.ErrUnknownToken) {
		t.Errorf("a session in place of a token: got %+v, error %v", who, err)
	}
	var me api.Me
	if err := asToken(t, p.broker, s.Value).Call(t.Context(), "whoami", struct{}{}, &me); !api.HasCode(err, api.Denied) {
		t.Errorf("a session on the bus: got %+v, error %v; want denied", me, err)
	}
}

// TestManySessions shows that a user's oldest session goes when there are too many.
func TestManySessions(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "alice"}, nil)
	var all []api.Session
	for range 31 {
		s, err := p.Enter(t.Context(), api.Vouched{User: "alice", Means: "password"}, here)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	p.worthless(t, all[0], "30 sessions ago")
	for i, s := range all[1:] {
		if _, err := p.Session(s.Value, here); err != nil {
			t.Errorf("session %d of the last 30: %v", i+1, err)
		}
	}
}

// TestTries shows that passwords cannot be tried without end, that the account is not shut for its user
// elsewhere, and that time heals.
func TestTries(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "alice", Password: word("correct horse")}, nil)
	for range 10 {
		if _, err := p.SignIn(t.Context(), "alice", "wrong", here); !errors.Is(err, api.ErrUnknownToken) {
			t.Fatalf("a wrong password: got error %v", err)
		}
	}
	for _, password := range []string{"wrong", "correct horse"} {
		if _, err := p.SignIn(t.Context(), "alice", password, here); !api.HasCode(err, api.Busy) {
			t.Errorf("password %q after ten wrong ones: got error %v, want busy", password, err)
		}
	}
	if _, err := p.SignIn(t.Context(), "alice", "correct horse", elsewhere); err != nil {
		t.Errorf("alice elsewhere: %v", err)
	}
	for i := range 40 {
		_, _ = p.SignIn(t.Context(), events.UserName(fmt.Sprintf("nobody%d", i)), "wrong", here)
	}
	if _, err := p.SignIn(t.Context(), "bob", "wrong", here); !api.HasCode(err, api.Busy) {
		t.Errorf("a name after 50 wrong passwords of other names: got error %v, want busy", err)
	}
	p.turn(11 * time.Minute)
	p.signIn(t, "alice", "correct horse")
}

// TestDjangoPassword signs in with a hash that came from a LAVA server: it is replaced by one of this lab's kind.
func TestDjangoPassword(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	sum, err := pbkdf2.Key(sha256.New, "correct horse", []byte("saltsaltsalt"), 26_000, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	hash := "pbkdf2_sha256$26000$saltsaltsalt$" + base64.StdEncoding.EncodeToString(sum)
	p.broker.Append(t, events.UserAdded{User: "alice", By: "local"},
		events.PasswordSet{User: "alice", Sealed: p.key.Seal(hash, access.Place("alice", "password", "")), By: "local"})
	if _, err := p.SignIn(t.Context(), "alice", "correct hors", here); !errors.Is(err, api.ErrUnknownToken) {
		t.Errorf("a wrong password: got error %v", err)
	}
	p.signIn(t, "alice", "correct horse")
	var last events.PasswordSet
	facts, err := p.broker.Log.Load(t.Context(), events.Entity{Kind: events.User, ID: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facts {
		if e, ok := f.Event.(events.PasswordSet); ok {
			last = e
		}
	}
	opened, err := p.key.Open(last.Sealed, access.Place("alice", "password", ""))
	if err != nil || len(opened) < 20 || opened[:10] != "$argon2id$" {
		t.Errorf("the hash after a sign-in: got %.20q, error %v; want argon2id's", opened, err)
	}
	p.signIn(t, "alice", "correct horse")
}
