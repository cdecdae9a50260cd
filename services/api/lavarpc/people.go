package lavarpc

import (
	"hash/crc32"
	"net/http"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/services/api"
	"strata/services/api/xmlrpc"
)

// Deleting a user or a group takes the permission to change one, as in LAVA: there is no delete_ here.
func peopleMethods() []method {
	row := func(name, params, perm, about string, f func(c call) (any, error)) method {
		return method{name: name, params: params, signed: true, perm: perm, about: about, call: f}
	}
	return []method{
		row("auth.users.add", "username first_name=nil last_name=nil email=nil is_active=true is_staff=false is_superuser=false ldap=false", "auth.add_user", "Adds a user without a password. ldap means nothing: who signs in by LDAP is added then.", addUser),
		row("auth.users.list", "", "auth.view_user", "Lists the users.", listUsers),
		row("auth.users.show", "username", "auth.view_user", "Returns what is known of a user.", showUser),
		row("auth.users.update", "username first_name=nil last_name=nil email=nil is_active=nil is_staff=nil is_superuser=nil", "auth.change_user", "Changes what is given of a user.", updateUser),
		row("auth.users.delete", "username", "auth.change_user", "Removes a user.", deleteUser),
		row("auth.users.groups.add", "username group", "auth.change_user", "Puts a user into a group, which is added where it is new.", joinGroup),
		row("auth.users.groups.list", "username", "auth.view_user", "Lists the groups of a user.", groupsOfUser),
		row("auth.users.groups.delete", "username group", "auth.change_user", "Takes a user out of a group.", leaveGroup),
		row("auth.users.perms.add", "username app model codename", "auth.change_user", "Gives a user a permission on everything.", grantGlobal(false, true)),
		row("auth.users.perms.list", "username", "auth.view_user", "Lists the permissions on everything that a user has.", permissionsOfUser),
		row("auth.users.perms.delete", "username app model codename", "auth.change_user", "Takes a permission on everything from a user.", grantGlobal(false, false)),
		row("auth.groups.add", "name", "auth.add_group", "Adds a group.", addGroup),
		row("auth.groups.list", "", "auth.view_group", "Lists the groups.", listGroups),
		row("auth.groups.show", "name", "auth.view_group", "Returns what is known of a group.", showGroup),
		row("auth.groups.delete", "name", "auth.change_group", "Removes a group.", deleteGroup),
		row("auth.groups.perms.add", "name app model codename", "auth.change_group", "Gives a group a permission on everything.", grantGlobal(true, true)),
		row("auth.groups.perms.list", "name", "auth.view_group", "Lists the permissions on everything that a group has.", permissionsOfGroup),
		row("auth.groups.perms.delete", "name app model codename", "auth.change_group", "Takes a permission on everything from a group.", grantGlobal(true, false)),
		row("scheduler.remote_artifact_tokens.list", "", "", "Lists the caller's remote artifact tokens, with their values.", listRemote),
		row("scheduler.remote_artifact_tokens.show", "name", "", "Returns the value of one of the caller's remote artifact tokens.", showRemote),
		row("scheduler.remote_artifact_tokens.add", "name token", "", "Adds a remote artifact token, which the caller's jobs may name.", addRemote),
		row("scheduler.remote_artifact_tokens.delete", "name", "", "Removes one of the caller's remote artifact tokens.", deleteRemote),
	}
}

// staff refuses callers who may not look after the rights of others, in LAVA's one word.
func (c call) staff() error {
	if c.h.API.Staff(c.who) {
		return nil
	}
	return fault(http.StatusForbidden, "forbidden")
}

// userNamed returns an account.
func (c call) userNamed(name string) (api.User, error) {
	var u api.User
	err := c.ask("users.show", api.UserRequest{User: events.UserName(name)}, &u)
	return u, missing(err, "User '%s' was not found.", name)
}

