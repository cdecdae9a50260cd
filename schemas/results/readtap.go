package results

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	// A result line: its indentation, its outcome, its number, what follows.
	point = regexp.MustCompile(`^(not ok|ok)\b(?:[ \t]+(\d+))?(.*)$`)
	plan  = regexp.MustCompile(`^1\.\.(\d+)(?:\s*#\s*(?i:skip)\S*\s*(.*))?$`)
	// The kernel puts the time before its lines, and kselftest's runner a # before those of a test.
	stamped = regexp.MustCompile(`^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?`)
)

// level is what has been read of one depth of nesting and not yet been given a parent.
type level struct {
	indent int
	name   string // as "# Subtest:" told it
	cases  []Case
	points int // result lines
	plan   int // tests that the plan promised; -1 without one
}

// tapReader takes TAP 13, TAP 14 and KTAP apart. Deeper lines come before the line of the test that
// they belong to, so they wait on a stack until it is read.
type tapReader struct {
	stack    []level
	problems []string
	seen     bool // something that makes it TAP
}

// readTAP reads TAP or KTAP as a console or a file has it: other lines are passed over. The
// problems say what does not add up.
// Blocks of YAML between --- and ... are diagnostics, and passed over.
func readTAP(text string) (cases []Case, problems []string, err error) {
	r := tapReader{stack: []level{{plan: -1}}}
	block := ""
	for line := range strings.Lines(text) {
		line = stamped.ReplaceAllString(strings.TrimRight(line, "\r\n"), "")
		trimmed := strings.TrimSpace(line)
		switch {
		case block == "" && trimmed == "---":
			block = "---"
		case block != "":
			if trimmed == "..." {
				block = ""
			}
		default:
			r.line(line)
		}
	}
	if !r.seen {
		return nil, nil, fmt.Errorf("neither a plan (1..N) nor a result (ok, not ok) in it")
	}
	for len(r.stack) > 1 {
		r.close(r.stack[len(r.stack)-1].name)
	}
	r.check(r.stack[0])
	return r.stack[0].cases, r.problems, nil
}

// line reads one line. Its depth is its indentation; a # that stands before a result counts as two.
// kselftest nests its tests by a # before each line where others indent.
func (r *tapReader) line(line string) {
	rest := strings.TrimLeft(line, " \t")
	indent := len(line) - len(rest)
	for strings.HasPrefix(rest, "# ") {
		inner := strings.TrimLeft(rest[2:], " \t")
		if name, ok := strings.CutPrefix(inner, "Subtest:"); ok {
			r.at(indent).name = strings.TrimSpace(name)
			return
		}
		if !structural(inner) && !strings.HasPrefix(inner, "# ") {
			return
		}
		indent += len(rest) - len(inner)
		rest = inner
	}
	switch m := plan.FindStringSubmatch(rest); {
	case m != nil:
		l := r.at(indent)
		l.plan, _ = strconv.Atoi(m[1]) // digits; one too long for an int is no plan to check against
		r.seen = true
	case strings.HasPrefix(rest, "Bail out!"):
		l := r.at(indent)
		l.cases = append(l.cases, Case{Name: "bail-out", Result: "fail", Text: strings.TrimSpace(strings.TrimPrefix(rest, "Bail out!"))})
		r.seen = true
	case strings.HasPrefix(rest, "KTAP version") || strings.HasPrefix(rest, "TAP version"):
		r.at(indent)
	default:
		if m := point.FindStringSubmatch(rest); m != nil {
			r.result(indent, m[1] == "ok", m[2], m[3])
		}
	}
}

// structural says whether a line has a meaning in TAP.
func structural(line string) bool {
	return point.MatchString(line) || plan.MatchString(line) || strings.HasPrefix(line, "KTAP version") || strings.HasPrefix(line, "TAP version")
}

// at returns the level of an indentation. Deeper levels stay open: their test's line is to come.
func (r *tapReader) at(indent int) *level {
	top := &r.stack[len(r.stack)-1]
	if indent > top.indent && len(r.stack) < maxNesting {
		r.stack = append(r.stack, level{indent: indent, plan: -1})
		return &r.stack[len(r.stack)-1]
	}
	for len(r.stack) > 1 && indent < top.indent && indent <= r.stack[len(r.stack)-2].indent {
		r.close(top.name)
		top = &r.stack[len(r.stack)-1]
	}
	return top
}

// close gives the cases of the deepest level to the one above, as the set of that name.
func (r *tapReader) close(name string) {
	last := len(r.stack) - 1
	l := r.stack[last]
	r.stack = r.stack[:last]
	if l.name == "" {
		l.name = name
	}
	r.check(l)
	for _, c := range l.cases {
		if name != "" {
			c.Set = strings.TrimSuffix(name+"/"+c.Set, "/")
		}
		r.stack[last-1].cases = append(r.stack[last-1].cases, c)
	}
}

// check compares a level with its plan.
func (r *tapReader) check(l level) {
	if l.plan < 0 || l.plan == l.points {
		return
	}
	of := ""
	if l.name != "" {
		of = fmt.Sprintf(" of %q", l.name)
	}
	r.problems = append(r.problems, fmt.Sprintf("the plan%s says %d tests, %d were reported", of, l.plan, l.points))
}

// result reads a result line: its name, its directive, and the deeper level that it sums up.
// A line that sums up subtests is no case of its own, but where it failed and none of them did: that
// is all that is told of the fault.
func (r *tapReader) result(indent int, ok bool, number, rest string) {
	r.seen = true
	name, directive := directed(rest)
	if name == "" {
		name = strings.TrimSpace("test " + number)
	}
	c := Case{Name: name, Result: "pass", Text: directive}
	word, reason, _ := strings.Cut(directive, " ")
	switch upper := strings.ToUpper(strings.TrimRight(word, ":")); {
	case strings.HasPrefix(upper, "SKIP"):
		c.Result, c.Text = "skip", strings.TrimSpace(reason)
	case upper == "TODO" && !ok:
		c.Result, c.Text = "unknown", strings.TrimSpace(reason)
	// KTAP: the failure was expected, and the line itself says ok.
	case upper == "XFAIL":
		c.Text = strings.TrimSpace(reason)
	case upper == "ERROR" || upper == "TIMEOUT" || !ok:
		c.Result = "fail"
	}
	// Levels deeper than this line are the subtests of this test.
	had, failed := false, false
	for len(r.stack) > 1 && r.stack[len(r.stack)-1].indent > indent {
		for _, sub := range r.stack[len(r.stack)-1].cases {
			had, failed = true, failed || sub.Result == "fail"
		}
		r.close(name)
	}
	l := r.at(indent)
	l.points++
	if !had || c.Result == "fail" && !failed {
		l.cases = append(l.cases, c)
	}
}

// directed splits what follows a number into a name and a directive, which begins at a bare #.
func directed(rest string) (name, directive string) {
	rest = strings.TrimSpace(rest)
	for i := 0; i < len(rest); i++ {
		if rest[i] == '#' && (i == 0 || rest[i-1] != '\\') {
			rest, directive = rest[:i], strings.TrimSpace(rest[i+1:])
			break
		}
	}
	name = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), "- "))
	if name == "-" {
		name = ""
	}
	return strings.ReplaceAll(name, `\#`, "#"), directive
}
