package scheduling

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	q1, q2 := device("q1", "qemu", "w1"), device("q2", "qemu", "w1")
	tests := []struct {
		name  string
		given []any // facts and lists of facts
		want  string
	}{
		{"nothing waits", []any{worker("w1", 0), q1}, ""},
		{"nothing is free", []any{worker("w1", 0), job(1)}, ""},
		{"a job and a device", []any{worker("w1", 0), q1, job(1)}, "1→q1"},
		{"lower number first", []any{worker("w1", 0), q1, job(1), job(2)}, "1→q1"},
		{"higher priority first", []any{worker("w1", 0), q1, job(1), job(2, prio(60))}, "2→q1"},
		{"priority set later", []any{worker("w1", 0), q1, job(1), job(2), events.JobPrioritySet{Job: 2, Priority: 99}}, "2→q1"},
		{"two jobs, two devices", []any{worker("w1", 0), q1, q2, job(1), job(2)}, "1→q1 2→q2"},
		{"another type", []any{worker("w1", 0), q1, job(1, typ("bbb"))}, ""},
		{"an alias", []any{worker("w1", 0), q1, kindOf("qemu", events.DeviceTypeConfigured{Aliases: []string{"kvm"}}), job(1, typ("kvm"))}, "1→q1"},
		{"an alias that comes after the job", []any{worker("w1", 0), q1, job(1, typ("kvm")), kindOf("qemu", events.DeviceTypeConfigured{Aliases: []string{"kvm"}})}, "1→q1"},
		{"a hidden type", []any{worker("w1", 0), q1, kindOf("qemu", events.DeviceTypeConfigured{Hidden: true}), job(1)}, ""},
		{"pinned to a device", []any{worker("w1", 0), q1, q2, job(1, pin("q2"))}, "1→q2"},
		{"pinned to a device of another type", []any{worker("w1", 0), q1, job(1, typ("bbb"), pin("q1"))}, ""},
		{"pinned to a worker", []any{worker("w1", 0), worker("w2", 0), q1, device("q3", "qemu", "w2"), job(1, onWorker("w2"))}, "1→q3"},
		{"a further attempt goes elsewhere", []any{worker("w1", 0), q1, q2, job(1, avoiding("q1"))}, "1→q2"},
		{"a further attempt waits", []any{worker("w1", 0), q1, job(1, avoiding("q1")), job(2)}, "2→q1"},
		{"attempts that failed on different devices", []any{worker("w1", 0), q1, q2, job(1, avoiding("q1")), job(2, avoiding("q2"))}, "1→q2 2→q1"},
		{"pinned elsewhere", []any{worker("w1", 0), q1, job(1, pin("q9")), job(2)}, "2→q1"},
		{"all tags", []any{worker("w1", 0), q1, device("q2", "qemu", "w1", "ssd"), device("q3", "qemu", "w1", "ssd", "usb"), job(1, tags("usb", "ssd"))}, "1→q3"},
		{"a tag that no device has", []any{worker("w1", 0), device("q2", "qemu", "w1", "ssd"), job(1, tags("ssd", "hdmi"))}, ""},
		{"a tag that was removed", []any{worker("w1", 0), device("q2", "qemu", "w1", "ssd"), events.TagRemoved{Tag: "ssd"}, job(1, tags("ssd"))}, ""},
		{"a tag that came later", []any{worker("w1", 0), q1, job(1, tags("ssd")), events.DeviceTagged{Device: "q1", Tag: "ssd"}}, "1→q1"},
		{"fewest tags first", []any{worker("w1", 0), device("a", "qemu", "w1", "ssd"), device("z", "qemu", "w1"), job(1)}, "1→z"},
		{"the rare board stays for who needs it", []any{worker("w1", 0), device("a", "qemu", "w1", "ssd"), device("z", "qemu", "w1"), job(1), job(2, tags("ssd"))}, "1→z 2→a"},
		{"worker offline", []any{worker("w1", 0), q1, job(1), events.WorkerWentOffline{Worker: "w1"}}, ""},
		{"worker in maintenance", []any{worker("w1", 0), q1, job(1), events.WorkerHealthSet{Worker: "w1", Health: events.WorkerMaintenance}}, ""},
		{"worker removed", []any{worker("w1", 0), q1, job(1), events.WorkerRemoved{Worker: "w1"}}, ""},
		{"no worker", []any{device("q1", "qemu", ""), job(1)}, ""},
		{"a worker that comes back", []any{worker("w1", 0), q1, job(1), events.WorkerWentOffline{Worker: "w1"}, events.WorkerWentOnline{Worker: "w1"}}, "1→q1"},
		{"moved to a worker that is there", []any{worker("w2", 0), q1, job(1), events.DeviceMoved{Device: "q1", Worker: "w2"}}, "1→q1"},
		{"job limit", []any{worker("w1", 1), q1, q2, job(1), job(2)}, "1→q1"},
		{"job limit reached", []any{worker("w1", 1), q1, q2, job(1), reserved(1, "q1"), job(2)}, ""},
		{"job limit, best job of all types", []any{worker("w1", 1), q1, device("b1", "bbb", "w1"), job(1), job(2, typ("bbb"), prio(70))}, "2→b1"},
		{"job limit raised", []any{worker("w1", 1), q1, q2, job(1), reserved(1, "q1"), job(2), events.WorkerConfigured{Worker: "w1", JobLimit: 2}}, "2→q2"},
		{"a place under the limit", []any{worker("w1", 1), q1, q2, job(1), reserved(1, "q1"), job(2, pin("q2")), ended(1, "q1", false)}, "2→q2"},
		{"released", []any{worker("w1", 0), q1, job(1), reserved(1, "q1"), job(2), ended(1, "q1", false)}, "2→q1"},
		{"finished and not released", []any{worker("w1", 0), q1, job(1), reserved(1, "q1"), job(2), ended(1, "q1", false)[:1]}, ""},
		{"not configured", []any{worker("w1", 0), q1[:1], job(1)}, ""},
		{"removed", []any{worker("w1", 0), q1, job(1), events.DeviceRemoved{Device: "q1"}}, ""},
		{"returned", []any{worker("w1", 0), q1, q2, job(1), reserved(1, "q1"), job(2), events.JobReturned{Job: 1, Device: "q1", Lease: 2}}, "1→q2"},
		{"bad", []any{worker("w1", 0), q1, health("q1", events.Bad), job(1)}, ""},
		{"maintenance", []any{worker("w1", 0), q1, health("q1", events.Maintenance), job(1)}, ""},
		{"retired", []any{worker("w1", 0), q1, health("q1", events.Retired), job(1)}, ""},
		{"looping", []any{worker("w1", 0), q1, health("q1", events.Looping), job(1)}, ""},
		{"looping takes its check", []any{worker("w1", 0), q1, health("q1", events.Looping), checked("qemu"), job(1), check(2, "q1")}, "2→q1"},
		{"unknown without a check", []any{worker("w1", 0), q1, health("q1", events.Unknown), job(1)}, "1→q1"},
		{"unknown waits for its check", []any{worker("w1", 0), q1, health("q1", events.Unknown), checked("qemu"), job(1)}, ""},
		{"unknown gets its check", []any{worker("w1", 0), q1, health("q1", events.Unknown), checked("qemu"), job(1, prio(100)), check(2, "q1")}, "2→q1"},
		{"good and never checked", []any{worker("w1", 0), q1, checked("qemu"), job(1)}, ""},
		{"a check goes before any priority", []any{worker("w1", 1), q1, q2, job(1, prio(100), pin("q2")), check(2, "q1")}, "2→q1"},
		{"a check that was asked for holds the device", []any{worker("w1", 0), q1, job(1), events.HealthCheckRequested{Device: "q1", Job: 9}}, ""},
		{"a check of a bad device waits", []any{worker("w1", 0), q1, health("q1", events.Bad), check(2, "q1")}, ""},
		{"a check has no queue timeout", []any{worker("w1", 0), q1, health("q1", events.Maintenance), job(2, pin("q1"), waitAtMost(1), func(e *events.JobSubmitted) { e.HealthCheck = true })}, ""},
		{"a check of a retired device", []any{worker("w1", 0), q1, check(2, "q1"), health("q1", events.Retired)}, "2✗its device is Retired"},
		{"a check of a device that is back", []any{worker("w1", 0), q1, check(2, "q1"), health("q1", events.Retired), health("q1", events.Good)}, "2→q1"},
		{"a check of a device that left", []any{worker("w1", 0), q1, check(2, "q1"), events.DeviceRemoved{Device: "q1"}}, "2✗its device is no longer in the lab"},
		{"a check that comes too late", []any{worker("w1", 0), q1, events.DeviceRemoved{Device: "q1"}, check(2, "q1")}, "2✗its device is no longer in the lab"},
		{"check due after release", []any{worker("w1", 0), q1, checkedOnce("qemu", "q1"), job(1), reserved(1, "q1"), job(2), ended(1, "q1", true)}, ""},
		{"no check due after release", []any{worker("w1", 0), q1, checkedOnce("qemu", "q1"), job(1), reserved(1, "q1"), job(2), ended(1, "q1", false)}, "2→q1"},
		{"canceled in the queue", []any{worker("w1", 0), q1, job(1), events.JobCancelRequested{Job: 1, By: "bob", Reason: "typo"}}, "1✗canceled by bob: typo"},
		{"canceled with another, which the reason names", []any{job(1), events.JobCancelCascaded{Job: 1, From: 7, Reason: "the essential job 7.1 of its group has failed"}},
			"1✗the essential job 7.1 of its group has failed"},
		{"canceled with another", []any{job(1), events.JobCancelCascaded{Job: 1, From: 7}}, "1✗canceled with job 7 of its group"},
		{"canceled, others go on", []any{worker("w1", 0), q1, job(1), job(2), events.JobCancelRequested{Job: 1, By: "bob"}}, "1✗canceled by bob 2→q1"},
		{"canceled before it was returned", []any{worker("w1", 0), q1, job(1), reserved(1, "q1"), events.JobCancelRequested{Job: 1, By: "bob"}, events.JobReturned{Job: 1, Device: "q1", Lease: 2}}, "1✗canceled by bob"},
		{"queue timeout", []any{worker("w1", 0), q1, job(1, waitAtMost(60))}, "1✗queue timeout after 1m0s"},
		{"queue timeout not over", []any{worker("w1", 0), q1, job(1, waitAtMost(600))}, "1→q1"},
		{"scheduled in time", []any{worker("w1", 0), q1, job(1, waitAtMost(60)), reserved(1, "q1")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := after(tt.given...)
			d := decide(s, noon.Add(2*time.Minute))
			if got := brief(d.facts); got != tt.want {
				t.Errorf("decide: %q, want %q", got, tt.want)
			}
			checkShape(t, s, d)
			if again := decide(s, noon.Add(2*time.Minute)); !reflect.DeepEqual(again, d) {
				t.Errorf("decide once more: %q, want the same", brief(again.facts))
			}
		})
	}
}

