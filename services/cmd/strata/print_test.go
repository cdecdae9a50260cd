package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/services/api"
)

func TestResultText(t *testing.T) {
	tests := []struct{ msg, want string }{
		{`{"definition":"0_smoke","case":"uname","result":"pass"}`, "0_smoke/uname: pass"},
		{`{"definition":"0_smoke","set":"net","case":"dhcp","result":"fail"}`, "0_smoke/net/dhcp: fail"},
		{`{"definition":"0_smoke","case":"boot","result":"pass","measurement":"3.2","units":"seconds"}`, "0_smoke/boot: pass 3.2 seconds"},
		{`{"definition":"0_smoke","case":"boot","result":"pass","measurement":3.2}`, "0_smoke/boot: pass 3.2"},
		{`{"definition":"0_smoke","case":"boot","result":"pass","measurement":null}`, "0_smoke/boot: pass"},
		{`"not a mapping"`, `"not a mapping"`},
	}
	for _, tt := range tests {
		if got := resultText(json.RawMessage(tt.msg)); got != tt.want {
			t.Errorf("resultText(%s): got %q, want %q", tt.msg, got, tt.want)
		}
	}
}

// TestPlain holds that a board's console cannot move the cursor of who reads its log.
func TestPlain(t *testing.T) {
	tests := []struct{ msg, want string }{
		{"hello\tworld", "hello\tworld"},
		{"\x1b[31mred\x1b[0m", "red"},
		{"\x1b[2J\x1b[1;1Hcleared", "cleared"},
		{"\x1b]0;a title\x07after", "after"},
		{"\x1b]0;a title\x1b\\after", "after"},
		{"\x1bcreset", "reset"},
		{"bell\x07 and\b back", "bell and back"},
		{"\u009b2Jone character", "2Jone character"},
		{"line\r\n", "line"},
		{"one\ntwo", "one\n                       two"},
		{"ümläut ✓", "ümläut ✓"},
	}
	for _, tt := range tests {
		if got := plain(tt.msg); got != tt.want {
			t.Errorf("plain(%q): got %q, want %q", tt.msg, got, tt.want)
		}
	}
}

func TestPrintRecord(t *testing.T) {
	r := events.Record{Time: time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local), Level: events.Error, Message: json.RawMessage(`"it broke"`), Namespace: "ns"}
	tests := []struct {
		color string
		json  bool
		want  string
	}{
		{"never", false, "12:00:00.000 error     ns: it broke\n"},
		{"always", false, "\x1b[2m12:00:00.000\x1b[0m \x1b[2merror    \x1b[0m \x1b[31mns: it broke\x1b[0m\n"},
		{"always", true, `"lvl":"error","msg":"it broke","ns":"ns"}` + "\n"},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		a := &app{out: &out, env: os.Getenv, color: tt.color, json: tt.json}
		if err := a.printRecord(7, r); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.HasSuffix(got, tt.want) || tt.json && !strings.HasPrefix(got, `{"line":7,`) {
			t.Errorf("colour %s, json %t: got %q, want %q", tt.color, tt.json, got, tt.want)
		}
	}
}

// TestColours follows --color, then NO_COLOR and TERM, and never colours what is no terminal.
func TestColours(t *testing.T) {
	var out bytes.Buffer
	for _, tt := range []struct {
		color string
		env   map[string]string
		want  bool
	}{
		{"always", map[string]string{"NO_COLOR": "1"}, true},
		{"never", nil, false},
		{"auto", nil, false},
	} {
		a := &app{out: &out, color: tt.color, env: func(n string) string { return tt.env[n] }}
		if got := a.colours(&out); got != tt.want {
			t.Errorf("--color %s with %v into a buffer: got %t, want %t", tt.color, tt.env, got, tt.want)
		}
	}
}

