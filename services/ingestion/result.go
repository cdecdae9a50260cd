package ingestion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"strata/events"
)

// Limits of what a result may carry, as LAVA has them.
const (
	maxName     = 200  // characters of a suite's or set's name
	maxMetadata = 4096 // characters of all that is kept as metadata
	maxMeasure  = 1e20 // LAVA's column has 30 digits, 10 of them after the point
)

// isResult tells cheaply whether encoded records may have a result among them; most lines are none.
func isResult(line []byte) bool { return bytes.Contains(line, []byte(`"results"`)) }

// readFiles returns the files whose last record stands in a frame, in order.
func readFiles(f events.Frame) (files []events.File, problems []string) {
	mark := []byte(`"lvl":"file"`)
	if !bytes.Contains(f.Body, mark) {
		return nil, nil
	}
	for i, line := range f.Lines() {
		if !bytes.Contains(line, mark) || !bytes.Contains(line, []byte(`"sha256"`)) {
			continue // a part of one
		}
		var r events.Record
		var part events.FilePart
		err := json.Unmarshal(line, &r)
		if err == nil && r.Level != events.FileData {
			continue
		}
		if err == nil {
			err = json.Unmarshal(r.Message, &part)
		}
		number := f.First + uint64(i)
		if err == nil && (part.File == nil || !events.FileName(part.File.Name) || part.File.First+part.File.Parts > number) {
			err = errors.New("its name or its lines cannot be")
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("[%d] line %d tells of no file: %v", f.Job, number, err))
			continue
		}
		part.File.Line, part.File.At = number, r.Time
		files = append(files, *part.File)
	}
	return files, problems
}

// readResults returns what the records of a frame say of results: cases in order, and a sentence for
// each thing that could not be used.
func readResults(f events.Frame) (cases []events.Case, problems []string) {
	if !isResult(f.Body) {
		return nil, nil // nearly all frames
	}
	for i, line := range f.Lines() {
		if !isResult(line) {
			continue
		}
		var r events.Record
		if err := json.Unmarshal(line, &r); err != nil {
			problems = append(problems, fmt.Sprintf("[%d] line %d is not a record: %v", f.Job, f.First+uint64(i), err))
			continue
		}
		if r.Level != events.Results {
			continue
		}
		c, said := readResult(f.Job, r)
		problems = append(problems, said...)
		if c != nil {
			c.At, c.Line = r.Time, f.First+uint64(i)
			cases = append(cases, *c)
		}
	}
	return cases, problems
}

// result is a record's message while it is taken apart.
type result struct {
	job      events.JobID
	fields   map[string]any
	text     string // as it was sent, for messages
	problems []string
}

// readResult reads one result by the rules of LAVA. A case that lacks what it cannot do without is
// nil; what else is wrong costs only the part that is wrong.
func readResult(job events.JobID, r events.Record) (*events.Case, []string) {
	m := result{job: job, text: string(r.Message)}
	d := json.NewDecoder(bytes.NewReader(r.Message))
	d.UseNumber() // large numbers keep their digits
	if err := d.Decode(&m.fields); err != nil || m.fields == nil {
		return nil, []string{fmt.Sprintf("[%d] %s is not a dictionary", job, cut(m.text, 256))}
	}
	for _, key := range []string{"definition", "case", "result"} {
		if _, there := m.fields[key]; !there {
			return nil, []string{fmt.Sprintf(`Missing some keys ("definition", "case" or "result") in %s`, cut(m.text, 256))}
		}
	}
	c := &events.Case{
		Suite: cut(text(m.take("definition")), maxName), Name: caseName(text(m.take("case"))),
		Result: events.Outcome(text(m.take("result"))),
	}
	// LAVA drops such a result and tells only its own log; here its submitter sees it.
	switch c.Result {
	case events.Pass, events.Fail, events.Skip, events.UnknownOutcome:
	default:
		m.problem("Result %q of case %q is none of pass, fail, skip, unknown", c.Result, c.Name)
		return nil, m.problems
	}
	c.StartLine, c.EndLine = m.line("starttc"), m.line("endtc")
	c.Set = m.set()
	m.measure(c)
	c.Metadata = m.metadata()
	return c, m.problems
}

// problem notes what could not be used, in a sentence that begins with the job as LAVA's do.
func (m *result) problem(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf("[%d] ", m.job)+fmt.Sprintf(format, args...))
}

// take returns a field and removes it from what will be metadata.
func (m *result) take(key string) any {
	v := m.fields[key]
	delete(m.fields, key)
	return v
}

// line reads the number of a log line; null and nonsense are none.
func (m *result) line(key string) *uint64 {
	n, err := strconv.ParseUint(text(m.take(key)), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// set returns the test set's name. One that would not survive in an address is ignored, as in LAVA:
// the case stands in the suite then.
func (m *result) set() string {
	v, there := m.fields["set"]
	if !there || v == nil {
		return ""
	}
	name := text(m.take("set"))
	if !urlSafe(name) || utf8.RuneCountInString(name) > maxName {
		m.problems = append(m.problems, fmt.Sprintf("Invalid testset name '%s', ignoring.", name))
		return ""
	}
	return name
}

// urlSafe says that a name is equal to its percent-encoding, "/" counting as safe.
func urlSafe(name string) bool {
	for _, part := range strings.Split(name, "/") {
		if url.QueryEscape(part) != part {
			return false
		}
	}
	return name != ""
}

// measure reads measurement and units. A case of the pipeline itself is measured by how long it took.
func (m *result) measure(c *events.Case) {
	raw, there := m.fields["measurement"]
	delete(m.fields, "measurement")
	c.Units = text(m.take("units"))
	if !there || raw == nil {
		if c.Suite != "lava" {
			return
		}
		if v, ok := number(m.fields["duration"]); ok {
			c.Measurement, c.Units = &v, "seconds"
		}
		return
	}
	v, ok := number(raw)
	if !ok {
		m.problem("Invalid measurement %s of case %q, ignoring it", cut(text(raw), 64), c.Name)
		return
	}
	c.Measurement = &v
}

// number reads a decimal number, which may stand as a text. Infinity and not-a-number are none.
func number(v any) (float64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(text(v)), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) >= maxMeasure {
		return 0, false
	}
	return f, true
}

// metadata returns the fields that are left, as texts. Too many of them are reduced to the error, as
// in LAVA, and said to be.
func (m *result) metadata() map[string]string {
	if len(m.fields) == 0 {
		return nil
	}
	kept, size := make(map[string]string, len(m.fields)), 0
	for key, v := range m.fields {
		kept[key] = text(v)
		if key != "extra" { // which LAVA keeps in a file of its own
			size += utf8.RuneCountInString(key) + utf8.RuneCountInString(kept[key])
		}
	}
	if size <= maxMetadata {
		return kept
	}
	m.problem("Result metadata is too long. %s", cut(m.text, 256))
	short := map[string]string{}
	for _, key := range []string{"error_type", "error_msg"} {
		if v, there := kept[key]; there {
			short[key] = cut(v, 256)
		}
	}
	return short
}

// caseName returns a case's name as it is kept: stripped, without control characters.
func caseName(name string) string {
	name = strings.TrimSpace(name)
	if !slices.ContainsFunc([]rune(name), unicode.IsControl) {
		return name
	}
	var b strings.Builder
	for _, r := range name {
		if unicode.IsControl(r) {
			b.WriteString("_ctrl-char_")
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// text returns a value as text: a string as it is, everything else as JSON.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

// cut returns at most n characters of s.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}
