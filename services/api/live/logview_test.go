package live

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/services/api"
)

// ask gets JSON, one object a line.
func ask[T any](t *testing.T, s *site, path string) (out []T) {
	t.Helper()
	answer := s.get(t, path)
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		t.Fatalf("%s: %s %s", path, answer.Status, text)
	}
	for in := json.NewDecoder(answer.Body); ; {
		var one T
		err := in.Decode(&one)
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, one)
	}
}

// copied asks for lines, and again while the lab still copies the log, as the viewer does.
func copied(t *testing.T, s *site, path string) api.Lines {
	t.Helper()
	tick, late := time.NewTicker(10*time.Millisecond), time.After(eventtest.Patience)
	defer tick.Stop()
	for {
		got := ask[api.Lines](t, s, path)[0]
		if got.Of == 0 {
			return got
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: still copied: %+v", path, got)
		}
	}
}

// numbers returns those of an answer's lines.
func numbers(t *testing.T, l api.Lines) (out []uint64) {
	t.Helper()
	var records []struct {
		N     uint64 `json:"n"`
		Level string `json:"lvl"`
	}
	if err := json.Unmarshal(l.Records, &records); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		out = append(out, r.N)
	}
	return out
}

// The viewer reads any lines of a log, while it grows and when it is whole.
func TestServeLines(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	job := s.begin(t, "alice")
	path := "/api/v1/jobs/" + job.String() + "/log/"
	if got := copied(t, s, path+"lines?end=1"); got.Lines != 0 || got.Done || string(got.Records) != "[]" {
		t.Errorf("a log without lines: %+v", got)
	}
	s.say(t, job, 0, events.Info, events.Target, events.Target, events.Error)
	if got := copied(t, s, path+"lines?end=1&count=3"); got.Lines != 4 || got.Done || !slices.Equal(numbers(t, got), []uint64{3}) || got.First != 3 {
		t.Errorf("the end of 4 lines, 3 at a time: %+v", got)
	}
	last := s.say(t, job, 4, events.Debug, events.Target, events.FileData, events.Target)
	s.finish(t, job, 8, last)
	for _, tt := range []struct {
		ask       string
		first, at uint64
		rows      uint64
		want      []uint64
	}{
		{"row=2&count=2", 2, 0, 7, []uint64{2, 3}},
		{"line=5&count=4", 4, 5, 7, []uint64{4, 5, 7}},
		{"line=7&count=4", 4, 6, 7, []uint64{4, 5, 7}},
		{"line=99&count=4", 4, 6, 7, []uint64{4, 5, 7}},
		{"levels=target&count=10", 0, 0, 4, []uint64{1, 2, 5, 7}},
		{"levels=target,error&line=3&count=2", 2, 2, 5, []uint64{3, 5}},
		{"levels=file", 0, 0, 1, []uint64{6}},
		{"levels=feedback&end=1", 0, 0, 0, nil},
		{"row=100", 100, 0, 7, nil},
	} {
		got := copied(t, s, path+"lines?"+tt.ask)
		if got.First != tt.first || got.At != tt.at || got.Rows != tt.rows || got.Lines != 8 || !slices.Equal(numbers(t, got), tt.want) {
			t.Errorf("%s: %+v with lines %v; want first %d, at %d, %d rows, %v", tt.ask, got, numbers(t, got), tt.first, tt.at, tt.rows, tt.want)
		}
	}
	if got := ask[api.LogOutline](t, s, path+"outline")[0]; got.Lines != 8 || got.Levels[events.Target] != 4 || len(got.Findings) != 1 || got.Findings[0].Line != 3 {
		t.Errorf("outline: %+v, want the error of line 3", got)
	}
}

// What is found comes in pieces, the last one with what they amount to.
func TestServeSearch(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	job := s.begin(t, "alice")
	s.finish(t, job, 6, s.say(t, job, 0, events.Info, events.Target, events.Target, events.Error, events.Target, events.Target))
	copied(t, s, "/api/v1/jobs/"+job.String()+"/log/lines?end=1") // else what is searched is what was copied by then
	path := "/api/v1/jobs/" + job.String() + "/log/search?"
	for _, tt := range []struct {
		ask   string
		lines []uint64
		count uint64
	}{
		{"q=LINE", []uint64{0, 1, 2, 3, 4, 5}, 6},
		{"q=line&from=4", []uint64{4, 5, 0, 1, 2, 3}, 6},
		{"q=line&from=4&back=1&limit=1", []uint64{4}, 5},
		{"q=LINE&case=1", nil, 0},
		{"q=line+[24]&regexp=1", []uint64{2, 4}, 2},
		{"q=line&levels=error", []uint64{3}, 1},
	} {
		var lines []uint64
		var last api.LogHits
		for _, last = range ask[api.LogHits](t, s, path+tt.ask) {
			lines = append(lines, last.Lines...)
		}
		if !slices.Equal(lines, tt.lines) || !last.Done || last.Count < tt.count {
			t.Errorf("%s: lines %v, the last message %+v; want %v", tt.ask, lines, last, tt.lines)
		}
	}
	for asked, want := range map[string]string{
		path + "q=":                         "allowed are 1 to",
		path + "q=(&regexp=1":               "cannot be read",
		path + "q=x&from=y":                 "parameter from is",
		path + "q=x&case=maybe":             "parameter case is",
		path + "q=x&levels=loud":            "levels are",
		path + "q=x&limit=1000000":          "limit is",
		"/api/v1/jobs/9999/log/lines":       "no job 9999",
		"/api/v1/jobs/9999/log/outline":     "no job 9999",
		"/api/v1/jobs/1/log/lines?count=0x": "parameter count is",
	} {
		answer := s.get(t, asked)
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode/100 != 4 || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s %s, want 4xx with %q", asked, answer.Status, text, want)
		}
		if answer.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser may guess what a refusal is", asked)
		}
	}
	for _, view := range []string{"lines", "outline", "search?q=line"} {
		answer := s.get(t, "/api/v1/jobs/"+job.String()+"/log/"+view)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %s with %v; want nosniff, as a console may say what looks like a page", view, answer.Status, answer.Header)
		}
	}
}

// Nobody looks into the log of a job that he may not see, nor into one that was erased.
func TestLogViewRights(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	job := s.Submit(t, "alice", "x")
	s.Append(t, events.JobSubmitted{Job: job, Display: job.String(), User: "alice", Name: "secret", DeviceType: "qemu", At: noon},
		events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5}, events.JobStarted{Job: job, Device: "q1", Worker: "w1", Lease: 5, At: noon})
	s.finish(t, job, 1, s.say(t, job, 0, events.Info))
	open := s.begin(t, "alice")
	s.finish(t, open, 1, s.say(t, open, 0, events.Info))
	paths := func(job events.JobID) []string {
		at := "/api/v1/jobs/" + job.String() + "/log/"
		return []string{at + "lines", at + "outline", at + "search?q=line"}
	}
	for _, path := range paths(open) {
		if answer := s.get(t, path); answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, want 200", path, answer.Status)
		}
	}
	s.Append(t, events.JobRemoved{Job: open, By: "alice", LogsOnly: true})
	for _, path := range paths(open) {
		if answer := s.get(t, path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s of an erased log: %s, want 404", path, answer.Status)
		}
	}
	mux := http.NewServeMux()
	s.live.Mount(mux, s.in.Closed())
	for _, path := range paths(job) {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != http.StatusForbidden && answer.Code != http.StatusNotFound {
			t.Errorf("%s of somebody without a name: %d, want 403 or 404", path, answer.Code)
		}
	}
}
