package rest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"strata/events"
	"strata/services/api"
	"strata/services/api/door"
)

// token answers POST token/.
// It needs no credential and takes a password, so tries are counted for address and name by the api; 429
// comes of that. The token is one that the user has, so asking often makes no more of them.
func token(q *request) (answer, error) {
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	var user, password string
	if err := b.read(want{"username", &user, must}, want{"password", &password, must}); err != nil {
		return answer{}, err
	}
	// A token that may be used for all, never one with scopes: LAVA's have none.
	value, err := q.d.Lab.TokenOf(q.context(), events.UserName(user), password, door.From(q.r))
	// Else an overload, or a directory that is away, would look like a wrong password.
	if api.HasCode(err, api.Away) || api.HasCode(err, api.Busy) {
		return answer{}, err
	}
	if err != nil { // what of the two is wrong is nobody's business
		return answer{}, invalid("non_field_errors", "Unable to log in with provided credentials.")
	}
	return ok(object{{"token", value}})
}

// superuser refuses everybody else, as LAVA does for permissions and accounts.
// What the api would tell others of their own account is not told here: LAVA has these lists for
// superusers alone, and 403 comes before 404.
func (q *request) superuser() error {
	if err := q.named(); err != nil {
		return err
	}
	me, err := asked[api.Me](q, "whoami", nothing{})
	if err == nil && !me.Superuser {
		err = detail(http.StatusForbidden, forbidden)
	}
	return err
}

// permissionKinds are the resources of permissions: the field that says on what, and the kind of that.
// LAVA has no REST of permissions on workers, nor of those on everything.
type permissionKind struct {
	field string
	kind  events.Kind
}

// devicePermissions are rights on devices.
func devicePermissions() permissionKind { return permissionKind{"device", events.Device} }

// typePermissions are rights on device types.
func typePermissions() permissionKind { return permissionKind{"devicetype", events.DeviceType} }

// all returns the permissions of the kind.
func (k permissionKind) all(q *request) ([]permissionRow, error) {
	if err := q.superuser(); err != nil {
		return nil, err
	}
	list, err := asked[api.Permissions](q, "permissions.list", api.PermissionRequest{Kind: k.kind})
	if err != nil {
		return nil, err
	}
	rows := []permissionRow{}
	for _, p := range list.Rows {
		if p.Kind == k.kind {
			rows = append(rows, permissionRow{of: p.Name, permission: events.Permission{Group: p.Group, Permission: p.Permission}})
		}
	}
	return rows, nil
}

// list answers GET permissions/<kind>/, to superusers.
// Filters by what a permission is on need that: [request.relatedTo].
func (k permissionKind) list(q *request) (answer, error) {
	rows, err := k.all(q)
	if err != nil {
		return answer{}, err
	}
	if err := q.relatedTo(k.kind, rows); err != nil {
		return answer{}, err
	}
	return permissions(k.field).list(q, rows)
}

// add answers POST: a group is given a right.
// A code name that LAVA's model has not is refused by the verb.
func (k permissionKind) add(q *request) (answer, error) {
	if err := q.superuser(); err != nil {
		return answer{}, err
	}
	var group, permission, of string
	if err := q.fields(want{"group", &group, must}, want{"permission", &permission, must},
		want{k.field, &of, must}); err != nil {
		return answer{}, err
	}
	if err := q.knownGroups("group", group); err != nil {
		return answer{}, err
	}
	err := q.ask("permissions.grant", api.PermissionRequest{Kind: k.kind, Name: of, Group: events.GroupName(group), Permission: permission}, nil)
	if api.HasCode(err, api.NotFound) {
		return answer{}, orInvalid(nil, k.field, of)
	}
	if err != nil {
		return answer{}, err
	}
	row := permissionRow{of: of, permission: events.Permission{Group: events.GroupName(group), Permission: permission}}
	return answer{status: http.StatusCreated, body: permissions(k.field).show(&row)}, nil
}

