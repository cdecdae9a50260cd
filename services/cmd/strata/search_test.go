package main

import (
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/projections"
	"strata/services/api"
)

func TestPrintHits(t *testing.T) {
	line := func(job, n uint64, text string) projections.Line {
		return projections.Line{Job: job, Line: n, Message: text}
	}
	hit := projections.Hit{Line: line(42, 7, "\x1b[31mpanic"), Before: []projections.Line{line(42, 6, "before")}, After: []projections.Line{line(42, 8, "after")}}
	tests := []struct {
		name      string
		page      projections.SearchPage
		context   int
		out, says string
	}{
		{"a line", projections.SearchPage{Hits: []projections.Hit{{Line: line(42, 7, "panic")}}}, 0, "42#7: panic\n", ""},
		{"with lines around", projections.SearchPage{Hits: []projections.Hit{hit, hit}}, 1,
			"42#6- before\n42#7: panic\n42#8- after\n--\n42#6- before\n42#7: panic\n42#8- after\n", ""},
		{"more", projections.SearchPage{Hits: []projections.Hit{{Line: line(1, 0, "x")}}, Next: "1#0"}, 0, "1#0: x\n", "--after '1#0'"},
		{"stopped", projections.SearchPage{Stopped: "time", Next: "3#5"}, 0, "", "out of time: older jobs have not been searched; go on with --after '3#5'"},
		{"stopped at once", projections.SearchPage{Stopped: "memory"}, 0, "", "before anything"},
		{"nothing", projections.SearchPage{}, 0, "", "no such line"},
	}
	for _, tt := range tests {
		var out, says strings.Builder
		a := &app{out: &out, err: &says}
		a.printHits(api.SearchAnswer{SearchPage: tt.page}, tt.context)
		if out.String() != tt.out || !strings.Contains(says.String(), tt.says) || tt.says == "" && says.Len() > 0 {
			t.Errorf("%s: %q and %q; want %q and %q", tt.name, out.String(), says.String(), tt.out, tt.says)
		}
	}
}

func TestPrintLogDiff(t *testing.T) {
	newLine := func(n uint64, text string, times int, report bool) projections.NewLine {
		p := projections.Place{Job: 42, Line: n}
		return projections.NewLine{Line: projections.Line{Job: 42, Line: n, Message: text}, Anchor: p.String(), Times: times, Report: report}
	}
	var out strings.Builder
	a := &app{out: &out, err: &out}
	a.printLogDiff(projections.LogDiff{Job: 42, Against: events.JobID(40), New: []projections.NewLine{newLine(5, "Oops", 0, true), newLine(9, "odd", 3, false)},
		Gone: []projections.NewLine{newLine(1, "old", 0, false)}}, true)
	a.printLogDiff(projections.LogDiff{Job: 42, Against: 40}, false)
	if want := "new in job 42 against job 40:\n! 42#5: Oops\n+ 42#9: odd (3 such lines)\ngone:\n- 42#1: old\nnew in job 42 against job 40:\nnothing\n"; out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

func TestSearchFlags(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	a := &app{now: func() time.Time { return noon }}
	for text, want := range map[string]time.Time{"": {}, "90m": noon.Add(-90 * time.Minute), "7d": noon.AddDate(0, 0, -7), "2026-11-22T10:00": time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)} {
		if got, err := a.moment("--since", text); err != nil || !got.Equal(want) {
			t.Errorf("--since %q is %v, %v; want %v", text, got, err, want)
		}
	}
	if _, err := a.moment("--since", "soon"); err == nil || !strings.Contains(err.Error(), `--since "soon"`) {
		t.Errorf("--since soon: %v; want a refusal that names it", err)
	}
	if kind, err := searchKind(false, false, true); err != nil || kind != projections.Regex {
		t.Errorf("--regex: %q, %v", kind, err)
	}
	if _, err := searchKind(true, false, true); err == nil {
		t.Error("--phrase with --regex was taken")
	}
}
