package api

import (
	"context"
	"fmt"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
)

// What sessions are like.
const (
	sessionLife = 14 * 24 * time.Hour // as LAVA's
	maxSessions = 30                  // of a user; the oldest goes
)

// Session is what a browser is given at a sign-in.
// Value is told this once; the log has its digest.
type Session struct {
	User    events.UserName
	Value   string // of the cookie: whoever has it is the user
	Expires time.Time
}

// Vouched is what somebody who knows a user says of it: the lab's own accounts, a directory, a provider of
// identities.
// A door for LDAP or OpenID Connect makes it; the lab's own passwords need no more of it than User
// and Means.
type Vouched struct {
	User      events.UserName
	Means     string // how the user proved who it is: "password", "ldap", "oidc ISSUER"
	Identity  string // by which the account is known there, such as "oidc ISSUER SUBJECT"; "" of the lab's own
	Email     string // what is "" stays as the account has it
	FirstName string
	LastName  string

	Groups    []events.GroupName // that the user is to be in, of those in Managed
	Managed   []events.GroupName // that are the voucher's to give and take
	Superuser *bool              // nil: not the voucher's to say
	Staff     *bool
	Create    bool // the account may be made, where there is none
	Adopt     bool // an account that nobody else vouches for, and that has no password, becomes the voucher's
}

// SignIn starts a session of the user who has that password, here or in the directory. Its error is
// [ErrUnknownToken] where either is wrong, after as long as where both are right; an [*Error] with the code
// Busy says that too many tries have failed.
func (i Inside) SignIn(ctx context.Context, user events.UserName, password, from string) (Session, error) {
	v, err := i.a.prove(ctx, user, password, from)
	if err != nil {
		return Session{}, err
	}
	return i.Enter(ctx, v, from)
}

// Enter starts a session of a user whom somebody vouches for, and brings the account up to what that one says
// of it. A caller must have made sure of every word.
// Account, groups and session are one append. [ErrUnknownToken] is an account that is shut out, or
// gone since; [Denied] and [Conflict] say in a sentence for the user why the account is not theirs.
func (i Inside) Enter(ctx context.Context, v Vouched, from string) (Session, error) {
	out := Session{User: v.User, Value: access.NewSecret(), Expires: i.a.now().Add(sessionLife).UTC().Truncate(time.Second)}
	started := events.SessionStarted{User: v.User, Token: access.TokenID(out.Value), SHA256: access.Digest(out.Value),
		Expires: out.Expires, Means: v.Means, From: from}
	err := i.a.record(ctx, caller{user: v.User, from: from}, func(s *lab.State) ([]events.Event, error) {
		facts, err := vouchedFor(s, v)
		if err != nil {
			return nil, err
		}
		return append(append(facts, started), crowded(s, v.User)...), nil
	})
	if err != nil {
		return Session{}, refused(err)
	}
	i.a.logger.Info("signed in", "user", v.User, "means", v.Means, "from", from)
	return out, nil
}

// crowded ends the oldest sessions of a user who has too many.
// Tokens are in the order in which they were issued.
func crowded(s *lab.State, user events.UserName) (facts []events.Event) {
	u := s.User(user)
	if u == nil {
		return nil
	}
	// One is about to be added.
	over := 1 - maxSessions
	for _, t := range u.Tokens {
		if t.Kind == lab.Session {
			over++
		}
	}
	for _, t := range u.Tokens {
		if t.Kind == lab.Session && over > 0 {
			over--
			facts = append(facts, events.TokenRevoked{User: user, Token: t.Token, By: user, Reason: fmt.Sprintf("more than %d sessions", maxSessions)})
		}
	}
	return facts
}

// SignOut ends the session of a cookie. One that is none is over already.
// The fact is in the session's own name; other sessions of the user go on.
func (i Inside) SignOut(ctx context.Context, value, from string) error {
	id := access.TokenID(value)
	login, known := i.a.login(func(s *lab.State) (lab.Login, bool) { return s.Session(access.Digest(value), i.a.now()) })
	if !known {
		return nil
	}
	who := caller{user: login.User, from: from}
	return i.a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if s.Token(id) == nil {
			return nil, nil
		}
		return []events.Event{events.TokenRevoked{User: login.User, Token: id, By: login.User, Reason: "signed out"}}, nil
	})
}

// Session returns whom a cookie stands for. Its error is [ErrUnknownToken].
// A session has no scopes: a browser does all that its user may.
func (i Inside) Session(value, from string) (Caller, error) {
	login, known := i.a.login(func(s *lab.State) (lab.Login, bool) { return s.Session(access.Digest(value), i.a.now()) })
	if !known {
		return Caller{}, ErrUnknownToken
	}
	i.a.used(login, from)
	return Caller{User: login.User, From: from, Token: login.Token, ActingFor: login.ActingFor, Session: true}, nil
}

// endSessions ends the sessions of a user but the one that the caller has come with: a password that others
// may know was changed for a reason.
func endSessions(u *lab.User, who caller) (facts []events.Event) {
	if u == nil {
		return nil
	}
	for _, t := range u.Tokens {
		if t.Kind == lab.Session && t.Token != who.bearer {
			facts = append(facts, events.TokenRevoked{User: u.User, Token: t.Token, By: who.user, Reason: "the password was changed"})
		}
	}
	return facts
}
