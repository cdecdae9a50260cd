// Package order holds the shapes that dispatch and a worker hand each other: orders down, reports
// up.
//
// An [Order] travels on work.<worker> in the stream WORK, a [Report] on report.<worker> in the
// stream REPORTS. Neither is a fact. An order is a request that the worker may refuse; a report is
// a claim that dispatch believes or not, and only then a fact follows. Both are delivered at least
// once, so both sides must bear repeats: a worker knows an order by its device and lease, dispatch
// knows a report by its job, lease and kind.
//
// The lease is the fencing number of the assignment (see events.Lease). Every order and report about
// a job carries it; whoever sees one lower than the highest it knows for the device does nothing
// with it.
//
// The package imports nothing of the project: numbers and names are plain here.
package order

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Version is the version of both shapes that this package writes. A reader refuses a higher one:
// a worker that is older than the lab must not guess what an order means.
const Version = 1

// Oldest is the oldest version of both shapes that this package still reads. Releases of the lab and of
// workers between the two work together; who is outside is told so, see [Known].
const Oldest = 1

// Known says whether a version is one that this package reads.
func Known(version int) bool { return version >= Oldest && version <= Version }

// window names the versions that are read.
func window() string {
	if Oldest == Version {
		return strconv.Itoa(Version)
	}
	return fmt.Sprintf("%d to %d", Oldest, Version)
}

// Misfit says in a sentence why somebody who speaks a version cannot be worked with, and which side has
// to be updated; empty where he can.
func Misfit(version int) string {
	switch {
	case Known(version):
		return ""
	case version > Version:
		return fmt.Sprintf("the worker speaks version %d of orders and this lab %s: update the lab, or install the worker's release that fits it", version, window())
	}
	return fmt.Sprintf("the worker speaks version %d of orders and this lab %s: update the worker", version, window())
}

// InlineLimit is the size, in bytes, up to which a text stands in the order itself. A longer one
// lies in the bucket [Texts], and the order names its key.
const InlineLimit = 256 << 10

// Texts is the key-value bucket of the broker in which long texts of orders lie, one value a text,
// under the key <worker>.<job>-<lease>.<name>. It is a key-value bucket, not an object store,
// because a worker may then be given the right to read its own keys and no others.
const Texts = "orders"

// Kind says what an order asks for.
type Kind string

// What an order asks for.
const (
	// Start asks for the job to be run. A worker that has seen the lease before starts nothing, but
	// says again what became of it.
	Start Kind = "start"
	// Cancel asks for the job's end. Where Over is set the job is finished in the lab's eyes already,
	// and only the board has to be let go.
	Cancel Kind = "cancel"
	// Check asks what became of the job. A worker that does not know it answers [Unknown], and from
	// then on never starts that lease.
	Check Kind = "check"
	// Discard says that all output of the job has been read: the spool may go.
	Discard Kind = "discard"
	// Tell asks for a holding report; it is about no job.
	Tell Kind = "tell"
)

// Order is what dispatch asks of one worker.
type Order struct {
	Version int    `json:"version"`
	Kind    Kind   `json:"kind"`
	Job     uint64 `json:"job,omitempty"`    // 0 for tell
	Lease   uint64 `json:"lease,omitempty"`  // 0 for tell
	Device  string `json:"device,omitempty"` // empty for a guest, which has none
	Reason  string `json:"reason,omitempty"` // why to cancel, as the job's log shows it
	Over    bool   `json:"over,omitempty"`   // of cancel: the lease is over, the verdict interests nobody
	Work    *Work  `json:"work,omitempty"`   // of start
}

