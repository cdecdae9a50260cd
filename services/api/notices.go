package api

import (
	"context"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// NoticesRequest asks for deliveries: of one job all that there were, else those of all jobs that have not arrived.
type NoticesRequest struct {
	Job  events.JobID `json:"job,omitempty"`
	Dead bool         `json:"dead,omitempty"` // dead letters only
}

// Notice is a delivery: a message to one receiver.
// To names a receiver as far as facts may: of a callback scheme and host, of a user's mail the name.
type Notice struct {
	Job      events.JobID        `json:"job"`
	Display  string              `json:"display"` // the job's number as people write it: 41.2 for a part of a group
	N        int                 `json:"n"`       // of the delivery, from 1 within the job
	Moment   events.Moment       `json:"moment"`
	Kind     events.DeliveryKind `json:"kind"`
	To       string              `json:"to"`
	State    string              `json:"state"` // waiting, sent or dead
	At       time.Time           `json:"at"`    // of that state
	Attempts int                 `json:"attempts,omitempty"`
	Answer   string              `json:"answer,omitempty"` // of who took it, or why it is dead
}

// The states of a delivery.
const (
	NoticeWaiting = "waiting"
	NoticeSent    = "sent"
	NoticeDead    = "dead"
)

// listNotices answers with deliveries, by job and number.
// Without a job it answers from the state, which forgets what was sent; of one job its facts tell
// all.
func (a *api) listNotices(ctx context.Context, who caller, in NoticesRequest) ([]Notice, error) {
	if in.Job != 0 {
		return a.noticesOf(ctx, who, in)
	}
	out := []Notice{}
	a.read(func(s *lab.State) {
		for _, n := range s.Notices() {
			if in.Dead && !n.Dead || !s.Can(who.user, lab.View, events.Entity{Kind: events.Job, ID: n.Job.String()}) {
				continue
			}
			one := Notice{Job: n.Job, Display: displayed(s, n.Job), N: n.N, Moment: n.Moment, Kind: n.Kind, To: n.To, State: NoticeWaiting, At: n.At, Attempts: n.Attempts, Answer: n.Reason}
			if n.Dead {
				one.State = NoticeDead
			}
			out = append(out, one)
		}
	})
	return out, nil
}

// noticesOf answers from a job's facts.
func (a *api) noticesOf(ctx context.Context, who caller, in NoticesRequest) ([]Notice, error) {
	if err := a.mayJob(who, lab.View, in.Job); err != nil {
		return nil, err
	}
	facts, err := a.log.Load(ctx, events.Entity{Kind: events.Notification, ID: in.Job.String()})
	if err != nil {
		return nil, err
	}
	list := tellNotices(facts)
	a.read(func(s *lab.State) {
		for i := range list {
			list[i].Display = displayed(s, list[i].Job)
		}
	})
	if in.Dead {
		list = slices.DeleteFunc(list, func(n Notice) bool { return n.State != NoticeDead })
	}
	return list, nil
}

// tellNotices reads what became of a job's deliveries.
// Attempts and answer are those since the last replay.
func tellNotices(facts []stream.Recorded) []Notice {
	list := []Notice{}
	set := func(n int, state string, r stream.Recorded, attempts int, answer string) {
		for i := range list {
			if list[i].N == n {
				list[i].State, list[i].At, list[i].Attempts, list[i].Answer = state, r.Time, attempts, answer
			}
		}
	}
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.NotificationPlanned:
			for _, d := range e.Deliveries {
				list = append(list, Notice{Job: e.Job, N: d.N, Moment: e.Moment, Kind: d.Kind, To: d.To, State: NoticeWaiting, At: r.Time})
			}
		case events.NotificationSent:
			set(e.N, NoticeSent, r, e.Attempts, e.Answer)
		case events.NotificationFailed:
			set(e.N, NoticeDead, r, e.Attempts, e.Reason)
		case events.NotificationReplayed:
			for _, n := range e.Deliveries {
				set(n, NoticeWaiting, r, 0, "")
			}
		}
	}
	return list
}

// ReplayRequest wants deliveries sent again.
type ReplayRequest struct {
	Job        events.JobID `json:"job,omitempty"`        // of this job, or
	Dead       bool         `json:"dead,omitempty"`       // all dead letters of jobs that the caller may change
	Deliveries []int        `json:"deliveries,omitempty"` // of the job; none: its dead letters
}

// ReplayAnswer says what goes out again.
type ReplayAnswer struct {
	Notices []Notice `json:"notices"`
}

// replayNotices has deliveries go out again.
// services/notify reads the fact and sends anew, with the text that the job's facts give then.
// Receivers may get a message twice: who replays what was sent wants that.
// The page of deliveries and `strata notify replay` ask it.
func (a *api) replayNotices(ctx context.Context, who caller, in ReplayRequest) (ReplayAnswer, error) {
	out := ReplayAnswer{Notices: []Notice{}}
	if (in.Job == 0) != in.Dead {
		return out, refuse(Invalid, "say either which job's deliveries go out again, or that all dead letters do")
	}
	list, err := a.listNotices(ctx, who, NoticesRequest{Job: in.Job, Dead: in.Dead || len(in.Deliveries) == 0})
	if err != nil {
		return out, err
	}
	if in.Job != 0 {
		if err := a.mayJob(who, lab.Change, in.Job); err != nil {
			return out, err
		}
	}
	for _, n := range in.Deliveries {
		if !slices.ContainsFunc(list, func(one Notice) bool { return one.N == n }) {
			return out, refuse(NotFound, "job %d has no delivery %d", in.Job, n)
		}
	}
	byJob := map[events.JobID][]int{}
	var jobs []events.JobID
	for _, n := range list {
		// Of all dead letters those of jobs that the caller may only see are left out without a
		// word.
		if len(in.Deliveries) > 0 && !slices.Contains(in.Deliveries, n.N) || a.mayJob(who, lab.Change, n.Job) != nil {
			continue
		}
		if byJob[n.Job] == nil {
			jobs = append(jobs, n.Job)
		}
		byJob[n.Job] = append(byJob[n.Job], n.N)
		out.Notices = append(out.Notices, n)
	}
	// Without a condition: that it is asked for twice has it go out once, while it is on its way.
	for len(jobs) > 0 {
		some := jobs[:min(len(jobs), stream.MaxBatch)]
		drafts := make([]stream.Draft, len(some))
		for i, job := range some {
			drafts[i] = stream.Draft{Event: events.NotificationReplayed{Job: job, Deliveries: byJob[job], By: who.user, At: a.now().UTC()},
				Actor: who.user, From: who.from, Trace: who.trace}
		}
		if _, err := a.log.Append(ctx, drafts, nil); err != nil {
			return out, err
		}
		jobs = jobs[len(some):]
	}
	return out, nil
}
