package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
)

// testFileRow is a row of test_files.
type testFileRow struct {
	Job    uint64    `ch:"job"`
	Suite  string    `ch:"suite"`
	Set    string    `ch:"set"`
	Case   string    `ch:"case_name"`
	Name   string    `ch:"name"`
	Size   uint64    `ch:"size"`
	Digest string    `ch:"digest"`
	Type   string    `ch:"type"`
	Time   time.Time `ch:"time"`
	Line   uint64    `ch:"line"`
	Seq    uint64    `ch:"seq"`
	N      uint32    `ch:"n"`
}

func testFileRows(f fact) []testFileRow {
	e, ok := f.Event.(events.ResultsRecorded)
	if !ok {
		return nil
	}
	rows := make([]testFileRow, len(e.Files))
	for i, file := range e.Files {
		rows[i] = testFileRow{Job: uint64(e.Job), Suite: file.Suite, Set: file.Set, Case: file.Case, Name: file.Name, Size: file.Bytes,
			Digest: file.SHA256, Type: file.Kind, Time: utc(file.At), Line: file.Line, Seq: f.Seq, N: uint32(i)}
	}
	return rows
}

// fileErasureRow is a row of file_erasures.
type fileErasureRow struct {
	Job   uint64    `ch:"job"`
	Files uint64    `ch:"files"`
	Bytes uint64    `ch:"bytes"`
	Time  time.Time `ch:"time"`
	Seq   uint64    `ch:"seq"`
}

func fileErasureRows(f fact) []fileErasureRow {
	e, ok := f.Event.(events.JobFilesErased)
	if !ok {
		return nil
	}
	return []fileErasureRow{{uint64(e.Job), e.Files, e.Bytes, utc(f.Time), f.Seq}}
}

// File is a file that a test gave, as the view files has it.
type File struct {
	Job       uint64     `ch:"job" json:"job"`
	Suite     string     `ch:"suite" json:"suite"`
	Set       string     `ch:"set" json:"set,omitempty"`
	Case      string     `ch:"case_name" json:"case,omitempty"`
	Name      string     `ch:"name" json:"name"`
	Size      uint64     `ch:"size" json:"size"` // bytes
	Digest    string     `ch:"digest" json:"digest"`
	Type      string     `ch:"type" json:"type,omitempty"`
	Time      time.Time  `ch:"time" json:"time"`
	Line      uint64     `ch:"line" json:"line"`
	State     string     `ch:"state" json:"state"` // kept, aged out, erased
	KeptUntil *time.Time `ch:"kept_until" json:"kept_until,omitempty"`
}

// Files lists the files of a job's tests in the order in which they came.
func (db *DB) Files(ctx context.Context, job events.JobID) ([]File, error) {
	list, err := all[File](ctx, db, `SELECT job, suite, set, case_name, name, size, digest, type, time, line, state, kept_until
		FROM files WHERE job = {job:UInt64} ORDER BY seq, n`, clickhouse.Named("job", uint64(job)))
	if err != nil {
		return nil, fmt.Errorf("list the files of job %d: %w", job, err)
	}
	return list, nil
}

// mostOld is how many jobs OldFiles returns at once.
const mostOld = 1000

// OldFiles returns jobs that ended before a time and have files that may be erased by rule: nobody keeps the job, and its
// bytes are still there. The oldest come first, at most a thousand.
func (db *DB) OldFiles(ctx context.Context, before time.Time) ([]events.JobID, error) {
	type old struct {
		Job uint64 `ch:"job"`
	}
	rows, err := all[old](ctx, db, `SELECT j.job AS job FROM jobs AS j
		WHERE j.job IN (SELECT job FROM test_files WHERE job NOT IN (SELECT job FROM file_erasures) AND job NOT IN (SELECT job FROM removals)
			AND job NOT IN (SELECT job FROM keeps FINAL WHERE kept))
			AND j.state = 'Finished' AND isNotNull(j.ended_at) AND j.ended_at < {before:DateTime64(6)} AND (j.complete OR j.lease = 0)
		ORDER BY job LIMIT {limit:UInt32}`,
		clickhouse.Named("before", before.UTC().Format("2006-01-02 15:04:05.000000")), clickhouse.Named("limit", uint32(mostOld)))
	if err != nil {
		return nil, fmt.Errorf("look for old files: %w", err)
	}
	jobs := make([]events.JobID, len(rows))
	for i, r := range rows {
		jobs[i] = events.JobID(r.Job)
	}
	return jobs, nil
}
