package door

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"strata/events"
	"strata/services/api"
	"strata/services/api/quota"
	"strata/services/api/turns"
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
	person  = "user "
)

// callers names whom a request is counted for: for the rate, and for turns. A user has one rate with each token, and
// turns once.
func (d *Door) callers(r *http.Request) (rate, turn string) {
	if whose := d.whose.Load(); whose != nil {
		if token, user := (*whose)(r); token != "" {
			return known + token, person + string(user)
		}
	}
	from := unknown + quota.Address(address(r))
	return from, from
}

// Caller returns what [Door.Recognise] asks: who has come with a token or a session that the lab knows. A user
// with several tokens is counted for each.
// It looks the secret up with each request and never remembers one: what was revoked counts for its
// address at once.
func Caller(in api.Inside) func(*http.Request) (token string, user events.UserName) {
	return func(r *http.Request) (token string, user events.UserName) {
		secret := session(r)
		if c, err := Read(r); err == nil && c.Token != "" {
			secret = c.Token
		}
		if secret == "" {
			return "", ""
		}
		token, user, _ = in.Known(secret)
		return token, user
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

// turn waits for the turn of a caller's request, and refuses it where that takes too long. done gives it back; it is nil
// where the request was refused, and may be called more than once.
func (d *Door) turn(w http.ResponseWriter, r *http.Request, who string) (done func()) {
	ctx, cancel := context.WithTimeout(r.Context(), d.s.Patience)
	defer cancel()
	done, err := d.turns.Wait(ctx, who)
	if err != nil { // also where the client has gone
		tooMany(w, r, 5, turns.ErrFull.Error())
		return nil
	}
	// A long answer gives its turn back early, by [Long], and once more at its end.
	return sync.OnceFunc(done)
}
