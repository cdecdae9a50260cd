package access_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
)

// TestRevoked connects workers, revokes their tokens in each way there is, and shows that the connection is
// cut at once, that the old token opens nothing any more, and that nobody else is touched.
func TestRevoked(t *testing.T) {
	tests := []struct {
		name    string
		facts   []events.Event
		welcome bool // with the token that it is given after that
	}{
		{"rotated", []events.Event{events.WorkerTokenRotated{Worker: "w1", By: "local"}}, true},
		{"removed", []events.Event{events.WorkerRemoved{Worker: "w1", By: "local"}}, false},
		{"removed and registered again", []events.Event{events.WorkerRemoved{Worker: "w1", By: "local"}, events.WorkerRegistered{Worker: "w1"}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := start(t)
			mine, _ := g.as(t, worker1)
			other, _ := g.as(t, worker2)
			job, _ := g.as(t, job42)
			g.Append(t, tt.facts...)
			last, err := g.Log.LastSeqs(t.Context(), []events.Entity{{Kind: events.Worker, ID: "w1"}})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, mine.IsClosed)
			_, err = nats.Connect(g.URL, nats.Token(g.key.Token(worker1)), patient)
			if !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("connect with the old token: %v, want it refused", err)
			}
			if tt.welcome {
				now := worker1
				now.Serial = last[events.Entity{Kind: events.Worker, ID: "w1"}]
				again, _ := g.as(t, now)
				if err := again.FlushTimeout(eventtest.Patience); err != nil {
					t.Errorf("connection with the new token: %v, want it to last", err)
				}
			}
			for who, nc := range map[string]*nats.Conn{worker2.String(): other, job42.String(): job} {
				if err := nc.FlushTimeout(eventtest.Patience); err != nil {
					t.Errorf("connection of %s: %v, want it to last", who, err)
				}
			}
		})
	}
}

// TestWorkerTokens: no two workers, and no two tokens of one, are the same.
func TestWorkerTokens(t *testing.T) {
	t.Parallel()
	g := start(t)
	seen := map[string]access.Principal{}
	for _, p := range []access.Principal{worker1, worker2, {Role: access.Worker, Worker: "w1", Serial: 9}, {Role: access.Worker, Worker: "w1"}} {
		token := g.key.Token(p)
		if was, double := seen[token]; double {
			t.Errorf("%+v and %+v have the same token", was, p)
		}
		seen[token] = p
		if got, err := g.key.Verify(token); err != nil || got != p {
			t.Errorf("token of %+v says %+v, %v", p, got, err)
		}
	}
}
