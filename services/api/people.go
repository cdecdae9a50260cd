package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
)

// UserRequest names an account, with what is to change of it: what is nil stays as it is.
// Who may change what: people their own names, mail, IRC and table length; superusers all; who has
// LAVA's permissions on accounts what [UserRequest.ordinary] says.
type UserRequest struct {
	User      events.UserName `json:"user"`
	Email     *string         `json:"email,omitempty"`
	FirstName *string         `json:"first_name,omitempty"`
	LastName  *string         `json:"last_name,omitempty"`
	Active    *bool           `json:"active,omitempty"`
	Staff     *bool           `json:"staff,omitempty"`
	Superuser *bool           `json:"superuser,omitempty"`
	IRCHandle *string         `json:"irc_handle,omitempty"`
	IRCServer *string         `json:"irc_server,omitempty"`
	// Rows of a page of the web: 0 is its default, 1000 the most.
	TableLength *int      `json:"table_length,omitempty"`
	Identity    *string   `json:"identity,omitempty"`
	Permissions *[]string `json:"permissions,omitempty"` // on everything; a name without an application is of lava_scheduler_app
	Password    *string   `json:"password,omitempty"`    // "" takes the password away
	Current     string    `json:"current,omitempty"`     // password; of who changes its own
	Reason      string    `json:"reason,omitempty"`
	All         bool      `json:"all,omitempty"` // of users.list: inactive accounts too
}

// User is an account as it is shown.
type User struct {
	User        events.UserName    `json:"user"`
	Email       string             `json:"email,omitempty"`
	FirstName   string             `json:"first_name,omitempty"`
	LastName    string             `json:"last_name,omitempty"`
	Active      bool               `json:"active"`
	Staff       bool               `json:"staff"`
	Superuser   bool               `json:"superuser"`
	IRCHandle   string             `json:"irc_handle,omitempty"`
	IRCServer   string             `json:"irc_server,omitempty"`
	TableLength int                `json:"table_length,omitempty"`
	Identity    string             `json:"identity,omitempty"`
	Permissions []string           `json:"permissions,omitempty"`
	Groups      []events.GroupName `json:"groups,omitempty"`
	HasPassword bool               `json:"has_password"`
	Tokens      int                `json:"tokens"`
	Added       time.Time          `json:"added,omitzero"`
	LastUse     time.Time          `json:"last_use,omitzero"` // of any of its tokens
}

// Me is what whoami answers.
type Me struct {
	User      events.UserName    `json:"user"` // "" for somebody without a name
	Superuser bool               `json:"superuser"`
	Staff     bool               `json:"staff"`
	Groups    []events.GroupName `json:"groups,omitempty"`
	Scopes    []events.Scope     `json:"scopes,omitempty"` // of the token; none: not limited
	From      string             `json:"from,omitempty"`
	ActingFor events.UserName    `json:"acting_for,omitempty"` // who acts as the user; "": the user does
}

// whoami answers who the caller is, with its rights of the whole lab. It answers everybody, and is
// how pages and commands learn for whom they speak.
func (a *api) whoami(_ context.Context, who caller, _ none) (me Me, err error) {
	a.read(func(s *lab.State) {
		me = Me{User: who.user, Superuser: who.superuser(s), Staff: s.Staff(who.user), Groups: s.GroupsOf(who.user), Scopes: who.scopes, From: who.from, ActingFor: who.behind}
	})
	return me, nil
}

// viewUser shows an account to who may see it.
// No hash and no token leaves the service: that there are some is told.
func viewUser(s *lab.State, u *lab.User) User {
	v := User{User: u.User, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Active: !u.Inactive, Staff: u.Staff,
		Superuser: u.Superuser || s.Superuser(u.User), IRCHandle: u.IRCHandle, IRCServer: u.IRCServer, TableLength: u.TableLength, Identity: u.Identity,
		Permissions: u.Permissions, Groups: s.GroupsOf(u.User), HasPassword: u.Password != "", Tokens: programs(u), Added: u.AddedAt}
	for _, t := range u.Tokens {
		if t.UsedAt.After(v.LastUse) {
			v.LastUse = t.UsedAt
		}
	}
	return v
}

// oversees refuses callers who may not look after others' accounts: superusers and staff may look, superusers
// change.
// A superuser's token that is not for administering is told so, and not that its user may not.
func oversees(s *lab.State, who caller, change bool) error {
	if who.superuser(s) || !change && s.Staff(who.user) {
		return nil
	}
	if !lab.Covers(who.scopes, lab.Administer, "") && s.Superuser(who.user) {
		return notFor(who)
	}
	return refuse(Denied, "%s may not see to accounts: superusers may", who.user)
}

