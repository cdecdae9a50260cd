// Package results writes test results in the formats that people exchange, and reads some of them.
//
// CSV, YAML, JSON, JUnit and TAP 13 have LAVA's columns, words and order, since clients parse them
// by position and text. KTAP is the form of the kernel's own tests, KCIDB v5 what KernelCI's
// database takes. JUnit, TAP and KTAP are read as well: they are what test suites leave behind.
//
//	Source ── Write(w, format) ──▶ text        text ── Read(format) ──▶ []Case
//
// Writing streams: at most one case and one number per suite are held. A format whose beginning
// says how many cases there are ranges over the cases twice, so a [Source] must give the same ones
// each time.
package results

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"
)

// Job is what the formats say of the whole.
type Job struct {
	Number  string    // as people write it; 42 or 42.1
	Started time.Time // zero where it has not
	Ended   time.Time // zero while it goes on
	Device  string    // that it ran on, empty for none yet
	Kind    string    // device type
	Name    string    // description of the job
	Build   string    // KCIDB id of the build that was tested, <origin>:<id>; empty where nobody told
	Origin  string    // KCIDB name of this lab, [a-z0-9_]+; empty is strata
	LogURL  string    // where the log is, absolute; empty where it has no address
}

// Case is one test case.
type Case struct {
	ID          uint64 // number of the case in the lab, as in /results/testcase/<id>
	Suite       string // lava for the pipeline itself, else 0_smoke
	Set         string // empty outside a set
	Name        string
	Result      string // pass, fail, skip or unknown
	Measurement *float64
	Units       string
	Logged      time.Time
	StartLine   *uint64 // first log line of the case, from 0
	EndLine     *uint64
	Metadata    map[string]string // other keys of the record; what is not text is JSON
	Text        string            // what went wrong, in its own words; only of cases that were read
}

// Source is a job's results.
type Source struct {
	Job Job
	// Cases gives them suite by suite, within a suite in the order in which they were reported, and
	// the same ones each time. An error ends it.
	Cases iter.Seq2[Case, error]
	// Lines returns the log lines from start up to, not including, end, as one text. nil leaves
	// excerpts away.
	Lines func(start, end uint64) (string, error)
}

// Options change what a format leaves open.
type Options struct {
	Prefix  string // JUnit: before each class name, joined by _
	Minimal bool   // CSV: quote only what needs it, as LAVA's pages do; else everything, as its REST does
}

// writers are the formats that can be written. Each is a function of the source alone.
var writers = []struct {
	name, contentType, extension string
	write                        func(io.Writer, Source, Options) error
}{
	{"csv", "application/csv", "csv", writeCSV},
	{"json", "application/json", "json", writeJSON},
	{"junit", "application/xml", "xml", writeJUnit},
	{"kcidb", "application/json", "json", writeKCIDB},
	{"ktap", "text/plain", "ktap", writeKTAP},
	{"tap", "application/yaml", "yaml", writeTAP},
	{"yaml", "application/yaml", "yaml", writeYAML},
}

// Formats lists the names of the formats that [Write] knows, sorted.
func Formats() []string {
	names := make([]string, len(writers))
	for i, f := range writers {
		names[i] = f.name
	}
	return names
}

// ContentType returns a format's content type and file extension, as LAVA's doors send them; empty
// for an unknown format.
func ContentType(format string) (contentType, extension string) {
	for _, f := range writers {
		if f.name == format {
			return f.contentType, f.extension
		}
	}
	return "", ""
}

// Write writes s to w in a format. The error is that of w, of s, or says that there is no such format.
// What was written before an error stays in w: who needs all or nothing writes into a file first.
func Write(w io.Writer, format string, s Source, o Options) error {
	for _, f := range writers {
		if f.name != format {
			continue
		}
		if err := f.write(w, s, o); err != nil {
			return fmt.Errorf("write results as %s: %w", format, err)
		}
		return nil
	}
	return fmt.Errorf("format %q: want one of %s", format, strings.Join(Formats(), ", "))
}

// totals is what a format's beginning says of a suite.
type totals struct {
	suite                            string
	cases, failures, skips, unknowns int
	seconds                          float64
	timed                            bool // seconds is a sum of at least one
}

// count ranges over the cases once and returns the suites in their order.
func (s Source) count() ([]totals, error) {
	var list []totals
	at := map[string]int{}
	for c, err := range s.Cases {
		if err != nil {
			return nil, err
		}
		i, known := at[c.Suite]
		if !known {
			i = len(list)
			at[c.Suite] = i
			list = append(list, totals{suite: c.Suite})
		}
		t := &list[i]
		t.cases++
		switch c.Result {
		case "fail":
			t.failures++
		case "skip":
			t.skips++
		case "unknown":
			t.unknowns++
		}
		if d, ok := c.duration(); ok {
			t.seconds, t.timed = t.seconds+d, true
		}
	}
	return list, nil
}

// excerpt returns the log lines of a case, empty where they are not known.
func (s Source) excerpt(c Case) (string, error) {
	if s.Lines == nil || c.StartLine == nil || c.EndLine == nil || *c.StartLine >= *c.EndLine {
		return "", nil
	}
	text, err := s.Lines(*c.StartLine, *c.EndLine)
	if err != nil {
		return "", fmt.Errorf("read lines %d to %d of the log: %w", *c.StartLine, *c.EndLine, err)
	}
	return text, nil
}

// Known says whether a result is one of the four words.
func Known(result string) bool {
	return slices.Contains([]string{"pass", "fail", "skip", "unknown"}, result)
}
