package projections

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/stream"
)

// searched are the logs of some jobs, by number, and the tables that hold them.
type searched struct {
	*DB
	logs map[events.JobID][]string
}

var logsBegin = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// load fills new tables with logs: job 3 belongs to bob and nobody else may see it, the others are
// alice's and public. Line n of a job is n seconds after its beginning; every fifth of jobs 1 to 3 is of level info.
func load(t testing.TB, logs map[events.JobID][]string) searched {
	t.Helper()
	db := openTest(t)
	var facts []events.Event
	for job := range logs {
		submitted := events.JobSubmitted{Job: job, Display: job.String(), User: "alice", Name: "boot", At: logsBegin, DeviceType: "qemu", Visibility: events.Visibility{Public: true}}
		if job == 3 {
			submitted.User, submitted.Visibility.Public = "bob", false
		}
		device := events.DeviceName(fmt.Sprintf("qemu-%02d", job%2))
		facts = append(facts, submitted, events.JobScheduled{Job: job, Device: device, Worker: "w1", Lease: 1},
			events.JobStarted{Job: job, Device: device, Worker: "w1", Lease: 1, At: logsBegin},
			events.JobFinished{Job: job, Device: device, Worker: "w1", Lease: 1, Health: events.Complete, At: logsBegin.Add(24 * time.Hour)},
			events.JobOutputComplete{Job: job, Lease: 1})
	}
	if err := db.Load(t.Context(), factMessages(t, facts)); err != nil {
		t.Fatal(err)
	}
	if err := db.Load(t.Context(), frames(t, logs)); err != nil {
		t.Fatal(err)
	}
	return searched{db, logs}
}

func factMessages(t testing.TB, facts []events.Event) iter.Seq[stream.Message] {
	return func(yield func(stream.Message) bool) {
		for i, f := range facts {
			header, body, err := events.Encode(f, events.Envelope{ID: fmt.Sprint(i), Time: logsBegin})
			if err != nil {
				t.Fatal(err)
			}
			if !yield(stream.Message{Stream: stream.Lab, Seq: uint64(i + 1), Header: header, Data: body, At: logsBegin}) {
				return
			}
		}
	}
}

func frames(t testing.TB, logs map[events.JobID][]string) iter.Seq[stream.Message] {
	return func(yield func(stream.Message) bool) {
		seq := uint64(0)
		for job, lines := range logs {
			for first := 0; first < len(lines); first += 100 {
				var records []events.Record
				for i, text := range lines[first:min(first+100, len(lines))] {
					level := events.Target
					if (first+i)%5 == 4 && job < 4 {
						level = events.Info
					}
					text, err := json.Marshal(text)
					if err != nil {
						t.Fatal(err)
					}
					records = append(records, events.Record{Time: logsBegin.Add(time.Duration(first+i) * time.Second), Level: level, Message: text})
				}
				f, err := events.NewFrame(job, 1, uint64(first), records)
				if err != nil {
					t.Fatal(err)
				}
				seq++
				if !yield(stream.Message{Stream: stream.Output, Seq: seq, Subject: events.OutputSubject(job), Header: nats.Header(f.Header()), Data: f.Body, At: logsBegin}) {
					return
				}
			}
		}
	}
}

// find asks and returns the places of all pages.
func (s searched) find(t testing.TB, q Search) []string {
	t.Helper()
	got := []string{}
	for {
		if q.Now == nil {
			q.Now = time.Now
		}
		if q.Time == 0 {
			q.Time = maxSearchTime // on a busy machine too it is to find all
		}
		page, err := s.Search(t.Context(), q)
		if err != nil {
			t.Fatalf("Search(%+v): %v", q, err)
		}
		if page.Stopped != "" {
			t.Fatalf("Search(%+v) stopped early: %s", q, page.Stopped)
		}
		for _, h := range page.Hits {
			got = append(got, h.Anchor)
			if want := s.logs[events.JobID(h.Job)][h.Line.Line]; h.Message != want {
				t.Errorf("%s is %q; want %q", h.Anchor, h.Message, want)
			}
		}
		if page.Next == "" {
			return got
		}
		if q.After, err = ParsePlace(page.Next); err != nil {
			t.Fatal(err)
		}
	}
}