// one returns the permission that the address names by its number.
func (k permissionKind) one(q *request) (*permissionRow, error) {
	rows, err := k.all(q)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(rows, func(p permissionRow) bool { return strconv.Itoa(p.id(k.field)) == q.r.PathValue("id") })
	if i < 0 {
		return nil, notFound()
	}
	return &rows[i], nil
}

// show answers GET: the row that the address names.
func (k permissionKind) show(q *request) (answer, error) {
	p, err := k.one(q)
	if err != nil {
		return answer{}, err
	}
	return ok(permissions(k.field).show(p))
}

// remove answers DELETE.
// Without a row of its kind left, view_ and submit_ are open to all again: LAVA's rule.
func (k permissionKind) remove(q *request) (answer, error) {
	p, err := k.one(q)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, q.ask("permissions.revoke",
		api.PermissionRequest{Kind: k.kind, Name: p.of, Group: p.permission.Group, Permission: p.permission.Permission}, nil)
}

// change replaces a permission by another one.
// Granted before the other is taken away: a row that closes a device must not be gone in between, or it
// would be open to all for a moment.
func (k permissionKind) change(q *request) (answer, error) {
	p, err := k.one(q)
	if err != nil {
		return answer{}, err
	}
	group, permission, of := string(p.permission.Group), p.permission.Permission, p.of
	if err := q.fields(want{"group", &group, filled}, want{"permission", &permission, filled},
		want{k.field, &of, filled}); err != nil {
		return answer{}, err
	}
	// Not found would be said of the row that the address names, which is there.
	if err := q.knownGroups("group", group); err != nil {
		return answer{}, err
	}
	to := api.PermissionRequest{Kind: k.kind, Name: of, Group: events.GroupName(group), Permission: permission}
	was := api.PermissionRequest{Kind: k.kind, Name: p.of, Group: p.permission.Group, Permission: p.permission.Permission}
	if to != was {
		err := q.ask("permissions.grant", to, nil)
		if api.HasCode(err, api.NotFound) {
			return answer{}, orInvalid(nil, k.field, of)
		}
		if err != nil {
			return answer{}, err
		}
		if err := q.ask("permissions.revoke", was, nil); err != nil {
			return answer{}, err
		}
	}
	row := permissionRow{of: of, permission: events.Permission{Group: events.GroupName(group), Permission: permission}}
	return ok(permissions(k.field).show(&row))
}

// users are the accounts of the lab.
// LAVA's fields since 2025; groups are names, and password is no field of an answer.
func users() resource[api.User] {
	id := func(u *api.User) int { return numberOf("user", string(u.User)) }
	return resource[api.User]{
		name: "users",
		fields: []field[api.User]{
			{"id", integer, "number of the user, the same at all times", false, func(u *api.User) any { return id(u) }},
			{"username", text, "", true, func(u *api.User) any { return string(u.User) }},
			{"first_name", text, "", true, func(u *api.User) any { return u.FirstName }},
			{"last_name", text, "", true, func(u *api.User) any { return u.LastName }},
			{"email", text, "", true, func(u *api.User) any { return u.Email }},
			{"is_active", truth, "", true, func(u *api.User) any { return u.Active }},
			{"is_staff", truth, "", true, func(u *api.User) any { return u.Staff }},
			{"is_superuser", truth, "", true, func(u *api.User) any { return u.Superuser }},
			// Names here and numbers in jobs' viewing_groups: both are LAVA's.
			{"groups", texts, "names of the user's groups", true, func(u *api.User) any { return emptied(u.Groups) }},
			{"last_login", moment, "when one of the user's tokens or sessions was used last, to the hour", false, func(u *api.User) any { return stamped(&u.LastUse) }},
			{"date_joined", moment, "", false, func(u *api.User) any { return stamped(&u.Added) }},
		},
		filters: []filter[api.User]{
			{"id", integer, exactLookups, func(u *api.User) []string { return []string{strconv.Itoa(id(u))} }},
			{"username", text, exactLookups, func(u *api.User) []string { return some(u.User) }},
			{"email", text, exactLookups, func(u *api.User) []string { return some(u.Email) }},
			{"is_active", truth, exactLookups, func(u *api.User) []string { return yes(u.Active) }},
			{"is_staff", truth, exactLookups, func(u *api.User) []string { return yes(u.Staff) }},
			{"is_superuser", truth, exactLookups, func(u *api.User) []string { return yes(u.Superuser) }},
		},
	}
}

