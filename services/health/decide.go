package health

import (
	"maps"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// plan is what there is to do now, and when to look again.
type plan struct {
	facts  []events.Event // at most one batch; those of one device stand together
	checks []request      // health checks to publish, after the facts are recorded
	seen   []events.DeviceName
	held   []events.DeviceName // imported devices whose first check waits for others' to end
	wake   time.Time           // when the next check is due by its hours; zero: none is
	more   bool                // the batch was full
}

// request asks for the health check of a device.
type request struct {
	device     events.DeviceName
	definition string
	reason     string
	due        uint64       // the fact that made the check due: the publication's key
	job        events.JobID // its number where it was published already
}

// decide says what the devices ask for that were touched, or whose time has come. It reads no
// clock, no network and no map order, and leaves the state as it is, but for what it remembers of
// configurations that it has read, and for places in the agenda that mean nothing any more.
func decide(s *state, now time.Time) plan {
	var p plan
	wanted := slices.Sorted(maps.Keys(s.look))
	due, next := s.next.due(now)
	for _, name := range due {
		if _, touched := s.look[name]; !touched {
			wanted = append(wanted, name)
		}
	}
	slices.Sort(wanted)
	seen := map[events.DeviceName]bool{}
	first := firstChecks{s: s}
	for _, name := range wanted {
		if len(p.facts)+2 > stream.MaxBatch {
			p.more = true
			break
		}
		seen[name] = true
		p.seen = append(p.seen, name)
		d := s.lab.Device(name)
		if d == nil {
			continue
		}
		if facts := judge(s, d, &first, now); len(facts) > 0 {
			p.facts = append(p.facts, facts...)
		} else if r, due := checkDue(s, d, now); due && first.hold(d) {
			p.held = append(p.held, name)
		} else if due {
			p.checks = append(p.checks, r)
			first.begin(d)
		} else {
			p.wake = earliest(p.wake, s.nextCheck(name))
		}
	}
	if !next.IsZero() {
		p.wake = earliest(p.wake, next)
	}
	for _, name := range due {
		if !seen[name] {
			p.wake = earliest(p.wake, s.next.at[name])
		}
	}
	return p
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// judge returns the facts that a device asks for: its release with what the job's end says of it,
// or a health that follows from something else. What is left after these facts is found at the next look.
func judge(s *state, d *lab.Device, first *firstChecks, now time.Time) []events.Event {
	if d.State != lab.DeviceIdle && d.Hold == nil {
		j := s.lab.Job(d.Job)
		if j == nil || j.State == lab.Finished || j.Run == nil || j.Run.Lease != d.Lease {
			return release(s, d, j, first, now)
		}
	}
	change := events.DeviceHealthChanged{Device: d.Name, From: d.Health}
	if to, reason, follows := lab.Cascade(s.lab.Worker(d.Worker), d); follows {
		change.To, change.Reason = to, reason
		return []events.Event{change}
	}
	if repaired(s, d) {
		change.To, change.Reason = events.Unknown, lab.ValidAgain
		return []events.Event{change}
	}
	if d.Health != events.Good && d.Health != events.Unknown && d.Health != events.Looping {
		return nil
	}
	change.To = events.Bad
	if d.Check.Failed != "" {
		change.Reason, change.Job = d.Check.Failed, d.Check.Job
		return []events.Event{change}
	}
	// As in LAVA, a configuration counts once the device could be given a job.
	if able(s, d) {
		if err := s.configError(d); err != nil {
			change.Reason = lab.InvalidDevice + ": " + err.Error()
			return []events.Event{change}
		}
	}
	return nil
}

// repaired says that the lab took a device out for its configuration alone, and that this is valid now.
// LAVA leaves such a device Bad until somebody notices. What a person has said of it since stands.
func repaired(s *state, d *lab.Device) bool {
	return d.Health == events.Bad && d.HealthBy == lab.LavaHealth && strings.HasPrefix(d.HealthReason, lab.InvalidDevice) &&
		s.configError(d) == nil
}

// able says that a device could be given a job, as far as its health allows.
func able(s *state, d *lab.Device) bool {
	return d.State == lab.DeviceIdle && d.Version > 0 && s.lab.DeviceType(d.Type).Shown() && s.lab.Worker(d.Worker).Usable()
}

// release frees a device. j is the job that held it: Finished, or Submitted again, or nil where
// that has left the queue since.
func release(s *state, d *lab.Device, j *lab.Job, first *firstChecks, now time.Time) []events.Event {
	var facts []events.Event
	free := *d
	if j != nil && j.State == lab.Finished && j.Run != nil && j.Run.Lease == d.Lease {
		if to, reason, said := lab.AfterJob(d, j); said {
			facts = append(facts, events.DeviceHealthChanged{Device: d.Name, From: d.Health, To: to, Reason: reason, Job: j.ID})
			free.Health = to
		}
	}
	_, due := lab.CheckDue(&free, s.lab.DeviceType(d.Type), now)
	if due && free.Health == events.Good && first.hold(d) {
		due = false // it goes on taking jobs until its turn
	}
	if due {
		first.begin(d)
	}
	return append(facts, events.DeviceReleased{Device: d.Name, Job: d.Job, Lease: d.Lease, CheckDue: due && d.Check.Job == 0})
}

// checkDue asks for the check of a device that needs one and could run it now.
func checkDue(s *state, d *lab.Device, now time.Time) (request, bool) {
	t := s.lab.DeviceType(d.Type)
	if d.Check.Job != 0 || !able(s, d) {
		return request{}, false
	}
	reason, due := lab.CheckDue(d, t, now)
	if !due {
		return request{}, false
	}
	return request{d.Name, t.HealthCheck, reason, d.DueSeq, s.asked[d.Name]}, true
}
