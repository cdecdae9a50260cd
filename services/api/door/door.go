package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Settings are the bounds of a door. Zero values have the defaults that are named.
type Settings struct {
	Logger   *slog.Logger
	Now      func() time.Time
	Body     int64         // bytes of a request; 8 MiB, as much as a message of the bus
	AtOnce   int           // requests of one address at a time; 64
	Patience time.Duration // how long further ones wait for their turn; 10 s
}

// Door hands requests to the handler behind it while it is open.
type Door struct {
	s       Settings
	handler atomic.Pointer[http.Handler]
	turns   turns
}

// New returns a door that is shut.
func New(s Settings) *Door {
	if s.Body == 0 {
		s.Body = 8 << 20
	}
	if s.AtOnce == 0 {
		s.AtOnce = 64
	}
	if s.Patience == 0 {
		s.Patience = 10 * time.Second
	}
	return &Door{s: s, turns: turns{most: s.AtOnce, of: map[string]*turn{}}}
}

// Open lets requests through to h.
func (d *Door) Open(h http.Handler) { d.handler.Store(&h) }

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
		w.Header().Set("Retry-After", "1")
		http.Error(noted, "the lab's api is not there at the moment", http.StatusServiceUnavailable)
		return
	}
	done, err := d.turns.take(r.Context(), address(r), d.s.Patience)
	if err != nil {
		w.Header().Set("Retry-After", "5")
		http.Error(noted, err.Error(), http.StatusTooManyRequests)
		return
	}
	done = sync.OnceFunc(done)
	defer done()
	defer d.rescue(noted, r)
	r = r.WithContext(context.WithValue(r.Context(), longKey{}, done))
	r.Body = http.MaxBytesReader(noted, r.Body, d.s.Body)
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

// address names the machine that a request comes from.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
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

// errBusy tells a caller that his others are still under way.
var errBusy = errors.New("too many requests of this address are under way")

// turns has the requests of each address wait for one another.
type turns struct {
	most int

	mu sync.Mutex
	of map[string]*turn
}

// turn is the places of one address, kept while somebody has or wants one.
type turn struct {
	places chan struct{}
	users  int
}

// take waits for a place and returns what gives it back.
func (t *turns) take(ctx context.Context, address string, patience time.Duration) (done func(), err error) {
	t.mu.Lock()
	own := t.of[address]
	if own == nil {
		own = &turn{places: make(chan struct{}, t.most)}
		t.of[address] = own
	}
	own.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(t.of, address)
		}
	}
	select {
	case own.places <- struct{}{}:
		return func() { <-own.places; leave() }, nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case own.places <- struct{}{}:
		return func() { <-own.places; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, errBusy
	}
}

// bodyTime is how long a client may take to send a request.
const bodyTime = time.Minute

// ErrTooLarge says that a request has more bytes than the door lets through.
var ErrTooLarge = errors.New("the request is too large")

// Body reads a request whole. A client that sends it slowly is given up after a minute; one that sends too
// much gets [ErrTooLarge].
func (d *Door) Body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(d.s.Now().Add(bodyTime)) // a recorder in a test has none
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, fmt.Errorf("%w: allowed are %d bytes", ErrTooLarge, large.Limit)
	}
	_ = control.SetReadDeadline(time.Time{}) // else the server takes a long answer for a lost client
	return body, err
}

// longKey is where a request's context has what gives its turn back.
type longKey struct{}

// Long says that the answer to a request will be long, such as a live log: it no longer counts among those
// of its address that are under way. Many people look through one proxy.
func Long(r *http.Request) {
	if done, ok := r.Context().Value(longKey{}).(func()); ok {
		done()
	}
}
