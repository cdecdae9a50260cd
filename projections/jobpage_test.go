package projections

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"strata/events"
	"strata/events/stream"
)

// A job whose facts came one by one, the last ones first, is put together while it is read: as much of
// a group of columns as its latest fact says, of all rows that have not been merged.
func TestJobInManyParts(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	if err := db.conn.Exec(t.Context(), "SYSTEM STOP MERGES job_state"); err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	facts := map[uint64]events.Event{
		1: events.JobSubmitted{Job: 7, Display: "7", User: "alice", Name: "nightly", At: noon, DeviceType: "qemu", Tags: []events.TagName{"usb"},
			Priority: 50, Metadata: map[string]string{"branch": "next"}},
		2: events.JobScheduled{Job: 7, Device: "qemu-01", Worker: "w1", Lease: 2},
		3: events.JobReturned{Job: 7, Device: "qemu-01", Worker: "w1", Lease: 2, Reason: "refused"},
		4: events.JobScheduled{Job: 7, Device: "qemu-02", Worker: "w2", Lease: 4},
		5: events.JobStarted{Job: 7, Device: "qemu-02", Worker: "w2", Lease: 4, At: noon.Add(time.Minute)},
		6: events.JobFinished{Job: 7, Device: "qemu-02", Worker: "w2", Lease: 4, Health: events.Incomplete, ErrorType: events.InfrastructureError,
			Error: "no prompt", At: noon.Add(time.Hour)},
	}
	for _, seq := range slices.Backward(slices.Sorted(maps.Keys(facts))) {
		header, body, err := events.Encode(facts[seq], events.Envelope{ID: fmt.Sprint(seq), Source: "test", Time: noon})
		if err != nil {
			t.Fatal(err)
		}
		m := stream.Message{Stream: stream.Lab, Seq: seq, At: noon, Header: header, Data: body}
		if err := db.Load(t.Context(), slices.Values([]stream.Message{m})); err != nil {
			t.Fatal(err)
		}
	}
	apart, err := db.Job(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if apart.State != "Finished" || apart.Health != "Incomplete" || apart.Error != "no prompt" || apart.Device != "qemu-02" || apart.Worker != "w2" ||
		apart.User != "alice" || apart.Priority != 50 || !reflect.DeepEqual(apart.Tags, []string{"usb"}) || apart.Metadata["branch"] != "next" || apart.StartedAt == nil {
		t.Errorf("a job in six parts: %+v", apart)
	}
	for _, f := range []JobFilter{{Viewer: Viewer{All: true}, Device: "qemu-01"}, {Viewer: Viewer{All: true}, States: []string{"Submitted", "Scheduled", "Running"}}, {Viewer: Viewer{All: true}, Worker: "w1"}} {
		if list, err := db.Jobs(t.Context(), f); err != nil || len(list) > 0 {
			t.Errorf("jobs of %+v: %v, %v; that was so before", f, list, err)
		}
	}
	if err := db.conn.Exec(t.Context(), "SYSTEM START MERGES job_state"); err != nil {
		t.Fatal(err)
	}
	if err := db.MergeResults(t.Context()); err != nil {
		t.Fatal(err)
	}
	if merged, err := db.Job(t.Context(), 7); err != nil || !reflect.DeepEqual(merged, apart) {
		t.Errorf("the job once merged: %+v, %v\nbefore it: %+v", merged, err, apart)
	}
}

func testJobPage(t *testing.T, db *DB) {
	page, err := db.JobPage(t.Context(), 11)
	if err != nil {
		t.Fatal(err)
	}
	job, err := db.Job(t.Context(), 11)
	steps, serr := db.JobTransitions(t.Context(), 11)
	suites, uerr := db.Suites(t.Context(), 11)
	if err := errors.Join(err, serr, uerr); err != nil {
		t.Fatal(err)
	}
	if want := (JobPage{job, steps, suites}); !reflect.DeepEqual(page, want) || len(steps) == 0 || len(suites) == 0 {
		t.Errorf("page of job 11:\n got %+v\nwant %+v", page, want)
	}
	if _, err := db.JobPage(t.Context(), 404); !errors.Is(err, ErrNotFound) {
		t.Errorf("page of job 404: %v, want ErrNotFound", err)
	}
}
