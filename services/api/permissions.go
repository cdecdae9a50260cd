package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
)

// PermissionRequest is about what a group may do with one device, device type or worker, or what a user or
// group may do with everything.
// Names of permissions are LAVA's, such as submit_to_device, with or without their application.
type PermissionRequest struct {
	Kind       events.Kind      `json:"kind,omitempty"` // device, devicetype or worker; "": everything
	Name       string           `json:"name,omitempty"` // of the device, type or worker
	Group      events.GroupName `json:"group,omitempty"`
	User       events.UserName  `json:"user,omitempty"` // of everything only: there users may have permissions of their own
	Permission string           `json:"permission,omitempty"`
	Reason     string           `json:"reason,omitempty"`
}

// PermissionRow is a permission as it is shown.
type PermissionRow struct {
	Kind       events.Kind      `json:"kind,omitempty"` // "": everything
	Name       string           `json:"name,omitempty"`
	Group      events.GroupName `json:"group,omitempty"`
	User       events.UserName  `json:"user,omitempty"`
	Permission string           `json:"permission"`
}

// Permissions is what permissions.list answers.
// Rows of devices come first, then those of types, workers, groups and users, each in order of
// names.
type Permissions struct {
	Open bool            `json:"open"` // people without a name may look at what no permission restricts
	Rows []PermissionRow `json:"permissions"`
}

// rowsOf lists the permissions that a kind of thing may have.
func rowsOf(kind events.Kind) []string {
	switch kind {
	case events.Device:
		return []string{"view_device", "submit_to_device", "change_device"}
	case events.DeviceType:
		return []string{"view_devicetype", "submit_to_devicetype", "change_devicetype"}
	case events.Worker:
		return []string{"view_worker", "change_worker"}
	}
	return nil
}

// checkPermission refuses what is no permission on one thing, and returns its name without the application.
// The error's Field says whether kind or permission is at fault.
func checkPermission(kind events.Kind, permission string) (string, error) {
	name := strings.TrimPrefix(permission, "lava_scheduler_app.")
	allowed := rowsOf(kind)
	if allowed == nil {
		return "", &Error{Code: Invalid, Field: "kind", Message: fmt.Sprintf("kind is %q, allowed are device, devicetype and worker", kind)}
	}
	if !slices.Contains(allowed, name) {
		return "", &Error{Code: Invalid, Field: "permission", Message: fmt.Sprintf("permission is %q, allowed on a %s are %s", permission, kind, strings.Join(allowed, ", "))}
	}
	return name, nil
}

// rightsOn returns the rows on one thing, false where there is no such thing.
// The slice is the state's own: it must be copied before it is changed.
func rightsOn(s *lab.State, kind events.Kind, name string) (rows []events.Permission, known bool) {
	switch kind {
	case events.Device:
		if d := s.Device(events.DeviceName(name)); d != nil {
			return d.Permissions, true
		}
	case events.DeviceType:
		if t := s.DeviceType(events.DeviceTypeName(name)); t != nil {
			return t.Permissions, true
		}
	case events.Worker:
		if w := s.Worker(events.WorkerName(name)); w != nil {
			return w.Permissions, true
		}
	}
	return nil, false
}

// grants refuses callers who may not say what groups may do with a thing: staff may, and who may change all of
// its kind.
func grants(s *lab.State, who caller, kind events.Kind) error {
	if lab.Covers(who.scopes, lab.Administer, kind) && (s.Staff(who.user) || s.Permitted(who.user, "change_"+string(kind))) {
		return nil
	}
	return refuse(Denied, "%s may not see to permissions on a %s: staff may, and who has change_%s on everything", who.user, kind, kind)
}

// listPermissions answers with the rows of all things, and with what users and groups may do with
// everything.
// Superusers and staff see it whole; what a device's own rows are, whoever sees the device sees.
func (a *api) listPermissions(_ context.Context, who caller, in PermissionRequest) (out Permissions, err error) {
	out.Rows = []PermissionRow{}
	a.read(func(s *lab.State) {
		if err = oversees(s, who, false); err != nil {
			return
		}
		out.Open = s.Open()
		add := func(kind events.Kind, name string, rows []events.Permission) {
			for _, r := range rows {
				out.Rows = append(out.Rows, PermissionRow{Kind: kind, Name: name, Group: r.Group, Permission: r.Permission})
			}
		}
		for d := range s.Devices() {
			add(events.Device, string(d.Name), d.Permissions)
		}
		for t := range s.DeviceTypes() {
			add(events.DeviceType, string(t.Name), t.Permissions)
		}
		for w := range s.Workers() {
			add(events.Worker, string(w.Name), w.Permissions)
		}
		for g := range s.UserGroups() {
			for _, p := range g.Permissions {
				out.Rows = append(out.Rows, PermissionRow{Group: g.Name, Permission: p})
			}
		}
		for u := range s.Users() {
			for _, p := range u.Permissions {
				out.Rows = append(out.Rows, PermissionRow{User: u.User, Permission: p})
			}
		}
	})
	// Filters are those of the request; nothing is left out by rights, which oversees has settled
	// for all.
	out.Rows = slices.DeleteFunc(out.Rows, func(r PermissionRow) bool {
		return in.Kind != "" && r.Kind != in.Kind || in.Name != "" && r.Name != in.Name || in.Group != "" && r.Group != in.Group || in.User != "" && r.User != in.User
	})
	return out, err
}

