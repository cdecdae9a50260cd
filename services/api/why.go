package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
)

// Why is why a job waits: what was found, and the same in sentences.
// The Explanation is for programs and may be acted upon; the sentences are for people and may
// change.
type Why struct {
	lab.Explanation
	Summary  string       `json:"summary"`           // one sentence
	Behind   []string     `json:"behind,omitempty"`  // Ahead as people call the jobs, such as 41.2
	Devices  []string     `json:"devices,omitempty"` // a sentence for each candidate
	Estimate lab.Estimate `json:"estimate,omitzero"` // when it may start
	Over     string       `json:"over,omitempty"`    // of a job that does not wait: what it does instead
}

// whyJob says why a job waits.
// It answers for any job that the caller may see: of one that does not wait, in Over, what became of
// it.
func (a *api) whyJob(ctx context.Context, who caller, in JobRequest) (Why, error) {
	if err := a.mayJob(who, lab.View, in.Job); err != nil {
		return Why{}, err
	}
	var w Why
	waits := false
	a.read(func(s *lab.State) {
		// Explanation and estimate are of one moment: a job that starts in between would have
		// neither.
		if w.Explanation, waits = s.Explain(in.Job, a.now()); waits {
			w = explained(s, seenExplanation(s, who, w.Explanation))
			w.Estimate = s.Estimate(in.Job, a.now())
		}
	})
	if waits {
		return w, nil
	}
	j, err := a.showJob(ctx, who, in)
	if err != nil {
		return Why{}, err
	}
	w.Job, w.Display, w.DeviceType = j.Job, j.Display, j.DeviceType
	w.Over = "it waits no more: " + strings.ToLower(strings.TrimSpace(j.State+" "+string(j.Health)))
	if j.Device != "" {
		w.Over += " on " + string(j.Device)
	}
	if j.Started == nil && j.Error != "" { // it left the queue: for what, or by whom
		w.Over += ": " + j.Error
	}
	if j.RetriedAs != 0 {
		w.Over += fmt.Sprintf("; it is tried again as job %d", j.RetriedAs)
	}
	return w, nil
}

// explained puts an explanation into words.
// Its sentences use what the lab knows of jobs and devices now: it is called with the state in hand.
func explained(s *lab.State, e lab.Explanation) Why {
	w := Why{Explanation: e, Summary: summary(s, e)}
	for _, id := range e.Ahead {
		w.Behind = append(w.Behind, displayed(s, id))
	}
	for _, c := range e.Candidates {
		text := obstacle(s, c)
		if c.Obstacle == "" {
			text = free(e)
		}
		w.Devices = append(w.Devices, string(c.Device)+": "+text)
	}
	return w
}

// why says in a sentence what a queued job waits for, empty for one that does not.
func why(s *lab.State, who caller, id events.JobID, now time.Time) string {
	e, waits := s.Explain(id, now)
	if !waits {
		return ""
	}
	return summary(s, seenExplanation(s, who, e))
}

// summary counts the candidates by what stands between.
// It ends without a full stop, as it stands in tables; numbers add up to the devices that fit.
func summary(s *lab.State, e lab.Explanation) string {
	if e.Leaving {
		return "it is being withdrawn from the queue"
	}
	j := s.Job(e.Job)
	// A device on another worker than the one asked for is no candidate to people, who named the
	// worker.
	fitting := e.Candidates[:0:0]
	for _, c := range e.Candidates {
		if c.Obstacle != lab.WrongWorker {
			fitting = append(fitting, c)
		}
	}
	// The more special wish first: whoever has pinned a device wonders about that one.
	if len(fitting) == 0 {
		switch {
		case j.PinDevice != "":
			return fmt.Sprintf("device %s is not in the lab", j.PinDevice)
		case j.PinWorker != "":
			return fmt.Sprintf("no device of type %s hangs on worker %s", e.DeviceType, j.PinWorker)
		}
		return fmt.Sprintf("the lab has no device of type %s", e.DeviceType)
	}
	counts := map[string]int{}
	for _, c := range fitting {
		counts[kind(c.Obstacle)]++
	}
	var parts []string
	for _, k := range kinds() {
		if n := counts[k.words]; n > 0 {
			words := k.words
			if k.obstacle == "" {
				words = free(e)
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, words))
			delete(counts, k.words) // two obstacles may share their words
		}
	}
	if e.Capped != "" {
		parts = append(parts, e.Capped)
	}
	text := fmt.Sprintf("of %d devices that fit: %s", len(fitting), strings.Join(parts, ", "))
	if len(fitting) == 1 { // "of 1 devices that fit: 1 busy"
		text = "the one device that fits: " + strings.TrimPrefix(strings.Join(parts, ", "), "1 ")
	}
	// Place counts from 1, the job itself included.
	switch n := e.Place - 1; {
	case n == 1:
		text += "; 1 job stands before it"
	case n > 1:
		text += fmt.Sprintf("; %d jobs stand before it", n)
	}
	if len(e.Parts) > 1 {
		text += fmt.Sprintf("; it starts when all %d jobs of its group that wait can", len(e.Parts))
	}
	return text
}