// listUsers answers with the accounts, by name, for who oversees them.
// Inactive accounts are in it with All alone.
func (a *api) listUsers(_ context.Context, who caller, in UserRequest) (out []User, err error) {
	out = []User{}
	a.read(func(s *lab.State) {
		if err = maySee(s, who, "auth.view_user"); err != nil {
			return
		}
		for u := range s.Users() {
			if in.All || !u.Inactive {
				out = append(out, viewUser(s, u))
			}
		}
	})
	return out, err
}

// showUser answers with one account.
func (a *api) showUser(_ context.Context, who caller, in UserRequest) (out User, err error) {
	a.read(func(s *lab.State) { out, err = userOf(s, who, in.User) })
	return out, err
}

// userOf shows an account to itself and to those who oversee it.
func userOf(s *lab.State, who caller, name events.UserName) (User, error) {
	if name != who.user {
		if err := maySee(s, who, "auth.view_user"); err != nil {
			return User{}, err
		}
	}
	u := s.User(name)
	switch {
	case u == nil && name == lab.Local:
		// The administrator's credential is a file beside the lab's key, not an account, until it is
		// given one.
		return User{User: name, Active: true, Superuser: true, Staff: true}, nil
	case u == nil:
		return User{}, noUser(name)
	}
	return viewUser(s, u), nil
}

func noUser(name events.UserName) error {
	return refuse(NotFound, "there is no user %s: `strata users` lists them", name)
}

// maxUserBytes is the length of a user's name, as Django has it; maxGroupBytes that of a group's.
const (
	maxUserBytes  = 150
	maxGroupBytes = 150
)

// checkUser refuses names that a new account may not have: those of the lab's own services among them, who may
// say for whom they submit.
func checkUser(name events.UserName) error {
	if err := checkName("user", string(name), maxUserBytes); err != nil {
		return err
	}
	if strings.ContainsFunc(string(name), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.@+-", r)
	}) {
		return &Error{Code: Invalid, Field: "user", Message: fmt.Sprintf("user is %.40q; allowed are letters, digits and . _ @ + -", name)}
	}
	// As Django does: a name of look-alike letters must not pass for another's.
	if norm.NFKC.String(string(name)) != string(name) {
		return &Error{Code: Invalid, Field: "user", Message: fmt.Sprintf("user is %.40q, which has letters that look like others: write it as %.40q", name, norm.NFKC.String(string(name)))}
	}
	if access.Reserved(name) {
		return &Error{Code: Invalid, Field: "user", Message: "user " + string(name) + " is a name of the lab's own; take another, not beginning with @"}
	}
	return nil
}

// unlikeOthers refuses a new name that another account has, or that differs from one only by the case of its
// letters: people would take one for the other.
func unlikeOthers(s *lab.State, name events.UserName) error {
	if s.User(name) != nil {
		return refuse(Conflict, "there is a user %s already", name)
	}
	for u := range s.Users() {
		if strings.EqualFold(string(u.User), string(name)) {
			return refuse(Conflict, "there is a user %s already, who differs from %s only by the case of letters", u.User, name)
		}
	}
	if name != lab.Local && strings.EqualFold(string(name), string(lab.Local)) {
		return refuse(Conflict, "%s differs from the administrator %s only by the case of letters", name, lab.Local)
	}
	return nil
}

// addUser makes an account.
// The account has no token, and a password only if the request brings one. [Conflict] where the name
// is taken.
func (a *api) addUser(ctx context.Context, who caller, in UserRequest) (User, error) {
	if err := checkUser(in.User); err != nil {
		return User{}, err
	}
	password, err := a.sealPassword(ctx, who, in)
	if err != nil {
		return User{}, err
	}
	err = a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := maySetUser(s, who, in, "auth.add_user"); err != nil {
			return nil, err
		}
		if err := unlikeOthers(s, in.User); err != nil {
			return nil, err
		}
		facts := []events.Event{events.UserAdded{User: in.User, By: who.user}}
		e, err := in.over(events.UserConfigured{User: in.User}, who)
		if err != nil {
			return nil, err
		}
		return append(append(facts, e), password...), nil
	})
	return a.userNow(in.User, err)
}

