package web

// The pages of users, groups and permissions. They hold no rules of their own beyond who may open them: what staff may give
// away, and to whom, the api decides, as it does for `strata users` and the doors of LAVA. A page that is refused is drawn
// again with the sentence of the refusal.

import (
	"net/url"
	"slices"
	"strings"
)

// usersPage lists accounts, inactive ones too: whoever looks for one wants to know that it is.
func usersPage(q *request) (page, error) { return q.users(nil) }

func (q *request) users(wrong error) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	all, err := asked[[]account](q, "users.list", map[string]any{"all": true})
	if err != nil {
		return page{}, err
	}
	// One word, of the strongest: it is what the column is filtered by (?state=staff).
	// Inactive outranks the rest: what such an account might do, it may not.
	may := func(a account) string {
		switch {
		case !a.Active:
			return "inactive"
		case a.Superuser:
			return "superuser"
		case a.Staff:
			return "staff"
		}
		return "active"
	}
	// Mail addresses are searched with the names, and not shown: whoever looks for one knows it.
	columns := []column[account]{
		{name: "user", title: "User", text: func(a account) string { return a.User }},
		{name: "name", title: "Name", text: func(a account) string { return a.FirstName + " " + a.LastName + " " + a.Email }, narrow: true},
		{name: "state", title: "Is", text: may, exact: true},
		{name: "group", title: "Groups", text: func(a account) string { return strings.Join(a.Groups, " ") }, narrow: true},
		{name: "tokens", title: "Tokens", number: true, order: func(a, b account) int { return a.Tokens - b.Tokens }},
		{name: "used", title: "Last use", order: func(a, b account) int { return a.LastUse.Compare(b.LastUse) }},
	}
	data := map[string]any{"List": list(q, "user", columns, all), "Name": q.PostFormValue("user")}
	return q.withWrong(page{template: "users", data: data, crumbs: adminCrumbs("Users"), styles: []string{"query.css"}, live: "user/", help: "people"}, wrong)
}

// addUser makes an account. Nobody can sign in with it yet: how its user proves who he is comes next, on its page.
// The name is trimmed, as a blank before or behind it is never meant and hard to see; what else a name may hold the api knows.
func addUser(q *request) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	name := strings.TrimSpace(q.PostFormValue("user"))
	in := map[string]any{"user": name}
	if v := q.PostFormValue("email"); v != "" {
		in["email"] = v
	}
	if err := q.ask("users.add", in, nil); err != nil {
		return q.users(err)
	}
	return page{to: "/admin/auth/user/" + url.PathEscape(name) + "/change/", note: "The account is there. Give it a password or a token."}, nil
}

// userPage shows one account.
func userPage(q *request) (page, error) { return q.userToChange(nil) }

func (q *request) userToChange(wrong error) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	// LAVA's address has the number of an account here; accounts have no numbers in this lab, so names stand in its place.
	user, err := asked[account](q, "users.show", map[string]any{"user": q.PathValue("name")})
	if err != nil {
		return page{}, err
	}
	groups, err := asked[[]groupOf](q, "groups.list", map[string]any{})
	if err != nil {
		return page{}, err
	}
	// Self hides what nobody does to oneself, such as removing the account; Super shows what only superusers give.
	data := map[string]any{"User": user, "Permissions": strings.Join(user.Permissions, "\n"), "Self": user.User == q.Name, "Super": q.Superuser}
	var names []string
	for _, g := range groups {
		if !slices.Contains(user.Groups, g.Group) { // those he is in stand above, with a button that takes him out
			names = append(names, g.Group)
		}
	}
	data["Groups"] = names
	// Staff see accounts, but not everybody's tokens: then the page has the rest.
	tokens, err := asked[[]issuedToken](q, "tokens.list", map[string]any{"user": user.User, "sessions": true})
	if err == nil {
		data["Tokens"] = tokens
	}
	// Who changed what, the newest first; `strata events user/NAME` has the rest.
	if facts, err := factsOf(q, "user/"+user.User); err == nil {
		slices.Reverse(facts)
		// Fifty: an account that is a program's may have had thousands of tokens.
		data["Facts"] = facts[:min(len(facts), 50)]
	}
	return q.withWrong(page{template: "user", data: data, title: user.User, crumbs: adminCrumbs(user.User, crumb{"Users", "/admin/auth/user/"}), styles: []string{"query.css"},
		live: "user/" + user.User, help: "people"}, wrong)
}