// allUsers returns the accounts, to superusers.
func (q *request) allUsers() ([]api.User, error) {
	if err := q.superuser(); err != nil {
		return nil, err
	}
	return asked[[]api.User](q, "users.list", api.UserRequest{All: true})
}

// listUsers answers GET users/.
func listUsers(q *request) (answer, error) {
	rows, err := q.allUsers()
	if err != nil {
		return answer{}, err
	}
	return users().list(q, rows)
}

// user returns the user that the address names by number, or by name.
// LAVA's address has the number of its row. A name that consists of digits may be taken for a number; the
// first that fits is meant.
func (q *request) user() (*api.User, error) {
	rows, err := q.allUsers()
	if err != nil {
		return nil, err
	}
	id := q.r.PathValue("id")
	i := slices.IndexFunc(rows, func(u api.User) bool {
		return strconv.Itoa(numberOf("user", string(u.User))) == id || string(u.User) == id
	})
	if i < 0 {
		return nil, notFound()
	}
	return &rows[i], nil
}

// showUser answers GET users/<id>/.
func showUser(q *request) (answer, error) {
	u, err := q.user()
	if err != nil {
		return answer{}, err
	}
	return ok(users().show(u))
}

// setUser reads what a body sets of a user.
// A password is set as it is sent; the api digests it, and no answer has it.
func setUser(b *body, in *api.UserRequest) error {
	if err := b.noNull("is_active", "is_staff", "is_superuser", "groups"); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		to   **string
	}{{"first_name", &in.FirstName}, {"last_name", &in.LastName}, {"email", &in.Email}, {"password", &in.Password}} {
		if value, there := b.text(f.name); there {
			*f.to = &value
		}
	}
	for _, f := range []struct {
		name string
		to   **bool
	}{{"is_active", &in.Active}, {"is_staff", &in.Staff}, {"is_superuser", &in.Superuser}} {
		value, there, err := b.truth(f.name)
		if err != nil {
			return err
		}
		if there {
			*f.to = &value
		}
	}
	return nil
}

// knownGroups refuses names of groups that there are not, in Django REST framework's words for a related name. It comes
// before the first change: the account must not stay half made.
func (q *request) knownGroups(field string, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	all, err := asked[[]api.Group](q, "groups.list", api.GroupRequest{})
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(g api.Group) bool { return string(g.Group) == name }) {
			return invalid(field, "Object with name=%s does not exist.", name)
		}
	}
	return nil
}

