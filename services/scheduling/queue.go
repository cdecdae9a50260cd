package scheduling

import (
	"container/heap"
	"time"

	"strata/events"
	"strata/events/lab"
)

// entry is a job in the queue.
type entry struct {
	job      *lab.Job
	typ      events.DeviceTypeName // resolved: no alias
	priority int                   // as it was ranked; the job's own may have moved on
	deadline time.Time             // zero: waits for ever
	lane     *lane                 // nil for a part of a group
	trace    string                // W3C traceparent of its submission
	rank     int                   // place in the lane's heap
	ageRank  int                   // place in its heap of those that can be raised; -1: in none
	dueRank  int                   // place in the heap of deadlines
}

// before is the order of the queue: higher priority, then lower number.
func before(a, b *entry) bool {
	if a.priority != b.priority {
		return a.priority > b.priority
	}
	return a.job.ID < b.job.ID
}

// pile is a heap of entries in the manner of container/heap, from which any entry can be taken.
type pile struct {
	entries []*entry
	less    func(a, b *entry) bool
	place   func(*entry) *int // where an entry keeps its place in this pile
}

func byRank() *pile {
	return &pile{less: before, place: func(e *entry) *int { return &e.rank }}
}

// byAge is the order in which waiting raises jobs.
func byAge() *pile {
	return &pile{less: func(a, b *entry) bool { return a.job.ID < b.job.ID }, place: func(e *entry) *int { return &e.ageRank }}
}

func byDeadline() *pile {
	return &pile{
		less: func(a, b *entry) bool {
			if !a.deadline.Equal(b.deadline) {
				return a.deadline.Before(b.deadline)
			}
			return a.job.ID < b.job.ID
		},
		place: func(e *entry) *int { return &e.dueRank },
	}
}

func (p *pile) Len() int           { return len(p.entries) }
func (p *pile) Less(i, j int) bool { return p.less(p.entries[i], p.entries[j]) }
func (p *pile) Swap(i, j int) {
	p.entries[i], p.entries[j] = p.entries[j], p.entries[i]
	*p.place(p.entries[i]), *p.place(p.entries[j]) = i, j
}

// Push is for container/heap; callers use add.
func (p *pile) Push(x any) {
	e := x.(*entry)
	*p.place(e) = len(p.entries)
	p.entries = append(p.entries, e)
}

// Pop is for container/heap; callers use remove.
func (p *pile) Pop() any {
	last := len(p.entries) - 1
	e := p.entries[last]
	p.entries[last] = nil
	p.entries = p.entries[:last]
	return e
}

func (p *pile) add(e *entry)    { heap.Push(p, e) }
func (p *pile) remove(e *entry) { heap.Remove(p, *p.place(e)) }

// cursor goes through a pile in order without changing it: n steps cost n log n, however large the
// pile is.
type cursor struct {
	p    *pile
	next []int // heap of places in the pile: all whose parent was passed
}

func (p *pile) cursor() *cursor {
	c := &cursor{p: p}
	if p.Len() > 0 {
		c.next = append(c.next, 0)
	}
	return c
}

// peek returns the entry that the cursor stands at, nil behind the last.
func (c *cursor) peek() *entry {
	if len(c.next) == 0 {
		return nil
	}
	return c.p.entries[c.next[0]]
}

// pass moves the cursor to the next entry.
func (c *cursor) pass() {
	at := heap.Pop(c).(int)
	for _, child := range []int{2*at + 1, 2*at + 2} {
		if child < c.p.Len() {
			heap.Push(c, child)
		}
	}
}

func (c *cursor) Len() int           { return len(c.next) }
func (c *cursor) Less(i, j int) bool { return c.p.Less(c.next[i], c.next[j]) }
func (c *cursor) Swap(i, j int)      { c.next[i], c.next[j] = c.next[j], c.next[i] }

// Push is for container/heap; callers use pass.
func (c *cursor) Push(x any) { c.next = append(c.next, x.(int)) }

// Pop is for container/heap; callers use pass.
func (c *cursor) Pop() any {
	last := len(c.next) - 1
	at := c.next[last]
	c.next = c.next[:last]
	return at
}
