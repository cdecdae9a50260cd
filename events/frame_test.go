package events_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
)

func TestFrameThereAndBack(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	records := []events.Record{
		{Time: at, Level: events.Target, Message: json.RawMessage(`"a\nb"`)},
		{Time: at, Level: events.Results, Message: json.RawMessage(`{"case":"x"}`)},
		{Time: at, Level: events.Feedback, Message: json.RawMessage(`"c"`), Namespace: "dut", Continues: true},
	}
	f, err := events.NewFrame(42, 7, 100, records)
	if err != nil {
		t.Fatal(err)
	}
	back, err := events.DecodeFrame(events.OutputSubject(42), f.Header(), f.Body)
	if err != nil || !reflect.DeepEqual(back, f) {
		t.Fatalf("decoded %+v, %v, want %+v", back, err, f)
	}
	got, err := back.Records()
	if err != nil || !reflect.DeepEqual(got, records) {
		t.Errorf("records %+v, %v\nwant %+v", got, err, records)
	}
	if f.End() != 103 || len(f.Lines()) != 3 {
		t.Errorf("end %d, %d lines; want 103, 3", f.End(), len(f.Lines()))
	}
}

func TestFrameFrom(t *testing.T) {
	t.Parallel()
	f := events.Frame{Job: 1, First: 10, Count: 3, Body: []byte("a\nb\nc\n")}
	for line, want := range map[uint64]string{0: "10+3 a b c", 10: "10+3 a b c", 11: "11+2 b c", 12: "12+1 c", 13: "13+0", 99: "99+0"} {
		g := f.From(line)
		got := fmt.Sprintf("%d+%d", g.First, g.Count)
		for _, l := range g.Lines() {
			got += " " + string(l)
		}
		if got != want {
			t.Errorf("From(%d): %s, want %s", line, got, want)
		}
	}
}

func TestDecodeFrameRefuses(t *testing.T) {
	t.Parallel()
	good := events.Frame{Job: 42, Lease: 7, First: 0, Count: 1, Body: []byte("{}\n")}
	tests := []struct {
		name, subject string
		change        func(map[string][]string)
		body          string
		want          string
	}{
		{"other subject", "input.42", nil, "{}\n", `subject "input.42"`},
		{"no number", "output.x", nil, "{}\n", `subject "output.x"`},
		{"number written otherwise", "output.042", nil, "{}\n", `subject "output.042"`},
		{"another job's header", "output.43", nil, "{}\n", "header strata-job says 42"},
		{"header missing", "output.42", func(h map[string][]string) { delete(h, "strata-lease") }, "{}\n", "strata-lease is missing"},
		{"header no number", "output.42", func(h map[string][]string) { h["strata-lines"] = []string{"-1"} }, "{}\n", `strata-lines: "-1"`},
		{"fewer lines", "output.42", nil, "", "says 1 lines, has 0"},
		{"more lines", "output.42", nil, "{}\n{}\n", "says 1 lines, has 2"},
		{"no lines", "output.42", func(h map[string][]string) { h["strata-lines"] = []string{"0"} }, "", "says 0 lines"},
		{"overflow", "output.42", func(h map[string][]string) { h["strata-first-line"] = []string{"18446744073709551615"} }, "{}\n", "overflow"},
		{"too large", "output.42", nil, strings.Repeat("x", events.MaxFrameBytes) + "\n", "65537 bytes, at most 65536"},
	}
	for _, tt := range tests {
		header := good.Header()
		if tt.change != nil {
			tt.change(header)
		}
		if _, err := events.DecodeFrame(tt.subject, header, []byte(tt.body)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func TestNewFrameRefuses(t *testing.T) {
	t.Parallel()
	if _, err := events.NewFrame(1, 1, 0, nil); err == nil {
		t.Error("a frame without records is made")
	}
	if _, err := events.NewFrame(1, 1, 0, []events.Record{{Message: json.RawMessage(`{`)}}); err == nil || !strings.Contains(err.Error(), "line 0") {
		t.Errorf("record that is no JSON: %v", err)
	}
}

// Whatever a worker sends, a frame that is taken can be cut anywhere and has as many lines as it says.
func FuzzDecodeFrame(f *testing.F) {
	f.Add("3", "2", []byte("{}\n{}\n"), uint64(4))
	f.Add("0", "1", []byte("x"), uint64(0))
	f.Add("18446744073709551615", "1", []byte("\n"), uint64(1))
	f.Fuzz(func(t *testing.T, first, lines string, body []byte, cut uint64) {
		frame, err := events.DecodeFrame("output.1", map[string][]string{events.HeaderJob: {"1"},
			events.HeaderLease: {"1"}, events.HeaderFirstLine: {first}, events.HeaderLines: {lines}}, body)
		if err != nil {
			return
		}
		for _, g := range []events.Frame{frame, frame.From(cut)} {
			if n := uint64(len(g.Lines())); n != g.Count {
				t.Errorf("frame %d+%d has %d lines", g.First, g.Count, n)
			}
			if g.Count > 0 && g.End() != frame.End() {
				t.Errorf("cut at %d ends at %d, want %d", cut, g.End(), frame.End())
			}
		}
	})
}

// TestFrameMessageID: the same lines of the same sender have the same id, and nobody can tell it
// from the frame's numbers.
func TestFrameMessageID(t *testing.T) {
	id := func(f events.Frame) string { return strings.Join(f.Header()[events.HeaderMsgID], ",") }
	f := events.Frame{Job: 42, Lease: 7, First: 3, Count: 1, Body: []byte("{}\n"), Secret: "a"}
	again, other, next := f, f, f
	other.Secret, next.First = "b", 4
	if id(f) == "" || id(f) != id(again) {
		t.Errorf("ids of the same frame: %q, %q, want one", id(f), id(again))
	}
	if id(f) == id(other) || id(f) == id(next) {
		t.Errorf("ids %q, of another secret %q, of the next frame %q, want three", id(f), id(other), id(next))
	}
	if back, err := events.DecodeFrame(events.OutputSubject(42), f.Header(), f.Body); err != nil || back.Secret != "" {
		t.Errorf("decoded: secret %q, %v, want it to stay with the sender", back.Secret, err)
	}
	f.Secret = ""
	if got := id(f); got != "" {
		t.Errorf("id without a secret: %q, want none", got)
	}
}