// knownUser refuses a name that no account has. Who may not look at accounts is not told.
// Otherwise updateDevice could be used to try out names.
func (c call) knownUser(name string) error {
	err := c.ask("users.show", api.UserRequest{User: events.UserName(name)}, nil)
	if api.HasCode(err, api.Denied) {
		return nil
	}
	return err
}

// emailOf returns the address of a user, to those who may look at it.
// "" in LAVA is an account without an address, so it tells nobody which of the two it is.
func (c call) emailOf(name string) string {
	u, err := c.userNamed(name)
	if err != nil {
		return ""
	}
	return u.Email
}

// account reads what methods set of an account, from the first name on.
// nil keeps what there is; in auth.users.add the defaults of the row have made booleans of the flags.
func (c call) account() (api.UserRequest, error) {
	name, err := c.text(0)
	if err != nil {
		return api.UserRequest{}, err
	}
	in := api.UserRequest{User: events.UserName(name)}
	// Places 1 to 3 and 4 to 6 are the same in add and update, which differ in what follows.
	for i, to := range []**string{&in.FirstName, &in.LastName, &in.Email} {
		if c.args[i+1] == nil {
			continue
		}
		text, err := c.text(i + 1)
		if err != nil {
			return in, err
		}
		*to = &text
	}
	for i, to := range []**bool{&in.Active, &in.Staff, &in.Superuser} {
		if c.args[i+4] == nil {
			continue
		}
		flag, err := c.flag(i + 4)
		if err != nil {
			return in, err
		}
		*to = &flag
	}
	return in, nil
}

// Nobody can sign in by password to what it makes: tokens are issued for the account, or a directory or
// provider vouches for it.
func addUser(c call) (any, error) {
	in, err := c.account()
	if err != nil {
		return nil, err
	}
	return nil, bad(c.ask("users.add", in, nil), "Bad request: user already exists?")
}

// Superuser and staff are for superusers to set, though LAVA leaves it to whoever may change users: the
// verb decides, and a caller who holds the permission is told why not.
func updateUser(c call) (any, error) {
	in, err := c.account()
	if err != nil {
		return nil, err
	}
	return nil, missing(c.ask("users.set", in, nil), "User '%s' was not found.", in.User)
}

// The account's tokens end with it, and its jobs keep its name. Nobody removes the own account: 400.
func deleteUser(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	return nil, missing(c.ask("users.remove", api.UserRequest{User: events.UserName(name)}, nil), "User '%s' was not found.", name)
}

// The order of the members is that of LAVA's list; [showUser] goes on with more.
func userLine(u api.User) xmlrpc.Struct {
	return xmlrpc.Struct{
		{Name: "username", Value: string(u.User)},
		{Name: "last_name", Value: u.LastName},
		{Name: "first_name", Value: u.FirstName},
		{Name: "is_superuser", Value: u.Superuser},
		{Name: "is_staff", Value: u.Staff},
		{Name: "is_active", Value: u.Active},
	}
}

// All includes those who are no longer active, whom LAVA lists too.
func (c call) users() ([]api.User, error) {
	var all []api.User
	return all, c.ask("users.list", api.UserRequest{All: true}, &all)
}

// By name, and inactive ones too.
func listUsers(c call) (any, error) {
	all, err := c.users()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, u := range all {
		out = append(out, userLine(u))
	}
	return out, nil
}

// last_login is when one of the user's tokens or sessions was used last, to the hour, or nil; permissions
// are those on everything that the user has in person, not by a group.
func showUser(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	u, err := c.userNamed(name)
	if err != nil {
		return nil, err
	}
	s := append(userLine(u), xmlrpc.Struct{
		{Name: "date_joined", Value: u.Added.UTC()}, // when the account was made here
		{Name: "email", Value: u.Email},
		{Name: "groups", Value: list(u.Groups)},
		{Name: "permissions", Value: list(dotted(u.Permissions))},
		{Name: "id", Value: idOf(string(u.User))}, // no method takes it
		{Name: "last_login", Value: nil},
	}...)
	if !u.LastUse.IsZero() {
		s[len(s)-1].Value = u.LastUse.UTC()
	}
	return s, nil
}

