package jinja

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

var tests = map[string]func(call) (bool, error){
	"defined":   func(c call) (bool, error) { _, u := c.of.(Undefined); return !u, nil },
	"undefined": func(c call) (bool, error) { _, u := c.of.(Undefined); return u, nil },
	"none":      func(c call) (bool, error) { return c.of == nil, nil },
	"string":    func(c call) (bool, error) { _, ok := c.of.(string); return ok, nil },
	"mapping":   func(c call) (bool, error) { _, ok := c.of.(*Dict); return ok, nil },
	"boolean":   func(c call) (bool, error) { _, ok := c.of.(bool); return ok, nil },
	"integer":   func(c call) (bool, error) { _, ok := c.of.(int64); return ok, nil },
	"float":     func(c call) (bool, error) { _, ok := c.of.(float64); return ok, nil },
	"number":    func(c call) (bool, error) { _, ok := number(c.of); return ok, nil },
	"true":      func(c call) (bool, error) { return c.of == true, nil },
	"false":     func(c call) (bool, error) { return c.of == false, nil },
	"iterable":  func(c call) (bool, error) { _, err := items(c.of); return err == nil, nil },
	"sequence":  isSequence,
	"callable":  func(c call) (bool, error) { _, ok := c.of.(function); return ok, nil },
	"sameas":    sameAs,
	"in":        func(c call) (bool, error) { return contains(c.arg(0, "seq", nil), c.of) },
	"odd":       func(c call) (bool, error) { n, err := wholeNumber(c.of); return n%2 != 0, err },
	"even":      func(c call) (bool, error) { n, err := wholeNumber(c.of); return n%2 == 0, err },
	"divisibleby": func(c call) (bool, error) {
		n, err := wholeNumber(c.of)
		by, err2 := wholeNumber(c.arg(0, "num", nil))
		if err != nil || err2 != nil || by == 0 {
			return false, fmt.Errorf("want two whole numbers, the second not 0")
		}
		return n%by == 0, nil
	},
	"equalto": func(c call) (bool, error) { return equal(c.of, c.arg(0, "other", nil)), nil },
	"eq":      func(c call) (bool, error) { return equal(c.of, c.arg(0, "other", nil)), nil },
	"ne":      func(c call) (bool, error) { return !equal(c.of, c.arg(0, "other", nil)), nil },
	"lower":   func(c call) (bool, error) { return hasCase(Str(c.of), strings.ToLower), nil },
	"upper":   func(c call) (bool, error) { return hasCase(Str(c.of), strings.ToUpper), nil },
}

// hasCase reports whether s has letters and all of them are in the case that fold gives.
func hasCase(s string, fold func(string) string) bool {
	return s == fold(s) && strings.ToLower(s) != strings.ToUpper(s)
}

func testKnown(name string) bool { return tests[name] != nil }
func testNames() string          { return strings.Join(slices.Sorted(maps.Keys(tests)), ", ") }

// Undefined is one, as Jinja2's has a length.
func isSequence(c call) (bool, error) {
	switch c.of.(type) {
	case string, List, Tuple, *Dict, Undefined:
		return true, nil
	}
	return false, nil
}

// sameAs compares identity: in templates it is used with true, false and none.
func sameAs(c call) (bool, error) {
	other := c.arg(0, "other", nil)
	switch v := c.of.(type) {
	case nil, bool, int64, float64, string:
		return v == other, nil
	case *Dict:
		return v == other, nil
	}
	return false, nil
}

func wholeNumber(v any) (int64, error) {
	n, ok := v.(int64)
	if !ok {
		return 0, fmt.Errorf("want a whole number, not %s", typeName(v))
	}
	return n, nil
}

func (r *rendering) test(e *TestExpr, s *scope) (any, error) {
	of, err := r.eval(e.Of, s)
	if err != nil {
		return nil, err
	}
	args, err := r.all(e.Args, s)
	if err != nil {
		return nil, err
	}
	if err := r.weigh(e, append([]any{of}, args...)...); err != nil {
		return nil, err
	}
	v, err := tests[e.Name](call{of: of, args: args})
	if err != nil {
		return nil, r.placed(e, fmt.Errorf("test %s: %w", e.Name, err))
	}
	return v != e.Negate, nil
}

