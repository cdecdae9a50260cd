package lab

import (
	"testing"

	"strata/events"
)

func TestKnownIssues(t *testing.T) {
	s := lived(events.KnownIssueAdded{Issue: 1, Title: "slow disk", Log: "I/O error"}, events.KnownIssueAdded{Issue: 2, Title: "odd", Case: "*/odd"},
		events.KnownIssueRemoved{Issue: 2})
	again, err := func() (*State, error) {
		data, err := s.Encode()
		if err != nil {
			return nil, err
		}
		return Decode(Format, data)
	}()
	if err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]*State{"folded": s, "from its checkpoint": again} {
		list := s.Issues()
		if len(list) != 1 || list[0].Title != "slow disk" || s.Issue(1) == nil || s.Issue(2) != nil {
			t.Errorf("%s: known issues are %+v, want issue 1 alone", what, list)
		}
		if s.NextIssue() != 3 {
			t.Errorf("%s: the next issue is %d, want 3: the number of a removed one is not given again", what, s.NextIssue())
		}
		if got := s.Seq(events.Entity{Kind: events.KnownIssues}); got != 3 {
			t.Errorf("%s: last fact about issues %d, want 3", what, got)
		}
	}
}
