package api

import (
	"strata/events"
	"strata/events/access"
	"strata/events/lab"
)

// Known names whom a token or the cookie of a session is counted for where callers have limits: for how often they ask
// each secret by itself, so that one script that runs wild does not stop the others of its user; for their turns the
// user, so that nobody gets more of them by having more secrets. It is false of what is worth nothing. Unlike
// [Inside.Authenticate] it records no use.
// The doors ask it before anything else of a request, so it costs a digest and a look at the state.
func (i Inside) Known(secret string) (token string, user events.UserName, ok bool) {
	if p, err := i.a.key.Verify(secret); err == nil {
		if p.Role != access.Person || p.User != lab.Local {
			return "", "", false
		}
		return string(p.User), p.User, true
	}
	var login lab.Login
	i.a.read(func(s *lab.State) {
		// A door does not say which of the two it has found, so both are tried.
		if login, ok = s.Authenticate(access.Digest(secret), i.a.now()); !ok {
			login, ok = s.Session(access.Digest(secret), i.a.now())
		}
	})
	if !ok {
		return "", "", false
	}
	return "token " + string(login.Token), login.User, true
}