func TestWhen(t *testing.T) {
	now := time.Date(2026, 11, 22, 18, 30, 0, 0, time.Local)
	for _, tt := range []struct {
		at   time.Time
		want string
	}{
		{time.Time{}, "-"},
		{now.Add(-time.Hour), "17:30:00"},
		{now.Add(-48 * time.Hour), "2026-11-20 18:30"},
		{now.AddDate(-1, 0, 0), "2025-11-22 18:30"},
	} {
		if got := when(tt.at, now); got != tt.want {
			t.Errorf("when(%s): got %q, want %q", tt.at, got, tt.want)
		}
	}
}

func TestSentence(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"job.submitted", `{"job":43,"display":"41.2","name":"smoke"}`, "job 41.2 submitted: smoke"},
		{"job.submitted", `{"job":1,"name":"smoke"}`, "job 1 submitted: smoke"},
		{"job.scheduled", `{"job":1,"device":"q1","worker":"w1"}`, "job 1 gets device q1 on worker w1"},
		{"job.scheduled", `{"job":1,"worker":"w1"}`, "job 1 is a guest on worker w1"},
		{"job.finished", `{"job":1,"health":"Complete"}`, "job 1 finished: Complete"},
		{"job.finished", `{"job":1,"health":"Incomplete","error_type":"Job","error":"no image"}`, "job 1 finished: Incomplete (Job: no image)"},
		{"job.withdrawn", `{"job":1,"reason":"canceled by bob"}`, "job 1 withdrawn: canceled by bob"},
		{"job.returned", `{"job":1,"reason":"no space"}`, "job 1 returned: no space"},
		{"definition.split", `{"job":1,"parts":[1,3]}`, "job 1 is a group of 2 jobs, which are shown together: 1.0 to 1.1"},
		{"job.retried", `{"job":1,"as":3,"attempt":2}`, "job 1 was failed by the lab and is tried again as job 3"},
		{"job.retry-dropped", `{"job":1,"reason":"no other device"}`, "job 1 was failed by the lab and is not tried again: no other device"},
		{"job.annotated", `{"job":1}`, "job 1: job.annotated"},
	}
	for _, tt := range tests {
		if got := new(follower).sentence(api.Fact{Name: tt.name}, []byte(`{"data":`+tt.data+`}`)); got != tt.want {
			t.Errorf("%s %s: got %q, want %q", tt.name, tt.data, got, tt.want)
		}
	}
}

func TestSplitListen(t *testing.T) {
	for _, tt := range []struct {
		text, host string
		port       int
		ok         bool
	}{
		{"127.0.0.1:4222", "127.0.0.1", 4222, true},
		{":4222", "127.0.0.1", 4222, true}, // loopback, not every interface
		{"[::1]:0", "::1", 0, true},
		{"0.0.0.0:4222", "0.0.0.0", 4222, true},
		{"4222", "", 0, false},
		{"127.0.0.1:http", "", 0, false},
		{"127.0.0.1:65536", "", 0, false},
		{"127.0.0.1:-1", "", 0, false},
	} {
		host, port, err := splitListen(tt.text)
		if (err == nil) != tt.ok || host != tt.host || port != tt.port {
			t.Errorf("splitListen(%q): got %q, %d, %v; want %q, %d, ok %t", tt.text, host, port, err, tt.host, tt.port, tt.ok)
		}
	}
}

func TestWithoutUser(t *testing.T) {
	for in, want := range map[string]string{
		"nats://strata:secret@nats:4222": "nats://nats:4222",
		"nats://nats:4222":               "nats://nats:4222",
		"nats:4222":                      "nats:4222",
	} {
		if got := withoutUser(in); got != want {
			t.Errorf("withoutUser(%q): got %q, want %q", in, got, want)
		}
	}
}

