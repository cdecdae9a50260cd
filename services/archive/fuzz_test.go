package archive

import (
	"testing"

	"github.com/klauspost/compress/zstd"

	"strata/events"
	"strata/events/stream"
)

// FuzzSegment reads segments that anybody may have altered: what is not whole is an error, and what is read
// lies within what the first line says.
func FuzzSegment(f *testing.F) {
	good := `{"stream":"LAB","format":1,"first":1,"last":2,"after":0,"messages":2,"previous":""}
{"seq":1,"subject":"job.1","at":"2026-11-22T10:00:00Z","header":{"ce-type":["job.pinned"]},"data":"{}"}
{"seq":2,"subject":"job.1","at":"2026-11-22T10:00:00Z","base64":"/w=="}
`
	f.Add(good)
	f.Add(good[:len(good)-40])
	f.Add(`{"format":2}`)
	f.Fuzz(func(t *testing.T, text string) {
		z, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		name, read := segmentName(stream.Lab, 1, 2), 0
		h, err := openSegment(name, z.EncodeAll([]byte(text), nil), func(r record) error {
			if read++; r.Seq < 1 {
				t.Errorf("read sequence %d", r.Seq)
			}
			r.message(stream.Lab)
			return nil
		})
		if err == nil && (read != h.Messages || h.First != 1 || h.Last != 2) {
			t.Errorf("a segment of %d messages was read as %+v", read, h)
		}
	})
}

// TestSegmentsFollowJobs holds what a chain knows of the jobs that still speak.
func TestSegmentsFollowJobs(t *testing.T) {
	t.Parallel()
	s := Segment{}
	for _, e := range []events.Event{
		events.JobSubmitted{Job: 3}, events.JobScheduled{Job: 3}, events.JobScheduled{Job: 2}, events.JobScheduled{Job: 3},
		events.JobRejected{Job: 5}, events.JobOutputComplete{Job: 2}, events.JobRemoved{Job: 2}, events.JobRemoved{Job: 1, LogsOnly: true},
	} {
		s.track(e)
	}
	next := s.follow(stream.Lab)
	if len(next.Open) != 1 || next.Open[0] != 3 || next.Decided != 5 || next.Removed != nil {
		t.Errorf("the segment after it begins with %+v; want job 3 open, 5 decided, nothing removed", next)
	}
	if len(s.Removed) != 1 || s.Removed[0] != 2 || len(s.Silenced) != 2 {
		t.Errorf("removed %v, silenced %v; want 2, and 2 and 1", s.Removed, s.Silenced)
	}
}