func TestLongestIdleFirst(t *testing.T) {
	s := after(worker("w1", 0), device("a", "qemu", "w1"), device("b", "qemu", "w1"), job(1))
	s.lab.Device("a").IdleSince = noon.Add(time.Hour)
	if got := brief(decide(s, noon).facts); got != "1→b" {
		t.Errorf("decide: %q, want the device that is idle for longer, b", got)
	}
}

func TestDecideWakesForQueueTimeouts(t *testing.T) {
	s := after(job(1), job(2, waitAtMost(300)), job(3, waitAtMost(200)))
	d := decide(s, noon)
	if want := noon.Add(200 * time.Second); len(d.facts) != 0 || !d.wake.Equal(want) {
		t.Fatalf("decide: %q, wake %v, want nothing until %v", brief(d.facts), d.wake, want)
	}
	d = decide(s, d.wake)
	if got, want := brief(d.facts), "3✗queue timeout after 3m20s"; got != want {
		t.Errorf("decide at that time: %q, want %q", got, want)
	}
	if want := noon.Add(300 * time.Second); !d.wake.Equal(want) {
		t.Errorf("then wake %v, want %v", d.wake, want)
	}
}

// What was decided once is not looked at again until a fact makes more possible.
func TestTouched(t *testing.T) {
	s := after(worker("w1", 0), device("q1", "qemu", "w1"), job(1, tags("ssd")))
	decide(s, noon)
	s.settle()
	more(s, job(2, typ("bbb")))
	if len(s.touched) != 1 || !s.touched["bbb"] {
		t.Errorf("touched %v after a job for bbb, want bbb alone", s.touched)
	}
	s.settle()
	more(s, events.DeviceTagged{Device: "q1", Tag: "ssd"})
	if got := brief(decide(s, noon).facts); got != "1→q1" {
		t.Errorf("decide after the device got the tag: %q, want 1→q1", got)
	}
}

