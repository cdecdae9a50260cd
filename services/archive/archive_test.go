package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// everything lists the streams that an archive speaks for.
var everything = []string{stream.Lab, stream.Results, stream.Submissions, stream.Output}

func TestPurgedStreamsReadOn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for range 3 {
		l.job(t, "alice", "job_name: same\n", 3)
	}
	l.job(t, "bob", "job_name: \xff\xfe\u2028 <odd>\n", 1)
	l.interleaved(t)
	want := l.messages(t, l.archived(t))

	l.archiveUntil(t, Deps{}, func() bool {
		return l.logs(t) == 6 && l.purged(t, stream.Lab) && l.purged(t, stream.Results) && l.purged(t, stream.Submissions) && l.purged(t, stream.Output)
	})

	got := l.messages(t, l.archived(t))
	for _, name := range everything {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("messages of %s after the purge:\n got %v\nwant %v", name, brief(got[name]), brief(want[name]))
		}
	}
	facts, err := l.archived(t).Load(t.Context(), events.Entity{Kind: events.Job, ID: "1"})
	if err != nil || len(facts) != 4 {
		t.Errorf("facts of job 1 after the purge: %d, %v; want 4", len(facts), err)
	}
	var frames int
	if err := l.archived(t).ReadOutput(t.Context(), stream.OutputReader{Job: 1, ToEnd: true,
		Frame: func(stream.OutputFrame) error { frames++; return nil }}); err != nil || frames != 3 {
		t.Errorf("frames of job 1 after the purge: %d, %v; want 3", frames, err)
	}
	if r := l.verify(t); len(r.Findings) != 0 || r.Logs != 6 || r.Texts != 3 {
		t.Errorf("verify: %+v; want no findings, 6 logs, 3 texts", r)
	}
}

func TestRunningJobsHoldTheStreams(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	open := l.start(t, "alice", "job_name: open\n")
	l.say(t, open, 0)
	l.job(t, "bob", "job_name: other\n", 2)
	l.append(t, events.TagAdded{Tag: "later"})
	l.archiveUntil(t, Deps{}, func() bool { return l.purged(t, stream.Lab) })
	if first, err := l.Log.FirstOn(t.Context(), stream.Output, events.OutputSubject(open)); err != nil || first == 0 {
		t.Errorf("the output of a job that runs was purged (%v)", err)
	}
	// Once it has ended its frames may go too.
	l.finish(t, open)
	l.append(t, events.TagAdded{Tag: "last"})
	l.archiveUntil(t, Deps{}, func() bool {
		first, err := l.Log.FirstOn(t.Context(), stream.Output, events.OutputSubject(open))
		return err == nil && first == 0
	})
}

func TestYoungMessagesStay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.job(t, "alice", "job_name: young\n", 1)
	l.append(t, events.TagAdded{Tag: "later"})
	s := l.service(t, Deps{Keep: time.Hour})
	if err := s.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.purged(t, stream.Lab) || l.purged(t, stream.Output) {
		t.Error("messages younger than Keep were purged")
	}
	if got := l.verify(t).Chains[stream.Lab].Last; got == 0 {
		t.Error("nothing was archived")
	}
}