// userNow shows an account after a change, whoever asked: who may change it may see it.
func (a *api) userNow(name events.UserName, err error) (out User, _ error) {
	if err != nil {
		return out, err
	}
	a.read(func(s *lab.State) {
		if u := s.User(name); u != nil {
			out = viewUser(s, u)
		}
	})
	return out, nil
}

// over returns an account as it is to be.
// e is the account as it stands; the fact that comes back holds it whole. The lengths are Django's.
func (in UserRequest) over(e events.UserConfigured, who caller) (events.UserConfigured, error) {
	text := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	flag := func(to *bool, from *bool) {
		if from != nil {
			*to = *from
		}
	}
	text(&e.Email, in.Email)
	text(&e.FirstName, in.FirstName)
	text(&e.LastName, in.LastName)
	text(&e.IRCHandle, in.IRCHandle)
	text(&e.IRCServer, in.IRCServer)
	text(&e.Identity, in.Identity)
	flag(&e.Staff, in.Staff)
	flag(&e.Superuser, in.Superuser)
	if in.Active != nil {
		e.Inactive = !*in.Active
	}
	if in.TableLength != nil {
		e.TableLength = *in.TableLength
	}
	if in.Permissions != nil {
		list, err := checkPermissions(*in.Permissions)
		if err != nil {
			return e, err
		}
		e.Permissions = list
	}
	switch {
	case e.TableLength < 0 || e.TableLength > 1000:
		return e, &Error{Code: Invalid, Field: "table_length", Message: "table_length must be 0 to 1000"}
	// 254 bytes are the longest that mail can have (RFC 5321), and Django's column.
	case e.Email != "" && (!strings.Contains(e.Email, "@") || len(e.Email) > 254):
		return e, &Error{Code: Invalid, Field: "email", Message: "email is not an address: it has no @ or more than 254 bytes"}
	case len(e.FirstName) > 150 || len(e.LastName) > 150 || len(e.IRCHandle) > 40 || len(e.IRCServer) > 40:
		return e, refuse(Invalid, "a name has more than 150 bytes, or an IRC handle or server more than 40")
	}
	e.By, e.Reason = who.user, in.Reason
	return e, nil
}

// checkPermissions returns permissions on everything with their applications, in order.
func checkPermissions(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		full := lab.FullPermission(name)
		if !lab.KnownPermission(full) {
			return nil, &Error{Code: Invalid, Field: "permission", Message: fmt.Sprintf("permission is %.60q; write it like change_device or auth.view_user: %s, and one of %s",
				name, strings.Join(lab.PermissionVerbs(), ", "), strings.Join(lab.PermissionModels("lava_scheduler_app"), ", "))}
		}
		out = append(out, full)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// ownOnly says that a request changes nothing but what people may change of their own account.
func (in UserRequest) ownOnly() bool {
	// An identity is not among them: it is by what somebody else may sign in as the user.
	return in.Active == nil && in.Staff == nil && in.Superuser == nil && in.Identity == nil && in.Permissions == nil
}

// setUser changes what the request names of an account.
// Without a change there is no fact. A new password ends all of the account's sessions but the
// caller's.
func (a *api) setUser(ctx context.Context, who caller, in UserRequest) (User, error) {
	// Before record, for it takes its time and counts tries.
	if err := a.checkCurrent(ctx, who, in); err != nil {
		return User{}, err
	}
	password, err := a.sealPassword(ctx, who, in)
	if err != nil {
		return User{}, err
	}
	err = a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		// Who acts as a user changes nothing of the account: it would outlast the acting.
		own := in.User == who.user && in.ownOnly() && who.can(s, lab.Change, events.Entity{Kind: events.User, ID: string(in.User)}) && !who.acting
		if err := maySetUser(s, who, in, "auth.change_user"); err != nil && !own {
			return nil, err
		}
		u, facts := s.User(in.User), []events.Event(nil)
		was := events.UserConfigured{User: in.User}
		switch {
		case u != nil:
			was = u.UserConfigured
		case in.User == lab.Local: // it needs no account until it is to have one
			facts = append(facts, events.UserAdded{User: in.User, By: who.user})
		default:
			return nil, noUser(in.User)
		}
		e, err := in.over(was, who)
		if err != nil {
			return nil, err
		}
		if in.User == who.user && e.Inactive {
			return nil, refuse(Conflict, "%s would shut itself out: another superuser may do that", who.user)
		}
		if !sameUser(e, was) || len(facts) > 0 {
			facts = append(facts, e)
		}
		change := password
		if u != nil && u.Password == "" && u.Identity != "" && in.Password != nil && *in.Password != "" && !who.superuser(s) {
			voucher, _, _ := strings.Cut(u.Identity, " ")
			return nil, refuse(Denied, "%s signs in by %s: a superuser may give the account a password of the lab beside that", in.User, voucher)
		}
		// Whoever knows the password is not the voucher's user for that.
		if u != nil && u.Password != "" && len(change) == 0 && e.Identity != "" && e.Identity != was.Identity {
			change = []events.Event{events.PasswordSet{User: in.User, By: who.user}}
		}
		if len(change) > 0 {
			facts = append(facts, endSessions(u, who)...)
		}
		return append(facts, change...), nil
	})
	return a.userNow(in.User, err)
}

