package lab

import (
	"slices"
	"strings"

	"strata/events"
)

// Verb is what somebody wants to do with an entity.
type Verb string

// The verbs.
const (
	View       Verb = "view"
	Submit     Verb = "submit"   // jobs to a device or device type
	Resubmit   Verb = "resubmit" // a job once more, as LAVA's pages have it
	CancelJob  Verb = "cancel"
	Change     Verb = "change"     // a job's priority or notes, a device's health or settings, an account's own tokens
	Add        Verb = "add"        // a thing of a kind
	Remove     Verb = "remove"     // a thing
	Administer Verb = "administer" // all else: import, policies, accounts, rights, tokens of workers
)

// Local is the administrator that every lab has: whoever holds the credential that follows from the lab's
// key, see access.Key.Administrator. It needs no account; an inactive account of the name shuts it out.
const Local events.UserName = "local"

// LavaHealth is the user that health checks are submitted by. Nobody can be signed in as it.
const LavaHealth events.UserName = "lava-health"

// needs returns the scope that a token must have for a verb.
func (v Verb) needs() events.Scope {
	switch v {
	case View:
		return events.ScopeView
	case Submit, Resubmit, CancelJob:
		return events.ScopeSubmit
	case Change:
		return events.ScopeChange
	}
	return events.ScopeAdminister
}

// scopes are in the order in which each includes those before it.
func scopes() []events.Scope {
	return []events.Scope{events.ScopeView, events.ScopeSubmit, events.ScopeChange, events.ScopeAdminister}
}

// Covers says that a token with these scopes may be used for a verb; without any it is not limited. Of jobs
// a submitter's token may change what is the submitter's.
func Covers(held []events.Scope, verb Verb, kind events.Kind) bool {
	if len(held) == 0 {
		return true
	}
	need := verb.needs()
	if verb == Change && kind == events.Job {
		need = events.ScopeSubmit
	}
	for _, h := range held {
		if slices.Index(scopes(), h) >= slices.Index(scopes(), need) {
			return true
		}
	}
	return false
}

// Can says whether a user may do something with an entity: the one table of rights, for the doors and for
// the bus alike. A kind without an id asks about all entities of the kind. "" is somebody without a name;
// a name without an account is signed in and has no rights of its own.
//
// The rules are LAVA's: superusers may do everything, inactive accounts nothing. Permissions are held by
// groups on one device, device type or worker, a stronger one including the weaker, or by users and groups
// on everything, by their exact name. Where a thing has no row for a permission, it is open: to look at for
// all, to submit to for everybody with a name, to change for nobody. A device without a row goes by its
// type. People without a name see only what is open, and that only once the lab was declared open
// ([events.LabOpened]).
func (s *State) Can(user events.UserName, verb Verb, object events.Entity) bool {
	switch {
	case s.shutOut(user):
		return false
	case s.Superuser(user):
		return !s.retired(verb, object)
	}
	switch object.Kind {
	case events.Job, events.Result, events.Notification:
		return s.canJobNumber(user, verb, object.ID)
	case events.Device:
		return s.canDevice(user, verb, events.DeviceName(object.ID))
	case events.DeviceType:
		return s.canType(user, verb, events.DeviceTypeName(object.ID))
	case events.Worker:
		return s.canWorker(user, verb, events.WorkerName(object.ID))
	case events.Query:
		return s.canQuery(user, verb, object.ID)
	case events.Chart:
		return s.canChart(user, verb, object.ID)
	case events.Tag:
		return verb == View || s.modelled(user, verb, "tag")
	case events.User:
		return user != "" && object.ID == string(user) && (verb == View || verb == Change)
	case events.Group:
		return verb == View && (s.InGroup(user, events.GroupName(object.ID)) || s.Staff(user) || s.holds(user, "auth.view_group"))
	case events.KnownIssues, events.Policy, events.Scheduling, events.Reservation, events.Lab:
		return verb == View && (user != "" || object.Kind == events.KnownIssues || object.Kind == events.Reservation)
	}
	return false
}

// Superuser says that a user may do everything.
func (s *State) Superuser(user events.UserName) bool {
	u := s.people.users[user]
	if u == nil {
		return user == Local
	}
	return !u.Inactive && (u.Superuser || user == Local)
}

// Staff says that a user may see to others' groups and permissions, as LAVA's staff may.
func (s *State) Staff(user events.UserName) bool {
	u := s.people.users[user]
	return s.Superuser(user) || u != nil && u.Staff && !u.Inactive
}

