package jinja

import (
	"fmt"
	"strings"
)

// function is a value that a template can call: super, self.block, a method, range, dict.
type function func(args []any, named map[string]any) (any, error)

// self is what a template knows as self: its blocks.
type self struct{}

// Each expression costs a step and a level: no template can compute for ever, nor overflow the stack.
func (r *rendering) eval(e Expr, s *scope) (any, error) {
	if err := r.spend(e, 1); err != nil {
		return nil, err
	}
	if err := r.enter(e); err != nil {
		return nil, err
	}
	defer r.leave()
	switch e := e.(type) {
	case *Literal:
		return e.Value, nil
	case *section:
		v, _ := s.get(sectionName)
		return v, nil
	case *Name:
		return r.lookup(e, s), nil
	case *ListExpr:
		list, err := r.all(e.Items, s)
		if e.Tuple {
			return Tuple(list), err
		}
		return List(list), err
	case *DictExpr:
		return r.dict(e, s)
	case *Unary:
		return r.unary(e, s)
	case *Binary:
		return r.binary(e, s)
	case *Compare:
		return r.compare(e, s)
	case *Conditional:
		c, err := r.eval(e.Condition, s)
		switch {
		case err != nil:
			return nil, err
		case truth(c):
			return r.eval(e.Then, s)
		case e.Else == nil:
			return Undefined{"the inline if without else"}, nil
		}
		return r.eval(e.Else, s)
	case *Attribute:
		of, err := r.eval(e.Of, s)
		if err != nil {
			return nil, err
		}
		return r.attribute(e, of, e.Name, s)
	case *Index:
		return r.index(e, s)
	case *Slice:
		return r.slice(e, s)
	case *Call:
		return r.callExpr(e, s)
	case *FilterExpr:
		return r.filter(e, s)
	case *TestExpr:
		return r.test(e, s)
	}
	return nil, r.fail(e, "cannot evaluate %T", e)
}

