package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
)

// TokenRequest is about a token of a user.
type TokenRequest struct {
	User        events.UserName `json:"user,omitempty"`  // whose; none: the caller's own
	Token       events.TokenID  `json:"token,omitempty"` // its name, as tokens.list shows it
	Description string          `json:"description,omitempty"`
	Scopes      []events.Scope  `json:"scopes,omitempty"`
	// Zero: it does not expire.
	Expires  time.Time `json:"expires,omitzero"`
	Value    string    `json:"value,omitempty"`    // that it is to have; none: a new one
	Sessions bool      `json:"sessions,omitempty"` // of tokens.list: browsers' sessions and enrolments too
	Reason   string    `json:"reason,omitempty"`
}

// Token is a token as it is shown. Its value is told once, when it is issued.
type Token struct {
	User        events.UserName   `json:"user"`
	Token       events.TokenID    `json:"token"`
	Description string            `json:"description,omitempty"`
	Scopes      []events.Scope    `json:"scopes,omitempty"`
	Issued      time.Time         `json:"issued"`
	Expires     time.Time         `json:"expires,omitzero"`
	LastUsed    time.Time         `json:"last_used,omitzero"` // to the hour
	From        string            `json:"from,omitempty"`     // where that was
	ActingFor   events.UserName   `json:"acting_for,omitempty"`
	Kind        lab.TokenKind     `json:"kind,omitempty"`   // "session" and "enrolment"; none: for programs
	Means       string            `json:"means,omitempty"`  // of a session: how the user signed in
	Worker      events.WorkerName `json:"worker,omitempty"` // of an enrolment: for which; "": for any
	// Of issue and act alone.
	Value string `json:"value,omitempty"`
}

func viewToken(t *lab.Token) Token {
	return Token{User: t.User, Token: t.Token, Description: t.Description, Scopes: t.Scopes, Issued: t.IssuedAt, Expires: t.Expires,
		LastUsed: t.UsedAt, From: t.From, ActingFor: t.ActingFor, Kind: t.Kind, Means: t.Means, Worker: t.Worker}
}

// mayHaveTokens refuses callers who may not see to a user's tokens: the user and superusers may. Who acts as
// somebody may not, for a token outlives that.
func mayHaveTokens(s *lab.State, who caller, user events.UserName, change bool) error {
	if who.acting && change {
		return refuse(Denied, "who acts as another gives out no tokens")
	}
	verb := lab.View
	if change {
		verb = lab.Change
	}
	if user == who.user {
		return allow(s, who, verb, events.User, string(user))
	}
	return oversees(s, who, true)
}

// listTokens answers with the tokens of a user, without their values.
// Tokens of programs, the oldest first; others are shown as long as they are worth something.
func (a *api) listTokens(_ context.Context, who caller, in TokenRequest) (out []Token, err error) {
	out = []Token{}
	in.User = cmp.Or(in.User, who.user)
	a.read(func(s *lab.State) {
		if err = mayHaveTokens(s, who, in.User, false); err != nil {
			return
		}
		if u := s.User(in.User); u != nil {
			for _, t := range u.Tokens {
				if t.Kind == "" || in.Sessions && (t.Expires.IsZero() || a.now().Before(t.Expires)) {
					out = append(out, viewToken(t))
				}
			}
		} else if in.User != lab.Local {
			err = noUser(in.User)
		}
	})
	return out, err
}

// What a token may be like.
const (
	maxDescription = 1000
	minSecret      = 20 // characters of a value that is given
	maxSecret      = 1024
	maxTokens      = 200 // of a user
	maxRemote      = 100 // remote tokens of a user
	maxActing      = 20  // with which one superuser acts as others at the same time
)

// issueToken makes a token and tells its value, this once.
// A token of a token is never for more than that one. Users have at most maxTokens, [Conflict]
// beyond.
func (a *api) issueToken(ctx context.Context, who caller, in TokenRequest) (Token, error) {
	in.User = cmp.Or(in.User, who.user)
	if err := a.checkToken(in); err != nil {
		return Token{}, err
	}
	value := cmp.Or(in.Value, access.NewSecret())
	// Sealed before record, which may ask more than once.
	e := a.token(in, value, who)
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := mayHaveTokens(s, who, in.User, true); err != nil {
			return nil, err
		}
		for _, scope := range append(in.Scopes, widest(in.Scopes)...) {
			if !wide(who.scopes, scope) {
				return nil, refuse(Denied, "a token that may be used for %s cannot give out one for more", scopesText(who.scopes))
			}
		}
		return issue(s, e, who)
	})
	if err != nil {
		return Token{}, err
	}
	out := Token{}
	a.read(func(s *lab.State) {
		if t := s.Token(e.Token); t != nil {
			out = viewToken(t)
		}
	})
	out.Value = value
	return out, nil
}

