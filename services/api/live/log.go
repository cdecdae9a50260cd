package live

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"strata/events"
	"strata/services/api"
)

// logRequest is what somebody asks of a log.
// The fields with names in JSON are the request of jobs.log; the others are this door's own.
type logRequest struct {
	Job    string `json:"job"`              // as people write it: "42", "41.2"
	From   uint64 `json:"from,omitempty"`   // first line, from 0
	Follow bool   `json:"follow,omitempty"` // until the job's output is complete
	Whole  bool   `json:"whole,omitempty"`  // with the attempts that follow
	Newest bool   `json:"newest,omitempty"` // who is slow loses lines rather than time
	// Resumed: some of it has come already. Then it begins in the attempt that was being read, though there may be another.
	Resumed bool `json:"resumed,omitempty"`

	levels []events.Level // none is all
}

// levels of a log's lines, for messages.
var levelNames = []events.Level{events.Debug, events.Info, events.Warning, events.Error, events.Exception, events.Input,
	events.Target, events.Feedback, events.Results, events.EventText}

// logAsked reads from (the first line, from 0), level (a comma between two), follow (0: what there is
// and no more) and slow (skip: who cannot keep up goes on with the newest lines). The id of the last line that
// came, in the header Last-Event-ID or, for clients that cannot set it, the parameter after, goes before from.
// Its errors name the parameter and what it may be, for people who write the address by hand.
func logAsked(r *http.Request) (logRequest, error) {
	asked := logRequest{Job: r.PathValue("job"), Follow: true, Whole: true}
	q := r.URL.Query()
	switch follow := q.Get("follow"); follow {
	case "", "1", "true":
	case "0", "false":
		asked.Follow = false
	default:
		return asked, fmt.Errorf("parameter follow is %q; it is 1 or 0", follow)
	}
	switch slow := q.Get("slow"); slow {
	case "", "wait":
	case "skip":
		asked.Newest = true
	default:
		return asked, fmt.Errorf("parameter slow is %q; it is wait or skip", slow)
	}
	for level := range strings.SplitSeq(q.Get("level"), ",") {
		if level == "" {
			continue
		}
		if !slices.Contains(levelNames, events.Level(level)) {
			return asked, fmt.Errorf("parameter level is %q; levels are %v", level, levelNames)
		}
		asked.levels = append(asked.levels, events.Level(level))
	}
	where, last := "header Last-Event-ID", r.Header.Get("Last-Event-ID")
	if last == "" {
		where, last = "parameter after", q.Get("after")
	}
	if last != "" {
		job, line, ok := strings.Cut(last, "/")
		// One bit less than could be: n+1 must not come round.
		n, err := strconv.ParseUint(line, 10, 62)
		if _, bad := strconv.ParseUint(job, 10, 63); !ok || err != nil || bad != nil {
			return asked, fmt.Errorf("%s is %q; it is the id of the last line that came, such as 42/17", where, last)
		}
		asked.Job, asked.From, asked.Resumed = job, n+1, true
		return asked, nil
	}
	if from := q.Get("from"); from != "" {
		n, err := strconv.ParseUint(from, 10, 62)
		if err != nil {
			return asked, fmt.Errorf("parameter from is %q; it is the number of a line, from 0", from)
		}
		asked.From = n
	}
	return asked, nil
}

// chunk is some lines of a log that came at once.
// Lines of a chunk follow one another; body is the frame's own bytes, shared by all who watch the
// job.
type chunk struct {
	job    string
	first  uint64 // number of the first line
	body   []byte // records, each ending in a newline
	lost   uint64 // lines before it that the listener does not get: he was too slow, or they never came
	levels []events.Level
}

// stream hands over a log, chunk by chunk. Who comes back gets the rest of the attempt that he was reading,
// then those that followed.
// It ends with nil when the log is complete, with each's error, or with what the api refused.
func (l logRequest) stream(ctx context.Context, in api.Inside, who api.Caller, each func(chunk) error) error {
	// lost is counted from where this listener's last chunk ended, so a gap is told whatever made it.
	job, next := "", l.From
	return in.Stream(ctx, who, "jobs.log", l, func(p api.Piece) error {
		line, err := strconv.ParseUint(p.Header[events.HeaderFirstLine], 10, 64)
		if err != nil {
			return fmt.Errorf("a frame without a line's number: %w", err)
		}
		count, err := strconv.ParseUint(p.Header[events.HeaderLines], 10, 64)
		if err != nil {
			return fmt.Errorf("a frame without a number of lines: %w", err)
		}
		c := chunk{job: p.Header[events.HeaderJob], first: line, body: p.Body, levels: l.levels}
		if job != "" && c.job != job {
			next = 0 // the attempt that followed
		}
		if line > next {
			c.lost = line - next
		}
		job, next = c.job, line+count
		return each(c)
	})
}
