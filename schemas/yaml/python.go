package yaml

import (
	"strconv"
	"strings"

	"strata/schemas/python"
)

// Print returns the value as Python's str() prints it: True, None, 1.0, and the repr of lists and
// mappings. LAVA fills templates and metadata with such texts.
// A nil node prints as None: what is not there and what is null look alike in a template.
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
		return python.Float(n.Float)
	case String:
		return python.Quote(n.Text)
	case Binary:
		return python.Bytes(n.Text)
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
