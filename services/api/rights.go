package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// allow returns an error where the caller may not do that to an object.
// It is for things in the state; rights on a job that is over hang on its facts: see [api.mayJob]. The error is [Denied].
func allow(s *lab.State, who caller, verb lab.Verb, kind events.Kind, id string) error {
	if who.can(s, verb, events.Entity{Kind: kind, ID: id}) {
		return nil
	}
	if err := covered(who, verb, kind); err != nil {
		return err
	}
	name := cmp.Or(who.user, "somebody without a name")
	e := refuse(Denied, "%s may not %s %s", name, verb, strings.TrimSuffix(string(kind)+" "+id, " "))
	if kind == events.Job && verb == lab.View {
		e.hides = notSeen(id, who)
	}
	return e
}

// covered refuses a caller whose token is not for that. What hangs on something else than [lab.State.Can], such as on who
// has a device reserved, asks it beside.
func covered(who caller, verb lab.Verb, kind events.Kind) error {
	if lab.Covers(who.scopes, verb, kind) {
		return nil
	}
	return notFor(who)
}

// notFor is told to a caller whose token is not for what its user may do: another token of the same user is what helps.
func notFor(who caller) *Error {
	return refuse(Denied, "the token is not for that: it may be used for %s", scopesText(who.scopes))
}

// mayJob returns an error where the caller may not do that to a job. Of one that the caller may not even see the
// error is the same whatever was asked, and on the bus the same as of one that there is not.
// It may read the log, so it must not be called with the state in hand.
func (a *api) mayJob(who caller, verb lab.Verb, job events.JobID) error {
	var rights lab.JobRights
	known, all := false, false
	a.read(func(s *lab.State) {
		rights, known = s.JobRights(job)
		// Superusers, and jobs in the state, are answered without a question to the broker.
		all = who.can(s, verb, events.Entity{Kind: events.Job, ID: job.String()})
	})
	if all {
		return nil
	}
	if !known {
		var err error
		if rights, known, err = a.rightsOfOld(job); err != nil {
			return err
		}
	}
	sees, may := false, false
	if known {
		a.read(func(s *lab.State) {
			sees = lab.Covers(who.scopes, lab.View, events.Job) && s.CanJob(who.user, lab.View, rights)
			may = lab.Covers(who.scopes, verb, events.Job) && s.CanJob(who.user, verb, rights)
		})
	}
	switch {
	case may:
		return nil
	case !sees:
		return unseen(who, verb, job)
	}
	if err := covered(who, verb, events.Job); err != nil {
		return err
	}
	return refuse(Denied, "%s may not %s job %s", cmp.Or(who.user, "somebody without a name"), verb, job)
}

// unseen is the error about a job that the caller may not even see.
func unseen(who caller, verb lab.Verb, job events.JobID) *Error {
	e := refuse(Denied, "%s may not %s job %s", cmp.Or(who.user, "somebody without a name"), verb, job)
	e.hides = notSeen(job.String(), who)
	return e
}

// seesJob says of jobs whether the caller may see them.
func (a *api) seesJob(who caller) func(events.JobID) bool {
	return func(job events.JobID) bool { return a.mayJob(who, lab.View, job) == nil }
}

// mayAttempt refuses callers who may see a job and not the further attempt of it, such as one on a device that is hidden
// from them: as one with its attempts a job is as hidden as the one that counts, and lists leave it out too.
func (a *api) mayAttempt(who caller, first, further events.JobID) error {
	err := a.mayJob(who, lab.View, further)
	if HasCode(err, Denied) {
		return unseen(who, lab.View, first)
	}
	return err
}

// rightsOfOld returns what rights on a job hang on that the state does not know: it is long over, and its own facts
// tell, or nobody has looked at its definition yet, which is then its submitter's alone.
func (a *api) rightsOfOld(job events.JobID) (r lab.JobRights, known bool, err error) {
	// Many who ask have no context at hand; the time bounds it.
	ctx, cancel := context.WithTimeout(context.Background(), visibleWithin)
	defer cancel()
	facts, err := a.log.Load(ctx, events.Entity{Kind: events.Job, ID: job.String()})
	if err != nil || len(facts) > 0 {
		r, known = rightsByFacts(facts)
		if known && r.Type == "" { // a guest: it may have run beside any
			a.read(func(s *lab.State) {
				for t := range s.DeviceTypes() {
					// Whoever may not see one of these types may not see it: a doubt counts against
					// the caller.
					r.Hosts = append(r.Hosts, t.Name)
				}
			})
		}
		return r, known, err
	}
	// A part's text has a number of its own and is nobody's job until submission says so.
	s, err := a.log.Submission(ctx, uint64(job))
	if errors.Is(err, stream.ErrNoSubmission) || err == nil && s.Parent != 0 {
		return r, false, nil
	}
	return lab.JobRights{User: submitter(s)}, err == nil, err
}

