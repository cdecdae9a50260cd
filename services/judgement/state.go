package judgement

import (
	"cmp"
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
	trace string    // W3C traceparent; a restart forgets it, and what follows

	failures int       // how often it could not be judged
	later    time.Time // not to be tried before
}

func newState() *state {
	return &state{waiting: map[events.JobID]arrival{}, issues: map[events.IssueID]events.KnownIssueAdded{}}
}

// evolve folds a fact.
func (s *state) evolve(r stream.Recorded) {
	switch e := r.Event.(type) {
	case events.JobOutputComplete:
		s.waiting[e.Job] = arrival{Seq: r.Seq, At: r.Time, trace: r.Trace}
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

// Pauses after a failure: the first, which doubles with each, and the longest.
const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
)

// fail puts a job that could not be judged behind the others, for longer each time: what cannot be read may never be,
// and would keep all others waiting.
func (s *state) fail(job events.JobID, now time.Time) {
	a, waits := s.waiting[job]
	if !waits {
		return
	}
	a.later = now.Add(min(longestPause, firstPause<<min(a.failures, 16)))
	a.failures++
	s.waiting[job] = a
}

// next returns the jobs to be judged now, those that failed least first, then by number; and where there is none,
// when there will be one, zero for never.
func (s *state) next(now time.Time) (jobs []events.JobID, wake time.Time) {
	for id, a := range s.waiting {
		switch {
		case !a.later.After(now):
			jobs = append(jobs, id)
		case wake.IsZero() || a.later.Before(wake):
			wake = a.later
		}
	}
	slices.SortFunc(jobs, func(a, b events.JobID) int {
		return cmp.Or(cmp.Compare(s.waiting[a].failures, s.waiting[b].failures), cmp.Compare(a, b))
	})
	return jobs, wake
}

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
