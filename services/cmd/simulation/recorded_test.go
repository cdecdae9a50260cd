package simulation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/stream"
)

// TestReplay: the facts of a lab, read again, lead to the same waits, ends and shares.
func TestReplay(t *testing.T) {
	t.Parallel()
	s := Default()
	s.Days, s.Devices, s.Workers, s.Types = 10, 30, 3, 4
	s.Deaths = []Death{{Worker: "w2", At: s.Start.Add(60 * time.Hour), Back: s.Start.Add(63 * time.Hour)}}
	facts, want := recorded(t, s)
	got := replay(t, facts, Changes{})
	if !reflect.DeepEqual(got.Waits, want.Waits) || got.Jobs.Lost != 0 || want.Jobs.Lost == 0 {
		t.Errorf("read again, jobs wait\n%+v\nwant\n%+v", got.Waits, want.Waits)
	}
	got.Jobs.Lost = want.Jobs.Lost // they end as they ended, and nothing has to be lost for it
	if got.Jobs != want.Jobs {
		t.Errorf("read again, jobs %+v, want %+v", got.Jobs, want.Jobs)
	}
}

// TestChanges: more devices shorten the waits of a lab that has too few, and dead workers lengthen
// them.
func TestChanges(t *testing.T) {
	t.Parallel()
	s := Default()
	s.Days, s.Devices, s.Workers, s.Types, s.Load, s.Gangs = 5, 20, 2, 2, 0.9, 0
	facts, was := recorded(t, s)
	more := replay(t, facts, Changes{More: map[events.DeviceTypeName]int{"type-01": 10}, Drain: true})
	if more.Devices != 30 || waitsOf(t, more, "type", "type-01").P90 >= waitsOf(t, was, "type", "type-01").P90 {
		t.Errorf("with ten devices more: %d devices, waits %+v; were %+v", more.Devices,
			waitsOf(t, more, "type", "type-01"), waitsOf(t, was, "type", "type-01"))
	}
	dead := replay(t, facts, Changes{Deaths: []Death{{Worker: "w1", At: s.Start.Add(24 * time.Hour)}}})
	if dead.Jobs.Lost == 0 || dead.Jobs.Started >= was.Jobs.Started || dead.Jobs.Waiting <= was.Jobs.Waiting {
		t.Errorf("with a worker dead from the second day: %+v, was %+v", dead.Jobs, was.Jobs)
	}
	policy := &events.SchedulingPolicySet{Aging: &events.Aging{Within: 7200, Bound: 100}}
	aged := replay(t, facts, Changes{Policy: policy})
	if got, old := waitsOf(t, aged, "priority", "0").P90, waitsOf(t, was, "priority", "0").P90; got >= old {
		t.Errorf("with aging, priority 0 waits %v (p90); it waited %v", got, old)
	}
}

// TestRemovedLater: what was erased after its end does not end a job that has not begun in another course of things.
func TestRemovedLater(t *testing.T) {
	t.Parallel()
	s := Default()
	s.Days, s.Devices, s.Workers, s.Types, s.Gangs, s.CheckHours = 0.5, 4, 1, 1, 0, 0
	facts, was := recorded(t, s)
	seq, later := was.Facts, s.Start.Add(7*24*time.Hour).Format(time.RFC3339)
	for job := range was.Jobs.Submitted {
		seq++
		facts = fmt.Appendf(facts, `{"seq":%d,"name":"job.removed","time":%q,"data":{"job":%d,"by":"local"}}`+"\n", seq, later, job+1)
	}
	got := replay(t, facts, Changes{Deaths: []Death{{Worker: "w1", At: s.Start}}})
	if got.Jobs.Withdrawn != 0 || got.Jobs.Canceled != 0 || got.Jobs.Waiting == 0 {
		t.Errorf("without its worker the lab has the jobs %+v, want them to wait", got.Jobs)
	}
}

// TestReadRefusals: a line that is no fact is named.
func TestReadRefusals(t *testing.T) {
	worker := `{"seq":1,"name":"worker.registered","time":"2026-01-05T00:00:00Z","data":{"worker":"w1","by":"local"}}`
	device := `{"seq":2,"name":"device.added","time":"2026-01-05T00:00:00Z","data":{"device":"d1","device_type":"qemu","worker":"w1","health":"Good","by":"local"}}`
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "\n\n", "there are none"},
		{"no JSON", worker + "\nworker w2\n", "line 2: invalid character"},
		{"no fact", worker + "\n" + `{"seq":2,"name":"worker.danced"}`, `line 2: fact "worker.danced" is not known`},
		{"no order", worker + "\n\n" + worker + "\n", "line 3: sequence 1 after 1"},
		{"wrong data", `{"seq":1,"name":"worker.registered","data":{"worker":7}}`, "line 1: "},
		{"not from the first", worker + "\n", "no device was added"},
		{"the last line has no end", worker + "\n" + device, ""},
	} {
		_, err := Read(strings.NewReader(tt.text))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
	rec, err := Read(strings.NewReader(worker + "\n" + device + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]Changes{
		`more devices of "rpi"`: {More: map[events.DeviceTypeName]int{"rpi": 1}},
		`kill "w9"`:             {Deaths: []Death{{Worker: "w9"}}},
	} {
		if _, err := rec.Scenario(c); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", c, err, want)
		}
	}
}

// FuzzRead: whatever the lines are, they are read or refused, and what was read can be simulated.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"seq":1,"name":"device.added","time":"2026-01-05T00:00:00Z","data":{"device":"d1","device_type":"qemu","worker":"w1"}}` + "\n" +
		`{"seq":2,"name":"job.submitted","time":"2026-01-05T00:00:01Z","data":{"job":1,"device_type":"qemu","job_timeout":60}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		if sc, err := rec.Scenario(Changes{}); err == nil {
			if _, err := New(sc).Run(); err != nil {
				t.Error(err)
			}
		}
	})
}

// recorded simulates a lab and returns its facts, as `strata events --json` prints them.
func recorded(t *testing.T, s Synthetic) ([]byte, Report) {
	t.Helper()
	var out bytes.Buffer
	sim := New(scenario(t, s))
	sim.Watch = func(r stream.Recorded) {
		data, err := json.Marshal(r.Event)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := r.Time.MarshalText()
		fmt.Fprintf(&out, `{"seq":%d,"name":%q,"entity":%q,"time":%q,"source":%q,"data":%s}`+"\n",
			r.Seq, events.Name(r.Event), r.Event.About(), at, r.Source, data)
	}
	r, err := sim.Run()
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), r
}

func replay(t *testing.T, facts []byte, c Changes) Report {
	t.Helper()
	rec, err := Read(bytes.NewReader(facts))
	if err != nil {
		t.Fatal(err)
	}
	sc, err := rec.Scenario(c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(sc).Run()
	if err != nil {
		t.Fatal(err)
	}
	return r
}