// submitter returns who submitted a definition: what doors submit names the user in a header.
// The header counts on the doors' own subject alone: anybody may write it on theirs.
func submitter(s stream.Submission) events.UserName {
	if user := s.Header.Get(events.HeaderUser); s.User == events.DoorUser && user != "" {
		return events.UserName(user)
	}
	return s.User
}

// rightsByFacts returns what rights on a job hang on, from all its facts. Of a guest the parts that it ran
// beside are not known.
func rightsByFacts(facts []stream.Recorded) (r lab.JobRights, known bool) {
	for _, f := range facts {
		switch e := f.Event.(type) {
		case events.JobSubmitted:
			r = lab.JobRights{User: e.User, Public: e.Visibility.Public, Groups: e.Visibility.Groups, Type: e.DeviceType}
			known = true
		case events.JobRejected:
			r, known = lab.JobRights{User: e.User}, true
		case events.JobScheduled:
			r.Device = e.Device
		// The order came back without having begun: the device that it was on says nothing about the job.
		case events.JobReturned:
			r.Device = ""
		}
	}
	return r, known
}

// checkName refuses names that could not stand in an address or a list. What is left is what LAVA lets
// devices, device types and workers be called.
// most is in bytes, as LAVA's columns are. field is the request's name of it, which the message begins with.
func checkName(field, name string, most int) error {
	wrong := ""
	switch {
	case name == "":
		return &Error{Code: Invalid, Field: field, Message: field + " is missing"}
	case len(name) > most:
		wrong = fmt.Sprintf("is too long: it has %d bytes", len(name))
	// Names stand in addresses of pages and of REST, where a slash ends them.
	case strings.Contains(name, "/"):
		wrong = "contains a slash"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		wrong = "contains characters that cannot be printed"
	case strings.TrimSpace(name) != name:
		wrong = "begins or ends with a blank"
	case name == "." || name == "..":
		wrong = "means a folder"
	default:
		return nil
	}
	return &Error{Code: Invalid, Field: field, Message: fmt.Sprintf(
		"%s %s: %.40q; allowed are up to %d printable characters without a slash, and no blank at an end", field, wrong, name, most)}
}

// maxReasonRunes bounds the reasons that people give. Services repeat them in facts and orders of their own, a little
// longer: one that just fitted into the request could never be recorded there, and nothing behind it either.
const maxReasonRunes = 1000

// checkReason refuses a request whose reason is too long. It looks at all verbs alike: "reason" is the same in each.
func checkReason(body []byte) error {
	if len(body) <= maxReasonRunes {
		return nil
	}
	var in struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal(body, &in) != nil {
		return nil // the verb says what is wrong with it
	}
	if n := len([]rune(in.Reason)); n > maxReasonRunes {
		return &Error{Code: Invalid, Field: "reason", Message: fmt.Sprintf("reason has %d characters, at most %d are allowed", n, maxReasonRunes)}
	}
	return nil
}

// checkTag refuses names that a new tag may not have: LAVA's forms take letters, digits, hyphens and
// underscores. A tag that the lab has already, such as an imported one, may have another.
func checkTag(s *lab.State, tag events.TagName) error {
	odd := func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if name := string(tag); name != "" && s.Tag(tag) == nil && (len(name) > maxTagBytes || strings.ContainsFunc(name, odd)) {
		return &Error{Code: Invalid, Field: "tag", Message: fmt.Sprintf(
			"tag %.40q: a tag has up to %d letters, digits, hyphens and underscores", name, maxTagBytes)}
	}
	return checkName("tag", string(tag), maxNameBytes)
}

// knownWorker refuses a worker that is not registered; none is fine.
// It is for what a request names, not for what a device has: that may hang on a worker that is gone.
func knownWorker(s *lab.State, name events.WorkerName) error {
	if name != "" && s.Worker(name) == nil {
		return refuse(NotFound, "there is no worker %s: register it with `strata workers register %s`", name, name)
	}
	return nil
}
