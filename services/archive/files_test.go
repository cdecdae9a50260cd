package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/stream"
)

// files is a job whose test gave two files, and said something before and after.
func (l lab) files(t *testing.T, content string) events.JobID {
	t.Helper()
	job := l.start(t, "alice", "job_name: files\n")
	said := events.Record{Time: time.Unix(1, 0).UTC(), Level: events.Target, Message: json.RawMessage(`"a <line> of \u0001 the console"`)}
	var records []events.Record
	for _, part := range []events.FilePart{{Data: []byte(content)}, {Data: []byte("more " + content)}, {File: &events.File{Name: "trace.dat", Suite: "0_smoke", First: 1, Parts: 2, SHA256: "x"}}} {
		message, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.Record{Time: time.Unix(2, 0).UTC(), Level: events.FileData, Message: message})
	}
	f, err := events.NewFrame(job, 1, 0, append(append([]events.Record{said}, records...), said))
	if err == nil {
		_, err = stream.PublishFrame(t.Context(), l.Log.JetStream(), f)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.append(t, events.ResultsRecorded{Job: job, Lease: 1, Lines: 5, Files: []events.File{
		{Name: "trace.dat", Suite: "0_smoke", First: 1, Parts: 2, SHA256: "x", Bytes: 30}, {Name: "again.dat", Suite: "0_smoke", First: 1, Parts: 2, SHA256: "x", Bytes: 30}}})
	l.append(t, events.JobFinished{Job: job, Device: "q1", Worker: "w1", Lease: 1, Health: events.Complete}, events.JobOutputComplete{Job: job, Lease: 1})
	return job
}

// logOf returns the lines of a job's log.
func logOf(t *testing.T, log *stream.Log, job events.JobID) (all []string) {
	t.Helper()
	err := log.ReadOutput(t.Context(), stream.OutputReader{Job: job, ToEnd: true,
		Next: func(events.JobID, events.Lease) uint64 { return 0 },
		Frame: func(f stream.OutputFrame) error {
			for _, line := range f.Lines() {
				all = append(all, string(line))
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The bytes of old files go for good, and nothing else does: not of jobs that are kept, not the rest of the log, not
// the names; and the chain still verifies.
func TestOldFilesAreErased(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	old, pinned, favourite := l.files(t, "secret-of-old"), l.files(t, "secret-of-pinned"), l.files(t, "secret-of-favourite")
	plain := l.job(t, "bob", "job_name: plain\n", 2)
	l.append(t, events.JobPinned{Job: pinned, Pinned: true, By: "bob"})
	l.append(t, events.JobFavoured{Job: favourite, Favourite: true, By: "bob"})
	l.job(t, "bob", "job_name: last\n", 1) // the last message of a stream stays
	l.append(t, events.TagAdded{Tag: "last"})
	log := l.archived(t)
	before := logOf(t, log, old)
	asked := func(context.Context, time.Time) ([]events.JobID, error) {
		return []events.JobID{old, pinned, favourite, plain}, nil
	}
	erased := func(job events.JobID) (found *events.JobFilesErased) {
		facts, err := log.Load(t.Context(), events.Entity{Kind: events.Job, ID: job.String()})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range facts {
			if e, ok := r.Event.(events.JobFilesErased); ok {
				found = &e
			}
		}
		return found
	}
	l.archiveUntil(t, Deps{Log: log, Files: time.Minute, OldFiles: asked}, func() bool {
		tail, _ := l.service(t, Deps{}).chains[stream.Lab].tail()
		return erased(old) != nil && l.purged(t, stream.Output) && len(l.emptied(t)) == 1 && tail.Last > 0
	})
	if e := erased(old); *e != (events.JobFilesErased{Job: old, Files: 2, Bytes: 30, After: 60}) {
		t.Errorf("recorded %+v", *e)
	}
	for _, job := range []events.JobID{pinned, favourite, plain} {
		if erased(job) != nil {
			t.Errorf("files of job %d are erased", job)
		}
	}
	after := logOf(t, log, old)
	want := slices.Clone(before)
	for i, n := range map[int]int{1: len("secret-of-old"), 2: len("more secret-of-old")} {
		want[i] = fmt.Sprintf(`{"dt":"1970-01-01T00:00:02Z","lvl":"file","msg":{"erased":%d}}`, n)
	}
	if !slices.Equal(after, want) {
		t.Errorf("the log is\n%s\nwant\n%s", strings.Join(after, "\n"), strings.Join(want, "\n"))
	}
	if r := l.verify(t); len(r.Findings) != 0 {
		t.Errorf("verify after erasing: %+v", r.Findings)
	}
	// Base64 has three forms of a text; parts begin with it, so there is one.
	all := grep(t, l.dir)
	if bytes.Contains(all, []byte("c2VjcmV0LW9mLW9sZ")) {
		t.Error("the erased bytes are still in the archive")
	}
	if !bytes.Contains(all, []byte("c2VjcmV0LW9mLXBpbm5lZ")) {
		t.Error("the bytes of the pinned job are gone")
	}
}

// emptied lists the logs that the chain says were written anew.
func (l lab) emptied(t *testing.T) (jobs []uint64) {
	t.Helper()
	for _, seg := range l.service(t, Deps{}).chains[stream.Lab].list() {
		if err := readSegment(t.Context(), l.store, seg, func(r record) error {
			if r.Log != nil && r.Log.Emptied {
				jobs = append(jobs, r.Log.Job)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return jobs
}

// A job's files are due once it is over and read, unless somebody keeps it or they are gone.
func TestFilesDue(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	finished, complete := events.JobFinished{Job: 1}, events.JobOutputComplete{Job: 1}
	for name, tt := range map[string]struct {
		facts []events.Event
		due   bool
	}{
		"nothing":             {nil, false},
		"runs":                {[]events.Event{events.JobStarted{Job: 1}}, false},
		"over, not read":      {[]events.Event{finished}, false},
		"over":                {[]events.Event{finished, complete}, true},
		"withdrawn":           {[]events.Event{events.JobWithdrawn{Job: 1}}, true},
		"pinned":              {[]events.Event{finished, complete, events.JobPinned{Job: 1, Pinned: true}}, false},
		"no longer pinned":    {[]events.Event{finished, complete, events.JobPinned{Job: 1, Pinned: true}, events.JobPinned{Job: 1}}, true},
		"a favourite":         {[]events.Event{finished, complete, events.JobFavoured{Job: 1, Favourite: true, By: "a"}, events.JobFavoured{Job: 1, By: "b"}}, false},
		"pinned and favoured": {[]events.Event{finished, complete, events.JobPinned{Job: 1, Pinned: true}, events.JobFavoured{Job: 1, By: "a"}}, false},
		"erased":              {[]events.Event{finished, complete, events.JobRemoved{Job: 1, LogsOnly: true}}, false},
		"files erased":        {[]events.Event{finished, complete, events.JobFilesErased{Job: 1}}, false},
	} {
		var facts []stream.Recorded
		for _, e := range tt.facts {
			facts = append(facts, stream.Recorded{Time: noon, Event: e})
		}
		if got := filesDue(facts, noon.Add(time.Second)); got != tt.due {
			t.Errorf("%s: due %v, want %v", name, got, tt.due)
		}
		if filesDue(facts, noon) {
			t.Errorf("%s: due before its time", name)
		}
	}
}
