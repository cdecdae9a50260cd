package health

import (
	"container/heap"
	"strings"
	"time"

	"strata/events"
)

// agenda knows when the hours of idle devices' checks are over, and which are first, without going through
// all devices: a decision is asked for after every fact of the lab.
//
// A device whose time is forgotten, as it runs a job, keeps its place in the queue until that is its first: most
// come back with the same time, since only a check changes it.
type agenda struct {
	at     map[events.DeviceName]time.Time // those that wait for their time
	places map[events.DeviceName]time.Time // the time with which a device stands in queue
	queue  appointments
}

// appointment is a device and its time.
type appointment struct {
	at   time.Time
	name events.DeviceName
}

func newAgenda() agenda {
	return agenda{at: map[events.DeviceName]time.Time{}, places: map[events.DeviceName]time.Time{}}
}

// set notes when a device's time is; zero forgets it.
func (a *agenda) set(name events.DeviceName, at time.Time) {
	if at.IsZero() {
		delete(a.at, name)
		return
	}
	a.at[name] = at
	if was, stands := a.places[name]; stands && was.Equal(at) {
		return
	}
	a.places[name] = at
	heap.Push(&a.queue, appointment{at, name})
	if len(a.queue) > 2*len(a.places)+100 { // most were set anew before their time, as check intervals changed
		a.queue = a.queue[:0]
		for name, at := range a.places {
			a.queue = append(a.queue, appointment{at, name})
		}
		heap.Init(&a.queue) // no two are equal: map order is gone
	}
}

// due returns the devices whose time has come, and when the next one's comes, zero for never.
func (a *agenda) due(now time.Time) (names []events.DeviceName, next time.Time) {
	var come []appointment
	seen := map[events.DeviceName]bool{}
	for a.queue.Len() > 0 {
		first := a.queue[0]
		place, stands := a.places[first.name]
		if stands = stands && place.Equal(first.at); stands && a.at[first.name].Equal(first.at) {
			if now.Before(first.at) {
				next = first.at
				break
			}
			if !seen[first.name] { // it may stand there twice, by a time that it had before, too
				seen[first.name] = true
				come = append(come, first)
				names = append(names, first.name)
			}
		} else if stands {
			delete(a.places, first.name)
		}
		heap.Pop(&a.queue)
	}
	for _, c := range come { // they stay until they are set anew
		heap.Push(&a.queue, c)
	}
	return names, next
}

// appointments is a heap, the earliest first.
type appointments []appointment

func (q appointments) Len() int { return len(q) }
func (q appointments) Less(i, j int) bool {
	if n := q[i].at.Compare(q[j].at); n != 0 {
		return n < 0
	}
	return strings.Compare(string(q[i].name), string(q[j].name)) < 0
}
func (q appointments) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *appointments) Push(x any)   { *q = append(*q, x.(appointment)) }
func (q *appointments) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
