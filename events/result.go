package events

import "time"

// Outcome is the result of one test case.
type Outcome string

// The outcomes of a test case.
const (
	Pass           Outcome = "pass"
	Fail           Outcome = "fail"
	Skip           Outcome = "skip"
	UnknownOutcome Outcome = "unknown"
)

// Case is one test case as the job reported it.
type Case struct {
	Suite       string            `json:"suite"` // "lava" for the pipeline itself, else "0_smoke"
	Set         string            `json:"set,omitempty"`
	Name        string            `json:"name"`
	Result      Outcome           `json:"result"`
	Measurement *float64          `json:"measurement,omitempty"`
	Units       string            `json:"units,omitempty"`
	At          time.Time         `json:"at"`                   // the record's time, the worker's clock
	Line        uint64            `json:"line"`                 // the log line that carries it, from 0
	StartLine   *uint64           `json:"start_line,omitempty"` // first log line of the case, from 0
	EndLine     *uint64           `json:"end_line,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"` // the other keys of the record; values that are not text as JSON
}

// ResultsRecorded records what a stretch of a job's output says of its results. It stands on the
// subject result.<job> in RESULTS, appended with that subject's expected sequence, so that nothing
// is recorded twice. Written by services/ingestion.
type ResultsRecorded struct {
	Job       JobID    `json:"job"`
	Lease     Lease    `json:"lease"`
	FirstLine uint64   `json:"first_line"` // of the stretch, from 0
	Lines     uint64   `json:"lines"`      // its length; the next stretch starts at FirstLine+Lines
	Cases     []Case   `json:"cases,omitempty"`
	Problems  []string `json:"problems,omitempty"` // results that could not be used, and why
}

// JobOutputComplete records that all output of a job has been read. Written by services/ingestion.
type JobOutputComplete struct {
	Job       JobID  `json:"job"`
	Lease     Lease  `json:"lease"`
	OutputSeq uint64 `json:"output_seq"` // last message of the job in OUTPUT; 0 where it said nothing
	ResultSeq uint64 `json:"result_seq"` // last message of the job in RESULTS
	Lines     uint64 `json:"lines"`
	Bytes     uint64 `json:"bytes"` // of record JSON
	Cases     uint64 `json:"cases"`
	Missing   uint64 `json:"missing,omitempty"` // lines that never came, where a limit ended the wait
	Reason    string `json:"reason,omitempty"`  // why lines are missing
}

// About places results on the subject of their own, result.<job>.
func (e ResultsRecorded) About() Entity   { return Entity{Result, e.Job.String()} }
func (e JobOutputComplete) About() Entity { return aboutJob(e.Job) }
