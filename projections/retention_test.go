package projections

import (
	"context"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// TestOldRowsLeaveTheTables applies rules of retention by a projector: rows of old jobs go, kind by kind, those of
// pinned, favourite and younger jobs stay, the tables say what went, and a verification finds them sound.
func TestOldRowsLeaveTheTables(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	for _, job := range []events.JobID{1, 3, 5, 7} { // 1 is pinned; all, and refused ones between, end on 22 November 2026
		story(t, broker, job)
	}
	ended := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) // when jobs of a story do
	now := time.Date(2100, 1, 1, 12, 0, 0, 0, time.UTC)     // behind the broker's clock, by which answers of queries age
	later := now.Add(-18 * time.Hour)
	facts := broker.Append(t,
		events.JobFavoured{Job: 5, Favourite: true, By: "bob"},
		events.JobFavoured{Job: 7, Favourite: true, By: "bob"},
		events.JobFavoured{Job: 7, Favourite: false, By: "bob"},
		events.JobSubmitted{Job: 9, Display: "9", User: "alice", Name: "young", At: later, DeviceType: "qemu"},
		events.JobScheduled{Job: 9, Device: "qemu-01", Worker: "w1", Lease: 7},
		events.JobFinished{Job: 9, Device: "qemu-01", Worker: "w1", Lease: 7, Health: events.Complete, At: later},
		events.JobOutputComplete{Job: 9, Lease: 7, Lines: 1, Cases: 1},
		events.QueryRefreshed{Query: 1, Items: []events.QueryItem{{Job: 3}}, By: "admin"},
		events.QueryRefreshed{Query: 2, Items: []events.QueryItem{{Job: 3}}, By: "admin"},
	)
	broker.Append(t, events.ResultsRecorded{Job: 9, Lease: 7, Lines: 1, Cases: []events.Case{{Suite: "s", Name: "x", Result: events.Pass, At: later}}})
	frame(t, broker, 9, 0, 1, "")

	_, stop := project(t, broker, db) // without rules
	awaitPosition(t, db, stream.Lab, facts[len(facts)-1].Seq)
	awaitPosition(t, db, stream.Results, 9)
	awaitPosition(t, db, stream.Output, 17)
	stop()
	if got := text(t, db, "SELECT count() FROM aged"); got != "0" {
		t.Errorf("%s rows of jobs went without a rule", got)
	}

	const day = 24 * time.Hour
	rules := Retention{Logs: day, Results: day, Measurements: now.Sub(ended) + 10*day, History: day, QueryItems: time.Nanosecond}
	p, pass := retained(t, broker, db, rules, now)
	pass()
	const after = `SELECT concat(what, ' ', arrayStringConcat(arrayMap(x -> toString(x), jobs), ' ')) AS t FROM (
		SELECT 'lines' AS what, arraySort(groupUniqArray(job)) AS jobs FROM log_lines UNION ALL
		SELECT 'places', arraySort(groupUniqArray(job)) FROM log_template_jobs UNION ALL
		SELECT 'cases', arraySort(groupUniqArray(job)) FROM test_cases UNION ALL
		SELECT 'suites', arraySort(groupUniqArray(job)) FROM test_suites UNION ALL
		SELECT 'judged', arraySort(groupUniqArray(job)) FROM job_judgements UNION ALL
		SELECT 'changes', arraySort(groupUniqArray(job)) FROM case_changes UNION ALL
		SELECT 'measurements', arraySort(groupUniqArray(job)) FROM measurements UNION ALL
		SELECT 'steps', arraySort(groupUniqArray(job)) FROM job_transitions UNION ALL
		SELECT 'facts', arraySort(groupUniqArray(toUInt64(entity))) FROM events WHERE stream = 'RESULTS' UNION ALL
		SELECT 'of jobs', arraySort(groupUniqArray(toUInt64(entity))) FROM events WHERE stream = 'LAB' AND kind = 'job' UNION ALL
		SELECT 'jobs', arraySort(groupUniqArray(job)) FROM jobs WHERE NOT rejected UNION ALL
		SELECT 'queries', arraySort(groupArray(query)) FROM query_items) ORDER BY t`
	if got, want := text(t, db, after), "cases 1 5 9, changes 1 5, facts 1 5 9, jobs 1 3 5 7 9, judged 1 5, lines 1 5 9, "+
		"measurements 1 3 5 7, of jobs 1 5 9, places 1 5 9, queries 1 2, steps 1 5 9, suites 1 5 9"; got != want {
		t.Errorf("jobs that have rows:\n got %s\nwant %s", got, want)
	}
	aged, err := db.Aged(t.Context(), 3)
	if err != nil || len(aged) != 3 || aged[0].What != "history" || aged[1].What != "logs" || aged[2].What != "results" || !aged[0].At.Equal(now) {
		t.Errorf("what left of job 3: %+v, %v; want history, logs, results, as of %s", aged, err, now)
	}
	ended = aged[0].Ended
	for _, tt := range []struct {
		viewer Viewer
		what   string
		jobs   []events.JobID
		since  time.Time
		want   uint64
	}{
		{Viewer{All: true}, "logs", nil, time.Time{}, 2}, // 3 and 7
		{Viewer{All: true}, "logs", []events.JobID{1, 3, 9}, time.Time{}, 1},
		{Viewer{All: true}, "results", nil, ended, 2},
		{Viewer{All: true}, "results", nil, ended.Add(time.Microsecond), 0},
		{Viewer{All: true}, "measurements", nil, time.Time{}, 0},
		{Viewer{User: "alice"}, "logs", nil, time.Time{}, 2},
		{Viewer{User: "carol"}, "logs", nil, time.Time{}, 0},
	} {
		out, err := db.AgedOut(t.Context(), tt.viewer, tt.what, tt.jobs, tt.since)
		if err != nil || (out != nil) != (tt.want > 0) || out != nil && (out.Jobs != tt.want || !out.Through.Equal(ended)) {
			t.Errorf("what left for %+v of %s, jobs %v since %s: %+v, %v; want %d jobs until %s", tt.viewer, tt.what, tt.jobs, tt.since, out, err, tt.want, ended)
		}
	}
	if aged, err := db.Aged(t.Context(), 9); err != nil || len(aged) > 0 {
		t.Errorf("what left of job 9, which is young: %+v, %v", aged, err)
	}

	// What comes in late of a job goes when the rules are applied again, or its tables are compared.
	broker.Append(t, events.ResultsRecorded{Job: 3, Lease: 7, FirstLine: 9, Cases: []events.Case{{Suite: "late", Name: "x", Result: events.Pass}}})
	v, err := p.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Tables {
		if !c.Equal() {
			t.Errorf("after rows aged out: %+v", c)
		}
		if isAging(c.Table) {
			t.Errorf("%s was compared with the log, which does not make it", c.Table)
		}
	}
	before := text(t, db, after)
	if err := p.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := text(t, db, "SELECT (SELECT count() FROM aged), (SELECT uniqExact(job) FROM log_lines)"); got != "0 5" {
		t.Errorf("rows of aged, jobs that have lines after a rebuild = %s; want 0 5: the log has all of them", got)
	}
	_, pass = retained(t, broker, db, rules, now)
	pass()
	if got := text(t, db, after); got != before {
		t.Errorf("jobs that have rows, after a rebuild and the rules:\n got %s\nwant %s", got, before)
	}
}

// retained makes a projector with rules; pass runs it until it has applied them once.
func retained(t *testing.T, b *eventtest.Broker, db *DB, rules Retention, now time.Time) (p *Projector, pass func()) {
	done := make(chan struct{}, 100)
	p = NewProjector(Settings{DB: db, Log: b.Log, Age: time.Millisecond, Retention: rules, Now: func() time.Time { return now },
		After: func(step string) {
			if step == "aged" {
				done <- struct{}{}
			}
		}})
	return p, func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		select {
		case <-done:
		case err := <-ended:
			t.Fatalf("the projector ended before it applied the rules: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}
