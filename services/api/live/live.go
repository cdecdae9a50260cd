package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/services/api"
	"strata/services/api/zmtp"
)

// Prefix is that of topics where the configuration names none: LAVA's.
const Prefix = "org.lavasoftware"

// Settings are how a lab tells of itself.
type Settings struct {
	Prefix string // of topics; "" is [Prefix]
	// Listen is the address of ZeroMQ's publisher, such as "127.0.0.1:5500"; "" is none. It asks nobody
	// who he is, so it tells what everybody may see; with All it tells everything, as LAVA's does.
	Listen string
	All    bool
	Now    func() time.Time
	Logger *slog.Logger
}

// queued is how many events wait for a listener before he is cut off.
// Seconds of the busiest lab, minutes of any other: who is behind by so much does not read.
const queued = 1000

// Live tells LAVA's events to those who listen.
// One goroutine folds and tells; handlers of HTTP come and go as listeners.
type Live struct {
	Settings
	zmq     zmtp.Publisher
	written written // what watchers of logs have in common

	mu        sync.Mutex
	events    *translator
	told      bool // the lab has been read to its end once: what comes now is news
	listeners map[*listener]struct{}
}

// New returns a Live that nobody listens to yet. [Live.Run] makes it tell.
func New(s Settings) *Live {
	if s.Prefix == "" {
		s.Prefix = Prefix
	}
	return &Live{Settings: s, zmq: zmtp.Publisher{Now: s.Now}, events: newTranslator(lab.New()), listeners: map[*listener]struct{}{}}
}

// visitor is one who may listen: a person, who may be nobody, or a worker.
type visitor struct {
	caller  api.Caller        // who hears what he may see
	worker  events.WorkerName // or a worker, who hears of his own jobs
	through uint64            // sequence of LAB up to which the worker's token is known to be his
}

// listener is one who hears events.
type listener struct {
	visitor
	// queue has what he is to hear. Its elements are all listeners' together: with thousands of them a copy for each
	// would be most of what the lab keeps in memory.
	queue chan *Event
	slow  chan struct{} // closed when the queue has no room
	cut   chan struct{} // closed when the worker's token is worth nothing any more; a person's listening ends with its context
}

// hears says whether an event is the listener's to hear. Rights are asked of may, which remembers them.
func (l *listener) hears(e *Event, may func(events.UserName) bool) bool {
	if e.Topic == "event" {
		return false // LAVA tells these by ZeroMQ alone
	}
	if l.worker != "" {
		return e.Topic == "testjob" && e.worker == l.worker
	}
	return may(l.caller.User)
}

// listen adds a listener; leave takes him away.
// The queue's room is made at once, a thousand pointers: 8 kB for each listener.
func (l *Live) listen(who visitor) *listener {
	in := &listener{visitor: who, queue: make(chan *Event, queued), slow: make(chan struct{}), cut: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listeners[in] = struct{}{}
	return in
}

func (l *Live) leave(in *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.listeners, in)
}

// Run follows the lab until ctx ends.
// The error is of the address for ZeroMQ, or of the log's driver. Handlers may serve before and
// after; they hear nothing then.
func (l *Live) Run(ctx context.Context, log *stream.Log) error {
	ctx, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	if l.Listen != "" {
		listener, err := net.Listen("tcp", l.Listen)
		if err != nil {
			return fmt.Errorf("listen for ZeroMQ's subscribers: %w; listen.events names the address", err)
		}
		defer listener.Close()
		group.Go(func() {
			if err := l.zmq.Serve(listener); err != nil {
				l.Logger.Error("events by ZeroMQ end", "err", err)
			}
		})
		group.Go(func() {
			if err := l.readOutput(ctx, log); err != nil {
				l.Logger.Error("texts of lava-test-event end", "err", err)
			}
		})
	}
	return log.Run(ctx, stream.Driver{
		Name: "live", Fold: l.fold,
		Act: func(time.Time) (time.Time, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			// Facts from before the start are history, which LAVA's events do not tell.
			l.told = true
			return time.Time{}, nil
		},
		Checkpoint: &stream.Checkpoint{Format: lab.Format, Save: l.save, Load: l.load},
	})
}

func (l *Live) save() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events.lab.Encode()
}

func (l *Live) load(format string, data []byte) error {
	s, err := lab.Decode(format, data)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// What the checkpoint has is told of nobody: words change from there on.
	l.events = newTranslator(s)
	return nil
}

