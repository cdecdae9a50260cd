package projections

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/stream"
)

// of makes the fact that a stream would hand over.
func of(t testing.TB, seq uint64, e events.Event) fact {
	t.Helper()
	at := time.Date(2026, 11, 22, 10, 0, int(seq), 0, time.UTC)
	header, body, err := events.Encode(e, events.Envelope{ID: fmt.Sprint("id-", seq), Source: "services/test", Time: at, Actor: "alice", Cause: "LAB/1"})
	if err != nil {
		t.Fatal(err)
	}
	name := stream.Lab
	if e.About().Kind == events.Result {
		name = stream.Results
	}
	f, err := decodeFact(stream.Message{Stream: name, Seq: seq, Subject: e.About().Subject(), At: at, Header: nats.Header(header), Data: body})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// tables returns how many rows an event gives each table.
func tables(t testing.TB, e events.Event) string {
	t.Helper()
	f := of(t, 7, e)
	var has []string
	for _, m := range models() {
		if _, n := m.rows(f); n > 0 {
			has = append(has, fmt.Sprintf("%s %d", m.table, n))
		}
	}
	return strings.Join(has, ", ")
}

func TestEveryEventHasItsTables(t *testing.T) {
	value := 1.5
	tests := []struct {
		event events.Event
		want  string
	}{
		{events.JobSubmitted{Job: 1}, "events 1, job_state 1, job_transitions 1, job_viewers 1"},
		{events.JobStarted{Job: 1, Device: "d"}, "events 1, job_state 1, job_transitions 1, device_state 1, device_transitions 1"},
		{events.JobStarted{Job: 1}, "events 1, job_state 1, job_transitions 1"}, // a guest has no device
		{events.ReportRefused{Job: 1}, "events 1, job_transitions 1"},
		{events.RoundDecided{}, "events 1"},
		{events.DeviceReleased{Device: "d"}, "events 1, device_state 1, device_transitions 1"},
		{events.TagAdded{Tag: "t"}, "events 1"},
		{events.TagRemoved{Tag: "t"}, "events 1, device_state 1"},
		{events.WorkerWentOnline{Worker: "w"}, "events 1, worker_state 1"},
		{events.ResultsRecorded{Job: 1}, "events 1"},
		{events.ResultsRecorded{Job: 1, Files: []events.File{{Name: "a"}, {Name: "b"}}}, "events 1, test_files 2"},
		{events.NotificationPlanned{Job: 1, Deliveries: []events.Delivery{{N: 1}, {N: 2}}}, "events 1, notification_steps 2"},
		{events.NotificationReplayed{Job: 1, Deliveries: []int{1, 2}}, "events 1, notification_steps 2"},
		{events.JobFilesErased{Job: 1}, "events 1, job_transitions 1, file_erasures 1"},
		{events.ResultsRecorded{Job: 1, Cases: []events.Case{{Suite: "a", Name: "x"}, {Suite: "b", Set: "s", Name: "y", Measurement: &value}}},
			"events 1, test_suite_counts 2, test_set_counts 1, test_cases 2, measurements 1"},
	}
	for _, tt := range tests {
		if got := tables(t, tt.event); got != tt.want {
			t.Errorf("%s: %s; want %s", events.Name(tt.event), got, tt.want)
		}
	}
	// Whatever is added to the catalogue stands in events at least, and its rows can be built.
	for _, entry := range events.Catalogue() {
		e := reflect.New(entry.Type).Elem().Interface().(events.Event)
		got := tables(t, e)
		if !strings.HasPrefix(got, "events 1") {
			t.Errorf("%s: %q; want a row in events", entry.Name, got)
		}
		if kind := e.About().Kind; kind == events.Job && !strings.Contains(got, "job_transitions 1") {
			t.Errorf("%s is about a job: %q; want a row in job_transitions", entry.Name, got)
		} else if kind == events.Device && !strings.Contains(got, "device_transitions 1") {
			t.Errorf("%s is about a device: %q; want a row in device_transitions", entry.Name, got)
		}
	}
}

func TestEventRowKeepsTheMessage(t *testing.T) {
	f := of(t, 9, events.JobScheduled{Job: 42, Device: "q1", Worker: "w1", Lease: 3})
	got := eventRows(f)[0]
	want := eventRow{Stream: "LAB", Seq: 9, Time: f.Time, Type: "job.scheduled", Schema: "job.scheduled.v1", Kind: "job", Entity: "42",
		Actor: "alice", Source: "services/test", Cause: "LAB/1", ID: "id-9", Body: f.Data}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("row\n got %+v\nwant %+v", got, want)
	}
	// Of a later release: it is kept, and nothing else is made of it.
	f, err := decodeFact(stream.Message{Stream: "LAB", Seq: 3, At: time.Unix(5, 0).UTC(), Data: []byte("{}"),
		Header: nats.Header{events.HeaderType: {"job.teleported"}, events.HeaderSchema: {"job.teleported.v1"}, events.HeaderSubject: {"job/7"}}})
	if err == nil {
		t.Error("an unknown event was read")
	}
	for _, m := range models() {
		set, n := m.rows(f)
		if m.table != "events" && n > 0 {
			t.Errorf("%s has rows of an unknown event", m.table)
		}
		if m.table != "events" {
			continue
		}
		if rows := set.([]eventRow); n != 1 || rows[0].Type != "job.teleported" || !rows[0].Time.Equal(f.At) {
			t.Errorf("events has %+v of an unknown event", rows)
		}
	}
}

