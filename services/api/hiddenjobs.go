package api

import (
	"slices"
	"strings"
	"unicode"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// A job that somebody may not see leaves traces where they may look: a device is held for it, another job waits behind
// it. That something is there they are told, for they would wonder; its number they are not.

// seenJob returns the number of a job that is in memory, or 0 where the caller may neither see nor end it. Whoever is to
// repair a device has to be able to end what runs there.
// It is for jobs that hold something now, which the state knows. It must be called with the state in hand.
func seenJob(s *lab.State, who caller, id events.JobID) events.JobID {
	about := events.Entity{Kind: events.Job, ID: id.String()}
	if id == 0 || who.can(s, lab.View, about) || who.can(s, lab.CancelJob, about) {
		return id
	}
	return 0
}

// seenCheck is seenJob of the last health check of a device, which may be long over: the state has forgotten such ones,
// and a check is as public as its device.
func seenCheck(s *lab.State, who caller, id events.JobID) events.JobID {
	if _, known := s.JobRights(id); !known {
		return id
	}
	return seenJob(s, who, id)
}

// seenJobs returns those of some jobs in memory that the caller may see.
func seenJobs(s *lab.State, who caller, ids []events.JobID) (seen []events.JobID) {
	for _, id := range ids {
		if seenJob(s, who, id) != 0 {
			seen = append(seen, id)
		}
	}
	return seen
}

// seenExplanation takes out of an explanation which jobs and which devices the caller may not see.
func seenExplanation(s *lab.State, who caller, e lab.Explanation) lab.Explanation {
	e.Ahead = seenJobs(s, who, e.Ahead)
	e.Candidates = slices.DeleteFunc(e.Candidates, func(c lab.Candidate) bool { return !seesDevice(s, who, c.Device) })
	for i := range e.Candidates { // the explanation is this question's own
		e.Candidates[i].Job = seenJob(s, who, e.Candidates[i].Job)
	}
	for i := range e.Parts {
		e.Parts[i] = seenExplanation(s, who, e.Parts[i])
	}
	return e
}

// blank returns what takes the numbers of hidden jobs out of facts about devices, for one caller and one reading. It
// asks the log about jobs that are long over, each once, and so must not be called with the state in hand.
// What comes back is for one goroutine, and for as long as one reading: rights that change meanwhile show at the next.
func (a *api) blank(who caller) func(stream.Recorded) stream.Recorded {
	// Of each job it is asked once: a device's facts name the same one several times.
	all, hidden := false, map[events.JobID]bool{}
	a.read(func(s *lab.State) { all = who.superuser(s) })
	hides := func(id events.JobID) bool {
		if id == 0 || all {
			return false
		}
		known, asked := hidden[id]
		if !asked {
			// A log that does not answer hides the job: an error must not show more.
			known = a.mayJob(who, lab.View, id) != nil
			hidden[id] = known
		}
		return known
	}
	return func(r stream.Recorded) stream.Recorded {
		id := jobOfDevice(r.Event)
		if !hides(id) {
			return r
		}
		switch e := r.Event.(type) {
		case events.DeviceReserved:
			e.Job = 0
			r.Event = e
		case events.DeviceReleased:
			e.Job = 0
			r.Event = e
		case events.DeviceHealthChanged:
			e.Job, e.Reason = 0, withoutNumber(e.Reason, id.String())
			r.Event = e
		case events.HealthCheckRequested:
			e.Job, e.Reason = 0, withoutNumber(e.Reason, id.String())
			r.Event = e
		}
		r.Cause = "" // names the submission, or a fact about the job
		return r
	}
}

// jobOfDevice returns the job that a fact about a device names, 0 for none.
// A fact about a device that names a job and is not here would tell its number; blank needs the same list.
func jobOfDevice(e events.Event) events.JobID {
	switch e := e.(type) {
	case events.DeviceReserved:
		return e.Job
	case events.DeviceReleased:
		return e.Job
	case events.DeviceHealthChanged:
		return e.Job
	case events.HealthCheckRequested:
		return e.Job
	}
	return 0
}

// withoutNumber takes a job's number out of a sentence, such as "health-check [42] failed".
// Runs of digits are compared whole: of job 42 the number 420 tells nothing, and stays.
func withoutNumber(text, number string) string {
	var b strings.Builder
	for {
		digits := strings.IndexFunc(text, unicode.IsDigit)
		if digits < 0 {
			return b.String() + text
		}
		b.WriteString(text[:digits])
		text = text[digits:]
		end := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsDigit(r) })
		if end < 0 {
			end = len(text)
		}
		if text[:end] == number {
			b.WriteString("…")
		} else {
			b.WriteString(text[:end])
		}
		text = text[end:]
	}
}
