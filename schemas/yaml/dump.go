package yaml

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Dump returns n as yaml.dump of PyYAML (with libyaml, default settings) writes it: keys sorted, lines
// folded near column 80, what is not ASCII escaped, and anchors for what stands twice. LAVA keeps job
// definitions and the metadata of results in this form, and its clients compare the texts.
func Dump(n *Node) string {
	d := dumper{anchors: map[*Node]int{}}
	d.count(n, map[*Node]bool{})
	d.root(n)
	return d.out.String()
}

// dumper writes as libyaml's emitter does. The names of its fields are those of the state there.
type dumper struct {
	out        strings.Builder
	column     int
	whitespace bool // the last character separates
	indention  bool // only indention stands on this line so far
	anchors    map[*Node]int
	next       int
	written    map[*Node]bool
}

const dumpWidth = 80

// count finds what stands twice, and numbers it in the order of the second time.
// Scalars are never shared, as PyYAML ignores aliases of them; nor are empty lists that were made here
// and not read.
func (d *dumper) count(n *Node, seen map[*Node]bool) {
	if n == nil || n.Kind != List && n.Kind != Map && n.Kind != Set || n.Kind == List && len(n.Items) == 0 && n.Line == 0 {
		return
	}
	if seen[n] {
		if d.anchors[n] == 0 {
			d.next++
			d.anchors[n] = d.next
		}
		return
	}
	seen[n] = true
	for _, item := range n.Items {
		d.count(item, seen)
	}
	for _, p := range sortedPairs(n) {
		d.count(p.Key, seen)
		d.count(p.Value, seen)
	}
}

