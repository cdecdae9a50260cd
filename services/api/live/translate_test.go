package live

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// noon is when the facts of these tests happen, a second apart.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// TestTranslate tells a job's life as LAVA does.
func TestTranslate(t *testing.T) {
	t.Parallel()
	facts := []events.Event{
		events.WorkerRegistered{Worker: "w1", By: "alice"},
		events.WorkerWentOnline{Worker: "w1", Version: "1"},
		events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1", Health: events.Good, By: "alice"},
		events.DeviceHealthSet{Device: "q1", Health: events.Maintenance, By: "alice", Reason: "looks odd"},
		events.DeviceHealthSet{Device: "q1", Health: events.Good, By: "alice"},
		events.JobSubmitted{Job: 7, Display: "7", User: "bob", Name: "smoke", DeviceType: "qemu", At: noon, Priority: 50, Visibility: events.Visibility{Public: true}},
		events.JobPrioritySet{Job: 7, Priority: 80, By: "bob"},
		events.JobScheduled{Job: 7, Device: "q1", Worker: "w1", Lease: 7},
		events.DeviceReserved{Device: "q1", Job: 7, Lease: 7},
		events.JobStarted{Job: 7, Device: "q1", Worker: "w1", Lease: 7, At: noon},
		events.JobAnnotated{Job: 7, By: "bob"},
		events.JobFinished{Job: 7, Device: "q1", Worker: "w1", Lease: 7, Health: events.Complete, At: noon.Add(1500 * time.Millisecond)},
		events.DeviceReleased{Device: "q1", Job: 7, Lease: 7},
		events.WorkerHealthSet{Worker: "w1", Health: events.WorkerMaintenance, By: "alice"},
		events.DeviceRemoved{Device: "q1", By: "alice"},
	}
	want := []string{
		`worker lavaserver {"hostname":"w1","health":"Active","state":"Online"}`,
		`device lavaserver {"health":"Maintenance","state":"Idle","device":"q1","device_type":"qemu","worker":"w1"}`,
		`device lavaserver {"health":"Good","state":"Idle","device":"q1","device_type":"qemu","worker":"w1"}`,
		`testjob bob {"health":"Unknown","state":"Submitted","job":7,"description":"smoke","priority":50,"submit_time":"2026-11-22T12:00:00+00:00","submitter":"bob","health_check":false,"device_type":"qemu"}`,
		`testjob bob {"health":"Unknown","state":"Submitted","job":7,"description":"smoke","priority":80,"submit_time":"2026-11-22T12:00:00+00:00","submitter":"bob","health_check":false,"device_type":"qemu"}`,
		`testjob bob {"health":"Unknown","state":"Scheduled","job":7,"description":"smoke","priority":80,"submit_time":"2026-11-22T12:00:00+00:00","submitter":"bob","health_check":false,"device":"q1","worker":"w1","device_type":"qemu"}`,
		`device lavaserver {"health":"Good","state":"Reserved","device":"q1","device_type":"qemu","worker":"w1","job":"7"}`,
		`testjob bob {"health":"Unknown","state":"Running","job":7,"description":"smoke","priority":80,"submit_time":"2026-11-22T12:00:00+00:00","submitter":"bob","health_check":false,"device":"q1","worker":"w1","device_type":"qemu","start_time":"2026-11-22T12:00:00+00:00"}`,
		`device lavaserver {"health":"Good","state":"Running","device":"q1","device_type":"qemu","worker":"w1","job":"7"}`,
		`testjob bob {"health":"Complete","state":"Finished","job":7,"description":"smoke","priority":80,"submit_time":"2026-11-22T12:00:00+00:00","submitter":"bob","health_check":false,"device":"q1","worker":"w1","device_type":"qemu","start_time":"2026-11-22T12:00:00+00:00","end_time":"2026-11-22T12:00:01.500000+00:00"}`,
		`device lavaserver {"health":"Good","state":"Idle","device":"q1","device_type":"qemu","worker":"w1"}`,
		`worker lavaserver {"hostname":"w1","health":"Maintenance","state":"Online"}`,
	}
	translate := newTranslator(lab.New())
	var got []string
	ids := map[string]bool{}
	for i, e := range facts {
		for _, told := range translate.fold(stream.Recorded{Seq: uint64(i + 1), Time: noon, Event: e}) {
			got = append(got, fmt.Sprintf("%s %s %s", told.Topic, told.User, told.Data))
			ids[told.ID.String()] = true
		}
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("told:\n%s\nwant:\n%s", a, b)
	}
	if len(ids) != len(got) {
		t.Errorf("%d events have %d ids", len(got), len(ids))
	}
}

// A translator that begins with a lab knows its words, so that nothing is told that has not changed.
func TestTranslateFromCheckpoint(t *testing.T) {
	t.Parallel()
	s := lab.New()
	s.Evolve(1, noon, events.WorkerRegistered{Worker: "w1", By: "alice"})
	s.Evolve(2, noon, events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1", Health: events.Good, By: "alice"})
	translate := newTranslator(s)
	for i, e := range []events.Event{
		events.DeviceTagged{Device: "q1", Tag: "usb", By: "alice"},
		events.DeviceHealthSet{Device: "q1", Health: events.Good, By: "alice", Reason: "still"},
	} {
		if told := translate.fold(stream.Recorded{Seq: uint64(i + 3), Time: noon, Event: e}); len(told) > 0 {
			t.Errorf("%s is told as %+v, want nothing", events.Name(e), told)
		}
	}
	told := translate.fold(stream.Recorded{Seq: 9, Time: noon, Event: events.DeviceHealthSet{Device: "q1", Health: events.Bad, By: "alice"}})
	if len(told) != 1 || told[0].Frames("org.lab")[0] != "org.lab.device" {
		t.Errorf("told %+v, want the device", told)
	}
}
