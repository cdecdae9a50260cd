package simulation

import (
	"container/heap"
	"time"

	"strata/events"
)

// happening is something that will be, at a time.
type happening struct {
	at   time.Time
	n    int // the order in which it was foreseen: those of one moment happen in that order
	kind kind
	job  events.JobID
	// The assignment for which it was foreseen. A job that was given a device anew has another one,
	// and what was foreseen of the old one is void.
	lease  events.Lease
	worker events.WorkerName
	device events.DeviceName
	how    Outcome
}

// kind is what a happening is.
type kind int

const (
	starts   kind = iota // a worker begins a job
	ends                 // it ends it
	dies                 // a worker's machine
	offline              // the lab notices
	lost                 // the lab ends its jobs
	back                 // the worker is there again
	repaired             // a person has repaired a device
)

// agenda is a heap of happenings, the next one on top.
type agenda struct {
	all []happening
	n   int
}

// add foresees a happening.
func (a *agenda) add(h happening) {
	a.n++
	h.n = a.n
	heap.Push(a, h)
}

// next takes the next happening that is due, false where there is none.
func (a *agenda) next(now time.Time) (happening, bool) {
	if len(a.all) == 0 || a.all[0].at.After(now) {
		return happening{}, false
	}
	return heap.Pop(a).(happening), true
}

// when is the time of the next happening; zero: there is none.
func (a *agenda) when() time.Time {
	if len(a.all) == 0 {
		return time.Time{}
	}
	return a.all[0].at
}

func (a *agenda) Len() int { return len(a.all) }
func (a *agenda) Less(i, j int) bool {
	if !a.all[i].at.Equal(a.all[j].at) {
		return a.all[i].at.Before(a.all[j].at)
	}
	return a.all[i].n < a.all[j].n
}
func (a *agenda) Swap(i, j int) { a.all[i], a.all[j] = a.all[j], a.all[i] }

// Push is for container/heap; callers use add.
func (a *agenda) Push(x any) { a.all = append(a.all, x.(happening)) }

// Pop is for container/heap; callers use next.
func (a *agenda) Pop() any {
	last := len(a.all) - 1
	h := a.all[last]
	a.all = a.all[:last]
	return h
}
