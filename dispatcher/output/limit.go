package output

import "strata/events"

// DefaultLimit is how much output of a job is kept whole, in bytes of encoded messages: 1 GiB.
const DefaultLimit = 1 << 30

// tailBytes is how much of the end is kept of a job that said more.
const tailBytes = 16 << 20

// contextLines is how many lines before a kernel finding are kept beyond the limit.
const contextLines = 20

// limiter keeps the output limit of a job.
type limiter struct {
	limit, seen int64
	tail        []events.Record // beyond the limit: what may still become the end of the log
	tailSize    int64
	dropped     uint64 // records that will never be written
	droppedSize int64
}

func newLimiter(limit int64) limiter {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return limiter{limit: limit}
}

// admit returns the records to write now that r has come, in order.
func (l *limiter) admit(r events.Record) []events.Record { return []events.Record{r} }
