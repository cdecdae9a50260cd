package api_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"strata/events"
	"strata/projections"
	"strata/services/api"
)

// TestListsAskedAgain asks the same lists again and again while jobs come, end, are retried, raised and erased, with
// tables that are sometimes behind: what is remembered of a list never shows in it, neither to who sees all jobs nor
// to who sees some. The job's numbers begin and end in two blocks of what is counted together.
func TestListsAskedAgain(t *testing.T) {
	t.Parallel()
	b, c, db := withTables(t)
	for _, user := range []events.UserName{"bob"} {
		call(t, c, "users.add", api.UserRequest{User: user}, nil)
	}
	bob := api.Client{Conn: b.Connect(t), User: "bob"}
	r := rand.New(rand.NewPCG(12, 5))
	type known struct {
		state     string
		health    events.JobHealth
		public    bool
		gone      bool
		priority  int
		annotated bool
	}
	jobs := map[events.JobID]*known{}
	var ids []events.JobID
	step := func() {
		if len(ids) == 0 || r.IntN(3) == 0 {
			// Of these 30 numbers some stand below a multiple of the block's width, some above it.
			id := events.JobID(4080 + len(ids))
			public := r.IntN(2) == 0
			e := submitted(id)
			e.Visibility, e.Metadata = events.Visibility{Public: public}, map[string]string{"build": "1"}
			b.Append(t, e)
			ids = append(ids, id)
			jobs[id] = &known{state: "Submitted", public: public, priority: e.Priority}
			return
		}
		id := ids[r.IntN(len(ids))]
		j := jobs[id]
		switch {
		case j.state == "Submitted" && r.IntN(4) == 0:
			b.Append(t, events.JobPrioritySet{Job: id, Priority: 90})
			j.priority = 90
		case j.state == "Submitted":
			health := events.Complete
			if r.IntN(2) == 0 {
				health = events.Incomplete
			}
			b.Append(t, events.JobScheduled{Job: id, Device: "q1", Worker: "w1", Lease: events.Lease(id)},
				events.JobStarted{Job: id, Device: "q1", Worker: "w1", Lease: events.Lease(id), At: noon},
				events.JobFinished{Job: id, Device: "q1", Worker: "w1", Lease: events.Lease(id), Health: health, At: noon, LinesKnown: true},
				events.DeviceReleased{Device: "q1", Job: id, Lease: events.Lease(id)}, events.JobOutputComplete{Job: id, Lease: events.Lease(id)})
			j.state, j.health = "Finished", health
		case !j.gone && r.IntN(6) == 0:
			b.Append(t, events.JobRemoved{Job: id, By: "admin", Reason: "old"})
			j.gone = true
		case !j.gone:
			b.Append(t, events.JobAnnotated{Job: id, Tags: []string{"seen"}, By: "admin"})
			j.annotated = true
		}
	}
	term := func(field, value string) projections.JobTerm {
		return projections.JobTerm{Field: field, Op: projections.TermExact, Values: []string{value}}
	}
	lists := []struct {
		terms []projections.JobTerm
		holds func(*known) bool
	}{
		{nil, func(*known) bool { return true }},
		{[]projections.JobTerm{term("state", "Finished")}, func(j *known) bool { return j.state == "Finished" }},
		{[]projections.JobTerm{term("state", "Finished"), term("health", "Incomplete")}, func(j *known) bool { return j.health == events.Incomplete }},
		{[]projections.JobTerm{term("priority", "90")}, func(j *known) bool { return j.priority == 90 }},
		{[]projections.JobTerm{term("failure_tags", "seen")}, func(j *known) bool { return j.annotated }},
	}
	for round := range 12 {
		for range 3 + r.IntN(4) {
			step()
		}
		if r.IntN(3) == 0 {
			tablesRead(t, b, db)
		}
		for n, l := range lists {
			for user, who := range map[string]api.Client{"all": c, "bob": bob} {
				var want []events.JobID
				for _, id := range ids {
					if j := jobs[id]; !j.gone && l.holds(j) && (user == "all" || j.public) {
						want = append(want, id)
					}
				}
				in := api.FindJobs{Terms: l.terms, Whole: true, Offset: r.IntN(3), Limit: 1 + r.IntN(5)}
				switch r.IntN(3) {
				case 0:
					in.Order = []projections.JobOrder{{Field: "id"}}
				case 1:
					slices.Reverse(want)
				default:
					slices.Reverse(want)
					in.Order = []projections.JobOrder{{Field: "id", Desc: true}}
				}
				count := uint64(len(want))
				want = want[min(in.Offset, len(want)):]
				want = want[:min(in.Limit, len(want))]
				var got api.FoundJobs
				call(t, who, "jobs.find", in, &got)
				if numbers := foundIDs(got); fmt.Sprint(numbers) != fmt.Sprint(want) || got.Count != count {
					t.Fatalf("round %d, list %d for %s, %d from %d on, order %v: got %v of %d, want %v of %d",
						round, n, user, in.Limit, in.Offset, in.Order, numbers, got.Count, want, count)
				}
			}
		}
	}
	if len(ids) < 17 || ids[len(ids)-1] < 4096 {
		t.Fatalf("the last job is %d: the test shows nothing of two blocks", ids[len(ids)-1])
	}
}
