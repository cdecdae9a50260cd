package notify

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// maxLikes is how many kinds of comparable jobs the state remembers the last one of; of more, those whose
// last job is oldest are forgotten.
const maxLikes = 50_000

// state is the lab, with what waits to be told of.
type state struct {
	lab      *lab.State
	by       []string // entries of the metadata in which comparable jobs agree
	now      time.Time
	horizon  time.Duration // what is older than that is not told of any more
	waiting  map[momentKey]*moment
	heirs    map[events.JobID]events.JobID // later attempt → the first one, which waits for it
	alike    map[events.JobID]uint64       // of jobs that are not over, what they are compared by
	likes    map[uint64]outcome            // the last job of each likeness that tells of what it tested
	pending  map[deliveryKey]*pending
	unjudged map[events.JobID]uint64 // likeness of jobs that ended and may yet be judged
	fresh    []*pending              // not in a queue yet
	ends     int                     // moments that were folded
}

// momentKey names a moment.
type momentKey struct {
	job  events.JobID
	kind events.Moment
}

// moment is one that nobody has looked at to the end yet.
type moment struct {
	Job    events.JobID  `json:"job"`
	Kind   events.Moment `json:"kind"`
	Seq    uint64        `json:"seq"` // in LAB of the fact that it is
	At     time.Time     `json:"at"`
	Before outcome       `json:"before,omitzero"` // the comparable job before, when it ended
	due    time.Time     // when to look at it; zero: now
	done   bool          // its plan is recorded, and on its way here
	trace  string        // W3C traceparent; a restart forgets it
}

// outcome is how a job ended that others are compared with.
type outcome struct {
	Job    events.JobID     `json:"job,omitempty"`
	Health events.JobHealth `json:"health,omitempty"`
	// The one before it, in case the judgement says that this one tells nothing.
	Before       events.JobID     `json:"before,omitempty"`
	BeforeHealth events.JobHealth `json:"before_health,omitempty"`
}

// deliveryKey names a delivery.
// n counts from 1 within the job, over all of its moments.
type deliveryKey struct {
	job events.JobID
	n   int
}

// pending is a delivery that has to go out.
type pending struct {
	Job      events.JobID    `json:"job"`
	Moment   events.Moment   `json:"moment"`
	Last     events.JobID    `json:"last,omitempty"`
	Before   events.JobID    `json:"before,omitempty"`
	Delivery events.Delivery `json:"delivery"`
	Since    time.Time       `json:"since"` // when it was planned, or asked for again
	attempts int
	due      time.Time // of the next attempt
	trace    string
}

func newState(by []string, horizon time.Duration) *state {
	return &state{lab: lab.New(), by: by, horizon: horizon, waiting: map[momentKey]*moment{}, heirs: map[events.JobID]events.JobID{},
		alike: map[events.JobID]uint64{}, likes: map[uint64]outcome{}, pending: map[deliveryKey]*pending{}, unjudged: map[events.JobID]uint64{}}
}

// evolve folds a fact.
// The lab comes last: what is noted before looks at the job as it was.
func (s *state) evolve(r stream.Recorded) {
	if r.Time.After(s.now) {
		s.now = r.Time
	}
	switch e := r.Event.(type) {
	case events.JobSubmitted:
		s.submitted(e)
	case events.JobStarted:
		s.wait(r, e.Job, events.MomentRunning)
	case events.JobFinished, events.JobWithdrawn:
		s.finished(r)
	case events.JobRetried:
		// By now its JobSubmitted has said the same; a log that begins in between has this fact
		// alone.
		s.heirs[e.As] = e.Job
		s.touch(e.Job)
	case events.JobOutputComplete:
		s.touch(e.Job)
	case events.JobJudged:
		s.judged(e)
		s.touch(e.Job)
	case events.JobRetryDropped:
		s.touch(e.Job)
	case events.JobCancelRequested:
		s.touch(e.Job)
	case events.JobRemoved:
		s.touch(e.Job)
	case events.NotificationPlanned:
		s.plan(r, e)
	case events.NotificationSent:
		delete(s.pending, deliveryKey{e.Job, e.N})
	case events.NotificationFailed:
		delete(s.pending, deliveryKey{e.Job, e.N})
	case events.NotificationReplayed:
		s.replay(r, e)
	}
	s.lab.Evolve(r.Seq, r.Time, r.Event)
}

