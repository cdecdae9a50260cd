package jinja

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"strata/schemas/python"
)

// call is one use of a filter, a test or a method: the value it is applied to and its arguments.
type call struct {
	of    any
	args  []any
	named map[string]any
	limit int // bytes of a text it may make
}

// arg is the n-th argument, from 0, also known by name.
func (c call) arg(n int, name string, or any) any {
	if n < len(c.args) {
		return c.args[n]
	}
	if v, ok := c.named[name]; ok {
		return v
	}
	return or
}

// text is an argument that has to be a text.
func (c call) text(n int, name, or string) (string, error) {
	v := c.arg(n, name, or)
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("argument %s is a text, not %s", name, typeName(v))
	}
	return s, nil
}

// Those of Jinja2 that device types use, and LAVA's own three: qemu_guest_fs_interface, shlex_quote
// and yaml_quote. What is missing is refused by name when a template is read.
var filters = map[string]func(call) (any, error){
	"default":                 defaultFilter,
	"d":                       defaultFilter,
	"join":                    joinFilter,
	"indent":                  indentFilter,
	"replace":                 replaceFilter,
	"string":                  func(c call) (any, error) { return Str(c.of), nil },
	"qemu_guest_fs_interface": guestInterface,
	"shlex_quote":             shellQuote,
	"yaml_quote":              yamlQuote,
	"upper":                   textFilter(strings.ToUpper),
	"lower":                   textFilter(strings.ToLower),
	"trim":                    trimFilter,
	"capitalize":              textFilter(capitalize),
	"title":                   textFilter(title),
	"length":                  lengthFilter,
	"count":                   lengthFilter,
	"first":                   func(c call) (any, error) { return end(c, 0) },
	"last":                    func(c call) (any, error) { return end(c, -1) },
	"list":                    func(c call) (any, error) { l, err := items(c.of); return List(slices.Clone(l)), err },
	"reverse":                 reverseFilter,
	"sort":                    sortFilter,
	"unique":                  uniqueFilter,
	"items":                   itemsFilter,
	"int":                     intFilter,
	"float":                   floatFilter,
	"abs":                     absFilter,
	"safe":                    func(c call) (any, error) { return c.of, nil },
}

func filterKnown(name string) bool { return filters[name] != nil }
func filterNames() string          { return strings.Join(slices.Sorted(maps.Keys(filters)), ", ") }

// Walking a list is paid for before the filter runs; the text that comes out is bounded by limit
// within it.
func (r *rendering) filter(e *FilterExpr, s *scope) (any, error) {
	of, err := r.eval(e.Of, s)
	if err != nil {
		return nil, err
	}
	args, named, err := r.arguments(e.Args, e.Named, s)
	if err != nil {
		return nil, err
	}
	if list, err := items(of); err == nil {
		if err := r.spend(e, len(list)/perStep); err != nil {
			return nil, err
		}
	}
	if err := r.weigh(e, append([]any{of}, args...)...); err != nil {
		return nil, err
	}
	v, err := filters[e.Name](call{of, args, named, r.bytes})
	if err != nil {
		return nil, r.placed(e, fmt.Errorf("filter %s: %w", e.Name, err))
	}
	return v, nil
}

// defaultFilter gives its argument for an undefined value; for any false one where the second
// argument is true.
func defaultFilter(c call) (any, error) {
	_, undefined := c.of.(Undefined)
	if undefined || truth(c.arg(1, "boolean", false)) && !truth(c.of) {
		return c.arg(0, "default_value", ""), nil
	}
	return c.of, nil
}

func joinFilter(c call) (any, error) {
	list, err := items(c.of)
	if err != nil {
		return nil, err
	}
	glue := Str(c.arg(0, "d", ""))
	size := 0
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = Str(x)
		if size += len(parts[i]) + len(glue); size > c.limit {
			return nil, fmt.Errorf("text is larger than %d bytes", c.limit)
		}
	}
	return strings.Join(parts, glue), nil
}