// attribute is of.name: a method, a block of self, or a dictionary's value.
// For a dictionary x.items is the method and x['items'] the value: Jinja2 looks an attribute up first
// behind a dot, and an item first in brackets.
func (r *rendering) attribute(n interface{ Line() int }, of any, name string, s *scope) (any, error) {
	switch v := of.(type) {
	case self:
		if len(s.ctx.blocks[name]) == 0 {
			return Undefined{"self." + name + ": there is no such block"}, nil
		}
		return r.blockText(n, name, 0, s), nil
	case Undefined:
		return nil, r.fail(n, "'%s' is undefined", v.Name)
	case *Dict:
		if _, index := n.(*Index); !index {
			if m := dictMethod(v, name); m != nil {
				return m, nil
			}
		}
		if x, ok := v.Get(name); ok {
			return x, nil
		}
	case string:
		if m := r.textMethod(v, name); m != nil {
			return m, r.weigh(n, v) // as below
		}
	case List:
		if m := listMethod(v, name); m != nil {
			return m, r.weigh(n, v) // the methods compare all of it
		}
	}
	return Undefined{fmt.Sprintf("%s has no attribute %q", typeName(of), name)}, nil
}

func dictMethod(d *Dict, name string) any {
	switch name {
	case "get":
		return function(func(args []any, named map[string]any) (any, error) {
			c := call{args: args, named: named}
			if len(args) == 0 {
				return nil, fmt.Errorf("get takes a key and a default")
			}
			if v, ok := d.Get(args[0]); ok {
				return v, nil
			}
			return c.arg(1, "default", nil), nil
		})
	case "items":
		return function(func([]any, map[string]any) (any, error) { return pairs(d), nil })
	case "keys":
		return function(func([]any, map[string]any) (any, error) { return List(slices.Clone(d.keys)), nil })
	case "values":
		return function(func([]any, map[string]any) (any, error) {
			out := make(List, 0, d.Len())
			for _, k := range d.keys {
				v, _ := d.Get(k)
				out = append(out, v)
			}
			return out, nil
		})
	}
	return nil
}

func listMethod(l List, name string) any {
	switch name {
	case "index":
		return function(func(args []any, _ map[string]any) (any, error) {
			for i, x := range l {
				if len(args) == 1 && equal(x, args[0]) {
					return int64(i), nil
				}
			}
			return nil, fmt.Errorf("the value is not in the list")
		})
	case "count":
		return function(func(args []any, _ map[string]any) (any, error) {
			n := int64(0)
			for _, x := range l {
				if len(args) == 1 && equal(x, args[0]) {
					n++
				}
			}
			return n, nil
		})
	}
	return nil
}

func (r *rendering) textMethod(s, name string) any {
	plain := map[string]func(string) string{
		"upper": strings.ToUpper, "lower": strings.ToLower, "capitalize": capitalize, "title": titleMethod,
	}
	if f := plain[name]; f != nil {
		return function(func([]any, map[string]any) (any, error) { return f(s), nil })
	}
	with := func(f func(c call) (any, error)) any {
		return function(func(args []any, named map[string]any) (any, error) {
			return f(call{of: s, args: args, named: named, limit: r.bytes})
		})
	}
	trimmed := func(trim func(string, string) string) any {
		return with(func(c call) (any, error) {
			cut, err := c.text(0, "chars", " \t\n\r\v\f")
			return trim(s, cut), err
		})
	}
	has := func(f func(s, part string) bool) any {
		return with(func(c call) (any, error) {
			part, err := c.text(0, "prefix", "")
			return f(s, part), err
		})
	}
	switch name {
	case "strip":
		return trimmed(strings.Trim)
	case "lstrip":
		return trimmed(strings.TrimLeft)
	case "rstrip":
		return trimmed(strings.TrimRight)
	case "startswith":
		return has(strings.HasPrefix)
	case "endswith":
		return has(strings.HasSuffix)
	case "replace":
		return with(replaceFilter)
	case "join":
		return with(func(c call) (any, error) {
			return joinFilter(call{of: c.arg(0, "iterable", List{}), args: []any{s}, limit: c.limit})
		})
	case "split":
		return with(func(c call) (any, error) { return split(s, c) })
	}
	return nil
}

// Without a separator it cuts at white space and gives no empty parts; with one it gives all of them.
func split(s string, c call) (any, error) {
	var parts []string
	if sep := c.arg(0, "sep", nil); sep == nil {
		parts = strings.Fields(s)
	} else {
		by, ok := sep.(string)
		if !ok || by == "" {
			return nil, fmt.Errorf("split wants a separator that is not empty")
		}
		n := -1
		if most, ok := c.arg(1, "maxsplit", nil).(int64); ok && most >= 0 {
			n = int(min(most, 1<<30)) + 1
		}
		parts = strings.SplitN(s, by, n)
	}
	out := make(List, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out, nil
}
