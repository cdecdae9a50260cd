package logbook

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"strata/dispatcher/output"
)

// Section is a stretch of a log that belongs together: an action, a test definition, a test case.
type Section struct {
	Kind    string  `json:"kind"` // action, test or case
	Name    string  `json:"name"`
	Level   string  `json:"level,omitempty"` // of an action, such as 2.1
	Depth   int     `json:"depth"`           // sections around it
	Start   uint64  `json:"start"`           // its first line
	End     *uint64 `json:"end,omitempty"`   // its last; none while it goes on
	Began   string  `json:"began,omitempty"` // time of the first line
	Seconds float64 `json:"seconds,omitempty"`
	Result  string  `json:"result,omitempty"` // pass, fail, skip, unknown

	// Where rows are not lines: the row of its first line that is shown, and the row behind its last one. They stand in
	// no book; [Book.Place] sets them.
	First  *uint64 `json:"first,omitempty"`
	Behind *uint64 `json:"behind,omitempty"`
}

// Finding is a line that says what went wrong.
type Finding struct {
	Line uint64 `json:"line"`
	Kind string `json:"kind"` // panic, oops and what else kernels report; error, exception, case
	Text string `json:"text"` // of the line, at most 200 bytes
}

// The most that an outline has. A log may hold a million test cases; they are found by search.
// The limits hold an outline below 2 MB, which the viewer fetches whole.
const (
	maxSections = 4000
	maxFindings = 500
	maxOfKind   = 50 // findings of each kind
	maxFound    = 200
)

// outline is what a log is made of.
// It is made line by line while a book is filled, under the book's lock.
type outline struct {
	sections []Section
	open     []int // places of sections that have not ended, the innermost last
	findings []Finding
	kinds    map[string]int
	more     bool // there are sections or findings beyond the limits
}

// action is the line around an action, as dispatchers write it: "start: 2.1 name (timeout …", "end: 2.1 name (duration …".
var action = regexp.MustCompile(`^(start|end): ([0-9.]+) ([^ ]+)`)

// note looks at one line.
// plain is the line without colours, valid during the call.
func (o *outline) note(line uint64, p parsed, plain []byte) {
	switch p.level {
	case 0, 1: // debug, info
		if m := action.FindSubmatch(plain); m != nil {
			o.action(line, p, string(m[1]) == "start", string(m[2]), string(m[3]))
		} else if signal, ok := bytes.CutPrefix(plain, []byte("Received signal: <")); ok {
			o.signal(line, p, string(signal))
		}
	case 3:
		o.find(line, "error", plain)
	case 4:
		o.find(line, "exception", plain)
	case levelResults:
		o.result(line, p.message)
	// Feedback is of a namespace that nobody waits for: a kernel may panic there as well.
	case levelTarget, 7:
		if f, ok := output.FindingIn(string(plain)); ok {
			o.find(line, f.Kind, []byte(f.Text))
		}
	}
}

// action begins or ends an action. What is still open inside one that ends has ended with it.
func (o *outline) action(line uint64, p parsed, start bool, level, name string) {
	if start {
		o.begin(Section{Kind: "action", Name: name, Level: level, Start: line, Began: string(p.time)})
		return
	}
	for i := len(o.open) - 1; i >= 0; i-- {
		if s := o.sections[o.open[i]]; s.Kind == "action" && s.Level == level {
			o.close(i, line, p)
			return
		}
	}
}

// signal reads what a test says of itself.
// These are the words of lava-test-case and its like, which the dispatcher logs as it hears them; a
// test may say anything, so nothing of it is believed but names.
func (o *outline) signal(line uint64, p parsed, text string) {
	// "Received signal: <STARTTC> name", with more words behind it that are of no interest here.
	name, rest, _ := strings.Cut(text, "> ")
	words := strings.Fields(rest)
	if len(words) == 0 {
		return
	}
	switch name {
	case "STARTRUN":
		o.begin(Section{Kind: "test", Name: words[0], Start: line, Began: string(p.time)})
	case "STARTTC":
		o.begin(Section{Kind: "case", Name: words[0], Start: line, Began: string(p.time)})
	case "ENDRUN":
		o.finish("test", words[0], line, p)
	case "ENDTC":
		o.finish("case", words[0], line, p)
	}
}

// begin opens a section within those that are open.
// Beyond the limit nothing is opened, and More says that some lack.
func (o *outline) begin(s Section) {
	if len(o.sections) >= maxSections {
		o.more = true
		return
	}
	s.Depth = len(o.open)
	o.open = append(o.open, len(o.sections))
	o.sections = append(o.sections, s)
}

// finish ends the innermost open section of a kind and name; one that nobody began is passed over.
func (o *outline) finish(kind, name string, line uint64, p parsed) {
	for i := len(o.open) - 1; i >= 0; i-- {
		if s := o.sections[o.open[i]]; s.Kind == kind && s.Name == name {
			o.close(i, line, p)
			return
		}
	}
}

// close ends the open section at a place, and what is open inside.
// Times are the worker's; without both of them a section has no length.
func (o *outline) close(at int, line uint64, p parsed) {
	for _, i := range o.open[at:] {
		s := &o.sections[i]
		s.End = &line
		began, bad := time.Parse(time.RFC3339Nano, s.Began)
		ended, worse := time.Parse(time.RFC3339Nano, string(p.time))
		if bad == nil && worse == nil {
			s.Seconds = ended.Sub(began).Seconds()
		}
	}
	o.open = o.open[:at]
}

// result marks the section that a result is of, and a failed case as a finding.
// The newest section of the name that has no result yet: names repeat.
func (o *outline) result(line uint64, message []byte) {
	var r struct {
		Suite  string `json:"definition"`
		Case   string `json:"case"`
		Result string `json:"result"`
		Level  string `json:"level"`
	}
	if json.Unmarshal(message, &r) != nil || r.Case == "" {
		return
	}
	// A result follows its section closely; a log of a million results must not look through all for
	// each.
	for i := len(o.sections) - 1; i >= max(0, len(o.sections)-200); i-- {
		s := &o.sections[i]
		if s.Result == "" && (s.Kind == "action" && r.Suite == "lava" && s.Name == r.Case && (r.Level == "" || r.Level == s.Level) ||
			s.Kind == "case" && r.Suite != "lava" && s.Name == r.Case) {
			s.Result = r.Result
			break
		}
	}
	if r.Result == "fail" {
		o.find(line, "case", []byte(r.Suite+" "+r.Case))
	}
}

// find notes a finding; of each kind the first ones count.
func (o *outline) find(line uint64, kind string, text []byte) {
	if o.kinds == nil {
		o.kinds = map[string]int{}
	}
	if o.kinds[kind]++; o.kinds[kind] > maxOfKind || len(o.findings) >= maxFindings {
		o.more = true
		return
	}
	if len(text) > maxFound {
		text = append(bytes.ToValidUTF8(text[:maxFound], nil), "…"...)
	}
	o.findings = append(o.findings, Finding{line, kind, string(text)})
}

// Outline is what a log is made of, as far as it has been read.
type Outline struct {
	Sections []Section `json:"sections"` // in the order of their first lines
	Findings []Finding `json:"findings"` // in the order of their lines
	More     bool      `json:"more,omitempty"`
}

// Outline returns what the log is made of.
// Copies, so that a viewer may have it while the book is being filled.
func (b *Book) Outline() Outline {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return Outline{append([]Section{}, b.outline.sections...), append([]Finding{}, b.outline.findings...), b.outline.more}
}
