package events

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Results are most of what a lab records, by a factor of a thousand, and every reader of RESULTS takes
// them apart; encoding/json needs 3 µs of a processor for a case, by reflection and in two passes. What
// stands here reads the one form that Encode writes, fields in their order and nothing between them, in
// 0.6 µs. Whatever departs from it in a single byte goes to encoding/json, whose word on it, value or
// error, stays the only one.

// readResults reads a payload of ResultsRecorded; false says nothing of it but that it is of another
// form.
func readResults(body []byte) (e ResultsRecorded, ok bool) {
	r := resultReader{text: body, last: new(Case)}
	e.Job = JobID(r.number(`{"job":`))
	e.Lease = Lease(r.number(`,"lease":`))
	e.FirstLine = r.number(`,"first_line":`)
	e.Lines = r.number(`,"lines":`)
	if r.take(`,"cases":[`) {
		// In text a quote is escaped, so this cannot count too many.
		e.Cases = make([]Case, 0, min(bytes.Count(body, []byte(`{"suite":"`)), mostCases))
		for more := true; more && !r.failed; more = r.take(",") {
			e.Cases = append(e.Cases, Case{})
			r.readCase(&e.Cases[len(e.Cases)-1])
		}
		r.need("]")
	}
	r.need("}")
	return e, !r.failed && r.at == len(body)
}

// mostCases is for how many cases room is made before they have been read.
const mostCases = 4096

// resultReader stands before text[at:]. Once something was not as it has to be, it has failed, and what
// it returns means nothing.
type resultReader struct {
	text   []byte
	at     int
	failed bool
	last   *Case    // whose texts the next case may repeat: they are then one in memory
	lines  []uint64 // where start and end lines lie
}

func (r *resultReader) readCase(c *Case) {
	r.need(`{"suite":`)
	c.Suite = r.string(r.last.Suite)
	if r.take(`,"set":`) {
		c.Set = r.string(r.last.Set)
	}
	r.need(`,"name":`)
	c.Name = r.string("")
	r.need(`,"result":`)
	c.Result = Outcome(r.string(string(r.last.Result)))
	if r.take(`,"measurement":`) {
		c.Measurement = r.float()
	}
	if r.take(`,"units":`) {
		c.Units = r.string(r.last.Units)
	}
	r.need(`,"at":`)
	at := r.quoted()
	// What time.Time does with JSON, but for the quotes. An escape fails here, as it does there.
	if r.failed || c.At.UnmarshalText(at) != nil {
		r.failed = true
	}
	c.Line = r.number(`,"line":`)
	if r.take(`,"start_line":`) {
		c.StartLine = r.line()
	}
	if r.take(`,"end_line":`) {
		c.EndLine = r.line()
	}
	if r.take(`,"metadata":{`) {
		c.Metadata = map[string]string{}
		for more := !r.take("}"); more && !r.failed; more = !r.take("}") {
			if len(c.Metadata) > 0 {
				r.need(",")
			}
			key := r.string("")
			r.need(":")
			c.Metadata[key] = r.string("")
		}
	}
	r.need("}")
	r.last = c
}

// take passes over what is expected, where it is there.
func (r *resultReader) take(expected string) bool {
	end := r.at + len(expected)
	if end > len(r.text) || string(r.text[r.at:end]) != expected {
		return false
	}
	r.at = end
	return true
}

// need is take of what has to be there.
func (r *resultReader) need(expected string) {
	if !r.take(expected) {
		r.failed = true
	}
}

// number reads a whole number behind its name.
func (r *resultReader) number(name string) uint64 {
	r.need(name)
	begin := r.at
	for r.at < len(r.text) && r.text[r.at]-'0' <= 9 {
		r.at++
	}
	digits := r.text[begin:r.at]
	if len(digits) > 1 && digits[0] == '0' {
		r.failed = true // JSON has no leading zeros
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil { // no digits, or too many
		r.failed = true
	}
	return n
}

// line reads a whole number and gives it a place.
func (r *resultReader) line() *uint64 {
	if len(r.lines) == cap(r.lines) {
		r.lines = make([]uint64, 0, 128) // those handed out stay where they are
	}
	r.lines = append(r.lines, r.number(""))
	return &r.lines[len(r.lines)-1]
}

// float reads a number with a fraction, perhaps.
func (r *resultReader) float() *float64 {
	begin := r.at
	for r.at < len(r.text) && (r.text[r.at]-'0' <= 9 || bytes.IndexByte([]byte("+-.eE"), r.text[r.at]) >= 0) {
		r.at++
	}
	digits := r.text[begin:r.at]
	f, err := strconv.ParseFloat(string(digits), 64)
	if err != nil || !json.Valid(digits) { // JSON takes less than strconv does
		r.failed = true
	}
	return &f
}

// quoted returns what stands between quotes, which end at the first one that is not escaped.
func (r *resultReader) quoted() []byte {
	r.need(`"`)
	begin := r.at
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.text[begin : r.at-1]
		case c == '\\':
			r.at++ // whatever follows is not the end
		}
	}
	r.failed = true
	return nil
}

// string reads a text. Where it is the same as last it is that one.
func (r *resultReader) string(last string) string {
	r.need(`"`)
	begin := r.at
	for r.at < len(r.text) && plain[r.text[r.at]] {
		r.at++
	}
	if r.take(`"`) {
		text := r.text[begin : r.at-1]
		if string(text) == last {
			return last
		}
		return string(text)
	}
	// An escape, or a rune beyond ASCII, which may be none.
	r.at = begin - 1
	var text string
	if r.quoted(); r.failed || json.Unmarshal(r.text[begin-1:r.at], &text) != nil {
		r.failed = true
	}
	return text
}

// plain are the bytes that stand for themselves in a JSON string.
var plain = func() (is [256]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()