// indentFilter indents all lines but the first; blank lines only where it is told to.
func indentFilter(c call) (any, error) {
	text, ok := c.of.(string)
	if !ok {
		return nil, fmt.Errorf("want a text, not %s", typeName(c.of))
	}
	margin := "    "
	switch w := c.arg(0, "width", int64(4)).(type) {
	case int64:
		if w < 0 || w > 1000 {
			return nil, fmt.Errorf("width is 0 to 1000, not %d", w)
		}
		margin = strings.Repeat(" ", int(w))
	case string:
		margin = w
	}
	lines := strings.Split(text, "\n")
	size := 0
	for i, line := range lines {
		if i == 0 && !truth(c.arg(1, "first", false)) || i > 0 && line == "" && !truth(c.arg(2, "blank", false)) {
			continue
		}
		lines[i] = margin + line
		if size += len(lines[i]); size > c.limit {
			return nil, fmt.Errorf("text is larger than %d bytes", c.limit)
		}
	}
	return strings.Join(lines, "\n"), nil
}

// A text to be replaced that is empty stands between all characters, as in Python.
func replaceFilter(c call) (any, error) {
	from, to := Str(c.arg(0, "old", "")), Str(c.arg(1, "new", ""))
	n := -1
	if v, ok := c.arg(2, "count", nil).(int64); ok {
		n = int(v)
	}
	text := Str(c.of)
	hits := strings.Count(text, from)
	if len(to) > 0 && hits > c.limit/len(to) {
		return nil, fmt.Errorf("text is larger than %d bytes", c.limit)
	}
	return strings.Replace(text, from, to, n), nil
}

// guestInterface is the disk interface of a libguestfs image for an architecture.
func guestInterface(c call) (any, error) {
	if override := c.arg(0, "override", nil); truth(override) {
		return override, nil
	}
	switch c.of {
	case "amd64", "x86_64", "i386", "i686":
		return "ide", nil
	}
	return "virtio", nil
}

// shellQuote writes a text as one word of a POSIX shell.
// Words of these characters stay as they are: the output is read by people, and compared with LAVA's.
func shellQuote(c call) (any, error) {
	s, ok := c.of.(string)
	if !ok {
		return nil, fmt.Errorf("want a text, not %s", typeName(c.of))
	}
	safe := func(r rune) bool {
		return r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("@%+=:,./-_", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s, nil
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'", nil
}

// yamlQuote writes a value as flow YAML on one line, all its texts in double quotes.
// Tags are written out, so that a text such as 'yes' or '1' comes back as the text it was.
func yamlQuote(c call) (any, error) {
	var b strings.Builder
	err := writeYAML(&b, c.of, 0)
	return b.String(), err
}

func writeYAML(b *strings.Builder, v any, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("value nests deeper than %d", maxNesting)
	}
	list := func(items []any) error {
		b.WriteString("[")
		for i, x := range items {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := writeYAML(b, x, depth+1); err != nil {
				return err
			}
		}
		b.WriteString("]")
		return nil
	}
	switch v := v.(type) {
	case nil:
		b.WriteString(`!!null "null"`)
	case bool:
		fmt.Fprintf(b, `!!bool "%t"`, v)
	case int64:
		fmt.Fprintf(b, `!!int "%d"`, v)
	case float64:
		fmt.Fprintf(b, `!!float "%s"`, python.Float(v))
	case string:
		b.WriteString(yamlText(v))
	case List:
		return list(v)
	case Tuple:
		return list(v)
	case *Dict:
		b.WriteString("{")
		for i, k := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := writeYAML(b, k, depth+1); err != nil {
				return err
			}
			b.WriteString(": ")
			value, _ := v.Get(k)
			if err := writeYAML(b, value, depth+1); err != nil {
				return err
			}
		}
		b.WriteString("}")
	default:
		return fmt.Errorf("%s has no YAML form", typeName(v))
	}
	return nil
}

