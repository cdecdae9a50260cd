package lab

import (
	"cmp"
	"crypto/subtle"
	"iter"
	"slices"
	"time"

	"strata/events"
)

// User is an account.
type User struct {
	events.UserConfigured           // as it was configured last
	Seq                   uint64    `json:"seq"` // of the last fact about it
	AddedAt               time.Time `json:"added_at"`
	Password              string    `json:"password,omitempty"` // what it is checked by, sealed; "": none is taken
	Tokens                []*Token  `json:"tokens,omitempty"`   // in the order in which they were issued
	Remote                []Remote  `json:"remote,omitempty"`   // in order of their names
	// Revoked are the tokens for programs that were taken back, the last of them: no import brings them again.
	Revoked []events.TokenID `json:"revoked,omitempty"`
}

// TokenKind says what a token opens.
type TokenKind string

// The kinds of tokens beside those that people give to programs.
const (
	Session   TokenKind = "session"   // a browser's, in a cookie
	Enrolment TokenKind = "enrolment" // makes a machine a worker, once
)

// Token is a token of a user.
type Token struct {
	events.TokenIssued
	Kind     TokenKind         `json:"kind,omitempty"`   // "" is one for programs
	Means    string            `json:"means,omitempty"`  // of a session: how the user proved who it is
	Worker   events.WorkerName `json:"worker,omitempty"` // of an enrolment: for which; "": for any
	IssuedAt time.Time         `json:"issued_at"`
	// UsedAt and From are those of the last use that was recorded: see [Token.Stale].
	UsedAt time.Time `json:"used_at,omitzero"`
	From   string    `json:"from,omitempty"`
}

// Remote is a secret that jobs of the user name.
type Remote struct {
	Name   string `json:"name"`
	Sealed string `json:"sealed"`
}

// Group is a group of users.
type Group struct {
	Name        events.GroupName  `json:"name"`
	Seq         uint64            `json:"seq"`
	Permissions []string          `json:"permissions,omitempty"`
	Users       []events.UserName `json:"users,omitempty"` // in order
}

// people are the accounts of a lab, with what makes questions about them quick.
type people struct {
	users  map[events.UserName]*User
	groups map[events.GroupName]*Group
	tokens map[events.TokenID]*Token
	in     map[membership]struct{} // who belongs to which group
	shares map[membership]struct{} // who belongs to which group of the policy
	strong []*Group                // that have permissions on everything, in order of their names
	open   bool                    // people without a name may look
}

type membership struct {
	user  events.UserName
	group events.GroupName
}

func newPeople() people {
	return people{users: map[events.UserName]*User{}, groups: map[events.GroupName]*Group{}, tokens: map[events.TokenID]*Token{},
		in: map[membership]struct{}{}, shares: map[membership]struct{}{}}
}

// User returns an account, nil where there is none of that name.
func (s *State) User(name events.UserName) *User { return s.people.users[name] }

// Users goes through the accounts in order of their names.
func (s *State) Users() iter.Seq[*User] { return sorted(s.people.users) }

// UserGroup returns a group of users, nil where there is none of that name. [State.Group] is about jobs.
func (s *State) UserGroup(name events.GroupName) *Group { return s.people.groups[name] }

// UserGroups goes through the groups of users in order of their names.
func (s *State) UserGroups() iter.Seq[*Group] { return sorted(s.people.groups) }

// InGroup says that a user belongs to a group: it was put there, or the scheduling policy has it so.
func (s *State) InGroup(user events.UserName, group events.GroupName) bool {
	if group == "" {
		return false
	}
	m := membership{user, group}
	if _, in := s.people.in[m]; in {
		return true
	}
	_, in := s.people.shares[m]
	return in
}

