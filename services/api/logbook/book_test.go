package logbook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
)

// TestPlain reads texts as the browser does, which reads the same file.
func TestPlain(t *testing.T) {
	text, err := os.ReadFile("testdata/plain.json")
	if err != nil {
		t.Fatal(err)
	}
	var tests []struct{ Name, Text, Plain string }
	if err := json.Unmarshal(text, &tests); err != nil || len(tests) < 10 {
		t.Fatalf("%d rows: %v", len(tests), err)
	}
	for _, tt := range tests {
		if got := Plain(tt.Text); got != tt.Plain {
			t.Errorf("%s: Plain(%q) = %q, want %q", tt.Name, tt.Text, got, tt.Plain)
		}
		message, err := json.Marshal(tt.Text)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendPlain(nil, message)); got != tt.Plain {
			t.Errorf("%s: of a record %q, want %q", tt.Name, got, tt.Plain)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m [0;1mx \r y\b")
	f.Fuzz(func(t *testing.T, text string) {
		got := Plain(text)
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' && r != '\t' }) {
			t.Errorf("Plain(%q) = %q has control characters", text, got)
		}
		message, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendPlain(nil, message)); strings.Contains(got, "\n") {
			t.Errorf("of record %s: %q is more than a line", message, got)
		}
	})
}

// said is a log of some lines: records, and what they say.
type said struct {
	records [][]byte
	plain   []string
	levels  []events.Level
}

// talk makes a log that has a bit of everything.
func talk(n int) said {
	var s said
	random := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for i := range n {
		level, text := events.Target, fmt.Sprintf("[%5d.%06d] device %d says %x", i/100, i, i%7, random.Uint64())
		switch {
		case i%50 == 3:
			level, text = events.Debug, fmt.Sprintf("debug note %d", i)
		case i%97 == 5:
			level, text = events.Error, fmt.Sprintf("Error \"number\" %d", i)
		case i == n/2:
			text = "the needle ΩMEGA in the hay"
		}
		r := events.Record{Time: at.Add(time.Duration(i) * time.Millisecond), Level: level}
		r.Message, _ = json.Marshal(text)
		if i%11 == 7 {
			r.Namespace = "dut"
		}
		record, _ := json.Marshal(r)
		s.records, s.plain, s.levels = append(s.records, record), append(s.plain, text), append(s.levels, level)
	}
	return s
}

// shelf opens a shelf in a directory whose books are read by a function.
func shelf(t *testing.T, dir string, read func(ctx context.Context, from uint64, frame func(uint64, []byte) error) error) *Shelf {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := NewShelf(ctx, Settings{Dir: dir, Logger: slog.New(slog.DiscardHandler),
		Read: func(ctx context.Context, _ events.JobID, from uint64, frame func(uint64, []byte) error) error {
			return read(ctx, from, frame)
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); s.Close() })
	return s
}

// whole reads a log in frames of uneven length.
func whole(s said) func(context.Context, uint64, func(uint64, []byte) error) error {
	return func(_ context.Context, from uint64, frame func(uint64, []byte) error) error {
		for at := int(from); at < len(s.records); {
			n := min(1+at*31%400, len(s.records)-at)
			if err := frame(uint64(at), joined(s.records[at:at+n])); err != nil {
				return err
			}
			at += n
		}
		return nil
	}
}

func joined(records [][]byte) []byte {
	var out []byte
	for i, r := range records {
		if i > 0 {
			out = append(out, '\n')
		}
		out = append(out, r...)
	}
	return out
}

// use opens a job's book and waits until it is as wanted.
func use(t *testing.T, s *Shelf, job events.JobID, enough func(State) bool) *Book {
	t.Helper()
	b, done, err := s.Use(job)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	late := time.After(time.Minute)
	for {
		st, grew, err := b.State(AllLevels)
		if err != nil {
			t.Fatal(err)
		}
		if enough(st) {
			return b
		}
		select {
		case <-grew:
		case <-late:
			t.Fatalf("the book has only %+v", st)
		}
	}
}

func finished(s State) bool { return s.Done }

