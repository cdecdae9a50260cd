package api

import (
	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// maxFresh is how many jobs are remembered for the tables' sake. Tables that are further behind are being
// made anew, and nobody waits for them then.
const maxFresh = 16_384

// fresh remembers the jobs of the latest facts as they are after them: the tables are a moment behind the
// log, and the fold forgets a job when it is over. Lists of jobs are put together of both.
type fresh struct {
	// Tables that have read less far than this leave a gap that nobody fills: lists then wait, or are [Away].
	from  uint64 // jobs of facts after this one are here
	jobs  map[events.JobID]freshJob
	order []freshMark // in order of their facts; a job stands there once for each
}

// freshMark is where a fact about a job stood.
type freshMark struct {
	seq uint64
	job events.JobID
}

// freshJob is a job after its last fact.
// job is a copy of the fold's, as it was after the fact at seq.
type freshJob struct {
	seq uint64
	job *lab.Job // nil: only its facts tell
}

func newFresh(from uint64) fresh { return fresh{from: from, jobs: map[events.JobID]freshJob{}} }

// note remembers the job of a fact, where it has one. A fact that was noted before changes nothing.
// The caller holds api.mu for writing, as for forget.
func (f *fresh) note(r stream.Recorded, c lab.Changes) {
	id := jobOf(r, c)
	if id == 0 {
		return
	}
	if f.jobs[id].seq >= r.Seq {
		return
	}
	entry := freshJob{seq: r.Seq}
	if c.Job != nil {
		j := *c.Job // the fold changes its own
		entry.job = &j
	}
	f.jobs[id] = entry
	f.order = append(f.order, freshMark{r.Seq, id})
	if len(f.order) > maxFresh {
		// Half at once, for each forget copies what is left.
		f.forget(f.order[len(f.order)/2].seq)
	}
}

// jobOf is the job that a fact has changed or is about; 0 for none.
func jobOf(r stream.Recorded, c lab.Changes) events.JobID {
	if c.Job != nil {
		return c.Job.ID
	}
	if about := r.Event.About(); about.Kind == events.Job {
		return jobID(about.ID)
	}
	return 0
}

// forget drops what the tables have: facts up to a sequence.
// from moves with it, also where nothing was remembered.
func (f *fresh) forget(through uint64) {
	n := 0
	for n < len(f.order) && f.order[n].seq <= through {
		if m := f.order[n]; f.jobs[m.job].seq <= through {
			delete(f.jobs, m.job)
		}
		n++
	}
	f.order = append(f.order[:0:0], f.order[n:]...)
	f.from = max(f.from, through)
}

// jobID reads a job's number out of an entity's id; 0 where there is none.
func jobID(id string) events.JobID {
	var n uint64
	for _, c := range []byte(id) {
		if c < '0' || c > '9' {
			return 0
		}
		// Numbers of facts are the lab's own: none is too long.
		n = n*10 + uint64(c-'0')
	}
	return events.JobID(n)
}
