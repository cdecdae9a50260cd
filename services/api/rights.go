package api

import (
	"strings"
	"unicode/utf8"

	"strata/events"
	"strata/events/lab"
)

// allow returns an error where the caller may not do that to an object.
func allow(s *lab.State, who caller, verb lab.Verb, kind events.Kind, id string) error {
	if s.Can(who.user, verb, events.Entity{Kind: kind, ID: id}) {
		return nil
	}
	return refuse(Denied, "%s may not %s %s", who.user, verb, strings.TrimSuffix(string(kind)+" "+id, " "))
}

// mayJob returns an error where the caller may not do that to a job.
func (a *api) mayJob(who caller, verb lab.Verb, job events.JobID) error {
	var err error
	a.read(func(s *lab.State) { err = allow(s, who, verb, events.Job, job.String()) })
	return err
}

// checkName refuses names that could not stand in an address or a list.
func checkName(field, name string, most int) error {
	wrong := ""
	switch {
	case name == "":
		wrong = "is missing"
	case len(name) > most:
		wrong = "is too long"
	case strings.Contains(name, "/"):
		wrong = "contains a slash"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		wrong = "contains characters that cannot be printed"
	case strings.TrimSpace(name) != name:
		wrong = "begins or ends with a blank"
	}
	if wrong == "" {
		return nil
	}
	return &Error{Code: Invalid, Field: field, Message: field + " " + wrong}
}

// knownWorker refuses a worker that is not registered; none is fine.
func knownWorker(s *lab.State, name events.WorkerName) error {
	if name != "" && s.Worker(name) == nil {
		return refuse(NotFound, "there is no worker %s: register it with `strata workers register %s`", name, name)
	}
	return nil
}
