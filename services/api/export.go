package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
	"strata/schemas/results"
)

// ResultsExport asks for a job's results as a file. The messages of the flow are its bytes.
// Offset and Limit are for LAVA's csv and yaml addresses, which have them.
type ResultsExport struct {
	Job     events.JobID `json:"job"`
	Whole   bool         `json:"whole,omitempty"`   // of the last attempt, under the first one's number
	Suite   string       `json:"suite,omitempty"`   // of this suite only
	Case    string       `json:"case,omitempty"`    // of cases of this name only
	Format  string       `json:"format"`            // one of [results.Formats]
	Prefix  string       `json:"prefix,omitempty"`  // JUnit: before each class name
	Minimal bool         `json:"minimal,omitempty"` // CSV: quote only what needs it
	Offset  int          `json:"offset,omitempty"`  // cases left out at the beginning
	Limit   int          `json:"limit,omitempty"`   // cases at most; 0 is all
}

const (
	// A job of a million cases costs a read of its facts for each suite, and no more memory than one
	// of these.
	maxHeld    = 50_000 // cases of a job that are held while its file is written; more are read again for each suite
	maxExcerpt = 500    // log lines of one case
)

// openResults sends a job's results in a format of the field. It reads the facts, not the tables: a
// result is in the file once it is recorded, whether or not ClickHouse is there.
func (a *api) openResults(who caller, body []byte) (producer, error) {
	in, err := decode[ResultsExport](body)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(results.Formats(), in.Format) {
		return nil, &Error{Code: Invalid, Field: "format", Message: fmt.Sprintf("format is %q; want one of %s", in.Format, strings.Join(results.Formats(), ", "))}
	}
	if in.Offset < 0 || in.Limit < 0 {
		return nil, &Error{Code: Invalid, Field: "limit", Message: fmt.Sprintf("offset is %d and limit %d; want numbers from 0", in.Offset, in.Limit)}
	}
	return func(ctx context.Context, emit func(message) error) error {
		facts, err := a.jobFacts(ctx, in.Job)
		if err != nil {
			return err
		}
		if err := a.mayJob(who, lab.View, in.Job); err != nil {
			return err
		}
		if _, erased := removed(facts); erased {
			return refuse(NotFound, "job %d was erased; strata events job/%d tells by whom", in.Job, in.Job)
		}
		j, _ := viewFacts(facts)
		id, number := in.Job, j.Display
		if in.Whole && j.RetriedAs != 0 {
			if err := a.mayAttempt(who, in.Job, j.RetriedAs); err != nil {
				return err
			}
			id = j.RetriedAs
			if j, err = a.attempt(ctx, id); err != nil {
				return err
			}
		}
		out := &chunks{emit: emit}
		e := caseFile{a: a, ctx: ctx, job: id, in: in}
		if err := e.survey(); err != nil {
			return err
		}
		// A suite that nobody has reported is a slip of the name; of a case that is not there the
		// file is empty.
		if in.Suite != "" && !slices.Contains(e.suites, in.Suite) {
			return refuse(NotFound, "job %s has no suite %q; it has %s", number, in.Suite, strings.Join(quoted(e.suites), ", "))
		}
		if in.Format == "csv" || in.Format == "yaml" {
			number = in.Job.String() // LAVA's records name a part of a group by its own number, not as 42.1
		}
		err = results.Write(out, in.Format, e.source(j, number), results.Options{Prefix: in.Prefix, Minimal: in.Minimal})
		if err != nil {
			return err
		}
		return out.flush()
	}, nil
}

// quoted writes names for a message.
func quoted(names []string) []string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = fmt.Sprintf("%q", n)
	}
	return list
}

// chunks gathers what is written into messages.
// A message is sent once [chunkBytes] have come, and what is left by flush, which its owner must
// call at the end; it is an [io.Writer] for encoders.
type chunks struct {
	emit func(message) error
	held []byte
}

func (c *chunks) Write(p []byte) (int, error) {
	c.held = append(c.held, p...)
	if len(c.held) < chunkBytes {
		return len(p), nil
	}
	return len(p), c.flush()
}

// flush sends what has gathered; of nothing it sends no message, which would be a sign of life.
func (c *chunks) flush() error {
	if len(c.held) == 0 {
		return nil
	}
	// The receiver may keep it.
	body := c.held
	c.held = nil
	return c.emit(message{body: body})
}

// caseFile gives a job's cases suite by suite, as often as a format asks.
// It lives as long as one request, whose ctx it holds for the iterators that formats go through.
type caseFile struct {
	a      *api
	ctx    context.Context
	job    events.JobID
	in     ResultsExport
	suites []string // in the order in which they began
	of     map[string]surveyed
	last   uint64 // sequence in RESULTS up to which the file reaches: a job may go on meanwhile
	cases  int
	held   []results.Case // all of them, where they are few
}

// surveyed is what a survey finds of a suite.
type surveyed struct {
	first uint64 // number of its first case
	cases int
}

