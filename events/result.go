package events

import (
	"cmp"
	"time"
)

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

// File is a file that a test gave. Its bytes stand in the job's log, so that they are kept, archived,
// shown and erased with it: in Parts lines from First on. Files of a job with equal bytes share them.
type File struct {
	Suite  string    `json:"suite"` // "0_smoke"
	Set    string    `json:"set,omitempty"`
	Case   string    `json:"case,omitempty"` // the case that it belongs to; empty for the whole suite
	Name   string    `json:"name"`           // letters, digits, ".", "_", "+" and "-", 1 to 128 of them
	Kind   string    `json:"kind,omitempty"` // junit, tap, ktap: its cases are among the results
	Bytes  uint64    `json:"bytes"`
	SHA256 string    `json:"sha256"` // of its bytes, lower-case hex
	First  uint64    `json:"first"`  // the log line with its first part, from 0
	Parts  uint64    `json:"parts"`  // how many lines from there on have its bytes; 0 for an empty file
	Line   uint64    `json:"line"`   // the log line that says that it is whole
	At     time.Time `json:"at"`     // that record's time, the worker's clock
}

// FilePart is the message of a log record of level [FileData]: Data, or File once all of it was said.
// Its parts follow one another in the log without other lines between them.
type FilePart struct {
	Data []byte `json:"data,omitempty"` // at most [MaxPartBytes]; base64 in JSON
	// Erased is how many bytes stood here until the lab's rule erased them; see [JobFilesErased].
	Erased int   `json:"erased,omitempty"`
	File   *File `json:"file,omitempty"` // Line and At are left to the reader
}

// FileName says whether a name is one that a file of a test may have: it can stand in an address, a
// header and a directory, whoever chose it.
func FileName(name string) bool {
	if name == "" || len(name) > 128 || name == "." || name == ".." {
		return false
	}
	for _, b := range []byte(name) {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '.', b == '_', b == '+', b == '-':
		default:
			return false
		}
	}
	return true
}

// MaxPartBytes is how much of a file stands in one record, in bytes before base64.
const MaxPartBytes = 20 << 10

// CaseName names a case within a job, which may speak of it more than once.
type CaseName struct{ Suite, Set, Name string }

// Compare orders names by suite, set and name.
func (n CaseName) Compare(other CaseName) int {
	return cmp.Or(cmp.Compare(n.Suite, other.Suite), cmp.Compare(n.Set, other.Set), cmp.Compare(n.Name, other.Name))
}

// CaseSum is what all that a job said of a case comes to.
type CaseSum struct {
	Result      Outcome
	Measurement *float64
	Units       string
}

// SumCases puts the cases of a job together, as histories and comparisons see them: fail outweighs
// pass, that outweighs skip and skip the rest, and the last measurement counts. Of the suite lava only
// the case job is one: the others are steps, and how they went hangs on the device.
func SumCases(cases []Case) map[CaseName]CaseSum {
	weight := map[Outcome]int{Fail: 3, Pass: 2, Skip: 1}
	all := map[CaseName]CaseSum{}
	for _, c := range cases {
		if c.Suite == "lava" && c.Name != "job" {
			continue
		}
		name := CaseName{c.Suite, c.Set, c.Name}
		sum, known := all[name]
		if !known || weight[c.Result] > weight[sum.Result] {
			sum.Result = c.Result
		}
		if c.Measurement != nil {
			sum.Measurement, sum.Units = c.Measurement, c.Units
		}
		all[name] = sum
	}
	return all
}

// CaseNumber is the number of a test case in the lab, which LAVA's exports call its id: the sequence in
// RESULTS of the fact that has it, and its place there from 0. A message holds 8 MiB, so never as many
// as 1<<17 cases; and numbers stay below 1<<53, beyond which JSON readers round.
func CaseNumber(seq uint64, n int) uint64 { return seq<<17 | uint64(n) }

// CasePlace is the sequence and the place that [CaseNumber] made a number of.
func CasePlace(number uint64) (seq uint64, n uint32) {
	return number >> 17, uint32(number & (1<<17 - 1))
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
	Files     []File   `json:"files,omitempty"`
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