// idOf makes a number of a name, for answers that have one: here people and groups are known by name.
// It is below 2^31, to fit the int of XML-RPC, and the same after every restart. Two names may have the
// same one: no method takes it.
func idOf(name string) int64 { return int64(crc32.ChecksumIEEE([]byte(name)) >> 1) }

// permission is a permission on everything, in Django's parts.
type permission struct{ app, model, codename string }

// parts takes a permission such as lava_scheduler_app.submit_to_device apart: the model ends its code name.
// Django's code names end in the model, whose name has no underscore: submit_to_device is of device.
func parts(name string) permission {
	app, codename, _ := strings.Cut(name, ".")
	return permission{app, codename[strings.LastIndex(codename, "_")+1:], codename}
}

// app.model.codename is the form of auth.users.show; the methods below perms take and tell it in parts.
func dotted(names []string) []string {
	var out []string
	for _, name := range names {
		p := parts(name)
		out = append(out, p.app+"."+p.model+"."+p.codename)
	}
	return out
}

func permissionList(names []string) []any {
	out := []any{}
	for _, name := range names {
		p := parts(name)
		out = append(out, xmlrpc.Struct{{Name: "app", Value: p.app}, {Name: "model", Value: p.model}, {Name: "codename", Value: p.codename}})
	}
	return out
}

// check refuses permissions that Django would not have.
// The model is looked at first, as in LAVA, whose faults differ: 404 both, with other words.
func (p permission) check() error {
	if !slices.Contains(lab.PermissionModels(p.app), p.model) {
		return fault(http.StatusNotFound, "Invalid app.model '%s.%s'", p.app, p.model)
	}
	if !strings.HasSuffix(p.codename, "_"+p.model) || !lab.KnownPermission(p.app+"."+p.codename) {
		return fault(http.StatusNotFound, "Invalid permission '%s'", p.codename)
	}
	return nil
}

// grantGlobal gives a user or a group a permission on everything, or takes it.
func grantGlobal(group, give bool) func(c call) (any, error) {
	return func(c call) (any, error) {
		var name string
		var p permission
		if err := c.all(&name, &p.app, &p.model, &p.codename); err != nil {
			return nil, err
		}
		in, what, verb := api.PermissionRequest{User: events.UserName(name)}, "User", "permissions.revoke"
		if group {
			in, what = api.PermissionRequest{Group: events.GroupName(name)}, "Group"
		}
		if give {
			verb = "permissions.grant"
		}
		// Before the account is looked for: the order in which LAVA does.
		if err := p.check(); err != nil {
			return nil, err
		}
		in.Permission = p.app + "." + p.codename
		return nil, missing(c.ask(verb, in, nil), "%s '%s' was not found.", what, name)
	}
}

// permit gives a group a permission on one thing, or takes it; the numbers are the places of the arguments.
// The methods below system are LAVA's old ones, for whoever may change all things of the kind; those below
// scheduler are for staff. Their arguments stand in another order, too.
func permit(kind events.Kind, thing, group, codename int, give bool) func(c call) (any, error) {
	return func(c call) (any, error) {
		if !strings.HasPrefix(c.name, "system.") {
			if err := c.staff(); err != nil {
				return nil, err
			}
		}
		in, verb := api.PermissionRequest{Kind: kind}, "permissions.revoke"
		if give {
			verb = "permissions.grant"
		}
		of, err := c.text(group)
		if err != nil {
			return nil, err
		}
		in.Group = events.GroupName(of)
		if in.Name, err = c.text(thing); err != nil {
			return nil, err
		}
		if in.Permission, err = c.text(codename); err != nil {
			return nil, err
		}
		var all []api.Group
		// Callers who are no staff see their own groups only, so that to them an absent one proves
		// nothing: the verb tells them what they may not.
		if c.ask("groups.list", struct{}{}, &all) == nil && !slices.ContainsFunc(all, func(g api.Group) bool { return string(g.Group) == of }) && c.h.API.Staff(c.who) {
			if strings.HasPrefix(c.name, "system.") {
				return nil, fault(http.StatusBadRequest, "please use existing group name: there is no '%s'", of)
			}
			return nil, fault(http.StatusNotFound, "Group '%s' was not found.", of)
		}
		err = c.ask(verb, in, nil)
		if kind == events.Device {
			return nil, missing(err, "Device '%s' was not found.", in.Name)
		}
		return nil, missing(err, "Device-type '%s' was not found.", in.Name)
	}
}