// Port 0 becomes a port, others stay as they are, and one that is taken is told of before anything starts.
func TestSettledAddress(t *testing.T) {
	if got, err := settledAddress(""); got != "" || err != nil {
		t.Errorf("no address: %q, %v", got, err)
	}
	free, err := settledAddress("127.0.0.1:0")
	if err != nil || strings.HasSuffix(free, ":0") {
		t.Fatalf("port 0: %q, %v", free, err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if got, err := settledAddress(taken.Addr().String()); err == nil {
		t.Errorf("a taken port: %q; want an error", got)
	}
}

// TestNote finds a running lab by its note, and takes only its own note away.
func TestNote(t *testing.T) {
	w := newWorld(t)
	a := w.app(&bytes.Buffer{})
	if _, err := a.local(); !errors.Is(err, errNoLab) {
		t.Errorf("without a note: got %v, want %v", err, errNoLab)
	}
	removeFirst, err := a.note(ready{NATS: "nats://127.0.0.1:1", PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	removeSecond, err := a.note(ready{NATS: "nats://127.0.0.1:2", PID: 2})
	if err != nil {
		t.Fatal(err)
	}
	removeFirst()
	if r, err := a.local(); err != nil || r.NATS != "nats://127.0.0.1:2" {
		t.Errorf("after the first lab ended: got %+v, %v; want the second one's note", r, err)
	}
	if info, err := os.Stat(a.readyPath()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the note's mode: %v, %v; want 0600", info, err)
	}
	// A note of a lab that crashed is found stale by who follows it.
	if _, err := a.dial("test"); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a stale note: got %v, want what to do", err)
	}
	removeSecond()
	if _, err := a.local(); !errors.Is(err, errNoLab) {
		t.Errorf("after both ended: got %v, want %v", err, errNoLab)
	}
	// Where the second ends first, the first is found again.
	if removeFirst, err = a.note(ready{NATS: "nats://127.0.0.1:1", PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	if removeSecond, err = a.note(ready{NATS: "nats://127.0.0.1:2", PID: os.Getppid()}); err != nil {
		t.Fatal(err)
	}
	removeSecond()
	if r, err := a.local(); err != nil || r.NATS != "nats://127.0.0.1:1" {
		t.Errorf("after the second lab ended: got %+v, %v; want the first one's note", r, err)
	}
	removeFirst()
	if _, err := a.local(); !errors.Is(err, errNoLab) {
		t.Errorf("after the first ended too: got %v, want %v", err, errNoLab)
	}
}

func TestRoomIn(t *testing.T) {
	dir := t.TempDir()
	if err := roomIn(dir, 1)(); err != nil {
		t.Errorf("one byte wanted: got %v", err)
	}
	if err := roomIn(dir, 1<<60)(); err == nil || !strings.Contains(err.Error(), "short of disk space") {
		t.Errorf("an exabyte wanted: got %v, want a refusal", err)
	}
	if err := roomIn(filepath.Join(dir, "missing"), 1)(); err == nil {
		t.Error("a directory that is not there: got no error")
	}
}

func TestExpandConfig(t *testing.T) {
	got := expandConfig("a: $STRATA_STORE\n# $STRATA_STORE\nb: { password: $STRATA_PASSWORD }\n",
		map[string]string{"STRATA_STORE": `/a "b"`, "STRATA_PASSWORD": "x"})
	want := fmt.Sprintf("a: %q\n# $STRATA_STORE\nb: { password: \"x\" }\n", `/a "b"`)
	if got != want {
		t.Errorf("expandConfig: got %q, want %q", got, want)
	}
}

// TestProblemText shows that a refusal says each thing once.
func TestProblemText(t *testing.T) {
	t.Parallel()
	const said = "extra keys not allowed @ data['x']"
	for _, tt := range []struct {
		p    events.Problem
		want string
	}{
		{events.Problem{Message: said, Path: "data['x']", Line: 4, Column: 1}, "line 4, column 1"},
		{events.Problem{Message: said, Path: "data['x']"}, said},
		{events.Problem{Message: "too long @ data['y']", Path: "data['y']", Line: 2, Column: 3}, "line 2, column 3: too long @ data['y']"},
		{events.Problem{Message: "too long", Path: "data['y']", Line: 2, Column: 3}, "line 2, column 3: too long (data['y'])"},
		{events.Problem{Message: "the lab is full"}, "the lab is full"},
	} {
		if got := problemText(tt.p, said); got != tt.want {
			t.Errorf("problem %+v below %q: %q, want %q", tt.p, said, got, tt.want)
		}
	}
}