func TestDecideFillsBatches(t *testing.T) {
	given := []any{worker("w1", 0)}
	const n = 120
	for i := range n {
		given = append(given, device(events.DeviceName(fmt.Sprintf("q%03d", i)), "qemu", "w1"), job(events.JobID(i+1)))
	}
	s := after(given...)
	var sizes []int
	for batch := 1; ; batch++ {
		d := decide(s, noon)
		if len(d.facts) == 0 {
			break
		}
		checkShape(t, s, d)
		sizes = append(sizes, len(d.facts))
		fold(s, d.facts)
		if !d.more {
			break
		}
	}
	if want := []int{99, 99, 45}; !slices.Equal(sizes, want) {
		t.Errorf("batches of %v facts, want %v", sizes, want)
	}
	if len(s.queued) != 0 {
		t.Errorf("%d jobs still wait, want none", len(s.queued))
	}
}

// checkShape holds a batch to what every batch promises.
func checkShape(t *testing.T, s *state, d decision) {
	t.Helper()
	if len(d.facts) == 0 {
		return
	}
	open, ok := d.facts[0].(events.RoundDecided)
	if !ok || len(d.facts) < 2 || len(d.facts) > stream.MaxBatch {
		t.Fatalf("batch of %d facts opens with %T, want RoundDecided and up to %d", len(d.facts), d.facts[0], stream.MaxBatch)
	}
	scheduled := 0
	for i, f := range d.facts {
		if f, ok := f.(events.JobScheduled); ok {
			scheduled++
			want := events.DeviceReserved{Device: f.Device, Job: f.Job, Lease: f.Lease}
			if f.Device != "" && d.facts[i+1] != events.Event(want) {
				t.Errorf("after %+v: %+v, want its device reserved", f, d.facts[i+1])
			}
			if f.Device != "" && (f.Lease != events.Lease(s.lab.Through()) || f.Lease <= s.lab.Device(f.Device).Lease) {
				t.Errorf("lease %d of %s, want %d, above %d", f.Lease, f.Device, s.lab.Through(), s.lab.Device(f.Device).Lease)
			}
		}
	}
	if open.Scheduled != scheduled || open.Through != s.lab.Through() {
		t.Errorf("round %+v, want %d scheduled through %d", open, scheduled, s.lab.Through())
	}
}

