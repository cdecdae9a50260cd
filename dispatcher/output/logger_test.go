package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/schemas/python"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)

func TestLoggerWritesRecords(t *testing.T) {
	l, got := memory(0)
	l.Info("start: %d %s", 1, "x")
	l.Debug("100%")
	l.Text(events.Feedback, "other", "line")
	l.List(events.Debug, []string{"a", "b"})
	want := []string{
		`{"dt":"2026-11-22T12:00:00.123456Z","lvl":"info","msg":"start: 1 x"}`,
		`{"dt":"2026-11-22T12:00:00.123456Z","lvl":"debug","msg":"100%"}`,
		`{"dt":"2026-11-22T12:00:00.123456Z","lvl":"feedback","msg":"line","ns":"other"}`,
		`{"dt":"2026-11-22T12:00:00.123456Z","lvl":"debug","msg":["a","b"]}`,
	}
	for i, w := range want {
		if line := encoded(t, (*got)[i]); line != w {
			t.Errorf("record %d:\n got %s\nwant %s", i, line, w)
		}
	}
	if l.Lines() != 4 {
		t.Errorf("lines: %d, want 4", l.Lines())
	}
}

func TestResultsCarryTheirMarks(t *testing.T) {
	l, got := memory(0)
	result := func(name string) string {
		l.Result(Fields{{"definition", "0_smoke"}, {"case", name}, {"result", "pass"}})
		return string((*got)[len(*got)-1].Message)
	}
	l.Info("0")
	l.Mark(StartCase, "a")
	l.Info("1")
	l.Info("2")
	l.Mark(EndCase, "a")
	l.Mark(Case, "b")
	l.Mark(StartCase, "c")
	tests := []struct{ name, want string }{
		{"a", `{"definition":"0_smoke","case":"a","result":"pass","starttc":0,"endtc":2}`},
		{"b", `{"definition":"0_smoke","case":"b","result":"pass","starttc":2,"endtc":2}`},
		{"c", `{"definition":"0_smoke","case":"c","result":"pass","starttc":2,"endtc":null}`},
		{"a", `{"definition":"0_smoke","case":"a","result":"pass"}`}, // used up
	}
	for _, tt := range tests {
		if got := result(tt.name); got != tt.want {
			t.Errorf("result of %s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// A device that begins cases and ends none does not fill the memory.
func TestMarksAreBounded(t *testing.T) {
	l, got := memory(0)
	l.Info("begins")
	for i := range 3 * maxMarks {
		l.Mark(StartCase, fmt.Sprint(i))
	}
	if len(l.marks) != maxMarks {
		t.Errorf("%d marks are kept, want %d", len(l.marks), maxMarks)
	}
	l.Result(Fields{{"case", "0"}, {"result", "pass"}})
	if s := string((*got)[1].Message); s != `{"case":"0","result":"pass","starttc":0,"endtc":null}` {
		t.Errorf("result of the first: %s", s)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	l, got := memory(0)
	l.Mask("s3cr3t")
	l.Mask("s3cr3t-and-more")
	l.Mask("")
	l.Mask("-----BEGIN KEY-----\nMIIEvgIBADANBg\nend\n-----END KEY-----\n")
	l.Info("token s3cr3t-and-more and s3cr3t")
	l.Text(events.Target, "", "MIIEvgIBADANBg the end")
	l.List(events.Debug, []string{"x", "s3cr3t"})
	l.Result(Fields{{"case", "a"}, {"extra", Fields{{"fail", "got s3cr3t"}, {"list", []any{"s3cr3t", 1}}}},
		{"map", map[string]any{"s3cr3t": "s3cr3t"}}, {"other", struct{ A string }{"s3cr3t"}}})
	for _, r := range *got {
		if s := string(r.Message); strings.Contains(s, "s3cr3t") || strings.Contains(s, "MIIE") {
			t.Errorf("a secret is in the log: %s", s)
		}
	}
	if s := string((*got)[0].Message); s != `"token [MASKED] and [MASKED]"` {
		t.Errorf("masked text: %s", s)
	}
	if s := string((*got)[1].Message); s != `"[MASKED] the end"` {
		t.Errorf("a short line of a secret of several lines must not be masked everywhere: %s", s)
	}
}

// Programs and people quote texts before they log them.
func TestQuotedSecretsAreMasked(t *testing.T) {
	l, got := memory(0)
	secret := `it's a "back\slash"`
	l.Mask(secret)
	l.Info("Sending line: %s", python.Quote(secret))
	l.Info("Calling: %s", python.Quote("--password="+strings.ReplaceAll(secret, `"`, "")+secret))
	l.Info("exec: %q: not found", secret)
	for _, r := range *got {
		if s := string(r.Message); !strings.Contains(s, Masked) || strings.Contains(s, "slash\\\"") {
			t.Errorf("a secret is in the log: %s", s)
		}
	}
	if text := l.Hide("log in as " + secret); text != "log in as "+Masked {
		t.Errorf("hidden: %s", text)
	}
}

func TestRecordsFitInFrames(t *testing.T) {
	l, got := memory(0)
	l.Text(events.Feedback, strings.Repeat("namespace", 10000), strings.Repeat("x", 2*events.MaxRecordBytes))
	l.List(events.Debug, []string{"prompt", strings.Repeat("y", 3*events.MaxRecordBytes)})
	for i, r := range *got {
		if n := len(encoded(t, r)); n > events.MaxRecordBytes {
			t.Errorf("record %d (%s) has %d bytes, more than a reader takes", i, r.Level, n)
		}
	}
	if last := string((*got)[len(*got)-1].Message); !strings.HasPrefix(last, `["prompt","yyy`) {
		t.Errorf("the list begins %.40s", last)
	}
}

func TestLongRecordsAreCut(t *testing.T) {
	l, got := memory(0)
	for _, unit := range []string{"x", "ü", "\x1b", `"`, "<", "\u2028"} {
		*got = nil
		text := strings.Repeat(unit, 50000)
		l.Info("%s", text)
		var joined strings.Builder
		for i, r := range *got {
			if n := len(encoded(t, r)); n > events.MaxRecordBytes {
				t.Errorf("%q: record %d has %d bytes", unit, i, n)
			}
			if more := i < len(*got)-1; r.Continues != more {
				t.Errorf("%q: record %d of %d continues: %v", unit, i, len(*got), r.Continues)
			}
			var part string
			if err := json.Unmarshal(r.Message, &part); err != nil {
				t.Fatal(err)
			}
			joined.WriteString(part)
		}
		if len(*got) < 2 || joined.String() != text {
			t.Errorf("%q: %d records do not make the text again", unit, len(*got))
		}
	}
}

func TestHugeResultsKeepTheirVerdict(t *testing.T) {
	l, got := memory(0)
	numbers := make([]any, 20000) // which cannot be shortened
	for i := range numbers {
		numbers[i] = i
	}
	l.Result(Fields{{"definition", "lava"}, {"case", "job"}, {"result", "fail"},
		{"error_msg", strings.Repeat("e", 40000)}, {"extra", numbers}})
	var m map[string]any
	if err := json.Unmarshal((*got)[0].Message, &m); err != nil || len((*got)[0].Message) > events.MaxRecordBytes {
		t.Fatalf("%d bytes, %v", len((*got)[0].Message), err)
	}
	if m["result"] != "fail" || m["case"] != "job" || m["extra"] != nil || !strings.HasPrefix(m["error_msg"].(string), "eee") {
		t.Errorf("what is left: %v", m)
	}
}

func TestLongTextsOfResultsAreShortened(t *testing.T) {
	l, got := memory(0)
	l.Mask("hush")
	var findings []Fields
	for i := range 100 {
		findings = append(findings, Fields{{"kind", fmt.Sprint(i)}, {"message", strings.Repeat("hush x", 1000)}})
	}
	l.Result(Fields{{"case", "kernel-messages"}, {"result", "pass"}, {"extra", Fields{{"extra", findings}}}})
	var m struct {
		Extra struct {
			Extra []struct{ Kind, Message string }
		}
	}
	if err := json.Unmarshal((*got)[0].Message, &m); err != nil || len(encoded(t, (*got)[0])) > events.MaxRecordBytes {
		t.Fatalf("%d bytes, %v", len((*got)[0].Message), err)
	}
	if len(m.Extra.Extra) != 100 || m.Extra.Extra[99].Kind != "99" || !strings.HasPrefix(m.Extra.Extra[99].Message, Masked+" x") {
		t.Errorf("what is left of the findings: %+v", m.Extra.Extra)
	}
}

func TestAFullDiskEndsTheLog(t *testing.T) {
	full := errors.New("no space left on device")
	n := 0
	l := New(Settings{Now: func() time.Time { return noon }, Write: func(events.Record) error {
		if n++; n == 2 {
			return full
		}
		return nil
	}})
	l.Info("one")
	select {
	case <-l.Failed():
		t.Fatal("failed before anything did")
	default:
	}
	l.Info("two")
	l.Info("three")
	<-l.Failed()
	if !errors.Is(l.Err(), full) || l.Lines() != 1 || n != 2 {
		t.Errorf("after a failed write: error %v, %d lines, %d writes; want the error, one line, no more writes", l.Err(), l.Lines(), n)
	}
}

func TestOutputLimit(t *testing.T) {
	const lines = 2000
	l, got := memory(10000)
	for i := range lines {
		switch i {
		case 1000:
			l.Text(events.Target, "", "[ 1.0] Oops: 0000 [#1]")
		case 1500:
			l.Result(Fields{{"case", "a"}, {"result", "pass"}})
		case 1501:
			l.Error("went wrong")
		default:
			l.Text(events.Target, "", fmt.Sprintf("line %04d", i))
		}
	}
	before := len(*got)
	l.Finish()
	l.Info("Job finished correctly")
	texts := make([]string, len(*got))
	for i, r := range *got {
		texts[i] = strings.Trim(string(r.Message), `"`)
	}
	if i := slices.Index(texts, "[ 1.0] Oops: 0000 [#1]"); i < 0 || texts[i-1] != "line 0999" || texts[i-20] != "line 0980" ||
		texts[i+1] != "line 1001" || texts[i+20] != "line 1020" {
		t.Errorf("the finding with its context is not there: %q", texts[max(i-21, 0):i+22])
	}
	if !slices.Contains(texts, "went wrong") || !slices.Contains(texts, `{"case":"a","result":"pass`+`"}`) {
		t.Errorf("results and errors must be kept beyond the limit: %q", texts[before-5:before])
	}
	note := texts[before]
	if !strings.HasPrefix(note, "Output limit of 10000 bytes reached at line ") {
		t.Fatalf("the record about missing lines: %q", note)
	}
	var limit, at, missing, bytes, last int
	if _, err := fmt.Sscanf(note, "Output limit of %d bytes reached at line %d: %d later lines (%d bytes) are missing. "+
		"Results, errors and kernel findings were kept; the last %d lines follow.", &limit, &at, &missing, &bytes, &last); err != nil {
		t.Fatal(err)
	}
	// Every line is there or counted as missing; the note and the closing line are the only others.
	if have := len(*got) - 2; have+missing != lines {
		t.Errorf("%d lines written and %d missing, want %d together", have, missing, lines)
	}
	if texts[len(texts)-2] != "line 1999" || texts[len(texts)-1] != "Job finished correctly" {
		t.Errorf("the end of the log: %q", texts[len(texts)-2:])
	}
	if texts[before+1] != fmt.Sprintf("line %04d", lines-last) {
		t.Errorf("the last %d lines begin with %q", last, texts[before+1])
	}
	if uint64(len(*got)) != l.Lines() {
		t.Errorf("numbered %d, written %d", l.Lines(), len(*got))
	}
}

// A console that reports without end must not fill the worker's disk: only so many bytes of findings
// are kept beyond the limit.
func TestOutputLimitOfFindings(t *testing.T) {
	l, got := memory(10000)
	for i := range 5000 {
		l.Text(events.Target, "", fmt.Sprintf("[ %d.0] WARNING: at here", i))
	}
	l.Finish()
	size := int64(0)
	for _, r := range *got {
		size += cost(r)
	}
	if size > 4*10000 {
		t.Errorf("%d bytes kept of a job with a limit of 10000", size)
	}
	if last := string((*got)[len(*got)-1].Message); last != `"[ 4999.0] WARNING: at here"` {
		t.Errorf("the last line is %s", last)
	}
}

// A test that reports cases without end fills no disk either. Results have room of their own: errors
// do not use it up, however many there are.
func TestOutputLimitOfResults(t *testing.T) {
	l, got := memory(10000)
	text := strings.Repeat("x", 10000)
	for range 4 * errorBytes / len(text) {
		l.Error("%s", text)
	}
	l.Result(Fields{{"case", "behind the errors"}, {"result", "pass"}})
	for i := range 3 * resultBytes / len(text) {
		l.Result(Fields{{"case", fmt.Sprint(i)}, {"result", "pass"}, {"extra", text}})
	}
	l.Finish()
	l.Result(Fields{{"case", "job"}, {"result", "fail"}})
	size, errors, results := 0, 0, 0
	var note string
	for _, r := range *got {
		size += int(cost(r))
		switch r.Level {
		case events.Error:
			errors++
		case events.Results:
			results++
		case events.Warning:
			note += string(r.Message)
		}
	}
	if size > 2*10000+errorBytes+resultBytes+100000 {
		t.Errorf("%d bytes kept, want at most %d more than the limit", size, errorBytes+resultBytes)
	}
	if !slices.ContainsFunc(*got, func(r events.Record) bool { return strings.Contains(string(r.Message), "behind the errors") }) {
		t.Error("the result after the errors is missing")
	}
	if last := string((*got)[len(*got)-1].Message); !strings.Contains(last, `"job"`) {
		t.Errorf("the last record is %.100s, want the result of the job", last)
	}
	want := fmt.Sprintf("%d results and %d errors are among the missing lines;", 3*resultBytes/len(text)+2-results, 4*errorBytes/len(text)-errors)
	if !strings.Contains(note, want) || strings.Contains(note, "Results, errors and kernel findings were kept") {
		t.Errorf("the record about what is missing says %s\nwant %s", note, want)
	}
}

func memory(limit int64) (*Logger, *[]events.Record) {
	var got []events.Record
	return New(Settings{
		Now:   func() time.Time { return noon },
		Write: func(r events.Record) error { got = append(got, r); return nil },
		Limit: limit,
	}), &got
}

func encoded(t *testing.T, r events.Record) string {
	t.Helper()
	line, err := events.EncodeRecord(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(line), "\n")
}
