package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
)

// asked is what the lab is asked after every fact of a story.
var asked = []string{"devices.list", "workers.list", "device-types.list", "tags.list", "jobs.list"}

// TestAt tells a story fact by fact, asks after each how the lab is, and asks again once all is over:
// for every sequence, and for every time, the lab as it was is what it had said then.
func TestAt(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job, gone := publish(t, b, "a"), publish(t, b, "b")
	story := []events.Event{
		events.WorkerRegistered{Worker: "w1", By: "root"},
		events.WorkerWentOnline{Worker: "w1", Version: "2026.11"},
		events.DeviceTypeAdded{DeviceType: "qemu", By: "root"},
		events.TagAdded{Tag: "kvm", By: "root"},
		events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1", Health: events.Good, By: "root"},
		events.DeviceConfigured{Device: "q1", Dictionary: "a: 1", By: "root"},
		events.DeviceTagged{Device: "q1", Tag: "kvm", By: "root"},
		submitted(job), submitted(gone),
		events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 9},
		events.DeviceReserved{Device: "q1", Job: job, Lease: 9},
		events.JobStarted{Job: job, Device: "q1", Worker: "w1", Lease: 9, At: noon},
		events.JobPrioritySet{Job: gone, Priority: 90, By: "alice"},
		events.JobWithdrawn{Job: gone, Reason: "canceled"},
		events.DeviceTypeConfigured{DeviceType: "qemu", HealthFrequency: 12, HealthDenominator: events.Hours, Aliases: []string{"pc"}, By: "root"},
		events.JobFinished{Job: job, Device: "q1", Worker: "w1", Lease: 9, Health: events.Complete, At: noon},
		events.DeviceReleased{Device: "q1", Job: job, Lease: 9},
		events.JobOutputComplete{Job: job, Lease: 9},
		events.DeviceHealthSet{Device: "q1", Health: events.Retired, Reason: "smoke", By: "root"},
		events.TagRemoved{Tag: "kvm", By: "root"},
		events.DeviceRemoved{Device: "q1", By: "root"},
		events.WorkerWentOffline{Worker: "w1", Reason: "stopped"},
	}
	said := map[uint64]map[string]string{}
	for _, e := range story {
		r := b.Append(t, e)
		said[r[0].Seq] = map[string]string{}
		for _, verb := range asked {
			var answer json.RawMessage
			call(t, c, verb, struct{}{}, &answer)
			said[r[0].Seq][verb] = string(answer)
		}
	}
	facts := eventtest.Facts(t, b.Log, stream.Lab)
	if len(facts) != len(story) {
		t.Fatalf("the log has %d facts, want the %d of the story", len(facts), len(story))
	}
	for i, r := range facts {
		at := r.Time
		moments := []api.AtRequest{{Seq: r.Seq}}
		if i+1 == len(facts) || facts[i+1].Time.After(at) { // else two facts were written at the same time
			moments = append(moments, api.AtRequest{Time: &at})
		}
		for _, in := range moments {
			for _, verb := range asked {
				if got := askAt(t, c, in, verb, struct{}{}); got != said[r.Seq][verb] {
					t.Errorf("%s after fact %d:\n got %s\nthen %s", verb, r.Seq, got, said[r.Seq][verb])
				}
			}
		}
	}
	for seq, want := range map[uint64]string{7: "", 8: "Submitted", 10: "Scheduled", 12: "Running", 16: "Finished"} {
		body, err := tryAt(t, c, api.AtRequest{Seq: seq}, "jobs.show", api.JobRequest{Job: job})
		if want == "" {
			if !api.HasCode(err, api.NotFound) || !strings.Contains(err.Error(), "there was no job") {
				t.Errorf("job before it was submitted: %s, %v, want that it was not there", body, err)
			}
			continue
		}
		var j api.Job
		if err != nil || json.Unmarshal([]byte(body), &j) != nil || j.State != want {
			t.Errorf("job at %d: %s, %v, want it %s", seq, body, err, want)
		}
	}
}