// after is a scheduler that has read these facts.
func after(given ...any) *state {
	s := newState(lab.New(), "test")
	more(s, given...)
	return s
}

func more(s *state, given ...any) {
	for _, g := range given {
		switch g := g.(type) {
		case events.Event:
			fold(s, []events.Event{g})
		case []events.Event:
			fold(s, g)
		case pause:
			s.settle()
		}
	}
}

func fold(s *state, facts []events.Event) {
	for _, f := range facts {
		s.evolve(stream.Recorded{Stream: stream.Lab, Seq: s.lab.Through() + 1, Time: noon, Event: f})
	}
}

// brief says what a batch does: "1→q1" for a job given a device, "1→@w1" for a guest, "1✗reason"
// for one that leaves.
func brief(facts []events.Event) string {
	var words []string
	for _, f := range facts {
		switch f := f.(type) {
		case events.JobScheduled:
			to := string(f.Device)
			if to == "" {
				to = "@" + string(f.Worker)
			}
			words = append(words, fmt.Sprintf("%d→%s", f.Job, to))
		case events.JobWithdrawn:
			words = append(words, fmt.Sprintf("%d✗%s", f.Job, f.Reason))
		}
	}
	return strings.Join(words, " ")
}

func worker(name events.WorkerName, limit int) []events.Event {
	return []events.Event{events.WorkerRegistered{Worker: name}, events.WorkerConfigured{Worker: name, JobLimit: limit},
		events.WorkerWentOnline{Worker: name, At: noon}}
}

