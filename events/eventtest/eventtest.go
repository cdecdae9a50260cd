// Package eventtest gives each test a broker of its own: a real nats-server inside the test
// process, which syncs each write, keeps its store in the test's directory and is ready in
// milliseconds. Tests run beside one another; nothing is shared.
//
//	b := eventtest.Start(t)
//	b.Append(t, events.DeviceAdded{…})          // what happened before
//	go scheduling.Run(t.Context(), scheduling.Deps{Log: b.Log, …})
//	got := eventtest.Await[events.JobScheduled](t, b.Log, nil)
//
// Do not put the broker into a testing/synctest bubble: it hangs there.
package eventtest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/stream"
)

// Patience is how long helpers wait for what should come at once: long, as a loaded machine may
// take its time, and no test succeeds by waiting.
const Patience = time.Minute

// Options changes what [StartWith] gives.
type Options struct {
	TCP      bool   // listen on a free port of 127.0.0.1, for clients in other processes
	FirstJob uint64 // number of the first job; 0 is 1
	Now      func() time.Time
	Server   func(*server.Options)  // changes how the broker is started, such as its authorization
	Connect  []nats.Option          // of all connections, such as a user
	Settings func(*stream.Settings) // changes how the log is opened
}

// Broker is a running broker with an open log. It ends with the test.
type Broker struct {
	Log  *stream.Log // takes any event, in its writer's name
	Conn *nats.Conn  // that of Log
	URL  string      // nats://127.0.0.1:… with Options.TCP

	options Options
	server  server.Options
	mu      sync.Mutex // guards running
	running *server.Server
}

// Start starts a broker for a test.
func Start(t testing.TB) *Broker {
	t.Helper()
	return StartWith(t, Options{})
}

// StartWith starts a broker as o says.
func StartWith(t testing.TB, o Options) *Broker {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Broker{options: o, server: server.Options{
		ServerName: "test", JetStream: true, SyncAlways: true, StoreDir: t.TempDir(),
		DontListen: !o.TCP, Host: "127.0.0.1", Port: server.RANDOM_PORT,
		NoLog: true, NoSigs: true, MaxPayload: 8 << 20,
	}}
	if o.Server != nil {
		o.Server(&b.server)
	}
	b.start(t)
	t.Cleanup(b.Stop)
	for _, a := range b.server.Accounts { // those of Options.Server, which are made without JetStream
		if name := a.GetName(); name != b.server.SystemAccount {
			b.enable(t, name)
		}
	}
	if o.TCP {
		b.URL = b.running.ClientURL()
		b.server.Port = b.running.Addr().(*net.TCPAddr).Port // a restart has to be found again
	}
	b.Conn = b.Connect(t)
	b.Log = b.Open(t, b.Conn)
	return b
}

// Stop stops the broker; connections try to come back. Nothing is flushed that was not written
// before: each write was synced.
func (b *Broker) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == nil {
		return
	}
	b.running.Shutdown()
	b.running.WaitForShutdown()
	b.running = nil
}

// Restart stops the broker, if it runs, and starts it on the same store and address.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	b.Stop()
	b.start(t)
}