var smallLogs = map[events.JobID][]string{
	1: {"Kernel panic - not syncing: Fatal", "[    4.048702] BUG: address: ffff8881", "eth0: link up at 10.0.2.15", "\x1b[0;1mOops\x1b[0m done", ""},
	2: {"kernel Panic 12", "syncing not Kernel panic", "eth10: link down", "größe 5", "odd \x12 panic 77"},
	3: {"secret panic", "link"},
}

func TestSearch(t *testing.T) {
	t.Parallel()
	logs := load(t, smallLogs)
	everybody := Viewer{All: true}
	tests := []struct {
		name string
		q    Search
		want string
	}{
		{"a word", Search{Text: "panic"}, "[3#0 2#1 2#4 1#0]"},
		{"of any case", Search{Text: "panic", Fold: true}, "[3#0 2#0 2#1 2#4 1#0]"},
		{"part of a word is none", Search{Text: "pani"}, "[]"},
		{"words in any order", Search{Text: "syncing panic"}, "[2#1 1#0]"},
		{"a word with a digit", Search{Text: "ffff8881 address"}, "[1#1]"},
		{"the same in capitals", Search{Text: "FFFF8881", Fold: true}, "[1#1]"},
		{"a number", Search{Text: "12"}, "[2#0]"},
		{"a number in a line kept whole", Search{Text: "panic 77"}, "[2#4]"},
		{"beside terminal sequences", Search{Text: "Oops"}, "[1#3]"},
		{"a word beyond ASCII", Search{Text: "größe"}, "[2#3]"},
		{"a phrase", Search{Text: "panic - not", Kind: Phrase}, "[1#0]"},
		{"a phrase ends at words", Search{Text: "panic - no", Kind: Phrase}, "[]"},
		{"a phrase across terminal sequences", Search{Text: "Oops done", Kind: Phrase}, "[1#3]"},
		{"a line as it was copied", Search{Text: "[    4.048702] BUG: address", Kind: Phrase}, "[1#1]"},
		{"the same as words", Search{Text: "[    4.048702] BUG: address"}, "[1#1]"},
		{"cut in its stamp", Search{Text: "48702] BUG: addr", Kind: Substring}, "[1#1]"},
		{"in the stamp", Search{Text: "4.0487", Kind: Substring}, "[1#1]"},
		{"part of words", Search{Text: "anic - no", Kind: Substring}, "[1#0]"},
		{"part of a variable", Search{Text: "th1", Kind: Substring}, "[2#2]"},
		{"across variable and text", Search{Text: "0: link ", Kind: Substring}, "[2#2 1#2]"},
		{"in a line kept whole", Search{Text: "odd \tpanic", Kind: Substring}, "[]"},
		{"an expression", Search{Text: `eth\d+: link (up|down)`, Kind: Regex}, "[2#2 1#2]"},
		{"one that says nothing of templates", Search{Text: `[Pp].n`, Kind: Regex}, "[3#0 2#0 2#1 2#4 1#0]"},
		{"one of any case", Search{Text: `^kernel.panic`, Kind: Regex, Fold: true}, "[2#0 1#0]"},
		{"pages", Search{Text: "panic", Limit: 1}, "[3#0 2#1 2#4 1#0]"},
		{"of a job", Search{Text: "panic", Filter: Filter{Jobs: []events.JobID{2, 9}}}, "[2#1 2#4]"},
		{"of a device", Search{Text: "link", Filter: Filter{Devices: []events.DeviceName{"qemu-00"}}}, "[2#2]"},
		{"of a device type", Search{Text: "link", Filter: Filter{DeviceTypes: []events.DeviceTypeName{"bbb"}}}, "[]"},
		{"of a level", Search{Text: "panic", Filter: Filter{Levels: []events.Level{events.Info}}}, "[2#4]"},
		{"of a time", Search{Text: "link", Filter: Filter{Since: logsBegin.Add(time.Second), Until: logsBegin.Add(2 * time.Second)}}, "[3#1]"},
		{"as somebody", Search{Text: "panic", Viewer: Viewer{User: "alice"}}, "[2#1 2#4 1#0]"},
		{"as the submitter", Search{Text: "panic", Viewer: Viewer{User: "bob"}}, "[3#0 2#1 2#4 1#0]"},
		{"as nobody", Search{Text: "secret", Kind: Substring, Viewer: Viewer{User: "x"}}, "[]"},
	}
	for _, tt := range tests {
		if tt.q.Viewer.User == "" {
			tt.q.Viewer = everybody
		}
		if got := fmt.Sprint(logs.find(t, tt.q)); got != tt.want {
			t.Errorf("%s: %s; want %s", tt.name, got, tt.want)
		}
	}
	page, err := logs.Search(t.Context(), Search{Text: "address", Context: 2, Viewer: everybody, Now: time.Now})
	if err != nil || len(page.Hits) != 1 || len(page.Hits[0].Before) != 1 || len(page.Hits[0].After) != 2 || page.Hits[0].After[0].Message != smallLogs[1][2] {
		t.Errorf("with two lines around: %+v, %v", page, err)
	}
	message := text(t, logs.DB, "SELECT groupArray(message) FROM (SELECT message FROM log_lines WHERE job = 1 ORDER BY line)")
	if want := fmt.Sprint(smallLogs[1]); message != want {
		t.Errorf("the view shows job 1 as %q; want %q", message, want)
	}
}