// regroup gives a user the groups of a body, and no others.
func (q *request) regroup(b *body, user events.UserName, are []events.GroupName) error {
	if !b.has("groups") {
		return nil
	}
	wanted := b.list("groups")
	for _, g := range wanted {
		if !slices.Contains(are, events.GroupName(g)) {
			if err := q.ask("groups.join", api.GroupRequest{Group: events.GroupName(g), User: user}, nil); err != nil {
				return err
			}
		}
	}
	for _, g := range are {
		if !slices.Contains(wanted, string(g)) {
			if err := q.ask("groups.leave", api.GroupRequest{Group: g, User: user}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// addUser answers POST users/.
func addUser(q *request) (answer, error) {
	if err := q.superuser(); err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	var name string
	if err := b.read(want{"username", &name, must}); err != nil {
		return answer{}, err
	}
	in := api.UserRequest{User: events.UserName(name)}
	if err := errors.Join(setUser(b, &in), q.knownGroups("groups", b.list("groups")...)); err != nil {
		return answer{}, err
	}
	err = q.ask("users.add", in, nil)
	if api.HasCode(err, api.Conflict) {
		return answer{}, invalid("username", "A user with that username already exists.")
	}
	if err == nil {
		err = q.regroup(b, in.User, nil)
	}
	if err != nil {
		return answer{}, err
	}
	u, err := asked[api.User](q, "users.show", api.UserRequest{User: in.User})
	return answer{status: http.StatusCreated, body: users().show(&u)}, err
}

// changeUser answers PUT and PATCH of an account; its name stays.
// username in the body is passed over: who has signed facts keeps the name that stands in them.
func changeUser(q *request) (answer, error) {
	u, err := q.user()
	if err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	in := api.UserRequest{User: u.User}
	if err := errors.Join(setUser(b, &in), q.knownGroups("groups", b.list("groups")...)); err != nil {
		return answer{}, err
	}
	if err := q.ask("users.set", in, nil); err != nil {
		return answer{}, err
	}
	if err := q.regroup(b, u.User, u.Groups); err != nil {
		return answer{}, err
	}
	now, err := asked[api.User](q, "users.show", api.UserRequest{User: u.User})
	return answer{body: users().show(&now)}, err
}

// removeUser answers DELETE users/<id>/.
// The account's tokens are worth nothing from then on; its jobs stay under its name.
func removeUser(q *request) (answer, error) {
	u, err := q.user()
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, q.ask("users.remove", api.UserRequest{User: u.User}, nil)
}

// groups are the groups of the lab's accounts.
func groups() resource[api.Group] {
	id := func(g *api.Group) int { return numberOf("group", string(g.Group)) }
	return resource[api.Group]{
		name: "groups",
		fields: []field[api.Group]{
			{"id", integer, "number of the group, the same at all times", false, func(g *api.Group) any { return id(g) }},
			{"name", text, "", true, func(g *api.Group) any { return string(g.Group) }},
		},
		filters: []filter[api.Group]{
			{"id", integer, exactLookups, func(g *api.Group) []string { return []string{strconv.Itoa(id(g))} }},
			{"name", text, exactLookups, func(g *api.Group) []string { return some(g.Group) }},
		},
	}
}

// allGroups returns the groups, to superusers.
func (q *request) allGroups() ([]api.Group, error) {
	if err := q.superuser(); err != nil {
		return nil, err
	}
	return asked[[]api.Group](q, "groups.list", api.GroupRequest{})
}

// listGroups answers GET groups/.
func listGroups(q *request) (answer, error) {
	rows, err := q.allGroups()
	if err != nil {
		return answer{}, err
	}
	return groups().list(q, rows)
}

// group returns the group that the address names by number, or by name.
func (q *request) group() (*api.Group, error) {
	rows, err := q.allGroups()
	if err != nil {
		return nil, err
	}
	id := q.r.PathValue("id")
	i := slices.IndexFunc(rows, func(g api.Group) bool {
		return strconv.Itoa(numberOf("group", string(g.Group))) == id || string(g.Group) == id
	})
	if i < 0 {
		return nil, notFound()
	}
	return &rows[i], nil
}

// showGroup answers GET groups/<id>/.
func showGroup(q *request) (answer, error) {
	g, err := q.group()
	if err != nil {
		return answer{}, err
	}
	return ok(groups().show(g))
}

// addGroup answers POST groups/.
// Members are put in by users/, or by groups join of strata.
func addGroup(q *request) (answer, error) {
	if err := q.superuser(); err != nil {
		return answer{}, err
	}
	var name string
	if err := q.fields(want{"name", &name, must}); err != nil {
		return answer{}, err
	}
	g := api.Group{Group: events.GroupName(name)}
	err := q.ask("groups.add", api.GroupRequest{Group: g.Group}, nil)
	if api.HasCode(err, api.Conflict) {
		return answer{}, invalid("name", "group with this name already exists.")
	}
	return answer{status: http.StatusCreated, body: groups().show(&g)}, err
}

// changeGroup refuses another name: permissions and jobs know the group by the one it has.
// LAVA's group has one field, so that nothing is left to change.
func changeGroup(q *request) (answer, error) {
	g, err := q.group()
	if err != nil {
		return answer{}, err
	}
	name := string(g.Group)
	if err := q.fields(want{"name", &name, may}); err != nil {
		return answer{}, err
	}
	if name != string(g.Group) {
		return answer{}, invalid("name", "A group keeps its name: add another one.")
	}
	return ok(groups().show(g))
}

// removeGroup answers DELETE groups/<id>/.
func removeGroup(q *request) (answer, error) {
	g, err := q.group()
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, q.ask("groups.remove", api.GroupRequest{Group: g.Group}, nil)
}

// remotes are the caller's own secrets for fetching artefacts.
// The values are shown to their owner, as LAVA does: jobs name secrets that their owner typed here.
func remotes() resource[api.RemoteToken] {
	return resource[api.RemoteToken]{
		name: "remote-artifact-tokens",
		fields: []field[api.RemoteToken]{
			{"name", text, "by which jobs name the secret", true, func(r *api.RemoteToken) any { return r.Name }},
			{"token", text, "the secret", true, func(r *api.RemoteToken) any { return r.Value }},
		},
		filters: []filter[api.RemoteToken]{{"name", text, textLookups, func(r *api.RemoteToken) []string { return some(r.Name) }}},
	}
}

// allRemotes returns them; others' are shown to nobody.
func (q *request) allRemotes() ([]api.RemoteToken, error) {
	if err := q.named(); err != nil {
		return nil, err
	}
	return asked[[]api.RemoteToken](q, "remote-tokens.list", nothing{})
}

// listRemotes answers GET remote-artifact-tokens/.
func listRemotes(q *request) (answer, error) {
	rows, err := q.allRemotes()
	if err != nil {
		return answer{}, err
	}
	return remotes().list(q, rows)
}

// remote returns the secret that the address names.
// By name and exactly; another's secret of the name is not there.
func (q *request) remote() (*api.RemoteToken, error) {
	rows, err := q.allRemotes()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(rows, func(r api.RemoteToken) bool { return r.Name == q.r.PathValue("name") })
	if i < 0 {
		return nil, notFound()
	}
	return &rows[i], nil
}

// showRemote answers GET remote-artifact-tokens/<name>/.
func showRemote(q *request) (answer, error) {
	r, err := q.remote()
	if err != nil {
		return answer{}, err
	}
	return ok(remotes().show(r))
}

// addRemote answers POST remote-artifact-tokens/.
// The verb would replace a value under the name: LAVA's name is unique for each user.
func addRemote(q *request) (answer, error) {
	var r api.RemoteToken
	if err := q.fields(want{"name", &r.Name, must}, want{"token", &r.Value, must}); err != nil {
		return answer{}, err
	}
	rows, err := q.allRemotes()
	if err != nil {
		return answer{}, err
	}
	if slices.ContainsFunc(rows, func(other api.RemoteToken) bool { return other.Name == r.Name }) {
		return answer{}, invalid("name", "remote artifact token with this name already exists.")
	}
	return answer{status: http.StatusCreated, body: remotes().show(&r)}, q.ask("remote-tokens.set", r, nil)
}

// changeRemote answers PUT and PATCH of a secret.
// Only the value changes; jobs know the secret by its name.
func changeRemote(q *request) (answer, error) {
	r, err := q.remote()
	if err != nil {
		return answer{}, err
	}
	if err := q.fields(want{"token", &r.Value, filled}); err != nil {
		return answer{}, err
	}
	return answer{body: remotes().show(r)}, q.ask("remote-tokens.set", *r, nil)
}

// removeRemote answers DELETE remote-artifact-tokens/<name>/.
func removeRemote(q *request) (answer, error) {
	r, err := q.remote()
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, q.ask("remote-tokens.remove", api.RemoteToken{Name: r.Name}, nil)
}
