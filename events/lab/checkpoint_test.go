package lab

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"strata/events"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestCheckpoint(t *testing.T) {
	s := sample()
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden := "testdata/" + Format
	if *update {
		if err := os.WriteFile(golden, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, want) {
		t.Errorf("checkpoint:\n got %q\nwant %q\n(a new shape takes a new format name)", data, want)
	}
	s.names = nil // those of finished jobs need not come back
	for format, file := range map[string]string{Format: golden, formatV1: "testdata/lab.v1.json"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(format, data)
		if err != nil {
			t.Fatal(err)
		}
		back.names = nil
		if format == formatV1 { // which knew no rhythms, nor the tags of those who came
			back.durations = s.durations
		}
		if !reflect.DeepEqual(back, s) {
			t.Errorf("decoded from %s:\n got %+v\nwant %+v", format, back, s)
		}
	}
}

// TestEveryFieldOfAJob gives a queued job each field in turn and expects it back from a checkpoint: a field
// that is new has to be in its record, or to keep the job out of the records.
func TestEveryFieldOfAJob(t *testing.T) {
	base := func() *Job { return New().submitted(submit(70_000)) }
	kinds := reflect.TypeFor[Job]()
	for i := range kinds.NumField() {
		name := kinds.Field(i).Name
		j := base()
		fill(reflect.ValueOf(j).Elem().Field(i), name)
		if back := reread(t, j).Job(j.ID); !reflect.DeepEqual(back, j) {
			t.Errorf("with %s:\n got %+v\nwant %+v", name, back, j)
		}
	}
	all := base()
	all.Seq, all.Display, all.Name, all.Priority, all.SubmittedAt = 1<<40, "70000.1", "größer\n", -3, time.Unix(-5, 999)
	all.SubmittedAt = all.SubmittedAt.UTC()
	all.Source.SHA256 = strings.Repeat("AB", 32) // upper case is not what a digest is written in
	all.Visibility = events.Visibility{Public: true, Groups: []events.GroupName{"g", "h"}}
	all.Part = &events.Membership{Group: "x", Parent: 9, Role: "a", Size: 3, Essential: true, Guest: true, HostRole: "b"}
	all.Attempt = &events.Attempt{Of: 3, N: 2, Avoid: []events.DeviceName{"q1", "q2"}}
	if back := reread(t, all).Job(all.ID); !all.plain() || !reflect.DeepEqual(back, all) {
		t.Errorf("with all at once:\n got %+v\nwant %+v", back, all)
	}
}

// TestManyQueuedJobs reads more jobs than stand in a chunk, among them some that do not only wait.
func TestManyQueuedJobs(t *testing.T) {
	s := New()
	for id := events.JobID(1); id <= 3*chunkJobs+1; id++ {
		fold(s, submit(2*id))
		if id%100 == 0 {
			fold(s, events.JobCancelRequested{Job: 2 * id, By: "alice"})
		}
	}
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(Format, data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.jobs, s.jobs) {
		t.Errorf("%d jobs came back, %d went in, or some differ", len(back.jobs), len(s.jobs))
	}
	if a, b := unsafe.StringData(string(back.Job(2).User)), unsafe.StringData(string(back.Job(4).User)); a != b {
		t.Error("two jobs of a user hold two copies of the name")
	}
}

// TestDecodeBroken cuts a checkpoint anywhere, and breaks each byte of its records.
func TestDecodeBroken(t *testing.T) {
	s := sample()
	for id := events.JobID(10); id < 20; id++ {
		fold(s, submit(id))
	}
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := Decode(Format, data[:n]); err == nil {
			t.Fatalf("the first %d bytes of %d were read without an error", n, len(data))
		}
	}
	_, records, _ := cut(data)
	for i := range records {
		for _, wrong := range []byte{0, 0x7f, 0xff} {
			was := records[i]
			records[i] = wrong
			_, _ = Decode(Format, data) // may be another lab; must not be the end of the process
			records[i] = was
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for format, data := range map[string]string{"lab.v0": "{}", formatV1: "{", Format: "\x01{\x00\x00"} {
		if _, err := Decode(format, []byte(data)); err == nil {
			t.Errorf("decode %q of format %q: no error", data, format)
		}
	}
}

// TestAnyHistory folds random histories, most of whose facts do not fit, and holds the state to
// what must be true of every lab; folding twice, or out of a checkpoint, must lead to the same.
func TestAnyHistory(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, twice := New(), New()
		var from *State
		for seq := uint64(1); seq <= 300; seq++ {
			e := randomFact(r, seq)
			at := noon.Add(time.Duration(seq) * time.Second)
			s.Evolve(seq, at, e)
			twice.Anticipate(seq, at, e)
			twice.Evolve(seq, at, e)
			if from != nil {
				from.Evolve(seq, at, e)
			}
			if seq == 150 {
				data, err := s.Encode()
				if err != nil {
					t.Fatal(err)
				}
				if from, err = Decode(Format, data); err != nil {
					t.Fatal(err)
				}
			}
			if problem := broken(s); problem != "" {
				t.Fatalf("seed %d, fact %d, %T: %s", seed, seq, e, problem)
			}
		}
		for name, other := range map[string]*State{"folded twice": twice, "from a checkpoint": from} {
			a, _ := s.Encode()
			b, _ := other.Encode()
			if !bytes.Equal(a, b) {
				t.Fatalf("seed %d, %s:\n got %s\nwant %s", seed, name, b, a)
			}
		}
	}
}

// fill gives a value of any kind something that is not zero.
func fill(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(noon.Add(time.Nanosecond)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), name)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.String:
		v.SetString("a " + name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8: // the state: one that exists
		v.SetUint(uint64(Scheduled))
	default:
		v.SetUint(71_000)
	}
}

