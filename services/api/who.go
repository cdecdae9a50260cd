package api

import (
	"slices"
	"strings"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
)

// caller is who asked.
// It is made once for a request, by [api.onBus] or by a door through [Caller], and copied: nothing changes it on the way.
type caller struct {
	user events.UserName // "" is somebody without a name
	// Flows hear their acknowledgements below it, so only the caller can acknowledge.
	token  string          // the caller as a token of a subject
	trace  string          // W3C traceparent of the request; facts carry it on
	from   string          // by which door and from where, as facts tell it
	scopes []events.Scope  // of the token that the caller came with; none: not limited
	bearer events.TokenID  // the token or session that the caller came with; "": by other means
	acting bool            // somebody else acts as the user
	behind events.UserName // who that is
}

// can says whether the caller may do something: the user has the right, and the token is for it.
// Questions about rights go through it, or through allow and mayJob, never to the state alone: a scoped token of a
// superuser would else do everything.
func (c caller) can(s *lab.State, verb lab.Verb, object events.Entity) bool {
	return lab.Covers(c.scopes, verb, object.Kind) && s.Can(c.user, verb, object)
}

// sight says which jobs the caller may see, of all jobs at once.
// It is what tables filter by. Rows are made for one sight, so answers are kept for one caller only.
func (c caller) sight(s *lab.State) lab.Sight {
	if !lab.Covers(c.scopes, lab.View, events.Job) {
		return lab.Sight{None: true}
	}
	return s.Sight(c.user)
}

// superuser says that the caller may do everything.
func (c caller) superuser(s *lab.State) bool {
	return lab.Covers(c.scopes, lab.Administer, "") && s.Superuser(c.user)
}

// onBus returns who asks on the bus by a name there: a user's, or that of a token, of which the broker has made
// sure. A token that was revoked this moment is nobody's.
// The broker authenticated the connection hours ago, perhaps; a token's worth is looked at with each request.
func (a *api) onBus(name, token, trace string) (who caller, err error) {
	who = caller{user: events.UserName(name), token: token, trace: trace, from: "bus"}
	// Else it is a user's name, on which the broker lets only that user's unlimited tokens publish.
	id, ok := access.CallerToken(name)
	if !ok {
		return who, nil
	}
	var login lab.Login
	a.read(func(s *lab.State) { login, ok = s.Bearer(id, a.now()) })
	if !ok {
		return who, refuse(Denied, "this token is not worth anything any more")
	}
	a.used(login, who.from)
	return who.as(login), nil
}

// as returns the caller as the one who has come with a token.
// From then on says by which token, and who is behind: facts and the jobs of that request carry it.
func (c caller) as(l lab.Login) caller {
	c.user, c.scopes, c.bearer = l.User, l.Scopes, l.Token
	if l.Token != "" {
		c.from += " token " + string(l.Token)
	}
	if l.ActingFor != "" {
		c.acting, c.behind = true, l.ActingFor
		c.from += ", " + string(l.ActingFor) + " acts as " + string(l.User)
	}
	return c
}

// open says that somebody without a name may ask a verb at all. What it shows of an open lab, rights decide.
// A verb that is not in the list is closed, so a new one is closed until somebody thinks about it.
func open(verb string) bool {
	return slices.Contains([]string{"status", "whoami", "workers.enroll", "rights",
		"jobs.list", "jobs.show", "jobs.results", "jobs.log", "jobs.why", "jobs.find", "jobs.row", "jobs.texts", "jobs.cases", "results.export",
		"devices.list", "devices.show", "devices.render", "tags.list", "device-types.list", "device-types.show", "device-types.availability", "workers.list", "workers.show", "queue.list"}, verb)
}

// admit refuses callers who may not ask a verb whatever it is about.
// The account's rights on things are each verb's own to check. All verbs and flows pass here, by whatever door.
func (a *api) admit(who caller, verb string) error {
	if who.user == "" {
		declared := false
		a.read(func(s *lab.State) { declared = s.Open() })
		// Enrolment brings a word that is a credential by itself.
		if !open(verb) || !declared && verb != "status" && verb != "whoami" && verb != "workers.enroll" {
			return refuse(Denied, "%s: sign in first; give a token with --token or STRATA_TOKEN", verb)
		}
		return nil
	}
	inactive := false
	a.read(func(s *lab.State) {
		u := s.User(who.user)
		// No account is fine: the lab's own administrator needs none.
		inactive = u != nil && u.Inactive
	})
	if inactive {
		return refuse(Denied, "the account %s is not active", who.user)
	}
	return nil
}

// scopesText lists scopes for people.
func scopesText(scopes []events.Scope) string {
	if len(scopes) == 0 {
		return "everything that its user may"
	}
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
