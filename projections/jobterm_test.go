package projections

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"strata/events"
)

// Every condition finds the same jobs in the tables as it does among the jobs themselves, in the same order:
// lists are put together of both.
func TestJobTerms(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	db, all := sought(t, r, 120)
	var jobs []SelectedJob
	for _, j := range all {
		if !j.gone {
			jobs = append(jobs, SelectedJob{Job: j.Job})
		}
	}
	for range 60 {
		s := someSelection(r)
		want := []uint64{}
		for _, j := range jobs {
			hidden := slices.Contains(s.Viewer.HiddenDevices, events.DeviceName(j.Device)) ||
				slices.Contains(s.Viewer.HiddenTypes, events.DeviceTypeName(j.DeviceType)) && !slices.Contains(s.Viewer.ShownDevices, events.DeviceName(j.Device))
			seen := s.Viewer.All || j.User == string(s.Viewer.User) || j.Public && !hidden
			within := j.Job.Job >= uint64(s.From) && (s.Below == 0 || j.Job.Job < uint64(s.Below))
			if seen && within && !slices.Contains(s.Except, events.JobID(j.Job.Job)) && !slices.ContainsFunc(s.Terms, func(t JobTerm) bool { return !t.Holds(&j) }) {
				want = append(want, j.Job.Job)
			}
		}
		count := uint64(len(want))
		slices.SortFunc(want, func(a, b uint64) int {
			if Before(s.Order, byNumber(jobs, a), byNumber(jobs, b)) {
				return -1
			}
			return 1
		})
		want = want[min(s.Offset, len(want)):]
		want = want[:min(s.Limit, len(want))]
		list, err := db.SelectJobs(t.Context(), s)
		if err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		got := []uint64{}
		for _, j := range list {
			got = append(got, j.Job.Job)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v:\n got %v\nwant %v", s, got, want)
		}
		if n, err := db.CountSelected(t.Context(), s); err != nil || n != count {
			t.Errorf("%+v: counted %d (%v), want %d", s, n, err, count)
		}
	}
}

func byNumber(jobs []SelectedJob, id uint64) *SelectedJob {
	return &jobs[slices.IndexFunc(jobs, func(j SelectedJob) bool { return j.Job.Job == id })]
}

// someSelection asks for anything, with up to two conditions that all of the fields take part in.
func someSelection(r *rand.Rand) JobSelection {
	s := JobSelection{Viewer: Viewer{User: "alice", All: r.IntN(2) == 0}, Limit: 1 + r.IntN(200), Offset: r.IntN(3),
		Terms: []JobTerm{{Field: "rejected", Op: TermExact, Values: []string{"false"}}}}
	for range r.IntN(3) {
		s.Terms = append(s.Terms, someTerm(r))
	}
	if r.IntN(3) == 0 { // a search: one of several columns
		s.Terms = append(s.Terms, JobTerm{Any: []JobTerm{someTerm(r), someTerm(r), someTerm(r)}, Not: r.IntN(4) == 0})
	}
	if r.IntN(2) == 0 {
		s.Order = []JobOrder{{Field: pick(r, []string{"id", "submit_time", "start_time", "end_time"}), Desc: r.IntN(2) == 0, NullsFirst: r.IntN(2) == 0}}
	}
	if r.IntN(2) == 0 {
		s.Viewer.HiddenDevices, s.Viewer.ShownDevices = []events.DeviceName{"q2"}, []events.DeviceName{"q1"}
		s.Viewer.HiddenTypes = []events.DeviceTypeName{"bbb"}
	}
	switch r.IntN(4) { // by how a page is looked for
	case 0: // among few numbers, close to their end
		s.From, s.Below = events.JobID(r.IntN(60)), events.JobID(60+r.IntN(80))
	case 1: // among more than a few
		s.From, s.Below = events.JobID(r.IntN(60)), maxNarrow+200
	case 2: // the newest, behind any of the jobs
		s.Newest = events.JobID(1024 + 8*(s.Offset+s.Limit) + r.IntN(120))
	}
	for range r.IntN(3) {
		s.Except = append(s.Except, events.JobID(1+r.IntN(120)))
	}
	return s
}