func (a *api) grantPermission(ctx context.Context, who caller, in PermissionRequest) (none, error) {
	return none{}, a.changePermission(ctx, who, in, true)
}

func (a *api) revokePermission(ctx context.Context, who caller, in PermissionRequest) (none, error) {
	return none{}, a.changePermission(ctx, who, in, false)
}

// changePermission gives a permission, or takes it.
// What is so already is no fact. A group that has gone may be taken out of a thing's rows, not be
// put there.
func (a *api) changePermission(ctx context.Context, who caller, in PermissionRequest, give bool) error {
	if in.Kind == "" {
		return a.changeGlobal(ctx, who, in, give)
	}
	name, err := checkPermission(in.Kind, in.Permission)
	if err != nil {
		return err
	}
	// LAVA has rows for groups alone, too.
	if in.User != "" {
		return &Error{Code: Invalid, Field: "user", Message: "permissions on one thing are held by groups: put the user into one"}
	}
	return a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := grants(s, who, in.Kind); err != nil {
			return nil, err
		}
		rows, known := rightsOn(s, in.Kind, in.Name)
		row := events.Permission{Group: in.Group, Permission: name}
		has := slices.Contains(rows, row)
		switch {
		case !known:
			return nil, refuse(NotFound, "there is no %s %s", in.Kind, in.Name)
		case give && s.UserGroup(in.Group) == nil:
			return nil, noGroup(in.Group)
		case give == has:
			return nil, nil
		case give:
			rows = append(slices.Clone(rows), row)
		default:
			rows = slices.DeleteFunc(slices.Clone(rows), func(r events.Permission) bool { return r == row })
		}
		return []events.Event{events.PermissionsSet{Kind: in.Kind, Name: in.Name, Permissions: rows, By: who.user}}, nil
	})
}

// changeGlobal gives a user or a group a permission on everything, or takes it.
// Superusers alone may: it is how one becomes as good as one of them.
func (a *api) changeGlobal(ctx context.Context, who caller, in PermissionRequest, give bool) error {
	list, err := checkPermissions([]string{in.Permission})
	if err != nil {
		return err
	}
	if (in.User == "") == (in.Group == "") {
		return refuse(Invalid, "say either a user or a group who has the permission on everything, or what it is on")
	}
	change := func(had []string) []string {
		had = slices.DeleteFunc(slices.Clone(had), func(p string) bool { return p == list[0] })
		if give {
			had = append(had, list[0])
		}
		slices.Sort(had)
		return had
	}
	return a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := oversees(s, who, true); err != nil {
			return nil, err
		}
		if in.Group != "" {
			g := s.UserGroup(in.Group)
			if g == nil {
				return nil, noGroup(in.Group)
			}
			next := change(g.Permissions)
			if slices.Equal(next, g.Permissions) {
				return nil, nil
			}
			return []events.Event{events.GroupConfigured{Group: in.Group, Permissions: next, By: who.user, Reason: in.Reason}}, nil
		}
		u := s.User(in.User)
		if u == nil {
			return nil, noUser(in.User)
		}
		// The fact has the account whole, so all else is as it was.
		e := u.UserConfigured
		e.Permissions, e.By, e.Reason = change(e.Permissions), who.user, in.Reason
		if slices.Equal(e.Permissions, u.Permissions) {
			return nil, nil
		}
		return []events.Event{e}, nil
	})
}

// OpenRequest says whether people without a name may look at what no permission restricts.
type OpenRequest struct {
	Open   bool   `json:"open"`
	Reason string `json:"reason,omitempty"`
}

// openLab declares the lab open to look at, or closes it.
// It changes what everybody on the network sees, at once.
func (a *api) openLab(ctx context.Context, who caller, in OpenRequest) (none, error) {
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := oversees(s, who, true); err != nil {
			return nil, err
		}
		if s.Open() == in.Open {
			return nil, nil
		}
		return []events.Event{events.LabOpened{Open: in.Open, By: cmp.Or(who.user, lab.Local), Reason: in.Reason}}, nil
	})
}
