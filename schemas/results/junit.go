package results

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"strata/schemas/python"
)

// writeJUnit writes a testsuites document, a suite each. unknown has no place in JUnit: such a case
// looks like one that passed, as LAVA has it.
// The head says how many cases there are, so they are counted first: two passes over the source.
func writeJUnit(to io.Writer, s Source, o Options) error {
	suites, err := s.count()
	if err != nil {
		return err
	}
	w := bufio.NewWriter(to)
	var whole totals
	for _, t := range suites {
		whole.cases, whole.failures, whole.seconds = whole.cases+t.cases, whole.failures+t.failures, whole.seconds+t.seconds
	}
	fmt.Fprint(w, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n")
	if len(suites) == 0 {
		fmt.Fprint(w, "<testsuites/>\n")
		return w.Flush()
	}
	fmt.Fprintf(w, "<testsuites disabled=\"0\" errors=\"0\" failures=\"%d\" tests=\"%d\" time=\"%s\">\n",
		whole.failures, whole.cases, python.Float(whole.seconds))
	prefix := ""
	if o.Prefix != "" {
		prefix = o.Prefix + "_"
	}
	open := -1
	for c, err := range s.Cases {
		if err != nil {
			return err
		}
		if open < 0 || suites[open].suite != c.Suite {
			if open >= 0 {
				fmt.Fprint(w, "\t</testsuite>\n")
			}
			if open++; open >= len(suites) || suites[open].suite != c.Suite {
				return fmt.Errorf("case %d of suite %q is not beside the others of its suite", c.ID, c.Suite)
			}
			openSuite(w, s.Job, suites[open])
		}
		if err := writeTestcase(w, s, c, prefix); err != nil {
			return err
		}
	}
	if open >= 0 {
		fmt.Fprint(w, "\t</testsuite>\n")
	}
	fmt.Fprint(w, "</testsuites>\n")
	return w.Flush()
}

// moment writes a time as a real LAVA does here, unlike in its records.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000-07:00") }

func openSuite(w io.Writer, job Job, t totals) {
	seconds := "0"
	if t.timed {
		seconds = python.Float(t.seconds)
	}
	fmt.Fprintf(w, "\t<testsuite disabled=\"0\" errors=\"0\" failures=\"%d\" name=\"%s\" skipped=\"%d\" tests=\"%d\" time=\"%s\"",
		t.failures, escaped(t.suite), t.skips, t.cases, seconds)
	if !job.Ended.IsZero() {
		fmt.Fprintf(w, " timestamp=\"%s\"", moment(job.Ended))
	}
	fmt.Fprint(w, ">\n")
}

func writeTestcase(w io.Writer, s Source, c Case, prefix string) error {
	fmt.Fprintf(w, "\t\t<testcase name=\"%s\"", escaped(c.Name))
	if d, ok := c.duration(); ok && d != 0 {
		fmt.Fprintf(w, " time=\"%f\"", d)
	}
	fmt.Fprintf(w, " timestamp=\"%s\" classname=\"%s\"", moment(c.Logged), escaped(prefix+c.Suite))
	switch c.Result {
	case "fail":
		text, err := s.excerpt(c)
		if err != nil {
			return err
		}
		fmt.Fprint(w, ">\n\t\t\t<failure type=\"failure\" message=\"failed\"")
		if text == "" {
			fmt.Fprint(w, "/>\n\t\t</testcase>\n")
			break
		}
		fmt.Fprintf(w, ">%s</failure>\n\t\t</testcase>\n", content(text))
	case "skip":
		fmt.Fprint(w, ">\n\t\t\t<skipped type=\"skipped\" message=\"skipped\"/>\n\t\t</testcase>\n")
	default:
		fmt.Fprint(w, "/>\n")
	}
	return nil
}

// escaped returns text for an attribute, whose line ends a reader would take for blanks.
func escaped(text string) string {
	return strings.NewReplacer("\n", "&#10;", "\t", "&#9;").Replace(content(text))
}

// content returns text for an element, written as Python's minidom does it: line ends stay, so that people can read the
// lines of a log. What XML cannot hold is left out: consoles print such bytes.
func content(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' && r != '\n' || r >= 0x7f && r < 0xa0 && r != 0x85 || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfddf {
			return -1
		}
		return r
	}, text)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(clean)
}

// junitSuite is a testsuite as tools write it: cases, and suites within.
type junitSuite struct {
	Name   string       `xml:"name,attr"`
	Suites []junitSuite `xml:"testsuite"`
	Cases  []junitCase  `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitOutcome `xml:"failure"`
	Error   *junitOutcome `xml:"error"`
	Skipped *junitOutcome `xml:"skipped"`
}

type junitOutcome struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Most tools put the reason into the attribute, and a trace of the program into the text.
func (o *junitOutcome) words() string {
	if o.Message != "" {
		return o.Message
	}
	return strings.TrimSpace(o.Text)
}

// readJUnit reads a document whose root is testsuites or testsuite. Go's decoder expands no entity
// that the document defines, so nothing grows.
func readJUnit(text string) ([]Case, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("no testsuite in it: %w", at(d, err))
		}
		root, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if root.Name.Local != "testsuites" && root.Name.Local != "testsuite" {
			return nil, fmt.Errorf("its root is <%s>; want <testsuites> or <testsuite>", root.Name.Local)
		}
		var suite junitSuite
		if err := d.DecodeElement(&suite, &root); err != nil {
			return nil, at(d, err)
		}
		return junitCases(nil, suite, 0)
	}
}

// at adds where a decoder stood.
func at(d *xml.Decoder, err error) error {
	line, column := d.InputPos()
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}

// maxNesting bounds suites within suites.
const maxNesting = 32

// time is taken as a measurement in seconds, with commas for thousands, as some tools write them. An
// error is a failure here: LAVA has no fifth word.
func junitCases(cases []Case, suite junitSuite, depth int) ([]Case, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("suites are nested more than %d deep", maxNesting)
	}
	for _, j := range suite.Cases {
		c := Case{Set: suite.Name, Name: j.Name, Result: "pass"}
		if j.Class != "" && j.Class != suite.Name {
			c.Name = j.Class + "." + j.Name
		}
		switch {
		case j.Failure != nil:
			c.Result, c.Text = "fail", j.Failure.words()
		case j.Error != nil:
			c.Result, c.Text = "fail", j.Error.words()
		case j.Skipped != nil:
			c.Result, c.Text = "skip", j.Skipped.words()
		}
		var seconds float64
		if _, err := fmt.Sscanf(strings.ReplaceAll(j.Time, ",", ""), "%g", &seconds); err == nil && !math.IsInf(seconds, 0) && !math.IsNaN(seconds) {
			c.Measurement, c.Units = &seconds, "seconds"
		}
		if c.Name == "" {
			return nil, fmt.Errorf("a testcase of suite %q has no name", suite.Name)
		}
		cases = append(cases, c)
	}
	for _, inner := range suite.Suites {
		if suite.Name != "" && inner.Name != "" {
			inner.Name = suite.Name + "/" + inner.Name
		}
		var err error
		if cases, err = junitCases(cases, inner, depth+1); err != nil {
			return nil, err
		}
	}
	return cases, nil
}
