package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"strata/events"
	"strata/events/stream"
)

// ageFiles records of jobs whose time has come that the bytes of their files are erased. That is done as with
// every other removal, once the fact is read again: a crash between the two loses nothing.
func (s *service) ageFiles(ctx context.Context, now time.Time) error {
	if s.Files == 0 || s.OldFiles == nil {
		return nil
	}
	jobs, err := s.OldFiles(ctx, now.Add(-s.Files))
	if err != nil {
		s.Logger.Warn("old files are not erased while nobody says which there are", "err", err)
		return nil
	}
	for _, job := range jobs {
		if err := s.ageJob(ctx, job, now); err != nil {
			return fmt.Errorf("erase the files of job %d: %w", job, err)
		}
	}
	return nil
}

func (s *service) ageJob(ctx context.Context, job events.JobID, now time.Time) error {
	// The stream cannot be written anew: its copy has to be purged, and the log archived.
	if first, err := s.Log.FirstOn(ctx, stream.Output, events.OutputSubject(job)); err != nil || first > 0 {
		return err
	}
	if there, err := exists(ctx, s.store, logName(uint64(job))); err != nil || !there {
		return err
	}
	about := events.Entity{Kind: events.Job, ID: job.String()}
	facts, err := s.Log.Load(ctx, about)
	if err != nil || !filesDue(facts, now.Add(-s.Files)) {
		return err
	}
	var files []events.File
	if err := s.Log.Each(ctx, events.Entity{Kind: events.Result, ID: job.String()}, func(r stream.Recorded) error {
		if e, ok := r.Event.(events.ResultsRecorded); ok {
			files = append(files, e.Files...)
		}
		return nil
	}); err != nil {
		return err
	}
	fact := events.JobFilesErased{Job: job, Files: uint64(len(files)), After: int64(s.Files / time.Second)}
	seen := map[string]bool{}
	for _, f := range files {
		if !seen[f.SHA256] {
			fact.Bytes += f.Bytes
		}
		seen[f.SHA256] = true
	}
	if len(files) == 0 {
		return nil
	}
	// Whoever pins the job meanwhile wins, and the next round sees it. Where the stream has no fact of the
	// job any more it knows no sequence to compare with.
	last, err := s.Log.LastOn(ctx, stream.Lab, about.Subject())
	if err != nil || last > facts[len(facts)-1].Seq {
		return err
	}
	_, err = s.Log.As(events.ArchiveService).AppendOne(ctx, stream.Draft{Event: fact}, func(events.Entity) uint64 { return last })
	if errors.Is(err, stream.ErrConflict) {
		return nil
	}
	return err
}

// filesDue tells by a job's facts whether its files may go: it was over before, all of it is read, nobody
// keeps it, and nothing of them was erased yet.
func filesDue(facts []stream.Recorded, before time.Time) bool {
	over, read := false, false
	kept := map[events.UserName]bool{} // "" is the pin
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.JobFinished:
			over = r.Time.Before(before)
		case events.JobWithdrawn:
			over, read = r.Time.Before(before), true
		case events.JobOutputComplete:
			read = true
		case events.JobPinned:
			kept[""] = e.Pinned
		case events.JobFavoured:
			kept[e.By] = e.Favourite
		case events.JobRemoved, events.JobFilesErased:
			return false
		}
	}
	for _, k := range kept {
		if k {
			return false
		}
	}
	return over && read
}

// emptyLog writes a log anew without the bytes of files. Done twice it makes the same log; one that is gone
// stays so.
func emptyLog(ctx context.Context, store Store, job uint64) error {
	l, err := openLog(ctx, store, job)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.close()
	_, err = putLog(ctx, store, job, func(each func(record) error) error {
		for l.next() {
			data, err := emptyFrame(l.rec.data())
			if err != nil {
				return fmt.Errorf("log %s %w: %w", logName(job), errDamaged, err)
			}
			m := l.rec.message(stream.Output)
			m.Data = data
			if err := each(pack(m)); err != nil {
				return err
			}
		}
		return l.err
	})
	return err
}

// emptyFrame returns the body of a frame with what was erased in the place of bytes of files. Its lines
// stay as many.
func emptyFrame(body []byte) ([]byte, error) {
	mark := []byte(`"lvl":"file"`)
	if !bytes.Contains(body, mark) {
		return body, nil
	}
	lines := bytes.Split(body, []byte{'\n'})
	for i, text := range lines {
		if !bytes.Contains(text, mark) {
			continue
		}
		var r events.Record
		if err := json.Unmarshal(text, &r); err != nil || r.Level != events.FileData {
			continue // it says so and is none; whoever reads it tells
		}
		var part events.FilePart
		if err := json.Unmarshal(r.Message, &part); err != nil || len(part.Data) == 0 {
			continue
		}
		message, err := json.Marshal(events.FilePart{Erased: len(part.Data)})
		if err != nil {
			return nil, err
		}
		r.Message = message
		if lines[i], err = json.Marshal(r); err != nil {
			return nil, err
		}
	}
	return bytes.Join(lines, []byte{'\n'}), nil
}

// describeLog returns what the chain has to know of a log that was written anew; nil where there is none.
func describeLog(ctx context.Context, store Store, job uint64) (*jobLog, error) {
	made := jobLog{Job: job, Emptied: true}
	l, err := openLog(ctx, store, job)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for l.next() {
		made.add(l.rec)
	}
	l.close()
	if l.err != nil {
		return nil, l.err
	}
	file, err := store.Get(ctx, logName(job))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	sum := sha256.New()
	made.Bytes, err = io.Copy(sum, file)
	made.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return &made, err
}