// sortedPairs orders pairs as Python's sorted does; keys that Python cannot compare stay as they are.
func sortedPairs(n *Node) []Pair {
	texts := !slices.ContainsFunc(n.Pairs, func(p Pair) bool { return p.Key == nil || p.Key.Kind != String })
	numbers := !slices.ContainsFunc(n.Pairs, func(p Pair) bool { _, ok := p.Key.AsInt(); return !ok })
	if !texts && !numbers {
		return n.Pairs
	}
	pairs := slices.Clone(n.Pairs)
	slices.SortStableFunc(pairs, func(a, b Pair) int {
		if texts {
			return strings.Compare(a.Key.Text, b.Key.Text)
		}
		x, _ := a.Key.AsInt()
		y, _ := b.Key.AsInt()
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return pairs
}

func (d *dumper) root(n *Node) {
	d.written = map[*Node]bool{}
	d.whitespace, d.indention = true, true
	d.node(n, -1, place{})
	d.out.WriteByte('\n')
}

// place says where a node stands.
type place struct {
	mapping bool // as the value of a mapping
	key     bool // as a key on one line
}

// node writes a node below an indention.
func (d *dumper) node(n *Node, indent int, at place) {
	if n == nil {
		n = Nothing()
	}
	if id := d.anchors[n]; id > 0 {
		if d.written[n] {
			d.indicator(fmt.Sprintf("*id%03d", id), true, false, false)
			return
		}
		d.written[n] = true
		d.indicator(fmt.Sprintf("&id%03d", id), true, false, false)
	}
	switch n.Kind {
	case List:
		d.list(n, indent, at)
	case Map, Set:
		d.mapping(n, indent)
	case Binary:
		d.binary(n.Text, indent)
	case String:
		d.scalar(n.Text, indent, at, implicitTag(n.Text) == tagStr)
	case Bool:
		d.scalar(strings.ToLower(n.Repr()), indent, at, true)
	case Float:
		d.scalar(writtenFloat(n.Float), indent, at, true)
	case Time:
		d.scalar(n.printTime(), indent, at, true)
	case Int:
		d.scalar(n.Repr(), indent, at, true)
	default:
		d.scalar("null", indent, at, true)
	}
}

func (d *dumper) list(n *Node, indent int, at place) {
	if len(n.Items) == 0 {
		d.indicator("[]", true, false, false)
		return
	}
	switch {
	case indent < 0:
		indent = 0
	case !at.mapping || d.indention: // in a mapping, lists stand below their key
		indent += 2
	}
	for _, item := range n.Items {
		d.indent(indent)
		d.indicator("-", true, false, true)
		d.node(item, indent, place{})
	}
}

// A set is a mapping whose values are null.
func (d *dumper) mapping(n *Node, indent int) {
	if n.Kind == Set {
		d.indicator("!!set", true, false, false)
	}
	if len(n.Pairs) == 0 {
		d.indicator("{}", true, false, false)
		return
	}
	if indent < 0 {
		indent = 0
	} else {
		indent += 2
	}
	for _, p := range sortedPairs(n) {
		d.indent(indent)
		value := p.Value
		if n.Kind == Set {
			value = nil
		}
		if d.simple(p.Key) {
			d.node(p.Key, indent, place{key: true})
			d.indicator(":", false, false, false)
		} else {
			d.indicator("?", true, false, true)
			d.node(p.Key, indent, place{mapping: true})
			d.indent(indent)
			d.indicator(":", true, false, true)
		}
		d.node(value, indent, place{mapping: true})
	}
}

// simple tells whether a key fits on one line.
// The bound of 128 is libyaml's.
func (d *dumper) simple(n *Node) bool {
	switch {
	case n == nil:
		return true
	case n.Is(List):
		return len(n.Items) == 0
	case n.Is(Map), n.Is(Set):
		return len(n.Pairs) == 0
	case n.Is(Binary):
		return false
	case n.Is(String):
		return len(n.Text) <= 128 && !strings.ContainsAny(n.Text, "\n\u0085\u2028\u2029\r")
	}
	return true
}

// binary writes bytes as a literal block of base64.
func (d *dumper) binary(text string, indent int) {
	d.indicator("!!binary", true, false, false)
	d.indicator("|", true, false, false)
	code := base64.StdEncoding.EncodeToString([]byte(text))
	for len(code) > 0 {
		n := min(76, len(code))
		d.indention = false
		d.indent(max(indent, 0) + 2)
		d.write(code[:n])
		code = code[n:]
	}
	d.indention = false
}

// scalar writes a text in the style that suits it.
func (d *dumper) scalar(text string, indent int, at place, plainMeans bool) {
	a := analyze(text)
	indent = max(indent, 0) + 2 // of lines after the first
	switch {
	case at.key && a.multiline:
		d.double(text, indent, !at.key)
	case a.plain && plainMeans && (text != "" || !at.key):
		d.plain(text, indent, !at.key)
	case a.single:
		d.single(text, indent, !at.key)
	default:
		d.double(text, indent, !at.key)
	}
}

func (d *dumper) write(s string) {
	d.out.WriteString(s)
	d.column += utf8.RuneCountInString(s)
}

func (d *dumper) lineBreak() {
	d.out.WriteByte('\n')
	d.column = 0
}

// indent goes to a new line unless it stands at a beginning already.
func (d *dumper) indent(indent int) {
	if !d.indention || d.column > indent || d.column == indent && !d.whitespace {
		d.lineBreak()
	}
	for d.column < indent {
		d.write(" ")
	}
	d.whitespace, d.indention = true, true
}

// apart puts a blank before it where there is none.
func (d *dumper) indicator(s string, apart, whitespace, indention bool) {
	if apart && !d.whitespace {
		d.write(" ")
	}
	d.write(s)
	d.whitespace, d.indention = whitespace, d.indention && indention
}

// A line is folded at the first single blank behind the width, so it may be longer than 80.
func (d *dumper) plain(text string, indent int, fold bool) {
	if !d.whitespace && text != "" {
		d.write(" ")
	}
	spaces := false
	for i, r := range text {
		if r == ' ' {
			if fold && !spaces && d.column > dumpWidth && !strings.HasPrefix(text[i+1:], " ") {
				d.indent(indent)
			} else {
				d.write(" ")
			}
			spaces = true
			continue
		}
		d.write(string(r))
		d.indention, spaces = false, false
	}
	d.whitespace, d.indention = false, false
}

// A line break is written as two, as one would be read as a blank.
func (d *dumper) single(text string, indent int, fold bool) {
	d.indicator("'", true, false, false)
	spaces, breaks := false, false
	for i, r := range text {
		switch {
		case r == ' ':
			if fold && !spaces && d.column > dumpWidth && i > 0 && i < len(text)-1 && text[i+1] != ' ' {
				d.indent(indent)
			} else {
				d.write(" ")
			}
			spaces = true
		case r == '\n':
			if !breaks {
				d.lineBreak()
			}
			d.lineBreak()
			d.indention, breaks = true, true
		default:
			if breaks {
				d.indent(indent)
			}
			if r == '\'' {
				d.write("'")
			}
			d.write(string(r))
			d.indention, spaces, breaks = false, false, false
		}
	}
	if breaks {
		d.indent(indent)
	}
	d.indicator("'", false, false, false)
	d.whitespace, d.indention = false, false
}

func (d *dumper) double(text string, indent int, fold bool) {
	d.indicator(`"`, true, false, false)
	spaces := false
	for i, r := range text {
		switch {
		case r == ' ':
			if fold && !spaces && d.column > dumpWidth && i > 0 && i < len(text)-1 {
				d.indent(indent)
				if text[i+1] == ' ' {
					d.write(`\`)
				}
			} else {
				d.write(" ")
			}
			spaces = true
			continue
		case r > ' ' && r <= '~' && r != '"' && r != '\\':
			d.write(string(r))
		default:
			d.write(escapeOf(r))
		}
		spaces = false
	}
	d.indicator(`"`, false, false, false)
	d.whitespace, d.indention = false, false
}

// escapeOf writes a character as an escape of YAML.
func escapeOf(r rune) string {
	short := map[rune]string{0: "0", 7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 27: "e", '"': `"`, '\\': `\`,
		0x85: "N", 0xA0: "_", 0x2028: "L", 0x2029: "P"}
	if s, ok := short[r]; ok {
		return `\` + s
	}
	switch {
	case r <= 0xFF:
		return fmt.Sprintf(`\x%02X`, r)
	case r <= 0xFFFF:
		return fmt.Sprintf(`\u%04X`, r)
	}
	return fmt.Sprintf(`\U%08X`, r)
}

// analysis says in which styles a text can be written.
type analysis struct{ multiline, plain, single bool }

func analyze(text string) analysis {
	if text == "" {
		return analysis{plain: true, single: true}
	}
	var lead, trail, breakSpace, spaceBreak, special, multiline, indicators bool
	indicators = strings.HasPrefix(text, "---") || strings.HasPrefix(text, "...")
	before, lastSpace, lastBreak := true, false, false
	blank := func(i int) bool { return i >= len(text) || strings.ContainsRune(" \t\n\r\x00", rune(text[i])) }
	for i, r := range text {
		size := utf8.RuneLen(r)
		after := blank(i + size)
		switch {
		case i == 0 && strings.ContainsRune("#,[]{}&*!|>'\"%@`", r), i == 0 && strings.ContainsRune("?:-", r) && after,
			i > 0 && r == ':' && after, i > 0 && r == '#' && before:
			indicators = true
		}
		if r != '\n' && (r < ' ' || r > '~') {
			special = true
		}
		multiline = multiline || strings.ContainsRune("\n\r\u0085\u2028\u2029", r)
		first, last := i == 0, i+size == len(text)
		switch {
		case r == ' ':
			lead, trail = lead || first, trail || last
			breakSpace = breakSpace || lastBreak
			lastSpace, lastBreak = true, false
		case strings.ContainsRune("\n\r\u0085\u2028\u2029", r):
			lead, trail = lead || first, trail || last
			spaceBreak = spaceBreak || lastSpace
			lastSpace, lastBreak = false, true
		default:
			lastSpace, lastBreak = false, false
		}
		before = strings.ContainsRune(" \t\n\r\x00", r)
	}
	return analysis{multiline: multiline, plain: !lead && !trail && !breakSpace && !spaceBreak && !special && !multiline && !indicators,
		single: !breakSpace && !spaceBreak && !special}
}
