package live

import (
	"bytes"
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
type logRequest struct {
	Job    string `json:"job"`              // as people write it: "42", "41.2"
	From   uint64 `json:"from,omitempty"`   // first line, from 0
	Follow bool   `json:"follow,omitempty"` // until the job's output is complete
	Whole  bool   `json:"whole,omitempty"`  // with the attempts that follow

	levels []events.Level // none is all
	resume bool           // some of it has come already
}

// levels of a log's lines, for messages.
var levelNames = []events.Level{events.Debug, events.Info, events.Warning, events.Error, events.Exception, events.Input,
	events.Target, events.Feedback, events.Results, events.EventText}

// logAsked reads from (the first line, from 0), level (a comma between two) and follow (0: what there is
// and no more). Last-Event-ID, the id of the last line that came, goes before from.
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
	for level := range strings.SplitSeq(q.Get("level"), ",") {
		if level == "" {
			continue
		}
		if !slices.Contains(levelNames, events.Level(level)) {
			return asked, fmt.Errorf("parameter level is %q; levels are %v", level, levelNames)
		}
		asked.levels = append(asked.levels, events.Level(level))
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		job, line, ok := strings.Cut(last, "/")
		n, err := strconv.ParseUint(line, 10, 62)
		if _, bad := strconv.ParseUint(job, 10, 63); !ok || err != nil || bad != nil {
			return asked, fmt.Errorf("header Last-Event-ID is %q; it is the id of the last line that came, such as 42/17", last)
		}
		asked.Job, asked.From, asked.resume = job, n+1, true
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

// stream hands over the events of a log. Who comes back gets the rest of the attempt that he was reading,
// then those that followed.
func (l logRequest) stream(ctx context.Context, in api.Inside, who api.Caller, send func([]byte) error) error {
	if l.resume {
		var j api.Job
		if err := in.Call(ctx, who, "jobs.show", map[string]string{"job": l.Job}, &j); err != nil {
			return err
		}
		if j.RetriedAs != 0 {
			l.Whole = false
			if err := l.one(ctx, in, who, send); err != nil {
				return err
			}
			l.Job, l.From, l.Whole = j.RetriedAs.String(), 0, true
		}
	}
	return l.one(ctx, in, who, send)
}

func (l logRequest) one(ctx context.Context, in api.Inside, who api.Caller, send func([]byte) error) error {
	return in.Stream(ctx, who, "jobs.log", l, func(p api.Piece) error {
		line, err := strconv.ParseUint(p.Header[events.HeaderFirstLine], 10, 64)
		if err != nil {
			return fmt.Errorf("a frame without a line's number: %w", err)
		}
		var text bytes.Buffer
		for record := range bytes.Lines(p.Body) {
			if l.wants(record) {
				fmt.Fprintf(&text, "id: %s/%d\ndata: %s\n\n", p.Header[events.HeaderJob], line, bytes.TrimSuffix(record, []byte{'\n'}))
			}
			line++
		}
		return send(text.Bytes())
	})
}

// wants says whether a record's level is asked for. A record names its level once, before its message.
func (l logRequest) wants(record []byte) bool {
	head := record[:min(len(record), 120)]
	return len(l.levels) == 0 || slices.ContainsFunc(l.levels, func(level events.Level) bool {
		return bytes.Contains(head, []byte(`"lvl":"`+level+`"`))
	})
}
