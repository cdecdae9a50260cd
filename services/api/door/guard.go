package door

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Guard stands before everything that a port answers: it bounds how slow a client may be, and finds out where
// a request comes from. Zero times have the defaults that are named.
type Guard struct {
	Next http.Handler
	Now  func() time.Time
	// Trusted are the proxies that are believed when they say by X-Forwarded-For, -Proto and -Host whose request
	// they pass on. All others may write there what they like.
	Trusted []netip.Prefix
	Send    time.Duration // how long a client may take to send a request, beside a second for each 64 KiB; 1 min
	Take    time.Duration // how long it may take nothing of an answer; 1 min
}

// bodyPace is how many bytes of a request have to come in a second.
const bodyPace = 64 << 10

// ServeHTTP hands a request on.
// The deadlines are those of the connection, so that they hold whatever a handler does meanwhile.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := &timed{ResponseWriter: w, now: g.Now, take: cmp.Or(g.Take, time.Minute)}
	defer t.arm() // for what is left in buffers
	r = g.believe(r)
	if r.ContentLength != 0 {
		b := &paced{ReadCloser: r.Body, control: http.NewResponseController(w), now: g.Now, began: g.Now(), within: cmp.Or(g.Send, time.Minute)}
		// From now on: the server itself reads what a handler leaves, and would wait for it without end.
		b.extend()
		r.Body = b
	}
	g.Next.ServeHTTP(t, r)
}

// paced is a request's body that has to come at a pace.
type paced struct {
	io.ReadCloser
	control *http.ResponseController
	now     func() time.Time
	began   time.Time
	within  time.Duration
	bytes   int64
	ended   bool
}

// extend gives the body time in proportion to what has come. Where the connection knows no deadlines, as in a
// test, there are none.
func (b *paced) extend() {
	_ = b.control.SetReadDeadline(b.began.Add(b.within + time.Duration(b.bytes/bodyPace)*time.Second))
}

func (b *paced) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	before := b.bytes / bodyPace
	b.bytes += int64(n)
	switch {
	case err == io.EOF && !b.ended:
		b.ended = true
		// Else the server, which now listens for the client's going away, takes the deadline for that.
		_ = b.control.SetReadDeadline(time.Time{})
	case b.bytes/bodyPace != before && !b.ended:
		b.extend()
	}
	return n, err
}

// timed is an answer that has to be taken at a pace. A handler that sets deadlines of its own, such as a live
// log does, is left to that.
type timed struct {
	http.ResponseWriter
	now  func() time.Time
	take time.Duration
	own  bool // the handler sees to deadlines, or to the whole connection
}

// arm gives the client time for what is written next.
func (t *timed) arm() {
	if !t.own {
		_ = http.NewResponseController(t.ResponseWriter).SetWriteDeadline(t.now().Add(t.take))
	}
}

// disarm takes the deadline back: over HTTP/2 it would end a stream that is only quiet.
func (t *timed) disarm() {
	if !t.own {
		_ = http.NewResponseController(t.ResponseWriter).SetWriteDeadline(time.Time{})
	}
}

func (t *timed) Write(p []byte) (int, error) {
	t.arm()
	defer t.disarm()
	return t.ResponseWriter.Write(p)
}

// FlushError sends what is buffered.
func (t *timed) FlushError() error {
	t.arm()
	defer t.disarm()
	return http.NewResponseController(t.ResponseWriter).Flush()
}

// Flush is FlushError for who asks for no error.
func (t *timed) Flush() { _ = t.FlushError() }

// SetWriteDeadline is the handler's own way.
func (t *timed) SetWriteDeadline(at time.Time) error {
	// From then on every write needs a deadline of the handler's: [timed.arm] sets none any more.
	t.own = true
	return http.NewResponseController(t.ResponseWriter).SetWriteDeadline(at)
}

// Hijack gives the connection away, with its deadlines.
func (t *timed) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	t.own = t.own || err == nil
	return conn, rw, err
}

// Unwrap lets [http.ResponseController] do all else.
func (t *timed) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// encryptedKey is where a request's context says that a trusted proxy took it by TLS.
type encryptedKey struct{}

// Secure says that the browser reached the lab by TLS, at this port or at a proxy that is trusted, so that cookies
// may be kept to that.
func Secure(r *http.Request) bool {
	by, _ := r.Context().Value(encryptedKey{}).(bool)
	return r.TLS != nil || by
}

// believe puts the client of a trusted proxy in the place of the proxy.
// A request of anybody else keeps the address of its connection, whatever its headers say.
func (g *Guard) believe(r *http.Request) *http.Request {
	if len(g.Trusted) == 0 || !g.trusts(address(r)) {
		return r
	}
	out := r.WithContext(context.WithValue(r.Context(), encryptedKey{}, strings.EqualFold(last(r, "X-Forwarded-Proto"), "https")))
	if client := g.client(r); client != "" {
		out.RemoteAddr = net.JoinHostPort(client, "0") // its port nobody tells
	}
	if host := last(r, "X-Forwarded-Host"); host != "" && !strings.ContainsAny(host, "/\\@ \t") {
		out.Host = host
	}
	return out
}

// trusts says whether a host is one of the proxies that are believed.
func (g *Guard) trusts(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	for _, p := range g.Trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// client reads X-Forwarded-For from its end, where the nearest proxy wrote: the first address that is no
// trusted proxy is the client's; what stands before it the client may have written itself. "" where nothing that
// can be believed stands there.
func (g *Guard) client(r *http.Request) string {
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	client := ""
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.Trim(strings.TrimSpace(hops[i]), "[]"))
		if err != nil {
			break
		}
		client = a.Unmap().String()
		if !g.trusts(client) {
			break
		}
	}
	return client
}

// last returns the last value of a header that may be a list: the one that the nearest proxy wrote.
func last(r *http.Request, name string) string {
	values := strings.Split(strings.Join(r.Header.Values(name), ","), ",")
	return strings.TrimSpace(values[len(values)-1])
}
