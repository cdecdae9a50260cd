package submission

import (
	"encoding/json"
	"fmt"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// format names the shape of the service's checkpoint: [lab.State.EncodeWith] of own.
const format = "submission.v2"

// formatV1 is the format before, the shape of snapshotV1.
const formatV1 = "submission.v1"

// state is what the service knows: the lab, and how far it has decided.
// It belongs to the driver's goroutine.
type state struct {
	lab *lab.State
	// position is the highest number of a submission that is decided. As they are decided in order,
	// all below it are.
	position events.JobID
	// early are sequences of facts about jobs that are not decided, such as a cancel that was
	// faster. Mostly nil.
	early map[events.Entity]uint64
	// reach is the sequence up to which all facts are known, those included that this instance recorded
	// right behind what it had read; it may be behind what the lab has read.
	reach uint64
	owing map[events.JobID]bool // jobs that are to be retried, and are not yet
	retry bool                  // jobs that do not say are
}

// newState is what is known before the first fact.
func newState() *state { return &state{lab: lab.New(), owing: map[events.JobID]bool{}} }

// evolve folds a fact.
func (s *state) evolve(r stream.Recorded) {
	s.noteOwing(s.lab.Evolve(r.Seq, r.Time, r.Event).Job)
	s.advance(r.Event)
}

// anticipate folds a fact that this instance has just recorded.
func (s *state) anticipate(r stream.Recorded) {
	if s.through() == r.Seq-1 {
		s.reach = r.Seq
	}
	s.noteOwing(s.lab.Anticipate(r.Seq, r.Time, r.Event).Job)
	s.advance(r.Event)
}

// through is the sequence of LAB up to which every fact is known here.
func (s *state) through() uint64 { return max(s.reach, s.lab.Through()) }

// noteOwing notes whether a job that changed is to be retried.
func (s *state) noteOwing(j *lab.Job) {
	switch {
	case j == nil:
	case j.OwesRetry():
		s.owing[j.ID] = true
	default:
		delete(s.owing, j.ID)
	}
}

// advance moves the position. A part has the number of its own text, which stands behind
// submissions that may not be decided yet; what counts is the definition that it is a part of.
func (s *state) advance(e events.Event) {
	switch e := e.(type) {
	case events.JobSubmitted:
		if e.Part == nil || e.Part.Parent == e.Job {
			s.position = max(s.position, e.Job)
		}
	case events.JobRejected:
		s.position = max(s.position, e.Job)
	}
}

// expected is the sequence that a decision's fact must find as its job's last: that of the first
// attempt where the fact is about its retry, else 0, as it is the first one.
// Append asks it for each entity of the batch.
func (s *state) expected(about events.Entity) uint64 {
	if seq := s.lab.Seq(about); seq != 0 {
		return seq
	}
	return s.early[about]
}

// own is what the service knows beside the lab.
type own struct {
	Position events.JobID `json:"position"`
}

// snapshotV1 had the lab within its own JSON.
type snapshotV1 struct {
	own
	LabFormat string          `json:"lab_format"`
	Lab       json.RawMessage `json:"lab"`
}

// save returns the state as a checkpoint of the newest format.
func (s *state) save() ([]byte, error) { return s.lab.EncodeWith(own{s.position}) }

// load replaces the state by a checkpoint's. On an error it stays as it was.
func (s *state) load(name string, data []byte) error {
	var snap own
	var l *lab.State
	var err error
	switch name {
	case format:
		l, err = lab.DecodeWith(data, &snap)
	case formatV1:
		var v1 snapshotV1
		if err = json.Unmarshal(data, &v1); err == nil {
			snap = v1.own
			l, err = lab.Decode(v1.LabFormat, v1.Lab)
		}
	default:
		err = fmt.Errorf("it is not known, want %q", format)
	}
	if err != nil {
		return fmt.Errorf("format %q: %w", name, err)
	}
	s.lab, s.position, s.reach = l, snap.Position, 0
	clear(s.owing)
	for j := range l.Jobs() {
		s.noteOwing(j)
	}
	return nil
}
