package projections

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/projections/trend"
)

// judgedJob returns a whole job's facts: of LAB, and its results.
func judgedJob(id events.JobID, change func(*events.JobSubmitted), verdict events.Verdict, cause events.Cause, cases ...events.Case) []events.Event {
	at := time.Date(2026, 11, 22, 10, 0, int(id), 0, time.UTC)
	s := events.JobSubmitted{Job: id, Display: id.String(), User: "alice", Name: "smoke", At: at, DeviceType: "qemu", JobTimeout: 60,
		Metadata: map[string]string{"branch": "main"}, Visibility: events.Visibility{Public: true}}
	if change != nil {
		change(&s)
	}
	health := events.Complete
	if verdict == events.VerdictCanceled {
		health = events.Canceled
	}
	lease := events.Lease(id)
	return []events.Event{s, events.JobScheduled{Job: id, Device: "q1", Worker: "w", Lease: lease}, events.JobStarted{Job: id, Device: "q1", Worker: "w", Lease: lease, At: at},
		events.ResultsRecorded{Job: id, Lease: lease, Lines: 1, Cases: cases},
		events.JobFinished{Job: id, Device: "q1", Worker: "w", Lease: lease, Health: health, At: at.Add(time.Minute)},
		events.JobOutputComplete{Job: id, Lease: lease, Lines: 1},
		events.JobJudged{Job: id, Verdict: verdict, Cause: cause, Compared: 1, Issues: []events.IssueMatch{{Issue: 4}},
			Changes: []events.CaseChange{{Suite: "0_smoke", Name: "a", Change: events.Regression, Since: 1}}}}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	value := func(v float64) *float64 { return &v }
	of := func(result events.Outcome, v *float64) []events.Case {
		return []events.Case{{Suite: "0_smoke", Name: "a", Result: result, Measurement: v, Units: "ms"}, {Suite: "lava", Name: "login-action", Result: events.Pass},
			{Suite: "lava", Name: "job", Result: events.Pass}}
	}
	record := func(facts []events.Event) {
		for _, f := range facts {
			broker.Append(t, f)
		}
	}
	record(judgedJob(1, nil, events.VerdictPass, "", of(events.Pass, value(5))...))
	record(judgedJob(2, nil, events.VerdictInfra, events.CausePower, of(events.Fail, nil)...))
	record(judgedJob(3, func(s *events.JobSubmitted) { s.Metadata = nil }, events.VerdictPass, "", of(events.Pass, nil)...))
	record(judgedJob(4, func(s *events.JobSubmitted) { s.Visibility = events.Visibility{}; s.User = "bob" }, events.VerdictTest, events.CauseTestFailed,
		append(of(events.Fail, value(7)), events.Case{Suite: "0_smoke", Name: "a", Result: events.Pass})...))
	record(judgedJob(5, nil, events.VerdictCanceled, events.CauseCanceled))
	record(judgedJob(6, func(s *events.JobSubmitted) { s.DeviceType = "bbb" }, events.VerdictPass, ""))
	lab, err := broker.Log.Last(t.Context(), stream.Lab)
	if err != nil {
		t.Fatal(err)
	}
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, lab)
	awaitPosition(t, db, stream.Results, 6)
	stop()

	all := Viewer{All: true}
	tests := []struct {
		name string
		like Like
		want []uint64
	}{
		{"its like", Like{Name: "smoke", DeviceType: "qemu", Metadata: map[string]string{"branch": "main"}, Viewer: all}, []uint64{4, 1}},
		{"without metadata", Like{Name: "smoke", DeviceType: "qemu", Metadata: map[string]string{"branch": ""}, Viewer: all}, []uint64{3}},
		{"of any metadata", Like{Name: "smoke", DeviceType: "qemu", Viewer: all}, []uint64{4, 3, 1}},
		{"before one", Like{Name: "smoke", Before: 4, Viewer: all}, []uint64{3, 1}},
		{"whatever ended", Like{Name: "smoke", DeviceType: "qemu", Infra: true, Viewer: all}, []uint64{5, 4, 3, 2, 1}},
		{"the newest", Like{Name: "smoke", Limit: 2, Viewer: all}, []uint64{6, 4}},
		{"of a role", Like{Role: "server", Viewer: all}, nil},
		{"seen by alice", Like{Name: "smoke", DeviceType: "qemu", Viewer: Viewer{User: "alice"}}, []uint64{3, 1}},
		{"seen by bob", Like{Name: "smoke", DeviceType: "qemu", Viewer: Viewer{User: "bob"}}, []uint64{4, 3, 1}},
		{"with a quote", Like{Name: "' OR 1 --", Viewer: all}, nil},
	}
	for _, tt := range tests {
		list, err := db.Comparables(t.Context(), tt.like)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []uint64
		for _, c := range list {
			got = append(got, c.Job)
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: jobs %v, want %v", tt.name, got, tt.want)
		}
	}

	var got []string
	err = db.Series(t.Context(), []events.JobID{1, 3, 4}, CaseName{}, func(s Series) error {
		got = append(got, fmt.Sprint(s.Suite, "/", s.Name, " ", s.Units, " ", outcomes(s.Runs)))
		return nil
	})
	want := []string{"0_smoke/a ms 1:pass=5 3:pass 4:fail=7", "lava/job  1:pass 3:pass 4:pass"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("series of all cases: %q, %v; want %q", got, err, want)
	}
	var one []string
	if err := db.Series(t.Context(), []events.JobID{1, 4}, CaseName{Suite: "lava", Name: "login-action"}, func(s Series) error {
		one = append(one, outcomes(s.Runs))
		return nil
	}); err != nil || !reflect.DeepEqual(one, []string{"1:pass 4:pass"}) {
		t.Errorf("series of one case: %q, %v", one, err)
	}
	if got := text(t, db, "SELECT verdict, cause, issues FROM job_judgements WHERE job = 2"); got != "infra power [4]" {
		t.Errorf("job_judgements has %q of job 2, want the verdict of its fact", got)
	}
	if got := text(t, db, "SELECT count(), any(change) FROM case_changes WHERE job = 2"); got != "1 regression" {
		t.Errorf("case_changes has %q of job 2, want the change of its fact", got)
	}
}

func outcomes(runs []trend.Run) string {
	var b strings.Builder
	for _, r := range runs {
		fmt.Fprintf(&b, "%d:%s", r.Job, r.Result)
		if r.Value != nil {
			fmt.Fprintf(&b, "=%g", *r.Value)
		}
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}
