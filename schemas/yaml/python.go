package yaml

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// Print returns the value as Python's str() prints it: True, None, 1.0, and the repr of lists and
// mappings. LAVA fills templates and metadata with such texts.
func (n *Node) Print() string {
	if n == nil {
		return "None"
	}
	switch n.Kind {
	case String:
		return n.Text
	case Time:
		return n.printTime()
	}
	return n.Repr()
}

// Repr returns the value as Python's repr() prints it: like Print, but strings are quoted.
func (n *Node) Repr() string {
	if n == nil {
		return "None"
	}
	switch n.Kind {
	case Null:
		return "None"
	case Bool:
		if n.Bool {
			return "True"
		}
		return "False"
	case Int:
		if n.Big != nil {
			return n.Big.String()
		}
		return strconv.FormatInt(n.Int, 10)
	case Float:
		return reprFloat(n.Float)
	case String:
		return Quote(n.Text)
	case Binary:
		return reprBytes(n.Text)
	case Time:
		return "datetime(" + n.printTime() + ")"
	case List:
		items := make([]string, len(n.Items))
		for i, item := range n.Items {
			items[i] = item.Repr()
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	if n.Kind == Set && len(n.Pairs) == 0 {
		return "set()"
	}
	items := make([]string, len(n.Pairs))
	for i, p := range n.Pairs {
		items[i] = p.Key.Repr()
		if n.Kind == Map {
			items[i] += ": " + p.Value.Repr()
		}
	}
	return "{" + strings.Join(items, ", ") + "}"
}

// Quote returns s as a Python string literal, the way Python's repr() chooses quotes: single ones,
// unless s has a single and no double one.
func Quote(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r >= 0x7f && r <= 0xff && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xff && r <= 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte(quote)
	return b.String()
}

// reprBytes prints a bytes literal, in which only ASCII stands for itself.
func reprBytes(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte('b')
	b.WriteByte(quote)
	for i := range len(s) {
		switch c := s[i]; {
		case c == quote || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < 0x20 || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte(quote)
	return b.String()
}

// reprFloat prints the shortest digits that read back as f; like Python it has an exponent only
// below 1e-4 and from 1e16, and otherwise always a point.
func reprFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// printTime prints a date or a time as Python's datetime does: microseconds only where there are
// any, an offset only where one was written.
func (n *Node) printTime() string {
	if n.DateOnly {
		return n.Time.Format("2006-01-02")
	}
	layout := "2006-01-02 15:04:05"
	if n.Time.Nanosecond() != 0 {
		layout += ".000000"
	}
	if n.Bool { // an offset was written
		layout += "-07:00"
	}
	return n.Time.Format(layout)
}