// submitted notes what a job is compared by. A later attempt is told of by the first one.
func (s *state) submitted(e events.JobSubmitted) {
	h := fnv.New64a()
	role := ""
	if e.Part != nil {
		role = e.Part.Role
	}
	// Quoted, so that no two lists of values give the same text.
	fmt.Fprintf(h, "%q %q %q %t", e.Name, e.DeviceType, role, e.HealthCheck)
	for _, key := range s.by {
		fmt.Fprintf(h, " %q", e.Metadata[key])
	}
	s.alike[e.Job] = h.Sum64()
	if e.Attempt != nil {
		s.heirs[e.Job] = e.Attempt.Of
	}
}

// wait has a moment looked at. Those long past are not: a lab that is told to notify does not begin with
// its history.
// The moment that it returns is not in waiting where a later attempt is meant: the first one's is.
func (s *state) wait(r stream.Recorded, job events.JobID, kind events.Moment) *moment {
	m := &moment{Job: job, Kind: kind, Seq: r.Seq, At: r.Time, trace: r.Trace}
	if _, heir := s.heirs[job]; heir {
		return m
	}
	s.waiting[momentKey{job, kind}] = m
	// Only while facts are replayed can so many gather: plan drops those that are too old as well.
	if s.ends++; s.ends%10_000 == 0 {
		maps.DeleteFunc(s.waiting, func(_ momentKey, m *moment) bool { return m.At.Before(s.now.Add(-s.horizon)) })
	}
	return m
}

// finished notes a job's end.
func (s *state) finished(r stream.Recorded) {
	var job events.JobID
	var health events.JobHealth
	telling := false
	switch e := r.Event.(type) {
	case events.JobFinished:
		j := s.lab.Job(e.Job)
		if j == nil {
			return
		}
		next, fits := j.After(r.Time, e)
		if !fits {
			return // of an order that is over
		}
		job, health = e.Job, next.End.Health
		// Whoever canceled it or a lab that failed says nothing about what was tested.
		telling = health != events.Canceled && !lab.LabsFault(e.ErrorType) && !e.Lost
	case events.JobWithdrawn:
		job, health = e.Job, events.Canceled
	}
	m := s.wait(r, job, events.MomentFinished)
	like, known := s.alike[job]
	delete(s.alike, job)
	if known {
		// Taken now: by the time that it is told of, others may have ended.
		m.Before = s.likes[like]
	}
	if known && telling {
		s.likes[like] = outcome{job, health, m.Before.Job, m.Before.Health}
		s.unjudged[job] = like
		s.forget()
	}
	s.touch(job)
}

// judged takes back what a job told of what it tested, where the lab turned out to be to blame.
// Comparable jobs that have ended meanwhile were compared with it all the same: that is past.
func (s *state) judged(e events.JobJudged) {
	like, known := s.unjudged[e.Job]
	delete(s.unjudged, e.Job)
	if last := s.likes[like]; known && last.Job == e.Job && (e.Verdict == events.VerdictInfra || e.Verdict == events.VerdictCanceled) {
		s.likes[like] = outcome{Job: last.Before, Health: last.BeforeHealth}
	}
}

// forget drops the oldest of what would grow without end.
// A tenth goes at a time, for it sorts all.
func (s *state) forget() {
	if len(s.likes) > maxLikes {
		keys := slices.SortedFunc(maps.Keys(s.likes), func(a, b uint64) int {
			return cmp.Or(cmp.Compare(s.likes[a].Job, s.likes[b].Job), cmp.Compare(a, b))
		})
		for _, k := range keys[:maxLikes/10] {
			delete(s.likes, k)
		}
	}
	if len(s.heirs) > maxLikes {
		for _, job := range slices.Sorted(maps.Keys(s.heirs))[:maxLikes/10] {
			delete(s.heirs, job)
		}
	}
	if len(s.unjudged) > maxLikes { // nobody judges in this lab
		for _, job := range slices.Sorted(maps.Keys(s.unjudged))[:maxLikes/10] {
			delete(s.unjudged, job)
		}
	}
}