func TestRejectedJobTellsItsProblems(t *testing.T) {
	e := events.JobRejected{Job: 2, User: "bob", Message: "invalid", Problems: []events.Problem{{Message: "a", Line: 3, Column: 5}, {Message: "b"}}}
	r := jobRows(of(t, 4, e))[0]
	if want := "line 3, column 5: a\nb"; r.Ended.Error != want || r.State.Value != "Finished" || r.Rejected != "invalid" {
		t.Errorf("row of a rejected job: %+v; want the error %q", r, want)
	}
	if got := problems(events.JobRejected{Message: "no"}); got != "no" {
		t.Errorf("problems without a list = %q; want the message", got)
	}
}

// Of the later word on a tag the number is greater, whichever it is.
func TestTagWords(t *testing.T) {
	words := []uint64{untagged(1), tagged(1), untagged(2), tagged(2), untagged(1000), tagged(1000)}
	if !slices.IsSorted(words) {
		t.Errorf("words on a tag by sequence are %v; want them to grow", words)
	}
}

func TestLineColumns(t *testing.T) {
	body := strings.Join([]string{
		`{"dt":"2026-11-22T10:00:00.5Z","lvl":"target","msg":"plain"}`,
		`{"dt":"2026-11-22T10:00:01Z","lvl":"feedback","msg":"tab\tand \u00e9","ns":"host","continues":true}`,
		`{"dt":"2026-11-22T10:00:02Z","lvl":"debug","msg":["a","b"]}`,
		`not a record`,
		`{"dt":"0001-01-01T00:00:00Z","lvl":"info"}`,
	}, "\n") + "\n"
	var c lineColumns
	at := time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	c.add(events.Frame{Job: 5, First: 10, Count: 5, Body: []byte(body)}, 77, at)
	messages := make([]string, len(c.line))
	for i := range messages {
		messages[i] = join(c.stamp[i], c.templates[c.template[i]], c.variables[i])
	}
	wantMessages := []string{"plain", "tab\tand é", `["a","b"]`, messages[3], ""}
	if !strings.HasSuffix(messages[3], ": not a record") {
		t.Errorf("a broken line became %q", messages[3])
	}
	check := func(name string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %v\nwant %v", name, got, want)
		}
	}
	check("message", messages, wantMessages)
	check("line", c.line, []uint64{10, 11, 12, 13, 14})
	check("level", c.level, []string{"target", "feedback", "debug", "exception", "info"})
	check("structured", c.structured, []bool{false, false, true, false, false})
	check("namespace", c.namespace, []string{"", "host", "", "", ""})
	check("continues", c.continues, []bool{false, true, false, false, false})
	check("seq", c.seq, []uint64{77, 77, 77, 77, 77})
	check("time of the broken line", c.time[3], at)
	check("time before 1970", c.time[4], time.Unix(0, 0).UTC())
}

// A coverage gives out every line once, in whatever pieces they come.
func TestCoverageTakesEachLineOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var c coverage
		seen := map[uint64]int{}
		asked := map[uint64]bool{}
		for range 30 {
			from := random.Uint64N(60)
			to := from + 1 + random.Uint64N(15)
			for line := from; line < to; line++ {
				asked[line] = true
			}
			for _, s := range c.take(from, to) {
				if s.from < from || s.to > to || s.from >= s.to {
					t.Fatalf("take(%d, %d) gave %v", from, to, s)
				}
				for line := s.from; line < s.to; line++ {
					seen[line]++
				}
			}
		}
		for line := range asked {
			if seen[line] != 1 {
				t.Fatalf("line %d was given out %d times", line, seen[line])
			}
		}
		for i := 1; i < len(c.spans); i++ {
			if c.spans[i-1].to >= c.spans[i].from {
				t.Fatalf("spans touch: %v", c.spans)
			}
		}
	}
}

func TestPartOfAFrame(t *testing.T) {
	f := events.Frame{Job: 1, First: 5, Count: 3, Body: []byte("a\nbb\nccc")}
	for _, tt := range []struct {
		s    span
		want string
	}{{span{5, 8}, "a\nbb\nccc"}, {span{6, 8}, "bb\nccc"}, {span{5, 6}, "a\n"}, {span{6, 7}, "bb\n"}, {span{7, 8}, "ccc"}} {
		got := part(f, tt.s)
		if string(got.Body) != tt.want || got.First != tt.s.from || got.End() != tt.s.to {
			t.Errorf("part %v = %+v %q; want %q", tt.s, got, got.Body, tt.want)
		}
	}
}

func FuzzMessageText(f *testing.F) {
	for _, seed := range []string{`""`, `"a"`, `"\u0041\n"`, `[1,"x"]`, `{"case":"a"}`, `null`, `"\\"`, `12`, "\"\xce\xce\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) || strings.TrimSpace(raw) != raw {
			t.Skip() // a record was decoded before, so its message is JSON
		}
		text, structured, err := messageText(json.RawMessage(raw))
		if err != nil {
			t.Fatalf("messageText(%q): %v", raw, err)
		}
		if structured && text != raw {
			t.Errorf("messageText(%q) = %q; want it as it is", raw, text)
		}
		var want string
		if !structured && (json.Unmarshal([]byte(raw), &want) != nil || text != want) {
			t.Errorf("messageText(%q) = %q; want %q", raw, text, want)
		}
	})
}