// A search whose time is over says where it stopped, and goes on there.
func TestSearchStopsEarly(t *testing.T) {
	t.Parallel()
	logs := load(t, map[events.JobID][]string{10: {"a7", "b"}, 100: {"c7"}, 400: {"d7"}, 900: {"x"}})
	now := logsBegin
	q := Search{Text: "[a-z]7", Kind: Regex, Viewer: Viewer{All: true}, Time: 4 * time.Second, Now: func() time.Time { now = now.Add(time.Second); return now }}
	var got []string
	stops := 0
	for {
		page, err := logs.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range page.Hits {
			got = append(got, h.Anchor)
		}
		if page.Next == "" {
			if page.Stopped != "" {
				t.Fatalf("stopped, out of %s, with no place to go on", page.Stopped)
			}
			break
		}
		if page.Stopped != "time" {
			t.Errorf("stopped at %s, out of %q; want time", page.Next, page.Stopped)
		}
		stops++
		if q.After, err = ParsePlace(page.Next); err != nil {
			t.Fatal(err)
		}
	}
	if want := "[400#0 100#0 10#0]"; fmt.Sprint(got) != want || stops == 0 {
		t.Errorf("found %v in %d pieces; want %s in several", got, stops+1, want)
	}
}

// With a log go its words, wherever they are; what other logs have too stays.
func TestErasedLogsLeaveNoWords(t *testing.T) {
	t.Parallel()
	logs := load(t, map[events.JobID][]string{1: {"both say 1", "password hunter of x9secret"}, 2: {"both say 2"}})
	if err := logs.exec(t.Context(), "INSERT INTO removals (job, logs_only) VALUES (1, true)"); err != nil {
		t.Fatal(err)
	}
	if err := logs.erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	for table, column := range map[string]string{"log_templates": "text", "log_words": "word", "log_line_state": "variables"} {
		if got := text(t, logs.DB, "SELECT count(), countIf(match("+column+", 'hunter|secret')) FROM "+table); got != "1 0" {
			t.Errorf("%s has %s rows and rows of the erased log; want 1 0", table, got)
		}
	}
	if got := fmt.Sprint(logs.find(t, Search{Text: "both say", Viewer: Viewer{All: true}})); got != "[2#0]" {
		t.Errorf("found after the erasure: %s; want [2#0]", got)
	}
}

