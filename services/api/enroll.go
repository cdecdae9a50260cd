package api

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
)

// A machine becomes a worker by a word that somebody with the right to add workers gives it: once, and only for
// a while. What it gets for the word is the worker's own credential.

// InviteRequest asks for such a word.
// A word is as good as the right to add workers, once: it is to be handed over like a password.
type InviteRequest struct {
	Worker events.WorkerName `json:"worker,omitempty"` // that it is for; "": whatever the machine is called, if there is none of the name
	Hours  int               `json:"hours,omitempty"`  // that it is good for; 0: 24
	Reason string            `json:"reason,omitempty"`
}

// maxInviteHours is the longest that a word is good.
const maxInviteHours = 30 * 24

// inviteWorker gives out a word. One for a worker that is here is for a machine that has lost its credential: the
// one before is worth nothing once the word is used.
// The word is told once, in Value: the log has its digest alone. It stands among its giver's tokens
// and is taken back as those are.
func (a *api) inviteWorker(ctx context.Context, who caller, in InviteRequest) (Token, error) {
	if in.Worker != "" {
		if err := checkName("worker", string(in.Worker), maxNameBytes); err != nil {
			return Token{}, err
		}
	}
	if in.Hours < 0 || in.Hours > maxInviteHours {
		return Token{}, &Error{Code: Invalid, Field: "hours", Message: fmt.Sprintf("hours is %d, allowed are 1 to %d", in.Hours, maxInviteHours)}
	}
	value := access.NewSecret()
	e := events.EnrolmentOffered{User: who.user, Token: access.TokenID(value), SHA256: access.Digest(value), Worker: in.Worker,
		Expires: a.now().Add(time.Duration(cmp.Or(in.Hours, 24)) * time.Hour).UTC(), By: who.user, Reason: in.Reason}
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if who.acting {
			return nil, refuse(Denied, "who acts as another invites no workers")
		}
		if err := mayEnroll(s, who, in.Worker); err != nil {
			return nil, err
		}
		switch u := s.User(who.user); {
		case u == nil && who.user == lab.Local:
			return []events.Event{events.UserAdded{User: who.user, By: who.user}, e}, nil
		case u == nil:
			return nil, noUser(who.user)
		}
		open, facts := 0, []events.Event{e}
		for _, t := range s.User(who.user).Tokens {
			switch {
			case t.Kind != lab.Enrolment:
			case !a.now().Before(t.Expires):
				// No list shows it any more, so nobody else would take it away.
				facts = append(facts, events.TokenRevoked{User: who.user, Token: t.Token, By: who.user, Reason: "expired"})
			default:
				open++
			}
		}
		if open >= maxTokens {
			return nil, refuse(Conflict, "%s has given out %d words that nobody has used: revoke some", who.user, maxTokens)
		}
		// Expired ones beyond a batch are taken away with the next word.
		return facts[:min(len(facts), mostFacts)], nil
	})
	if err != nil {
		return Token{}, err
	}
	return Token{User: who.user, Token: e.Token, Kind: lab.Enrolment, Expires: e.Expires, Worker: in.Worker, Value: value}, nil
}

// mayEnroll refuses who may not add a worker, or may not give one that is here another credential.
func mayEnroll(s *lab.State, who caller, name events.WorkerName) error {
	verb := lab.Add
	if s.Worker(name) != nil {
		verb = lab.Administer
	}
	return allow(s, who, verb, events.Worker, string(name))
}

// EnrollRequest is a machine's wish to be a worker.
type EnrollRequest struct {
	Word   string            `json:"word"`
	Worker events.WorkerName `json:"worker"`
}

// enrollWorker takes a word, which is worth nothing from then on, and answers with the worker's credential. It
// asks for no other name: the word is what the caller comes with.
// Registration and the word's end are one append: of two machines with one word one becomes a
// worker. The right is that of the word's giver now, not of then.
// `strata worker enroll` asks it, from a machine that has nothing but the word.
func (a *api) enrollWorker(ctx context.Context, asked caller, in EnrollRequest) (Worker, error) {
	if err := checkName("worker", string(in.Worker), maxNameBytes); err != nil {
		return Worker{}, err
	}
	id := access.TokenID(in.Word)
	// Facts are in the name of who has given the word, with the machine that has brought it.
	who := caller{from: asked.from + " enrolment " + string(id)}
	a.read(func(s *lab.State) {
		if login, ok := s.Enrolment(access.Digest(in.Word), a.now()); ok {
			who.user = login.User
		}
	})
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		login, ok := s.Enrolment(access.Digest(in.Word), a.now())
		if !ok {
			return nil, refuse(Denied, "this word makes no worker: it was used, has expired or was taken back, or is none; ask for another (`strata workers invite`)")
		}
		t, w := s.Token(id), s.Worker(in.Worker)
		switch {
		case t.Worker != "" && t.Worker != in.Worker:
			return nil, refuse(Denied, "this word is for the worker %s, not for %s: call it so (--name %s)", t.Worker, in.Worker, t.Worker)
		// A word for any machine must not take over one that is there.
		case t.Worker == "" && w != nil:
			return nil, refuse(Conflict, "there is a worker %s already: take another name (--name), or have somebody invite it by its name", in.Worker)
		}
		if err := mayEnroll(s, caller{user: login.User}, in.Worker); err != nil {
			return nil, err
		}
		used := events.TokenRevoked{User: login.User, Token: id, By: login.User, Reason: "used by " + string(in.Worker)}
		if w == nil {
			return []events.Event{events.WorkerRegistered{Worker: in.Worker, By: login.User}, used}, nil
		}
		// The machine that had the name before is cut off: it was lost, or it is this one.
		return []events.Event{events.WorkerTokenRotated{Worker: in.Worker, By: login.User, Reason: "enrolled anew"}, used}, nil
	})
	if err != nil {
		return Worker{}, err
	}
	var out Worker
	a.read(func(s *lab.State) {
		if w := s.Worker(in.Worker); w != nil {
			out = viewWorker(w)
			out.Token = a.key.Token(access.Principal{Role: access.Worker, Worker: in.Worker, Serial: w.TokenSeq})
		}
	})
	return out, nil
}
