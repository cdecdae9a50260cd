package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// TestDirectory signs people in by a directory beside the lab's own accounts: who has a password here is asked for
// that alone, and the directory gives nobody what is another's.
func TestDirectory(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 100)
	p := startPeople(t, func(_ context.Context, user, password string) (api.Vouched, error) {
		asked <- user
		switch {
		case user == "away":
			return api.Vouched{}, errors.New("connection refused by ldap.example.com")
		case password != "of the directory":
			return api.Vouched{}, api.ErrUnknownToken
		}
		return api.Vouched{User: "alice", Means: "ldap", Identity: "ldap", Email: "alice@example.com", Create: true, Adopt: true}, nil
	})
	s := p.signIn(t, "Alice", "of the directory") // spelled otherwise there
	if who, err := p.Session(s.Value, here); err != nil || who.User != "alice" || s.User != "alice" {
		t.Errorf("first sign-in: got %+v, error %v; want alice, as the directory spells it", who, err)
	}
	if token, err := p.TokenOf(t.Context(), "alice", "of the directory", here); err != nil || len(token) != 128 {
		t.Errorf("a token for the directory's password: error %v", err)
	}
	if _, err := p.SignIn(t.Context(), "alice", "wrong", here); !errors.Is(err, api.ErrUnknownToken) {
		t.Errorf("a wrong password: got error %v", err)
	}
	if _, err := p.SignIn(t.Context(), "away", "x", here); !api.HasCode(err, api.Away) || strings.Contains(err.Error(), "ldap.example.com") {
		t.Errorf("a directory that is away: got error %v; want that it is away, and no more", err)
	}
	call(t, p.admin, "users.add", api.UserRequest{User: "bob", Password: word("correct horse")}, nil)
	for len(asked) > 0 {
		<-asked
	}
	for _, password := range []string{"correct horse", "of the directory"} {
		_, err := p.SignIn(t.Context(), "bob", password, here)
		if want := password != "correct horse"; errors.Is(err, api.ErrUnknownToken) != want {
			t.Errorf("bob, who has a password here, with %q: got error %v", password, err)
		}
	}
	for _, name := range []string{"lava-health", "@0123456789abcdef", "a b"} {
		if _, err := p.SignIn(t.Context(), events.UserName(name), "of the directory", here); !errors.Is(err, api.ErrUnknownToken) {
			t.Errorf("%q: got error %v", name, err)
		}
	}
	if n := len(asked); n > 0 {
		t.Errorf("the directory was asked %d times for names that are none of its", n)
	}
	no := false
	call(t, p.admin, "users.set", api.UserRequest{User: "alice", Active: &no}, nil)
	if _, err := p.SignIn(t.Context(), "alice", "of the directory", elsewhere); !errors.Is(err, api.ErrUnknownToken) {
		t.Errorf("alice, who was shut out: got error %v", err)
	}
	// Vouching is of an account that is the voucher's.
	for name, v := range map[string]api.Vouched{
		"another's password":    {User: "bob", Means: "ldap", Identity: "ldap", Create: true, Adopt: true},
		"the administrator":     {User: "local", Means: "ldap", Identity: "ldap", Create: true, Adopt: true},
		"another voucher's":     {User: "carol", Means: "oidc x", Identity: "oidc x 1", Create: true, Adopt: true},
		"one that is not there": {User: "nobody", Means: "ldap", Identity: "ldap", Adopt: true},
	} {
		if name == "another voucher's" {
			call(t, p.admin, "users.add", api.UserRequest{User: "carol", Identity: word("ldap")}, nil)
		}
		if s, err := p.Enter(t.Context(), v, here); err == nil {
			t.Errorf("%s: got a session of %s", name, s.User)
		}
	}
}

// TestPasswordEndsWithTheVoucher makes an account with a password a provider's: the password and its sessions end, its user
// gives it none again, and a superuser may.
func TestPasswordEndsWithTheVoucher(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	const identity = "oidc https://id.example.com 1"
	call(t, p.admin, "users.add", api.UserRequest{User: "bob", Password: word("correct horse")}, nil)
	before := p.signIn(t, "bob", "correct horse")
	call(t, p.admin, "users.set", api.UserRequest{User: "bob", Identity: word(identity)}, nil)
	p.worthless(t, before, "by a password, of an account that became a provider's")
	closed := func(password string) {
		t.Helper()
		if _, err := p.SignIn(t.Context(), "bob", password, here); !errors.Is(err, api.ErrUnknownToken) {
			t.Errorf("sign in by %q: got error %v, want ErrUnknownToken", password, err)
		}
	}
	closed("correct horse")
	s, err := p.Enter(t.Context(), api.Vouched{User: "bob", Means: "oidc", Identity: identity}, here)
	if err != nil {
		t.Fatalf("sign in by the provider: %v", err)
	}
	bob, err := p.Session(s.Value, here)
	if err != nil {
		t.Fatal(err)
	}
	mine := api.UserRequest{User: "bob", Password: word("battery staple")}
	if err := p.Call(t.Context(), bob, "users.set", mine, nil); !api.HasCode(err, api.Denied) || err.Error() != "bob signs in by oidc: a superuser may give the account a password of the lab beside that" {
		t.Errorf("bob gives himself a password: got error %v", err)
	}
	closed("battery staple")

	// What a superuser has set anew holds, also when the account is set to what it is.
	call(t, p.admin, "users.set", api.UserRequest{User: "bob", Password: word("while it is away")}, nil)
	call(t, p.admin, "users.set", api.UserRequest{User: "bob", Identity: word(identity), Email: word("bob@example.com")}, nil)
	bob, err = p.Session(p.signIn(t, "bob", "while it is away").Value, here)
	if err != nil {
		t.Fatal(err)
	}
	mine.Current = "while it is away"
	if err := p.Call(t.Context(), bob, "users.set", mine, nil); err != nil {
		t.Errorf("bob changes the password that a superuser has given him: %v", err)
	}
	p.signIn(t, "bob", "battery staple")
}