// widest is what a token without scopes may be used for.
func widest(scopes []events.Scope) []events.Scope {
	if len(scopes) == 0 {
		return []events.Scope{events.ScopeAdminister}
	}
	return nil
}

// wide says that scopes include one.
func wide(held []events.Scope, scope events.Scope) bool {
	verbs := map[events.Scope]lab.Verb{events.ScopeView: lab.View, events.ScopeSubmit: lab.Submit, events.ScopeChange: lab.Change, events.ScopeAdminister: lab.Administer}
	return lab.Covers(held, verbs[scope], "")
}

// token returns the fact of a token with that value.
// The value is sealed beside its digest, because LAVA shows users their tokens and jobs' callbacks
// name them; see [access.Key.Seal].
func (a *api) token(in TokenRequest, value string, who caller) events.TokenIssued {
	id := access.TokenID(value)
	return events.TokenIssued{User: in.User, Token: id, SHA256: access.Digest(value), Description: in.Description, Scopes: in.Scopes,
		Expires: in.Expires.UTC(), Sealed: a.key.Seal(value, access.Place(in.User, "token", string(id))), By: who.user, Reason: in.Reason}
}

// issue decides over a new token.
func issue(s *lab.State, e events.TokenIssued, who caller) ([]events.Event, error) {
	u, facts := s.User(e.User), []events.Event(nil)
	switch {
	case u == nil && e.User == lab.Local:
		facts = append(facts, events.UserAdded{User: e.User, By: who.user})
	case u == nil:
		return nil, noUser(e.User)
	// Acting has a bound of its own, which is the superuser's: the user must not run out of tokens
	// by it.
	case e.ActingFor == "" && programs(u) >= maxTokens:
		return nil, refuse(Conflict, "%s has %d tokens, more are not allowed: revoke one", e.User, maxTokens)
	}
	// Names of tokens follow from their values.
	if s.Token(e.Token) != nil {
		return nil, refuse(Conflict, "there is a token of that value already")
	}
	return append(facts, e), nil
}

// actings counts the tokens with which somebody acts as others now.
func actings(s *lab.State, user events.UserName, now time.Time) (n int) {
	for u := range s.Users() {
		for _, t := range u.Tokens {
			if t.ActingFor == user && now.Before(t.Expires) {
				n++
			}
		}
	}
	return n
}

// programs counts the tokens that a user has given to programs. With which others act as the user is not its doing.
func programs(u *lab.User) (n int) {
	for _, t := range u.Tokens {
		if t.Kind == "" && t.ActingFor == "" {
			n++
		}
	}
	return n
}

// checkToken refuses what no token may be like.
// A value may be given so that a lab that moves keeps its tokens; a short one could be guessed.
func (a *api) checkToken(in TokenRequest) error {
	if len(in.Description) > maxDescription {
		return &Error{Code: Invalid, Field: "description", Message: fmt.Sprintf("description has %d bytes, allowed are %d", len(in.Description), maxDescription)}
	}
	for _, s := range in.Scopes {
		if !slices.Contains([]events.Scope{events.ScopeView, events.ScopeSubmit, events.ScopeChange, events.ScopeAdminister}, s) {
			return &Error{Code: Invalid, Field: "scopes", Message: fmt.Sprintf("scope %q: allowed are view, submit, change, administer, each of which includes those before it", s)}
		}
	}
	if !in.Expires.IsZero() && !in.Expires.After(a.now()) {
		return &Error{Code: Invalid, Field: "expires", Message: "expires is over already"}
	}
	if n := len(in.Value); n > 0 && (n < minSecret || n > maxSecret || strings.ContainsFunc(in.Value, func(r rune) bool { return r <= ' ' || r >= 0x7f })) {
		return &Error{Code: Invalid, Field: "value", Message: fmt.Sprintf("value of a token: want %d to %d printable ASCII characters without blanks", minSecret, maxSecret)}
	}
	return nil
}

