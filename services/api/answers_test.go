package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"strata/events"
	"strata/schemas/results"
)

// TestTextsWithin asks for the texts of more jobs than an answer has room for: it ends with the one that fills it, says so,
// and reads few of those that come after; who goes on from there gets all of them.
func TestTextsWithin(t *testing.T) {
	t.Parallel()
	read := make(chan events.JobID, 1000)
	text := func(id events.JobID) (JobTexts, error) {
		read <- id
		if id%10 == 0 {
			return JobTexts{}, refuse(Denied, "not yours")
		}
		return JobTexts{Job: id, Original: strings.Repeat("x", 900)}, nil // 1,000 bytes of memory
	}
	var ids, got []events.JobID
	for id := range events.JobID(50) {
		ids = append(ids, id)
	}
	asked := 0
	for rest := ids; len(rest) > 0; asked++ {
		texts, err := textsWithin(12_000, rest, text)
		if err != nil || len(texts) == 0 || len(texts) > 12 {
			t.Fatalf("texts from job %d on: %d of them, %v", rest[0], len(texts), err)
		}
		if n := len(read); n > 12+2+textsAtOnce { // two are not this caller's
			t.Errorf("%d texts were read for an answer of %d", n, len(texts))
		}
		for len(read) > 0 {
			<-read
		}
		for i, one := range texts {
			if one.Cut != (i == 11) {
				t.Errorf("text %d of an answer: cut %v", i, one.Cut)
			}
			got = append(got, one.Job)
		}
		last := texts[len(texts)-1]
		if !last.Cut {
			break
		}
		rest = rest[slices.Index(rest, last.Job)+1:]
	}
	want := slices.DeleteFunc(slices.Clone(ids), func(id events.JobID) bool { return id%10 == 0 })
	if !slices.Equal(got, want) || asked != 3 {
		t.Errorf("in %d further questions: jobs %v, want %v in 3", asked, got, want)
	}
	if _, err := textsWithin(1, ids, func(events.JobID) (JobTexts, error) { return JobTexts{}, refuse(Away, "away") }); !HasCode(err, Away) {
		t.Errorf("a broker that is away: got %v", err)
	}
}

// TestPick asks for cases that an answer has room for, and for more: those are refused, never cut off.
func TestPick(t *testing.T) {
	t.Parallel()
	e := &caseFile{of: map[string]surveyed{}}
	for _, suite := range []string{"0_a", "1_b"} {
		e.suites = append(e.suites, suite)
		for i := range 10 {
			n := events.CaseNumber(uint64(len(e.suites)), i)
			if i == 0 {
				e.of[suite] = surveyed{n, 10}
			}
			e.held, e.cases = append(e.held, results.Case{ID: n, Suite: suite, Set: fmt.Sprint("s", i%2), Name: fmt.Sprint("c", i), Result: "pass"}), e.cases+1
		}
	}
	const room = 10 * 400 // of ten cases, whose metadata are some bytes
	if _, err := (CasesRequest{Job: 7}).pick(room, e); !HasCode(err, Invalid) || !strings.Contains(err.Error(), "the cases of job 7 have more than") {
		t.Errorf("all of them: got %v, want them refused", err)
	}
	fifth := events.CaseNumber(2, 5)
	one, err := CasesRequest{Case: fifth}.pick(room, e)
	if err != nil || len(one) != 1 || one[0].ID != fifth || one[0].SuiteID != events.CaseNumber(2, 0) || one[0].SetID != events.CaseNumber(2, 1) {
		t.Errorf("one case: got %+v, %v", one, err)
	}
	e.in.Suite = "1_b"
	if got, err := (CasesRequest{Suite: "1_b"}).pick(room, e); err != nil || len(got) != 10 || got[9].Suite != "1_b" {
		t.Errorf("a suite: got %d, %v", len(got), err)
	}
}
