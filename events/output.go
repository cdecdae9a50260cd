package events

import (
	"encoding/json"
	"time"
)

// Level is the kind of a log record, in LAVA's words.
type Level string

// The levels of a log record.
const (
	Debug     Level = "debug"
	Info      Level = "info"
	Warning   Level = "warning"
	Error     Level = "error"
	Exception Level = "exception"
	Input     Level = "input"    // what was typed on the console
	Target    Level = "target"   // what the active console said
	Feedback  Level = "feedback" // what another namespace's console said
	Results   Level = "results"  // Message is a mapping: one result
	EventText Level = "event"    // text of lava-test-event
	FileData  Level = "file"     // Message is a [FilePart]: bytes of a file that a test gave, or its end
)

// Record is one line of a job's log. Line numbers count records from 0 and are not in the record:
// the frame has the first one.
type Record struct {
	Time      time.Time       `json:"dt"`
	Level     Level           `json:"lvl"`
	Message   json.RawMessage `json:"msg"`                 // a JSON string, list or object
	Namespace string          `json:"ns,omitempty"`        // of feedback lines
	Continues bool            `json:"continues,omitempty"` // was cut at 32 KiB: the next record goes on
}

// Frame is one message of OUTPUT: a run of records of one job. The subject is output.<job>; the
// body holds Count records as JSON, one a line, at most 64 KiB in all.
type Frame struct {
	Job   JobID
	Lease Lease
	First uint64 // number of its first record within the job's log, from 0
	Count uint64
	Body  []byte
	// Secret is of the sender and of this log: it makes the message ids, and does not travel. A
	// decoded frame has none; one that is sent without has no message id.
	Secret string
}

// Limits of output, in bytes.
const (
	MaxFrameBytes  = 64 << 10
	MaxRecordBytes = 32 << 10
)