// Connect returns a further connection, closed with the test. It comes back after a restart.
func (b *Broker) Connect(t testing.TB, options ...nats.Option) *nats.Conn {
	t.Helper()
	all := []nats.Option{nats.Timeout(Patience), nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}
	url := b.URL
	if !b.options.TCP {
		all, url = append(all, nats.InProcessServer(b)), ""
	}
	all = append(append(all, b.options.Connect...), options...)
	nc, err := nats.Connect(url, all...)
	if err != nil {
		t.Fatalf("connect to the test's broker: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// Open opens a further log, on a connection of its own or another's.
func (b *Broker) Open(t testing.TB, nc *nats.Conn) *stream.Log {
	t.Helper()
	s := stream.Settings{Now: b.options.Now, FirstJob: b.options.FirstJob,
		Synced: func() (bool, error) { return b.server.SyncAlways, nil }}
	if b.options.Settings != nil {
		b.options.Settings(&s)
	}
	l, err := stream.Open(t.Context(), nc, s)
	if err != nil {
		t.Fatalf("open the log on the test's broker: %v", err)
	}
	return l
}

// Monitor returns host and port of the broker's monitoring address, where Options.Server asked for one.
func (b *Broker) Monitor() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running.MonitorAddr().String()
}

// WebsocketURL returns where the broker takes websockets, "ws://127.0.0.1:…", where Options.Server asked for that.
func (b *Broker) WebsocketURL() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running.WebsocketURL()
}

// InProcessConn connects to the broker that runs at the moment; it makes Broker what
// nats.InProcessServer asks for.
func (b *Broker) InProcessConn() (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == nil {
		return nil, errors.New("the test's broker is stopped")
	}
	return b.running.InProcessConn()
}

// Append records facts without a condition: several of one stream as one batch, more than a batch
// holds in several.
func (b *Broker) Append(t testing.TB, facts ...events.Event) []stream.Recorded {
	t.Helper()
	var all []stream.Recorded
	for len(facts) > 0 {
		n := min(len(facts), stream.MaxBatch)
		drafts := make([]stream.Draft, n)
		for i, e := range facts[:n] {
			drafts[i] = stream.Draft{Event: e}
		}
		recorded, err := b.Log.Append(t.Context(), drafts, nil)
		if err != nil {
			t.Fatalf("append what happened before: %v", err)
		}
		all, facts = append(all, recorded...), facts[n:]
	}
	return all
}

// Submit publishes a job definition as a user and returns the job's number.
func (b *Broker) Submit(t testing.TB, user events.UserName, text string) events.JobID {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	ack, err := b.Log.JetStream().Publish(ctx, "submit."+events.EscapeToken(string(user)), []byte(text))
	if err != nil {
		t.Fatalf("submit a job as %s: %v", user, err)
	}
	return events.JobID(ack.Sequence)
}

// Await returns the first fact of type E for which match is true (any E where match is nil), from
// the log's beginning on. It fails the test where none comes within [Patience].
func Await[E events.Event](t testing.TB, l *stream.Log, match func(E) bool) E {
	t.Helper()
	r := AwaitRecorded(t, l, match)
	return r.Event.(E)
}

// AwaitRecorded is [Await] that returns the fact with its place.
func AwaitRecorded[E events.Event](t testing.TB, l *stream.Log, match func(E) bool) stream.Recorded {
	t.Helper()
	var zero E
	name := stream.Lab
	if zero.About().Kind == events.Result {
		name = stream.Results
	}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	var found stream.Recorded
	errFound := errors.New("found")
	err := l.Follow(ctx, name, 1, func(r stream.Recorded) error {
		if e, ok := r.Event.(E); ok && (match == nil || match(e)) {
			found = r
			return errFound
		}
		return nil
	})
	if !errors.Is(err, errFound) {
		t.Fatalf("await %s: none within %s (%v); recorded:\n%s", events.Name(zero), Patience, err, Story(t, l, name))
	}
	return found
}

// Facts returns all facts that a stream has.
func Facts(t testing.TB, l *stream.Log, name string) []stream.Recorded {
	t.Helper()
	var all []stream.Recorded
	err := l.ReadAll(context.WithoutCancel(t.Context()), name, 1, func(r stream.Recorded) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return all
}

// enable gives an account JetStream without limits.
func (b *Broker) enable(t testing.TB, account string) {
	t.Helper()
	a, err := b.running.LookupAccount(account)
	if err == nil {
		err = a.EnableJetStream(nil, nil)
	}
	if err != nil {
		t.Fatalf("enable JetStream for account %s of the test's broker: %v", account, err)
	}
}

// start starts the server and waits until it takes connections.
func (b *Broker) start(t testing.TB) {
	t.Helper()
	o := b.server // the server writes into its options
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatalf("start the test's broker: %v", err)
	}
	s.Start()
	if !s.ReadyForConnections(Patience) {
		t.Fatalf("the test's broker is not ready after %s", Patience)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = s
}
