package output

import (
	"bytes"
	"encoding/json"
	"fmt"

	"strata/events"
)

// DefaultLimit is how much output of a job is kept whole, in bytes of encoded messages: 1 GiB.
const DefaultLimit = 1 << 30

// tailBytes is how much of the end is kept of a job that said more.
const tailBytes = 16 << 20

// How much of results, and of errors, passes beyond the limit, in bytes each. The two do not share
// their room: errors, of which one fault may bring many, never keep a result out. With the tail and the findings
// a job's log has at most limit + 112 MiB.
const (
	resultBytes = 64 << 20
	errorBytes  = 16 << 20
)

// contextLines is how many console lines around a kernel finding are kept beyond the limit.
const contextLines = 20

// recordCost is what a record weighs besides its message.
const recordCost = 64

// limiter keeps the output limit of a job. Up to the limit everything passes. Beyond it results,
// errors and kernel findings pass at once with the lines around them, the findings until they are as
// many bytes as the tail: a kernel may report without end, as may a test; results and errors that
// find no room any more are lines like others. Other lines wait, and only
// the last tail bytes of them are written when the job ends, after a record that says how many are
// missing. Line numbers count what is written: a log has no gaps in its numbers.
type limiter struct {
	limit, tailLimit int64
	seen             int64
	found            int64 // bytes of findings and the lines after them that passed beyond the limit
	results, errors  int64 // bytes of them that passed beyond the limit
	waiting          []events.Record
	size             int64 // of waiting
	follow           int   // lines still to pass after a finding
	missing          uint64
	missingResults   uint64
	missingErrors    uint64
	missingBytes     int64
	first            uint64 // line at which the limit was reached
}

func newLimiter(limit int64) limiter {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return limiter{limit: limit, tailLimit: min(tailBytes, limit)}
}

func cost(r events.Record) int64 { return int64(len(r.Message)) + recordCost }

// below counts a record that comes before the limit is reached, and says whether it does.
func (l *limiter) below(r events.Record) bool {
	if l.seen+cost(r) > l.limit {
		return false
	}
	l.seen += cost(r)
	return true
}

// admit returns the records to write now that r has come, in order. next is the number that the
// next record would have.
func (l *limiter) admit(r events.Record, next uint64) []events.Record {
	l.seen += cost(r)
	if l.seen <= l.limit {
		return []events.Record{r}
	}
	if l.first == 0 {
		l.first = next
	}
	switch {
	case l.found < l.tailLimit && finding(r):
		l.follow = contextLines
		passed := append(l.takeContext(), r)
		for _, p := range passed {
			l.found += cost(p)
		}
		return passed
	case l.room(r):
		return []events.Record{r}
	case l.follow > 0 && r.Level == events.Target:
		l.follow--
		l.found += cost(r)
		return []events.Record{r}
	}
	l.waiting = append(l.waiting, r)
	l.size += cost(r)
	drop := 0
	for ; l.size > l.tailLimit; drop++ {
		l.drop(l.waiting[drop])
	}
	// Moving what is kept costs as much as what is dropped only if it is done seldom.
	if drop > 0 {
		l.waiting = l.waiting[drop:]
	}
	return nil
}

func (l *limiter) drop(r events.Record) {
	l.size -= cost(r)
	l.missing++
	l.missingBytes += cost(r)
	switch r.Level {
	case events.Results:
		l.missingResults++
	case events.Error, events.Exception, events.EventText:
		l.missingErrors++
	}
}

// takeContext takes the last lines that wait: they stand before a finding. Lines before them that
// wait are given up, because they would stand after it.
func (l *limiter) takeContext() []events.Record {
	keep := max(len(l.waiting)-contextLines, 0)
	for _, r := range l.waiting[:keep] {
		l.drop(r)
	}
	context := l.waiting[keep:]
	l.waiting, l.size = nil, 0
	return append([]events.Record(nil), context...)
}

// finish returns what is written at the end of the job: nothing below the limit, else the record
// about what is missing and the last lines.
func (l *limiter) finish() []events.Record {
	if l.first == 0 {
		return nil
	}
	kept := "Results, errors and kernel findings were kept"
	if l.missingResults+l.missingErrors > 0 {
		kept = fmt.Sprintf("%d results and %d errors are among the missing lines", l.missingResults, l.missingErrors)
	}
	note := fmt.Sprintf("Output limit of %d bytes reached at line %d: %d later lines (%d bytes) are missing. "+
		"%s; the last %d lines follow.", l.limit, l.first, l.missing, l.missingBytes, kept, len(l.waiting))
	out := append([]events.Record{{Level: events.Warning, Message: encode(note)}}, l.waiting...)
	l.waiting, l.size, l.first, l.seen = nil, 0, 0, 0
	return out
}

// What the log shows of a signal: the console's line, and that it was received.
var (
	signalText   = []byte("<LAVA_SIGNAL_TESTCASE ")
	receivedText = []byte(`"Received signal: `)
)

// room says whether a record beyond the limit passes because of what it is, and takes the room for it.
func (l *limiter) room(r events.Record) bool {
	used, bound := &l.errors, int64(errorBytes)
	switch r.Level {
	case events.Results:
		used, bound = &l.results, resultBytes
	case events.Debug, events.Target:
		// The lines that results point at.
		if !bytes.Contains(r.Message, signalText) && !bytes.HasPrefix(r.Message, receivedText) {
			return false
		}
		used, bound = &l.results, resultBytes
	case events.Error, events.Exception, events.EventText:
	default:
		return false
	}
	if *used+cost(r) > bound {
		return false
	}
	*used += cost(r)
	return true
}

// finding says whether a console line begins a report of the kernel's about itself.
func finding(r events.Record) bool {
	if r.Level != events.Target && r.Level != events.Feedback {
		return false
	}
	var text string
	return json.Unmarshal(r.Message, &text) == nil && kernelFinding(text)
}
