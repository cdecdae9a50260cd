package jinja

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"strata/schemas/python"
)

// A template's values are nil (None), bool, int64, float64, string, [List], [Tuple], [*Dict],
// [Undefined] and, inside a rendering only, things that can be called.
type (
	// List is a Python list.
	List []any
	// Tuple is a Python tuple.
	Tuple []any
	// Undefined is what a name without a value gives: it prints as nothing, is false, and refuses
	// anything else.
	Undefined struct{ Name string }
)

// Dict is a Python dictionary: it keeps the order in which keys came.
// It is changed while it is made and never after: values of templates are shared.
type Dict struct {
	keys   []any
	values map[any]any
}

// NewDict returns an empty dictionary.
func NewDict() *Dict { return &Dict{values: map[any]any{}} }

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

// Keys lists the keys in order; the slice is the dictionary's own.
func (d *Dict) Keys() []any { return d.keys }

// Get returns the value at key.
func (d *Dict) Get(key any) (any, bool) {
	k, ok := hashable(key)
	if !ok {
		return nil, false
	}
	v, ok := d.values[k]
	return v, ok
}

// Set puts value at key. It reports whether the key may be one: lists and dictionaries may not.
func (d *Dict) Set(key, value any) bool {
	k, ok := hashable(key)
	if !ok {
		return false
	}
	if _, there := d.values[k]; !there {
		d.keys = append(d.keys, key)
	}
	d.values[k] = value
	return true
}

// hashable folds the keys that Python takes for equal: 1, 1.0 and True.
// Tuples are told by what they print.
func hashable(key any) (any, bool) {
	switch k := key.(type) {
	case bool:
		if k {
			return int64(1), true
		}
		return int64(0), true
	case float64:
		if k == math.Trunc(k) && math.Abs(k) < 1<<53 {
			return int64(k), true
		}
		return k, true
	case nil, int64, string:
		return k, true
	case Tuple:
		return "\x00tuple" + Repr(k), true
	}
	return nil, false
}

// FromGo turns data as decoders give it (maps with string keys, slices, numbers) into values.
// Maps come in the order of their keys. What has no place becomes its printed form.
func FromGo(x any) any {
	switch x := x.(type) {
	case nil, bool, int64, float64, string, List, Tuple, *Dict, Undefined:
		return x
	case int:
		return int64(x)
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, _ := x.Float64()
		return f
	case []string:
		out := make(List, len(x))
		for i, v := range x {
			out[i] = v
		}
		return out
	case []any:
		out := make(List, len(x))
		for i, v := range x {
			out[i] = FromGo(v)
		}
		return out
	case map[string]any:
		d := NewDict()
		for _, k := range sortedKeys(x) {
			d.Set(k, FromGo(x[k]))
		}
		return d
	}
	return fmt.Sprint(x)
}

// truth is Python's: zero, empty, None and undefined are false.
func truth(v any) bool {
	switch v := v.(type) {
	case nil, Undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case List:
		return len(v) > 0
	case Tuple:
		return len(v) > 0
	case *Dict:
		return v.Len() > 0
	}
	return true
}

// Str prints a value as {{ }} does: text as it is, everything else as [Repr].
func Str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case Undefined:
		return ""
	}
	return Repr(v)
}

// Repr prints a value as Python's repr does.
func Repr(v any) string {
	var b strings.Builder
	repr(&b, v, 0)
	return b.String()
}

// It stops at [maxNesting]; a value so deep has been refused by its weight before.
func repr(b *strings.Builder, v any, depth int) {
	if depth > maxNesting {
		b.WriteString("...")
		return
	}
	items := func(open string, list []any, shut string) {
		b.WriteString(open)
		for i, x := range list {
			if i > 0 {
				b.WriteString(", ")
			}
			repr(b, x, depth+1)
		}
		b.WriteString(shut)
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[v])
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(python.Float(v))
	case string:
		b.WriteString(python.Quote(v))
	case Undefined:
		b.WriteString("Undefined")
	case List:
		items("[", v, "]")
	case Tuple:
		if len(v) == 1 {
			items("(", v, ",)")
			return
		}
		items("(", v, ")")
	case *Dict:
		b.WriteString("{")
		for i, k := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			repr(b, k, depth+1)
			b.WriteString(": ")
			value, _ := v.Get(k)
			repr(b, value, depth+1)
		}
		b.WriteString("}")
	default:
		b.WriteString("<callable>")
	}
}

// unescape resolves the escapes of a Python string literal. An unknown one stays as it is.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if at := strings.IndexByte(`abfnrtv\'"`, s[i]); at >= 0 {
			b.WriteByte("\a\b\f\n\r\t\v\\'\""[at])
			continue
		}
		switch c := s[i]; {
		case c == '\n': // a line that goes on
		case c == 'x' || c == 'u' || c == 'U':
			n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			if i+n >= len(s) {
				return "", fmt.Errorf(`escape \%c wants %d hexadecimal digits`, c, n)
			}
			code, err := strconv.ParseUint(s[i+1:i+1+n], 16, 32)
			if err != nil || code > unicode.MaxRune {
				return "", fmt.Errorf(`escape \%c wants %d hexadecimal digits, found %q`, c, n, s[i+1:i+1+n])
			}
			b.WriteRune(rune(code))
			i += n
		case c >= '0' && c <= '7':
			n := 1
			for n < 3 && i+n < len(s) && s[i+n] >= '0' && s[i+n] <= '7' {
				n++
			}
			code, _ := strconv.ParseUint(s[i:i+n], 8, 32)
			b.WriteRune(rune(code))
			i += n - 1
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// equal compares as Python does: numbers by value whatever their type, True equals 1.
func equal(a, b any) bool {
	x, okX := number(a)
	y, okY := number(b)
	if okX || okY {
		return okX && okY && x == y
	}
	switch a := a.(type) {
	case List:
		b, ok := b.(List)
		return ok && equalItems(a, b)
	case Tuple:
		b, ok := b.(Tuple)
		return ok && equalItems(a, b)
	case *Dict:
		b, ok := b.(*Dict)
		if !ok || a.Len() != b.Len() {
			return false
		}
		for _, k := range a.keys {
			x, _ := a.Get(k)
			if y, ok := b.Get(k); !ok || !equal(x, y) {
				return false
			}
		}
		return true
	case Undefined:
		_, ok := b.(Undefined)
		return ok
	case nil, string:
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

func equalItems(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// number reads bool, int64 and float64 as a number.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// items lists what a for or a filter walks: characters of a text, keys of a dictionary.
// Undefined has none, as in Jinja2: a for over it does nothing.
func items(v any) ([]any, error) {
	switch v := v.(type) {
	case List:
		return v, nil
	case Tuple:
		return v, nil
	case *Dict:
		return v.keys, nil
	case string:
		out := make([]any, 0, len(v))
		for _, r := range v {
			out = append(out, string(r))
		}
		return out, nil
	case Undefined:
		return nil, nil
	}
	return nil, fmt.Errorf("%s is not iterable: want a list, a dictionary or a text", typeName(v))
}

// typeName is Python's name of a value's type.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case List:
		return "list"
	case Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case Undefined:
		return "an undefined value"
	}
	return "a function"
}
