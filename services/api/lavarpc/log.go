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
// Bytes of YAML. In base64 they are 43 MiB of the answer, all of which is held in memory; LAVA reads the
// whole file, however long.
const mostLog = 32 << 20

// errEnough ends the reading of a log.
// It comes back from Stream as the very value that the callback returned, see [api.Inside.Stream].
var errEnough = errors.New("read enough")

// readLog returns lines of a job's log, from start up to, not including, end (-1: the last); through says
// that there are no more at the moment.
// Lines are counted from 0, as by LAVA, whose lines are those of output.yaml.
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
			// The size is looked at before a line is added, so each answer has a line at least and a
			// client that follows always comes on.
			if end >= 0 && number >= uint64(end) || b.Len() > mostLog {
				return errEnough
			}
			// A client counts the lines that it got to know where to go on: a line that never came must
			// stand for itself, or all those behind it would be asked for twice.
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
// Beyond that the lines are left out without a trace: else one frame of a worker that counts wrongly would
// make an answer of any length.
const maxGap = 10_000
