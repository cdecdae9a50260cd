package api_test

import (
	"context"
	"strings"
	"testing"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/projections"
	"strata/services/api"
)

// Logs are searched and compared over the bus, and everybody finds only what they may see.
func TestSearchLogs(t *testing.T) {
	t.Parallel()
	b, as := analysed(t)
	boot := []string{"[    0.000000] Linux version 6.1", "login: ", "secret word 4711"}
	oops := append(append([]string{}, boot...), "[    5.000001] Oops: 0002 [#1] SMP", "[    5.000002] Call Trace:", "[    5.000003] ---[ end trace 00 ]---")
	for job, lines := range map[events.JobID][]string{1: boot, 2: oops, 4: boot} {
		frame(t, b, job, 0, lines...)
	}
	deadline, stop := context.WithTimeout(t.Context(), eventtest.Patience)
	defer stop()
	find := func(user events.UserName, in api.SearchRequest) string {
		var page projections.SearchPage
		if err := as(user).Call(deadline, "search", in, &page); err != nil {
			t.Fatalf("search %+v by %s: %v", in, user, err)
		}
		var anchors []string
		for _, h := range page.Hits {
			anchors = append(anchors, h.Anchor)
		}
		return strings.Join(anchors, " ")
	}
	for find(access.Local, api.SearchRequest{Text: "4711"}) != "4#2 2#2 1#2" { // until the tables have all frames
		if deadline.Err() != nil {
			t.Fatal("the logs did not come into the tables")
		}
	}
	for _, tt := range []struct {
		user events.UserName
		in   api.SearchRequest
		want string
	}{
		{"alice", api.SearchRequest{Text: "secret"}, "2#2 1#2"},
		{"bob", api.SearchRequest{Text: "SECRET", IgnoreCase: true}, "4#2 2#2"},
		{"carol", api.SearchRequest{Text: "word 47", Kind: projections.Substring}, "2#2"},
		{"carol", api.SearchRequest{Text: "secret", Jobs: []events.JobID{1, 4}}, ""},
		{"alice", api.SearchRequest{Text: "secret", After: "2#2"}, "1#2"},
		{"alice", api.SearchRequest{Text: "secret", Devices: []events.DeviceName{"q1"}}, "1#2"},
	} {
		if got := find(tt.user, tt.in); got != tt.want {
			t.Errorf("search %+v by %s: %q; want %q", tt.in, tt.user, got, tt.want)
		}
	}
	refused(t, as("alice"), "search", api.SearchRequest{}, api.Invalid, "empty")
	refused(t, as("alice"), "search", api.SearchRequest{Text: "a", After: "x"}, api.Invalid, "42#1200")
	refused(t, as("alice"), "search", api.SearchRequest{Text: "a", Seconds: 21}, api.Invalid, "seconds")
	refused(t, as("alice"), "search", api.SearchRequest{Text: "a(", Kind: projections.Regex}, api.Invalid, "expression")

	var d projections.LogDiff
	if err := as("bob").Call(deadline, "logs.diff", api.LogDiffRequest{Job: 2, Against: 4}, &d); err != nil || len(d.New) != 3 || !d.New[2].Report || d.New[0].Anchor != "2#3" {
		t.Errorf("new in 2 against 4: %+v, %v; want the three lines of the report", d, err)
	}
	refused(t, as("alice"), "logs.diff", api.LogDiffRequest{Job: 2, Against: 4}, api.NotFound, "no job 4")
	refused(t, as("alice"), "logs.diff", api.LogDiffRequest{Job: 2}, api.NotFound, "good")
	refused(t, as("alice"), "logs.diff", api.LogDiffRequest{}, api.Invalid, "job")
}
