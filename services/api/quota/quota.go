// Package quota bounds how often callers ask: a bucket of tokens for each of them, which fills at a steady
// rate and which each request takes one from. The HTTP doors and the api on the bus share it.
//
// It promises two things. A caller who stays below the rate is never refused, and bursts pass as long as
// the bucket lasts. And memory is bounded: it remembers a number of callers, and forgets the one who has been quiet longest;
// who is forgotten begins with a full bucket, which a quiet caller has anyhow.
package quota

import (
	"container/list"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is what one caller may do.
type Rate struct {
	PerSecond int // requests a second, for as long as one likes; 0 bounds nothing
	Burst     int // requests at once, after a quiet while; at least 1
}

// Quota counts for each caller. Its zero value is of no use: see [New].
type Quota struct {
	rate Rate
	most int

	mu    sync.Mutex
	of    map[string]*list.Element
	quiet *list.List // of *bucket, who asked last in front
}

// bucket is one caller's.
type bucket struct {
	key     string
	limiter *rate.Limiter
}

// New returns a quota that remembers at most so many callers.
func New(r Rate, callers int) *Quota {
	r.Burst = max(r.Burst, 1)
	return &Quota{rate: r, most: max(callers, 1), of: map[string]*list.Element{}, quiet: list.New()}
}

// Verdict says how a caller stands after a request.
type Verdict struct {
	OK    bool
	Limit int           // requests at once
	Left  int           // of them
	Full  time.Duration // until all of them are there again
	Wait  time.Duration // until the next request may come; 0 where one may now
}

// Take counts a request of a caller.
// now must not go back by much: a bucket fills with the time that has passed.
func (q *Quota) Take(caller string, now time.Time) Verdict {
	if q.rate.PerSecond == 0 {
		return Verdict{OK: true}
	}
	l := q.limiter(caller)
	v := Verdict{OK: l.AllowN(now, 1), Limit: q.rate.Burst}
	left := max(l.TokensAt(now), 0)
	v.Left = int(left)
	v.Full = q.time(float64(q.rate.Burst) - left)
	if left < 1 {
		v.Wait = q.time(1 - left)
	}
	return v
}

// time is how long so many requests' worth takes to come back.
func (q *Quota) time(requests float64) time.Duration {
	return time.Duration(requests / float64(q.rate.PerSecond) * float64(time.Second))
}

// limiter returns a caller's bucket.
func (q *Quota) limiter(caller string) *rate.Limiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.of[caller]; e != nil {
		q.quiet.MoveToFront(e)
		return e.Value.(*bucket).limiter
	}
	if len(q.of) >= q.most {
		last := q.quiet.Back()
		q.quiet.Remove(last)
		delete(q.of, last.Value.(*bucket).key)
	}
	b := &bucket{caller, rate.NewLimiter(rate.Limit(q.rate.PerSecond), q.rate.Burst)}
	q.of[caller] = q.quiet.PushFront(b)
	return b.limiter
}

// Seconds rounds a time up to whole seconds, as HTTP's headers have them; what is left of one counts.
func Seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// Address returns who is counted for an address of the network. A host has all of an IPv6 /64, so it is
// counted as one.
func Address(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Unmap().Is4() {
		return host
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return p.String()
}
