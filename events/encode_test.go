package events_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
)

func TestEncodeIsCloudEvents(t *testing.T) {
	t.Parallel()
	env := events.Envelope{
		ID: "0192f5d0-7c1e-7a5b-8f00-000000000001", Source: "services/scheduling",
		Time:  time.Date(2026, 11, 22, 11, 30, 0, 5, time.FixedZone("", 3600)),
		Actor: "alice@example.com", Cause: "LAB/8812", Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
	fact := events.JobScheduled{Job: 42, Device: "q1", Worker: "w1", Lease: 8812}
	header, body, err := events.Encode(fact, env)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"ce-id": {env.ID}, "Nats-Msg-Id": {env.ID}, "ce-specversion": {"1.0"}, "ce-type": {"job.scheduled"},
		"ce-source": {"services/scheduling"}, "ce-subject": {"job/42"}, "ce-time": {"2026-11-22T10:30:00.000000005Z"},
		"ce-dataschema": {"job.scheduled.v1"}, "content-type": {"application/json"},
		"strata-actor": {"alice@example.com"}, "strata-cause": {"LAB/8812"}, "traceparent": {env.Trace},
	}
	if !reflect.DeepEqual(header, want) {
		t.Errorf("headers\n got %v\nwant %v", header, want)
	}
	if got := string(body); got != `{"job":42,"device":"q1","worker":"w1","lease":8812}` {
		t.Errorf("body %s", got)
	}
	back, backEnv, err := events.DecodeMessage(header, body)
	env.Time = env.Time.UTC()
	if err != nil || back != fact || !reflect.DeepEqual(backEnv, env) {
		t.Errorf("decoded %+v, %+v, %v\nwant %+v, %+v", back, backEnv, err, fact, env)
	}
}

func TestEncodeLeavesOutWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	header, _, err := events.Encode(events.JobRemoved{Job: 1}, events.Envelope{ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{events.HeaderActor, events.HeaderCause, events.HeaderTrace} {
		if v, ok := header[name]; ok {
			t.Errorf("header %s is %q, want none", name, v)
		}
	}
}

// A line break in a header would let a user write headers.
func TestEncodeRefusesControlCharacters(t *testing.T) {
	t.Parallel()
	for _, env := range []events.Envelope{{Actor: "a\r\nce-type: x"}, {Cause: "a\nb"}, {Trace: "\x00"}} {
		if _, _, err := events.Encode(events.JobRemoved{Job: 1}, env); err == nil {
			t.Errorf("Encode takes %+v", env)
		}
	}
	header, _, err := events.Encode(events.WorkerRemoved{Worker: "w\r\nce-type: x"}, events.Envelope{ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(header[events.HeaderSubject]); strings.ContainsAny(s, "\r\n") {
		t.Errorf("ce-subject %q has a line break", s)
	}
}

func TestDecodeMessageNeedsATime(t *testing.T) {
	t.Parallel()
	_, _, err := events.DecodeMessage(map[string][]string{"ce-type": {"tag.added"}, "ce-dataschema": {"tag.added.v1"}}, []byte(`{}`))
	if err == nil || !strings.Contains(err.Error(), "ce-time") {
		t.Errorf("message without a time: %v", err)
	}
}