// yamlText writes a double-quoted YAML scalar.
// Whatever a reader of YAML could take for a line break or drop is escaped, by code point.
func yamlText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02X`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		case r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r == 0xfeff:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func textFilter(f func(string) string) func(call) (any, error) {
	return func(c call) (any, error) { return f(Str(c.of)), nil }
}

// trimFilter cuts white space, or the characters that it is given, off both ends.
func trimFilter(c call) (any, error) {
	if c.arg(0, "chars", nil) == nil {
		return strings.TrimSpace(Str(c.of)), nil
	}
	cut, err := c.text(0, "chars", "")
	return strings.Trim(Str(c.of), cut), err
}

func capitalize(s string) string {
	runes := []rune(strings.ToLower(s))
	if len(runes) > 0 {
		runes[0] = unicode.ToUpper(runes[0])
	}
	return string(runes)
}

// title is the filter: a word begins after white space, a hyphen or an opening bracket.
func title(s string) string {
	return titled(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("-([{<", r) })
}

// titleMethod is Python's str.title: a word begins after whatever is no letter.
func titleMethod(s string) string {
	return titled(s, func(r rune) bool { return !unicode.IsLetter(r) })
}

func titled(s string, begins func(before rune) bool) string {
	start := true
	return strings.Map(func(r rune) rune {
		defer func() { start = begins(r) }()
		if start {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func lengthFilter(c call) (any, error) {
	list, err := items(c.of)
	return int64(len(list)), err
}

func end(c call, at int) (any, error) {
	list, err := items(c.of)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return Undefined{"no item: the list is empty"}, nil
	}
	if at < 0 {
		at += len(list)
	}
	return list[at], nil
}

func reverseFilter(c call) (any, error) {
	list, err := items(c.of)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(list)
	slices.Reverse(out)
	if _, ok := c.of.(string); ok {
		return joinFilter(call{of: List(out), limit: c.limit})
	}
	return List(out), nil
}

// Capitals count for nothing unless asked for, which is Jinja2's default and not Python's.
func sortFilter(c call) (any, error) {
	list, err := items(c.of)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(list)
	mixed := false
	slices.SortStableFunc(out, func(a, b any) int {
		x, isText := a.(string)
		y, both := b.(string)
		if isText && both && !truth(c.arg(1, "case_sensitive", false)) {
			a, b = strings.ToLower(x), strings.ToLower(y)
		}
		n, ok := order(a, b)
		mixed = mixed || !ok
		return n
	})
	if mixed {
		return nil, fmt.Errorf("items of different types have no order")
	}
	if truth(c.arg(0, "reverse", false)) {
		slices.Reverse(out)
	}
	return List(out), nil
}

// The first of those that are alike stays; capitals count for nothing here either.
func uniqueFilter(c call) (any, error) {
	list, err := items(c.of)
	if err != nil {
		return nil, err
	}
	seen := NewDict()
	out := List{}
	for _, x := range list {
		key := x
		if s, ok := x.(string); ok {
			key = strings.ToLower(s)
		}
		if _, there := seen.Get(key); there {
			continue
		}
		if !seen.Set(key, true) {
			return nil, fmt.Errorf("%s cannot be compared", typeName(x))
		}
		out = append(out, x)
	}
	return out, nil
}

func itemsFilter(c call) (any, error) {
	if _, ok := c.of.(Undefined); ok {
		return List{}, nil
	}
	d, ok := c.of.(*Dict)
	if !ok {
		return nil, fmt.Errorf("want a dictionary, not %s", typeName(c.of))
	}
	return pairs(d), nil
}

func pairs(d *Dict) List {
	out := make(List, 0, d.Len())
	for _, k := range d.keys {
		v, _ := d.Get(k)
		out = append(out, Tuple{k, v})
	}
	return out
}

// Never an error: what is no number gives the default, 0 where none is said.
func intFilter(c call) (any, error) {
	switch v := c.of.(type) {
	case int64:
		return v, nil
	case bool, float64:
		f, _ := number(v)
		if math.Abs(f) < 1<<62 {
			return int64(f), nil
		}
	case string:
		base, _ := c.arg(1, "base", int64(10)).(int64)
		s := strings.TrimSpace(v)
		if base == 16 {
			s = strings.TrimPrefix(strings.ToLower(s), "0x")
		}
		if n, err := strconv.ParseInt(s, int(base), 64); err == nil {
			return n, nil
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1<<62 {
			return int64(f), nil
		}
	}
	return c.arg(0, "default", int64(0)), nil
}

func floatFilter(c call) (any, error) {
	if f, ok := number(c.of); ok {
		return f, nil
	}
	if s, ok := c.of.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil {
			return f, nil
		}
	}
	return c.arg(0, "default", 0.0), nil
}

func absFilter(c call) (any, error) {
	switch v := c.of.(type) {
	case int64:
		return max(v, -v), nil
	case float64:
		return math.Abs(v), nil
	}
	return nil, fmt.Errorf("want a number, not %s", typeName(c.of))
}