// TestAtRefuses asks for moments and things that the log cannot tell of.
func TestAtRefuses(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	r := b.Append(t, events.WorkerRegistered{Worker: "w1", By: "root"}, events.TagAdded{Tag: "kvm", By: "root"}, events.TagAdded{Tag: "usb", By: "root"})
	early := r[0].Time.Add(-time.Hour)
	tests := []struct {
		in   api.AtRequest
		verb string
		ask  any
		want string
	}{
		{api.AtRequest{Seq: 4}, "devices.list", struct{}{}, "no fact 4 yet; the last is 3"},
		{api.AtRequest{Time: &early}, "devices.list", struct{}{}, "there was no lab before"},
		{api.AtRequest{}, "devices.list", struct{}{}, "either seq"},
		{api.AtRequest{Seq: 1, Time: &early}, "devices.list", struct{}{}, "either seq"},
		{api.AtRequest{Seq: 1}, "devices.remove", struct{}{}, `verb is "devices.remove"; of the lab as it was one can ask charts.list, `},
		{api.AtRequest{Seq: 1}, "workers.show", api.WorkerRequest{Worker: "w2"}, "there is no worker w2 (as of fact 1, "},
		{api.AtRequest{Seq: 1}, "jobs.list", api.JobsRequest{All: true}, "those that were over stand in the tables"},
		{api.AtRequest{Seq: 1}, "jobs.list", map[string]int{"limmit": 3}, `unknown field "limmit"`},
	}
	for _, tt := range tests {
		if body, err := tryAt(t, c, tt.in, tt.verb, tt.ask); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s at %+v: got %s, %v; want an error with %q", tt.verb, tt.in, body, err, tt.want)
		}
	}
	// What was archived and cut off can no longer be told, and the answer says from where on it can.
	s, err := b.Log.JetStream().Stream(t.Context(), stream.Lab)
	if err == nil {
		err = s.Purge(t.Context(), jetstream.WithPurgeSequence(3))
	}
	if err != nil {
		t.Fatal(err)
	}
	if body, err := tryAt(t, c, api.AtRequest{Seq: 2}, "tags.list", struct{}{}); !api.HasCode(err, api.NotFound) || !strings.Contains(err.Error(), "the log begins with fact 3 of ") {
		t.Errorf("before the log's first fact: got %s, %v", body, err)
	}
}

// TestAtFromCheckpoint asks for a moment that only a checkpoint leads to: the facts before are gone.
func TestAtFromCheckpoint(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	r := b.Append(t, events.TagAdded{Tag: "kvm", By: "root"}, events.TagAdded{Tag: "usb", By: "root"})
	t.Run("an instance that saves its fold", func(t *testing.T) { serve(t, b) })
	c := api.Client{Conn: b.Connect(t), User: "local"}
	last := b.Append(t, events.TagAdded{Tag: "sata", By: "root"}, events.TagAdded{Tag: "sd", By: "root"})
	s, err := b.Log.JetStream().Stream(t.Context(), stream.Lab)
	if err == nil {
		err = s.Purge(t.Context(), jetstream.WithPurgeSequence(r[1].Seq))
	}
	if err != nil {
		t.Fatal(err)
	}
	serve(t, b)
	for in, want := range map[uint64]int{r[1].Seq: 2, last[0].Seq: 3} {
		var tags []api.TagRequest
		if err := json.Unmarshal([]byte(askAt(t, c, api.AtRequest{Seq: in}, "tags.list", struct{}{})), &tags); err != nil || len(tags) != want {
			t.Errorf("at %d: %v, %v; want %d tags", in, tags, err, want)
		}
	}
}

func askAt(t *testing.T, c api.Client, in api.AtRequest, verb string, ask any) string {
	t.Helper()
	body, err := tryAt(t, c, in, verb, ask)
	if err != nil {
		t.Fatalf("%s at %+v: %v", verb, in, err)
	}
	return body
}

func tryAt(t *testing.T, c api.Client, in api.AtRequest, verb string, ask any) (body string, err error) {
	t.Helper()
	in.Verb = verb
	if in.Request, err = json.Marshal(ask); err != nil {
		t.Fatal(err)
	}
	err = c.Stream(t.Context(), "at", in, func(m *nats.Msg) error {
		if m.Header.Get(api.HeaderAtSeq) == "" || m.Header.Get(api.HeaderAtTime) == "" {
			t.Errorf("%s at %+v: the answer does not say when it was so: %v", verb, in, m.Header)
		}
		body = string(m.Data)
		return nil
	})
	return body, err
}