// saveUser changes an account, its groups, or ends one of its tokens: which of them the button says (do). All forms of the
// page go to its own address, as LAVA's do.
// A checkbox that is not ticked is not sent at all, so "save" reads each missing one as off; the other words of do send none.
func saveUser(q *request) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	name := q.PathValue("name")
	back := "/admin/auth/user/" + url.PathEscape(name) + "/change/"
	var err error
	note := "Saved."
	switch q.PostFormValue("do") {
	case "join", "leave":
		err = q.ask("groups."+q.PostFormValue("do"), map[string]any{"group": q.PostFormValue("group"), "user": name}, nil)
	case "revoke":
		err, note = q.ask("tokens.revoke", map[string]any{"user": name, "token": q.PostFormValue("token"), "reason": "revoked by " + q.Name}, nil), "The token is revoked."
	case "password":
		if q.PostFormValue("password") == "" { // the verb takes that for no password any more
			err = &Refusal{Code: "invalid", Field: "password", Message: "the new password is empty"}
			break
		}
		err, note = q.ask("users.set", map[string]any{"user": name, "password": q.PostFormValue("password")}, nil), "The password is set, and the sessions of "+name+" are over."
	case "remove":
		if err = q.ask("users.remove", map[string]any{"user": name}, nil); err == nil {
			return page{to: "/admin/auth/user/", note: "The account " + name + " is removed. Its jobs stay."}, nil
		}
	case "save":
		in := map[string]any{"user": name, "email": q.PostFormValue("email"), "first_name": q.PostFormValue("first_name"), "last_name": q.PostFormValue("last_name"),
			"active": q.PostFormValue("active") != ""}
		// The fields are disabled for others, and a disabled field is not sent: what is missing must not be read as off.
		if q.Superuser { // others do not even send what is not theirs to give
			in["staff"], in["superuser"] = q.PostFormValue("staff") != "", q.PostFormValue("superuser") != ""
			// Not nil even where the field is empty: nil would leave the permissions as they are.
			in["permissions"] = append([]string{}, strings.Fields(q.PostFormValue("permissions"))...)
		}
		err = q.ask("users.set", in, nil)
	default:
		err = unknownDo(q, "save", "join", "leave", "password", "revoke", "remove")
	}
	if err != nil {
		return q.userToChange(err)
	}
	return page{to: back, note: note}, nil
}

// groupsPage lists groups.
func groupsPage(q *request) (page, error) { return q.groups(nil) }

// All at once, with their members: a lab has some dozens of groups.
func (q *request) groups(wrong error) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	all, err := asked[[]groupOf](q, "groups.list", map[string]any{})
	if err != nil {
		return page{}, err
	}
	return q.withWrong(page{template: "groups", data: map[string]any{"Groups": all, "Name": q.PostFormValue("group")}, crumbs: adminCrumbs("Groups"), styles: []string{"query.css"}, live: "group/", help: "people"}, wrong)
}

// addGroup makes a group.
// A group that is empty may have permissions already, so that its members have them from the first moment.
func addGroup(q *request) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	name := strings.TrimSpace(q.PostFormValue("group"))
	if err := q.ask("groups.add", map[string]any{"group": name}, nil); err != nil {
		return q.groups(err)
	}
	return page{to: "/admin/auth/group/" + url.PathEscape(name) + "/change/", note: "The group is there."}, nil
}

// groupPage shows one group.
func groupPage(q *request) (page, error) { return q.groupToChange(nil) }

