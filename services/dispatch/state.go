package dispatch

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/order"
)

// state is the lab as dispatch sees it: the shared fold, and beside it what was heard from workers.
type state struct {
	lab     *lab.State
	started time.Time // when this process began to listen
	// open holds the jobs that have a lease and whose output is not complete, with the worker that has it: at
	// most a few for each device. A decision follows every fact, so it goes through those alone that it can be about.
	open     map[events.JobID]events.WorkerName
	byWorker map[events.WorkerName]map[events.JobID]bool // the same, by workers
	unsent   map[events.JobID]bool                       // those of open that changed since it was known that no order is due
	traces   map[events.JobID]string                     // W3C traceparent of jobs in open; a restart forgets them
	workers  map[events.WorkerName]*worker
	sent     map[events.JobID]map[events.Lease]sent // what this process has sent, of jobs in open
	refused  map[events.JobID]map[claim]bool        // refusals that are recorded, of jobs in open and late
	late     map[events.JobID]*late                 // jobs that were over when somebody claimed something of them
	outgoing []outgoing                             // orders that judge and note asked for
	stirred  map[string]bool                        // multinode groups of which a part has ended, or is to end
	live     bool                                   // what is folded now happens while this process is there
}

// worker is what was heard of a worker. None of it is a fact.
type worker struct {
	presence order.Presence
	seen     time.Time // of the last sign; zero: none since this process began
	session  string    // of the last holding report
	asked    string    // session that was asked for one
	build    string
	clean    bool      // none of the leases that it told then was over
	balked   time.Time // when it last refused an order, or its last sign before that
	refusals int       // orders it has refused since it last started a job
	pause    time.Time // until then it is not called Online again
	seq      uint64    // of the last fact about that
}

// refusedOrder begins the reason of a WorkerWentOffline that follows from a refused order: every
// dispatch, not only that which heard the refusal, then knows to wait.
const refusedOrder = "refused an order: "

// How long a worker that refuses one order after the other stays Offline: after the first one until
// its next sign, then longer each time. Each round costs the log facts and the job its place.
const (
	pauseMin = 10 * time.Second
	pauseMax = 5 * time.Minute
)

// follow takes from a fact what it says of the worker's refusals.
func (k *worker) follow(r stream.Recorded) {
	if r.Seq <= k.seq {
		return // one of our own, folded when we appended it
	}
	k.seq = r.Seq
	switch e := r.Event.(type) {
	case events.JobStarted:
		k.refusals = 0
	case events.WorkerWentOnline:
		k.balked = time.Time{} // somebody has seen a later sign
	case events.WorkerWentOffline:
		if !strings.HasPrefix(e.Reason, refusedOrder) {
			return
		}
		k.balked = k.seen
		if k.refusals > 0 {
			k.pause = r.Time.Add(min(pauseMin<<min(k.refusals-1, 10), pauseMax))
		}
		k.refusals++
	}
}

// lease is one assignment of a job.
type lease struct {
	job   events.JobID
	lease events.Lease
}

// sent tells which orders of a lease this process has sent.
type sent struct{ start, cancel, over bool }

// claim is what a refusal is recorded once for.
type claim struct {
	lease
	worker events.WorkerName
	claim  order.Claim
}

// late is what the log says of a job that is no longer in memory.
type late struct {
	seq  uint64
	runs map[events.Lease]bool // leases it has had
	done map[events.Lease]bool // leases that ended by their worker's own word
}

// outgoing is an order for a worker, and its key.
type outgoing struct {
	worker events.WorkerName
	order  order.Order
	key    string
}

// newState is the state of a process that begins to listen now.
func newState(now time.Time) *state {
	return &state{
		lab: lab.New(), started: now, open: map[events.JobID]events.WorkerName{}, unsent: map[events.JobID]bool{},
		byWorker: map[events.WorkerName]map[events.JobID]bool{}, traces: map[events.JobID]string{}, workers: map[events.WorkerName]*worker{},
		sent: map[events.JobID]map[events.Lease]sent{}, refused: map[events.JobID]map[claim]bool{}, late: map[events.JobID]*late{},
		stirred: map[string]bool{},
	}
}

// restore replaces the fold by a checkpoint's.
func (s *state) restore(l *lab.State) {
	s.lab = l
	for j := range l.Jobs() {
		s.index(j)
	}
}

// evolve folds a fact of the log, anticipate one that was just appended here.
func (s *state) evolve(r stream.Recorded)     { s.follow(r, s.lab.Evolve(r.Seq, r.Time, r.Event)) }
func (s *state) anticipate(r stream.Recorded) { s.follow(r, s.lab.Anticipate(r.Seq, r.Time, r.Event)) }

