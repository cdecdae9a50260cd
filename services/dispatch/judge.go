package dispatch

import (
	"fmt"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/order"
)

// judge returns the facts that a worker's report leads to. It changes nothing: a report whose facts
// lose a race is judged again. One that was judged before, and has come again, leads to none.
func (s *state) judge(w events.WorkerName, r order.Report, now time.Time) []events.Event {
	if r.Claim == order.Holding {
		return nil
	}
	j := s.lab.Job(events.JobID(r.Job))
	if !s.holds(j, w, r) {
		return s.doubt(j, w, r)
	}
	begun := !j.Run.StartedAt.IsZero()
	run := j.Run
	switch r.Claim {
	case order.Started:
		if !begun {
			return []events.Event{events.JobStarted{Job: j.ID, Device: run.Device, Worker: w, Lease: run.Lease, At: at(r, run, now)}}
		}
		// Also where JobStarted is missing: a job that could not be started ends without.
	case order.Finished:
		return []events.Event{events.JobFinished{
			Job: j.ID, Device: run.Device, Worker: w, Lease: run.Lease, At: at(r, run, now),
			Health: health(j, r.Verdict.Result), ErrorType: errorType(*r.Verdict), Error: r.Verdict.Error,
			Lines: r.Verdict.Lines, LinesKnown: true,
		}}
	case order.Refused:
		if begun {
			return []events.Event{lost(j, now, "the worker says that it never started the job: "+r.Reason)}
		}
		facts := []events.Event{s.returned(j, r.Reason)}
		if known := s.lab.Worker(w); known != nil && known.State == lab.Online {
			// Or the scheduler would give the job to the same worker at once, and again.
			facts = append(facts, events.WorkerWentOffline{Worker: w, At: now.UTC(), Reason: refusedOrder + r.Reason})
		}
		return facts
	case order.Unknown:
		if begun {
			return []events.Event{lost(j, now, "the worker does not know the job any more")}
		}
		return []events.Event{s.returned(j, "the worker does not know the job")}
	}
	return nil
}

// holds says that a report is about the lease that its job has now, by the worker that has it.
func (s *state) holds(j *lab.Job, w events.WorkerName, r order.Report) bool {
	return j != nil && unfinished(j) && j.Run.Worker == w && uint64(j.Run.Lease) == r.Lease
}

// settled says that a report is about a lease that ended by its worker's own word: whatever comes of it
// is late, and the worker holds nothing.
func (s *state) settled(j *lab.Job, w events.WorkerName, r order.Report) bool {
	if j == nil {
		l := s.late[events.JobID(r.Job)]
		return l == nil || l.done[events.Lease(r.Lease)]
	}
	return j.State == lab.Finished && j.Run != nil && j.Run.Worker == w && uint64(j.Run.Lease) == r.Lease && !j.End.Lost
}

// doubt judges a report about a lease that is over, or that this worker never had.
func (s *state) doubt(j *lab.Job, w events.WorkerName, r order.Report) []events.Event {
	c := claim{lease{events.JobID(r.Job), events.Lease(r.Lease)}, w, r.Claim}
	if s.refused[c.job][c] {
		return nil
	}
	ended := j != nil && j.State == lab.Finished && j.Run != nil && j.Run.Worker == w && uint64(j.Run.Lease) == r.Lease
	switch r.Claim {
	case order.SpoolEmpty:
		// Of all other jobs the finish report has said how many lines there are.
		if ended && !j.End.LinesKnown && !j.Run.OutputComplete {
			return []events.Event{events.JobOutputEnded{Job: c.job, Worker: w, Lease: c.lease.lease, Lines: r.Lines}}
		}
		return nil
	case order.Started, order.Finished:
		if s.settled(j, w, r) {
			return nil // the same report once more
		}
		if j == nil && !s.late[c.job].runs[c.lease.lease] {
			return nil // a job that never was, or never had the lease: not worth a fact
		}
		return []events.Event{events.ReportRefused{Job: c.job, Worker: w, Lease: c.lease.lease,
			Claim: string(r.Claim), Reason: why(j, w, c.lease.lease)}}
	}
	return nil
}

