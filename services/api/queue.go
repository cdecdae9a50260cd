package api

import (
	"context"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
)

// QueueRequest asks for the queue in the order in which jobs would get the next device.
type QueueRequest struct {
	DeviceType events.DeviceTypeName `json:"device_type,omitempty"` // of this type only; may be an alias
	Limit      int                   `json:"limit,omitempty"`       // at most so many; 0 is 50, 1000 the most
}

// Queue answers QueueRequest.
// In the order of ranks, not in that in which they will start: that hangs on which device is free
// first.
type Queue struct {
	Jobs  []Queued `json:"jobs"`
	Total int      `json:"total"` // that wait, shown or not
}

// Queued is a job in the queue. Which device becomes free first decides which of them starts.
type Queued struct {
	Job        events.JobID          `json:"job"`
	Display    string                `json:"display"`
	User       events.UserName       `json:"user"`
	Group      events.GroupName      `json:"group,omitempty"` // that the user counts for
	Name       string                `json:"name,omitempty"`
	DeviceType events.DeviceTypeName `json:"device_type"`
	Tags       []events.TagName      `json:"tags,omitempty"`
	Device     events.DeviceName     `json:"device,omitempty"` // pinned to it
	Check      bool                  `json:"health_check,omitempty"`
	Priority   int                   `json:"priority"`
	Raised     int                   `json:"raised,omitempty"` // the priority that it counts as, where waiting has raised it
	Submitted  time.Time             `json:"submitted"`
	Capped     string                `json:"capped,omitempty"` // why it waits whatever is free: what its user or group holds
}

// listQueue answers with the best of the queue. It goes through the whole queue once.
// The order is scheduling's own: [lab.Standings] ranks for both. Total counts the jobs that the
// caller may see.
func (a *api) listQueue(_ context.Context, who caller, in QueueRequest) (Queue, error) {
	if in.Limit == 0 {
		in.Limit = 50
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return Queue{}, &Error{Code: Invalid, Field: "limit", Message: "limit must be 1 to 1000"}
	}
	out := Queue{Jobs: []Queued{}}
	now := a.now()
	a.read(func(s *lab.State) {
		// Once for all: it reckons shares, which is most of the work.
		st := s.Standings(now)
		for _, r := range best(s, st, who, in, &out.Total) {
			j := s.Job(r.Job)
			q := Queued{Job: j.ID, Display: j.Display, User: j.User, Group: s.Policy().Group(j.User), Name: j.Name,
				DeviceType: s.Resolve(j.DeviceType), Tags: slices.Clone(j.Tags), Device: j.PinDevice, Check: j.HealthCheck,
				Priority: j.Priority, Submitted: j.SubmittedAt}
			if r.Raised {
				q.Raised = r.Priority
			}
			q.Capped, _ = st.Capped(j, 1)
			out.Jobs = append(out.Jobs, q)
		}
	})
	return out, nil
}

// best returns the first ranks of those that a request asks for, and counts all of them.
// It keeps no more ranks than it returns, however many jobs wait.
func best(s *lab.State, st *lab.Standings, who caller, in QueueRequest, total *int) []lab.Rank {
	var top []lab.Rank
	// All of them: where a job stands is known once all have been ranked.
	for j := range s.EachJob() {
		if j.State != lab.Submitted || in.DeviceType != "" && s.Resolve(j.DeviceType) != s.Resolve(in.DeviceType) ||
			!s.Can(who.user, lab.View, events.Entity{Kind: events.Job, ID: j.ID.String()}) {
			continue
		}
		*total++
		r := st.Rank(j)
		// Ranks never compare as equal: the job's number decides at last.
		at, _ := slices.BinarySearchFunc(top, r, func(a, b lab.Rank) int {
			if a.Before(b) {
				return -1
			}
			return 1
		})
		if at < in.Limit {
			top = slices.Insert(top, at, r)
			top = top[:min(len(top), in.Limit)]
		}
	}
	return top
}
