package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"strata/events"
	"strata/events/stream"
)

// cases reads what a job has for results so far.
// All of them are in memory: a body has them as one text a suite.
func (s *service) cases(ctx context.Context, id events.JobID) ([]numbered, error) {
	recorded, err := s.Log.Load(ctx, events.Entity{Kind: events.Result, ID: id.String()})
	if err != nil {
		return nil, err
	}
	var all []numbered
	for _, r := range recorded {
		if e, ok := r.Event.(events.ResultsRecorded); ok {
			for n, c := range e.Cases {
				all = append(all, numbered{c, events.CaseNumber(r.Seq, n)})
			}
		}
	}
	return all, nil
}

// records goes through a job's log as far as it has come.
// Frames of other leases than the last are left out: those were of orders that came back.
func (s *service) records(ctx context.Context, st story, each func(events.Record) error) error {
	if st.job.Run == nil {
		return nil
	}
	err := s.Log.ReadOutput(ctx, stream.OutputReader{
		// A gap does not hold a message up: it says what there is.
		Job: st.job.ID, ToEnd: true, SkipGaps: true,
		Frame: func(f stream.OutputFrame) error {
			if f.Lease != st.job.Run.Lease {
				return nil
			}
			for _, line := range f.Lines() {
				var r events.Record
				if json.Unmarshal(line, &r) != nil {
					continue // of a worker that sends nonsense: there is no text to show
				}
				if err := each(r); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("read the log of job %d: %w", st.job.ID, err)
	}
	return ctx.Err()
}

// spoke says whether a job's log has a line.
// It stops at the first line.
func (s *service) spoke(ctx context.Context, st story) (bool, error) {
	err := s.records(ctx, st, func(events.Record) error { return errSeen })
	if errors.Is(err, errSeen) {
		return true, nil
	}
	return false, err
}

// writeLog writes a job's log as LAVA's YAML.
// It holds one line at a time, for logs that are larger than memory.
// Whole records only reach w, which quotes each write by itself.
func (s *service) writeLog(ctx context.Context, st story, w io.Writer) error {
	var b bytes.Buffer
	return s.records(ctx, st, func(r events.Record) error {
		b.Reset()
		if err := lavaLine(&b, r); err != nil {
			return err
		}
		_, err := w.Write(b.Bytes())
		return err
	})
}

// lavaLine writes a record as an item of LAVA's log: a flow mapping on one line, in its order of keys. JSON is such a
// mapping once a space stands behind each colon and comma.
func lavaLine(b *bytes.Buffer, r events.Record) error {
	fmt.Fprintf(b, `- {"dt": %q, "lvl": %q, "msg": `, r.Time.UTC().Format("2006-01-02T15:04:05.000000-07:00"), r.Level)
	var compact bytes.Buffer
	if err := json.Compact(&compact, r.Message); err != nil {
		return fmt.Errorf("write log line: %w", err)
	}
	// JSON is gone through byte by byte: only colons and commas outside of texts get their blank.
	text, escaped := false, false
	for _, c := range compact.Bytes() {
		b.WriteByte(c)
		switch {
		case escaped:
			escaped = false
		case text && c == '\\':
			escaped = true
		case c == '"':
			text = !text
		case !text && (c == ':' || c == ','):
			b.WriteByte(' ')
		}
	}
	if r.Namespace != "" {
		name, err := json.Marshal(r.Namespace)
		if err != nil {
			return fmt.Errorf("write log line: %w", err)
		}
		fmt.Fprintf(b, `, "ns": %s`, name)
	}
	b.WriteString("}\n")
	return nil
}

// errSeen ends the reading of a log before its end.
var errSeen = errors.New("seen enough")

// action finds the innermost action of the pipeline that was under way when somebody wanted the job's end: by the
// times in the log, which are the worker's.
// It reads "start: 1.2 name" and "end: 1.2 name", as every dispatcher logs them. "" where nothing
// was open.
func (s *service) action(ctx context.Context, st story) (string, error) {
	if st.job.Cancel == nil || st.stage != "running" {
		return "", nil
	}
	var open []string // levels with names, "1.2 auto-login-action"
	err := s.records(ctx, st, func(r events.Record) error {
		// The clocks of worker and lab may differ: near the border the neighbouring action may be
		// named.
		if r.Time.After(st.job.Cancel.At) {
			return errSeen
		}
		var text string
		// What a device or a test prints must not pass for the dispatcher's own words.
		if r.Level == events.Target || r.Level == events.Results || json.Unmarshal(r.Message, &text) != nil {
			return nil
		}
		word, rest, _ := strings.Cut(text, ": ")
		parts := strings.SplitN(rest, " ", 3)
		if len(parts) < 2 || parts[0] == "" || parts[0][0] < '0' || parts[0][0] > '9' {
			return nil
		}
		name := parts[0] + " " + parts[1]
		switch word {
		case "start":
			open = append(open, name)
		case "end":
			for i := len(open) - 1; i >= 0; i-- {
				if open[i] == name {
					open = open[:i]
					break
				}
			}
		}
		return nil
	})
	if errors.Is(err, errSeen) {
		err = nil
	}
	if err != nil || len(open) == 0 {
		return "", err
	}
	_, name, _ := strings.Cut(open[len(open)-1], " ")
	return name, nil
}
