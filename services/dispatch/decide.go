package dispatch

import (
	"fmt"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/order"
)

// limits are the times that decisions hang on.
type limits struct {
	lostAfter   time.Duration
	presenceTTL time.Duration
}

// plan is what decide wants.
type plan struct {
	facts []stream.Draft
	wake  time.Time // zero: when something happens
}

// decide returns the facts that time and presence ask for: workers that came or went, and the end of
// jobs whose worker stays away. It reads no clock and no network.
func (s *state) decide(now time.Time, l limits) (p plan) {
	soonest := func(t time.Time) {
		if !t.IsZero() && (p.wake.IsZero() || t.Before(p.wake)) {
			p.wake = t
		}
	}
	for w := range s.lab.Workers() {
		fact, ask := s.decideWorker(w, now, l)
		if fact != nil {
			p.facts = append(p.facts, stream.Draft{Event: fact})
		}
		soonest(ask)
	}
	told := map[events.Entity]bool{}
	for _, e := range s.cascade() {
		p.facts = append(p.facts, stream.Draft{Event: e})
		told[e.About()] = true
	}
	for _, j := range s.adrift(now, l) {
		if !unfinished(j) || told[events.Entity{Kind: events.Job, ID: j.ID.String()}] {
			continue // a batch holds one fact of a job
		}
		if s.lab.Worker(j.Run.Worker) == nil {
			p.facts = append(p.facts, stream.Draft{Event: lost(j, now, fmt.Sprintf("worker %s was removed from the lab", j.Run.Worker))})
			continue
		}
		since, away := s.away(j, now, l)
		if !away {
			continue
		}
		if end := since.Add(l.lostAfter); now.Before(end) {
			soonest(end)
			continue
		}
		p.facts = append(p.facts, stream.Draft{Event: lost(j, now, fmt.Sprintf(
			"worker %s has been away for %s and did not come back", j.Run.Worker, now.Sub(since).Round(time.Second)))})
	}
	return p
}

// decideWorker says whether a worker comes or goes, and when to ask again.
func (s *state) decideWorker(w *lab.Worker, now time.Time, l limits) (fact events.Event, ask time.Time) {
	k := s.known(w.Name)
	expires := k.seen.Add(l.presenceTTL)
	if k.seen.IsZero() {
		// Those who were there before this process began get as long to show themselves.
		expires = s.started.Add(l.presenceTTL)
	}
	there := !k.seen.IsZero() && now.Before(expires)
	misfit := ""
	if there {
		misfit = order.Misfit(k.presence.Version)
	}
	switch reason := k.unfit(); {
	case misfit != "" && w.StateReason != misfit: // also of one that was never Online: people wait for it
		return events.WorkerWentOffline{Worker: w.Name, At: now.UTC(), Reason: misfit}, expires
	case misfit != "":
		return nil, time.Time{}
	case w.State == lab.Online && !now.Before(expires):
		return events.WorkerWentOffline{Worker: w.Name, At: now.UTC(), Reason: fmt.Sprintf("no sign for %s", l.presenceTTL)}, time.Time{}
	case w.State == lab.Online && there && reason != "":
		return events.WorkerWentOffline{Worker: w.Name, At: now.UTC(), Reason: reason}, expires
	case w.State == lab.Offline && there && reason == "" && now.Before(k.pause):
		return nil, k.pause
	case w.State == lab.Offline && there && reason == "" && k.session != "" && k.session == k.presence.Session:
		return events.WorkerWentOnline{Worker: w.Name, Version: k.build, At: now.UTC()}, expires
	case w.State == lab.Online:
		return nil, expires
	}
	return nil, time.Time{}
}

// askAround asks the workers that are there for their leases where this process has not heard them: the
// report may have been settled by a process that died before it could call the worker Online.
func (s *state) askAround(now time.Time, l limits) {
	for w := range s.lab.Workers() {
		k := s.known(w.Name)
		if w.State == lab.Online || k.seen.IsZero() || !now.Before(k.seen.Add(l.presenceTTL)) ||
			k.session == k.presence.Session || k.asked == k.presence.Session {
			continue
		}
		k.asked = k.presence.Session
		s.outgoing = append(s.outgoing, outgoing{w.Name, order.Order{Version: order.Version, Kind: order.Tell},
			fmt.Sprintf("tell/%s/%d", k.asked, s.started.UnixNano())})
	}
}

// unfit says why a worker that is there may not be given jobs, or nothing.
func (k *worker) unfit() string {
	switch {
	case k.presence.Refuses != "":
		return k.presence.Refuses
	case k.session == k.presence.Session && !k.clean:
		return "ends jobs whose lease is over"
	case !k.balked.IsZero() && !k.seen.After(k.balked): // until it shows itself again
		return "has just refused an order"
	}
	return ""
}

// here says that a worker has shown itself of late.
func (k *worker) here(now time.Time, l limits) bool {
	return !k.seen.IsZero() && now.Before(k.seen.Add(l.presenceTTL))
}

// away says since when a job's worker has been away. The time before this process began to listen
// does not count: the worker may have been there, and nobody to hear it.
func (s *state) away(j *lab.Job, now time.Time, l limits) (since time.Time, away bool) {
	k := s.known(j.Run.Worker)
	if k.here(now, l) {
		return time.Time{}, false
	}
	since = s.started
	if !k.seen.IsZero() {
		since = k.seen
	}
	if j.Run.ScheduledAt.After(since) {
		since = j.Run.ScheduledAt
	}
	return since, true
}

// lost ends a job without its worker. Nobody knows how many lines it has said.
func lost(j *lab.Job, now time.Time, why string) events.JobFinished {
	return events.JobFinished{
		Job: j.ID, Device: j.Run.Device, Worker: j.Run.Worker, Lease: j.Run.Lease, At: now.UTC(),
		Health: health(j, "fail"), ErrorType: events.InfrastructureError, Error: why, Lost: true,
	}
}

// health is how a job ended: one that was to end is Canceled, whatever its worker says.
func health(j *lab.Job, result string) events.JobHealth {
	switch {
	case j.State == lab.Canceling:
		return events.Canceled
	case result == "pass":
		return events.Complete
	}
	return events.Incomplete
}