// TestRead compares lines of a book with the log, with and without levels, before and after the book was closed.
func TestRead(t *testing.T) {
	log := talk(9000)
	dir := t.TempDir()
	for _, round := range []string{"made", "stored"} {
		b := use(t, shelf(t, dir, whole(log)), 7, finished)
		for _, names := range [][]events.Level{nil, {events.Target}, {events.Error, events.Debug}, {events.Input}} {
			levels, ok := ParseLevels(names)
			if !ok {
				t.Fatalf("levels %v are not known", names)
			}
			var want []uint64
			for i, level := range log.levels {
				if len(names) == 0 || slices.Contains(names, level) {
					want = append(want, uint64(i))
				}
			}
			st, _, _ := b.State(levels)
			if st.Rows != uint64(len(want)) || st.Lines != 9000 {
				t.Fatalf("%s, levels %v: %+v, want %d rows of 9000 lines", round, names, st, len(want))
			}
			for _, row := range []int{0, 1, len(want) / 3, len(want) - 5, len(want)} {
				if row < 0 || row > len(want) {
					continue
				}
				var got []uint64
				err := b.Read(uint64(row), 300, levels, func(line uint64, record []byte) {
					if string(record) != string(log.records[line]) {
						t.Errorf("%s: line %d is %s, want %s", round, line, record, log.records[line])
					}
					got = append(got, line)
				})
				if rest := want[row:min(row+300, len(want))]; err != nil || !slices.Equal(got, rest) {
					t.Fatalf("%s, levels %v, row %d: lines %v, want %v (%v)", round, names, row, got, rest, err)
				}
			}
			for _, line := range []uint64{0, 3, 2047, 2048, 4500, 8999} {
				at, _ := slices.BinarySearch(want, line)
				if got, err := b.RowOf(line, levels); err != nil || got != uint64(at) {
					t.Errorf("%s, levels %v: row of line %d is %d, want %d (%v)", round, names, line, got, at, err)
				}
			}
		}
	}
}

// TestPlace compares the rows of sections with those that are counted line by line, in leaves on the disk, in the last
// one, and behind all.
func TestPlace(t *testing.T) {
	log := talk(9000)
	b := use(t, shelf(t, t.TempDir(), whole(log)), 42, finished)
	for _, names := range [][]events.Level{{events.Error}, {events.Debug, events.Error}, {events.Target}, {events.Feedback}, nil} {
		levels, _ := ParseLevels(names)
		row := make([]uint64, len(log.levels)+1) // of each line, or of the next that is shown
		for i, l := range log.levels {
			row[i+1] = row[i]
			if names == nil || slices.Contains(names, l) {
				row[i+1]++
			}
		}
		var sections []Section
		for _, ends := range [][2]uint64{{0, 10}, {0, 8999}, {3, 3}, {2000, 2100}, {2047, 2048}, {5000, 8998}, {8990, 8999}} {
			sections = append(sections, Section{Start: ends[0], End: &ends[1]})
		}
		sections = append(sections, Section{Start: 4321})
		if err := b.Place(sections, levels); err != nil {
			t.Fatal(err)
		}
		for _, s := range sections {
			if *s.First != row[s.Start] {
				t.Errorf("%v: line %d is row %d, want %d", names, s.Start, *s.First, row[s.Start])
			}
			if s.End == nil {
				if s.Behind != nil {
					t.Errorf("a section without an end ends at row %d", *s.Behind)
				}
				continue
			}
			if *s.Behind != row[*s.End+1] {
				t.Errorf("%v: behind line %d is row %d, want %d", names, *s.End, *s.Behind, row[*s.End+1])
			}
			if at, err := b.RowOf(s.Start, levels); err != nil || at != *s.First {
				t.Errorf("RowOf says %d for line %d, %v", at, s.Start, err)
			}
		}
	}
}

// TestPlaceInGaps has sections begin and end among lines that never came, which are rows of all levels.
func TestPlaceInGaps(t *testing.T) {
	log := talk(100)
	b := use(t, shelf(t, t.TempDir(), func(_ context.Context, _ uint64, frame func(uint64, []byte) error) error {
		if err := frame(0, joined(log.records[:50])); err != nil {
			return err
		}
		return frame(1050, joined(log.records[50:]))
	}), 42, finished)
	levels, _ := ParseLevels([]events.Level{events.Debug}) // lines 3, and 1053 of what came later
	end := uint64(1060)
	sections := []Section{{Start: 0, End: &end}, {Start: 100}, {Start: 1049}, {Start: 1050}}
	if err := b.Place(sections, levels); err != nil {
		t.Fatal(err)
	}
	got := []uint64{*sections[0].First, *sections[0].Behind, *sections[1].First, *sections[2].First, *sections[3].First}
	if want := []uint64{0, 1002, 51, 1000, 1001}; !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
}

