package stream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
)

var errTodo = errors.New("not written yet")

// The streams of a lab.
const (
	Submissions = "SUBMISSIONS" // submit.<user>, part.<P>.<n>: definitions; the sequence is the job's number
	Lab         = "LAB"         // facts of all entities
	Output      = "OUTPUT"      // output.<job>: frames
	Results     = "RESULTS"     // result.<job>: facts of results
	Work        = "WORK"        // work.<worker>: orders, until acknowledged
	Reports     = "REPORTS"     // report.<worker>: claims of workers, until acknowledged
	Sync        = "SYNC"        // sync.<group>: multinode messages
)

// The buckets of a lab.
const (
	Presence    = "presence"    // key-value: workers' signs of life, with a TTL
	Checkpoints = "checkpoints" // objects: snapshots of folds
	Parts       = "parts"       // objects: parts of work orders above 256 KiB
)

// Open returns the log on a broker. It makes the streams and buckets that are missing and checks
// those that exist. It refuses a broker that does not sync each write, unless told otherwise.
func Open(ctx context.Context, nc *nats.Conn, s Settings) (*Log, error) { return nil, errTodo }

// SyncedByMonitor asks the broker's monitoring address, such as http://127.0.0.1:8222.
func SyncedByMonitor(url string) func() (bool, error) { return nil }

// SyncedBySystem asks over a connection of the broker's system account.
func SyncedBySystem(nc *nats.Conn) func() (bool, error) { return nil }

// ErrConflict says that an entity has newer facts than the caller had read, or that its last fact
// has aged out. Nothing was recorded. See [Log.LastSeqs].
var ErrConflict = errors.New("conflict: somebody else was faster")

// MaxBatch is the number of facts that one Append can record.
const MaxBatch = 100

// Append records all drafts, in order, or none: one as a plain message, several as an atomic batch.
// expect returns the sequence of the last fact that the caller knows of an entity, 0 for none; a
// nil expect records without a condition. All drafts have to be of one stream, and at most
// [MaxBatch]: a caller with more divides them where the parts may stand alone, and folds what one
// call recorded before the next.
func (l *Log) Append(ctx context.Context, drafts []Draft, expect func(events.Entity) uint64) ([]Recorded, error) {
	return nil, errTodo
}

// Cause returns what stands in [Draft.Cause] for a message of a stream, such as "LAB/8812".
func Cause(stream string, seq uint64) string { return "" }

// Follow hands over the facts of Lab or Results from a sequence on, in order, each once, until ctx
// ends (then it returns nil) or fold returns an error.
func (l *Log) Follow(ctx context.Context, stream string, from uint64, fold func(Recorded) error) error {
	return errTodo
}

// ReadAll hands over the facts from a sequence to the stream's end, and returns.
func (l *Log) ReadAll(ctx context.Context, stream string, from uint64, fold func(Recorded) error) error {
	return errTodo
}

// Driver is a service's loop: fold what happened, then act.
type Driver struct {
	Name   string // of the service, such as "scheduling"; its checkpoint's name too
	Stream string // empty is Lab
	// Fold takes a fact. It cannot fail: the fact has happened.
	Fold func(Recorded)
	// Act is called whenever Fold has had everything there is: at the start, after new facts and at
	// the time it asked for. A zero wake asks for none.
	Act func(now time.Time) (wake time.Time, err error)
	// Checkpoint is nil for a fold that begins at the stream's first fact.
	Checkpoint *Checkpoint
}

// Checkpoint saves a fold, so that a restart replays seconds and not history.
type Checkpoint struct {
	Format string                                 // of what Save returns, such as "scheduling.v1"
	Save   func() ([]byte, error)                 // the fold as bytes
	Load   func(format string, data []byte) error // the reverse, old formats too; leaves the fold alone on error
	Facts  int                                    // saved after that many facts; 0 is 50,000
	Period time.Duration                          // and after that time, if there are new ones; 0 is 1 min
}

// Drive runs a loop over Lab without a checkpoint; see [Log.Run].
func (l *Log) Drive(ctx context.Context, name string, fold func(Recorded), act func(now time.Time) (wake time.Time, err error)) error {
	return l.Run(ctx, Driver{Name: name, Fold: fold, Act: act})
}

// Run drives a service until ctx ends, which is an orderly stop: it saves the checkpoint and
// returns nil. An error of Act, or a fact that this binary cannot read, ends it too.
func (l *Log) Run(ctx context.Context, d Driver) error { return errTodo }