// free says of a device that nothing keeps from the job why the job does not have it yet.
// Scheduling gives free devices away within a moment; whoever reads this saw that moment, unless a
// cap or a group holds the job.
func free(e lab.Explanation) string {
	switch {
	case e.Capped != "":
		return "free, and beyond the cap"
	case len(e.Parts) > 1:
		return "free, until all of the group can start"
	}
	return "free, being looked at now"
}

// obstacleWords are the words under which candidates with an obstacle are counted.
// Two obstacles may have the same words, and are counted together then.
type obstacleWords struct {
	obstacle lab.Obstacle
	words    string
}

// kinds lists them in the order of a summary.
func kinds() []obstacleWords {
	return []obstacleWords{
		{lab.Busy, "busy"},
		{lab.InHand, "in somebody's hands"},
		{lab.MissingTags, "without the tags asked for"},
		{lab.BadHealth, "Bad, in Maintenance or Retired"},
		{lab.NoWorker, "on no worker"},
		{lab.WorkerOffline, "on a worker that is offline or takes no jobs"},
		{lab.WorkerHealth, "on a worker that is offline or takes no jobs"},
		{lab.WorkerFull, "on a worker that has as many devices in use as it may"},
		{lab.NoDictionary, "without a dictionary"},
		{lab.WrongType, "of another type"},
		{lab.HiddenType, "of a hidden type"},
		{lab.CheckPending, "kept for a health check"},
		{"", "free, being looked at now"},
		{lab.Reserved, "reserved"},
		{lab.Kept, "kept for jobs that ask for its tags"},
		{lab.Avoided, "left out because an attempt failed there"},
	}
}

// kind returns the words for an obstacle; one without is told by its name.
func kind(o lab.Obstacle) string {
	for _, k := range kinds() {
		if k.obstacle == o {
			return k.words
		}
	}
	return string(o)
}

// obstacle says of one device why it is not the job's.
// A new obstacle of the fold shows by its name until it is given words here.
func obstacle(s *lab.State, c lab.Candidate) string {
	because := func(text, reason string) string {
		if reason == "" {
			return text
		}
		return text + " (" + reason + ")"
	}
	switch c.Obstacle {
	case "":
		return "free, being looked at now"
	case lab.Busy:
		switch {
		case c.Job == 0:
			return "a job that you may not see has it"
		// The job has ended; health has not said yet what that means for the device.
		case c.Since.IsZero():
			return "is being released after job " + displayed(s, c.Job)
		}
		return fmt.Sprintf("job %s has it since %s", displayed(s, c.Job), c.Since.UTC().Format(time.RFC3339))
	case lab.InHand:
		return fmt.Sprintf("%s has it in hand (%s) since %s", c.User, c.Reason, c.Since.UTC().Format(time.RFC3339))
	case lab.MissingTags:
		tags := make([]string, len(c.Missing))
		for i, t := range c.Missing {
			tags[i] = string(t)
		}
		return "lacks the tag " + strings.Join(tags, ", ")
	case lab.BadHealth:
		return because("is "+string(c.Health), c.Reason)
	case lab.NoWorker:
		return "hangs on no worker"
	case lab.WorkerOffline:
		return fmt.Sprintf("its worker %s is offline since %s", c.Worker, c.Since.UTC().Format(time.RFC3339))
	case lab.WorkerHealth:
		return fmt.Sprintf("its worker %s is in %s", c.Worker, c.Reason)
	case lab.WorkerFull:
		return fmt.Sprintf("its worker %s has as many devices in use as it may: %d", c.Worker, c.Limit)
	case lab.NoDictionary:
		return "has no dictionary yet"
	case lab.WrongType:
		return "is of another type"
	case lab.WrongWorker:
		return fmt.Sprintf("hangs on worker %s, not on the one asked for", c.Worker)
	case lab.HiddenType:
		return "its device type is hidden, which stops its jobs"
	case lab.Avoided:
		return "an attempt before this one failed there"
	case lab.Kept:
		if c.Until.IsZero() {
			return "is kept for jobs that ask for its tags"
		}
		return "is kept for jobs that ask for its tags until " + c.Until.UTC().Format(time.RFC3339)
	case lab.Reserved:
		whose := "is set aside for maintenance"
		if c.User != "" {
			whose = "is reserved for " + string(c.User)
		} else if c.Group != "" {
			whose = "is reserved for group " + string(c.Group)
		}
		return because(fmt.Sprintf("%s from %s until %s", whose, c.From.UTC().Format(time.RFC3339), c.Until.UTC().Format(time.RFC3339)), c.Reason)
	case lab.CheckPending:
		return because("its health check comes first", c.Reason)
	}
	return string(c.Obstacle)
}
