package ingestion

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
)

// fold is the lab as ingestion sees it, with the jobs whose output is waited for.
type fold struct {
	lab     *lab.State
	waiting map[events.JobID]bool  // Finished, and their output is not complete
	ended   map[events.JobID]ended // lost jobs whose worker said that its spool is empty
}

// ended is what JobOutputEnded said.
type ended struct {
	Lease events.Lease `json:"lease"`
	Lines uint64       `json:"lines"`
}

// newFold is the lab before its first fact.
func newFold() *fold {
	return &fold{lab: lab.New(), waiting: map[events.JobID]bool{}, ended: map[events.JobID]ended{}}
}

// finished returns the jobs whose output is waited for, in order of their numbers.
func (f *fold) finished() []*lab.Job {
	var jobs []*lab.Job
	for _, id := range slices.Sorted(maps.Keys(f.waiting)) {
		if j := f.lab.Job(id); j != nil {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// decide says that all output of a finished job has been read, or when to ask again: as many lines
// as its worker counted, at its end or when it came back; or as many as there are when the limit has
// passed.
func (f *fold) decide(j *lab.Job, p progress, now time.Time, limit time.Duration) (fact *events.JobOutputComplete, ask time.Time) {
	if p.Lease != j.Run.Lease {
		p = progress{} // of an order that was never started
	}
	lines, known := j.End.Lines, j.End.LinesKnown
	if e, ok := f.ended[j.ID]; ok && e.Lease == j.Run.Lease {
		lines, known = e.Lines, true
	}
	fact = &events.JobOutputComplete{Job: j.ID, Lease: j.Run.Lease, OutputSeq: p.OutputSeq,
		Lines: p.Next, Bytes: p.Bytes, Cases: p.Cases}
	if known && p.Next >= lines {
		return fact, time.Time{}
	}
	// Not from End.At: that is by the worker's clock, and a worker may tell of an end long past, with
	// all of the job's lines still to come.
	deadline := j.End.RecordedAt.Add(limit)
	if now.Before(deadline) {
		return nil, deadline
	}
	if known {
		fact.Missing = lines - p.Next
	}
	fact.Reason = fmt.Sprintf("the worker did not send the rest within %s of the job's end", limit)
	return fact, time.Time{}
}

// encode returns the fold as a checkpoint of format foldFormat, and decodeFold the reverse.
func (f *fold) encode() ([]byte, error) { return f.lab.EncodeWith(foldOwn{f.ended}) }

func decodeFold(format string, data []byte) (f *fold, err error) {
	f = newFold()
	var own foldOwn
	switch format {
	case foldFormat:
		f.lab, err = lab.DecodeWith(data, &own)
	case foldFormatV1:
		var v1 foldSnapshotV1
		if err = json.Unmarshal(data, &v1); err == nil {
			own = v1.foldOwn
			f.lab, err = lab.Decode(v1.LabFormat, v1.Lab)
		}
	default:
		err = fmt.Errorf("format %q is not known, want %q", format, foldFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("decode checkpoint of ingestion: %w", err)
	}
	maps.Copy(f.ended, own.Ended)
	return f, nil
}