// Work is all that a worker needs to run a job.
type Work struct {
	Display     string `json:"display"`               // the number as users see it, such as "40.1"
	Definition  Text   `json:"definition"`            // the job definition, YAML, byte for byte
	Device      Text   `json:"device"`                // the device's rendered configuration, YAML
	Dispatcher  Text   `json:"dispatcher"`            // the worker's dispatcher.yaml, or empty
	Env         Text   `json:"env"`                   // env.yaml: shapes the job process's environment
	EnvDUT      Text   `json:"env_dut"`               // env-dut.yaml: exported on the target
	Credential  string `json:"credential"`            // opaque token of the job's process on the bus
	Group       string `json:"group,omitempty"`       // multinode group, or empty
	OutputLimit int64  `json:"output_limit"`          // bytes of log records; 0: the worker's default
	FileLimit   int64  `json:"file_limit,omitempty"`  // bytes of one file of a test; 0: the worker's default
	FilesLimit  int64  `json:"files_limit,omitempty"` // bytes of all of them; 0: the worker's default
	Traceparent string `json:"traceparent,omitempty"` // W3C trace context of the JobScheduled fact

	// Secrets are what the definition names instead of writing it, by their names: see job.WithSecrets. No log
	// shows them.
	Secrets map[string]string `json:"secrets,omitempty"`
}

// Text is a text of an order: in place, or by reference when longer than [InlineLimit].
type Text struct {
	Inline string `json:"inline,omitempty"`
	Key    string `json:"key,omitempty"`    // in the bucket [Texts]; empty: Inline is the text
	SHA256 string `json:"sha256,omitempty"` // of the text, lower-case hex; set where Key is
	Bytes  int    `json:"bytes,omitempty"`  // of the text; set where Key is
}

// MaxSentence is the size, in bytes, up to which a sentence of a report is kept. The lab records it,
// and a fact has to fit into one message.
const MaxSentence = 64 << 10

// Claim says what a report claims.
type Claim string

// What a report claims.
const (
	Taken      Claim = "taken"       // the order lies on the worker's disk
	Refused    Claim = "refused"     // the order will never be started by this worker; Reason says why
	Started    Claim = "started"     // the job's process runs
	Finished   Claim = "finished"    // the job's process ended; Verdict says how
	Unknown    Claim = "unknown"     // asked for by check: no such job here, and the lease will never be started
	Holding    Claim = "holding"     // the leases the worker has, told at each return and now and then
	SpoolEmpty Claim = "spool-empty" // all output of the lease has been acknowledged by the broker
)

// Report is what a worker claims. Which worker it is from is told by the subject alone.
type Report struct {
	Version int      `json:"version"`
	Claim   Claim    `json:"claim"`
	Number  uint64   `json:"number"`            // grows with each report of this worker's state directory
	Job     uint64   `json:"job,omitempty"`     // 0 for holding
	Lease   uint64   `json:"lease,omitempty"`   // 0 for holding
	Device  string   `json:"device,omitempty"`  // as in the order
	At      string   `json:"at"`                // RFC 3339 with nanoseconds, UTC, the worker's clock
	Reason  string   `json:"reason,omitempty"`  // of refused, a sentence
	Verdict *Verdict `json:"verdict,omitempty"` // of finished
	Session string   `json:"session,omitempty"` // of holding: which stretch of presence it opens
	Build   string   `json:"build,omitempty"`   // of holding: version of the worker's binary
	Held    []Held   `json:"held,omitempty"`    // of holding
	Lines   uint64   `json:"lines,omitempty"`   // of spool-empty: records in the spool
}

// Verdict is how a job's process ended.
type Verdict struct {
	Result    string `json:"result"`               // "pass" or "fail"
	ErrorType string `json:"error_type,omitempty"` // LAVA's word, such as "Infrastructure"; empty for pass
	Error     string `json:"error,omitempty"`      // the sentence users see
	Lines     uint64 `json:"lines"`                // log records in the spool
}

// Held is one lease that a worker has something of.
type Held struct {
	Job    uint64 `json:"job"`
	Lease  uint64 `json:"lease"`
	Device string `json:"device,omitempty"`
	Runs   bool   `json:"runs"` // the job waits or runs; false: only its spool is left
}

