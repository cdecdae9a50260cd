package judgement

import (
	"fmt"
	"reflect"
	"testing"

	"strata/events"
	"strata/projections"
	"strata/projections/trend"
	"strata/services/judgement/verdict"
)

// past makes the comparable jobs and the series of one case of letters: P, F, S; a dot is a job without the
// case. Jobs are numbered from 1.
func past(k events.CaseName, letters string) story {
	s := story{series: map[events.CaseName]projections.Series{}, cases: map[events.CaseName]events.CaseSum{}}
	var runs []trend.Run
	for i, l := range letters {
		id := events.JobID(i + 1)
		s.before = append([]projections.Comparable{{Job: uint64(id)}}, s.before...)
		if l != '.' {
			runs = append(runs, trend.Run{Job: id, Result: map[rune]events.Outcome{'P': events.Pass, 'F': events.Fail, 'S': events.Skip}[l]})
		}
	}
	s.series[k] = projections.Series{Runs: runs}
	return s
}

func changesOf(e events.JobJudged) string {
	text := ""
	for _, c := range e.Changes {
		text += fmt.Sprintf("%s/%s %s since %d; ", c.Suite, c.Name, c.Change, c.Since)
	}
	return text
}

func TestDecide(t *testing.T) {
	t.Parallel()
	a, job := events.CaseName{Suite: "0_smoke", Name: "a"}, events.CaseName{Suite: "lava", Set: "", Name: "job"}
	failed := verdict.Judgement{Cause: events.CauseTestFailed}
	tests := []struct {
		name, before string
		key          events.CaseName
		now          events.Outcome
		log          verdict.Judgement
		causes       map[events.JobID]events.Cause
		want         string
	}{
		{name: "a regression", before: "PP", key: a, now: events.Fail, log: failed, want: "0_smoke/a regression since 2; "},
		{name: "over a gap", before: "P.S", key: a, now: events.Fail, log: failed, want: "0_smoke/a regression since 1; "},
		{name: "a fix", before: "PF", key: a, now: events.Pass, want: "0_smoke/a fix since 2; "},
		{name: "still failing", before: "PF", key: a, now: events.Fail, log: failed, want: "0_smoke/a still-failing since 2; "},
		{name: "the first time", before: "", key: a, now: events.Fail, log: failed, want: "0_smoke/a first-time-failed since 0; "},
		{name: "skipped now", before: "PP", key: a, now: events.Skip},
		{name: "flaky", before: "PFPP", key: a, now: events.Fail, log: failed, want: "0_smoke/a flaky since 4; "},
		{name: "the lab's fault", before: "PP", key: a, now: events.Fail, log: verdict.Judgement{Cause: events.CausePower}},
		{name: "canceled", before: "PP", key: a, now: events.Fail, log: verdict.Judgement{Cause: events.CauseCanceled}},
		{name: "a kernel that crashed", before: "PP", key: job, now: events.Fail, log: verdict.Judgement{Cause: events.CausePanic}, want: "lava/job regression since 2; "},
		{name: "silent once", before: "PP", key: job, now: events.Fail, log: verdict.Judgement{Cause: events.CauseHang}},
		{name: "silent twice", before: "PPF", key: job, now: events.Fail, log: verdict.Judgement{Cause: events.CauseHang},
			causes: map[events.JobID]events.Cause{3: events.CauseHang}, want: "lava/job regression since 2; "},
		{name: "silent three times", before: "PPFF", key: job, now: events.Fail, log: verdict.Judgement{Cause: events.CauseHang},
			causes: map[events.JobID]events.Cause{3: events.CauseHang, 4: events.CauseHang}, want: "lava/job still-failing since 4; "},
		{name: "heard again", before: "PPF", key: job, now: events.Pass, causes: map[events.JobID]events.Cause{3: events.CauseHang}},
	}
	for _, tt := range tests {
		s := past(tt.key, tt.before)
		s.log = tt.log
		s.cases[tt.key] = events.CaseSum{Result: tt.now}
		for i, b := range s.before {
			s.before[i].Cause = string(tt.causes[events.JobID(b.Job)])
		}
		e := decide(events.JobID(len(tt.before)+1), s)
		if got := changesOf(e); got != tt.want {
			t.Errorf("%s: changes %q, want %q", tt.name, got, tt.want)
		}
		if again := decide(e.Job, s); !reflect.DeepEqual(e, again) {
			t.Errorf("%s: asked again it decides %+v, before %+v", tt.name, again, e)
		}
	}
}

