package api

import (
	"context"
	"errors"
	"slices"
	"strings"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
)

// prove finds out who somebody is by name and password: an account with a password of its own by that, others
// by the directory, where the lab has one.
// Whatever is wrong, name or password, the error is [ErrUnknownToken], and it comes as late.
func (a *api) prove(ctx context.Context, user events.UserName, password, from string) (Vouched, error) {
	// An account or a password may have been given a moment ago, through another process.
	a.catchUp(ctx)
	local, inactive := false, false
	a.read(func(s *lab.State) {
		u := s.User(user)
		local, inactive = u != nil && u.Password != "", u != nil && u.Inactive
	})
	// A name that no account may have is not sent to the directory, whose syntax it might be.
	if local || inactive || a.directory == nil || password == "" || len(password) > maxPassword || checkUser(user) != nil {
		right, err := a.tryPassword(ctx, user, password, from)
		if err == nil && !right {
			err = ErrUnknownToken
		}
		return Vouched{User: user, Means: "password"}, err
	}
	if err := a.tries.allow(user, from, a.now()); err != nil {
		return Vouched{}, err
	}
	v, err := a.directory(ctx, string(user), password)
	switch {
	// The try stays counted.
	case errors.Is(err, ErrUnknownToken):
		return Vouched{}, err
	case err != nil:
		a.logger.Error("the directory did not answer a sign-in", "err", err)
		return Vouched{}, refuse(Away, "the directory that knows this lab's users does not answer; try again later")
	}
	a.tries.forget(user, from)
	return v, nil
}

// vouchedFor returns what is to be recorded of an account before its user is let in.
// It decides for the state at hand, within record: who was shut out meanwhile does not come in.
func vouchedFor(s *lab.State, v Vouched) (facts []events.Event, err error) {
	u := s.User(v.User)
	if u != nil && u.Inactive {
		return nil, ErrUnknownToken
	}
	if v.Identity == "" {
		if u == nil {
			return nil, ErrUnknownToken
		}
		return nil, nil
	}
	if err := checkUser(v.User); err != nil {
		return nil, err
	}
	was := events.UserConfigured{User: v.User}
	switch {
	case v.User == lab.Local:
		return nil, refuse(Denied, "%s is the lab's own administrator: nobody else vouches for it", v.User)
	case u == nil && !v.Create:
		return nil, refuse(Denied, "%s has no account in this lab: an administrator has to add it", v.User)
	case u == nil:
		if err := unlikeOthers(s, v.User); err != nil {
			return nil, err
		}
		facts = append(facts, events.UserAdded{User: v.User, By: v.User})
	case u.Identity == v.Identity:
		was = u.UserConfigured
	// One with a password of its own is somebody's already, whoever has the same name in a
	// directory.
	case u.Identity == "" && u.Password == "" && v.Adopt:
		was = u.UserConfigured
	default:
		return nil, refuse(Conflict, "the account %s is another's: an administrator may say `strata users set %s --identity '%s'`", v.User, v.User, v.Identity)
	}
	now := v.over(was)
	if u == nil || !sameUser(now, was) {
		facts = append(facts, now)
	}
	return append(facts, v.regroup(s)...), nil
}

// maxVouched is the length of the longest text that is taken of a voucher.
const maxVouched = 254

// over returns an account with what its voucher says of it.
// Texts that the account cannot have are left out: a sign-in must not fail by them.
func (v Vouched) over(e events.UserConfigured) events.UserConfigured {
	for _, f := range []struct {
		to   *string
		from string
	}{{&e.Email, v.Email}, {&e.FirstName, v.FirstName}, {&e.LastName, v.LastName}} {
		if f.from != "" && len(f.from) <= maxVouched && (f.to != &e.Email || strings.Contains(f.from, "@")) {
			*f.to = f.from
		}
	}
	if v.Superuser != nil {
		e.Superuser = *v.Superuser
	}
	if v.Staff != nil {
		e.Staff = *v.Staff
	}
	e.Identity, e.By, e.Reason = v.Identity, v.User, "signed in by "+v.Means
	return e
}

// regroup returns how the user comes into the groups that the voucher names, and out of the others of those
// that are the voucher's.
// Groups that are not the voucher's stay as somebody here has set them.
func (v Vouched) regroup(s *lab.State) (facts []events.Event) {
	why := "signed in by " + v.Means
	for _, g := range v.Managed {
		group, wanted := s.UserGroup(g), slices.Contains(v.Groups, g)
		in := group != nil && slices.Contains(group.Users, v.User)
		switch {
		case wanted && group == nil:
			facts = append(facts, events.GroupAdded{Group: g, By: v.User}, events.GroupJoined{Group: g, User: v.User, By: v.User, Reason: why})
		case wanted && !in:
			facts = append(facts, events.GroupJoined{Group: g, User: v.User, By: v.User, Reason: why})
		case !wanted && in:
			facts = append(facts, events.GroupLeft{Group: g, User: v.User, By: v.User, Reason: why})
		}
	}
	return facts
}

// TokenOf returns a token of the user who has that password: the first that is not limited, or a new one, as
// LAVA's token/ does. Its errors are those of [Inside.SignIn].
// It is REST v0.2's token/, by which lavacli and scripts get one for name and password.
func (i Inside) TokenOf(ctx context.Context, user events.UserName, password, from string) (string, error) {
	v, err := i.a.prove(ctx, user, password, from)
	if err != nil {
		return "", err
	}
	var token *lab.Token
	err = i.a.record(ctx, caller{user: v.User, from: from}, func(s *lab.State) ([]events.Event, error) {
		token = nil
		facts, err := vouchedFor(s, v)
		if u := s.User(v.User); u != nil {
			for _, t := range u.Tokens {
				// One that expires or is narrow would surprise a client that keeps it for ever.
				if token == nil && t.Kind == "" && len(t.Scopes) == 0 && t.ActingFor == "" && t.Sealed != "" && t.Expires.IsZero() {
					c := *t
					token = &c
				}
			}
		}
		return facts, err
	})
	if err != nil {
		return "", refused(err)
	}
	if token != nil {
		return i.a.key.Open(token.Sealed, access.Place(v.User, "token", string(token.Token)))
	}
	made, err := i.a.issueToken(ctx, caller{user: v.User, from: from}, TokenRequest{User: v.User, Description: "Created by REST API call"})
	return made.Value, err
}
