package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
)

// This file ends connections of workers and people whose token was revoked. A broker asks who somebody is only
// when he connects, and forbids nothing to those that it has let in; so what is open has to be cut. Each
// connection carries the name of its bearer, with the number of the token, which tells revoked ones.

// Names and limits of the broker's monitoring over its system account.
const (
	connections = "$SYS.REQ.SERVER.PING.CONNZ" // every server answers
	kick        = "$SYS.REQ.SERVER.%s.KICK"
	// A server's own limit of one answer.
	connectionPage = 1024
	// settleWithin is how long the answers of a cluster's servers are waited for after the first.
	settleWithin = 300 * time.Millisecond
	cutWithin    = 10 * time.Second
	cutAgain     = 5 * time.Second // after an attempt that failed
)

// workerBearer begins the name of a worker's connection.
const workerBearer = "worker "

// bearer is the name under which the broker lists a principal's connections.
func bearer(p access.Principal) string {
	if p.Role == access.Worker {
		return fmt.Sprintf("%s%s, token %d", workerBearer, p.Worker, p.Serial)
	}
	return p.String()
}

// personBearer begins the name of a person's connection.
const personBearer = "person "

// revokes says that a fact may have left somebody connected who has no business here any more.
// A false yes costs a look at all connections; a fact that is missing here leaves them until their
// rights end.
func revokes(e events.Event) bool {
	switch e.(type) {
	case events.WorkerRemoved, events.WorkerTokenRotated, events.TokenRevoked, events.UserRemoved, events.UserConfigured:
		return true
	}
	return false
}

// cutRevoked ends the connections of workers and people whose token is none any more. It looks at those that are
// there now, so asking once too often ends nothing that may stay.
// Services' own connections bear other names and are never touched, and those of jobs live until
// their rights end.
func (r *responder) cutRevoked() error {
	ctx, cancel := context.WithTimeout(context.Background(), cutWithin)
	defer cancel()
	welcome := map[string]bool{}
	r.mu.RLock()
	for w := range r.lab.Workers() {
		welcome[bearer(access.Principal{Role: access.Worker, Worker: w.Name, Serial: w.TokenSeq})] = true
	}
	for u := range r.lab.Users() {
		for _, t := range u.Tokens {
			if l, ok := r.lab.Bearer(t.Token, r.Now()); ok {
				welcome[bearer(person(l))] = true
			}
		}
	}
	welcome[bearer(access.Principal{Role: access.Person, User: access.Local})] = r.lab.Superuser(access.Local)
	welcome[bearer(access.Principal{Role: access.Person})] = true
	r.mu.RUnlock()
	// All are listed before the first is ended: pages are counted from the beginning, and what has gone from an earlier
	// one would let others slip past the next.
	type open struct {
		server, bearer string
		id             uint64
	}
	var unwelcome []open
	for offset, full := 0, true; full; offset += connectionPage {
		var servers []serverConnections
		var err error
		if servers, full, err = r.connections(ctx, offset); err != nil {
			return fmt.Errorf("list connections: %w", err)
		}
		for _, s := range servers {
			for _, c := range s.Data.Connections {
				if (strings.HasPrefix(c.Bearer, workerBearer) || strings.HasPrefix(c.Bearer, personBearer)) && !welcome[c.Bearer] {
					unwelcome = append(unwelcome, open{s.Server.ID, c.Bearer, c.ID})
				}
			}
		}
	}
	for _, c := range unwelcome {
		ask, _ := json.Marshal(map[string]uint64{"cid": c.id}) // numbers always encode
		// The server does nothing for those who want no answer.
		if _, err := r.System.RequestWithContext(ctx, fmt.Sprintf(kick, c.server), ask); err != nil {
			return fmt.Errorf("end the connection of %s: %w", c.bearer, err)
		}
		r.Logger.Info("connection cut: its token was revoked", "bearer", c.bearer)
	}
	return nil
}

// serverConnections is a server's answer to [connections], as far as it is looked at.
type serverConnections struct {
	Server struct {
		ID string `json:"id"`
	} `json:"server"`
	Data struct {
		Total       int `json:"total"`
		Connections []struct {
			ID     uint64 `json:"cid"`
			Bearer string `json:"authorized_user"`
		} `json:"connections"`
	} `json:"data"`
}

// connections asks all servers for one page of their connections; full says that one of them has more.
// Nobody says how many servers a cluster has: what answers within settleWithin of the one before
// counts.
func (r *responder) connections(ctx context.Context, offset int) (all []serverConnections, full bool, err error) {
	inbox := r.System.NewInbox()
	sub, err := r.System.SubscribeSync(inbox)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only where the connection is gone
	ask, _ := json.Marshal(map[string]any{"auth": true, "offset": offset, "limit": connectionPage, "acc": access.Account})
	if err := r.System.PublishRequest(connections, inbox, ask); err != nil {
		return nil, false, err
	}
	for {
		wait := ctx
		if len(all) > 0 {
			settled, cancel := context.WithTimeout(ctx, settleWithin)
			defer cancel()
			wait = settled
		}
		m, err := sub.NextMsgWithContext(wait)
		if len(all) > 0 && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return all, full, nil
		}
		if err != nil {
			return nil, false, err
		}
		var s serverConnections
		if err := json.Unmarshal(m.Data, &s); err != nil {
			return nil, false, err
		}
		all, full = append(all, s), full || s.Data.Total > offset+connectionPage
	}
}

// cutWhenAsked cuts, once more than the last time it was asked for, until ctx ends.
// It runs on a goroutine of its own: to list thousands of connections takes longer than a fact may.
func (r *responder) cutWhenAsked(ctx context.Context) {
	for {
		select {
		case <-r.revoked:
		case <-ctx.Done():
			return
		}
		for {
			err := r.cutRevoked()
			if err == nil {
				break
			}
			// Their rights end with their JWT all the same.
			r.Logger.Warn("connections of revoked tokens are not cut yet", "error", err)
			select {
			case <-time.After(cutAgain):
			case <-ctx.Done():
				return
			}
		}
	}
}

// askForCut asks for a cut where a fact has called for one. It is called once the fold has caught up,
// for a lab that is read half knows too few of its workers; it never blocks.
func (r *responder) askForCut() {
	if !r.stale || r.System == nil {
		return
	}
	r.stale = false
	select {
	case r.revoked <- struct{}{}:
	default: // one is asked for, and has not begun
	}
}

// SystemOptions are those of the connection that [Deps.System] wants.
// The connection may be made before the broker lets the system account in: it goes on trying.
func SystemOptions(key access.Key) []nats.Option {
	return []nats.Option{nats.UserInfo(access.SystemUser, key.Password()), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.IgnoreAuthErrorAbort(), nats.ReconnectWait(cutAgain)}
}
