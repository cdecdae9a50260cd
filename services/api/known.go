package api

import (
	"strata/events/access"
	"strata/events/lab"
)

// Known names whom a token or the cookie of a session is counted for where callers have limits: each by itself, so
// that one script that runs wild does not stop the others of its user. It is false of what is worth nothing. Unlike
// [Inside.Authenticate] it records no use.
// The doors ask it before anything else of a request, so it costs a digest and a look at the state.
func (i Inside) Known(secret string) (string, bool) {
	if p, err := i.a.key.Verify(secret); err == nil {
		if p.Role != access.Person || p.User != lab.Local {
			return "", false
		}
		return string(p.User), true
	}
	var login lab.Login
	known := false
	i.a.read(func(s *lab.State) {
		// A door does not say which of the two it has found, so both are tried.
		if login, known = s.Authenticate(access.Digest(secret), i.a.now()); !known {
			login, known = s.Session(access.Digest(secret), i.a.now())
		}
	})
	if !known {
		return "", false
	}
	return "token " + string(login.Token), true
}