// A shift is told once, with the job that began it; the suite lava's durations are nobody's measurements.
func TestDecideShift(t *testing.T) {
	t.Parallel()
	k := events.CaseName{Suite: "0_speed", Name: "boot"}
	value := func(v float64) *float64 { return &v }
	told := 0
	for n := 18; n <= 30; n++ {
		s := story{series: map[events.CaseName]projections.Series{}, cases: map[events.CaseName]events.CaseSum{}}
		level := func(i int) float64 {
			v := 10 + float64(i%3)*0.1
			if i >= 20 {
				v += 2
			}
			return v
		}
		var runs []trend.Run
		for i := range n {
			runs = append(runs, trend.Run{Job: events.JobID(i + 1), Result: events.Pass, Value: value(level(i))})
		}
		for _, key := range []events.CaseName{k, {Suite: "lava", Name: "job"}} {
			s.series[key] = projections.Series{Runs: runs}
			s.cases[key] = events.CaseSum{Result: events.Pass, Measurement: value(level(n)), Units: "seconds"}
		}
		e := decide(events.JobID(n+1), s)
		if told += e.Counts.Shifts; e.Counts.Shifts > 0 {
			c := e.Changes[0]
			if c.Change != events.ShiftedUp || c.Since != 21 || c.Worse == nil || !*c.Worse || c.Before > 10.3 || c.After < 11.9 {
				t.Errorf("after %d runs: %+v, want a shift upwards for the worse since job 21", n, c)
			}
		}
	}
	if told != 1 {
		t.Errorf("the shift was told %d times, want once", told)
	}
}

func TestDecideBoundsItsLists(t *testing.T) {
	t.Parallel()
	s := story{cases: map[events.CaseName]events.CaseSum{}, log: verdict.Judgement{Cause: events.CauseTestFailed}}
	for i := range 1000 {
		s.cases[events.CaseName{Suite: "0_many", Name: fmt.Sprintf("c%04d", i)}] = events.CaseSum{Result: events.Fail}
	}
	e := decide(1, s)
	if e.Counts.FirstFailed != 1000 || len(e.Changes) != maxChanges || e.Changes[0].Name != "c0000" {
		t.Errorf("%d counted, %d listed; want 1000 and %d", e.Counts.FirstFailed, len(e.Changes), maxChanges)
	}
}

func TestIssues(t *testing.T) {
	t.Parallel()
	known := map[events.IssueID]events.KnownIssueAdded{
		1: {Issue: 1, Log: `I/O error, dev \w+`},
		2: {Issue: 2, Case: "*/net-*"},
		3: {Issue: 3, Case: "0_smoke/odd", Log: "never"},
		4: {Issue: 4, Log: ".", DeviceType: "bbb"},
		5: {Issue: 5, Log: ".", Metadata: map[string]string{"branch": "next"}},
		6: {Issue: 6, Log: ".", Name: "boot*"},
		7: {Issue: 7, Log: "("},
		8: {Issue: 8},
	}
	list := issuesFor(known, events.JobSubmitted{DeviceType: "qemu", Name: "smoke of next", Metadata: map[string]string{"branch": "main"}})
	look(list, "[    1.0] I/O error, dev sda, sector 1", 17)
	look(list, "[    2.0] I/O error, dev sda, sector 2", 18)
	found, explains := matches(list, []events.CaseName{{Suite: "0_smoke", Name: "net-ping"}, {Suite: "0_smoke", Name: "odd"}})
	if len(found) != 2 || found[0].Issue != 1 || *found[0].Line != 17 || found[1].Issue != 2 || found[1].Cases != 1 {
		t.Errorf("issues %+v, want 1 in line 17, and 2 with one case", found)
	}
	if explains[events.CaseName{Suite: "0_smoke", Name: "net-ping"}] != 2 || len(explains) != 1 {
		t.Errorf("explained: %v, want net-ping by issue 2", explains)
	}
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{{"*", "", true}, {"", "", true}, {"", "a", false}, {"a*c", "abbc", true}, {"a*c", "abcd", false}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"*x*", "axb", true},
		{"*a*b", "aab", true}, {"a**", "a", true}, {"?", "", false}} {
		if got := glob(tt.pattern, tt.name); got != tt.want {
			t.Errorf("glob(%q, %q) = %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
}