// sameUser says that two versions of an account differ in nothing that counts.
// By and Reason tell of the change, not of the account.
func sameUser(a, b events.UserConfigured) bool {
	same := slices.Equal(a.Permissions, b.Permissions)
	a.Permissions, b.Permissions, a.By, b.By, a.Reason, b.Reason = nil, nil, "", "", "", ""
	return same && a.Email == b.Email && a.FirstName == b.FirstName && a.LastName == b.LastName && a.Inactive == b.Inactive &&
		a.Staff == b.Staff && a.Superuser == b.Superuser && a.IRCHandle == b.IRCHandle && a.IRCServer == b.IRCServer &&
		a.TableLength == b.TableLength && a.Identity == b.Identity
}

// removeUser takes an account out of the lab, with its tokens, sessions and places in groups.
// Facts and jobs keep the name. A later account of the same name gets none of the old one's tokens,
// and sees its jobs.
func (a *api) removeUser(ctx context.Context, who caller, in UserRequest) (none, error) {
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := maySetUser(s, who, in, "auth.change_user", "auth.delete_user"); err != nil { // LAVA asks for the first
			return nil, err
		}
		switch {
		case s.User(in.User) == nil:
			return nil, noUser(in.User)
		case in.User == who.user:
			return nil, refuse(Conflict, "%s would shut itself out: another superuser may do that", who.user)
		}
		return []events.Event{events.UserRemoved{User: in.User, By: who.user, Reason: in.Reason}}, nil
	})
}

// GroupRequest names a group of users, with what is to change of it.
type GroupRequest struct {
	Group       events.GroupName `json:"group"`
	User        events.UserName  `json:"user,omitempty"`        // of groups.join and groups.leave
	Permissions *[]string        `json:"permissions,omitempty"` // on everything
	Reason      string           `json:"reason,omitempty"`
}

// Group is a group of users as it is shown.
type Group struct {
	Group       events.GroupName  `json:"group"`
	Users       []events.UserName `json:"users"`
	Permissions []string          `json:"permissions,omitempty"`
}

func viewGroup(g *lab.Group) Group {
	return Group{Group: g.Name, Users: append([]events.UserName{}, g.Users...), Permissions: g.Permissions}
}

func noGroup(name events.GroupName) error {
	return refuse(NotFound, "there is no group %s: `strata groups` lists them", name)
}

// listGroups answers with groups of users, by name.
// People see the groups that they are in, those who oversee accounts all.
func (a *api) listGroups(_ context.Context, who caller, _ GroupRequest) (out []Group, err error) {
	out = []Group{}
	a.read(func(s *lab.State) {
		all := maySee(s, who, "auth.view_group") == nil
		for g := range s.UserGroups() {
			if all || s.InGroup(who.user, g.Name) {
				out = append(out, viewGroup(g))
			}
		}
	})
	return out, nil
}

// showGroup answers with one group.
// One that the caller may not see is [NotFound] like one that there is not.
func (a *api) showGroup(_ context.Context, who caller, in GroupRequest) (out Group, err error) {
	a.read(func(s *lab.State) {
		g := s.UserGroup(in.Group)
		switch {
		case maySee(s, who, "auth.view_group") != nil && !s.InGroup(who.user, in.Group), g == nil:
			err = noGroup(in.Group)
		default:
			out = viewGroup(g)
		}
	})
	return out, err
}

