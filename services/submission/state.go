package submission

import (
	"encoding/json"
	"fmt"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// format names the shape of the service's checkpoint.
const format = "submission.v1"

// state is what the service knows: the lab, and how far it has decided.
type state struct {
	lab *lab.State
	// position is the highest number of a submission that is decided. As they are decided in order,
	// all below it are.
	position events.JobID
	// early are sequences of facts about jobs that are not decided, such as a cancel that was
	// faster. Mostly nil.
	early map[events.Entity]uint64
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
	s.noteOwing(s.lab.Anticipate(r.Seq, r.Time, r.Event).Job)
	s.advance(r.Event)
}

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
func (s *state) expected(about events.Entity) uint64 {
	if seq := s.lab.Seq(about); seq != 0 {
		return seq
	}
	return s.early[about]
}

// snapshot is the shape of "submission.v1".
type snapshot struct {
	Position  events.JobID    `json:"position"`
	LabFormat string          `json:"lab_format"`
	Lab       json.RawMessage `json:"lab"`
}

// save returns the state as a checkpoint of the newest format.
func (s *state) save() ([]byte, error) {
	data, err := s.lab.Encode()
	if err != nil {
		return nil, err
	}
	return json.Marshal(snapshot{s.position, lab.Format, data})
}

// load replaces the state by a checkpoint's. On an error it stays as it was.
func (s *state) load(name string, data []byte) error {
	if name != format {
		return fmt.Errorf("format %q is not known, want %q", name, format)
	}
	var snap snapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		return fmt.Errorf("format %s: %w", format, err)
	}
	l, err := lab.Decode(snap.LabFormat, snap.Lab)
	if err != nil {
		return err
	}
	s.lab, s.position = l, snap.Position
	clear(s.owing)
	for j := range l.Jobs() {
		s.noteOwing(j)
	}
	return nil
}
