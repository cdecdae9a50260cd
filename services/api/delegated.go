package api

import (
	"strata/events"
	"strata/events/lab"
)

// LAVA's permissions on accounts and groups (auth.view_user, auth.change_group and so on) let others than superusers
// see to them. In LAVA whoever may change accounts may make one a superuser; here such a permission is for what makes
// nobody more than they are: ordinary accounts, and groups without permissions on everything.

// delegated says that a caller has one of these permissions, such as "auth.change_user".
func delegated(s *lab.State, who caller, permission string) bool {
	return lab.Covers(who.scopes, lab.Administer, "") && s.Permitted(who.user, permission)
}

// ordinary says that a request makes of an account nothing that others are not.
func (in UserRequest) ordinary() bool {
	isSet := func(flag *bool) bool { return flag != nil && *flag }
	return !isSet(in.Staff) && !isSet(in.Superuser) && in.Identity == nil && in.Permissions == nil && in.Password == nil
}

// ordinaryUser says that an account has no rights by itself.
// The machine's own administrator is none of the ordinary, whatever account it has.
func ordinaryUser(s *lab.State, name events.UserName) bool {
	u := s.User(name)
	return name != lab.Local && !s.Superuser(name) && !s.Staff(name) && (u == nil || len(u.Permissions) == 0)
}

// maySetUser refuses callers who may not do that with an account: superusers may, and for ordinary accounts who has
// one of the permissions.
func maySetUser(s *lab.State, who caller, in UserRequest, permissions ...string) error {
	err := oversees(s, who, true)
	if err == nil {
		return nil
	}
	for _, p := range permissions {
		if delegated(s, who, p) && in.ordinary() && ordinaryUser(s, in.User) {
			return nil
		}
	}
	return err
}

// maySee refuses callers who may not look at others' accounts, or at all groups.
func maySee(s *lab.State, who caller, permission string) error {
	if delegated(s, who, permission) {
		return nil
	}
	return oversees(s, who, false)
}

// groupRight is who, beside superusers, may do something with a group.
// Superusers may in any case, unless their token is for less.
type groupRight struct {
	staff       bool
	permissions []string // any of them
}

// maySetGroup refuses callers who may not do that with a group: superusers may, staff where they may, and who has one
// of the permissions where the group gives no permissions.
func maySetGroup(s *lab.State, who caller, in GroupRequest, staff bool, permissions ...string) error {
	err := oversees(s, who, true)
	if err == nil || staff && lab.Covers(who.scopes, lab.Administer, "") && s.Staff(who.user) {
		return nil
	}
	g := s.UserGroup(in.Group)
	for _, p := range permissions {
		if delegated(s, who, p) && in.Permissions == nil && (g == nil || len(g.Permissions) == 0) {
			return nil
		}
	}
	return err
}