func TestReadersAndTablesHoldTheStreams(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.job(t, "alice", "job_name: held\n", 2)
	l.append(t, events.TagAdded{Tag: "later"}, events.TagAdded{Tag: "last"})
	if err := l.Log.SaveCheckpoint(t.Context(), "scheduling", "test.v1", 3, nil); err != nil {
		t.Fatal(err)
	}
	tables := func(_ context.Context, name string) (uint64, error) {
		if name == stream.Output {
			return 0, errors.New("history is away")
		}
		return 2, nil
	}
	s := l.service(t, Deps{Tables: tables})
	if err := s.close(t.Context(), stream.Lab); err != nil {
		t.Fatal(err)
	}
	holds, err := s.purge(t.Context(), l.later())
	if err != nil {
		t.Fatal(err)
	}
	first, err := l.Log.First(t.Context(), stream.Lab)
	if err != nil || first != 3 {
		t.Errorf("LAB begins with %d, %v; want 3: the tables have 2", first, err)
	}
	var names []string
	for _, h := range holds {
		names = append(names, fmt.Sprint(h.Stream, " ", h.By, " ", h.Until))
	}
	for _, want := range []string{"LAB tables 2", "LAB checkpoint of scheduling 3", "OUTPUT tables 0"} {
		if !strings.Contains(strings.Join(names, ", "), want) {
			t.Errorf("holds are %q; want %q among them", names, want)
		}
	}
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	segment := func(dir, stream string, n int) string {
		names, err := filepath.Glob(filepath.Join(dir, stream, "*.zst"))
		if err != nil || len(names) <= n {
			return ""
		}
		return names[n]
	}
	tests := []struct {
		name string
		harm func(t *testing.T, dir string) string // returns the name that has to be found
	}{
		{"a segment is cut", func(t *testing.T, dir string) string {
			f := segment(dir, "LAB", 1)
			return f + cut(t, f)
		}},
		{"a segment is missing in the middle", func(t *testing.T, dir string) string {
			f := segment(dir, "LAB", 1)
			return f + remove(t, f)
		}},
		{"the last segment is missing", func(t *testing.T, dir string) string {
			f := segment(dir, "LAB", 2)
			return f + remove(t, f)
		}},
		{"the last segment is missing in the index too", func(t *testing.T, dir string) string {
			remove(t, segment(dir, "RESULTS", 2))
			return filepath.Join(dir, "RESULTS/index.json") + editIndex(t, dir, "RESULTS", func(ix *index) { ix.Segments[1].SHA256 = "00" })
		}},
		{"two segments are swapped", func(t *testing.T, dir string) string {
			a, b := segment(dir, "LAB", 0), segment(dir, "LAB", 1)
			swap(t, a, b)
			return b
		}},
		{"a segment is altered, with the index", func(t *testing.T, dir string) string {
			f := segment(dir, "LAB", 0)
			alter(t, dir, "LAB", f)
			return segment(dir, "LAB", 1)
		}},
		{"a text is altered", func(t *testing.T, dir string) string {
			f := glob(t, dir, "texts/*/*.zst")
			return f + flip(t, f)
		}},
		{"a text is missing", func(t *testing.T, dir string) string {
			f := glob(t, dir, "texts/*/*.zst")
			return f + remove(t, f)
		}},
		{"a log is cut", func(t *testing.T, dir string) string {
			f := filepath.Join(dir, "logs/0/1.jsonl.zst")
			return f + cut(t, f)
		}},
		{"a log is missing", func(t *testing.T, dir string) string {
			f := filepath.Join(dir, "logs/0/2.jsonl.zst")
			return f + remove(t, f)
		}},
		{"two logs are swapped", func(t *testing.T, dir string) string {
			a, b := filepath.Join(dir, "logs/0/1.jsonl.zst"), filepath.Join(dir, "logs/0/2.jsonl.zst")
			swap(t, a, b)
			return a
		}},
		{"the index is cut", func(t *testing.T, dir string) string {
			f := filepath.Join(dir, "SUBMISSIONS/index.json")
			return f + cut(t, f)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := l.service(t, Deps{})
			for i := range 3 { // three segments a stream
				l.job(t, "alice", fmt.Sprintf("job_name: n%d\n", i), 1)
				if _, err := s.flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if r := l.verify(t); len(r.Findings) != 0 || r.Chains[stream.Lab].Segments != 3 {
				t.Fatalf("before: %+v", r)
			}
			want, err := filepath.Rel(l.dir, tt.harm(t, l.dir))
			if err != nil {
				t.Fatal(err)
			}
			r := l.verify(t)
			found := false
			for _, f := range r.Findings {
				found = found || f.Object == filepath.ToSlash(want)
			}
			if !found {
				t.Errorf("findings %+v; want one of %s", r.Findings, want)
			}
		})
	}
}

func TestDamagedSegmentIsNotPurgedFor(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.job(t, "alice", "job_name: x\n", 1)
	l.append(t, events.TagAdded{Tag: "later"})
	s := l.service(t, Deps{})
	if _, err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(l.dir, "LAB", "*.zst"))
	flip(t, names[0])
	if _, err := s.purge(t.Context(), l.later()); !errors.Is(err, errDamaged) {
		t.Errorf("purge over a damaged segment: %v", err)
	}
	if l.purged(t, stream.Lab) {
		t.Error("LAB was purged although its segment is damaged")
	}
}

func TestSegmentWithoutIndexIsTakenIn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.service(t, Deps{})
	for range 2 {
		l.job(t, "alice", "job_name: x\n", 1)
		if _, err := s.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := s.chains[stream.Lab].list()
	// As if the process had died after it wrote the second segment, and before the index.
	editIndex(t, l.dir, "LAB", func(ix *index) { ix.Segments = ix.Segments[:1] })
	got := l.service(t, Deps{}).chains[stream.Lab].list()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("chain after a crash:\n got %s\nwant %s", g, w)
	}
	// Two at once: the second one takes what the first one wrote.
	other := l.service(t, Deps{})
	l.job(t, "alice", "job_name: y\n", 1)
	for _, who := range []*service{s, other} {
		if _, err := who.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if r := l.verify(t); len(r.Findings) != 0 || r.Chains[stream.Lab].Segments != 3 {
		t.Errorf("two archives at once left %+v", r)
	}
}

