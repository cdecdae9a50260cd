package scheduling

import (
	"fmt"
	"testing"

	"strata/events"
	"strata/events/lab"
)

// TestExplanationsAgree holds what people are told of a waiting job to what the scheduler does, in random
// labs: who stands first and has a device without an obstacle is given one in this very round, and after a
// round nobody waits before a device that nothing is said against.
func TestExplanationsAgree(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(seed + 1000)
			firsts := 0
			for range 300 {
				w.happen()
				var due []events.JobID
				for j := range w.s.lab.Jobs() {
					if e, waits := w.s.lab.Explain(j.ID, w.now); waits && j.Part == nil && j.Cancel == nil && e.Place == 1 && e.Capped == "" && free(e) != "" {
						due = append(due, j.ID)
					}
				}
				d := decide(w.s, w.now)
				left := map[events.JobID]bool{}
				for _, f := range d.facts {
					switch f := f.(type) {
					case events.JobScheduled:
						left[f.Job] = true
					case events.JobWithdrawn:
						left[f.Job] = true
					}
				}
				for _, id := range due {
					if e, _ := w.s.lab.Explain(id, w.now); !left[id] && !d.more && !beaten(w.s.lab, d, e) {
						t.Fatalf("job %d stands first and %s has no obstacle, but the round leaves it: %s", id, free(e), brief(d.facts))
					}
				}
				firsts += len(due)
				fold(w.s, d.facts)
				if d.more {
					continue
				}
				w.s.settle()
				for j := range w.s.lab.Jobs() {
					if e, waits := w.s.lab.Explain(j.ID, w.now); waits && j.Part == nil && j.Cancel == nil && e.Capped == "" && free(e) != "" && !behindAged(w, e) {
						t.Fatalf("after a round job %d waits, though nothing is said against %s", j.ID, free(e))
					}
				}
			}
			if firsts == 0 {
				t.Error("nobody ever stood first before a free device")
			}
		})
	}
}

// free returns a device that nothing is said against, empty where there is none.
func free(e lab.Explanation) events.DeviceName {
	for _, c := range e.Candidates {
		if c.Obstacle == "" {
			return c.Device
		}
	}
	return ""
}

// beaten says that a group took the free devices of a job, or a place on their workers: its rank is
// that of its best part, which is no single job's.
func beaten(l *lab.State, d decision, e lab.Explanation) bool {
	for _, f := range d.facts {
		s, ok := f.(events.JobScheduled)
		if !ok {
			continue
		}
		for _, c := range e.Candidates {
			if c.Obstacle == "" && (s.Device == c.Device || l.Worker(c.Worker).JobLimit > 0 && s.Worker == c.Worker) {
				return true
			}
		}
	}
	return false
}

// behindAged says that a group stands before the job which has waited for long: devices that it could
// have are kept for it, until it finds as many at once as it needs.
func behindAged(w *world, e lab.Explanation) bool {
	for _, id := range e.Ahead {
		if k := w.s.lab.Job(id); k.Part != nil && w.s.lab.Policy().Aged(k.SubmittedAt, w.now) {
			return true
		}
	}
	return false
}
