package lavaworker

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"strata/dispatcher/worker"
	"strata/events"
	"strata/services/api"
)

// Deps is what the stand-ins need from outside.
type Deps struct {
	Servers string   // addresses of the broker, with commas between them
	Dir     string   // below it each stand-in has its state directory
	Command []string // runs one job's stand-in; the job's directory is appended
	Build   string   // version of this binary
	MinFree uint64   // bytes; see worker.Deps
	// Away is how long a far worker may be silent before it counts as offline; 0 is a minute. It asks
	// every 20 s where nobody changed that.
	Away   time.Duration
	Logger *slog.Logger
	Now    func() time.Time
	After  func(time.Duration) <-chan time.Time
	NATS   []nats.Option
}

// Workers are the stand-ins of this process.
// Each stand-in has a connection to the bus of its own; there are as many as far workers that ask.
type Workers struct {
	Deps

	mu      sync.Mutex
	ctx     context.Context // of Run; nil while it does not run
	present map[events.WorkerName]*standIn
	running sync.WaitGroup
}

// standIn is a far worker that has asked lately.
// asked holds one sign of life at most: more of them say nothing new.
type standIn struct {
	asked chan struct{}
}

// New returns no stand-ins yet.
func New(d Deps) *Workers {
	if d.Away == 0 {
		d.Away = time.Minute
	}
	return &Workers{Deps: d, present: map[events.WorkerName]*standIn{}}
}

// Run keeps the stand-ins until ctx ends.
func (w *Workers) Run(ctx context.Context) error {
	w.mu.Lock()
	w.ctx = ctx
	w.mu.Unlock()
	<-ctx.Done()
	w.mu.Lock()
	w.ctx = nil
	w.mu.Unlock()
	w.running.Wait()
	return nil
}

// stateDir is where the stand-in of a worker keeps its orders.
// Escaped like a token of the bus: names of workers may have dots and anything else.
func (w *Workers) stateDir(name events.WorkerName) string {
	return filepath.Join(w.Dir, events.EscapeToken(string(name)))
}

// heard notes that a worker has asked, under the token that it has.
// It returns at once; the stand-in connects beside it, and the first answers list nothing.
func (w *Workers) heard(name events.WorkerName, token string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx == nil {
		return errors.New("the service for LAVA's workers does not run")
	}
	if s := w.present[name]; s != nil {
		select {
		case s.asked <- struct{}{}:
		default:
		}
		return nil
	}
	s := &standIn{asked: make(chan struct{}, 1)}
	w.present[name] = s
	// Of Run, not of the request: the stand-in stays when the request is answered.
	ctx, stop := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- worker.Run(ctx, worker.Deps{Name: name, Servers: w.Servers, Token: token, StateDir: w.stateDir(name), Command: w.Command,
			Build: w.Build, MinFree: w.MinFree, Elsewhere: true, Logger: w.Logger.With("worker", name), Now: w.Now, After: w.After, NATS: w.NATS})
	}()
	w.running.Go(func() {
		defer stop()
		err := w.keep(s, ended)
		stop()
		if err == nil {
			err = <-ended
		}
		if err != nil {
			w.Logger.Error("stand-in of a LAVA worker ended", "worker", name, "err", err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		// The next sign of life makes another: a stand-in that failed is tried again every 20 s.
		delete(w.present, name)
	})
	return nil
}

// keep waits until the worker has been silent for too long, or its stand-in has ended by itself.
// Stopping a stand-in leaves its jobs' processes alone, as stopping a worker does.
func (w *Workers) keep(s *standIn, ended chan error) error {
	silent := time.NewTimer(w.Away)
	defer silent.Stop()
	for {
		select {
		case <-s.asked:
			silent.Reset(w.Away)
		case <-silent.C:
			return nil
		case err := <-ended:
			ended <- nil
			return err
		}
	}
}

// Mount adds LAVA's worker interface to the interfaces of a lab.
// The addresses end in slashes, as lava-worker asks them; LAVA's CSRF rule does not hold here, for there
// is no cookie: the header LAVA-Token is the credential.
func (w *Workers) Mount(mux *http.ServeMux, in api.Inside) {
	d := &doors{workers: w, in: in}
	mux.HandleFunc("GET /scheduler/internal/v1/workers/{name}/", d.ping)
	mux.HandleFunc("POST /scheduler/internal/v1/workers/{$}", d.register)
	mux.HandleFunc("POST /scheduler/internal/v1/workers/{name}/{$}", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "POST is forbidden for such url")
	})
	mux.HandleFunc("/scheduler/internal/v1/jobs/{job}/", d.job)
}

// same compares secrets.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