func someTerm(r *rand.Rand) JobTerm {
	ordered := []TermOp{TermExact, TermLT, TermLTE, TermGT, TermGTE}
	texts := []TermOp{TermExact, TermIExact, TermIn, TermContains, TermIContains, TermStartsWith, TermIStartsWith, TermEndsWith, TermIEndsWith, TermRegex, TermIRegex}
	not := r.IntN(4) == 0
	at := soughtNoon.Add(time.Duration(r.IntN(72)) * time.Hour).Format(time.RFC3339Nano)
	switch r.IntN(8) {
	case 0:
		return JobTerm{Field: "id", Op: pick(r, ordered), Values: []string{fmt.Sprint(r.IntN(120))}, Not: not}
	case 1:
		return JobTerm{Field: "priority", Op: TermIn, Values: []string{"50", "100"}, Not: not}
	case 2:
		return JobTerm{Field: pick(r, []string{"submit_time", "start_time", "end_time"}), Op: pick(r, ordered), Values: []string{at}, Not: not}
	case 3:
		return JobTerm{Field: pick(r, []string{"start_time", "end_time"}), Op: TermIsNull, Values: []string{pick(r, []string{"true", "false"})}, Not: not}
	case 4:
		return JobTerm{Field: "health_check", Op: TermExact, Values: []string{pick(r, []string{"true", "False"})}, Not: not}
	case 5:
		return JobTerm{Field: "metadata", Path: []string{pick(r, []string{"branch", "b'r", "build"})}, Op: pick(r, append(texts, TermHas, TermHasAny)), Values: []string{pick(r, []string{"next", "9", "it's"})}, Not: not}
	case 6:
		return JobTerm{Field: pick(r, []string{"display", "state", "health", "device_type", "submitter"}), Op: pick(r, texts),
			Values: []string{pick(r, []string{"Finished", "Submitted", "Complete", "alice", "BOB", "o'hara", "qemu", "7", "7.1"})}, Not: not}
	}
	return JobTerm{Field: "description", Op: pick(r, texts[:9]), Values: []string{pick(r, append(soughtNames, "boot", "größe"))}, Not: not}
}

// What a term cannot mean is refused with the words that somebody can mend it by.
func TestJobTermRefusals(t *testing.T) {
	for want, term := range map[string]JobTerm{
		"color":    {Field: "color", Op: TermExact, Values: []string{"x"}},
		"values":   {Field: "id", Op: TermExact},
		"invalid":  {Field: "id", Op: TermExact, Values: []string{"x"}},
		"by regex": {Field: "id", Op: TermRegex, Values: []string{"1"}},
		"parsing":  {Field: "end_time", Op: TermGT, Values: []string{"noon"}},
		"neither":  {Field: "health_check", Op: TermExact, Values: []string{"perhaps"}},
		"order":    {Field: "description", Op: TermGT, Values: []string{"a"}},
		"name a":   {Field: "metadata", Op: TermExact, Values: []string{"a"}},
		"missing":  {Field: "description", Op: TermRegex, Values: []string{"("}},
		"keys":     {Field: "state", Op: TermHas},
		"in place": {Field: "state", Any: []JobTerm{{Field: "state", Op: TermExact, Values: []string{"Running"}}}},
		"within":   {Any: []JobTerm{{Any: []JobTerm{{Field: "state", Op: TermExact, Values: []string{"Running"}}}}}},
		"at most":  {Any: make([]JobTerm, mostAny+1)},
		"colour":   {Any: []JobTerm{{Field: "colour", Op: TermExact, Values: []string{"x"}}}},
	} {
		if err := term.Check(); err == nil {
			t.Errorf("%+v: no error, want one about %q", term, want)
		}
	}
}