// fold takes a fact and tells of it. It runs on the driver's goroutine.
func (l *Live) fold(r stream.Recorded) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events.fold(r) {
		if l.told {
			l.tell(e)
		}
	}
	switch e := r.Event.(type) {
	case events.WorkerTokenRotated:
		l.cutWorker(e.Worker, r.Seq)
	case events.WorkerTokenTaken:
		l.cutWorker(e.Worker, r.Seq)
	case events.WorkerRemoved:
		l.cutWorker(e.Worker, r.Seq)
	}
}

// cutWorker ends the listening of a worker whose token has changed: it comes back with the new one, and whoever has the
// old one does not. Who came with the new one before the change was read here, at seq, stays. It holds the lock.
func (l *Live) cutWorker(name events.WorkerName, seq uint64) {
	for in := range l.listeners {
		if in.worker == name && in.through < seq {
			close(in.cut)
			delete(l.listeners, in)
		}
	}
}

// tell hands an event to everybody who may hear it. It holds the lock.
func (l *Live) tell(e Event) {
	// Most of thousands listen in one name, or in none: each name's right is looked up once.
	known := map[events.UserName]bool{}
	may := func(user events.UserName) bool {
		can, asked := known[user]
		if !asked {
			can = l.events.lab.Can(user, lab.View, e.about)
			known[user] = can
		}
		return can
	}
	for in := range l.listeners {
		if !in.hears(&e, may) {
			continue
		}
		if e.array == nil {
			e.array = e.marshal(l.Prefix)
		}
		select {
		// It never waits: a listener without room is cut off, and everybody else hears in time.
		case in.queue <- &e:
		default:
			close(in.slow)
			delete(l.listeners, in)
		}
	}
	if l.Listen != "" && (l.All || may("")) {
		var frames [][]byte
		for _, f := range e.Frames(l.Prefix) {
			frames = append(frames, []byte(f))
		}
		l.zmq.Publish(frames...)
	}
}

// readOutput looks in what jobs say for texts of lava-test-event, from now on.
// It is read only where ZeroMQ's publisher is open, since nobody else tells these.
func (l *Live) readOutput(ctx context.Context, log *stream.Log) error {
	last, err := log.Last(ctx, stream.Output)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	return log.ReadOutput(ctx, stream.OutputReader{From: last + 1, SkipGaps: true, Frame: func(f stream.OutputFrame) error {
		// Nearly all frames have none, and are spared being parsed.
		if !bytes.Contains(f.Body, []byte(`"lvl":"event"`)) {
			return nil
		}
		records, err := f.Records()
		if err != nil {
			return nil // ingestion says so
		}
		for i, r := range records {
			if r.Level == events.EventText {
				l.said(f, uint64(i), r.Message)
			}
		}
		return nil
	}})
}

// said tells of one text of lava-test-event.
// Its id is made of the job and the line, since it is no fact and has no sequence in LAB.
func (l *Live) said(f stream.OutputFrame, n uint64, message json.RawMessage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	display := f.Job.String()
	if j := l.events.lab.Job(f.Job); j != nil {
		display = j.Display
	}
	at := stream.Recorded{Seq: f.First + n, Time: f.At}
	e := newEvent(at, "event", server, events.Entity{Kind: events.Job, ID: strconv.FormatUint(uint64(f.Job), 10)}, saidData{message, display})
	l.tell(e)
}

// Mount adds what this package serves to the interfaces of a lab.
func (l *Live) Mount(mux *http.ServeMux, in api.Inside) {
	for pattern, serve := range map[string]func(api.Inside, http.ResponseWriter, *http.Request){
		"GET /api/v1/jobs/{job}/log/live":       l.ServeLog,
		"GET /api/v1/jobs/{job}/log/socket":     l.ServeLogSocket,
		"GET /api/v1/jobs/{job}/log/lines":      l.ServeLines,
		"GET /api/v1/jobs/{job}/log/outline":    l.ServeOutline,
		"GET /api/v1/jobs/{job}/log/search":     l.ServeSearch,
		"POST /api/v1/jobs/{job}/log/console":   l.ServeConsole,
		"POST /api/v1/devices/{device}/console": l.ServeDeviceConsole,
		"GET /api/v1/events/live":               l.ServeFacts,
		"GET /ws/{$}":                           l.ServeLAVA,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			// What a console says was written by whoever owns the board: no browser may take it for a page or a script,
			// whatever it begins with and whichever of these answers or refuses.
			w.Header().Set("X-Content-Type-Options", "nosniff")
			serve(in, w, r)
		})
	}
	mux.HandleFunc("GET /ws/v1/healthz", l.ServeLAVAHealth)
}
