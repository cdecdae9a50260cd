package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/projections"
	"strata/services/api"
)

// A list has each job as it is at this moment: what the tables have not read yet, what left the fold, and
// whose fact was written by the api itself.
func TestFindJobs(t *testing.T) {
	t.Parallel()
	b, c, db := withTables(t)
	var ids []events.JobID
	for range 6 {
		id := publish(t, b, "job_name: smoke\n")
		ids = append(ids, id)
		e := submitted(id)
		e.Metadata = map[string]string{"build": id.String()}
		e.Visibility.Public = id%2 == 0
		b.Append(t, e)
	}
	finish := func(id events.JobID) {
		b.Append(t, events.JobScheduled{Job: id, Device: "q1", Worker: "w1", Lease: events.Lease(id)},
			events.JobStarted{Job: id, Device: "q1", Worker: "w1", Lease: events.Lease(id), At: noon},
			events.JobFinished{Job: id, Device: "q1", Worker: "w1", Lease: events.Lease(id), Health: events.Complete, At: noon, LinesKnown: true},
			events.DeviceReleased{Device: "q1", Job: id, Lease: events.Lease(id)},
			events.JobOutputComplete{Job: id, Lease: events.Lease(id)})
	}
	finish(ids[0])
	last := tablesRead(t, b, db)
	// From here on the tables stand still.
	finish(ids[1])
	call(t, c, "jobs.cancel", api.JobRequest{Job: ids[2], Reason: "enough"}, nil)
	b.Append(t, events.JobWithdrawn{Job: ids[2], Reason: "canceled"})
	late := publish(t, b, "job_name: late\n")
	e := submitted(late)
	e.Metadata = map[string]string{"build": "late"}
	b.Append(t, e)
	call(t, c, "jobs.priority", api.PriorityRequest{Job: ids[3], Priority: 90}, nil)

	exact := func(field string, values ...string) projections.JobTerm {
		return projections.JobTerm{Field: field, Op: projections.TermIn, Values: values}
	}
	build := func(value string) projections.JobTerm {
		return projections.JobTerm{Field: "metadata", Path: []string{"build"}, Op: projections.TermExact, Values: []string{value}}
	}
	for name, tt := range map[string]struct {
		in    api.FindJobs
		want  []events.JobID
		count uint64
	}{
		"all":        {api.FindJobs{}, []events.JobID{late, ids[5], ids[4], ids[3], ids[2], ids[1], ids[0]}, 7},
		"a page":     {api.FindJobs{Limit: 2, Offset: 3}, []events.JobID{ids[3], ids[2]}, 7},
		"the last":   {api.FindJobs{Limit: 5, Offset: 6}, []events.JobID{ids[0]}, 7},
		"none":       {api.FindJobs{Offset: 9}, nil, 7},
		"finished":   {api.FindJobs{Terms: []projections.JobTerm{exact("state", "Finished")}}, []events.JobID{ids[2], ids[1], ids[0]}, 3},
		"complete":   {api.FindJobs{Terms: []projections.JobTerm{exact("health", "Complete")}}, []events.JobID{ids[1], ids[0]}, 2},
		"waiting":    {api.FindJobs{Terms: []projections.JobTerm{exact("state", "Submitted")}}, []events.JobID{late, ids[5], ids[4], ids[3]}, 4},
		"oldest":     {api.FindJobs{Limit: 2, Order: []projections.JobOrder{{Field: "id"}}}, []events.JobID{ids[0], ids[1]}, 7},
		"raised":     {api.FindJobs{Terms: []projections.JobTerm{exact("priority", "90")}}, []events.JobID{ids[3]}, 1},
		"old build":  {api.FindJobs{Terms: []projections.JobTerm{build(ids[1].String())}}, []events.JobID{ids[1]}, 1},
		"late build": {api.FindJobs{Terms: []projections.JobTerm{build("late"), exact("state", "Submitted")}}, []events.JobID{late}, 1},
		"either":     {api.FindJobs{Terms: []projections.JobTerm{{Any: []projections.JobTerm{exact("priority", "90"), build("late"), exact("id", ids[0].String())}}}}, []events.JobID{late, ids[3], ids[0]}, 3},
		"neither":    {api.FindJobs{Terms: []projections.JobTerm{{Not: true, Any: []projections.JobTerm{exact("state", "Submitted"), exact("health", "Complete")}}}}, []events.JobID{ids[2]}, 1},
		"counted":    {api.FindJobs{Count: true}, nil, 7},
	} {
		var got api.FoundJobs
		call(t, c, "jobs.find", tt.in, &got)
		if numbers := foundIDs(got); fmt.Sprint(numbers) != fmt.Sprint(tt.want) || got.Count != tt.count {
			t.Errorf("%s: got %v of %d, want %v of %d", name, numbers, got.Count, tt.want, tt.count)
		}
		for _, j := range got.Jobs {
			if j.Metadata["build"] == "" {
				t.Errorf("%s: job %d has metadata %v, want its build", name, j.Job.Job, j.Metadata)
			}
		}
	}
	if at, err := db.Position(t.Context(), stream.Lab); err != nil || at != last {
		t.Errorf("the tables read on to %d (%v): the test shows nothing of what they have not read", at, err)
	}

	bob := api.Client{Conn: b.Connect(t), User: "bob"}
	var got api.FoundJobs
	call(t, bob, "jobs.find", api.FindJobs{}, &got)
	for _, j := range got.Jobs {
		if !j.Public {
			t.Errorf("bob is shown job %d, which is not public", j.Job.Job)
		}
	}
	if got.Count != 3 || len(got.Jobs) != 3 {
		t.Errorf("bob: got %v of %d, want the three public jobs", foundIDs(got), got.Count)
	}
	err := c.Call(t.Context(), "jobs.find", api.FindJobs{Terms: []projections.JobTerm{exact("color", "red")}}, nil)
	if !api.HasCode(err, api.Invalid) || !strings.Contains(err.Error(), "want one of") {
		t.Errorf("by color: got %v, want it refused with the fields that there are", err)
	}
}

