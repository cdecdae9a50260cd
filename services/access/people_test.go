package access_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
)

// people puts accounts with tokens into the lab, and returns the values of the tokens by their descriptions.
func (g guarded) people(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	issue := func(user events.UserName, name string, more func(*events.TokenIssued)) {
		value := access.NewSecret()
		e := events.TokenIssued{User: user, Token: access.TokenID(value), SHA256: access.Digest(value), Description: name, By: "local"}
		if more != nil {
			more(&e)
		}
		g.Append(t, e)
		values[name] = value
	}
	for _, u := range []events.UserName{"alice", "bob"} {
		g.Append(t, events.UserAdded{User: u, By: "local"})
	}
	issue("alice", "all", nil)
	issue("alice", "view", func(e *events.TokenIssued) { e.Scopes = []events.Scope{events.ScopeView} })
	issue("alice", "submit", func(e *events.TokenIssued) { e.Scopes = []events.Scope{events.ScopeSubmit} })
	issue("alice", "acting", func(e *events.TokenIssued) { e.ActingFor = "local" })
	issue("alice", "over", func(e *events.TokenIssued) { e.Expires = time.Now().Add(-time.Hour) })
	issue("bob", "bob", nil)
	return values
}

// come connects with a token, once the service has read of it.
func (g guarded) come(t *testing.T, token string) (nc *nats.Conn, refused <-chan string) {
	t.Helper()
	heard := make(chan string, 100)
	_, inbox := access.Bearer(token)
	options := []nats.Option{patient, nats.CustomInboxPrefix(inbox), nats.MaxReconnects(0),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { heard <- err.Error() })}
	if token != "" {
		options = append(options, nats.Token(token))
	}
	eventually(t, func() bool {
		var err error
		nc, err = nats.Connect(g.URL, options...)
		if err != nil && !errors.Is(err, nats.ErrAuthorization) {
			t.Fatal(err)
		}
		return err == nil
	})
	t.Cleanup(nc.Close)
	return nc, heard
}

// TestPeopleOnTheBus goes through what each kind of token opens, and what it does not.
func TestPeopleOnTheBus(t *testing.T) {
	t.Parallel()
	g := start(t)
	tokens := g.people(t)
	echo, err := g.Log.Conn().Subscribe("api.>", func(m *nats.Msg) { _ = m.Respond([]byte(m.Subject)) })
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Unsubscribe() //nolint:errcheck // the connection ends with the test
	if err := g.Log.Conn().FlushTimeout(eventtest.Patience); err != nil {
		t.Fatal(err)
	}
	own := func(name string) string { caller, _ := access.Bearer(tokens[name]); return "api." + caller + ".status" }
	tests := []struct {
		token   string
		may     []string
		mayNot  []string
		listens []string // besides its own inbox: never to these
	}{
		{"all", []string{own("all"), "api.alice.status", "submit.alice"}, []string{own("view"), "api.bob.status", "api.=.status", "submit.bob", "submit.api", "submit.lava-health", "job.1", "output.42"}, []string{"api.alice.>", "output.>", "job.>", "_INBOX.>", "_INBOX_person.bob.>"}},
		{"view", []string{own("view")}, []string{"api.alice.status", "submit.alice", own("all")}, []string{"_INBOX_person.alice.>", "_INBOX_token.>"}},
		{"submit", []string{own("submit"), "submit.alice"}, []string{"api.alice.status", "submit.bob"}, []string{"_INBOX_person.alice.>"}},
		{"acting", []string{own("acting")}, []string{"api.alice.status", "api.local.status", "submit.alice"}, []string{"_INBOX_person.alice.>"}},
		{"nobody", []string{"api.=.status"}, []string{"api.alice.status", "api.local.status", "submit.=", "submit.local", "$JS.API.STREAM.LIST"}, []string{"_INBOX.>", "_INBOX_person.>", ">"}},
	}
	for _, tt := range tests {
		t.Run(tt.token, func(t *testing.T) {
			nc, refused := g.come(t, tokens[tt.token])
			for _, s := range tt.may {
				if _, err := nc.Request(s, []byte("job_name: x"), eventtest.Patience); err != nil {
					t.Errorf("%s with the token %s: %v, want an answer", s, tt.token, err)
				}
			}
			for _, s := range tt.mayNot {
				if err := nc.Publish(s, nil); err != nil {
					t.Fatal(err)
				}
				wantRefusal(t, refused, s)
			}
			for _, s := range tt.listens {
				if _, err := nc.SubscribeSync(s); err != nil {
					t.Fatal(err)
				}
				wantRefusal(t, refused, s)
			}
		})
	}
	for _, token := range []string{tokens["over"], access.NewSecret(), g.key.Token(access.Principal{Role: access.Person, User: "alice"})} {
		if nc, err := nats.Connect(g.URL, nats.Token(token), patient); !errors.Is(err, nats.ErrAuthorization) {
			if err == nil {
				nc.Close()
			}
			t.Errorf("a token that is over, or none of the log: %v, want it refused", err)
		}
	}
}

// TestPeopleAreCut revokes tokens and accounts in each way there is.
func TestPeopleAreCut(t *testing.T) {
	t.Parallel()
	g := start(t)
	tokens := g.people(t)
	id := func(name string) events.TokenID { return access.TokenID(tokens[name]) }
	all, _ := g.come(t, tokens["all"])
	view, _ := g.come(t, tokens["view"])
	bob, _ := g.come(t, tokens["bob"])
	administrator, _ := g.come(t, g.key.Administrator())
	nobody, _ := g.come(t, "")
	g.Append(t, events.TokenRevoked{User: "alice", Token: id("view"), By: "local"})
	eventually(t, view.IsClosed)
	g.Append(t, events.UserConfigured{User: "alice", Inactive: true, By: "local"})
	eventually(t, all.IsClosed)
	for name, nc := range map[string]*nats.Conn{"bob": bob, "the administrator": administrator, "nobody": nobody} {
		if err := nc.FlushTimeout(eventtest.Patience); err != nil {
			t.Errorf("connection of %s: %v, want it to last", name, err)
		}
	}
	g.Append(t, events.UserRemoved{User: "bob", By: "local"})
	eventually(t, bob.IsClosed)
	// Another superuser may shut the administrator of the key out.
	g.Append(t, events.UserAdded{User: "local", By: "root"}, events.UserConfigured{User: "local", Inactive: true, By: "root"})
	eventually(t, administrator.IsClosed)
	if _, err := nats.Connect(g.URL, nats.Token(g.key.Administrator()), patient); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("the administrator's credential after that: %v, want it refused", err)
	}
}