// Members are shown to staff, who may change them; the page of a member shows the same list ([request.profile]).
func (q *request) groupToChange(wrong error) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	g, err := asked[groupOf](q, "groups.show", map[string]any{"group": q.PathValue("name")})
	if err != nil {
		return page{}, err
	}
	return q.withWrong(page{template: "group", data: map[string]any{"Group": g, "Permissions": strings.Join(g.Permissions, "\n")}, title: g.Group,
		crumbs: adminCrumbs(g.Group, crumb{"Groups", "/admin/auth/group/"}), styles: []string{"query.css"}, live: "group/" + g.Group, help: "people"}, wrong)
}

// saveGroup changes a group: its members one by one, its permissions as a whole.
// Join and leave name one user each, so two people may change a group at the same time and neither undoes the other.
func saveGroup(q *request) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	name := q.PathValue("name")
	var err error
	switch do := q.PostFormValue("do"); do {
	case "join", "leave":
		err = q.ask("groups."+do, map[string]any{"group": name, "user": strings.TrimSpace(q.PostFormValue("user"))}, nil)
	case "remove":
		if err = q.ask("groups.remove", map[string]any{"group": name}, nil); err == nil {
			return page{to: "/admin/auth/group/", note: "Group " + name + " is removed."}, nil
		}
	case "save":
		err = q.ask("groups.set", map[string]any{"group": name, "permissions": append([]string{}, strings.Fields(q.PostFormValue("permissions"))...)}, nil)
	default:
		err = unknownDo(q, "save", "join", "leave", "remove")
	}
	if err != nil {
		return q.groupToChange(err)
	}
	return page{to: "/admin/auth/group/" + url.PathEscape(name) + "/change/", note: "Saved."}, nil
}

// permissionRow is who may do what with what. Where kind and name are empty it is everything; a group or a user has it,
// the latter of everything only.
// Permission is a word of LAVA's, such as view_device or submit_to_device. Kind is device, devicetype or worker.
type permissionRow struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Group      string `json:"group"`
	User       string `json:"user"`
	Permission string `json:"permission"`
}

// permissionsPage lists permissions.
func permissionsPage(q *request) (page, error) { return q.permissions(nil) }

// Where nothing restricts a thing, everybody with a name sees it: the page says so (Open is about people without one).
func (q *request) permissions(wrong error) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	all, err := asked[struct {
		Open bool            `json:"open"`
		Rows []permissionRow `json:"permissions"`
	}](q, "permissions.list", map[string]any{})
	if err != nil {
		return page{}, err
	}
	// What was typed into a form that was refused; of a page that is only looked at, nothing.
	form := permissionRow{q.PostFormValue("kind"), q.PostFormValue("name"), q.PostFormValue("group"), q.PostFormValue("user"), q.PostFormValue("permission")}
	data := map[string]any{"Open": all.Open, "Rows": all.Rows, "Form": form, "Kinds": []pair{{"", "everything"}, {"device", "the device"}, {"devicetype", "the device type"}, {"worker", "the worker"}}}
	return q.withWrong(page{template: "permissions", data: data, crumbs: adminCrumbs("Permissions"), styles: []string{"query.css"}, help: "people"}, wrong)
}

// changePermission grants or revokes one permission, or opens or closes the lab for people without a name.
// A kind without a name, or a name without a kind, is the api's to refuse. An empty field is not sent: it means everything.
func changePermission(q *request) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	in := map[string]any{}
	for _, name := range []string{"kind", "name", "group", "user", "permission", "reason"} {
		if v := strings.TrimSpace(q.PostFormValue(name)); v != "" {
			in[name] = v
		}
	}
	var err error
	note := "Granted."
	switch q.PostFormValue("do") {
	case "revoke":
		err, note = q.ask("permissions.revoke", in, nil), "Revoked."
	case "open", "close":
		open := q.PostFormValue("do") == "open"
		err, note = q.ask("permissions.open", map[string]any{"open": open}, nil), "The lab is closed to people without a name."
		if open {
			note = "People without a name see what no permission restricts."
		}
	case "grant":
		err = q.ask("permissions.grant", in, nil)
	default:
		err = unknownDo(q, "grant", "revoke", "open", "close")
	}
	if err != nil {
		return q.permissions(err)
	}
	return page{to: "/admin/auth/permission/", note: note}, nil
}