func (r *rendering) all(list []Expr, s *scope) ([]any, error) {
	out := make([]any, 0, len(list))
	for _, x := range list {
		v, err := r.eval(x, s)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (r *rendering) dict(e *DictExpr, s *scope) (any, error) {
	d := NewDict()
	for i := range e.Keys {
		k, err := r.eval(e.Keys[i], s)
		if err != nil {
			return nil, err
		}
		v, err := r.eval(e.Values[i], s)
		if err != nil {
			return nil, err
		}
		if err := r.weigh(e, k); err != nil { // a tuple is looked up by what it prints
			return nil, err
		}
		if !d.Set(k, v) {
			return nil, r.fail(e, "%s cannot be a dictionary's key", typeName(k))
		}
	}
	return d, nil
}

// Variables of the template win over what Jinja2 itself has: a context may have a variable called
// range.
func (r *rendering) lookup(e *Name, s *scope) any {
	if v, ok := s.get(e.Name); ok {
		return v
	}
	switch e.Name {
	case "self":
		return self{}
	case "super":
		if s.of != nil {
			return r.super(e, s)
		}
	case "range":
		return r.rangeOf(e)
	case "dict":
		return function(func(args []any, named map[string]any) (any, error) {
			d := NewDict()
			if len(args) == 1 {
				if from, ok := args[0].(*Dict); ok {
					for _, k := range from.keys {
						v, _ := from.Get(k)
						d.Set(k, v)
					}
				}
			}
			for _, k := range sortedKeys(named) {
				d.Set(k, named[k])
			}
			return d, nil
		})
	}
	return Undefined{e.Name}
}

// It is undefined in the oldest block of a chain, as in Jinja2, where calling it is the error.
func (r *rendering) super(e *Name, s *scope) any {
	call := s.of
	if call.next >= len(s.ctx.blocks[call.name]) {
		return Undefined{"super: no parent has the block " + call.name}
	}
	return r.blockText(e, call.name, call.next, s)
}

// blockText is a function that renders a block of s's chain.
// Jinja2 gives it no arguments.
func (r *rendering) blockText(n interface{ Line() int }, name string, generation int, s *scope) function {
	return func([]any, map[string]any) (any, error) {
		var b strings.Builder
		err := r.call(n, name, generation, s, false, &b)
		return b.String(), err
	}
}

// The list is made at once, unlike Python's, so each number costs a step before it takes memory.
func (r *rendering) rangeOf(e *Name) function {
	return func(args []any, _ map[string]any) (any, error) {
		var n [3]int64
		for i, a := range args {
			v, ok := a.(int64)
			if i > 2 || !ok {
				return nil, r.fail(e, "range takes one to three integers")
			}
			n[i] = v
		}
		from, to, step := n[0], n[1], n[2]
		switch len(args) {
		case 1:
			from, to, step = 0, n[0], 1
		case 2:
			step = 1
		}
		if step == 0 {
			return nil, r.fail(e, "range wants a step other than 0")
		}
		var out List
		for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
			if err := r.spend(e, 1); err != nil {
				return nil, err
			}
			out = append(out, i)
		}
		return out, nil
	}
}

// A chain is over at the first pair that does not hold; what stands behind it is not evaluated.
func (r *rendering) compare(e *Compare, s *scope) (any, error) {
	left, err := r.eval(e.First, s)
	if err != nil {
		return nil, err
	}
	for i, op := range e.Operators {
		right, err := r.eval(e.Rest[i], s)
		if err != nil {
			return nil, err
		}
		ok, err := r.holds(e, op, left, right)
		if err != nil || !ok {
			return false, err
		}
		left = right
	}
	return true, nil
}

// == and in take any two values; < and its kin only those that have an order, as Python 3.
func (r *rendering) holds(e *Compare, op string, left, right any) (bool, error) {
	if err := r.weigh(e, left, right); err != nil {
		return false, err
	}
	switch op {
	case "==":
		return equal(left, right), nil
	case "!=":
		return !equal(left, right), nil
	case "in", "not in":
		in, err := contains(right, left)
		if err != nil {
			return false, r.fail(e, "%v", err)
		}
		return in == (op == "in"), nil
	}
	c, ok := order(left, right)
	if !ok {
		return false, r.fail(e, "%s cannot stand between %s and %s", op, typeName(left), typeName(right))
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

func contains(in, v any) (bool, error) {
	switch in := in.(type) {
	case string:
		s, ok := v.(string)
		if !ok {
			return false, fmt.Errorf("in a text only a text can be looked for, not %s", typeName(v))
		}
		return strings.Contains(in, s), nil
	case *Dict:
		_, ok := in.Get(v)
		return ok, nil
	}
	list, err := items(in)
	for _, x := range list {
		if equal(x, v) {
			return true, nil
		}
	}
	return false, err
}

// order compares numbers, texts and lists.
// ok is false where there is no order, such as between a text and a number.
func order(a, b any) (int, bool) {
	x, okX := number(a)
	y, okY := number(b)
	if okX && okY {
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return strings.Compare(a, b), ok
	case List:
		b, ok := b.(List)
		return orderItems(a, b, ok)
	case Tuple:
		b, ok := b.(Tuple)
		return orderItems(a, b, ok)
	}
	return 0, false
}

// The first pair that differs decides; of lists that are alike so far the shorter one is less.
func orderItems(a, b []any, ok bool) (int, bool) {
	for i := range min(len(a), len(b)) {
		if !equal(a[i], b[i]) {
			return order(a[i], b[i])
		}
	}
	return len(a) - len(b), ok
}

// What is not there is undefined and no error: templates ask for it by "is defined" and default.
func (r *rendering) index(e *Index, s *scope) (any, error) {
	of, err := r.eval(e.Of, s)
	if err != nil {
		return nil, err
	}
	key, err := r.eval(e.Key, s)
	if err == nil {
		err = r.weigh(e, key)
	}
	if text, ok := of.(string); ok && err == nil {
		err = r.spend(e, len(text)/perStep) // it is taken apart into characters
	}
	if err != nil {
		return nil, err
	}
	switch of := of.(type) {
	case *Dict:
		if v, ok := of.Get(key); ok {
			return v, nil
		}
	case List, Tuple, string:
		n, ok := key.(int64)
		list, _ := items(of)
		if n < 0 {
			n += int64(len(list))
		}
		if ok && n >= 0 && n < int64(len(list)) {
			return list[n], nil
		}
	}
	if name, ok := key.(string); ok {
		return r.attribute(e, of, name, s)
	}
	if u, ok := of.(Undefined); ok {
		return nil, r.fail(e, "'%s' is undefined", u.Name)
	}
	return Undefined{fmt.Sprintf("%s has no element %s", typeName(of), Repr(key))}, nil
}

func (r *rendering) slice(e *Slice, s *scope) (any, error) {
	of, err := r.eval(e.Of, s)
	if err != nil {
		return nil, err
	}
	if text, ok := of.(string); ok {
		if err := r.spend(e, len(text)/perStep); err != nil { // as in index
			return nil, err
		}
	}
	list, err := items(of)
	if _, isDict := of.(*Dict); err != nil || isDict {
		return nil, r.fail(e, "%s cannot be sliced", typeName(of))
	}
	bounds := [3]*int64{}
	for i, x := range []Expr{e.From, e.To, e.Step} {
		if x == nil {
			continue
		}
		v, err := r.eval(x, s)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		n, ok := v.(int64)
		if !ok {
			return nil, r.fail(e, "a slice's bounds are integers, not %s", typeName(v))
		}
		bounds[i] = &n
	}
	if bounds[2] != nil && *bounds[2] == 0 {
		return nil, r.fail(e, "a slice's step cannot be 0")
	}
	out := sliced(list, bounds)
	switch of.(type) {
	case string:
		var b strings.Builder
		for _, c := range out {
			b.WriteString(c.(string))
		}
		return b.String(), nil
	case Tuple:
		return Tuple(out), nil
	}
	return List(out), nil
}

// sliced cuts list[from:to:step] as Python does: bounds past the ends are the ends.
func sliced(list []any, bounds [3]*int64) []any {
	n, step := int64(len(list)), int64(1)
	if bounds[2] != nil {
		step = *bounds[2]
	}
	low, high := int64(0), n // where a bound may lie
	if step < 0 {
		low, high = -1, n-1
	}
	at := func(b *int64, or int64) int64 {
		if b == nil {
			return or
		}
		i := *b
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	from, to := at(bounds[0], low), at(bounds[1], high)
	if step < 0 {
		from, to = at(bounds[0], high), at(bounds[1], low)
	}
	var out []any
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		out = append(out, list[i])
		if step > n || step < -n {
			break
		}
	}
	return out
}

func (r *rendering) callExpr(e *Call, s *scope) (any, error) {
	f, err := r.eval(e.Function, s)
	if err != nil {
		return nil, err
	}
	args, named, err := r.arguments(e.Args, e.Named, s)
	if err != nil {
		return nil, err
	}
	call, ok := f.(function)
	if u, undefined := f.(Undefined); undefined {
		return nil, r.fail(e, "'%s' is undefined", u.Name)
	}
	if !ok {
		return nil, r.fail(e, "%s cannot be called", typeName(f))
	}
	if err := r.weigh(e, args...); err != nil {
		return nil, err
	}
	v, err := call(args, named)
	if err != nil {
		return nil, r.placed(e, err)
	}
	return v, nil
}

// placed gives an error a template and a line where it has none yet.
// An error from a block that a call has rendered has the place of its own template already.
func (r *rendering) placed(n interface{ Line() int }, err error) error {
	if own, ok := err.(*Error); ok {
		return own
	}
	return r.fail(n, "%v", err)
}

func (r *rendering) arguments(args []Expr, named []Argument, s *scope) ([]any, map[string]any, error) {
	values, err := r.all(args, s)
	if err != nil {
		return nil, nil, err
	}
	byName := map[string]any{}
	for _, a := range named {
		v, err := r.eval(a.Value, s)
		if err != nil {
			return nil, nil, err
		}
		byName[a.Name] = v
	}
	return values, byName, nil
}
