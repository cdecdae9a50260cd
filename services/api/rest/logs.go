package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"strata/events"
	"strata/services/api"
	"strata/services/api/lava"
)

// errEnough ends the reading of a log.
var errEnough = errors.New("all lines that were asked for have been read")

// logRange is the lines from start up to, not including, end; end < 0 is the log's end.
// Lines are counted from 0 and by the lab's numbers, which are those of LAVA's output.yaml.
type logRange struct{ start, end int64 }

// logLines hands over a job's log in LAVA's form, with the number of each line. Lines that never came are
// marked as such, so that numbers stay what they are.
// It follows nothing: lines that come while it reads may be in it or not. A client asks again from the
// number behind the last one.
func (q *request) logLines(job events.JobID, r logRange, each func(line uint64, text []byte) error) error {
	next := uint64(max(r.start, 0))
	var b bytes.Buffer
	// b is used again for each line: a consumer that keeps a line copies it.
	give := func(write func() error) error {
		if r.end >= 0 && next >= uint64(r.end) {
			return errEnough
		}
		b.Reset()
		if err := write(); err != nil {
			return err
		}
		next++
		return each(next-1, b.Bytes())
	}
	err := q.d.Lab.Stream(q.context(), q.who, "jobs.log", api.LogRequest{Job: job, From: next, Whole: true}, func(p api.Piece) error {
		first, err := strconv.ParseUint(p.Header[events.HeaderFirstLine], 10, 64)
		if err != nil {
			return fmt.Errorf("log of job %d: frame without a first line: %w", job, err)
		}
		// The frame begins behind the line that is due: those between never came, and their places stay.
		for next < first {
			if err := give(func() error { lava.Lost(&b, 1); return nil }); err != nil {
				return err
			}
		}
		for rest := p.Body; len(rest) > 0; first++ {
			line, after, _ := bytes.Cut(rest, []byte("\n"))
			rest = after
			// The first frame may begin before the line that was asked for.
			if first < next {
				continue
			}
			var record events.Record
			if err := json.Unmarshal(line, &record); err != nil {
				return fmt.Errorf("log of job %d, line %d: %w", job, first, err)
			}
			if err := give(func() error { return lava.Line(&b, record) }); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// rangeAsked reads start and end of the address.
func (q *request) rangeAsked() (logRange, error) {
	r := logRange{0, -1}
	for _, p := range []struct {
		name string
		to   *int64
	}{{"start", &r.start}, {"end", &r.end}} {
		text := q.query.Get(p.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return r, invalid(p.name, "Enter a whole number.")
		}
		*p.to = n
	}
	return r, nil
}

// logs answers jobs/<id>/logs/.
// The file is named by the job's number, also where it was asked for as 41.2: LAVA's is.
func logs(q *request) (answer, error) {
	j, err := q.job()
	if err != nil {
		return answer{}, err
	}
	r, err := q.rangeAsked()
	if err != nil {
		return answer{}, err
	}
	id := strconv.FormatUint(j.Job.Job, 10)
	return q.logFile("job_"+id+".yaml", events.JobID(j.Job.Job), r)
}

// logFile is a download of a log; not found where there are no lines.
// 64 KiB are gathered before they are sent. A start past the end has no line either and is 404, as LAVA's.
func (q *request) logFile(name string, job events.JobID, r logRange) (answer, error) {
	return answer{file: &file{name: name, contentType: "application/yaml", write: func(w io.Writer) error {
		var held bytes.Buffer
		found := false
		err := q.logLines(job, r, func(_ uint64, text []byte) error {
			found = true
			// Small writes would each be a chunk on the wire.
			if held.Write(text); held.Len() < 64<<10 {
				return nil
			}
			_, err := held.WriteTo(w)
			return err
		})
		if err == nil && !found {
			return notFound()
		}
		if err == nil {
			_, err = held.WriteTo(w)
		}
		return err
	}}}, nil
}
