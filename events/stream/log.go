package stream

import (
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
)

// Recorded is a fact with its place in the log. Several readers may hold the same one: what is behind its slices,
// maps and pointers is not changed.
type Recorded struct {
	Stream string // Lab or Results
	Seq    uint64
	ID     string    // UUIDv7
	Time   time.Time // when it was written, by the writer's clock
	Source string    // such as "services/scheduling"
	Actor  events.UserName
	From   string // by which door and from where the actor asked
	Cause  string // what led to it, such as "LAB/8812"
	Trace  string // W3C traceparent
	Event  events.Event
}

// Draft is a fact that is to be recorded. Append gives it its id and time.
type Draft struct {
	Event events.Event
	Actor events.UserName // who asked, where a user did
	From  string          // by which door and from where
	Cause string          // from [Cause], where something led to it
	Trace string          // W3C traceparent
}

// Settings says how a log is opened.
type Settings struct {
	// Writer is the service that appends; drafts of another's events are refused, which is how one
	// event keeps one writer. Empty takes any event in its writer's name: for tests and imports.
	Writer events.Service
	// Now is the clock; required.
	Now func() time.Time
	// Logger hears of retries and resets; nil is silent.
	Logger *slog.Logger
	// Synced tells whether the broker syncs each write to disk; see [SyncedByMonitor] and
	// [SyncedBySystem]. Where it is nil or says no, Open refuses unless AllowLossyBroker.
	Synced func() (bool, error)
	// AllowLossyBroker takes a broker that may lose acknowledged facts when the power fails.
	AllowLossyBroker bool
	// Replicas of each stream; 0 is 1. Streams that exist keep theirs.
	Replicas int
	// FirstJob is the number of the first job; 0 is 1. It counts only when SUBMISSIONS is made; where
	// that exists and begins earlier, Open refuses.
	FirstJob uint64
	// OutputBytes limits OUTPUT, which refuses frames when it is full; 0 is no limit.
	OutputBytes int64
	// AsyncOutput makes OUTPUT faster and less durable; see [PersistOutputAsync]. It counts only
	// when OUTPUT is made.
	AsyncOutput bool
	// PresenceTTL is how long a worker's sign of life lasts; 0 is 15 s.
	PresenceTTL time.Duration
	// TurnTTL is how long a [Turn] is kept for a process that says nothing more; 0 is 10 s.
	TurnTTL time.Duration
	// Archive has what was purged from the streams; nil: they are all there is.
	Archive *Archive
	// First is the sequence that a stream begins with where it is made, by its name: for a lab whose
	// older messages are in the archive. 0 is 1, and [Settings.FirstJob] of Submissions.
	First map[string]uint64
	// Patience is how long Open and Append try again while the broker does not answer; 0 is 30 s.
	Patience time.Duration
}

// Log is the lab's log on one connection. Its methods may be called from many goroutines.
type Log struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	s        Settings
	counters *Counters
	recent   *recent // of all writers in the process
}

// As returns the same log for another writer, with counters of its own: one process that runs
// several services opens the log once.
func (l *Log) As(w events.Service) *Log {
	c := *l
	c.s.Writer = w
	c.counters = new(Counters)
	return &c
}

// Conn returns the connection below, for requests and presence.
func (l *Log) Conn() *nats.Conn { return l.nc }

// JetStream returns the handle below, for orders, reports and definitions, which are not facts.
func (l *Log) JetStream() jetstream.JetStream { return l.js }

// Counters returns what the log has counted so far.
func (l *Log) Counters() *Counters { return l.counters }
