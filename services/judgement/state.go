package judgement

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"strata/events"
	"strata/events/stream"
)

// state is what the service remembers of LAB.
type state struct {
	waiting map[events.JobID]arrival
	issues  map[events.IssueID]events.KnownIssueAdded
	judged  uint64 // sequence of the last JobJudged: the next comparison needs it in the tables
}

// arrival is the fact that made a job ready to be judged.
type arrival struct {
	Seq   uint64    `json:"seq"`
	At    time.Time `json:"at"`
	trace string    // W3C traceparent; a restart forgets it
}

func newState() *state {
	return &state{waiting: map[events.JobID]arrival{}, issues: map[events.IssueID]events.KnownIssueAdded{}}
}

// evolve folds a fact.
func (s *state) evolve(r stream.Recorded) {
	switch e := r.Event.(type) {
	case events.JobOutputComplete:
		s.waiting[e.Job] = arrival{r.Seq, r.Time, r.Trace}
	case events.JobJudged:
		delete(s.waiting, e.Job)
		s.judged = max(s.judged, r.Seq)
	case events.JobRemoved:
		delete(s.waiting, e.Job)
	case events.KnownIssueAdded:
		s.issues[e.Issue] = e
	case events.KnownIssueRemoved:
		delete(s.issues, e.Issue)
	}
}

// next returns the jobs to be judged, lowest number first.
func (s *state) next() []events.JobID { return slices.Sorted(maps.Keys(s.waiting)) }

// format names the shape of the checkpoint.
const format = "judgement.v1"

// snapshot is the shape of "judgement.v1".
type snapshot struct {
	Waiting map[events.JobID]arrival `json:"waiting,omitempty"`
	Issues  []events.KnownIssueAdded `json:"issues,omitempty"`
	Judged  uint64                   `json:"judged"`
}

func (s *state) encode() ([]byte, error) {
	snap := snapshot{Waiting: s.waiting, Judged: s.judged}
	for _, id := range slices.Sorted(maps.Keys(s.issues)) {
		snap.Issues = append(snap.Issues, s.issues[id])
	}
	data, err := json.Marshal(snap)
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint of judgement: %w", err)
	}
	return data, nil
}

func decodeState(name string, data []byte) (*state, error) {
	if name != format {
		return nil, fmt.Errorf("decode checkpoint of judgement: format %q is not known, want %q", name, format)
	}
	var snap snapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		return nil, fmt.Errorf("decode checkpoint of judgement: %w", err)
	}
	s := newState()
	s.judged = snap.Judged
	maps.Copy(s.waiting, snap.Waiting)
	for _, i := range snap.Issues {
		s.issues[i.Issue] = i
	}
	return s, nil
}