// GroupsOf returns the groups that a user belongs to, in order. It goes through all groups.
func (s *State) GroupsOf(user events.UserName) []events.GroupName {
	var out []events.GroupName
	for name := range s.people.groups {
		if s.InGroup(user, name) {
			out = append(out, name)
		}
	}
	for m := range s.people.shares {
		if m.user == user {
			out = append(out, m.group)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Open says that people without a name may look at what no permission restricts.
func (s *State) Open() bool { return s.people.open }

// Token returns a token by its name, nil where there is none.
func (s *State) Token(id events.TokenID) *Token { return s.people.tokens[id] }

// Login is who has come with a token.
type Login struct {
	User      events.UserName
	Token     events.TokenID  // "" where the user came by other means
	Scopes    []events.Scope  // none: not limited
	ActingFor events.UserName // who acts as the user; "": the user does
	Expires   time.Time       // zero: never
}

// Authenticate returns who comes with the token of that digest (see access.Digest), false where there is
// none of it, or it has expired, or its user may not come in. Who acts as another must still be an
// administrator.
func (s *State) Authenticate(digest string, now time.Time) (Login, bool) {
	return s.comes("", digest, now)
}

// Session returns who comes with the cookie of that digest. No door takes another kind of token for it, nor a
// session for another.
func (s *State) Session(digest string, now time.Time) (Login, bool) {
	return s.comes(Session, digest, now)
}

// Enrolment returns who offered the enrolment of that digest.
func (s *State) Enrolment(digest string, now time.Time) (Login, bool) {
	return s.comes(Enrolment, digest, now)
}

func (s *State) comes(kind TokenKind, digest string, now time.Time) (Login, bool) {
	if len(digest) < tokenIDLength {
		return Login{}, false
	}
	t := s.people.tokens[events.TokenID(digest[:tokenIDLength])]
	if t == nil || t.Kind != kind || subtle.ConstantTimeCompare([]byte(t.SHA256), []byte(digest)) != 1 {
		return Login{}, false
	}
	return s.login(t, now)
}

// Bearer returns who comes with the token of that name, which somebody has made sure of.
func (s *State) Bearer(id events.TokenID, now time.Time) (Login, bool) {
	t := s.people.tokens[id]
	if t == nil || t.Kind != "" {
		return Login{}, false
	}
	return s.login(t, now)
}

func (s *State) login(t *Token, now time.Time) (Login, bool) {
	u := s.people.users[t.User]
	switch {
	case u == nil, u.Inactive, !t.Expires.IsZero() && !now.Before(t.Expires):
		return Login{}, false
	case t.ActingFor != "" && !s.Superuser(t.ActingFor):
		return Login{}, false
	}
	return Login{User: t.User, Token: t.Token, Scopes: t.Scopes, ActingFor: t.ActingFor, Expires: t.Expires}, true
}

// tokenIDLength is how much of its digest is a token's name.
const tokenIDLength = 16

// usedEvery is how often the use of a token is recorded.
const usedEvery = time.Hour

// Stale says that a use of a token is to be recorded.
func (t *Token) Stale(now time.Time) bool { return now.Sub(t.UsedAt) >= usedEvery }

// TokenNamed returns the token of a user by its description, as callbacks of jobs name it; nil where the
// user has none. Of several the one issued last counts.
func (s *State) TokenNamed(user events.UserName, description string) *Token {
	u := s.people.users[user]
	if u == nil || description == "" {
		return nil
	}
	for _, t := range slices.Backward(u.Tokens) {
		if t.Description == description && t.ActingFor == "" && t.Kind == "" {
			return t
		}
	}
	return nil
}

// RemoteNamed returns a secret of a user by its name, sealed; "" where the user has none.
func (s *State) RemoteNamed(user events.UserName, name string) string {
	if u := s.people.users[user]; u != nil {
		for _, r := range u.Remote {
			if r.Name == name {
				return r.Sealed
			}
		}
	}
	return ""
}

// evolveUser folds a fact about an account.
func (s *State) evolveUser(name events.UserName, seq uint64, at time.Time, e events.Event) {
	u := s.people.users[name]
	if added, ok := e.(events.UserAdded); ok && u == nil {
		u = &User{UserConfigured: events.UserConfigured{User: name, By: added.By}, AddedAt: at}
		s.people.users[name] = u
		delete(s.gone, e.About())
	}
	if u == nil {
		s.gone[e.About()] = seq
		return
	}
	u.Seq = seq
	switch e := e.(type) {
	case events.UserConfigured:
		u.UserConfigured = e
	case events.PasswordSet:
		u.Password = e.Sealed
	case events.UserRemoved:
		for _, t := range u.Tokens {
			delete(s.people.tokens, t.Token)
		}
		for m := range s.people.in {
			if m.user == name {
				s.leaveGroup(m)
			}
		}
		delete(s.people.users, name)
		s.gone[e.About()] = seq
	case events.RemoteTokenSet:
		u.Remote = slices.DeleteFunc(u.Remote, func(r Remote) bool { return r.Name == e.Name })
		u.Remote = append(u.Remote, Remote{e.Name, e.Sealed})
		slices.SortFunc(u.Remote, func(a, b Remote) int { return cmp.Compare(a.Name, b.Name) })
	case events.RemoteTokenRemoved:
		u.Remote = slices.DeleteFunc(u.Remote, func(r Remote) bool { return r.Name == e.Name })
		if len(u.Remote) == 0 {
			u.Remote = nil // as a checkpoint brings it back
		}
	default:
		s.evolveToken(u, at, e)
	}
}

// evolveToken folds a fact about a token of a user.
func (s *State) evolveToken(u *User, at time.Time, e events.Event) {
	switch e := e.(type) {
	case events.TokenIssued:
		if e.ActingFor != "" {
			s.dropExpired(u, at)
		}
		s.addToken(u, &Token{TokenIssued: e, IssuedAt: at})
	case events.SessionStarted:
		s.dropExpired(u, at)
		s.addToken(u, &Token{Kind: Session, Means: e.Means, IssuedAt: at, UsedAt: at, From: e.From,
			TokenIssued: events.TokenIssued{User: e.User, Token: e.Token, SHA256: e.SHA256, Expires: e.Expires, By: e.User}})
	case events.EnrolmentOffered:
		s.dropExpired(u, at)
		s.addToken(u, &Token{Kind: Enrolment, Worker: e.Worker, IssuedAt: at,
			TokenIssued: events.TokenIssued{User: e.User, Token: e.Token, SHA256: e.SHA256, Expires: e.Expires, By: e.By, Reason: e.Reason}})
	case events.TokenDescribed:
		if t := u.token(e.Token); t != nil {
			t.Description = e.Description
		}
	case events.TokenUsed:
		if t := u.token(e.Token); t != nil {
			t.UsedAt, t.From = at, e.From
		}
	case events.TokenRevoked:
		if t := u.token(e.Token); t != nil && t.Kind == "" {
			u.Revoked = append(u.Revoked, e.Token)
			u.Revoked = u.Revoked[max(0, len(u.Revoked)-maxRevoked):]
		}
		s.dropTokens(u, func(t *Token) bool { return t.Token == e.Token })
	}
}

// maxRevoked is how many revoked tokens of a user are remembered.
const maxRevoked = 1000

func (s *State) addToken(u *User, t *Token) {
	if s.people.tokens[t.Token] == nil {
		u.Tokens, s.people.tokens[t.Token] = append(u.Tokens, t), t
	}
}

// dropExpired forgets sessions and enrolments of a user that are over: there is one more with each sign-in, and
// nobody takes them back. Expired tokens stay, for people to see why a program is not let in.
func (s *State) dropExpired(u *User, at time.Time) {
	s.dropTokens(u, func(t *Token) bool { return (t.Kind != "" || t.ActingFor != "") && !at.Before(t.Expires) })
}

func (s *State) dropTokens(u *User, over func(*Token) bool) {
	u.Tokens = slices.DeleteFunc(u.Tokens, func(t *Token) bool {
		if over(t) {
			delete(s.people.tokens, t.Token)
			return true
		}
		return false
	})
	if len(u.Tokens) == 0 {
		u.Tokens = nil // as a checkpoint brings it back
	}
}

// token returns one of the user's.
func (u *User) token(id events.TokenID) *Token {
	for _, t := range u.Tokens {
		if t.Token == id {
			return t
		}
	}
	return nil
}

// evolveGroup folds a fact about a group of users.
func (s *State) evolveGroup(name events.GroupName, seq uint64, e events.Event) {
	g := s.people.groups[name]
	if _, ok := e.(events.GroupAdded); ok && g == nil {
		g = &Group{Name: name}
		s.people.groups[name] = g
		delete(s.gone, e.About())
	}
	if g == nil {
		s.gone[e.About()] = seq
		return
	}
	g.Seq = seq
	switch e := e.(type) {
	case events.GroupConfigured:
		g.Permissions = e.Permissions
		s.indexGroups()
	case events.GroupJoined:
		if at, found := slices.BinarySearch(g.Users, e.User); !found {
			g.Users = slices.Insert(g.Users, at, e.User)
			s.people.in[membership{e.User, name}] = struct{}{}
		}
	case events.GroupLeft:
		s.leaveGroup(membership{e.User, name})
	case events.GroupRemoved:
		for _, u := range g.Users {
			delete(s.people.in, membership{u, name})
		}
		delete(s.people.groups, name)
		s.gone[e.About()] = seq
		s.indexGroups()
	}
}

func (s *State) leaveGroup(m membership) {
	delete(s.people.in, m)
	if g := s.people.groups[m.group]; g != nil {
		g.Users = slices.DeleteFunc(g.Users, func(u events.UserName) bool { return u == m.user })
		if len(g.Users) == 0 {
			g.Users = nil
		}
	}
}

// indexGroups finds the few groups that have permissions on everything.
func (s *State) indexGroups() {
	s.people.strong = nil
	for g := range s.UserGroups() {
		if len(g.Permissions) > 0 {
			s.people.strong = append(s.people.strong, g)
		}
	}
}

// indexShares notes who belongs to which group of the policy.
func (s *State) indexShares() {
	clear(s.people.shares)
	for _, g := range s.rules.policy.Groups {
		for _, u := range g.Users {
			s.people.shares[membership{u, g.Group}] = struct{}{}
		}
	}
}

// peopleSnap is the people in a checkpoint.
type peopleSnap struct {
	Users  []*User  `json:"users,omitempty"`
	Groups []*Group `json:"groups,omitempty"`
	Open   bool     `json:"open,omitempty"`
}

func (s *State) snapPeople() *peopleSnap {
	out := peopleSnap{Users: slices.Collect(s.Users()), Groups: slices.Collect(s.UserGroups()), Open: s.people.open}
	if len(out.Users) == 0 && len(out.Groups) == 0 && !out.Open {
		return nil
	}
	return &out
}

// restorePeople comes after the policy was restored.
func (s *State) restorePeople(in *peopleSnap) {
	s.indexShares()
	if in != nil {
		s.fillPeople(in)
	}
}

// fillPeople puts accounts and groups where there are none yet.
func (s *State) fillPeople(in *peopleSnap) {
	s.people.open = in.Open
	for _, u := range in.Users {
		s.people.users[u.User] = u
		for _, t := range u.Tokens {
			s.people.tokens[t.Token] = t
		}
	}
	for _, g := range in.Groups {
		s.people.groups[g.Name] = g
		for _, u := range g.Users {
			s.people.in[membership{u, g.Name}] = struct{}{}
		}
	}
	s.indexGroups()
}