// shutOut says that a user may do nothing at all.
func (s *State) shutOut(user events.UserName) bool {
	if user == "" {
		return !s.people.open
	}
	u := s.people.users[user]
	return u != nil && u.Inactive
}

// retired says that a verb is to submit to a device that takes nothing, which not even superusers may.
func (s *State) retired(verb Verb, object events.Entity) bool {
	if verb != Submit || object.Kind != events.Device {
		return false
	}
	d := s.devices[events.DeviceName(object.ID)]
	return d != nil && d.Health == events.Retired
}

// permissionApp stands before LAVA's permissions on devices, types, workers, tags and jobs.
const permissionApp = "lava_scheduler_app."

// FullPermission returns a permission with the application that it is of, where that was left out.
func FullPermission(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return permissionApp + name
}

// Permitted says that a user has a permission on everything: by its exact name, of its own or of a group. A name
// without an application is one of lava_scheduler_app. Superusers have all.
func (s *State) Permitted(user events.UserName, permission string) bool {
	return !s.shutOut(user) && (s.Superuser(user) || s.holds(user, FullPermission(permission)))
}

func (s *State) holds(user events.UserName, full string) bool {
	if u := s.people.users[user]; u != nil && slices.Contains(u.Permissions, full) {
		return true
	}
	for _, g := range s.people.strong {
		if slices.Contains(g.Permissions, full) && s.InGroup(user, g.Name) {
			return true
		}
	}
	return false
}

// modelled says that a permission on all things of a kind lets a user do what changes the lab's inventory.
// LAVA asks for change_… where XML-RPC adds a thing, and for add_… in the pages of its administration.
func (s *State) modelled(user events.UserName, verb Verb, model string) bool {
	switch verb {
	case Add:
		return s.holds(user, permissionApp+"add_"+model) || s.holds(user, permissionApp+"change_"+model)
	case Remove:
		return s.holds(user, permissionApp+"delete_"+model)
	case Change:
		return s.holds(user, permissionApp+"change_"+model)
	}
	return false
}

// row is a permission that stands on one thing: its model's, in order of strength.
type rowNames [3]string // view, submit, change; "" where the model has none

func deviceRows() rowNames { return rowNames{"view_device", "submit_to_device", "change_device"} }
func typeRows() rowNames {
	return rowNames{"view_devicetype", "submit_to_devicetype", "change_devicetype"}
}
func workerRows() rowNames { return rowNames{"view_worker", "", "change_worker"} }

// strength is the place of a verb in rowNames.
func strength(verb Verb) int {
	switch verb {
	case View:
		return 0
	case Submit:
		return 1
	}
	return 2
}

// restricted says that a thing has a row for exactly that permission: it is open to nobody else.
func restricted(rows []events.Permission, name string) bool {
	for _, r := range rows {
		if r.Permission == name {
			return true
		}
	}
	return false
}

// granted says that a user has a permission: on everything, or by a row of it or of a stronger one.
func (s *State) granted(user events.UserName, rows []events.Permission, names rowNames, at int) bool {
	if s.holds(user, permissionApp+names[at]) {
		return true
	}
	for _, r := range rows {
		for _, name := range names[at:] {
			if name != "" && r.Permission == name && s.InGroup(user, r.Group) {
				return true
			}
		}
	}
	return false
}

// canDevice answers for a device; one that the lab does not have goes by permissions on everything.
func (s *State) canDevice(user events.UserName, verb Verb, name events.DeviceName) bool {
	if verb == Add || verb == Remove {
		return s.modelled(user, verb, "device")
	}
	if verb != View && verb != Submit && verb != Change {
		return false
	}
	d := s.devices[name]
	if d == nil {
		return verb == View || s.holds(user, permissionApp+deviceRows()[strength(verb)])
	}
	if verb == Submit && d.Health == events.Retired {
		return false
	}
	if verb == Submit && user == LavaHealth {
		return true
	}
	names, at := deviceRows(), strength(verb)
	if s.granted(user, d.Permissions, names, at) {
		return true
	}
	return !restricted(d.Permissions, names[at]) && s.canType(user, verb, d.Type)
}

func (s *State) canType(user events.UserName, verb Verb, name events.DeviceTypeName) bool {
	if verb == Add || verb == Remove {
		return s.modelled(user, verb, "devicetype")
	}
	if verb != View && verb != Submit && verb != Change {
		return false
	}
	names, at := typeRows(), strength(verb)
	var rows []events.Permission
	if t := s.types[name]; t != nil {
		rows = t.Permissions
	}
	if s.granted(user, rows, names, at) {
		return true
	}
	switch verb {
	case View:
		return !restricted(rows, names[at])
	case Submit:
		return user != "" && !restricted(rows, names[at])
	}
	return false
}

