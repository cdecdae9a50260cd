package dispatch

import (
	"strata/events"
	"strata/events/lab"
)

// Cascade returns the ends that follow within a group from what has happened to its parts, as
// [Run] records them; for whoever has facts and no workers, as simulations have.
func Cascade(parts []*lab.Job) (facts []events.Event) {
	for _, p := range parts {
		if p.State == lab.Finished || p.Cancel != nil {
			continue
		}
		if from, why := ends(p, parts); from != nil {
			facts = append(facts, events.JobCancelCascaded{Job: p.ID, From: from.ID, Reason: why})
		}
	}
	return facts
}