func TestErasedJob(t *testing.T) {
	t.Parallel()
	for _, logsOnly := range []bool{false, true} {
		t.Run(fmt.Sprint("logs only ", logsOnly), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			secret := l.job(t, "alice", "job_name: secret\n", 2)
			shared := l.job(t, "alice", "job_name: shared\n", 2)
			l.job(t, "bob", "job_name: shared\n", 2)
			for _, job := range []events.JobID{secret, shared} {
				l.append(t, events.JobRemoved{Job: job, By: "alice", LogsOnly: logsOnly})
			}
			l.append(t, events.TagAdded{Tag: "last"})
			log := l.archived(t)
			l.archiveUntil(t, Deps{Keep: time.Hour}, func() bool {
				last, err := l.Log.LastOn(t.Context(), stream.Output, events.OutputSubject(shared))
				_, gone := os.Stat(filepath.Join(l.dir, logName(uint64(shared))))
				return err == nil && last == 0 && errors.Is(gone, fs.ErrNotExist)
			})
			_, err := log.SubmissionText(t.Context(), uint64(secret))
			if erased := errors.Is(err, stream.ErrNoSubmission); erased == logsOnly {
				t.Errorf("definition of the erased job: %v", err)
			}
			if text, err := log.SubmissionText(t.Context(), 3); err != nil || string(text) != "job_name: shared\n" {
				t.Errorf("the definition of a job that stays is %q, %v", text, err)
			}
			s := l.service(t, Deps{})
			if _, err := s.flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := l.verify(t)
			if len(r.Findings) != 0 {
				t.Errorf("verify after erasing: %+v", r.Findings)
			}
			if !logsOnly && bytes.Contains(grep(t, l.dir), []byte("secret")) {
				t.Error("the erased text is still in the archive")
			}
			// What was erased stays erased when it was never purged, and where it was.
			if _, err := s.purge(t.Context(), l.later()); err != nil {
				t.Fatal(err)
			}
			if err := log.ReadMessages(t.Context(), stream.Output, 1, 1000, func(m stream.Message) error {
				if m.Subject == events.OutputSubject(secret) {
					t.Errorf("message %d of the erased job is still read", m.Seq)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRestoredStreams(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i := range 3 {
		l.job(t, "alice", fmt.Sprintf("job_name: n%d\n", i), 2)
	}
	want := l.messages(t, l.Log)
	s := l.service(t, Deps{})
	if _, err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	elsewhere, err := OpenDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := Copy(t.Context(), l.store, elsewhere); err != nil {
		t.Fatal(err)
	}
	first, err := Begin(t.Context(), elsewhere, Skip{stream.Lab: 1000})
	if err != nil {
		t.Fatal(err)
	}
	b := eventtest.StartWith(t, eventtest.Options{Settings: func(s *stream.Settings) {
		s.First, s.Archive = first, NewReader(elsewhere).Archive()
	}})
	anew := lab{Broker: b, dir: elsewhere.path, store: elsewhere}
	if got := anew.messages(t, b.Log); !reflect.DeepEqual(got, want) {
		t.Errorf("restored from the archive alone:\n got %v\nwant %v", got, want)
	}
	if job := anew.job(t, "alice", "job_name: next\n", 1); job != 4 {
		t.Errorf("the next job has number %d, want 4", job)
	}
	if facts := eventtest.Facts(t, b.Log, stream.Lab); facts[len(facts)-1].Seq < 1000 {
		t.Errorf("the next facts have sequence %d; want one that no worker has seen", facts[len(facts)-1].Seq)
	}
	// The chain goes on over the numbers that were left out.
	if _, err := anew.service(t, Deps{}).flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := anew.verify(t); len(r.Findings) != 0 || r.Chains[stream.Lab].Segments != 2 {
		t.Errorf("verify of the restored archive: %+v", r)
	}
	if _, err := Begin(t.Context(), Directory{t.TempDir()}, nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("begin from an empty directory: %v, want ErrEmpty", err)
	}
}

func brief(all []stream.Message) []string {
	var lines []string
	for _, m := range all {
		lines = append(lines, fmt.Sprintf("%d %s %.40q", m.Seq, m.Subject, m.Data))
	}
	return lines
}

var quiet = slog.New(slog.DiscardHandler)

// Who stops reading says nothing of the segment.
func TestEndedReadingIsNoDamage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.job(t, "alice", "job_name: x\n", 1)
	l.append(t, events.TagAdded{Tag: "later"})
	s := l.service(t, Deps{})
	if _, err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	segment := s.chains[stream.Lab].list()[0]
	for name, ended := range map[string]error{"the reader's own end": errors.New("enough"), "a shutdown": context.Canceled} {
		err := readSegment(t.Context(), s.store, segment, func(record) error { return ended })
		if !errors.Is(err, ended) || errors.Is(err, errDamaged) {
			t.Errorf("%s: got %v, want %v", name, err, ended)
		}
	}
}