// TestSearch compares what is found with a simple search, in both directions.
func TestSearch(t *testing.T) {
	log := talk(9000)
	b := use(t, shelf(t, t.TempDir(), whole(log)), 7, finished)
	target, _ := ParseLevels([]events.Level{events.Target})
	for _, q := range []Query{
		{Text: "needle"}, {Text: "NEEDLE"}, {Text: "NEEDLE", Case: true}, {Text: "device 3 says"}, {Text: "Ωmega"}, {Text: "e"},
		{Text: `number" 4[0-9]+`, Regexp: true}, {Text: "note (3|4)[0-9]{2}$", Regexp: true, Case: true}, {Text: "nowhere at all"},
		{Text: "device 3", Levels: target}, {Text: "o", Levels: target, From: 4000}, {Text: "error", From: 4400}, {Text: "device 2", From: 2048, Back: true}, {Text: "device 2", From: 8999, Back: true},
		{Text: "[0-9", Case: true}, {Text: "debug", From: 100_000},
	} {
		if q.Levels == 0 {
			q.Levels = AllLevels
		}
		text := regexp.QuoteMeta(q.Text)
		if q.Regexp {
			text = q.Text
		}
		if !q.Case {
			text = "(?i)" + text
		}
		expr := regexp.MustCompile(text)
		var before, after []uint64
		for i, plain := range log.plain {
			level := levelOf([]byte(log.levels[i]))
			if !expr.MatchString(plain) || !q.Levels.has(level) {
				continue
			}
			if line := uint64(i); line < q.From || q.Back && line == q.From {
				before = append(before, line)
			} else {
				after = append(after, line)
			}
		}
		want := slices.Concat(after, before)
		if q.Back {
			slices.Reverse(want)
			want = slices.Concat(reversed(before), reversed(after))
		}
		var got []uint64
		searched := uint64(0)
		err := b.Search(t.Context(), q, func(f Found) bool {
			for i, line := range f.Lines {
				if row, err := b.RowOf(line, q.Levels); err != nil || row != f.Rows[i] {
					t.Errorf("%+v: row of line %d is %d, want %d", q, line, f.Rows[i], row)
				}
			}
			got, searched = append(got, f.Lines...), f.Searched
			return true
		})
		if err != nil || !slices.Equal(got, want) || searched != 9000 {
			t.Errorf("%+v: %d lines %v…, want %d %v… (%v, %d searched)", q, len(got), got[:min(5, len(got))], len(want), want[:min(5, len(want))], err, searched)
		}
	}
}

