package notify

import (
	"container/heap"
	"time"

	"strata/events"
)

// atOnce is how many deliveries go to one destination at the same time.
// A receiver that is slow takes four goroutines and connections, and no more.
const atOnce = 4

// Pauses between attempts: each is three times as long as the one before, from Deps.Pause up to this.
const maxPause = time.Hour

// pauseAfter is how long to wait after so many attempts.
// attempts counts from 1.
func pauseAfter(first time.Duration, attempts int) time.Duration {
	d := first
	// 5 s, 15 s, 45 s, … with the usual first one: nine attempts in the first two and a half hours.
	for range attempts - 1 {
		if d *= 3; d >= maxPause {
			return maxPause
		}
	}
	return d
}

// destination names the queue of a delivery: that of a host for callbacks, of a server for IRC, and one for all mail,
// which goes through one server.
// Callbacks go by scheme and host, as facts have them: two receivers on one host share four places.
func destination(d events.Delivery) string {
	switch d.Kind {
	case events.DeliverMail:
		return "mail"
	case events.DeliverIRC:
		_, server := cutLast(d.To) // as it is dialled: a nick may have an @ itself
		return "irc " + server
	}
	return d.To
}

// queues are the deliveries that wait, by destination, and those that wait for their next attempt.
// They belong to the loop's goroutine, hence no lock. Their length is that of what waits in the
// state.
type queues struct {
	byName map[string]*queue
	later  laterHeap
}

// queue is what waits for one destination, first come first served.
// ready is first come, first served; underway never exceeds atOnce.
type queue struct {
	ready    []*pending
	underway int
}

func newQueues() *queues { return &queues{byName: map[string]*queue{}} }

// of returns the queue of a delivery's destination, which is made where there is none.
func (q *queues) of(p *pending) *queue {
	name := destination(p.Delivery)
	if q.byName[name] == nil {
		q.byName[name] = new(queue)
	}
	return q.byName[name]
}

// push has a delivery go when its destination has room.
func (q *queues) push(p *pending) {
	of := q.of(p)
	of.ready = append(of.ready, p)
}

// again has a delivery wait until p.due.
func (q *queues) again(p *pending) { heap.Push(&q.later, p) }

// take returns the deliveries that go now, and notes them as under way.
// The order among destinations is no promise, within one it is that of push.
func (q *queues) take(now time.Time) []*pending {
	for len(q.later) > 0 && !q.later[0].due.After(now) {
		q.push(heap.Pop(&q.later).(*pending))
	}
	var out []*pending
	for _, of := range q.byName {
		n := min(len(of.ready), atOnce-of.underway)
		if n <= 0 {
			continue
		}
		out = append(out, of.ready[:n]...)
		of.ready = of.ready[n:]
		of.underway += n
	}
	return out
}

// done notes that an attempt is over.
func (q *queues) done(p *pending) {
	of := q.of(p)
	if of.underway--; of.underway == 0 && len(of.ready) == 0 {
		delete(q.byName, destination(p.Delivery))
	}
}

// next is when the next delivery is due; zero where none waits for a time.
func (q *queues) next() time.Time {
	if len(q.later) == 0 {
		return time.Time{}
	}
	return q.later[0].due
}

// laterHeap holds deliveries, the earliest first.
type laterHeap []*pending

func (h laterHeap) Len() int           { return len(h) }
func (h laterHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h laterHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *laterHeap) Push(x any)        { *h = append(*h, x.(*pending)) }
func (h *laterHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
