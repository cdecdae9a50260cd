package lavarpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"strata/events"
	"strata/services/api"
	"strata/services/api/lava"
)

// mostLog is how much of a log one answer holds. A client that follows asks for the next lines, as while a job runs.
const mostLog = 32 << 20

// errEnough ends the reading of a log.
var errEnough = errors.New("read enough")

// readLog returns lines of a job's log, from start up to, not including, end (-1: the last); through says
// that there are no more at the moment.
func (c call) readLog(j api.Job, start uint64, end int64) (text []byte, through bool, err error) {
	if end >= 0 && uint64(end) <= start {
		return nil, true, nil
	}
	var b bytes.Buffer
	next := start // the line that is due
	in := api.LogRequest{Job: j.Job, From: start, Whole: true}
	err = c.h.API.Stream(c.ctx, c.who, "jobs.log", in, func(p api.Piece) error {
		number, err := strconv.ParseUint(p.Header[events.HeaderFirstLine], 10, 64)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(p.Body) {
			if number < next {
				number++
				continue
			}
			if end >= 0 && number >= uint64(end) || b.Len() > mostLog {
				return errEnough
			}
			if gap := number - next; gap <= maxGap {
				lava.Lost(&b, gap)
			}
			var r events.Record
			if json.Unmarshal(line, &r) != nil || lava.Line(&b, r) != nil {
				lava.Lost(&b, 1) // of a worker that sends nonsense
			}
			number++
			next = number
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return b.Bytes(), end >= 0 && next >= uint64(end), nil
	}
	return b.Bytes(), err == nil, err
}

// maxGap is how many lost lines in a row are told of one by one.
const maxGap = 10_000