// survey reads the facts once: which suites there are, and how far the file reaches.
func (e *caseFile) survey() error {
	e.of = map[string]surveyed{}
	return e.each(func(r stream.Recorded, n int, c events.Case) error {
		s, known := e.of[c.Suite]
		if !known {
			e.suites = append(e.suites, c.Suite)
			s.first = events.CaseNumber(r.Seq, n)
		}
		s.cases++
		e.of[c.Suite] = s
		// What comes after is not in the file, however often it is gone through: totals and rows
		// agree.
		e.last = r.Seq
		if e.cases++; e.cases <= maxHeld {
			e.held = append(e.held, caseOf(r.Seq, n, c))
		} else {
			e.held = nil
		}
		return nil
	})
}

// each hands over the cases of all facts up to last; 0 is all.
func (e *caseFile) each(f func(r stream.Recorded, n int, c events.Case) error) error {
	until := e.last
	err := e.a.log.Each(e.ctx, events.Entity{Kind: events.Result, ID: e.job.String()}, func(r stream.Recorded) error {
		if until != 0 && r.Seq > until {
			return errAllRead
		}
		recorded, ok := r.Event.(events.ResultsRecorded)
		if !ok {
			return nil
		}
		for n, c := range recorded.Cases {
			if err := f(r, n, c); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errAllRead) {
		return nil
	}
	return err
}

// caseOf is a case as formats have it; seq and n say where it stands in RESULTS.
func caseOf(seq uint64, n int, c events.Case) results.Case {
	return results.Case{
		ID: events.CaseNumber(seq, n), Suite: c.Suite, Set: c.Set, Name: c.Name, Result: string(c.Result), Measurement: c.Measurement, Units: c.Units,
		Logged: c.At, StartLine: c.StartLine, EndLine: c.EndLine, Metadata: c.Metadata,
	}
}

// source is what a format is written of.
// Without tables there are no excerpts of the log, which some of the formats have.
func (e *caseFile) source(j Job, number string) results.Source {
	s := results.Source{Job: results.Job{
		Number: number, Device: string(j.Device), Kind: string(j.DeviceType), Name: j.Name, Build: j.Metadata["build_id"],
	}}
	if j.Ended != nil {
		s.Job.Ended = *j.Ended
	}
	// build_id is written origin:number by whoever submits for KCIDB; any other is no such number.
	if !strings.Contains(s.Job.Build, ":") {
		s.Job.Build = "" // a build of somebody else's numbering
	}
	s.Cases = e.all()
	if e.a.history.DB != nil {
		s.Lines = e.lines
	}
	return s
}

// all gives the cases that were asked for.
// It may be gone through again, and begins anew then.
func (e *caseFile) all() iter.Seq2[results.Case, error] {
	return func(yield func(results.Case, error) bool) {
		// Both count cases of the file, after suite and name have been chosen.
		skip, left := e.in.Offset, e.in.Limit
		give := func(c results.Case) error {
			if e.in.Case != "" && c.Name != e.in.Case {
				return nil
			}
			if skip > 0 {
				skip--
				return nil
			}
			if !yield(c, nil) {
				return errAllRead
			}
			// A limit of 0 goes below zero here, and so bounds nothing.
			if left--; left == 0 {
				return errAllRead
			}
			return nil
		}
		for _, suite := range e.suites {
			if e.in.Suite != "" && suite != e.in.Suite {
				continue
			}
			err := e.suite(suite, give)
			if errors.Is(err, errAllRead) {
				return
			}
			if err != nil {
				yield(results.Case{}, err)
				return
			}
		}
	}
}

// suite gives the cases of one suite.
func (e *caseFile) suite(suite string, give func(results.Case) error) error {
	if e.cases <= maxHeld {
		for _, c := range e.held {
			if c.Suite == suite {
				if err := give(c); err != nil {
					return err
				}
			}
		}
		return nil
	}
	enough := false
	err := e.each(func(r stream.Recorded, n int, c events.Case) error {
		if c.Suite != suite {
			return nil
		}
		err := give(caseOf(r.Seq, n, c))
		enough = errors.Is(err, errAllRead)
		return err
	})
	if err == nil && enough {
		return errAllRead
	}
	return err
}

// lines returns the log lines of a case as text. A log that cannot be read now leaves the excerpt away:
// the file is about results.
// start and end are line numbers from 0; end is not included.
func (e *caseFile) lines(start, end uint64) (string, error) {
	// From the tables, which find lines by number; the stream would be read from its beginning.
	list, err := e.a.history.DB.Lines(e.ctx, projections.LineFilter{Job: e.job, From: start, To: end, Limit: maxExcerpt})
	if errors.Is(err, projections.ErrAway) {
		return "", nil
	}
	var b strings.Builder
	for _, l := range list {
		b.WriteString(l.Message + "\n")
	}
	if end-start > maxExcerpt && err == nil {
		fmt.Fprintf(&b, "(%d lines more)\n", end-start-maxExcerpt)
	}
	return b.String(), err
}