// SaveCheckpoint keeps a fold's snapshot: the state after the stream's fact seq.
func (l *Log) SaveCheckpoint(ctx context.Context, name, format string, seq uint64, data []byte) error {
	return errTodo
}

// LoadCheckpoint returns the last snapshot of that name; seq 0 where there is none.
func (l *Log) LoadCheckpoint(ctx context.Context, name string) (format string, seq uint64, data []byte, err error) {
	return "", 0, nil, errTodo
}

// Load returns all facts of one entity that the stream still has, in order.
func (l *Log) Load(ctx context.Context, e events.Entity) ([]Recorded, error) { return nil, errTodo }

// Last returns the sequence of the last message of a stream, 0 where there was none.
func (l *Log) Last(ctx context.Context, stream string) (uint64, error) { return 0, errTodo }

// LastSeqs returns the sequence of each entity's last fact, 0 where the stream has none: what to
// expect after a conflict for entities whose facts may have aged out.
func (l *Log) LastSeqs(ctx context.Context, entities []events.Entity) (map[events.Entity]uint64, error) {
	return nil, errTodo
}

// Submission is a job definition as it was published.
type Submission struct {
	Job   events.JobID // its sequence
	User  events.UserName
	Part  string    // "<P>.<n>" of a part, "" of a user's submission
	At    time.Time // when the bus took it
	Text  []byte
	MsgID string
	// Header holds the message's other headers.
	Header nats.Header
}

// Submission returns a definition by its number; ErrNoSubmission where it is not there (any more).
func (l *Log) Submission(ctx context.Context, seq uint64) (Submission, error) {
	return Submission{}, errTodo
}

// SubmissionText returns the text of a definition by its number.
func (l *Log) SubmissionText(ctx context.Context, seq uint64) ([]byte, error) { return nil, errTodo }

// FollowSubmissions hands over definitions from a sequence on, until ctx ends or each fails.
// pending is the number of definitions that wait behind this one.
func (l *Log) FollowSubmissions(ctx context.Context, from uint64, each func(s Submission, pending uint64) error) error {
	return errTodo
}

// ErrNoSubmission says that SUBMISSIONS has no such message.
var ErrNoSubmission = errors.New("no such submission")

// OutputReader says which frames are wanted and takes them.
type OutputReader struct {
	Job  events.JobID // of one job; 0 is all jobs
	From uint64       // first sequence in OUTPUT to read; 0 is the first there is
	// Next returns the first line that is wanted of a job; asked once, before its first frame. nil
	// is 0.
	Next func(events.JobID) uint64
	// Frame takes the next lines of a job: f.First is where the last frame ended, nothing comes
	// twice. seq is the sequence in OUTPUT that f came with.
	Frame func(f events.Frame, seq uint64) error
	// Gap is told once of lines [from,to) that are missing while later ones have come. Those are kept
	// back until the gap is filled. nil: nobody has to know.
	Gap func(job events.JobID, from, to uint64) error
	// CaughtUp is called whenever everything in OUTPUT has been read; nil: nobody has to know.
	CaughtUp func(seq uint64) error
	// ToEnd ends the reading there, instead of when ctx ends.
	ToEnd bool
	// SkipGaps hands over the later lines at once and forgets the missing ones: for live readers.
	SkipGaps bool
}

// ReadOutput hands over lines of output in order and without doubles until ctx ends (it returns
// nil), the end is reached where that was asked, or a function of r returns an error.
func (l *Log) ReadOutput(ctx context.Context, r OutputReader) error { return errTodo }

// TailFrame is what a live reader gets.
type TailFrame struct {
	events.Frame
	Lost uint64 // lines before this frame that the reader was too slow for, or that are missing
}

// Tail follows the live output of one job from a line on. The channel has room for buffer frames;
// what comes while it is full is lost to this reader, and the next frame says how many lines. It is
// closed when ctx ends; err then returns why, nil for ctx.
func (l *Log) Tail(ctx context.Context, job events.JobID, line uint64, buffer int) (frames <-chan TailFrame, err func() error) {
	return nil, nil
}

// PublishFrame sends a frame and waits for the broker's acknowledgement; it needs no right but that to publish on
// the job's subject. It does not try again.
func PublishFrame(ctx context.Context, js jetstream.JetStream, f events.Frame) (seq uint64, err error) {
	return 0, errTodo
}
