package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// lab is a broker with an archive beside it.
type lab struct {
	*eventtest.Broker
	dir   string
	store Store
}

func newLab(t *testing.T) lab {
	t.Helper()
	dir := t.TempDir()
	store, err := OpenDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	return lab{eventtest.Start(t), dir, store}
}

// later is a time at which everything is old.
func (l lab) later() time.Time { return time.Now().Add(time.Hour) }

func (l lab) append(t *testing.T, facts ...events.Event) { t.Helper(); l.Append(t, facts...) }

// start submits a job and gives it a device.
func (l lab) start(t *testing.T, user events.UserName, text string) events.JobID {
	t.Helper()
	job := l.Submit(t, user, text)
	l.append(t, events.JobSubmitted{Job: job, User: user, Display: job.String(), Source: events.Source{Sequence: uint64(job)}},
		events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 1})
	return job
}

// say publishes one frame of a job.
func (l lab) say(t *testing.T, job events.JobID, line uint64) {
	t.Helper()
	f, err := events.NewFrame(job, 1, line, []events.Record{{Time: time.Unix(1, 0).UTC(), Level: "target", Message: json.RawMessage(`"hello"`)}})
	if err == nil {
		_, err = stream.PublishFrame(t.Context(), l.Log.JetStream(), f)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// finish records the results and the end of a job.
func (l lab) finish(t *testing.T, job events.JobID) {
	t.Helper()
	l.append(t, events.ResultsRecorded{Job: job, Lease: 1, Lines: 1, Cases: []events.Case{{Suite: "lava", Name: "x", Result: events.Pass}}})
	l.append(t, events.JobFinished{Job: job, Device: "q1", Worker: "w1", Lease: 1, Health: events.Complete},
		events.JobOutputComplete{Job: job, Lease: 1})
}

// job is a job from its submission to its end, with some frames of output.
func (l lab) job(t *testing.T, user events.UserName, text string, frames int) events.JobID {
	t.Helper()
	job := l.start(t, user, text)
	for i := range frames {
		l.say(t, job, uint64(i))
	}
	l.finish(t, job)
	return job
}

// interleaved are two jobs that speak in turns, and a last fact.
func (l lab) interleaved(t *testing.T) {
	t.Helper()
	a, b := l.start(t, "alice", "job_name: a\n"), l.start(t, "alice", "job_name: a\n")
	for i := range 3 {
		l.say(t, a, uint64(i))
		l.say(t, b, uint64(i))
	}
	l.finish(t, b)
	l.finish(t, a)
	l.append(t, events.TagAdded{Tag: "last"})
}

// archived returns a log that reads on in the archive.
func (l lab) archived(t *testing.T) *stream.Log {
	t.Helper()
	log, err := stream.Open(t.Context(), l.Conn, stream.Settings{Now: time.Now, AllowLossyBroker: true, Archive: NewReader(l.store).Archive()})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// messages reads everything.
func (l lab) messages(t *testing.T, log *stream.Log) map[string][]stream.Message {
	t.Helper()
	all := map[string][]stream.Message{}
	for _, name := range everything {
		last, err := log.Last(t.Context(), name)
		if err == nil && last > 0 {
			err = log.ReadMessages(t.Context(), name, 1, last, func(m stream.Message) error {
				m.Pending, m.At = 0, m.At.UTC()
				all[name] = append(all[name], m)
				return nil
			})
		}
		if err != nil {
			t.Fatalf("read %s: %v", name, err)
		}
	}
	return all
}

// purged tells whether anything was purged of a stream.
func (l lab) purged(t *testing.T, name string) bool {
	t.Helper()
	first, err := l.Log.First(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return first > 1
}

// logs counts the logs of jobs that the chains tell of: a purge may begin while later ones are written.
func (l lab) logs(t *testing.T) int {
	t.Helper()
	return l.verify(t).Logs
}

// service returns a service that does nothing by itself.
func (l lab) service(t *testing.T, d Deps) *service {
	t.Helper()
	d.Log, d.Store, d.Logger, d.Now = l.Log, l.store, quiet, time.Now
	if d.Age == 0 {
		d.Age = time.Nanosecond
	}
	a, err := newArchiver(t.Context(), l.Log, l.store)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{Deps: d, archiver: a, waiting: map[uint64]bool{}}
	if s.heard, err = l.Log.Last(t.Context(), stream.Lab); err != nil {
		t.Fatal(err)
	}
	return s
}

// archiveUntil runs the service until a condition holds.
func (l lab) archiveUntil(t *testing.T, d Deps, until func() bool) {
	t.Helper()
	if d.Log == nil {
		d.Log = l.Log
	}
	d.Store, d.Logger, d.Now = l.store, quiet, l.later
	if d.Keep > 0 {
		d.Now = time.Now
	}
	d.Age, d.Period = time.Nanosecond, 20*time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, d) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(eventtest.Patience)
	for !until() {
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("the archive ended: %v", err)
		case <-patience:
			status, _ := os.ReadFile(filepath.Join(l.dir, "status.json"))
			t.Fatalf("not within %s; status %s", eventtest.Patience, status)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatalf("the archive ended: %v", err)
	}
}

func (l lab) verify(t *testing.T) Report {
	t.Helper()
	r, err := Verify(t.Context(), l.store)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The harms return "" so that they stand beside the name of what they harm.

func cut(t *testing.T, file string) string {
	t.Helper()
	data := contents(t, file)
	return put(t, file, data[:len(data)/2])
}

func flip(t *testing.T, file string) string {
	t.Helper()
	data := contents(t, file)
	data[len(data)/2] ^= 0x40
	return put(t, file, data)
}

func remove(t *testing.T, file string) string {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	return ""
}

func swap(t *testing.T, a, b string) {
	t.Helper()
	was, is := contents(t, a), contents(t, b)
	put(t, a, is)
	put(t, b, was)
}

// alter changes a word in a segment, and makes the index agree: a forger's work.
func alter(t *testing.T, dir, stream, file string) {
	t.Helper()
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	text, err := z.DecodeAll(contents(t, file), nil)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(text, []byte("alice"), []byte("mallo"), 1)
	if bytes.Equal(changed, text) {
		t.Fatal("nothing to alter")
	}
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	packed := w.EncodeAll(changed, nil)
	put(t, file, packed)
	editIndex(t, dir, stream, func(ix *index) {
		ix.Segments[0].SHA256, ix.Segments[0].Bytes = digest(packed), int64(len(packed))
	})
}

func editIndex(t *testing.T, dir, stream string, edit func(*index)) string {
	t.Helper()
	file := filepath.Join(dir, stream, "index.json")
	var ix index
	if err := json.Unmarshal(contents(t, file), &ix); err != nil {
		t.Fatal(err)
	}
	edit(&ix)
	data, err := json.Marshal(ix)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, file, data)
}

func contents(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t *testing.T, file string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return ""
}

// glob returns the first file that fits a pattern.
func glob(t *testing.T, dir, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file %s in the archive (%v)", pattern, err)
	}
	return files[0]
}

// grep returns all that the compressed files of a directory hold.
func grep(t *testing.T, dir string) []byte {
	t.Helper()
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var all []byte
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".zst" {
			return err
		}
		text, err := z.DecodeAll(contents(t, path), nil)
		all = append(all, text...)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}
