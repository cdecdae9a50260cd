package projections

import (
	"slices"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// The tables say of each file that a test gave what it is and whether its bytes are there, and which are old.
func TestFilesOfTests(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	ended := func(job events.JobID, at time.Time) []events.Event {
		return []events.Event{
			events.JobSubmitted{Job: job, Display: job.String(), User: "alice", At: at, DeviceType: "qemu"},
			events.JobScheduled{Job: job, Device: "qemu-01", Worker: "w1", Lease: 7},
			events.JobFinished{Job: job, Device: "qemu-01", Worker: "w1", Lease: 7, Health: events.Complete, At: at},
			events.JobOutputComplete{Job: job, Lease: 7},
		}
	}
	var last uint64
	for job := events.JobID(1); job <= 7; job++ {
		when := at
		if job == 6 {
			when = at.Add(48 * time.Hour)
		}
		broker.Append(t, ended(job, when)...)
		files := []events.File{
			{Suite: "0_smoke", Case: "boot", Name: "trace.dat", Bytes: 300, SHA256: "aa", At: at, Line: 9, Parts: 1},
			{Suite: "0_smoke", Set: "s", Name: "r.xml", Kind: "junit", Bytes: 20, SHA256: "bb", At: at, Line: 11, Parts: 1}}
		if job == 7 {
			files = nil
		}
		last = broker.Append(t, events.ResultsRecorded{Job: job, Lease: 7, Lines: 12, Files: files})[0].Seq
	}
	facts := broker.Append(t,
		events.JobPinned{Job: 2, Pinned: true, By: "bob"},
		events.JobFavoured{Job: 3, Favourite: true, By: "bob"},
		events.JobFilesErased{Job: 4, Files: 2, Bytes: 320, After: 60},
		events.JobRemoved{Job: 5, LogsOnly: true, By: "bob"})
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, facts[3].Seq)
	awaitPosition(t, db, stream.Results, last)
	stop()

	if old, err := db.OldFiles(t.Context(), at.Add(24*time.Hour)); err != nil || !slices.Equal(old, []events.JobID{1}) {
		t.Errorf("old files: of jobs %v, %v; want 1 alone", old, err)
	}
	if old, err := db.OldFiles(t.Context(), at); err != nil || len(old) != 0 {
		t.Errorf("old files before any job ended: of jobs %v, %v", old, err)
	}
	files, err := db.Files(t.Context(), 4)
	want := File{Job: 4, Suite: "0_smoke", Case: "boot", Name: "trace.dat", Size: 300, Digest: "aa", Time: at, Line: 9, State: "aged out"}
	if err != nil || len(files) != 2 || files[0].KeptUntil == nil || !files[0].KeptUntil.Equal(facts[2].Time.Truncate(time.Microsecond)) {
		t.Fatalf("files of job 4: %+v, %v; want two, kept until %s", files, err, facts[2].Time)
	}
	if files[0].KeptUntil = nil; files[0] != want {
		t.Errorf("file of job 4: %+v, want %+v", files[0], want)
	}
	if f := files[1]; f.Type != "junit" || f.Set != "s" || f.Digest != "bb" {
		t.Errorf("second file of job 4: %+v", f)
	}
	const states = "SELECT arrayStringConcat(groupArray(concat(toString(job), ' ', state)), ', ') FROM (SELECT DISTINCT job, state FROM files ORDER BY job) SETTINGS join_use_nulls = 1"
	if got, want := text(t, db, states), "1 kept, 2 kept, 3 kept, 4 aged out, 5 erased, 6 kept"; got != want {
		t.Errorf("states: %s; want %s", got, want)
	}
}
