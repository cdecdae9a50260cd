package projections

import (
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// TestRemovedJobsLoseTheirRows erases one job, and the log of another, in every order in which facts, results
// and lines may arrive; a rebuild makes the same tables.
func TestRemovedJobsLoseTheirRows(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	told := uint64(0)
	for _, job := range []events.JobID{1, 3, 5} {
		told = story(t, broker, job)
	}
	p, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, told)
	awaitPosition(t, db, stream.Output, 12)
	awaitPosition(t, db, stream.Results, 6)
	devices := text(t, db, "SELECT device, event, job FROM device_transitions ORDER BY seq, n")
	if !strings.Contains(devices, "job.started 1") {
		t.Fatalf("no device's story names job 1: %s", devices)
	}
	recorded := broker.Append(t,
		events.JobPinned{Job: 5, Pinned: true, By: "carol", Reason: "the release"},
		events.JobFavoured{Job: 5, Favourite: true, By: "bob"},
		events.JobFavoured{Job: 5, Favourite: false, By: "bob"},
		events.JobRemoved{Job: 1, By: "alice", Reason: "a secret in its log"},
		events.JobRemoved{Job: 3, By: "alice", LogsOnly: true},
	)
	last := recorded[len(recorded)-1].Seq
	awaitPosition(t, db, stream.Lab, last)
	// What comes afterwards of a job that is gone goes as well.
	broker.Append(t, events.ResultsRecorded{Job: 1, Lease: 7, FirstLine: 9, Cases: []events.Case{{Suite: "late", Name: "x", Result: events.Pass}}})
	frame(t, broker, 3, 5, 1, "")
	awaitPosition(t, db, stream.Results, 7)
	awaitPosition(t, db, stream.Output, 13)

	for question, want := range map[string]string{
		"SELECT count() FROM log_lines WHERE job IN (1, 3)":                                           "0",
		"SELECT count() FROM log_line_state WHERE job IN (1, 3)":                                      "0",
		"SELECT count() FROM log_lines WHERE job = 5":                                                 "5",
		"SELECT count() FROM test_cases WHERE job = 1":                                                "0",
		"SELECT count() FROM test_suites WHERE job = 1":                                               "0",
		"SELECT count() FROM measurements WHERE job = 1":                                              "0",
		"SELECT count() FROM events WHERE stream = 'RESULTS' AND entity = '1'":                        "0",
		"SELECT count() FROM test_cases WHERE job = 3":                                                "4",
		"SELECT job, removed FROM jobs WHERE state = 'Finished' AND health = 'Canceled' ORDER BY job": "1 true, 3 false, 5 false",
		"SELECT job, logs_only, by FROM removals ORDER BY job":                                        "1 false alice, 2 true admin, 3 true alice",
		"SELECT kind, user, by FROM keeps FINAL WHERE kept ORDER BY job":                              "pin  admin, pin  carol",
	} {
		if got := text(t, db, question); got != want {
			t.Errorf("%s\n got %s\nwant %s", question, got, want)
		}
	}
	if got := text(t, db, "SELECT device, event, job FROM device_transitions ORDER BY seq, n"); got != devices {
		t.Errorf("stories of devices:\n got %s\nwant %s", got, devices)
	}
	list, err := db.Removable(t.Context(), RemovalFilter{Before: time.Now().Add(time.Hour), Limit: 10})
	if err != nil || len(list) != 5 || list[1].Job != 3 || list[3].Job != 5 || len(list[3].Kept) != 1 || list[3].Kept[0] != "pinned by carol" {
		t.Errorf("jobs that could be erased: %+v, %v; want 2 to 6, of which 5 is pinned", list, err)
	}
	list, err = db.Removable(t.Context(), RemovalFilter{Before: time.Now().Add(time.Hour), User: "alice", LogsOnly: true, Limit: 10})
	if err != nil || len(list) != 1 || list[0].Job != 5 {
		t.Errorf("logs that could be erased: %+v, %v; want that of 5", list, err)
	}
	before := text(t, db, "SELECT job, suite, name FROM test_cases ORDER BY ALL")
	if err := p.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	if after := text(t, db, "SELECT job, suite, name FROM test_cases ORDER BY ALL"); after != before {
		t.Errorf("cases after a rebuild:\n got %s\nwant %s", after, before)
	}
	if got := text(t, db, "SELECT count() FROM log_lines WHERE job IN (1, 3)"); got != "0" {
		t.Errorf("%s lines of erased logs after a rebuild; want none", got)
	}
}
