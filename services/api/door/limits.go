package door

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"strata/services/api"
	"strata/services/api/quota"
)

// Size bounds the requests to the paths that begin with a text. Of several that fit, the longest counts.
type Size struct {
	Prefix string
	Bytes  int64
}

// noBody is what a request may bring of a kind that has nothing to bring.
const noBody = 64 << 10

// size returns how many bytes a request may have.
// A GET with a body is nonsense that clients send all the same; it must not cost 8 MiB.
func (d *Door) size(r *http.Request) int64 {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions:
		return min(noBody, d.s.Body)
	}
	bytes, longest := d.s.Body, 0
	for _, s := range d.s.Sizes {
		if strings.HasPrefix(r.URL.Path, s.Prefix) && len(s.Prefix) > longest {
			bytes, longest = s.Bytes, len(s.Prefix)
		}
	}
	return bytes
}

// Marks of whom requests are counted for, which keep a user and an address of one name apart.
const (
	known   = "token "
	unknown = "address "
)

// caller returns whom a request is counted for.
func (d *Door) caller(r *http.Request) string {
	if whose := d.whose.Load(); whose != nil {
		if name := (*whose)(r); name != "" {
			return known + name
		}
	}
	return unknown + quota.Address(address(r))
}

// Knows says that a request comes from somebody whom the lab knows.
func (d *Door) Knows(r *http.Request) bool { return strings.HasPrefix(d.caller(r), known) }

// Caller returns what [Door.Recognise] asks: who has come with a token or a session that the lab knows. A caller
// with several tokens is counted for each.
// It looks the secret up with each request and never remembers one: what was revoked counts for its
// address at once.
func Caller(in api.Inside) func(*http.Request) string {
	return func(r *http.Request) string {
		if c, err := Read(r); err == nil && c.Token != "" {
			name, _ := in.Known(c.Token)
			return name
		}
		if value := session(r); value != "" {
			name, _ := in.Known(value)
			return name
		}
		return ""
	}
}

// admit counts a request, and refuses it where the caller has asked too often.
func (d *Door) admit(w http.ResponseWriter, r *http.Request, who string) bool {
	rate := d.addresses
	if strings.HasPrefix(who, known) {
		rate = d.tokens
	}
	v := rate.Take(who, d.s.Now())
	if v.Limit > 0 {
		h := w.Header()
		// As the IETF's draft of these headers has them, in whole requests and seconds.
		h.Set("RateLimit-Limit", strconv.Itoa(v.Limit))
		h.Set("RateLimit-Remaining", strconv.Itoa(v.Left))
		h.Set("RateLimit-Reset", strconv.Itoa(quota.Seconds(v.Full)))
	}
	if !v.OK {
		tooMany(w, r, max(quota.Seconds(v.Wait), 1), "you ask too often")
	}
	return v.OK
}

// Admit counts a request that is answered beside the door, such as one for the bus, for its address; where there
// have been too many it is answered here.
func (d *Door) Admit(w http.ResponseWriter, r *http.Request) bool {
	return d.admit(w, r, unknown+quota.Address(address(r)))
}

// tooMany refuses a request for a while, in the form that the interface has.
// The form and words are those of Django REST framework, which LAVA's clients know, below /api/.
func tooMany(w http.ResponseWriter, r *http.Request, seconds int, why string) {
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		http.Error(w, fmt.Sprintf("%s: try again in %d s", why, seconds), http.StatusTooManyRequests)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusTooManyRequests)
	_ = json.NewEncoder(w).Encode(map[string]string{ // the client may have gone
		"detail": fmt.Sprintf("Request was throttled. Expected available in %d seconds.", seconds)})
}

// address names the machine that a request comes from.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// errBusy tells a caller that others of his are still under way.
var errBusy = errors.New("too many requests of yours are under way")

// turns has the requests of each caller wait for one another.
type turns struct {
	most int

	mu sync.Mutex
	of map[string]*turn
}

// turn is the places of one caller, kept while somebody has or wants one.
type turn struct {
	places chan struct{}
	users  int
}

// take waits for a place and returns what gives it back.
// done has to be called exactly once. The error is errBusy, also where the client has gone.
func (t *turns) take(ctx context.Context, caller string, patience time.Duration) (done func(), err error) {
	t.mu.Lock()
	own := t.of[caller]
	if own == nil {
		own = &turn{places: make(chan struct{}, t.most)}
		t.of[caller] = own
	}
	own.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(t.of, caller)
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
