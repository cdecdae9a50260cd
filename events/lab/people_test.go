package lab

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"strata/events"
)

// digestOf returns a digest that begins with a letter, and the name of its token.
func digestOf(letter string) (digest string, id events.TokenID) {
	digest = strings.Repeat(letter, 64)
	return digest, events.TokenID(digest[:tokenIDLength])
}

// TestKindsOfTokens shows that a digest opens what its kind is for and nothing else, until it expires or is revoked.
func TestKindsOfTokens(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	token, tokenID := digestOf("a")
	session, sessionID := digestOf("b")
	word, wordID := digestOf("c")
	s := New()
	fold(s, events.UserAdded{User: "alice", By: "local"}, events.TokenIssued{User: "alice", Token: tokenID, SHA256: token, Expires: now.Add(time.Hour)},
		events.SessionStarted{User: "alice", Token: sessionID, SHA256: session, Expires: now.Add(time.Hour), Means: "password"},
		events.EnrolmentOffered{User: "alice", Token: wordID, SHA256: word, Expires: now.Add(time.Hour), By: "alice"})
	opens := map[string]func(string, time.Time) (Login, bool){"token": s.Authenticate, "session": s.Session, "enrolment": s.Enrolment}
	digests := map[string]string{"token": token, "session": session, "enrolment": word}
	try := func(when time.Time, want func(kind, digest string) bool) {
		t.Helper()
		for kind, open := range opens {
			for whose, digest := range digests {
				if l, ok := open(digest, when); ok != want(kind, whose) || ok && l.User != "alice" {
					t.Errorf("%s taken for a %s at %s: %+v, %v", whose, kind, when.Sub(now), l, ok)
				}
				for _, wrong := range []string{digest[:63] + "0", digest[:16], digest[:16] + strings.Repeat("0", 48), strings.ToUpper(digest), ""} {
					if _, ok := open(wrong, when); ok {
						t.Errorf("%.20s… opens a %s", wrong, kind)
					}
				}
			}
		}
	}
	try(now, func(kind, digest string) bool { return kind == digest })
	try(now.Add(time.Hour), func(string, string) bool { return false })
	for id, want := range map[events.TokenID]bool{tokenID: true, sessionID: false, wordID: false, "": false} {
		if _, ok := s.Bearer(id, now); ok != want {
			t.Errorf("%q as the name of a token on the bus: %v, want %v", id, ok, want)
		}
	}
	fold(s, events.TokenRevoked{User: "alice", Token: sessionID, By: "alice"})
	try(now, func(kind, digest string) bool { return kind == digest && kind != "session" })
	fold(s, events.UserConfigured{User: "alice", Inactive: true, By: "local"})
	try(now, func(string, string) bool { return false })
}

// TestPeopleCheckpoint shows that a restart knows all of the people that the facts told of, and what was revoked.
func TestPeopleCheckpoint(t *testing.T) {
	t.Parallel()
	later := time.Date(2226, 1, 1, 0, 0, 0, 0, time.UTC)
	token, tokenID := digestOf("a")
	session, sessionID := digestOf("b")
	word, wordID := digestOf("c")
	gone, goneID := digestOf("d")
	s := New()
	fold(s, events.UserAdded{User: "alice", By: "local"}, events.UserAdded{User: "bob", By: "local"}, events.UserAdded{User: "carol", By: "local"},
		events.UserConfigured{User: "alice", Email: "a@example.com", Superuser: true, Permissions: []string{"lava_scheduler_app.add_device"}, Identity: "ldap"},
		events.PasswordSet{User: "alice", Sealed: "sealed", By: "alice"}, events.GroupAdded{Group: "kernel"}, events.GroupJoined{Group: "kernel", User: "alice"},
		events.GroupConfigured{Group: "kernel", Permissions: []string{"lava_scheduler_app.change_device"}},
		events.TokenIssued{User: "alice", Token: tokenID, SHA256: token, ActingFor: "bob", Scopes: []events.Scope{events.ScopeView}}, events.TokenUsed{User: "alice", Token: tokenID, From: "bus"},
		events.TokenIssued{User: "alice", Token: goneID, SHA256: gone}, events.TokenRevoked{User: "alice", Token: goneID},
		events.SessionStarted{User: "bob", Token: sessionID, SHA256: session, Expires: later, Means: "oidc x", From: "http 192.0.2.7"},
		events.EnrolmentOffered{User: "bob", Token: wordID, SHA256: word, Worker: "w1", Expires: later, By: "bob"},
		events.RemoteTokenSet{User: "bob", Name: "store", Sealed: "sealed", By: "bob"}, events.UserRemoved{User: "carol", By: "local"}, events.LabOpened{Open: true},
		events.WorkerRegistered{Worker: "w1"}, events.WorkerTokenRotated{Worker: "w1"}, events.WorkerTokenTaken{Worker: "w1", SHA256: word})
	first, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(Format, first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := again.Encode()
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("written, read and written again (error %v):\n%s\nwas\n%s", err, second, first)
	}
	now := later.AddDate(0, 0, -1)
	if l, ok := again.Session(session, now); !ok || l.User != "bob" || again.Token(sessionID).From != "http 192.0.2.7" || again.Token(sessionID).Means != "oidc x" {
		t.Errorf("bob's session: %+v, %v, %+v", l, ok, again.Token(sessionID))
	}
	if l, ok := again.Enrolment(word, now); !ok || l.User != "bob" || again.Token(wordID).Worker != "w1" {
		t.Errorf("bob's enrolment: %+v, %v", l, ok)
	}
	u, w := again.User("alice"), again.Worker("w1")
	if u == nil || u.Password != "sealed" || len(u.Revoked) != 1 || u.Revoked[0] != goneID || u.Identity != "ldap" || !again.InGroup("alice", "kernel") || again.RemoteNamed("bob", "store") != "sealed" {
		t.Errorf("alice: got %+v", u)
	}
	if !w.Brings(word) || w.Brings(token) || !w.Rotated || !again.Open() || again.User("carol") != nil || again.Seq(events.Entity{Kind: events.User, ID: "carol"}) == 0 {
		t.Errorf("worker, openness, or who was removed: got %+v, open %v", w, again.Open())
	}
	fold(again, events.WorkerTokenRotated{Worker: "w1"})
	if again.Worker("w1").Brings(word) {
		t.Error("a token that was brought is good after a rotation")
	}
}

// TestActingTokensGo shows that tokens to act as a user leave nothing behind once they are over and somebody acts again.
func TestActingTokensGo(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := New()
	s.Evolve(1, at, events.UserAdded{User: "alice"})
	s.Evolve(2, at, events.TokenIssued{User: "alice", Token: "own", SHA256: "0", Expires: at.Add(time.Minute)})
	s.Evolve(3, at, events.TokenIssued{User: "alice", Token: "first", SHA256: "1", ActingFor: "local", Expires: at.Add(time.Minute)})
	s.Evolve(4, at.Add(30*time.Second), events.TokenIssued{User: "alice", Token: "second", SHA256: "2", ActingFor: "local", Expires: at.Add(time.Hour)})
	if s.Token("first") == nil {
		t.Error("an acting token is gone before its end")
	}
	s.Evolve(5, at.Add(time.Minute), events.TokenIssued{User: "alice", Token: "third", SHA256: "3", ActingFor: "local", Expires: at.Add(time.Hour)})
	if s.Token("first") != nil || s.Token("second") == nil || s.Token("own") == nil {
		t.Errorf("first, second and own token are there: %t, %t, %t; want the first gone, for its time was over, and her own told as expired",
			s.Token("first") != nil, s.Token("second") != nil, s.Token("own") != nil)
	}
}