// reread returns a lab with one job after a checkpoint.
func reread(t *testing.T, j *Job) *State {
	t.Helper()
	s := New()
	s.jobs[j.ID] = j
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(Format, data)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// sample is a small lab in which every kind of thing is.
func sample() *State {
	s := New()
	part, tagged, check := submit(4), submit(2), submit(5)
	part.Part = &events.Membership{Group: "g", Parent: 4, Role: "server", Size: 2}
	tagged.Tags, tagged.Worker, tagged.QueueTimeout = []events.TagName{"ssd"}, "w1", 60
	check.HealthCheck, check.Device, check.User = true, "q2", LavaHealth
	fold(s,
		events.WorkerRegistered{Worker: "w1"}, events.WorkerConfigured{Worker: "w1", JobLimit: 4},
		events.WorkerWentOnline{Worker: "w1", Version: "1"}, events.WorkerRegistered{Worker: "w2"},
		events.WorkerRemoved{Worker: "w2"}, events.TagAdded{Tag: "ssd", Description: "has a disk"},
		events.DeviceTypeAdded{DeviceType: "qemu"},
		events.DeviceTypeConfigured{DeviceType: "qemu", Aliases: []string{"kvm"}, HealthCheck: "job", HealthFrequency: 24, HealthDenominator: events.Hours},
		events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1", Health: events.Good, Tags: []events.TagName{"ssd"}},
		events.DeviceConfigured{Device: "q1", Dictionary: "{% extends 'qemu.jinja2' %}"},
		events.DeviceAdded{Device: "q2", DeviceType: "qemu", Worker: "w1"},
		submit(1), tagged, events.JobRejected{Job: 3, User: "bob", At: noon, Message: "Invalid definition"}, part, check,
		events.HealthCheckRequested{Device: "q2", Job: 5, Reason: "never checked"},
		events.RoundDecided{Scheduler: "s", Through: 17, Scheduled: 1},
		events.JobScheduled{Job: 1, Device: "q1", Worker: "w1", Lease: 17}, events.DeviceReserved{Device: "q1", Job: 1, Lease: 17},
		events.JobStarted{Job: 1, Device: "q1", Worker: "w1", Lease: 17, At: noon},
		events.JobCancelRequested{Job: 1, By: "alice", Reason: "enough"},
		events.JobFinished{Job: 1, Device: "q1", Worker: "w1", Lease: 17, Health: events.Incomplete, At: noon, Lines: 3, LinesKnown: true})
	return s
}

// broken names what is wrong with a state, "" where nothing is.
func broken(s *State) string {
	for j := range s.Jobs() {
		if (j.State == Finished) != (j.End != nil) {
			return fmt.Sprintf("job %d is %s with end %v", j.ID, j.State, j.End)
		}
		if j.State == Finished && j.Health() == "" {
			return fmt.Sprintf("job %d is Finished without a health", j.ID)
		}
		if j.State == Submitted && j.Run != nil {
			return fmt.Sprintf("job %d is Submitted and has a device", j.ID)
		}
		if (j.State == Scheduled || j.State == Running || j.State == Canceling) && j.Run == nil {
			return fmt.Sprintf("job %d is %s without a run", j.ID, j.State)
		}
		if _, ok := s.Past(j.ID); ok {
			return fmt.Sprintf("job %d is here and past", j.ID)
		}
	}
	for d := range s.Devices() {
		if (d.State == DeviceIdle) != (d.Job == 0 && d.Hold == nil) {
			return fmt.Sprintf("device %s is %s with job %d", d.Name, d.State, d.Job)
		}
	}
	return ""
}

// randomFact is any fact of the catalogue about one of a few entities, with fitting leases often
// enough that jobs get through.
func randomFact(r *rand.Rand, seq uint64) events.Event {
	job := events.JobID(1 + r.IntN(8))
	device := events.DeviceName(fmt.Sprint("q", 1+r.IntN(3)))
	worker := events.WorkerName(fmt.Sprint("w", 1+r.IntN(2)))
	lease := events.Lease(r.IntN(4))
	health := []events.DeviceHealth{events.Good, events.Unknown, events.Bad, events.Looping, events.Maintenance}[r.IntN(5)]
	facts := []events.Event{
		events.JobSubmitted{Job: job, Device: device, HealthCheck: r.IntN(3) == 0, At: noon, DeviceType: "qemu", Retries: r.IntN(2)},
		events.JobSubmitted{Job: job + 1, Retries: 1, Attempt: &events.Attempt{Of: job, N: 2, Avoid: []events.DeviceName{device}}},
		events.JobFinished{Job: job, Device: device, Lease: lease, Health: events.Incomplete, ErrorType: events.BugError, At: noon},
		events.JobRejected{Job: job}, events.JobScheduled{Job: job, Device: device, Worker: worker, Lease: lease},
		events.DeviceReserved{Device: device, Job: job, Lease: lease}, events.JobWithdrawn{Job: job},
		events.JobStarted{Job: job, Device: device, Lease: lease, At: noon},
		events.JobFinished{Job: job, Device: device, Lease: lease, Health: events.Complete, At: noon},
		events.JobReturned{Job: job, Device: device, Lease: lease}, events.JobCancelRequested{Job: job},
		events.JobCancelCascaded{Job: job}, events.JobRetried{Job: job, As: job + 1}, events.JobRetryDropped{Job: job, Reason: "x"},
		events.JobAnnotated{Job: job},
		events.JobPrioritySet{Job: job, Priority: r.IntN(100)}, events.JobRemoved{Job: job},
		events.JobOutputComplete{Job: job, Lease: lease}, events.ReportRefused{Job: job},
		events.DeviceReleased{Device: device, Job: job, Lease: lease, CheckDue: r.IntN(2) == 0},
		events.DeviceHealthChanged{Device: device, From: health, To: events.Unknown},
		events.DeviceHealthSet{Device: device, Health: health}, events.HealthCheckRequested{Device: device, Job: job},
		events.DeviceAdded{Device: device, DeviceType: "qemu", Worker: worker}, events.DeviceConfigured{Device: device},
		events.DeviceMoved{Device: device, Worker: worker}, events.DeviceTagged{Device: device, Tag: "t"},
		events.DeviceUntagged{Device: device, Tag: "t"}, events.TagRemoved{Tag: "t"}, events.TagAdded{Tag: "t"},
		events.WorkerRegistered{Worker: worker}, events.WorkerWentOnline{Worker: worker},
		events.WorkerWentOffline{Worker: worker}, events.WorkerHealthSet{Worker: worker, Health: events.WorkerRetired},
		events.DeviceTypeAdded{DeviceType: "qemu"}, events.DeviceTypeConfigured{DeviceType: "qemu", Aliases: []string{fmt.Sprint(r.IntN(2))}},
		events.RoundDecided{Through: seq},
	}
	facts = append(facts, randomRule(r, seq, job, device)...)
	if n := r.IntN(len(facts) + 2); n < len(facts) {
		return facts[n]
	} else if n == len(facts) {
		return events.DeviceRemoved{Device: device}
	}
	return events.DeviceTypeRemoved{DeviceType: "qemu"}
}

// randomRule is any fact about what people lay down, about their hands on a device, or about a group's part:
// what [randomFact] tells beside the lives of jobs and devices.
func randomRule(r *rand.Rand, seq uint64, job events.JobID, device events.DeviceName) []events.Event {
	lease := events.Lease(r.IntN(4))
	issue := events.IssueID(1 + r.IntN(3))
	query := events.QueryID(1 + r.IntN(3))
	chart := events.ChartID(1 + r.IntN(3))
	item := events.QueryItem{Job: job, Suite: "lava", Seq: 1}
	until := noon.Add(time.Duration(r.IntN(600)) * time.Second)
	group := events.JobSubmitted{Job: job, At: noon, DeviceType: "qemu", User: "bob", Tags: []events.TagName{"t"},
		Part: &events.Membership{Group: fmt.Sprint("g", job/3), Parent: job - job%3, Size: 3, Guest: r.IntN(3) == 0}}
	return []events.Event{
		group, group,
		events.ReservationMade{Reservation: events.ReservationID(1 + seq/40), Devices: []events.DeviceName{device}, User: "bob", From: noon, Until: until},
		events.ReservationEnded{Reservation: events.ReservationID(1 + r.IntN(8))},
		events.SchedulingPolicySet{FairShare: &events.FairShare{HalfLife: 60, DefaultWeight: 1}, Aging: &events.Aging{Within: 60, Bound: 50}},
		events.SchedulingPolicySet{RareTags: &events.RareTags{Percent: 50, LendAfter: 10}, Groups: []events.GroupUsers{{Group: "g", Users: []events.UserName{"bob"}}}},
		events.DeviceHeld{Device: device, Lease: lease, By: "bob", Use: events.UseConsole, Until: until}, events.DeviceLetGo{Device: device, Lease: lease},
		events.DeviceCheckCarried{Device: device, At: until, JobsSince: 2, AtOnce: r.IntN(3)},
		events.DeviceDescribed{Device: device, Owner: "bob"}, events.WorkerTokenRotated{Worker: "w1"}, events.WorkerRemoved{Worker: "w2"},
		events.PermissionsSet{Kind: events.Device, Name: string(device), Permissions: []events.Permission{{Group: "g"}}},
		events.ObjectImported{Kind: events.DeviceType, Name: "qemu", Settings: map[string]string{"a": "b"}},
		events.KnownIssueAdded{Issue: issue, Title: "slow"}, events.KnownIssueRemoved{Issue: issue},
		events.QuerySaved{Query: query, Owner: "bob", Name: "q"}, events.QueryRefreshed{Query: query, Items: []events.QueryItem{item}},
		events.QueryResultOmitted{Query: query, Item: item}, events.QueryResultIncluded{Query: query, Item: item}, events.QueryArchived{Query: query},
		events.ChartSaved{Chart: chart, Owner: "bob", Name: "c"}, events.ChartViewChosen{Chart: chart, Number: 1, User: "bob", Deltas: true},
		events.ChartResultOmitted{Chart: chart, Number: 1, Item: item}, events.ChartResultIncluded{Chart: chart, Number: 1, Item: item}, events.ChartRemoved{Chart: chart},
		events.JobOutputEnded{Job: job, Lease: lease, Lines: 7}, events.LabRestored{Through: seq},
	}
}