// membership reads a user and a group.
func (c call) membership() (api.GroupRequest, error) {
	var user, group string
	err := c.all(&user, &group)
	return api.GroupRequest{User: events.UserName(user), Group: events.GroupName(group)}, err
}

// Who may change users but not add groups is refused where the group is new.
func joinGroup(c call) (any, error) {
	in, err := c.membership()
	if err != nil {
		return nil, err
	}
	// Looked at first, for a group must not be made for somebody who is not there.
	if _, err := c.userNamed(string(in.User)); err != nil {
		return nil, err
	}
	// The user is there, so what is missing can only be the group, which LAVA makes.
	err = c.ask("groups.join", in, nil)
	if !api.HasCode(err, api.NotFound) {
		return nil, err
	}
	if err := c.ask("groups.add", api.GroupRequest{Group: in.Group}, nil); err != nil {
		return nil, err
	}
	return nil, c.ask("groups.join", in, nil)
}

// 404 for the user first, then for the group.
func leaveGroup(c call) (any, error) {
	in, err := c.membership()
	if err != nil {
		return nil, err
	}
	if _, err := c.userNamed(string(in.User)); err != nil {
		return nil, err
	}
	return nil, missing(c.ask("groups.leave", in, nil), "Group '%s' was not found.", in.Group)
}

func groupsOfUser(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	u, err := c.userNamed(name)
	return list(u.Groups), err
}

// What the user has by groups is asked with auth.groups.perms.list.
func permissionsOfUser(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	u, err := c.userNamed(name)
	return permissionList(u.Permissions), err
}

// group returns the group that is the first argument.
func (c call) group() (api.Group, error) {
	name, err := c.text(0)
	if err != nil {
		return api.Group{}, err
	}
	var g api.Group
	err = c.ask("groups.show", api.GroupRequest{Group: events.GroupName(name)}, &g)
	return g, missing(err, "Group '%s' was not found.", name)
}

// 400 where there is one, in LAVA's words for it.
func addGroup(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	return nil, bad(c.ask("groups.add", api.GroupRequest{Group: events.GroupName(name)}, nil), "Bad request: group already exists?")
}

// Who may not look at groups is told of the own ones rather than refused.
func listGroups(c call) (any, error) {
	var all []api.Group
	if err := c.ask("groups.list", struct{}{}, &all); err != nil {
		return nil, err
	}
	out := []any{}
	for _, g := range all {
		out = append(out, string(g.Group))
	}
	return out, nil
}

// permissions are those on everything, in the form of [dotted]; rows on devices and types are told there.
func showGroup(c call) (any, error) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	return xmlrpc.Struct{
		{Name: "id", Value: idOf(string(g.Group))},
		{Name: "name", Value: string(g.Group)},
		{Name: "permissions", Value: list(dotted(g.Permissions))},
		{Name: "users", Value: list(g.Users)},
	}, nil
}

// Rows that name the group stay on devices and types and keep them closed: nothing is opened to all by it.
func deleteGroup(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	return nil, missing(c.ask("groups.remove", api.GroupRequest{Group: events.GroupName(name)}, nil), "Group '%s' was not found.", name)
}

func permissionsOfGroup(c call) (any, error) {
	g, err := c.group()
	return permissionList(g.Permissions), err
}