func (s *State) canWorker(user events.UserName, verb Verb, name events.WorkerName) bool {
	if verb == Add || verb == Remove {
		return s.modelled(user, verb, "worker")
	}
	if verb != View && verb != Change {
		return false
	}
	names, at := workerRows(), strength(verb)
	var rows []events.Permission
	if w := s.workers[name]; w != nil {
		rows = w.Permissions
	}
	return s.granted(user, rows, names, at) || verb == View && !restricted(rows, names[at])
}

// JobRights is what rights on a job hang on.
type JobRights struct {
	User   events.UserName
	Public bool
	Groups []events.GroupName    // that may see it: who belongs to all of them
	Device events.DeviceName     // that it has or had; "": none
	Type   events.DeviceTypeName // that it asked for; "" of a guest
	Hosts  []events.DeviceTypeName
	// Hosts are the types that the other parts of a guest's group asked for.
}

// canJobNumber answers for a job in memory or just past. Of an older one nothing is known here: who has
// read its facts asks [State.CanJob].
func (s *State) canJobNumber(user events.UserName, verb Verb, id string) bool {
	number, err := jobNumber(id)
	if err != nil {
		return false
	}
	r, known := s.JobRights(number)
	return known && s.CanJob(user, verb, r)
}

// JobRights returns what rights on a job hang on, false where the job is not known here any more.
func (s *State) JobRights(id events.JobID) (JobRights, bool) {
	if j := s.jobs[id]; j != nil {
		return s.rightsOf(j), true
	}
	if p, ok := s.past.find(id); ok {
		return JobRights{p.User, p.Public, p.Groups, p.Device, p.Type, p.Hosts}, true
	}
	return JobRights{}, false
}

func (s *State) rightsOf(j *Job) JobRights {
	r := JobRights{User: j.User, Public: j.Visibility.Public, Groups: j.Visibility.Groups, Type: j.DeviceType}
	if j.Run != nil {
		r.Device = j.Run.Device
	}
	if j.Guest() {
		for _, other := range s.Group(j.Part.Group) {
			if other.DeviceType != "" && !slices.Contains(r.Hosts, other.DeviceType) {
				r.Hosts = append(r.Hosts, other.DeviceType)
			}
		}
	}
	return r
}

// CanJob says whether a user may do something with a job of which that is known.
func (s *State) CanJob(user events.UserName, verb Verb, j JobRights) bool {
	switch {
	case s.shutOut(user):
		return false
	case s.Superuser(user), user != "" && user == j.User:
		return verb != Administer && verb != Add || s.Superuser(user)
	}
	switch verb {
	case View:
		return s.seesJob(user, j)
	case Change:
		return s.changesJob(user, j)
	case CancelJob:
		return s.changesJob(user, j) || s.holds(user, permissionApp+"change_testjob")
	case Remove:
		return s.holds(user, permissionApp+"delete_testjob")
	case Resubmit:
		if s.changesJob(user, j) || s.holds(user, permissionApp+"change_testjob") {
			return true
		}
		if j.Device != "" {
			return s.canDevice(user, Submit, j.Device)
		}
		var rows []events.Permission
		if t := s.types[s.Resolve(j.Type)]; t != nil {
			rows = t.Permissions
		}
		return j.Type != "" && s.granted(user, rows, typeRows(), strength(Submit))
	}
	return false
}

// seesJob says whether somebody who has not submitted it may see a job.
func (s *State) seesJob(user events.UserName, j JobRights) bool {
	if len(j.Groups) > 0 {
		for _, g := range j.Groups {
			if !s.InGroup(user, g) {
				return false
			}
		}
		return true
	}
	switch {
	case !j.Public:
		return false
	case j.Device != "" && s.devices[j.Device] != nil:
		return s.canDevice(user, View, j.Device)
	case j.Type != "":
		return s.canType(user, View, s.Resolve(j.Type))
	}
	for _, t := range j.Hosts {
		if !s.canType(user, View, s.Resolve(t)) {
			return false
		}
	}
	return true
}

// changesJob says whether a right on its device, or before it has one on its type, lets a user change a job.
func (s *State) changesJob(user events.UserName, j JobRights) bool {
	if j.Device != "" {
		return s.devices[j.Device] != nil && s.canDevice(user, Change, j.Device)
	}
	return j.Type != "" && s.canType(user, Change, s.Resolve(j.Type))
}
