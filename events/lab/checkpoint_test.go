package lab

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"
	"time"

	"strata/events"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestCheckpoint(t *testing.T) {
	s := sample()
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden := "testdata/" + Format + ".json"
	if *update {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, data, "", " "); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, append(pretty.Bytes(), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, compact.Bytes()) {
		t.Errorf("checkpoint:\n got %s\nwant %s\n(a new shape takes a new format name)", data, compact.Bytes())
	}
	back, err := Decode(Format, want)
	if err != nil {
		t.Fatal(err)
	}
	back.names, s.names = nil, nil // those of finished jobs need not come back
	if !reflect.DeepEqual(back, s) {
		t.Errorf("decoded:\n got %+v\nwant %+v", back, s)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for format, data := range map[string]string{"lab.v0": "{}", Format: "{"} {
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
		if (d.State == DeviceIdle) != (d.Job == 0) {
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
	if n := r.IntN(len(facts) + 2); n < len(facts) {
		return facts[n]
	} else if n == len(facts) {
		return events.DeviceRemoved{Device: device}
	}
	return events.DeviceTypeRemoved{DeviceType: "qemu"}
}