// setUserGroups makes a user a member of these groups and no others. Both are looked up before the first
// change.
func setUserGroups(c call) (any, error) {
	if err := c.staff(); err != nil {
		return nil, err
	}
	email, err := c.text(0)
	if err != nil {
		return nil, err
	}
	// Names that are no group are passed over, as in LAVA: the script that mirrors a directory sends all
	// it has.
	wanted, err := c.texts(1)
	if err != nil {
		return nil, err
	}
	users, err := c.users()
	if err != nil {
		return nil, err
	}
	// Addresses are compared without regard to case; of several users with one the first of the list is
	// meant.
	at := slices.IndexFunc(users, func(u api.User) bool { return email != "" && strings.EqualFold(u.Email, email) })
	if at < 0 {
		return nil, fault(http.StatusBadRequest, "please use an existing user: none has the e-mail address '%s'", email)
	}
	var groups []api.Group
	if err := c.ask("groups.list", struct{}{}, &groups); err != nil {
		return nil, err
	}
	for _, g := range groups {
		is, want := slices.Contains(g.Users, users[at].User), slices.Contains(wanted, string(g.Group))
		verb := "groups.leave"
		if want {
			verb = "groups.join"
		}
		if is == want {
			continue
		}
		if err := c.ask(verb, api.GroupRequest{Group: g.Group, User: users[at].User}, nil); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// canSubmit tells of rights that were given: a type that is open to all is not among them.
// change_ on one type includes submit_to_; on everything the exact permission is asked for.
func canSubmit(c call) (any, error) {
	types, err := c.texts(0)
	if err != nil {
		return nil, err
	}
	of, err := c.subject(1)
	if err != nil {
		return nil, err
	}
	var me api.Me
	if err := c.h.API.Call(c.ctx, of, "whoami", struct{}{}, &me); err != nil {
		return nil, err
	}
	out := xmlrpc.Struct{}
	for _, name := range types {
		t, err := c.deviceType(name)
		if err != nil {
			continue
		}
		given := c.h.API.Permitted(of, "submit_to_devicetype") || slices.ContainsFunc(t.Permissions, func(p events.Permission) bool {
			return (p.Permission == "submit_to_devicetype" || p.Permission == "change_devicetype") && slices.Contains(me.Groups, p.Group)
		})
		out = append(out, xmlrpc.Member{Name: name, Value: given})
	}
	return out, nil
}

// remotes returns the caller's own.
func (c call) remotes() ([]api.RemoteToken, error) {
	var all []api.RemoteToken
	return all, c.ask("remote-tokens.list", struct{}{}, &all)
}

// Only ever the caller's own, superusers' too: nobody reads another's secrets.
func listRemote(c call) (any, error) {
	all, err := c.remotes()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, r := range all {
		out = append(out, xmlrpc.Struct{{Name: "name", Value: r.Name}, {Name: "token", Value: r.Value}})
	}
	return out, nil
}

// The value as a text, without a struct around it, as LAVA has it.
func showRemote(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	all, err := c.remotes()
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Name == name {
			return r.Value, nil
		}
	}
	return nil, fault(http.StatusNotFound, "Remote artifact token '%s' was not found.", name)
}

// The api seals the value; it is opened for orders, callbacks and the caller's own questions alone.
func addRemote(c call) (any, error) {
	in := api.RemoteToken{}
	if err := c.all(&in.Name, &in.Value); err != nil {
		return nil, err
	}
	// Whether the name is taken is asked before: the verb would replace the value.
	all, err := c.remotes()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(all, func(r api.RemoteToken) bool { return r.Name == in.Name }) {
		return nil, fault(http.StatusBadRequest, "Bad request: remote artifact token already exists?")
	}
	return nil, c.ask("remote-tokens.set", in, nil)
}

func deleteRemote(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	return nil, missing(c.ask("remote-tokens.remove", api.RemoteToken{Name: name}, nil), "Remote artifact token '%s' was not found.", name)
}
