package door

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"strata/events"
	"strata/services/api/quota"
	"strata/services/api/turns"
)

// Settings are the bounds of a door. Zero values have the defaults that are named.
// cmd/strata sets them from the keys under limits in the configuration.
type Settings struct {
	Logger   *slog.Logger
	Now      func() time.Time
	Body     int64         // bytes of a request; 8 MiB, as much as a message of the bus
	Sizes    []Size        // of some kinds of requests
	Places   int           // requests of all callers at a time; 1,024
	AtOnce   int           // of them, of one user, or of one address without a name; 64
	Patience time.Duration // how long further ones wait for their turn; 10 s
	Token    quota.Rate    // of each token or session that the lab knows; the zero rate bounds nothing
	Address  quota.Rate    // of all others at one address, together
	// Such as health and version, which monitors ask and which must answer under any load.
	Free func(*http.Request) bool // says which requests have no rate and no turn; nil: none
}

const (
	callers = 16 << 10 // how many callers are remembered for their rates: some megabytes
	// How many requests of one caller wait for their turn: all that the rates let come at once.
	waiting = 4 << 10
)

// Door hands requests to the handler behind it while it is open.
// Open, Shut and Recognise may be called at any time, from any goroutine.
type Door struct {
	s       Settings
	handler atomic.Pointer[http.Handler]
	whose   atomic.Pointer[func(*http.Request) (string, events.UserName)]
	turns   *turns.Turns

	tokens, addresses *quota.Quota
}

// New returns a door that is shut.
func New(s Settings) *Door {
	s.Body, s.Places, s.AtOnce, s.Patience = cmp.Or(s.Body, 8<<20), cmp.Or(s.Places, 1024), cmp.Or(s.AtOnce, 64), cmp.Or(s.Patience, 10*time.Second)
	return &Door{s: s, turns: turns.New(turns.Bounds{Places: s.Places, Of: s.AtOnce, Waiting: waiting}),
		tokens: quota.New(s.Token, callers), addresses: quota.New(s.Address, callers)}
}

// Open lets requests through to h.
func (d *Door) Open(h http.Handler) { d.handler.Store(&h) }

// Recognise has requests counted for the tokens and users that whose names, rather than for their addresses. It must be
// sure of a caller, and returns "" where it is not: names that a client could make up would be new ones each time.
func (d *Door) Recognise(whose func(*http.Request) (token string, user events.UserName)) {
	d.whose.Store(&whose)
}

// Shut keeps further requests out; those inside go on.
func (d *Door) Shut() { d.handler.Store(nil) }

// ServeHTTP bounds a request, notes it and hands it on.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := d.s.Now()
	noted := &response{ResponseWriter: w}
	defer func() {
		// The path alone: the query of an address may hold a token.
		d.s.Logger.Debug("request", "method", r.Method, "path", r.URL.Path, "status", noted.code(), "bytes", noted.bytes,
			"duration", d.s.Now().Sub(began), "from", address(r))
	}()
	h := d.handler.Load()
	if h == nil {
		// The api is away for a moment at a start, and until it has read the log: clients come again
		// by themselves.
		w.Header().Set("Retry-After", "1")
		http.Error(noted, "the lab's api is not there at the moment", http.StatusServiceUnavailable)
		return
	}
	defer d.rescue(noted, r)
	if d.s.Free == nil || !d.s.Free(r) {
		rate, turn := d.callers(r)
		if !d.admit(noted, r, rate) {
			return
		}
		done := d.turn(noted, r, turn)
		if done == nil {
			return
		}
		defer done()
		r = r.WithContext(context.WithValue(r.Context(), longKey{}, done))
	}
	r.Body = http.MaxBytesReader(noted, r.Body, d.size(r))
	(*h).ServeHTTP(noted, r)
}

// rescue answers for a handler that panicked.
func (d *Door) rescue(w *response, r *http.Request) {
	switch why := recover(); why {
	case nil:
	case http.ErrAbortHandler:
		panic(why) // the server's own way to break an answer off
	default:
		d.s.Logger.Error("request panicked", "path", r.URL.Path, "panic", fmt.Sprint(why), "stack", string(debug.Stack()))
		if w.status == 0 {
			http.Error(w, "internal error; the lab's log has more", http.StatusInternalServerError)
		}
	}
}

// response notes what was answered.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets [http.ResponseController] flush and hijack.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// ErrTooLarge says that a request has more bytes than the door lets through.
var ErrTooLarge = errors.New("the request is too large")

// Body reads a request whole. One that is too large gets [ErrTooLarge].
// What comes too slowly is an error of the connection, see [Guard].
func (d *Door) Body(_ http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, fmt.Errorf("%w: allowed are %d bytes", ErrTooLarge, large.Limit)
	}
	return body, err
}

// longKey is where a request's context has what gives its turn back.
type longKey struct{}

// Long says that the answer to a request will be long, such as a live log: it no longer counts among those
// of its caller that are under way. Many people look through one proxy.
// It must be called before the answer begins. Called again, or of a request that has no turn, it
// does nothing.
func Long(r *http.Request) {
	if done, ok := r.Context().Value(longKey{}).(func()); ok {
		done()
	}
}
