package lab

import (
	"maps"
	"slices"

	"strata/events"
)

// Issue is a known issue.
type Issue struct {
	events.KnownIssueAdded
	Seq uint64 `json:"seq"` // of the fact that added it
}

// issues are those that are known. Their numbers are given once.
type issues struct {
	known map[events.IssueID]*Issue
	last  events.IssueID // the highest number given so far
	seq   uint64         // of the last fact about any
}

// Issues returns what is known, in order of its numbers.
func (s *State) Issues() []*Issue {
	list := make([]*Issue, 0, len(s.issues.known))
	for _, id := range slices.Sorted(maps.Keys(s.issues.known)) {
		list = append(list, s.issues.known[id])
	}
	return list
}

// Issue returns a known issue, nil where there is none of that number.
func (s *State) Issue(id events.IssueID) *Issue { return s.issues.known[id] }

// NextIssue is the number of the next known issue.
func (s *State) NextIssue() events.IssueID { return s.issues.last + 1 }

func (s *State) evolveIssues(seq uint64, e events.Event) {
	s.issues.seq = seq
	switch e := e.(type) {
	case events.KnownIssueAdded:
		if s.issues.known == nil {
			s.issues.known = map[events.IssueID]*Issue{}
		}
		s.issues.known[e.Issue] = &Issue{e, seq}
		s.issues.last = max(s.issues.last, e.Issue)
	case events.KnownIssueRemoved:
		delete(s.issues.known, e.Issue)
	}
}

// issuesSnap is how a checkpoint keeps them.
type issuesSnap struct {
	Known []*Issue       `json:"known,omitempty"`
	Last  events.IssueID `json:"last,omitempty"`
	Seq   uint64         `json:"seq,omitempty"`
}

func (s *State) snapIssues() *issuesSnap {
	if s.issues.last == 0 {
		return nil
	}
	return &issuesSnap{s.Issues(), s.issues.last, s.issues.seq}
}

func (s *State) restoreIssues(snap *issuesSnap) {
	if snap == nil {
		return
	}
	s.issues = issues{map[events.IssueID]*Issue{}, snap.Last, snap.Seq}
	for _, i := range snap.Known {
		s.issues.known[i.Issue] = i
	}
}
