package lava_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/schemas/yaml"
	"strata/services/api/lava"
)

func ExampleLine() {
	var b bytes.Buffer
	at := time.Date(2026, 7, 1, 12, 0, 0, 123456000, time.UTC)
	_ = lava.Line(&b, events.Record{Time: at, Level: events.Target, Message: json.RawMessage(`"login: "`)})
	_ = lava.Line(&b, events.Record{Time: at, Level: events.Results, Message: json.RawMessage(`{"case":"boot","starttc":579,"extra":[null,true]}`)})
	_ = lava.Line(&b, events.Record{Time: at, Level: events.Feedback, Namespace: "dut", Message: json.RawMessage(`"a: \"b\", c"`)})
	fmt.Print(b.String())
	// Output:
	// - {"dt": "2026-07-01T12:00:00.123456+00:00", "lvl": "target", "msg": "login: "}
	// - {"dt": "2026-07-01T12:00:00.123456+00:00", "lvl": "results", "msg": {"case": "boot", "starttc": ! "579", "extra": [! "null", ! "true"]}}
	// - {"dt": "2026-07-01T12:00:00.123456+00:00", "lvl": "feedback", "msg": "a: \"b\", c", "ns": "dut"}
}

// TestLevels shows that clients, which fail on levels that LAVA does not have, meet none, and keep their count.
func TestLevels(t *testing.T) {
	for _, level := range []events.Level{events.FileData, events.EventText, "odd"} {
		var b bytes.Buffer
		if err := lava.Line(&b, events.Record{Level: level, Message: json.RawMessage(`"x"`)}); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"lvl": "debug"`) {
			t.Errorf("a line of level %s: got %q, want one of level debug", level, got)
		}
	}
	var b bytes.Buffer
	lava.Lost(&b, 3)
	if root, err := yaml.Parse(b.Bytes()); err != nil || len(root.Items) != 3 || root.Items[2].Get("msg").TextOr("") != "<line missing>" {
		t.Errorf("three lost lines: got %q, error %v", b.String(), err)
	}
	if err := lava.Line(&b, events.Record{Message: json.RawMessage(`{`)}); err == nil {
		t.Error("a message that is no JSON: got no error")
	}
}

func TestWords(t *testing.T) {
	for _, tt := range []struct{ state, health, want string }{
		{"Submitted", "", "Submitted"}, {"Scheduling", "", "Submitted"}, {"Scheduled", "", "Submitted"}, {"Running", "", "Running"},
		{"Canceling", "", "Canceling"}, {"Finished", "Complete", "Complete"}, {"Finished", "Canceled", "Canceled"},
		{"Finished", "Incomplete", "Incomplete"}, {"Finished", "", "Incomplete"}, {"Rejected", "Incomplete", "Incomplete"},
	} {
		if got := lava.Status(tt.state, tt.health); got != tt.want {
			t.Errorf("status of a job that is %s, %s: got %s, want %s", tt.state, tt.health, got, tt.want)
		}
	}
	for _, tt := range []struct {
		state  string
		health events.DeviceHealth
		want   string
	}{
		{"Idle", events.Good, "idle"}, {"Idle", events.Unknown, "idle"}, {"Idle", events.Retired, "retired"}, {"Idle", events.Bad, "offline"},
		{"Idle", events.Maintenance, "offline"}, {"Reserved", events.Good, "reserved"}, {"Running", events.Bad, "running"},
	} {
		if got := lava.DeviceStatus(tt.state, tt.health); got != tt.want {
			t.Errorf("status of a device that is %s, %s: got %s, want %s", tt.state, tt.health, got, tt.want)
		}
	}
	for message, want := range map[string]lava.Refusal{
		"required key not provided @ data['visibility']":                                 lava.Wrong,
		"Device 'x' does not exist.":                                                     lava.Wrong,
		"Device type 'x' is unavailable.":                                                lava.Unavailable,
		"Device type 'x' is unavailable to user 'ann'":                                   lava.Unavailable,
		"No devices of type x are available.":                                            lava.Unavailable,
		"No devices of type x are available which have all of the tags 'a'.":             lava.Unavailable,
		"No devices from ['x'] pool are currently available to user ann":                 lava.Unavailable,
		"Not enough devices available matching the requested tags.":                      lava.Unavailable,
		"Device x does not support all of the tags 'a'.":                                 lava.Unavailable,
		"Device tag 'a' does not exist in the database.":                                 lava.UnknownTag,
		"You do not have permission to submit jobs to device 'x'.":                       lava.Wrong,
		"Loading job submission failed: line 3: did not find expected ',' or ']'.":       lava.Wrong,
		"Specific device 'x' cannot be used when count is greater than 1.":               lava.Wrong,
		"Device 'x' is not of type 'y'.":                                                 lava.Wrong,
		"Not enough devices of type x are currently available to user ann":               lava.Unavailable,
		"Unable to split multinode job submission.":                                      lava.Wrong,
		"No known groups were found in the visibility list.":                             lava.Wrong,
		"extra keys not allowed @ data['Device type'] which No devices of type x offers": lava.Wrong,
	} {
		if got := lava.Refused(message); got != want {
			t.Errorf("%q: got kind %d, want %d", message, got, want)
		}
	}
	at := time.Date(2026, 11, 23, 4, 5, 6, 7000, time.UTC)
	if got := lava.Moment(&at); got != "2026-11-23 04:05:06.000007+00:00" {
		t.Errorf("a time: got %s", got)
	}
	if at = at.Truncate(time.Second); lava.Moment(&at) != "2026-11-23 04:05:06+00:00" || lava.Moment(nil) != "None" {
		t.Errorf("a whole second, and none: got %s and %s", lava.Moment(&at), lava.Moment(nil))
	}
}
