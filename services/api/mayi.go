package api

import (
	"context"
	"strconv"
	"strings"

	"strata/events"
	"strata/events/lab"
)

// RightsRequest asks what the caller may do with things, so that a page offers only what would be done.
// Only pages ask it: programs try, and are refused with a reason.
type RightsRequest struct {
	// Of names the things as events do, such as "job/42" and "device/q1"; "device/" means devices of any name.
	Of []string `json:"of"`
}

// Hands is a word of [Rights] that only devices have: the caller may switch its power and use its console (devices.hands), as
// who may change it may, and who has it reserved now.
const Hands lab.Verb = "hands"

// Rights answers RightsRequest: of each thing the verbs that the caller may use on it.
type Rights map[string][]lab.Verb

// maxRights bounds the things that one question is about.
const maxRights = 1000

// tellRights answers with rights. A thing that the caller may not see has none, as one that there is not.
// Only what is asked is in the answer, by the words of the question. Verbs are those of [lab.Verb], and [Hands].
func (a *api) tellRights(_ context.Context, who caller, in RightsRequest) (Rights, error) {
	if len(in.Of) > maxRights {
		return nil, refuse(Invalid, "of names %d things, at most %d are allowed", len(in.Of), maxRights)
	}
	out := Rights{}
	for _, name := range in.Of {
		kind, id, found := strings.Cut(name, "/")
		if !found || kind == "" {
			return nil, &Error{Code: Invalid, Field: "of", Message: "of has " + name + "; write job/42, device/NAME, worker/NAME, or device/ for any"}
		}
		out[name] = []lab.Verb{}
		if events.Kind(kind) == events.Job && id != "" && !a.mayDo(who, lab.View, events.Job, id) {
			continue // to resubmit a job takes a right on its device alone
		}
		for _, verb := range []lab.Verb{lab.View, lab.Submit, lab.Resubmit, lab.CancelJob, lab.Change, lab.Add, lab.Remove, lab.Administer} {
			if a.mayDo(who, verb, events.Kind(kind), id) {
				out[name] = append(out[name], verb)
			}
		}
		if events.Kind(kind) == events.Device && id != "" {
			var err error
			if a.read(func(s *lab.State) { _, err = a.mayHands(s, who, events.DeviceName(id)) }); err == nil {
				out[name] = append(out[name], Hands)
			}
		}
	}
	return out, nil
}

// mayDo says whether the caller may do one thing.
// A job may cost a question to the log; an error of that counts as no.
func (a *api) mayDo(who caller, verb lab.Verb, kind events.Kind, id string) (may bool) {
	if kind == events.Job && id != "" {
		n, err := strconv.ParseUint(id, 10, 64)
		return err == nil && a.mayJob(who, verb, events.JobID(n)) == nil
	}
	a.read(func(s *lab.State) { may = who.can(s, verb, events.Entity{Kind: kind, ID: id}) })
	return may
}
