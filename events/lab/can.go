package lab

import "strata/events"

// Verb is what somebody wants to do with an entity. A stronger one includes the weaker.
type Verb string

// The verbs, from the weakest.
const (
	View       Verb = "view"
	Submit     Verb = "submit"     // jobs to a device or device type
	Change     Verb = "change"     // a job's priority or notes, a device's health or settings; cancels jobs
	Administer Verb = "administer" // add and remove devices, types, workers, tags; do anything
)

// Local is the user that people on the machine itself come in as.
const Local events.UserName = "local"

// LavaHealth is the user that health checks are submitted by.
const LavaHealth events.UserName = "lava-health"

// Can says whether a user may do something with an entity: the one table of rights, for the doors
// and for the bus alike. A kind without an id asks about all entities of the kind.
//
// [Local] may do everything. A job may be seen and changed by its submitter, and seen by everybody
// where it is public. Whatever is not a job may be seen by every named user, and jobs may be
// submitted to every device type; saved queries and charts are their owners', see [State.canQuery]. TODO: rights of groups on devices, types and workers, with their
// facts.
func (s *State) Can(user events.UserName, verb Verb, object events.Entity) bool {
	if user == Local {
		return true
	}
	if user == "" {
		return false
	}
	if object.Kind == events.Job || object.Kind == events.Result || object.Kind == events.Notification {
		return s.canJob(user, verb, object)
	}
	if object.Kind == events.Query {
		return s.canQuery(user, verb, object.ID)
	}
	if object.Kind == events.Chart {
		return s.canChart(user, verb, object.ID)
	}
	switch verb {
	case View:
		return true
	case Submit:
		return object.Kind == events.DeviceType || object.Kind == events.Device
	}
	return false
}

// canJob answers for a job in memory or just past. Of an older one nothing is known here: its
// submitter and visibility stand in its first fact.
func (s *State) canJob(user events.UserName, verb Verb, object events.Entity) bool {
	id, err := jobNumber(object.ID)
	if err != nil {
		return false
	}
	owner, public := events.UserName(""), false
	if j := s.jobs[id]; j != nil {
		owner, public = j.User, j.Visibility.Public
	} else if p, ok := s.past.find(id); ok {
		owner, public = p.User, p.Public
	}
	switch verb {
	case View:
		return owner == user || public
	case Change:
		return owner == user
	}
	return false
}