// ofToken records what decide says of a token that the caller may see to.
func (a *api) ofToken(ctx context.Context, who caller, in TokenRequest, decide func(*lab.Token) []events.Event) error {
	return a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		t := s.Token(in.Token)
		if t == nil || in.User != "" && t.User != in.User {
			return nil, refuse(NotFound, "there is no token %s: `strata tokens` lists them", in.Token)
		}
		// Who acts as another may end that: their own acting, whichever token they act with.
		if err := mayHaveTokens(s, who, t.User, true); err != nil && !(who.acting && t.ActingFor == who.behind) {
			return nil, err
		}
		return decide(t), nil
	})
}

// describeToken changes what is said of a token, and nothing of what it is for.
// The page of one's tokens asks it.
func (a *api) describeToken(ctx context.Context, who caller, in TokenRequest) (none, error) {
	if err := a.checkToken(TokenRequest{Description: in.Description}); err != nil {
		return none{}, err
	}
	return none{}, a.ofToken(ctx, who, in, func(t *lab.Token) []events.Event {
		if t.Description == in.Description {
			return nil
		}
		return []events.Event{events.TokenDescribed{User: t.User, Token: t.Token, Description: in.Description, By: who.user}}
	})
}

// revokeToken ends a token, a session or a word for a worker.
// From the fact on it is worth nothing, at every door; streams that are open with it are cut.
func (a *api) revokeToken(ctx context.Context, who caller, in TokenRequest) (none, error) {
	return none{}, a.ofToken(ctx, who, in, func(t *lab.Token) []events.Event {
		return []events.Event{events.TokenRevoked{User: t.User, Token: t.Token, By: who.user, Reason: in.Reason}}
	})
}

// ActRequest is a superuser's wish to be another user for a while.
// Its token is for the user's own business: no tokens, no passwords, no secrets, no third person.
type ActRequest struct {
	User    events.UserName `json:"user"`
	Minutes int             `json:"minutes,omitempty"` // 0: 30; at most 480
	Reason  string          `json:"reason"`            // required: it is what an audit asks first
}

// actAs gives a superuser a token with which to be another user until it expires. Each fact of that time says
// who acted.
// `strata users act` asks it. [Denied] where the user is a superuser, or the caller acts already.
func (a *api) actAs(ctx context.Context, who caller, in ActRequest) (Token, error) {
	switch {
	case strings.TrimSpace(in.Reason) == "":
		return Token{}, &Error{Code: Invalid, Field: "reason", Message: "reason is missing: say why you act as " + string(in.User)}
	case in.Minutes < 0 || in.Minutes > 480:
		return Token{}, &Error{Code: Invalid, Field: "minutes", Message: fmt.Sprintf("minutes is %d, allowed are 1 to 480", in.Minutes)}
	}
	value := access.NewSecret()
	e := a.token(TokenRequest{User: in.User, Description: "acting", Reason: in.Reason,
		Expires: a.now().Add(time.Duration(cmp.Or(in.Minutes, 30)) * time.Minute)}, value, who)
	// Nobody needs its value again: it is not to be told from the log by whoever has the key.
	e.ActingFor, e.Sealed = who.user, ""
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := oversees(s, who, true); err != nil {
			return nil, err
		}
		switch {
		case who.acting:
			return nil, refuse(Denied, "who acts as another cannot act as a third")
		// Or one superuser's acts would stand in another's name.
		case s.Superuser(in.User):
			return nil, refuse(Denied, "%s is a superuser: nobody acts as one", in.User)
		}
		if n := actings(s, who.user, a.now()); n >= maxActing {
			return nil, refuse(Conflict, "%s acts as others with %d tokens already, more are not allowed: revoke one, or wait for its end", who.user, n)
		}
		return issue(s, e, who)
	})
	if err != nil {
		return Token{}, err
	}
	out := Token{User: e.User, Token: e.Token, Description: e.Description, Expires: e.Expires, ActingFor: e.ActingFor, Value: value}
	return out, nil
}

// RemoteToken is a secret that jobs of its user name instead of writing it: LAVA's remote artifact token.
type RemoteToken struct {
	Name  string `json:"name"`
	Value string `json:"token,omitempty"`
}

