package live

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"strata/events"
)

// message is what a websocket of a log sends.
type message struct {
	Lines []struct {
		ID     string        `json:"id"`
		Record events.Record `json:"record"`
	} `json:"lines"`
	Lost *struct {
		Job, From, Count uint64
	} `json:"lost"`
	End   bool `json:"end"`
	Error any  `json:"error"`
}

// socket opens a log by websocket.
func (s *site) socket(t *testing.T, path string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), s.url+path, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// lines reads messages until so many lines have come, or the end, which counts as "end".
func lines(t *testing.T, c *websocket.Conn, n int) (got []string) {
	t.Helper()
	for n < 0 || len(got) < n {
		var m message
		if err := json.Unmarshal([]byte(hear(t, c)), &m); err != nil || m.Error != nil {
			t.Fatalf("message %+v: %v", m, err)
		}
		for _, l := range m.Lines {
			got = append(got, l.ID+" "+string(l.Record.Level)+" "+string(l.Record.Message))
		}
		if m.End {
			return append(got, "end")
		}
	}
	return got
}

// A log by websocket is what it is by server-sent events: followed to its end, from any line on, by levels.
func TestServeLogSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	job := s.begin(t, "alice")
	s.say(t, job, 0, events.Info, events.Target)
	path := "/api/v1/jobs/" + job.String() + "/log/socket"
	whole, errors := s.socket(t, path), s.socket(t, path+"?level=error,warning&from=1")
	if got, want := lines(t, whole, 2), []string{`/0 info "line 0"`, `/1 target "line 1"`}; len(got) != 2 || got[0] != job.String()+want[0] || got[1] != job.String()+want[1] {
		t.Fatalf("heard %q, want %q", got, want)
	}
	last := s.say(t, job, 2, events.Error, events.Debug)
	s.finish(t, job, 4, last)
	if got := strings.Join(lines(t, whole, -1), ", "); got != job.String()+`/2 error "line 2", `+job.String()+`/3 debug "line 3", end` {
		t.Errorf("the rest of all: %s", got)
	}
	if got := strings.Join(lines(t, errors, -1), ", "); got != job.String()+`/2 error "line 2", end` {
		t.Errorf("errors: %s", got)
	}
	if _, _, err := whole.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("after the end: %v, want the connection closed in good order", err)
	}
	if got := strings.Join(lines(t, s.socket(t, path+"?after="+job.String()+"/2"), -1), ", "); got != job.String()+`/3 debug "line 3", end` {
		t.Errorf("after line 2: %s, want line 3", got)
	}
	for path, want := range map[string]int{
		"/api/v1/jobs/9999/log/socket": http.StatusNotFound,
		"/api/v1/jobs/zero/log/socket": http.StatusBadRequest,
		path + "?slow=never":           http.StatusBadRequest,
		path + "?after=17":             http.StatusBadRequest,
		path + "?level=loud":           http.StatusBadRequest,
	} {
		if answer := s.get(t, path); answer.StatusCode != want {
			t.Errorf("%s: %s, want %d before any handshake", path, answer.Status, want)
		}
	}
}

// Lines that a listener does not get are told of, in both forms.
func TestChunk(t *testing.T) {
	t.Parallel()
	body := `{"dt":"x","lvl":"info","msg":"a"}` + "\n" + `{"dt":"x","lvl":"error","msg":"b \"lvl\":\"info\""}` + "\n"
	tests := []struct {
		name             string
		c                chunk
		stream, messages string
	}{
		{"all", chunk{job: "7", first: 3, body: []byte(body)},
			"id: 7/3\ndata: {\"dt\":\"x\",\"lvl\":\"info\",\"msg\":\"a\"}\n\nid: 7/4\ndata: {\"dt\":\"x\",\"lvl\":\"error\",\"msg\":\"b \\\"lvl\\\":\\\"info\\\"\"}\n\n",
			`{"lines":[{"id":"7/3","record":{"dt":"x","lvl":"info","msg":"a"}},{"id":"7/4","record":{"dt":"x","lvl":"error","msg":"b \"lvl\":\"info\""}}]}`},
		{"of a level", chunk{job: "7", first: 3, body: []byte(body), levels: []events.Level{events.Info}},
			"id: 7/3\ndata: {\"dt\":\"x\",\"lvl\":\"info\",\"msg\":\"a\"}\n\n", `{"lines":[{"id":"7/3","record":{"dt":"x","lvl":"info","msg":"a"}}]}`},
		{"none of a level", chunk{job: "7", first: 3, body: []byte(body), levels: []events.Level{events.Warning}}, "", ""},
		{"some lost", chunk{job: "7", first: 30, lost: 27, body: []byte(body), levels: []events.Level{events.Warning}},
			"event: lost\ndata: {\"job\":7,\"from\":3,\"count\":27}\n\n", `{"lost":{"job":7,"from":3,"count":27},"lines":[]}`},
	}
	var kept written
	for _, tt := range tests {
		for range 2 { // made, then kept
			if got := string(kept.write(tt.c, asEvents)); got != tt.stream {
				t.Errorf("%s, as events:\n%s\nwant\n%s", tt.name, got, tt.stream)
			}
			if got := string(kept.write(tt.c, asMessage)); got != tt.messages {
				t.Errorf("%s, as a message:\n%s\nwant\n%s", tt.name, got, tt.messages)
			}
		}
	}
	first := kept.write(tests[0].c, asEvents)
	if again := kept.write(tests[0].c, asEvents); &first[0] != &again[0] {
		t.Error("two who get the same chunk do not share its bytes")
	}
	for range 10 * keptChunks {
		kept.write(chunk{job: "7", body: []byte(body)}, asEvents)
	}
	if len(kept.texts) != keptChunks || len(kept.order) != keptChunks {
		t.Errorf("%d chunks and %d marks are kept, want %d", len(kept.texts), len(kept.order), keptChunks)
	}
}

// FuzzMessage: whatever stands in a log, a message is JSON.
func FuzzMessage(f *testing.F) {
	f.Add("hello", uint64(3), uint64(0), false)
	f.Add("\xff\x00\"\\\u2028", uint64(1), uint64(9), true)
	f.Fuzz(func(t *testing.T, text string, first, lost uint64, some bool) {
		msg, err := json.Marshal(text)
		if err != nil {
			t.Skip()
		}
		c := chunk{job: "42", first: first, lost: min(lost, first), body: append([]byte(`{"dt":"2026-11-23T12:00:00+00:00","lvl":"info","msg":`+string(msg)+"}\n"), `{"dt":"2026-11-23T12:00:00+00:00","lvl":"error","msg":null}`+"\n"...)}
		if some {
			c.levels = []events.Level{events.Error}
		}
		var m message
		if err := json.Unmarshal(c.message(), &m); err != nil {
			t.Fatalf("%s: %v", c.message(), err)
		}
		if want := 2; !some && len(m.Lines) != want || some && len(m.Lines) != 1 {
			t.Errorf("%d lines of %q", len(m.Lines), c.body)
		}
	})
}