// why says in a sentence what is wrong with a lease.
func why(j *lab.Job, w events.WorkerName, l events.Lease) string {
	switch {
	case j == nil:
		return fmt.Sprintf("lease %d is over", l)
	case j.Run == nil:
		return fmt.Sprintf("lease %d is over, the job waits for a device", l)
	case j.Run.Lease != l:
		return fmt.Sprintf("lease %d is over, the job has %d", l, j.Run.Lease)
	case j.Run.Worker != w:
		return fmt.Sprintf("lease %d belongs to worker %s", l, j.Run.Worker)
	}
	return fmt.Sprintf("lease %d is over, the job was ended: %s", l, j.End.Error)
}

// note takes in what a report says beside facts, and asks for the orders that answer it. It is
// called once the report's facts are recorded.
func (s *state) note(w events.WorkerName, r order.Report, now time.Time) {
	switch r.Claim {
	case order.Holding:
		s.noteHolding(w, r)
	case order.Started, order.Taken:
		if j := s.lab.Job(events.JobID(r.Job)); !s.holds(j, w, r) && !s.settled(j, w, r) {
			s.letGo(w, r.Job, r.Lease, r.Device, r.Number)
		}
	case order.Refused:
		s.known(w).balked = now
	}
}

// noteHolding compares the leases that a worker tells with those the lab knows. Over ones are to be
// ended, and keep the worker from counting as online; finished ones whose output was read may go; and of
// those that it should hold and does not tell, or tells otherwise, it is asked.
func (s *state) noteHolding(w events.WorkerName, r order.Report) {
	k := s.known(w)
	k.session, k.build, k.clean = r.Session, r.Build, true
	told := map[events.JobID]bool{}
	for _, h := range r.Held {
		j := s.lab.Job(events.JobID(h.Job))
		current := s.holds(j, w, order.Report{Job: h.Job, Lease: h.Lease})
		switch {
		case current:
			told[j.ID] = h.Runs
		case h.Runs:
			k.clean = false
			s.letGo(w, h.Job, h.Lease, h.Device, r.Number)
		case j == nil || j.Run == nil || uint64(j.Run.Lease) != h.Lease || j.Run.OutputComplete:
			s.ask(w, order.Order{Kind: order.Discard, Job: h.Job, Lease: h.Lease, Device: h.Device}, r.Number)
		}
	}
	for _, j := range s.jobs(s.byWorker[w]) {
		if unfinished(j) && !told[j.ID] {
			s.ask(w, order.Order{Kind: order.Check, Job: uint64(j.ID), Lease: uint64(j.Run.Lease), Device: string(j.Run.Device)}, r.Number)
		}
	}
}

// letGo asks a worker to end a job whose lease is over.
func (s *state) letGo(w events.WorkerName, job, lease uint64, device string, number uint64) {
	s.ask(w, order.Order{Kind: order.Cancel, Job: job, Lease: lease, Device: device, Over: true,
		Reason: "the lease is over"}, number)
}

// ask keeps an order to be sent. The report that it answers is in its key: each report is answered
// once, and the same question may be asked again after the next one.
func (s *state) ask(w events.WorkerName, o order.Order, number uint64) {
	o.Version = order.Version
	s.outgoing = append(s.outgoing, outgoing{w, o, fmt.Sprintf("%s/%d/%d/%d", o.Kind, o.Job, o.Lease, number)})
}

// returned puts a job back into the queue. Its next lease is higher, so the order that was not done
// stays undone.
func (s *state) returned(j *lab.Job, reason string) events.JobReturned {
	return events.JobReturned{Job: j.ID, Device: j.Run.Device, Worker: j.Run.Worker, Lease: j.Run.Lease, Reason: reason}
}

// at is the time that a report names, the worker's clock; now where it names none. A clock that is
// wrong counts only as far as it can be right: a job neither ends before it began nor tomorrow.
func at(r order.Report, run *lab.Run, now time.Time) time.Time {
	t, err := time.Parse(time.RFC3339Nano, r.At)
	if err != nil || t.After(now) {
		t = now
	}
	for _, earliest := range []time.Time{run.ScheduledAt, run.StartedAt} {
		if t.Before(earliest) {
			t = earliest
		}
	}
	return t.UTC()
}

// errorType returns a verdict's class of error. A word that is none of ours is Unknown.
func errorType(v order.Verdict) events.ErrorType {
	t := events.ErrorType(v.ErrorType)
	known := []events.ErrorType{events.InfrastructureError, events.ConfigurationError, events.BugError, events.JobError,
		events.TestError, events.CanceledError, events.MultinodeTimeout, events.UnknownError}
	switch {
	case slices.Contains(known, t):
		return t
	case t == "" && v.Result == "pass":
		return ""
	}
	return events.UnknownError
}