// touch has the moment of a job's end looked at again, or that of the attempt before it.
// Zero is "now": act looks at it after the fold has caught up.
func (s *state) touch(job events.JobID) {
	if first, heir := s.heirs[job]; heir {
		job = first
	}
	if m := s.waiting[momentKey{job, events.MomentFinished}]; m != nil {
		m.due = time.Time{}
	}
}

// plan takes a moment for done and has its deliveries go out.
func (s *state) plan(r stream.Recorded, e events.NotificationPlanned) {
	delete(s.waiting, momentKey{e.Job, e.Moment})
	if e.Moment == events.MomentFinished && e.Last != 0 {
		delete(s.heirs, e.Last)
	}
	for _, d := range e.Deliveries {
		s.add(&pending{Job: e.Job, Moment: e.Moment, Last: e.Last, Before: e.Before, Delivery: d, Since: r.Time, trace: r.Trace})
	}
}

// replay has deliveries go out again. The fact names them by number only: what they are the service loads
// from the job's plans.
// Numbers that nobody has planned are dropped when the plans are read.
func (s *state) replay(r stream.Recorded, e events.NotificationReplayed) {
	for _, n := range e.Deliveries {
		key := deliveryKey{e.Job, n}
		if s.pending[key] == nil { // else it is on its way
			s.add(&pending{Job: e.Job, Delivery: events.Delivery{N: n}, Since: r.Time, trace: r.Trace})
		}
	}
}

// add has a delivery go out.
func (s *state) add(p *pending) {
	s.pending[deliveryKey{p.Job, p.Delivery.N}] = p
	s.fresh = append(s.fresh, p)
}

// format names the shape of the checkpoint.
const format = "notify.v1"

// snapshot is this service's own part of "notify.v1"; the lab stands behind it.
// A field that is added later is empty in the checkpoints before: its meaning has to allow for that.
type snapshot struct {
	Now     time.Time                     `json:"now"`
	Waiting []*moment                     `json:"waiting,omitempty"`
	Heirs   map[events.JobID]events.JobID `json:"heirs,omitempty"`
	Alike   map[events.JobID]uint64       `json:"alike,omitempty"`
	Likes   map[uint64]outcome            `json:"likes,omitempty"`
	Pending []*pending                    `json:"pending,omitempty"`
	Open    map[events.JobID]uint64       `json:"unjudged,omitempty"`
}

// encode writes the checkpoint. The order of lists is fixed, so the same state gives the same bytes.
func (s *state) encode() ([]byte, error) {
	return s.lab.EncodeWith(snapshot{s.now, s.moments(), s.heirs, s.alike, s.likes, s.deliveries(), s.unjudged})
}

// decode replaces the state by that of a checkpoint, and leaves it alone on an error.
func (s *state) decode(name string, data []byte) error {
	if name != format {
		return fmt.Errorf("decode checkpoint of notify: format %q is not known, want %q", name, format)
	}
	var snap snapshot
	l, err := lab.DecodeWith(data, &snap)
	if err != nil {
		return fmt.Errorf("decode checkpoint of notify: %w", err)
	}
	fresh := newState(s.by, s.horizon)
	fresh.lab, fresh.now = l, snap.Now
	for _, m := range snap.Waiting {
		fresh.waiting[momentKey{m.Job, m.Kind}] = m
	}
	for _, p := range snap.Pending {
		// Each goes to its queue again, with its attempts counted from the start.
		fresh.add(p)
	}
	maps.Copy(fresh.heirs, snap.Heirs)
	maps.Copy(fresh.alike, snap.Alike)
	maps.Copy(fresh.likes, snap.Likes)
	maps.Copy(fresh.unjudged, snap.Open)
	*s = *fresh
	return nil
}

// moments returns what waits to be looked at, in the order in which it happened.
// Order counts where the lab was off: people hear of yesterday before today.
func (s *state) moments() []*moment {
	return slices.SortedFunc(maps.Values(s.waiting), func(a, b *moment) int { return cmp.Compare(a.Seq, b.Seq) })
}

// deliveries returns what has to go out, by job and number.
func (s *state) deliveries() []*pending {
	return slices.SortedFunc(maps.Values(s.pending), func(a, b *pending) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Delivery.N, b.Delivery.N))
	})
}
