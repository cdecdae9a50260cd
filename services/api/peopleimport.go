package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
)

// PeopleImportRequest brings the accounts of another lab, with what proves who they are. It may be repeated: what
// is new there comes; what was changed here stays, and is told, unless Force.
// `strata import lava-users` makes it of what a LAVA server's database tells. Superusers alone may send
// it.
type PeopleImportRequest struct {
	Groups  []ImportedGroup  `json:"groups,omitempty"`
	Users   []ImportedUser   `json:"users,omitempty"`
	Workers []ImportedWorker `json:"workers,omitempty"`
	Force   bool             `json:"force,omitempty"`
	DryRun  bool             `json:"dry_run,omitempty"`
	Reason  string           `json:"reason,omitempty"` // kept with what is recorded, and the mark of what an import wrote last
}

// ImportedGroup is a group of users.
type ImportedGroup struct {
	Group       events.GroupName `json:"group"`
	Permissions []string         `json:"permissions,omitempty"` // on everything
}

// ImportedUser is an account.
type ImportedUser struct {
	User        events.UserName    `json:"user"`
	Email       string             `json:"email,omitempty"`
	FirstName   string             `json:"first_name,omitempty"`
	LastName    string             `json:"last_name,omitempty"`
	Inactive    bool               `json:"inactive,omitempty"`
	Staff       bool               `json:"staff,omitempty"`
	Superuser   bool               `json:"superuser,omitempty"`
	IRCHandle   string             `json:"irc_handle,omitempty"`
	IRCServer   string             `json:"irc_server,omitempty"`
	TableLength int                `json:"table_length,omitempty"`
	Permissions []string           `json:"permissions,omitempty"`
	Password    string             `json:"password,omitempty"` // its hash, as Django has it; one that nobody can sign in by is none
	Groups      []events.GroupName `json:"groups,omitempty"`
	Tokens      []ImportedToken    `json:"tokens,omitempty"`
	Secrets     []RemoteToken      `json:"secrets,omitempty"`
}

// ImportedToken is a token with its value.
type ImportedToken struct {
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
}

// ImportedWorker is the token that a worker of LAVA has. A worker that is not here is registered.
type ImportedWorker struct {
	Worker events.WorkerName `json:"worker"`
	Token  string            `json:"token"`
}

// minImported is the length of the shortest token that is taken: a shorter one could be guessed.
const minImported = 16

// importPeople takes groups, then users, then workers. Each is taken whole or refused.
// What is wrong with one of them stands in Refused. An error is of the log or of rights; to import
// again goes on from there.
func (a *api) importPeople(ctx context.Context, who caller, in PeopleImportRequest) (LabImport, error) {
	// It is the mark by which the next import knows what nobody has touched here: see user.
	if strings.TrimSpace(in.Reason) == "" {
		in.Reason = "import"
	}
	m := &peopleImport{in: in, who: who, out: LabImport{Changes: []SettingChange{}}}
	var denied error
	a.read(func(s *lab.State) { denied = oversees(s, who, true) })
	if denied != nil {
		return LabImport{}, denied
	}
	for _, g := range in.Groups {
		if err := m.take(ctx, a, events.Group, string(g.Group), func(s *lab.State, t *peopleTake) error { return t.group(s, g) }); err != nil {
			return m.out, err
		}
	}
	for _, u := range in.Users {
		// Once, and not within decide: sealing makes another text each time.
		hash := a.sealImported(u)
		if err := m.take(ctx, a, events.User, string(u.User), func(s *lab.State, t *peopleTake) error { return t.user(s, a, u, hash) }); err != nil {
			return m.out, err
		}
	}
	for _, w := range in.Workers {
		if err := m.take(ctx, a, events.Worker, string(w.Worker), func(s *lab.State, t *peopleTake) error { return t.worker(s, w) }); err != nil {
			return m.out, err
		}
	}
	return m.out, nil
}

// sealImported seals the hash of a password that can be checked here, "" where there is none.
func (a *api) sealImported(u ImportedUser) string {
	hash := importedHash(u.Password)
	if hash == "" {
		return ""
	}
	return a.sealHash(u.User, hash)
}

// importedHash returns a hash of Django's as it is checked here, "" for one that is not.
func importedHash(hash string) string {
	switch {
	case strings.HasPrefix(hash, djangoName+"$") && strings.Count(hash, "$") == 3:
		return hash
	case strings.HasPrefix(hash, "argon2$argon2id$"):
		// Django puts its own name before the text that argon2's tools write.
		return strings.TrimPrefix(hash, "argon2")
	}
	return ""
}

// peopleImport is an import under way.
type peopleImport struct {
	in  PeopleImportRequest
	who caller
	out LabImport
}

// peopleTake is what is decided of one group, user or worker.
// facts may be more than one append takes; out tells of all of them.
type peopleTake struct {
	in    *PeopleImportRequest
	by    events.UserName
	kind  events.Kind
	name  string
	facts []events.Event
	out   LabImport
}

