package simulation

import (
	"fmt"

	"strata/events"
	"strata/events/lab"
)

// This file plays what is outside of the decisions: people, workers and their jobs.

// admit lets a fact from outside happen, where it still can: what was recorded of a job may come
// after its end in another course of things.
// The same facts may meet another state than they were written for, when policy, devices or deaths
// differ.
func (s *Simulation) admit(e events.Event) {
	switch e := e.(type) {
	case events.JobSubmitted:
		s.open++
		s.promises.submitted(e.Job)
	case events.JobPrioritySet, events.JobCancelRequested:
		if !s.known(e) {
			return
		}
	case events.JobAnnotated, events.JobPinned, events.JobFavoured:
		return
	case events.JobRemoved:
		// Only jobs that are over are erased. Here the same job may still wait, and the fact would end
		// it.
		return
	case events.WorkerWentOnline:
		if s.dead[e.Worker] {
			return
		}
	case events.DeviceRemoved:
		// The api removes no device that is in use.
		if d := s.Lab().Device(e.Device); d != nil && d.State != lab.DeviceIdle {
			return
		}
	}
	s.record(e)
}

// known says that a fact is about a job that is not over.
func (s *Simulation) known(e events.Event) bool {
	var id events.JobID
	switch e := e.(type) {
	case events.JobPrioritySet:
		id = e.Job
	case events.JobCancelRequested:
		id = e.Job
	}
	j := s.Lab().Job(id)
	return j != nil && j.State != lab.Finished
}

// follow foresees what comes of a fact, as dispatch and the workers would have it.
// It is called after the fold, so that it sees the state that the fact made.
func (s *Simulation) follow(e events.Event) {
	switch e := e.(type) {
	case events.JobScheduled:
		s.promises.started(s.Lab().Job(e.Job), s.now)
		s.begin(s.Lab().Job(e.Job))
	case events.JobCancelRequested:
		s.canceled(e.Job)
	case events.JobCancelCascaded:
		s.canceled(e.Job)
	case events.JobWithdrawn:
		s.over(e.Job)
	case events.JobFinished:
		s.over(e.Job)
	case events.DeviceHealthChanged:
		if e.To == events.Bad && s.sc.Repair != nil {
			if d := s.sc.Repair(e.Device, s.seq); d > 0 {
				s.agenda.add(happening{at: s.now.Add(d), kind: repaired, device: e.Device})
			}
		}
	}
}

// begin foresees the start of a job that was given a device; by LAVA's rule it waits there for the other
// parts of its group.
func (s *Simulation) begin(j *lab.Job) {
	parts := []*lab.Job{j}
	if s.lava != nil {
		parts = complete(s.Lab(), j)
	}
	for _, p := range parts {
		how := s.sc.Outcome(p, p.Run.Device)
		s.agenda.add(happening{at: s.now.Add(how.Delay), kind: starts, job: p.ID, lease: p.Run.Lease, how: how})
	}
}

// canceled lets a job's worker end it.
// A job without a device is withdrawn by the scheduler.
func (s *Simulation) canceled(id events.JobID) {
	j := s.Lab().Job(id)
	if j == nil {
		return
	}
	s.stir(j)
	if j.Run != nil && j.State == lab.Canceling {
		s.agenda.add(happening{at: s.now.Add(canceling), kind: ends, job: id, lease: j.Run.Lease,
			how: Outcome{Health: events.Canceled, ErrorType: events.CanceledError, Error: "The job was canceled"}})
	}
}

// over counts the end of a job, and has its group looked at. The job may have left the lab's memory.
func (s *Simulation) over(id events.JobID) {
	// Checks are not counted among the jobs whose end a drained lab waits for.
	if id < firstCheck {
		s.open--
	}
	if j := s.Lab().Job(id); j != nil {
		s.stir(j)
	}
}

func (s *Simulation) stir(j *lab.Job) {
	if j.Part != nil {
		s.stirred = append(s.stirred, j.Part.Group)
	}
}

// happen lets what was foreseen be, unless something else has come in between.
// What was foreseen is never taken back from the agenda; it is void when its moment comes.
func (s *Simulation) happen(h happening) {
	switch h.kind {
	case starts, ends:
		s.work(h)
	case dies:
		if s.Lab().Worker(h.worker) == nil {
			return
		}
		s.dead[h.worker] = true
		s.agenda.add(happening{at: s.now.Add(presence), kind: offline, worker: h.worker})
		s.agenda.add(happening{at: s.now.Add(s.sc.LostAfter), kind: lost, worker: h.worker})
	case offline:
		if s.dead[h.worker] {
			s.record(events.WorkerWentOffline{Worker: h.worker, At: s.now, Reason: fmt.Sprintf("no sign for %s", presence)})
		}
	case lost:
		if s.dead[h.worker] {
			s.loseJobs(h.worker, "its worker has been away and did not come back")
		}
	case back:
		if s.dead[h.worker] {
			s.loseJobs(h.worker, "its worker came back without it")
			delete(s.dead, h.worker)
			s.record(events.WorkerWentOnline{Worker: h.worker, At: s.now})
		}
	case repaired:
		if d := s.Lab().Device(h.device); d != nil && d.Health == events.Bad {
			s.record(events.DeviceHealthSet{Device: h.device, Health: events.Unknown, Reason: "repaired", By: lab.Local})
		}
	}
}

// work lets a worker begin or end a job that is still its own.
func (s *Simulation) work(h happening) {
	j := s.Lab().Job(h.job)
	if j == nil || j.Run == nil || j.Run.Lease != h.lease || j.State == lab.Finished || s.dead[j.Run.Worker] {
		return
	}
	if h.kind == ends {
		s.finish(j, h.how, false)
		return
	}
	if !j.Run.StartedAt.IsZero() || j.State == lab.Canceling {
		return // its cancel is on the way
	}
	s.record(events.JobStarted{Job: j.ID, Device: j.Run.Device, Worker: j.Run.Worker, Lease: h.lease, At: s.now})
	s.agenda.add(happening{at: s.now.Add(h.how.Duration), kind: ends, job: h.job, lease: h.lease, how: h.how})
}

// finish ends a job that has a device.
// A job that is being canceled ends as Canceled, however it would have gone.
func (s *Simulation) finish(j *lab.Job, how Outcome, gone bool) {
	end := events.JobFinished{Job: j.ID, Device: j.Run.Device, Worker: j.Run.Worker, Lease: j.Run.Lease, At: s.now,
		Health: how.Health, ErrorType: how.ErrorType, Error: how.Error, LinesKnown: true, Lost: gone}
	if j.State == lab.Canceling {
		end.Health = events.Canceled
	}
	s.record(end)
	if ended := s.Lab().Job(end.Job); ended != nil {
		s.retry(ended)
	}
	s.record(events.JobOutputComplete{Job: end.Job, Lease: end.Lease})
}

// loseJobs ends the jobs of a worker that is away, as dispatch does.
func (s *Simulation) loseJobs(w events.WorkerName, why string) {
	var held []*lab.Job
	for j := range s.Lab().Jobs() {
		if j.Run != nil && j.Run.Worker == w && j.State != lab.Finished {
			held = append(held, j)
		}
	}
	for _, j := range held {
		s.finish(j, Outcome{Health: events.Incomplete, ErrorType: events.InfrastructureError, Error: why}, true)
	}
}
