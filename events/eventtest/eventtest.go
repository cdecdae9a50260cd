// Package eventtest gives each test a broker of its own: a real nats-server inside the test
// process, which syncs each write, keeps its store in the test's directory and is ready in
// milliseconds.
package eventtest

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/stream"
)

// Options changes what [Start] gives.
type Options struct {
	TCP      bool   // listen on a free port of 127.0.0.1, for clients in other processes
	FirstJob uint64 // number of the first job; 0 is 1
	Now      func() time.Time
	Settings func(*stream.Settings) // changes how the log is opened
}

// Broker is a running broker with an open log. It ends with the test.
type Broker struct {
	Log  *stream.Log // takes any event, in its writer's name
	Conn *nats.Conn  // with all rights
	URL  string      // nats://127.0.0.1:… with Options.TCP
}

// Start starts a broker for a test.
func Start(t testing.TB) *Broker { return StartWith(t, Options{}) }

// StartWith starts a broker as o says.
func StartWith(t testing.TB, o Options) *Broker { t.Helper(); panic("not written yet") }

// Stop stops the broker; connections try to come back.
func (b *Broker) Stop() {}

// Restart stops the broker, if it runs, and starts it on the same store and address.
func (b *Broker) Restart(t testing.TB) {}

// Connect returns a further connection, closed with the test.
func (b *Broker) Connect(t testing.TB) *nats.Conn { return nil }

// Append records facts without a condition, one after the other.
func (b *Broker) Append(t testing.TB, facts ...events.Event) []stream.Recorded { return nil }

// Await returns the first fact of type E for which match is true (any E where match is nil), from
// the log's beginning on. It fails the test where none comes within a minute.
func Await[E events.Event](t testing.TB, l *stream.Log, match func(E) bool) E {
	t.Helper()
	var e E
	return e
}

// Facts returns all facts of a stream there are.
func Facts(t testing.TB, l *stream.Log, name string) []stream.Recorded { return nil }