// take decides over one thing and records it, in as many appends as it needs.
// Somebody with a hundred tokens needs several appends; decide then sees the first ones as there.
func (m *peopleImport) take(ctx context.Context, a *api, kind events.Kind, name string, decide func(*lab.State, *peopleTake) error) error {
	var first *LabImport // what is told is what was to do at the start
	for {
		var t *peopleTake
		step := func(s *lab.State) ([]events.Event, error) {
			// Anew each time: decide may be asked again with another state.
			t = &peopleTake{in: &m.in, by: m.who.user, kind: kind, name: name}
			if err := decide(s, t); err != nil {
				return nil, err
			}
			return t.facts[:min(len(t.facts), mostFacts)], nil
		}
		var err error
		if m.in.DryRun {
			a.read(func(s *lab.State) { _, err = step(s) })
		} else {
			err = a.record(ctx, m.who, step)
		}
		var refused *Error
		if errors.As(err, &refused) && refused.Code != Away {
			m.out.Refused = append(m.out.Refused, InvalidObject{kind, name, refused.Message})
			return nil
		}
		if err != nil {
			return err
		}
		if first == nil {
			first = &t.out
		}
		if m.in.DryRun || len(t.facts) <= mostFacts {
			break
		}
	}
	m.out.Changes, m.out.Kept = append(m.out.Changes, first.Changes...), append(m.out.Kept, first.Kept...)
	return nil
}

// change notes a setting that is taken, with the facts that do it.
func (t *peopleTake) change(setting, here, there string, facts ...events.Event) {
	t.facts = append(t.facts, facts...)
	t.out.Changes = append(t.out.Changes, SettingChange{Kind: t.kind, Name: t.name, Setting: setting, Here: here, There: there})
}

// keep notes a setting that stays as it is here, and why.
func (t *peopleTake) keep(setting, here, there, why string) {
	t.out.Kept = append(t.out.Kept, SettingChange{Kind: t.kind, Name: t.name, Setting: setting, Here: here, There: there, Why: why})
}

// gone says that a thing was here and was removed, which an import respects.
func (t *peopleTake) gone(s *lab.State) bool {
	if t.in.Force || s.Seq(events.Entity{Kind: t.kind, ID: t.name}) == 0 {
		return false
	}
	t.keep("", "", "", "was removed here")
	return true
}

// group decides over a group; who is in it comes with the users.
func (t *peopleTake) group(s *lab.State, in ImportedGroup) error {
	if err := checkName("group", t.name, maxGroupBytes); err != nil {
		return err
	}
	list, err := checkPermissions(in.Permissions)
	if err != nil {
		return err
	}
	set := events.GroupConfigured{Group: in.Group, Permissions: list, By: t.by, Reason: t.in.Reason}
	g := s.UserGroup(in.Group)
	switch {
	case g == nil && t.gone(s):
	case g == nil:
		t.change("", "", "", events.GroupAdded{Group: in.Group, By: t.by})
		if len(list) > 0 {
			t.facts = append(t.facts, set)
		}
	case slices.Equal(g.Permissions, list):
	case t.in.Force:
		t.change("permissions", strings.Join(g.Permissions, ", "), strings.Join(list, ", "), set)
	default:
		t.keep("permissions", strings.Join(g.Permissions, ", "), strings.Join(list, ", "), "was changed here or there since it was imported")
	}
	return nil
}

// user decides over an account.
func (t *peopleTake) user(s *lab.State, a *api, in ImportedUser, hash string) error {
	if in.User == lab.Local {
		return refuse(Invalid, "%s is the name of this lab's own administrator", in.User)
	}
	if err := checkUser(in.User); err != nil {
		return err
	}
	list, err := checkPermissions(in.Permissions)
	if err != nil {
		return err
	}
	want := events.UserConfigured{User: in.User, Email: in.Email, FirstName: in.FirstName, LastName: in.LastName, Inactive: in.Inactive,
		Staff: in.Staff, Superuser: in.Superuser, IRCHandle: in.IRCHandle, IRCServer: in.IRCServer, TableLength: in.TableLength,
		Permissions: list, By: t.by, Reason: t.in.Reason}
	u := s.User(in.User)
	switch {
	case u == nil && t.gone(s):
		return nil
	case u == nil:
		t.change("", "", "", events.UserAdded{User: in.User, By: t.by}, want)
		u = &lab.User{} // which has nothing yet
		if hash != "" {
			t.facts = append(t.facts, events.PasswordSet{User: in.User, Sealed: hash, By: t.by})
		}
	default:
		// An identity is of this lab's providers; the other lab knows nothing of it.
		want.Identity = u.Identity
		if !sameUser(want, u.UserConfigured) {
			// The last word on the account was an import's: nobody here has changed it since.
			if t.in.Force || u.Reason == t.in.Reason {
				t.change("settings", accountText(u.UserConfigured), accountText(want), want)
			} else {
				t.keep("settings", accountText(u.UserConfigured), accountText(want), "were changed here since they were imported")
			}
		}
		t.password(a, u, in, hash)
	}
	t.groups(s, u, in)
	if err := t.tokens(s, a, u, in); err != nil {
		return err
	}
	return t.secrets(a, u, in)
}