// follow brings the index up to what the fold now says.
func (s *state) follow(r stream.Recorded, c lab.Changes) {
	if c.Job != nil {
		s.index(c.Job)
		if _, open := s.open[c.Job.ID]; open && r.Trace != "" {
			s.traces[c.Job.ID] = r.Trace
		}
	}
	switch e := r.Event.(type) {
	case events.ReportRefused:
		s.refuse(claim{lease{e.Job, e.Lease}, e.Worker, order.Claim(e.Claim)})
		if l := s.late[e.Job]; l != nil {
			l.seq = max(l.seq, r.Seq)
		}
	case events.JobOutputEnded:
		s.refuse(claim{lease{e.Job, e.Lease}, e.Worker, order.SpoolEmpty}) // once, too
	case events.JobOutputComplete:
		// Of what happened earlier workers learn by their next holding report.
		if s.live && c.Job != nil {
			s.ask(c.Job.Run.Worker, order.Order{Kind: order.Discard, Job: uint64(e.Job), Lease: uint64(e.Lease),
				Device: string(c.Job.Run.Device)}, 0)
		}
	case events.JobStarted:
		s.known(e.Worker).follow(r)
	case events.WorkerWentOffline:
		s.known(e.Worker).follow(r)
	case events.WorkerWentOnline:
		s.known(e.Worker).follow(r)
	case events.WorkerRemoved:
		delete(s.workers, e.Worker)
	}
}

// index keeps what this service remembers of a job beside the fold.
func (s *state) index(j *lab.Job) {
	if j.Part != nil && (j.Cancel != nil || j.State == lab.Finished) {
		s.stirred[j.Part.Group] = true
	}
	s.close(j.ID)
	if j.Run != nil && !j.Run.OutputComplete && s.lab.Job(j.ID) != nil {
		s.open[j.ID], s.unsent[j.ID] = j.Run.Worker, true
		if s.byWorker[j.Run.Worker] == nil {
			s.byWorker[j.Run.Worker] = map[events.JobID]bool{}
		}
		s.byWorker[j.Run.Worker][j.ID] = true
		return
	}
	delete(s.traces, j.ID)
	if j.Run == nil || s.lab.Job(j.ID) != nil {
		return
	}
	left := func(id events.JobID) {
		delete(s.sent, id)
		delete(s.refused, id)
	}
	left(j.ID)
	if j.Attempt != nil {
		left(j.Attempt.Of) // the first attempt has stayed until now
	}
}

// refuse notes that a refusal is recorded.
func (s *state) refuse(c claim) {
	if s.refused[c.job] == nil {
		s.refused[c.job] = map[claim]bool{}
	}
	s.refused[c.job][c] = true
}

// noteSent notes what the broker has of a lease's orders.
func (s *state) noteSent(l lease, now sent) {
	if s.sent[l.job] == nil {
		s.sent[l.job] = map[events.Lease]sent{}
	}
	s.sent[l.job][l.lease] = now
}

// traceOf returns the trace of the job that a fact is about, where it is known.
func (s *state) traceOf(e events.Event) string {
	about := e.About()
	if about.Kind != events.Job {
		return ""
	}
	id, err := strconv.ParseUint(about.ID, 10, 64)
	if err != nil { // JobID.String writes a number
		return ""
	}
	return s.traces[events.JobID(id)]
}

// recall takes the history of a job that has left memory.
func (s *state) recall(job events.JobID, facts []stream.Recorded) {
	if len(s.late) > 1000 {
		clear(s.late) // it is a cache, and so are the refusals of jobs that are over
		maps.DeleteFunc(s.refused, func(id events.JobID, _ map[claim]bool) bool { return s.lab.Job(id) == nil })
	}
	l := &late{runs: map[events.Lease]bool{}, done: map[events.Lease]bool{}}
	s.late[job] = l
	for _, r := range facts {
		l.seq = r.Seq
		switch e := r.Event.(type) {
		case events.JobScheduled:
			l.runs[e.Lease] = true
		case events.JobFinished:
			l.done[e.Lease] = !e.Lost
		case events.ReportRefused:
			s.refuse(claim{lease{e.Job, e.Lease}, e.Worker, order.Claim(e.Claim)})
		}
	}
}

// expect is the sequence that the next fact of an entity follows.
func (s *state) expect(e events.Entity) uint64 {
	if seq := s.lab.Seq(e); seq != 0 {
		return seq
	}
	for job, l := range s.late {
		if e == (events.Entity{Kind: events.Job, ID: job.String()}) {
			return l.seq
		}
	}
	return 0
}

// sign notes that a worker showed itself.
func (s *state) sign(w events.WorkerName, p order.Presence, now time.Time) {
	known := s.known(w)
	known.presence, known.seen = p, now
}

// known returns what was heard of a worker, nothing at first.
func (s *state) known(w events.WorkerName) *worker {
	if s.workers[w] == nil {
		s.workers[w] = &worker{}
	}
	return s.workers[w]
}

// close takes a job out of those that are open.
func (s *state) close(id events.JobID) {
	w, open := s.open[id]
	if !open {
		return
	}
	delete(s.open, id)
	delete(s.unsent, id)
	if delete(s.byWorker[w], id); len(s.byWorker[w]) == 0 {
		delete(s.byWorker, w)
	}
}

// jobs returns jobs that are in memory, in order of their numbers.
func (s *state) jobs(ids map[events.JobID]bool) []*lab.Job {
	jobs := make([]*lab.Job, 0, len(ids))
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if j := s.lab.Job(id); j != nil {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// adrift returns the open jobs whose worker is not there, in order of their numbers.
func (s *state) adrift(now time.Time, l limits) []*lab.Job {
	ids := map[events.JobID]bool{}
	for w, has := range s.byWorker {
		if s.lab.Worker(w) == nil || !s.known(w).here(now, l) {
			maps.Copy(ids, has)
		}
	}
	return s.jobs(ids)
}

// unfinished says that a job holds its lease in the lab's eyes.
func unfinished(j *lab.Job) bool { return j.Run != nil && j.State != lab.Finished }