func reversed(s []uint64) []uint64 {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

func TestWrongQueries(t *testing.T) {
	b := use(t, shelf(t, t.TempDir(), whole(talk(10))), 7, finished)
	for _, q := range []Query{{}, {Text: strings.Repeat("x", maxQuery+1)}, {Text: "a(", Regexp: true}} {
		var wrong *QueryError
		if err := b.Search(t.Context(), q, func(Found) bool { return true }); !errors.As(err, &wrong) {
			t.Errorf("a search for %.20q: %v, want a QueryError", q.Text, err)
		}
	}
	if _, ok := ParseLevels([]events.Level{"loud"}); ok {
		t.Error("level loud is known")
	}
}

// TestGaps tells of lines that never came, however many, without keeping them.
func TestGaps(t *testing.T) {
	log := talk(20)
	const far = 1 << 35
	s := shelf(t, t.TempDir(), func(_ context.Context, _ uint64, frame func(uint64, []byte) error) error {
		return errors.Join(frame(0, joined(log.records[:5])), frame(10, joined(log.records[10:20])), frame(8, joined(log.records[8:20])),
			frame(far, joined(log.records[:3])))
	})
	b := use(t, s, 7, finished)
	var got []string
	note := func(line uint64, record []byte) { got = append(got, fmt.Sprint(line, record == nil)) }
	if err := b.Read(3, 10, AllLevels, note); err != nil {
		t.Fatal(err)
	}
	if err := b.Read(far-2, 4, AllLevels, note); err != nil {
		t.Fatal(err)
	}
	want := []string{"3 false", "4 false", "5 true", "6 true", "7 true", "8 true", "9 true", "10 false", "11 false", "12 false",
		fmt.Sprint(far-2, " true"), fmt.Sprint(far-1, " true"), fmt.Sprint(far, " false"), fmt.Sprint(far+1, " false")}
	if !slices.Equal(got, want) {
		t.Errorf("lines with gaps: %q, want %q", got, want)
	}
	if err := newBook(1, t.TempDir(), b.codec, b.file).Add(1<<60, []byte("{}")); err == nil {
		t.Error("a gap that no job can have was believed")
	}
}

// TestGrow reads a book while it is written, leaves it, and has it go on where it was.
func TestGrow(t *testing.T) {
	log := talk(6000)
	steps := make(chan int)
	s := shelf(t, t.TempDir(), func(ctx context.Context, from uint64, frame func(uint64, []byte) error) error {
		for {
			select {
			case to, more := <-steps:
				if !more {
					return nil
				}
				if err := frame(from, joined(log.records[from:to])); err != nil {
					return err
				}
				from = uint64(to)
			case <-ctx.Done():
				return nil
			}
		}
	})
	for _, to := range []int{10, 2500, 2501, 6000} {
		b, done, err := s.Use(7)
		if err != nil {
			t.Fatal(err)
		}
		done()
		steps <- to
		use(t, s, 7, func(st State) bool { return st.Lines == uint64(to) })
		n := 0
		if err := b.Read(0, 10_000, AllLevels, func(line uint64, record []byte) {
			if string(record) != string(log.records[line]) {
				t.Errorf("line %d is %s, want %s", line, record, log.records[line])
			}
			n++
		}); err != nil || n != to {
			t.Errorf("%d lines of %d: %v", n, to, err)
		}
	}
	close(steps)
	use(t, s, 7, finished)
}

// TestDamage makes a damaged book again.
func TestDamage(t *testing.T) {
	log := talk(3000)
	for name, damage := range map[string]func(dir string) error{
		"leaves cut short": func(dir string) error { return os.Truncate(filepath.Join(dir, "7", leavesFile), 10) },
		"index of nonsense": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "7", indexFile), []byte("no index"), 0o600)
		},
		"no index": func(dir string) error { return os.Remove(filepath.Join(dir, "7", indexFile)) },
	} {
		dir := t.TempDir()
		use(t, shelf(t, dir, whole(log)), 7, finished)
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		b := use(t, shelf(t, dir, whole(log)), 7, finished)
		n := 0
		if err := b.Read(0, 5000, AllLevels, func(uint64, []byte) { n++ }); err != nil || n != 3000 {
			t.Errorf("%s: %d lines, %v", name, n, err)
		}
	}
}