// accountText tells of an account what an import may change.
func accountText(u events.UserConfigured) string {
	words := []string{cmp.Or(u.Email, "no mail")}
	for word, yes := range map[string]bool{"inactive": u.Inactive, "staff": u.Staff, "superuser": u.Superuser} {
		if yes {
			words = append(words, word)
		}
	}
	// The map has no order, and the text is compared by people.
	slices.Sort(words[1:])
	if name := strings.TrimSpace(u.FirstName + " " + u.LastName); name != "" {
		words = append(words, name)
	}
	return strings.Join(append(words, u.Permissions...), ", ")
}

// password takes another hash while the one here is still the other lab's: who has signed in here since has one
// of this lab's kind, which says nothing of what it was made from.
func (t *peopleTake) password(a *api, u *lab.User, in ImportedUser, hash string) {
	if hash == "" || u.Password == "" {
		return
	}
	here, err := a.key.Open(u.Password, access.Place(u.User, "password", ""))
	theirs := importedHash(in.Password)
	if err == nil && (here == theirs || !strings.HasPrefix(here, djangoName+"$") && !t.in.Force) {
		return
	}
	t.change("password", "", "", events.PasswordSet{User: in.User, Sealed: hash, By: t.by})
}

// groups joins the user to the groups that it is in there, and leaves it in those that it is in here.
func (t *peopleTake) groups(s *lab.State, u *lab.User, in ImportedUser) {
	for _, name := range in.Groups {
		g := s.UserGroup(name)
		switch {
		case g != nil && slices.Contains(g.Users, in.User):
		case u.User == "" || t.in.Force:
			if g == nil && !t.in.DryRun {
				continue // it was refused, or is not among those that were sent
			}
			t.facts = append(t.facts, events.GroupJoined{Group: name, User: in.User, By: t.by, Reason: t.in.Reason})
			t.change("group", "", string(name))
		default:
			t.keep("group", "", string(name), "is in it there and not here")
		}
	}
}

// tokens takes those that are not here and were not taken back here.
// A value is nobody's to see: it is told of by its name here and its description there.
func (t *peopleTake) tokens(s *lab.State, a *api, u *lab.User, in ImportedUser) error {
	for _, token := range in.Tokens {
		id := access.TokenID(token.Value)
		switch known := s.Token(id); {
		case len(token.Value) < minImported || len(token.Value) > maxSecret || strings.ContainsFunc(token.Value, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
			return refuse(Invalid, "a token (%s) has %d characters or others than printable ASCII; %d to %d are taken", token.Description, len(token.Value), minImported, maxSecret)
		// Two accounts with one secret: whoever came first keeps it.
		case known != nil && known.User != in.User:
			return refuse(Conflict, "a token (%s) is %s's here", token.Description, known.User)
		case known != nil:
		case slices.Contains(u.Revoked, id):
			t.keep("token", "", string(id), "was revoked here")
		default:
			e := a.token(TokenRequest{User: in.User, Description: cut(token.Description, maxDescription), Reason: t.in.Reason}, token.Value, caller{user: t.by})
			t.change("token", "", strings.TrimSpace(string(id)+" "+token.Description), e)
		}
	}
	return nil
}

// cut bounds a text of another lab.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// secrets takes what jobs name.
func (t *peopleTake) secrets(a *api, u *lab.User, in ImportedUser) error {
	for _, r := range in.Secrets {
		if err := checkRemote(r); err != nil {
			return err
		}
		place := access.Place(in.User, "remote", r.Name)
		i := slices.IndexFunc(u.Remote, func(here lab.Remote) bool { return here.Name == r.Name })
		if i >= 0 {
			here, err := a.key.Open(u.Remote[i].Sealed, place)
			if err == nil && here == r.Value {
				continue
			}
			if !t.in.Force {
				t.keep("secret", "", r.Name, "is another one here")
				continue
			}
		}
		t.change("secret", "", r.Name, events.RemoteTokenSet{User: in.User, Name: r.Name, Sealed: a.key.Seal(r.Value, place), By: t.by})
	}
	return nil
}

// worker decides over a worker and its token.
// A worker of LAVA goes on with the token that it has: only its server's address changes.
func (t *peopleTake) worker(s *lab.State, in ImportedWorker) error {
	if err := checkName("worker", t.name, maxNameBytes); err != nil {
		return err
	}
	if len(in.Token) < minImported || len(in.Token) > maxSecret {
		return refuse(Invalid, "the worker's token has %d characters; %d to %d are taken", len(in.Token), minImported, maxSecret)
	}
	digest := access.Digest(in.Token)
	taken := events.WorkerTokenTaken{Worker: in.Worker, SHA256: digest, By: t.by, Reason: t.in.Reason}
	w := s.Worker(in.Worker)
	switch {
	case w == nil && t.gone(s):
	case w == nil:
		t.change("", "", "", events.WorkerRegistered{Worker: in.Worker, By: t.by})
		t.change("token", "", "", taken)
	case w.Brings(digest):
	case w.Rotated && !t.in.Force:
		t.keep("token", "", "", "was rotated here")
	default:
		t.change("token", "", "", taken)
	}
	return nil
}
