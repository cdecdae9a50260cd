package api

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// A job has one number on the bus, and the jobs of a multinode group have a second one, by which people
// know them: 41.2 is the third part of submission 41, whatever number its text got. Requests may name a
// job by either, as a number or as text. Only this file knows which belongs to which.

// named is a request with the job that it names by text, in "job" or as the entity "job/41.2", replaced
// by that job's number. All else is left for the verb to judge.
// Requests that name no job by text come back byte for byte. A field of that name at a deeper level
// is not looked at.
func (a *api) named(ctx context.Context, who caller, body []byte) ([]byte, error) {
	// Most requests name none, and are spared being taken apart.
	if !bytes.Contains(body, []byte(`"job`)) {
		return body, nil
	}
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(body, &fields) != nil {
		return body, nil
	}
	var job, entity string
	if json.Unmarshal(fields["job"], &job) == nil && job != "" {
		id, err := a.number(ctx, who, job)
		if err != nil {
			return nil, err
		}
		fields["job"] = []byte(id.String())
	} else if json.Unmarshal(fields["entity"], &entity) == nil && strings.HasPrefix(entity, string(events.Job)+"/") {
		id, err := a.number(ctx, who, strings.TrimPrefix(entity, string(events.Job)+"/"))
		if err != nil {
			return nil, err
		}
		fields["entity"] = []byte(strconv.Quote(events.Entity{Kind: events.Job, ID: id.String()}.String()))
	} else {
		return body, nil
	}
	return json.Marshal(fields)
}

// number returns the job that people call by a text: "42", "#42", or "41.2" for a part of a group.
// That a group is there, and how many parts it has, is told to those who may see it.
// Of a plain number it is not asked whether there is such a job: the verb says so, in its own words.
func (a *api) number(ctx context.Context, who caller, text string) (events.JobID, error) {
	first, nth, isPart := strings.Cut(strings.TrimPrefix(text, "#"), ".")
	whole, err := strconv.ParseUint(first, 10, 64)
	if err != nil || whole == 0 {
		return 0, &Error{Code: Invalid, Field: "job", Message: strconv.Quote(text) + " is not a job number: write it like 42, or 41.2 for a part of a group"}
	}
	id := events.JobID(whole)
	if !isPart {
		return id, nil
	}
	// A group has at most some hundred parts: what does not fit into 16 bits is no part's number.
	n, err := strconv.ParseUint(nth, 10, 16)
	if err != nil {
		return 0, &Error{Code: Invalid, Field: "job", Message: strconv.Quote(text) + " is not a job number: write it like 42, or 41.2 for a part of a group"}
	}
	facts, err := a.jobFacts(ctx, id)
	if HasCode(err, NotFound) {
		return 0, noJob(text, "%v", err)
	} else if err != nil {
		return 0, err
	}
	if a.mayJob(who, lab.View, id) != nil {
		return 0, noJob(text, "there is no job %s", text)
	}
	parts, of := split(facts), id
	if of = parentOf(facts); of != id {
		return 0, noJob(text, "there is no job %s: job %d is itself a part of group %d", text, id, of)
	}
	switch {
	case len(parts) == 0:
		return 0, noJob(text, "there is no job %s: job %d is not a group", text, id)
	case n >= uint64(len(parts)):
		return 0, noJob(text, "there is no job %s: the parts of job %d are %d.0 to %d.%d", text, id, id, id, len(parts)-1)
	case a.mayJob(who, lab.View, parts[n]) != nil: // its device is hidden; the verb would name the number that it has
		return 0, noJob(text, "there is no job %s", text)
	}
	return parts[n], nil
}

// split returns the jobs into which a submission was split, by its facts; none where it is one job.
func split(facts []stream.Recorded) []events.JobID {
	for _, r := range facts {
		if e, ok := r.Event.(events.DefinitionSplit); ok {
			return e.Parts
		}
	}
	return nil
}

// parentOf returns the submission that a job is a part of, by its facts: itself where it is none, or
// the first.
// Part 0 of a group has the group's own number, and is its own parent.
func parentOf(facts []stream.Recorded) events.JobID {
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			if e.Part != nil {
				return e.Part.Parent
			}
			return e.Job
		case events.JobRejected:
			return e.Job
		}
	}
	return 0
}

// groupOf shows the jobs of a group that are seen, as facts up to a sequence tell; none for a job that is in no group. A
// group has one submitter and one visibility, and its parts run on devices of which some may be hidden. It
// reads the facts of each part.
func (a *api) groupOf(ctx context.Context, facts []stream.Recorded, through uint64, sees func(events.JobID) bool) ([]Part, error) {
	parent := parentOf(facts)
	if parent == 0 {
		return nil, nil
	}
	if len(facts) > 0 && facts[0].Event.About().ID != parent.String() {
		var err error
		if facts, err = a.log.Load(ctx, events.Entity{Kind: events.Job, ID: parent.String()}); err != nil {
			return nil, err
		}
	}
	var parts []Part
	for _, id := range split(facts) {
		if !sees(id) {
			continue
		}
		own, err := a.log.Load(ctx, events.Entity{Kind: events.Job, ID: id.String()})
		if err != nil {
			return nil, err
		}
		own = until(own, through)
		j, known := viewFacts(own)
		if !known {
			continue
		}
		p := Part{Job: j.Job, Display: j.Display, State: j.State, Health: j.Health, DeviceType: j.DeviceType,
			Device: j.Device, ErrorType: j.ErrorType, Error: j.Error}
		for _, r := range own {
			if e, ok := r.Event.(events.JobSubmitted); ok && e.Part != nil {
				p.Role, p.Essential, p.Guest, p.HostRole = e.Part.Role, e.Part.Essential, e.Part.Guest, e.Part.HostRole
			}
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// displayed is how people call a job that the state knows, else its number.
// Of a job that the state has forgotten it is the plain number, which finds it just as well.
func displayed(s *lab.State, id events.JobID) string {
	if j := s.Job(id); j != nil && j.Display != "" {
		return j.Display
	}
	return id.String()
}
