package lab

import (
	"cmp"
	"slices"
	"time"

	"strata/events"
)

// maxDead is how many dead letters the state remembers; of more the oldest are found in the facts of their
// jobs only.
const maxDead = 10_000

// Notice is a delivery that has not reached its receiver: it is under way, or a dead letter.
type Notice struct {
	Job      events.JobID        `json:"job"`
	N        int                 `json:"n"` // of the delivery, from 1 within the job
	Moment   events.Moment       `json:"moment"`
	Kind     events.DeliveryKind `json:"kind"`
	To       string              `json:"to"`
	At       time.Time           `json:"at"`                 // when it was planned, or sent again, or given up
	Dead     bool                `json:"dead,omitempty"`     // given up
	Attempts int                 `json:"attempts,omitempty"` // of a dead letter
	Reason   string              `json:"reason,omitempty"`   // of a dead letter: what became of the last attempt
}

// noticeKey names a delivery.
type noticeKey struct {
	job events.JobID
	n   int
}

// Notices returns the deliveries that have not arrived, by job and number.
func (s *State) Notices() []Notice {
	list := make([]Notice, 0, len(s.notices))
	for _, n := range s.notices {
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b Notice) int { return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.N, b.N)) })
	return list
}

func (s *State) evolveNotice(at time.Time, e events.Event) {
	switch e := e.(type) {
	case events.NotificationPlanned:
		for _, d := range e.Deliveries {
			s.notices[noticeKey{e.Job, d.N}] = &Notice{Job: e.Job, N: d.N, Moment: e.Moment, Kind: d.Kind, To: d.To, At: at}
		}
	case events.NotificationSent:
		delete(s.notices, noticeKey{e.Job, e.N})
	case events.NotificationFailed:
		if n := s.notices[noticeKey{e.Job, e.N}]; n != nil {
			n.Dead, n.At, n.Attempts, n.Reason = true, at, e.Attempts, e.Reason
			s.dropDead()
		}
	case events.NotificationReplayed:
		// What has arrived, and what the state has forgotten, is under way without being listed.
		for _, n := range e.Deliveries {
			if n := s.notices[noticeKey{e.Job, n}]; n != nil {
				n.Dead, n.At, n.Attempts, n.Reason = false, at, 0, ""
			}
		}
	}
}

// dropDead forgets the oldest dead letters where there are too many, a tenth at a time.
func (s *State) dropDead() {
	if len(s.notices) <= maxDead {
		return
	}
	var dead []Notice
	for _, n := range s.notices {
		if n.Dead {
			dead = append(dead, *n)
		}
	}
	if len(dead) <= maxDead {
		return
	}
	slices.SortFunc(dead, func(a, b Notice) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Job, b.Job), cmp.Compare(a.N, b.N))
	})
	for _, n := range dead[:len(dead)-maxDead*9/10] {
		delete(s.notices, noticeKey{n.Job, n.N})
	}
}

func (s *State) restoreNotices(list []Notice) {
	for _, n := range list {
		s.notices[noticeKey{n.Job, n.N}] = &n
	}
}
