package api

import (
	"context"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
)

// AnnotateRequest is a person's judgement of a job that is over: it takes the place of the one before.
// Empty tags and an empty comment take the judgement away.
type AnnotateRequest struct {
	Job     events.JobID `json:"job"`
	Tags    []string     `json:"tags,omitempty"`    // what it failed of; at most 50 words of 256 bytes
	Comment string       `json:"comment,omitempty"` // at most 4,000 bytes
}

// Bounds of a judgement: facts stay small.
const (
	maxFailureTags = 50
	maxFailureTag  = 256
	maxAnnotation  = 4000
)

// annotateJob records what a person says of a job's end.
// LAVA's form for failure tags and comment asks it, and its address for scripts.
func (a *api) annotateJob(ctx context.Context, who caller, in AnnotateRequest) (none, error) {
	var tags []string
	for _, t := range in.Tags {
		// What the web sends is cut at commas and blanks: empty words and doubles are no mistake.
		if t = strings.TrimSpace(t); t != "" && !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
		if err := checkName("tags", t, maxFailureTag); t != "" && err != nil {
			return none{}, err
		}
	}
	switch {
	case len(tags) > maxFailureTags:
		return none{}, &Error{Code: Invalid, Field: "tags", Message: "a job has at most 50 failure tags"}
	case len(in.Comment) > maxAnnotation:
		return none{}, &Error{Code: Invalid, Field: "comment", Message: "comment is too long: at most 4,000 bytes are kept"}
	}
	facts, err := a.jobFacts(ctx, in.Job)
	if err != nil {
		return none{}, err
	}
	if err := a.mayJob(who, lab.Change, in.Job); err != nil {
		return none{}, err
	}
	j, known := viewFacts(facts)
	switch {
	case !known:
		return none{}, noJob(in.Job, "there is no job %d", in.Job)
	// LAVA has judgements of jobs that are over alone, too.
	case !j.Over():
		return none{}, refuse(Conflict, "job %s is not over: there is no end to judge yet", j.Display)
	}
	fact := events.JobAnnotated{Job: in.Job, Tags: tags, Comment: strings.TrimSpace(in.Comment), By: who.user}
	// Unconditional but for the sequence: of two judgements at the same moment the later one stands, as it would a minute later.
	return none{}, a.record(ctx, who, func(*lab.State) ([]events.Event, error) { return []events.Event{fact}, nil })
}