func foundIDs(f api.FoundJobs) (ids []events.JobID) {
	for _, j := range f.Jobs {
		ids = append(ids, events.JobID(j.Job.Job))
	}
	return ids
}

// Texts are LAVA's: the definition without comments and with its keys in order, the original as it came.
func TestJobTexts(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	id := publish(t, b, "# why\njob_name: x\nactions: [{b: 1, a: yes}]\n")
	b.Append(t, submitted(id))
	var got []api.JobTexts
	call(t, c, "jobs.texts", api.JobsNamed{Jobs: []events.JobID{id, 99}}, &got)
	want := api.JobTexts{Job: id, Definition: "actions:\n- a: true\n  b: 1\njob_name: x\n", Original: "# why\njob_name: x\nactions: [{b: 1, a: yes}]\n"}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v alone", got, want)
	}
}

// withTables is start with tables that [tablesRead] brings up to date and nobody else.
func withTables(t *testing.T) (*eventtest.Broker, api.Client, *projections.DB) {
	t.Helper()
	b := eventtest.Start(t)
	db, err := projections.Open(engine.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	tablesRead(t, b, db)
	serveWith(t, b, api.History{DB: db})
	return b, api.Client{Conn: b.Connect(t), User: access.Local}, db
}

// tablesRead lets the tables read what the log has now, and returns how far that is.
func tablesRead(t *testing.T, b *eventtest.Broker, db *projections.DB) uint64 {
	t.Helper()
	last, err := b.Log.Last(t.Context(), stream.Lab)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- projections.NewProjector(projections.Settings{DB: db, Log: b.Log, Age: time.Millisecond}).Run(ctx)
	}()
	deadline, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	at, err := db.Position(deadline, stream.Lab)
	for err != nil || at < last {
		select {
		case <-tick.C:
		case <-deadline.Done():
			t.Fatalf("the tables are at %d (%v), want %d", at, err, last)
		}
		at, err = db.Position(deadline, stream.Lab)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("projector: %v", err)
	}
	return at
}

// TestDeepPages goes through the pages of a queue in both directions, to the end and beyond.
func TestDeepPages(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	const jobs = 300
	var facts []events.Event
	for id := range events.JobID(jobs) {
		facts = append(facts, submitted(id+1))
	}
	for some := range slices.Chunk(facts, stream.MaxBatch) {
		b.Append(t, some...)
	}
	waiting := []projections.JobTerm{{Field: "state", Op: projections.TermExact, Values: []string{"Submitted"}}}
	for _, ascending := range []bool{false, true} {
		in := api.FindJobs{Terms: waiting, Limit: 7, Order: []projections.JobOrder{{Field: "id", Desc: !ascending}}}
		for _, in.Offset = range []int{0, 3, 100, 150, 295, 300, 4000, 1 << 62} {
			var want []events.JobID
			for n := in.Offset; n < min(in.Offset+in.Limit, jobs); n++ {
				id := events.JobID(jobs - n)
				if ascending {
					id = events.JobID(n + 1)
				}
				want = append(want, id)
			}
			var got api.FoundJobs
			call(t, c, "jobs.find", in, &got)
			if ids := foundIDs(got); fmt.Sprint(ids) != fmt.Sprint(want) || got.Count != jobs {
				t.Errorf("from %d on, ascending %v: %v of %d, want %v of %d", in.Offset, ascending, ids, got.Count, want, jobs)
			}
		}
	}
}
