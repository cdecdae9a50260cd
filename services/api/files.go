package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// Files is what the tests of a job gave to be kept.
// Several may have one name: each is told, and the last is what files.get gives.
type Files struct {
	Job   events.JobID  `json:"job"`
	Files []events.File `json:"files"` // in the order in which they came
	// Erased is when the lab's rule erased the bytes of these files; nil: they are there.
	Erased *time.Time `json:"erased,omitempty"`
	// RetriedAs is the attempt that followed the one whose files these are; 0: none.
	RetriedAs events.JobID `json:"retried_as,omitempty"`
}

// FileRequest asks for the bytes of one file. They are what a test on a device made: whoever passes them
// on to a browser sends them with [DownloadHeader], never as a page.
type FileRequest struct {
	Job   events.JobID `json:"job"`
	Name  string       `json:"name"`            // of several with one name the last, unless Suite or Line choose
	Suite string       `json:"suite,omitempty"` // of this suite
	Line  uint64       `json:"line,omitempty"`  // the one that ends at this log line; 0 is any
}

// jobFiles lists the files of a job.
// RetriedAs of the answer is 0 for the last attempt.
func (a *api) jobFiles(ctx context.Context, who caller, in JobRequest) (Files, error) {
	facts, err := a.jobFacts(ctx, in.Job)
	if err != nil {
		return Files{}, err
	}
	if err := a.mayJob(who, lab.View, in.Job); err != nil {
		return Files{}, err
	}
	// Of a job whose log alone was erased the bytes are gone too.
	if log, all := removed(facts); log || all {
		return Files{}, refuse(NotFound, "the files of job %d were erased with its log; strata events job/%d tells by whom", in.Job, in.Job)
	}
	j, _ := viewFacts(facts)
	out := Files{Job: in.Job, Files: []events.File{}, RetriedAs: j.RetriedAs}
	if in.Whole && j.RetriedAs != 0 {
		if err := a.mayAttempt(who, in.Job, j.RetriedAs); err != nil {
			return Files{}, err
		}
		out.Job = j.RetriedAs
		if j, err = a.attempt(ctx, out.Job); err != nil {
			return Files{}, err
		}
		out.RetriedAs = j.RetriedAs
		if facts, err = a.jobFacts(ctx, out.Job); err != nil {
			return Files{}, err
		}
	}
	for _, r := range facts {
		if _, ok := r.Event.(events.JobFilesErased); ok {
			out.Erased = &r.Time
		}
	}
	err = a.log.Each(ctx, events.Entity{Kind: events.Result, ID: out.Job.String()}, func(r stream.Recorded) error {
		if e, ok := r.Event.(events.ResultsRecorded); ok {
			out.Files = append(out.Files, e.Files...)
		}
		return nil
	})
	return out, err
}

// openFile sends the bytes of a file. They are what its digest says, or the flow ends with an error.
// The digest is known at the end: a reader must not use what came before an error.
func (a *api) openFile(who caller, body []byte) (producer, error) {
	in, err := decode[FileRequest](body)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, emit func(message) error) error {
		files, err := a.jobFiles(ctx, who, JobRequest{Job: in.Job})
		if err != nil {
			return err
		}
		var f *events.File
		// The last one that fits: a test that writes a file anew means the new one.
		for i, one := range files.Files {
			if one.Name == in.Name && (in.Suite == "" || one.Suite == in.Suite) && (in.Line == 0 || one.Line == in.Line) {
				f = &files.Files[i]
			}
		}
		if f == nil {
			return refuse(NotFound, "job %d has no file %q; strata artifacts %d lists them", in.Job, in.Name, in.Job)
		}
		out := &chunks{emit: emit}
		if err := a.sendFile(ctx, in.Job, *f, out); err != nil {
			return err
		}
		return out.flush()
	}, nil
}

// sendFile reads a file's bytes from the job's log.
// The bytes stand in the log's own lines f.First to f.First+f.Parts-1, in base64, one part a line.
func (a *api) sendFile(ctx context.Context, job events.JobID, f events.File, out *chunks) error {
	sum, next, end := sha256.New(), f.First, f.First+f.Parts
	if f.Parts > 0 {
		err := a.log.ReadOutput(ctx, stream.OutputReader{
			Job: job, ToEnd: true,
			// The reader begins with the file's first part; a frame may have lines before it.
			Next: func(events.JobID, events.Lease) uint64 { return f.First },
			Frame: func(frame stream.OutputFrame) error {
				for i, line := range frame.Lines() {
					if frame.First+uint64(i) != next {
						continue
					}
					var r events.Record
					var part events.FilePart
					if err := json.Unmarshal(line, &r); err != nil {
						return fmt.Errorf("line %d of the log of job %d: %w", next, job, err)
					}
					// ingestion has recorded where it lies, so this is a damaged log and no mistake
					// of the test.
					if r.Level != events.FileData {
						return fmt.Errorf("line %d of the log of job %d is no part of file %s", next, job, f.Name)
					}
					if err := json.Unmarshal(r.Message, &part); err != nil {
						return fmt.Errorf("line %d of the log of job %d: %w", next, job, err)
					}
					if part.Erased > 0 {
						return refuse(NotFound, "the bytes of file %s of job %d are aged out: the lab's rule has erased them; their digest was %s", f.Name, job, f.SHA256)
					}
					sum.Write(part.Data)
					if _, err := out.Write(part.Data); err != nil {
						return err
					}
					if next++; next == end {
						return errAllRead
					}
				}
				return nil
			},
		})
		if err != nil && !errors.Is(err, errAllRead) {
			return err
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); next != end || got != f.SHA256 {
		return fmt.Errorf("file %s of job %d is damaged: %d of %d parts, digest %s, recorded as %s", f.Name, job, next-f.First, f.Parts, got, f.SHA256)
	}
	return nil
}
