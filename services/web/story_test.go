package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
)

// recorded makes facts an hour apart, the last an hour before noon.
func recorded(t *testing.T, all ...events.Event) (facts []fact) {
	t.Helper()
	for i, e := range all {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, fact{Seq: uint64(i + 1), Name: events.Name(e), Entity: e.About().String(), Time: noon.Add(time.Duration(i-len(all)) * time.Hour), Data: data})
	}
	return facts
}

// TestTell makes a story of what was recorded about a device: newest first, in words, without the machinery.
func TestTell(t *testing.T) {
	t.Parallel()
	held := events.DeviceHeld{Device: "q1", Use: events.UseConsole, By: "ann"}
	steps := tell(recorded(t,
		events.DeviceAdded{Device: "q1", Health: events.Unknown, By: "ann"},
		events.DeviceConfigured{Device: "q1", Dictionary: "x", By: "ann", Comment: "new relay"},
		events.DeviceReserved{Device: "q1", Job: 4}, // the machinery's
		events.DeviceHealthChanged{Device: "q1", From: events.Unknown, To: events.Bad, Reason: "health-check [4] failed", Job: 4},
		held, held, // the hold goes on
		events.DeviceLetGo{Device: "q1", Outcome: "done"},
		events.DeviceMoved{Device: "q1", By: "bob"},
		events.DeviceHealthSet{Device: "q1", Health: events.Maintenance, Reason: "broken", By: "bob"},
	))
	var got []string
	for _, s := range steps {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s|%s|%s|%d", s.What, s.From, s.Health, s.By, s.Why, s.Job)))
	}
	want := []string{"Maintenance|bob|broken|0", "taken from its worker  |bob||0", "let go  |||0", "in hand: console  |ann||0",
		"Unknown Bad||health-check [4] failed|4", "new dictionary  |ann|new relay|0", "added to the lab  |ann||0"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the story:\n got %q\nwant %q", got, want)
	}
}

// TestHealths cuts a month into times of one health.
func TestHealths(t *testing.T) {
	t.Parallel()
	facts := recorded(t,
		events.DeviceAdded{Device: "q1", Health: events.Unknown},                           // 08:00
		events.DeviceHealthChanged{Device: "q1", From: events.Unknown, To: events.Good},    // 09:00
		events.DeviceTagged{Device: "q1", Tag: "x"},                                        // 10:00
		events.DeviceHealthSet{Device: "q1", Health: events.Maintenance, Reason: "repair"}) // 11:00
	for _, tt := range []struct {
		since time.Duration // before noon
		want  string
	}{
		{5 * time.Hour, "1h0m0s;1h0m0s Unknown;2h0m0s Good;1h0m0s Maintenance"},
		{2*time.Hour + 30*time.Minute, "1h30m0s Good;1h0m0s Maintenance"},
		{time.Minute, "1m0s Maintenance"},
	} {
		var got []string
		spans := healths(facts, noon.Add(-tt.since), noon)
		for _, s := range spans {
			got = append(got, strings.TrimSpace(s.To.Sub(s.From).String()+" "+s.Health))
		}
		if strings.Join(got, ";") != tt.want {
			t.Errorf("since %s: %s, want %s", tt.since, strings.Join(got, ";"), tt.want)
		}
		if drawn := string(timeline(spans)); strings.Count(drawn, "<rect") != len(spans) || strings.Contains(drawn, "style=") {
			t.Errorf("since %s: drawn as %s", tt.since, drawn)
		}
	}
	if got := shares(healths(facts, noon.Add(-5*time.Hour), noon)); fmt.Sprint(got) != "[{Good 50 % 2 h 00 min} {Unknown 25 % 1 h 00 min} {Maintenance 25 % 1 h 00 min}]" {
		t.Errorf("shares: %v", got)
	}
}

// TestDiff compares texts by lines.
func TestDiff(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("same\n", 20)
	for _, tt := range []struct{ name, a, b, want string }{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"a line more", "a\n", "a\nb\n", " a +b"},
		{"a line less at the begin", "a\nb\n", "b\n", "-a  b"},
		{"one changed", "a\nb\nc\n", "a\nB\nc\n", " a -b +B  c"},
		{"from nothing", "", "a\n", "+a"},
		{"far from the change", long + "x\n", long + "y\n", "@  same  same  same -x +y"},
	} {
		var got []string
		for _, l := range diff(tt.a, tt.b) {
			got = append(got, string(l.Kind)+l.Text)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, strings.Join(got, " "), tt.want)
		}
	}
}

// TestTimelineNeverRunsBackwards holds that a fact that was recorded while the page was made draws no bar of negative width.
func TestTimelineNeverRunsBackwards(t *testing.T) {
	t.Parallel()
	facts := []fact{{Name: events.Name(events.DeviceHealthSet{}), Time: noon.Add(2 * time.Second), Data: []byte(`{"health":"Bad"}`)}}
	spans := healths(facts, noon.Add(-time.Minute), noon)
	if last := spans[len(spans)-1]; last.Health != "Bad" || last.To.Before(last.From) {
		t.Errorf("the last span is %+v, want one that does not end before it begins", last)
	}
	if bar := string(timeline(spans)); strings.Contains(bar, `width="-`) {
		t.Errorf("the bar has a negative width: %s", bar)
	}
}