// changeGroup records what decide says of a group, for superusers, for staff where staff may, and for who has one of
// the permissions where [maySetGroup] lets them.
func (a *api) changeGroup(ctx context.Context, who caller, in GroupRequest, by groupRight, decide func(*lab.State, *lab.Group) ([]events.Event, error)) (out Group, err error) {
	err = a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := maySetGroup(s, who, in, by.staff, by.permissions...); err != nil {
			return nil, err
		}
		return decide(s, s.UserGroup(in.Group))
	})
	a.read(func(s *lab.State) {
		if g := s.UserGroup(in.Group); g != nil && err == nil {
			out = viewGroup(g)
		}
	})
	return out, err
}

// addGroup makes a group without users.
// Either of the two permissions will do.
func (a *api) addGroup(ctx context.Context, who caller, in GroupRequest) (Group, error) {
	if err := checkName("group", string(in.Group), maxGroupBytes); err != nil {
		return Group{}, err
	}
	return a.changeGroup(ctx, who, in, groupRight{permissions: []string{"auth.add_group", "auth.change_user"}}, func(_ *lab.State, g *lab.Group) ([]events.Event, error) {
		if g != nil {
			return nil, refuse(Conflict, "there is a group %s already", in.Group)
		}
		facts := []events.Event{events.GroupAdded{Group: in.Group, By: who.user}}
		if in.Permissions == nil {
			return facts, nil
		}
		list, err := checkPermissions(*in.Permissions)
		return append(facts, events.GroupConfigured{Group: in.Group, Permissions: list, By: who.user, Reason: in.Reason}), err
	})
}

// setGroup changes what a group may do with everything.
// XML-RPC and the administration pages ask it; who is in the group is no part of it.
func (a *api) setGroup(ctx context.Context, who caller, in GroupRequest) (Group, error) {
	return a.changeGroup(ctx, who, in, groupRight{permissions: []string{"auth.change_group"}}, func(_ *lab.State, g *lab.Group) ([]events.Event, error) {
		if g == nil {
			return nil, noGroup(in.Group)
		}
		if in.Permissions == nil {
			return nil, nil
		}
		list, err := checkPermissions(*in.Permissions)
		if err != nil || slices.Equal(list, g.Permissions) {
			return nil, err
		}
		return []events.Event{events.GroupConfigured{Group: in.Group, Permissions: list, By: who.user, Reason: in.Reason}}, nil
	})
}

// joinGroup puts a user into a group.
// Who is in already stays in, and nothing is recorded.
func (a *api) joinGroup(ctx context.Context, who caller, in GroupRequest) (Group, error) {
	return a.changeGroup(ctx, who, in, groupRight{true, []string{"auth.change_user"}}, func(s *lab.State, g *lab.Group) ([]events.Event, error) {
		switch {
		case g == nil:
			return nil, noGroup(in.Group)
		case s.User(in.User) == nil:
			return nil, noUser(in.User)
		// Or staff could give themselves what the group may do.
		case len(g.Permissions) > 0 && !who.superuser(s):
			return nil, refuse(Denied, "group %s has permissions on everything: superusers put people there", in.Group)
		case slices.Contains(g.Users, in.User):
			return nil, nil
		}
		return []events.Event{events.GroupJoined{Group: in.Group, User: in.User, By: who.user, Reason: in.Reason}}, nil
	})
}

// leaveGroup takes a user out of a group; one that is not in it is no error.
func (a *api) leaveGroup(ctx context.Context, who caller, in GroupRequest) (Group, error) {
	return a.changeGroup(ctx, who, in, groupRight{true, []string{"auth.change_user"}}, func(_ *lab.State, g *lab.Group) ([]events.Event, error) {
		switch {
		case g == nil:
			return nil, noGroup(in.Group)
		case !slices.Contains(g.Users, in.User):
			return nil, nil
		}
		return []events.Event{events.GroupLeft{Group: in.Group, User: in.User, By: who.user, Reason: in.Reason}}, nil
	})
}

// removeGroup takes a group out of the lab; its users stay.
// Permissions that the group has on devices stay written there: they grant nothing, and keep others
// out as before.
func (a *api) removeGroup(ctx context.Context, who caller, in GroupRequest) (none, error) {
	_, err := a.changeGroup(ctx, who, in, groupRight{permissions: []string{"auth.change_group", "auth.delete_group"}}, func(_ *lab.State, g *lab.Group) ([]events.Event, error) {
		if g == nil {
			return nil, noGroup(in.Group)
		}
		return []events.Event{events.GroupRemoved{Group: in.Group, By: who.user, Reason: in.Reason}}, nil
	})
	return none{}, err
}