// checkRemote bounds such a secret as LAVA does.
func checkRemote(in RemoteToken) error {
	if err := checkName("name", in.Name, 100); err != nil {
		return err
	}
	if in.Value == "" || len(in.Value) > 200 {
		return &Error{Code: Invalid, Field: "token", Message: "token is missing or has more than 200 bytes"}
	}
	return nil
}

// listRemote shows users their own secrets: what reads them has written them there, and LAVA shows them too.
// The error is of a key that does not open them: the lab was moved without it.
func (a *api) listRemote(_ context.Context, who caller, _ none) (out []RemoteToken, err error) {
	out = []RemoteToken{}
	if who.acting {
		return nil, refuse(Denied, "who acts as another does not see the user's secrets")
	}
	a.read(func(s *lab.State) {
		u := s.User(who.user)
		if err = allow(s, who, lab.Change, events.User, string(who.user)); err != nil || u == nil {
			return
		}
		// Opened under the lock: it is a short decryption each, and there are few.
		for _, r := range u.Remote {
			var value string
			if value, err = a.key.Open(r.Sealed, access.Place(who.user, "remote", r.Name)); err != nil {
				return
			}
			out = append(out, RemoteToken{r.Name, value})
		}
	})
	return out, err
}

// setRemote keeps a secret of the caller's, sealed.
// A name that is there gets the new value; jobs that wait already will use it. Users have at most maxRemote, [Conflict]
// beyond.
func (a *api) setRemote(ctx context.Context, who caller, in RemoteToken) (none, error) {
	if err := checkRemote(in); err != nil {
		return none{}, err
	}
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := mayHaveTokens(s, who, who.user, true); err != nil {
			return nil, err
		}
		if u := s.User(who.user); u != nil && len(u.Remote) >= maxRemote && s.RemoteNamed(who.user, in.Name) == "" {
			return nil, refuse(Conflict, "%s has %d remote tokens, more are not allowed: remove one", who.user, maxRemote)
		}
		e := events.RemoteTokenSet{User: who.user, Name: in.Name, Sealed: a.key.Seal(in.Value, access.Place(who.user, "remote", in.Name)), By: who.user}
		if s.User(who.user) == nil {
			return []events.Event{events.UserAdded{User: who.user, By: who.user}, e}, nil
		}
		return []events.Event{e}, nil
	})
}

// removeRemote forgets a secret of the caller's; a callback that still names it sends the name
// itself.
func (a *api) removeRemote(ctx context.Context, who caller, in RemoteToken) (none, error) {
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := mayHaveTokens(s, who, who.user, true); err != nil {
			return nil, err
		}
		if s.RemoteNamed(who.user, in.Name) == "" {
			return nil, refuse(NotFound, "there is no remote token %s", in.Name)
		}
		return []events.Event{events.RemoteTokenRemoved{User: who.user, Name: in.Name, By: who.user}}, nil
	})
}

// used records that a token came, once an hour. Nobody waits for it, and one that is lost
// in a race is told by the next.
// It costs a look at the state for each request, and a fact an hour for each token that is in use.
func (a *api) used(l lab.Login, from string) {
	stale := false
	now := a.now()
	a.read(func(s *lab.State) {
		t := s.Token(l.Token)
		stale = t != nil && t.Stale(now)
	})
	if !stale {
		return
	}
	select {
	case a.uses <- use{l, from}:
	default:
	}
}

// use is a token's use that is to be recorded.
type use struct {
	lab.Login
	from string
}

// recordUses writes uses down until ctx ends.
// It runs on one goroutine from Ready to the end. A process that ends loses what waits: at most 64
// uses.
func (a *api) recordUses(ctx context.Context) {
	for {
		select {
		case u := <-a.uses:
			within, cancel := context.WithTimeout(ctx, patience)
			err := a.record(within, caller{user: u.User, from: u.from}, func(s *lab.State) ([]events.Event, error) {
				t := s.Token(u.Token)
				if t == nil || !t.Stale(a.now()) {
					return nil, nil
				}
				return []events.Event{events.TokenUsed{User: u.User, Token: u.Token, From: u.from}}, nil
			})
			cancel()
			if err != nil && ctx.Err() == nil {
				a.logger.Warn("use of a token is not recorded", "token", u.Token, "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
