package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api/logbook"
)

// TestLinesAhead looks up lines that the copy of a log has not reached. Two of the lines that it has are parts of files,
// which are no rows.
func TestLinesAhead(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	const of, together = 5000, 130
	for first := 0; first < of; first += together {
		var body strings.Builder
		count := min(together, of-first)
		for n := range count {
			fmt.Fprintf(&body, `{"dt":"2026-11-23T10:00:00Z","lvl":"target","msg":"line %d"}`+"\n", first+n)
		}
		f := events.Frame{Job: 7, Lease: 3, First: uint64(first), Count: uint64(count), Body: []byte(strings.TrimSuffix(body.String(), "\n"))}
		if _, err := stream.PublishFrame(t.Context(), b.Log.JetStream(), f); err != nil {
			t.Fatal(err)
		}
	}
	a := &api{log: b.Log}
	state := logbook.State{Lines: 20, Rows: 18}
	line := func(n uint64) *uint64 { return &n }
	for _, tt := range []struct {
		in        LinesRequest
		first, at uint64 // rows
		from, to  uint64 // lines, to not included
	}{
		{LinesRequest{Row: 998, Count: 500}, 998, 0, 1000, 1500},
		{LinesRequest{Line: line(1234), Count: 500}, 1000, 1232, 1002, 1502},
		{LinesRequest{Line: line(99999), Count: 500}, 4500, 4997, 4502, 5000},
		{LinesRequest{End: true, Count: 1000}, 4000, 0, 4002, 5000},
		{LinesRequest{Row: 4997, Count: 1}, 4997, 0, 4999, 5000},
		{LinesRequest{Row: 4998, Count: 1}, 4998, 0, 0, 0},
		{LinesRequest{Row: 70000, Count: 1}, 70000, 0, 0, 0},
	} {
		tt.in.Job = 7
		got, err := a.linesAhead(t.Context(), tt.in, state, extent{of, true})
		if err != nil {
			t.Fatalf("%+v: %v", tt.in, err)
		}
		var records []struct {
			N   uint64 `json:"n"`
			Msg string `json:"msg"`
		}
		if err := json.Unmarshal(got.Records, &records); err != nil {
			t.Fatalf("%+v: %v", tt.in, err)
		}
		if !got.Ahead || got.First != tt.first || got.At != tt.at || got.Rows != of-2 || got.Lines != of || got.Of != of || !got.Done || got.Copied != 20 {
			t.Errorf("%+v: %+v", tt.in, got)
		}
		if uint64(len(records)) != tt.to-tt.from {
			t.Errorf("%+v: %d lines, want %d", tt.in, len(records), tt.to-tt.from)
		}
		for i, r := range records {
			if n := tt.from + uint64(i); r.N != n || r.Msg != fmt.Sprint("line ", n) {
				t.Fatalf("%+v: line %d is %+v", tt.in, n, r)
			}
		}
	}
	// What the stream has no longer waits for the copy, which reads the archive.
	if got, err := a.linesAhead(t.Context(), LinesRequest{Job: 8, Row: 100, Count: 10}, state, extent{of, false}); err != nil || got.Ahead {
		t.Errorf("of a job whose output is elsewhere: %+v, %v", got, err)
	}
}