// TestDamagedLeaf has a book made again whose file lost bytes after it was finished, once its readers have gone.
func TestDamagedLeaf(t *testing.T) {
	dir := t.TempDir()
	log := talk(5000)
	s := shelf(t, dir, whole(log))
	b, done, err := s.Use(7)
	if err != nil {
		t.Fatal(err)
	}
	use(t, s, 7, finished) // a reader of its own, which stays
	file := filepath.Join(dir, "7", leavesFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, make([]byte, len(text)), 0o600); err != nil { // as after a loss of power
		t.Fatal(err)
	}
	read := func(b *Book) (lines int, err error) {
		err = b.Read(0, 9000, AllLevels, func(uint64, []byte) { lines++ })
		return lines, err
	}
	if n, err := read(b); err == nil {
		t.Fatalf("a book of zeros was read: %d lines", n)
	}
	done()
	if again, done, err := s.Use(7); err != nil || again != b {
		t.Errorf("while somebody reads in it the book is another one, or %v", err)
	} else {
		done()
	}
	fresh := shelf(t, dir, whole(log)) // nobody reads there
	b, done, err = fresh.Use(7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(b); err == nil {
		t.Fatal("a book of zeros was read from the disk")
	}
	done()
	if n, err := read(use(t, fresh, 7, finished)); err != nil || n != 5000 {
		t.Errorf("made again it has %d lines, %v; want all 5000", n, err)
	}
}

// TestForget removes a book, and reads it anew.
func TestForget(t *testing.T) {
	dir := t.TempDir()
	s := shelf(t, dir, whole(talk(100)))
	use(t, s, 7, finished)
	s.Forget(7)
	if _, err := os.Stat(filepath.Join(dir, "7")); !os.IsNotExist(err) {
		t.Errorf("a book that is forgotten is still there: %v", err)
	}
	use(t, s, 7, finished)
}

// TestRoom removes the books that were used longest ago.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	s := shelf(t, dir, whole(talk(5000)))
	s.s.Bytes = 300 << 10
	for job := events.JobID(1); job <= 6; job++ {
		b, done, err := s.Use(job)
		if err != nil {
			t.Fatal(err)
		}
		use(t, s, job, finished)
		done()
		s.mu.Lock()
		b.users = 0
		s.mu.Unlock()
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 || len(entries) > 4 {
		t.Errorf("%d books of 6 are kept in 300 KiB, %v", len(entries), err)
	}
	if entries[len(entries)-1].Name() != "6" {
		t.Errorf("the newest is %s, want 6", entries[len(entries)-1].Name())
	}
}

// TestOutline reads what a log is made of.
func TestOutline(t *testing.T) {
	line := func(second int, level events.Level, message string) []byte {
		return fmt.Appendf(nil, `{"dt":"2026-11-23T10:00:%02dZ","lvl":"%s","msg":%s}`, second, level, message)
	}
	records := [][]byte{
		line(0, "info", `"start: 1 deployimages (timeout 00:05:00) [common]"`),
		line(1, "debug", `"start: 1.1 http-download (timeout 00:05:00) [common]"`),
		line(2, "error", `"no such file"`),
		line(3, "debug", `"end: 1.1 http-download (duration 00:00:02) [common]"`),
		line(3, "results", `{"definition":"lava","case":"http-download","level":"1.1","result":"fail"}`),
		line(4, "info", `"end: 1 deployimages (duration 00:00:04) [common]"`),
		line(5, "info", `"start: 2 lava-test-shell (timeout 00:05:00) [common]"`),
		line(6, "debug", `"Received signal: <STARTRUN> 0_smoke 42_2.3.1"`),
		line(7, "debug", `"Received signal: <STARTTC> one"`),
		line(8, "target", `"[    8.000000] Kernel panic - not syncing: Fatal exception"`),
		line(9, "debug", `"Received signal: <ENDTC> one"`),
		line(9, "results", `{"definition":"0_smoke","case":"one","result":"pass"}`),
	}
	b := use(t, shelf(t, t.TempDir(), whole(said{records: records})), 7, finished)
	end := func(n uint64) *uint64 { return &n }
	want := Outline{
		Sections: []Section{
			{Kind: "action", Name: "deployimages", Level: "1", Start: 0, End: end(5), Began: "2026-11-23T10:00:00Z", Seconds: 4},
			{Kind: "action", Name: "http-download", Level: "1.1", Depth: 1, Start: 1, End: end(3), Began: "2026-11-23T10:00:01Z", Seconds: 2, Result: "fail"},
			{Kind: "action", Name: "lava-test-shell", Level: "2", Start: 6, Began: "2026-11-23T10:00:05Z"},
			{Kind: "test", Name: "0_smoke", Depth: 1, Start: 7, Began: "2026-11-23T10:00:06Z"},
			{Kind: "case", Name: "one", Depth: 2, Start: 8, End: end(10), Began: "2026-11-23T10:00:07Z", Seconds: 2, Result: "pass"},
		},
		Findings: []Finding{{2, "error", "no such file"}, {4, "case", "lava http-download"}, {9, "panic", "Kernel panic - not syncing: Fatal exception"}},
	}
	if got := b.Outline(); !reflect.DeepEqual(got, want) {
		t.Errorf("outline:\n got %+v\nwant %+v", got, want)
	}
	if got := b.Counts(); got[events.Debug] != 5 || got[events.Results] != 2 {
		t.Errorf("levels are %v", got)
	}
}

// TestParse reads records that other hands have written.
func TestParse(t *testing.T) {
	for _, tt := range []struct{ line, level, message string }{
		{`{"dt":"2026-11-23T10:00:00Z","lvl":"target","msg":"a \"b\" \\"}`, "target", `"a \"b\" \\"`},
		{`{"dt":"2026-11-23T10:00:00Z","lvl":"feedback","msg":"a","ns":"x"}`, "feedback", `"a"`},
		{`{"lvl":"info","dt":"2026-11-23T10:00:00Z","msg":"turned round"}`, "info", `"turned round"`},
		{`{"dt":"x","lvl":"results","msg":{"case":"a","result":"pass"}}`, "results", `{"case":"a","result":"pass"}`},
		{`{"dt":"x","lvl":"debug","msg":["a","b"],"ns":"y"}`, "debug", `["a","b"]`},
		{`{"dt":"x","lvl":"shout","msg":"new level"}`, "other", `"new level"`},
		{`no record`, "other", `no record`},
		{``, "other", ``},
	} {
		p := parse([]byte(tt.line))
		if got := levelNames()[p.level]; string(got) != tt.level || string(p.message) != tt.message {
			t.Errorf("parse(%s): %s %s, want %s %s", tt.line, got, p.message, tt.level, tt.message)
		}
	}
}
