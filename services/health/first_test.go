package health

import (
	"fmt"
	"testing"
	"time"

	"strata/events"
)

// TestFirstChecks has five devices imported, two of which may be checked at once: all are checked in the
// end, and never three at a time; what waits takes jobs, and is not asked again for nothing.
func TestFirstChecks(t *testing.T) {
	s := after(worker(), checked(events.Hours, 24))
	const most = 2
	for i := range 5 {
		name := events.DeviceName(fmt.Sprintf("q%d", i))
		more(s, board(name), events.DeviceCheckCarried{Device: name, At: noon.AddDate(0, 0, -i), AtOnce: most}) // q0 is not due
	}
	more(s, events.DeviceConfigured{Device: "q0", Dictionary: dictionary})
	under, next, done := map[events.DeviceName]events.JobID{}, events.JobID(10), 0
	for done < 4 {
		p := decide(s, noon.Add(24*time.Hour-time.Minute))
		for _, r := range p.checks {
			if r.job != 0 {
				continue // published before; the log has not told of it yet
			}
			if r.device == "q0" || under[r.device] != 0 {
				t.Fatalf("check of %s is asked for, which is not due or has one", r.device)
			}
			s.asked[r.device] = next
			under[r.device] = next
			next++
		}
		s.settle(p)
		if len(under) == 0 || len(under) > most {
			t.Fatalf("%d checks are under way, want 1 to %d", len(under), most)
		}
		again := decide(s, noon.Add(24*time.Hour-time.Minute))
		for _, r := range again.checks {
			if r.job == 0 {
				t.Fatalf("the check of %s is asked for when nothing happened", r.device)
			}
		}
		for _, name := range again.seen {
			if s.held[name] {
				t.Fatalf("%s waits for others, and is looked at when nothing happened", name)
			}
		}
		// A device that waits still runs users' jobs, and is free again afterwards.
		for name := range s.held {
			more(s, heldUnder(events.Lease(100+next), next, name, false),
				events.JobFinished{Job: next, Device: name, Lease: events.Lease(100 + next), Health: events.Complete, At: noon})
			next++
			p := decide(s, noon.Add(24*time.Hour-time.Minute))
			if got := brief(plan{facts: p.facts}); got != "released" {
				t.Fatalf("after a job on %s, which waits for its check: %q, want it released and not due", name, got)
			}
			fold(s, p.facts...)
			p = decide(s, noon.Add(24*time.Hour-time.Minute))
			for _, r := range p.checks {
				if r.job == 0 {
					t.Fatalf("the check of %s is asked for beyond the limit", r.device)
				}
			}
			s.settle(p)
			break
		}
		for name, id := range under {
			lease := events.Lease(200 + id)
			e := check(id, name)
			e.At = noon.Add(24*time.Hour - time.Minute)
			more(s, e, heldUnder(lease, id, name, true)[1:],
				events.JobFinished{Job: id, Device: name, Lease: lease, Health: events.Complete, At: noon},
				events.JobOutputComplete{Job: id, Lease: lease}, events.DeviceReleased{Device: name, Job: id, Lease: lease})
			delete(under, name)
			done++
			break
		}
	}
}