func device(name events.DeviceName, typ events.DeviceTypeName, w events.WorkerName, tags ...events.TagName) []events.Event {
	return []events.Event{
		events.DeviceAdded{Device: name, DeviceType: typ, Worker: w, Health: events.Good, Tags: tags},
		events.DeviceConfigured{Device: name, Dictionary: "{% extends 'qemu.jinja2' %}"}}
}

func job(id events.JobID, change ...func(*events.JobSubmitted)) events.JobSubmitted {
	e := events.JobSubmitted{Job: id, Display: id.String(), User: "alice", At: noon, DeviceType: "qemu", Priority: 50, JobTimeout: 60}
	for _, c := range change {
		c(&e)
	}
	return e
}

func check(id events.JobID, d events.DeviceName) events.JobSubmitted {
	return job(id, pin(d), func(e *events.JobSubmitted) { e.HealthCheck, e.User = true, lab.LavaHealth })
}

func typ(t events.DeviceTypeName) func(*events.JobSubmitted) {
	return func(e *events.JobSubmitted) { e.DeviceType = t }
}
func prio(p int) func(*events.JobSubmitted) { return func(e *events.JobSubmitted) { e.Priority = p } }
func pin(d events.DeviceName) func(*events.JobSubmitted) {
	return func(e *events.JobSubmitted) { e.Device = d }
}
func avoiding(d ...events.DeviceName) func(*events.JobSubmitted) {
	return func(e *events.JobSubmitted) { e.Attempt = &events.Attempt{Of: 90, N: 2, Avoid: d} }
}
func onWorker(w events.WorkerName) func(*events.JobSubmitted) {
	return func(e *events.JobSubmitted) { e.Worker = w }
}
func tags(t ...events.TagName) func(*events.JobSubmitted) {
	return func(e *events.JobSubmitted) { e.Tags = t }
}
func waitAtMost(s events.Seconds) func(*events.JobSubmitted) {
	return func(e *events.JobSubmitted) { e.QueueTimeout = s }
}

// reserved gives a job a device under lease 2.
func reserved(id events.JobID, d events.DeviceName) []events.Event {
	return []events.Event{events.JobScheduled{Job: id, Device: d, Worker: "w1", Lease: 2},
		events.DeviceReserved{Device: d, Job: id, Lease: 2}}
}

// ended ends that job and releases its device.
func ended(id events.JobID, d events.DeviceName, checkDue bool) []events.Event {
	return []events.Event{events.JobFinished{Job: id, Device: d, Lease: 2, Health: events.Complete, At: noon},
		events.DeviceReleased{Device: d, Job: id, Lease: 2, CheckDue: checkDue}}
}

func health(d events.DeviceName, h events.DeviceHealth) events.Event {
	return events.DeviceHealthSet{Device: d, Health: h, By: "bob"}
}

func kindOf(name events.DeviceTypeName, e events.DeviceTypeConfigured) []events.Event {
	e.DeviceType = name
	return []events.Event{events.DeviceTypeAdded{DeviceType: name}, e}
}

// checked gives a type a health check, due after 24 hours.
func checked(name events.DeviceTypeName) []events.Event {
	return kindOf(name, events.DeviceTypeConfigured{HealthCheck: "job_name: check", HealthFrequency: 24, HealthDenominator: events.Hours})
}

// checkedOnce gives a type a health check that the device has passed, as job 90 under lease 1.
func checkedOnce(name events.DeviceTypeName, d events.DeviceName) []events.Event {
	return slices.Concat(
		[]events.Event{check(90, d),
			events.JobScheduled{Job: 90, Device: d, Worker: "w1", Lease: 1}, events.DeviceReserved{Device: d, Job: 90, Lease: 1},
			events.JobFinished{Job: 90, Device: d, Lease: 1, Health: events.Complete, At: noon},
			events.DeviceReleased{Device: d, Job: 90, Lease: 1}},
		checked(name))
}