// Presence is the value of a worker's key in the bucket presence: it is there, with this session.
// The key's TTL ends it when the worker stops renewing it.
type Presence struct {
	Version int    `json:"version"`
	Session string `json:"session"`
	Build   string `json:"build"`             // version of the worker's binary
	Refuses string `json:"refuses,omitempty"` // why it takes no new jobs now, such as a full disk
	// Place and Host tell two processes apart that were given one name: the random name of the state
	// directory and the name of the machine. Who finds the key with others' does not begin a session.
	Place string `json:"place,omitempty"`
	Host  string `json:"host,omitempty"`
}

// Decode reads an order. The error names what is wrong: not JSON, another version, an unknown kind,
// or a number that is missing.
// Keys it does not know are passed over: a newer lab may say more within one version.
func Decode(data []byte) (Order, error) {
	var o Order
	if err := json.Unmarshal(data, &o); err != nil {
		return Order{}, fmt.Errorf("read order: %w", err)
	}
	if !Known(o.Version) {
		return Order{}, fmt.Errorf("read order: version is %d, this worker knows %s", o.Version, window())
	}
	switch o.Kind {
	case Tell:
		return o, nil
	case Start, Cancel, Check, Discard:
	default:
		return Order{}, fmt.Errorf("read order: kind is %q, want start, cancel, check, discard or tell", o.Kind)
	}
	if o.Job == 0 || o.Lease == 0 {
		return Order{}, fmt.Errorf("read order: job is %d and lease %d, want both above 0", o.Job, o.Lease)
	}
	if o.Kind == Start && o.Work == nil {
		return Order{}, fmt.Errorf("read order: start of job %d has no work", o.Job)
	}
	return o, nil
}

// Head reads as much of an order as is needed to refuse one that [Decode] does not take: version, kind,
// job, lease and device, which every version has under these names. What is not there is zero.
func Head(data []byte) Order {
	var head struct {
		Version int    `json:"version"`
		Kind    Kind   `json:"kind"`
		Job     uint64 `json:"job"`
		Lease   uint64 `json:"lease"`
		Device  string `json:"device"`
	}
	if json.Unmarshal(data, &head) != nil {
		return Order{}
	}
	return Order{Version: head.Version, Kind: head.Kind, Job: head.Job, Lease: head.Lease, Device: head.Device}
}

// DecodeReport reads a report, refusing what [Decode] refuses of an order. Sentences longer than
// [MaxSentence] are cut.
// Which worker it is from is not in it and not believed: the subject says so, which the broker guards.
func DecodeReport(data []byte) (Report, error) {
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return Report{}, fmt.Errorf("read report: %w", err)
	}
	if !Known(r.Version) {
		return Report{}, fmt.Errorf("read report: version is %d, want %s", r.Version, window())
	}
	r.Reason, r.Build = Sentence(r.Reason), Sentence(r.Build)
	if r.Verdict != nil {
		r.Verdict.Error = Sentence(r.Verdict.Error)
	}
	switch r.Claim {
	case Holding:
		if r.Session == "" {
			return Report{}, fmt.Errorf("read report: holding has no session")
		}
		return r, nil
	case Taken, Refused, Started, Finished, Unknown, SpoolEmpty:
	default:
		return Report{}, fmt.Errorf("read report: claim is %q, which is none of the seven", r.Claim)
	}
	if r.Job == 0 || r.Lease == 0 {
		return Report{}, fmt.Errorf("read report: %s of job %d, lease %d: want both above 0", r.Claim, r.Job, r.Lease)
	}
	if r.Claim == Finished && r.Verdict == nil {
		return Report{}, fmt.Errorf("read report: finished of job %d has no verdict", r.Job)
	}
	return r, nil
}

// Sentence returns what is kept of a sentence: workers send no more, and the lab takes no more.
// A character that the cut has halved is left out.
func Sentence(s string) string {
	if len(s) <= MaxSentence {
		return s
	}
	return strings.ToValidUTF8(s[:MaxSentence], "") + "…"
}
