package lab

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"strata/events"
)

const (
	lease = events.Lease(7)
	stale = events.Lease(6)
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// jobFacts is every fact about job 1, those with a lease twice.
func jobFacts() map[string]events.Event {
	return map[string]events.Event{
		"submitted":         submit(1),
		"rejected":          events.JobRejected{Job: 1, User: "alice", Message: "no"},
		"split":             events.DefinitionSplit{Job: 1, Group: "g", Parts: []events.JobID{1, 2}},
		"scheduled":         events.JobScheduled{Job: 1, Device: "q1", Worker: "w1", Lease: lease},
		"withdrawn":         events.JobWithdrawn{Job: 1, Reason: "canceled by bob", By: "bob"},
		"started":           events.JobStarted{Job: 1, Device: "q1", Worker: "w1", Lease: lease, At: noon},
		"started, stale":    events.JobStarted{Job: 1, Device: "q1", Worker: "w1", Lease: stale, At: noon},
		"finished":          events.JobFinished{Job: 1, Device: "q1", Lease: lease, Health: events.Complete, At: noon},
		"finished, badly":   events.JobFinished{Job: 1, Device: "q1", Lease: lease, Health: events.Incomplete, At: noon},
		"finished, oddly":   events.JobFinished{Job: 1, Device: "q1", Lease: lease, Health: "Splendid", At: noon},
		"finished, stale":   events.JobFinished{Job: 1, Device: "q1", Lease: stale, Health: events.Complete, At: noon},
		"returned":          events.JobReturned{Job: 1, Device: "q1", Lease: lease},
		"returned, stale":   events.JobReturned{Job: 1, Device: "q1", Lease: stale},
		"cancel requested":  events.JobCancelRequested{Job: 1, By: "bob"},
		"cancel cascaded":   events.JobCancelCascaded{Job: 1, From: 2},
		"removed":           events.JobRemoved{Job: 1, By: "bob"},
		"priority set":      events.JobPrioritySet{Job: 1, Priority: 90},
		"annotated":         events.JobAnnotated{Job: 1},
		"pinned":            events.JobPinned{Job: 1, Pinned: true},
		"favoured":          events.JobFavoured{Job: 1, Favourite: true},
		"judged":            events.JobJudged{Job: 1},
		"files erased":      events.JobFilesErased{Job: 1},
		"retried":           events.JobRetried{Job: 1, As: 9, Attempt: 2},
		"retry dropped":     events.JobRetryDropped{Job: 1, Reason: "no other device"},
		"finished, owing":   events.JobFinished{Job: 1, Device: "q1", Lease: lease, Health: events.Incomplete, ErrorType: events.InfrastructureError, At: noon},
		"submitted, once":   submitOnce(1),
		"refused":           events.ReportRefused{Job: 1},
		"output":            events.JobOutputComplete{Job: 1, Lease: lease},
		"output, stale":     events.JobOutputComplete{Job: 1, Lease: stale},
		"spool empty":       events.JobOutputEnded{Job: 1, Lease: lease, Lines: 5},
		"spool, stale":      events.JobOutputEnded{Job: 1, Lease: stale, Lines: 5},
		"lines known":       events.JobFinished{Job: 1, Device: "q1", Lease: lease, Health: events.Complete, At: noon, LinesKnown: true},
		"released":          events.DeviceReleased{Device: "q1", Job: 1, Lease: lease},
		"released, stale":   events.DeviceReleased{Device: "q1", Job: 1, Lease: stale},
		"cancel, 2nd wish":  events.JobCancelRequested{Job: 1, By: "carol"},
		"scheduled, others": events.JobScheduled{Job: 1, Device: "q2", Worker: "w2", Lease: lease + 1},
	}
}

// jobStories tells each state of a job by the facts that lead there.
func jobStories() map[string][]string {
	return map[string][]string{
		"absent":                   {},
		"refused":                  {"rejected"},
		"submitted":                {"submitted"},
		"submitted, canceled":      {"submitted", "cancel requested"},
		"scheduled":                {"submitted", "scheduled"},
		"running":                  {"submitted", "scheduled", "started"},
		"canceling, not started":   {"submitted", "scheduled", "cancel requested"},
		"canceling, started":       {"submitted", "scheduled", "started", "cancel requested"},
		"finished":                 {"submitted", "scheduled", "started", "finished"},
		"finished, lines":          {"submitted", "scheduled", "started", "lines known"},
		"finished, released":       {"submitted", "scheduled", "started", "finished", "released"},
		"finished, output":         {"submitted", "scheduled", "started", "finished", "output"},
		"running, output":          {"submitted", "scheduled", "started", "output"},
		"over":                     {"submitted", "scheduled", "started", "finished", "released", "output"},
		"owing":                    {"submitted, once", "scheduled", "started", "finished, owing"},
		"owing, else over":         {"submitted, once", "scheduled", "started", "finished, owing", "released", "output"},
		"owing, canceled":          {"submitted, once", "scheduled", "started", "finished, owing", "cancel requested"},
		"withdrawn":                {"submitted", "withdrawn"},
		"submitted, was returned":  {"submitted", "scheduled", "returned"},
		"submitted, was canceling": {"submitted", "scheduled", "cancel requested", "returned"},
	}
}

// jobTable is the transition table: for each state the facts that fit and the state after them.
// Every other fact changes nothing. "same" is a change that does not move the job.
func jobTable() map[string]map[string]string {
	queued := map[string]string{
		"scheduled": "Scheduled", "scheduled, others": "Scheduled", "withdrawn": "gone Canceled",
		"cancel requested": "Submitted", "cancel, 2nd wish": "Submitted", "cancel cascaded": "Submitted",
		"removed": "Submitted", "priority set": "Submitted",
	}
	unwanted := map[string]string{
		"scheduled": "Canceling", "scheduled, others": "Canceling", "withdrawn": "gone Canceled",
		"removed": "Submitted", "priority set": "Submitted",
	}
	ended := func(also map[string]string) map[string]string {
		also["removed"], also["priority set"] = "Finished Complete", "Finished Complete"
		if _, known := also["known"]; !known {
			also["spool empty"] = "Finished Complete"
		}
		delete(also, "known")
		return also
	}
	// What ends the owing lets a job go that is over otherwise.
	owing := func(also map[string]string, settled string) map[string]string {
		for _, settles := range []string{"retried", "retry dropped", "cancel requested", "cancel, 2nd wish", "cancel cascaded", "removed"} {
			also[settles] = settled
		}
		also["priority set"], also["spool empty"] = "Finished Incomplete", "Finished Incomplete"
		return also
	}
	return map[string]map[string]string{
		"absent":                   {"submitted": "Submitted", "submitted, once": "Submitted", "rejected": "gone Rejected"},
		"refused":                  {},
		"over":                     {},
		"withdrawn":                {},
		"submitted":                queued,
		"submitted, was returned":  queued,
		"submitted, canceled":      unwanted,
		"submitted, was canceling": unwanted,
		"scheduled": {
			"started": "Running", "finished": "Finished Complete", "finished, badly": "Finished Incomplete", "finished, owing": "Finished Incomplete",
			"lines known": "Finished Complete", "finished, oddly": "Finished Incomplete", "returned": "Submitted", "cancel requested": "Canceling",
			"cancel, 2nd wish": "Canceling", "cancel cascaded": "Canceling", "removed": "Canceling",
			"priority set": "Scheduled", "output": "Scheduled",
		},
		"running": {
			"finished": "Finished Complete", "finished, badly": "Finished Incomplete", "finished, owing": "Finished Incomplete",
			"lines known": "Finished Complete", "finished, oddly": "Finished Incomplete", "cancel requested": "Canceling",
			"cancel, 2nd wish": "Canceling", "cancel cascaded": "Canceling", "removed": "Canceling",
			"priority set": "Running", "output": "Running",
		},
		"running, output": {
			"finished": "Finished Complete", "finished, badly": "Finished Incomplete", "finished, owing": "Finished Incomplete",
			"lines known": "Finished Complete", "finished, oddly": "Finished Incomplete", "cancel requested": "Canceling",
			"cancel, 2nd wish": "Canceling", "cancel cascaded": "Canceling", "removed": "Canceling",
			"priority set": "Running",
		},
		"canceling, not started": {
			"started": "Canceling", "finished": "Finished Canceled", "finished, badly": "Finished Canceled", "finished, owing": "Finished Canceled",
			"lines known": "Finished Canceled", "finished, oddly": "Finished Canceled", "returned": "Submitted", "removed": "Canceling",
			"priority set": "Canceling", "output": "Canceling",
		},
		"canceling, started": {
			"finished": "Finished Canceled", "finished, badly": "Finished Canceled", "finished, owing": "Finished Canceled",
			"lines known": "Finished Canceled", "finished, oddly": "Finished Canceled", "removed": "Canceling",
			"priority set": "Canceling", "output": "Canceling",
		},
		"finished":           ended(map[string]string{"released": "Finished Complete", "output": "Finished Complete"}),
		"finished, lines":    ended(map[string]string{"released": "Finished Complete", "output": "Finished Complete", "known": ""}),
		"finished, released": ended(map[string]string{"output": "gone Complete"}),
		"owing":              owing(map[string]string{"released": "Finished Incomplete", "output": "Finished Incomplete"}, "Finished Incomplete"),
		"owing, else over":   owing(map[string]string{}, "gone Incomplete"),
		"owing, canceled": {"released": "Finished Incomplete", "output": "Finished Incomplete", "spool empty": "Finished Incomplete",
			"removed": "Finished Incomplete", "priority set": "Finished Incomplete"},
		"finished, output": ended(map[string]string{"released": "gone Complete"}),
	}
}

func TestJobTransitions(t *testing.T) {
	table, stories, facts := jobTable(), jobStories(), jobFacts()
	for state, story := range stories {
		row, ok := table[state]
		if !ok {
			t.Errorf("state %q has no row", state)
			continue
		}
		for name, fact := range facts {
			t.Run(state+"/"+name, func(t *testing.T) {
				s, seq := tell(story)
				before := standing(s)
				wasJob := copyJob(s.Job(1))
				s.Evolve(seq, noon, fact)
				want, fits := row[name]
				if !fits {
					want = before
				}
				if got := standing(s); got != want {
					t.Errorf("%s after %q: %s, want %s", state, name, got, want)
				}
				if !fits && !sameButSeq(wasJob, s.Job(1)) {
					t.Errorf("%s after %q: changed to %+v, want no change", state, name, s.Job(1))
				}
				// Its place in the log counts even so, or the next append would expect the wrong one.
				known := before != "absent" || want != before
				if got := s.Seq(fact.About()); known && fact.About().Kind == events.Job && got != seq {
					t.Errorf("%s after %q: sequence %d, want %d", state, name, got, seq)
				}
			})
		}
		for name := range row {
			if facts[name] == nil {
				t.Errorf("row %q names %q, which is no fact of the table", state, name)
			}
		}
	}
}

// TestEveryJobFact holds the table above and jobOf to the catalogue.
func TestEveryJobFact(t *testing.T) {
	inTable := map[reflect.Type]bool{}
	for _, f := range jobFacts() {
		inTable[reflect.TypeOf(f)] = true
	}
	for _, entry := range events.Catalogue() {
		e := reflect.New(entry.Type).Elem().Interface().(events.Event)
		_, known := jobOf(e)
		if about := e.About().Kind == events.Job; about != known {
			t.Errorf("%s: about a job: %v, but jobOf says %v", entry.Name, about, known)
		}
		if known && !inTable[entry.Type] {
			t.Errorf("%s is about a job and missing in the transition table", entry.Name)
		}
	}
}

func TestJobKeepsWhatMatters(t *testing.T) {
	s, seq := tell([]string{"submitted", "scheduled", "cancel requested", "cancel, 2nd wish", "priority set"})
	j := s.Job(1)
	if j.Cancel.By != "bob" {
		t.Errorf("canceled by %q, want the first to ask, bob", j.Cancel.By)
	}
	if j.Priority != 90 {
		t.Errorf("priority %d, want 90", j.Priority)
	}
	if j.Run.Device != "q1" || j.Run.Worker != "w1" || j.Run.Lease != lease {
		t.Errorf("run %+v, want q1 on w1 under lease %d", j.Run, lease)
	}
	s.Evolve(seq, noon, events.JobFinished{Job: 1, Device: "q1", Lease: lease, Health: events.Incomplete,
		ErrorType: events.BugError, Error: "oops", Lines: 12, LinesKnown: true, At: noon.Add(-time.Hour)})
	want := End{Health: events.Canceled, At: noon.Add(-time.Hour), RecordedAt: noon, ErrorType: events.BugError, Error: "oops", Lines: 12, LinesKnown: true}
	if *j.End != want {
		t.Errorf("end %+v, want %+v", *j.End, want)
	}
}

func TestQueueDeadline(t *testing.T) {
	j := Job{SubmittedAt: noon, QueueTimeout: 90}
	if got, want := j.QueueDeadline(), noon.Add(90*time.Second); got != want {
		t.Errorf("deadline %v, want %v", got, want)
	}
	if j.HealthCheck = true; !j.QueueDeadline().IsZero() {
		t.Errorf("deadline %v of a health check, want none", j.QueueDeadline())
	}
	j.HealthCheck = false
	if j.QueueTimeout = 0; !j.QueueDeadline().IsZero() {
		t.Errorf("deadline %v without a timeout, want none", j.QueueDeadline())
	}
}

// A group leaves as a whole: the end of one part may have to end the others.
func TestGroupLeavesTogether(t *testing.T) {
	s := New()
	part := func(id events.JobID) events.JobSubmitted {
		e := submit(id)
		e.Part = &events.Membership{Group: "g", Parent: 1, Size: 2}
		return e
	}
	fold(s, part(2), part(1), events.JobWithdrawn{Job: 1})
	if got := s.Group("g"); len(got) != 2 || got[0].ID != 1 || got[0].State != Finished {
		t.Fatalf("group after one part left: %v, want both parts, 1 first and Finished", got)
	}
	fold(s, events.JobWithdrawn{Job: 2})
	if s.Group("g") != nil || s.JobCount() != 0 {
		t.Errorf("group after both parts left: %v and %d jobs, want none", s.Group("g"), s.JobCount())
	}
}

func TestPastIsBounded(t *testing.T) {
	s := New()
	for id := events.JobID(1); id <= PastJobs+2; id++ {
		s.Evolve(uint64(id), noon, events.JobRejected{Job: id, User: "alice", At: noon, Message: "bad"})
	}
	if _, ok := s.Past(2); ok {
		t.Error("job 2 is still known, want only the newest")
	}
	p, ok := s.Past(3)
	if want := (Past{ID: 3, Seq: 3, User: "alice", Rejected: true, At: noon, Reason: "bad"}); !ok || !reflect.DeepEqual(p, want) {
		t.Errorf("past of job 3: %+v, want %+v", p, want)
	}
	if len(s.past.jobs) != PastJobs {
		t.Errorf("%d past jobs, want %d", len(s.past.jobs), PastJobs)
	}
}

func submit(id events.JobID) events.JobSubmitted {
	return events.JobSubmitted{Job: id, Display: fmt.Sprint(id), User: "alice", Name: "smoke", At: noon,
		DeviceType: "qemu", Priority: 50, JobTimeout: 600, Source: events.Source{Sequence: uint64(id)}}
}

// submitOnce submits a job that may be retried.
func submitOnce(id events.JobID) events.JobSubmitted {
	e := submit(id)
	e.Retries = 1
	return e
}

// tell folds a story of job 1 in a lab with its device, and returns the next sequence.
func tell(story []string) (*State, uint64) {
	s, facts, seq := New(), jobFacts(), uint64(1)
	for _, e := range []events.Event{
		events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1"},
	} {
		s.Evolve(seq, noon, e)
		seq++
	}
	for _, name := range story {
		if name == "released" { // its device has to be held
			s.devices["q1"].State, s.devices["q1"].Job, s.devices["q1"].Lease = DeviceRunning, 1, lease
		}
		s.Evolve(seq, noon, facts[name])
		seq++
	}
	s.devices["q1"].State, s.devices["q1"].Job, s.devices["q1"].Lease = DeviceRunning, 1, lease
	return s, seq
}

// standing says where job 1 stands.
func standing(s *State) string {
	if j := s.Job(1); j != nil {
		if j.State == Finished {
			return "Finished " + string(j.Health())
		}
		return j.State.String()
	}
	p, ok := s.Past(1)
	switch {
	case !ok:
		return "absent"
	case p.Rejected:
		return "gone Rejected"
	}
	return "gone " + string(p.Health)
}

// fold folds facts from the sequence after the last one on.
func fold(s *State, facts ...events.Event) {
	for _, e := range facts {
		s.Evolve(s.Through()+1, noon, e)
	}
}

func copyJob(j *Job) *Job {
	if j == nil {
		return nil
	}
	c := *j
	return &c
}

func sameButSeq(a, b *Job) bool {
	if a == nil || b == nil {
		return a == b
	}
	c := *b
	c.Seq = a.Seq
	return reflect.DeepEqual(*a, c)
}