func TestSearchRefuses(t *testing.T) {
	t.Parallel()
	db := new(DB) // what is refused never comes to ask
	for name, q := range map[string]Search{
		"text is empty": {}, "no word": {Text: "!?"}, "line feed": {Text: "a\nb"}, "UTF-8": {Text: "a\xff"}, "1001 bytes": {Text: strings.Repeat("a", 1001)},
		"kind is": {Text: "a", Kind: "fuzzy"}, "expression": {Text: "a(", Kind: Regex}, "limit is": {Text: "a", Limit: 1001},
		"context is": {Text: "a", Context: 21}, "time is": {Text: "a", Time: time.Hour}, "since is": {Text: "a", Filter: Filter{Since: logsBegin, Until: logsBegin}},
	} {
		q.Now = time.Now
		if _, err := db.Search(t.Context(), q); !errors.Is(err, ErrSearch) || !strings.Contains(err.Error(), name) {
			t.Errorf("Search(%+v): %v; want ErrSearch with %q", q, err, name)
		}
	}
	for _, place := range []string{"", "1", "0#1", "a#b", "1#-1"} {
		if _, err := ParsePlace(place); !errors.Is(err, ErrSearch) {
			t.Errorf("ParsePlace(%q): %v; want ErrSearch", place, err)
		}
	}
}

// Over random lines the index and reading say the same.
func TestSearchFindsWhatReadingFinds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 26))
	pieces := []string{"ab", "b1", "7", "ff", "x", "Ab", " ", " ", ".", ":", "-", "/", "[", "]", "_", "é", "0", "12.5", "[    1.000002]", "\x1b[1m ", "#", "\t", "\x11"}
	line := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	logs := map[events.JobID][]string{}
	for job := range events.JobID(12) {
		for range 40 {
			logs[job+1] = append(logs[job+1], line(r.IntN(9)))
		}
	}
	tables := load(t, logs)
	kinds := []SearchKind{Substring, Phrase, Words, Regex}
	asked := 0
	for n := 0; asked < 80; n++ {
		q := Search{Text: strings.Trim(line(1+r.IntN(4)), "\x11\t"), Kind: kinds[n%len(kinds)], Fold: n%3 == 0, Limit: 100, Viewer: Viewer{All: true}}
		if q.Kind == Regex {
			q.Text = regexp.QuoteMeta(q.Text) + `[ :]?` + regexp.QuoteMeta(line(1))
		}
		if _, err := planSearch(q.Text, q.Kind, q.Fold); err != nil {
			continue
		}
		asked++
		var want []string
		for job := events.JobID(12); job > 0; job-- {
			for i, l := range logs[job] {
				if reads(q, l) {
					want = append(want, fmt.Sprintf("%d#%d", job, i))
				}
			}
		}
		if got := tables.find(t, q); !slices.Equal(got, want) {
			t.Errorf("%s %q, fold %t:\n got %v\nwant %v", q.Kind, q.Text, q.Fold, got, want)
		}
	}
}

var terminal = regexp.MustCompile("\x1b\\[[ -?]*[@-~]")

// reads says whether a line is found, by reading it.
func reads(q Search, line string) bool {
	head := stampWhole.FindString(line)
	if !strings.HasPrefix(line, head) {
		head = ""
	}
	text := q.Text
	if !strings.ContainsAny(line, "\x11\x12") {
		if q.Kind == Words {
			line = terminal.ReplaceAllString(line[len(head):], " ") // words end there
		}
		line = terminal.ReplaceAllString(line, "")
	}
	if q.Fold && q.Kind != Regex {
		line, text = strings.ToLower(line), strings.ToLower(text)
	}
	switch q.Kind {
	case Words:
		words := wordsOf(line)
		for _, w := range wordsOf(withoutStamps(text)) {
			if !slices.Contains(words, w) {
				return false
			}
		}
		return true
	case Phrase:
		text = strings.TrimSpace(text)
		for at := 0; at <= len(line); at++ {
			i := strings.Index(line[at:], text)
			if i < 0 {
				return false
			}
			i += at
			end := i + len(text)
			left := i == 0 || byteKinds[line[i-1]] != inWord || byteKinds[text[0]] != inWord
			right := end == len(line) || byteKinds[line[end]] != inWord || byteKinds[text[len(text)-1]] != inWord
			if left && right {
				return true
			}
			at = i
		}
		return false
	case Regex:
		if q.Fold {
			text = "(?i)" + text
		}
		return regexp.MustCompile(text).MatchString(line)
	}
	return strings.Contains(line, text)
}
