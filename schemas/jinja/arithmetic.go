package jinja

import (
	"fmt"
	"math"
	"strings"
)

func (r *rendering) unary(e *Unary, s *scope) (any, error) {
	v, err := r.eval(e.Operand, s)
	if err != nil {
		return nil, err
	}
	switch e.Operator {
	case "not":
		return !truth(v), nil
	case "-":
		switch v := v.(type) {
		case int64:
			return -v, nil
		case float64:
			return -v, nil
		}
	case "+":
		switch v.(type) {
		case int64, float64:
			return v, nil
		}
	}
	return nil, r.fail(e, "%s has no sign", describeOperand(v))
}

func describeOperand(v any) string {
	if u, ok := v.(Undefined); ok {
		return fmt.Sprintf("'%s' is undefined: it", u.Name)
	}
	return typeName(v)
}

// "and" and "or" give one of their sides, not a boolean: {{ a or 'x' }} is in most templates.
func (r *rendering) binary(e *Binary, s *scope) (any, error) {
	left, err := r.eval(e.Left, s)
	if err != nil {
		return nil, err
	}
	switch {
	case e.Operator == "and" && !truth(left), e.Operator == "or" && truth(left):
		return left, nil
	}
	right, err := r.eval(e.Right, s)
	if err != nil {
		return nil, err
	}
	switch e.Operator {
	case "and", "or":
		return right, nil
	case "~":
		if err := r.weigh(e, left, right); err != nil {
			return nil, err
		}
		return r.joined(e, Str(left), Str(right))
	}
	for _, v := range []any{left, right} {
		if u, ok := v.(Undefined); ok {
			return nil, r.fail(e, "'%s' is undefined", u.Name)
		}
	}
	// Texts and lists before numbers: which it is only the values tell.
	if e.Operator == "+" {
		if v, done, err := r.concat(e, left, right); done {
			return v, err
		}
	}
	if v, done, err := r.repeat(e, left, right); done {
		return v, err
	}
	if v, ok, err := arithmetic(e.Operator, left, right); err != nil {
		return nil, r.fail(e, "%v", err)
	} else if ok {
		return v, nil
	}
	return nil, r.fail(e, "%s cannot stand between %s and %s", e.Operator, typeName(left), typeName(right))
}

func (r *rendering) joined(n interface{ Line() int }, a, b string) (any, error) {
	if len(a)+len(b) > r.bytes {
		return nil, r.fail(n, "text is larger than %d bytes", r.bytes)
	}
	return a + b, r.spend(n, (len(a)+len(b))/bytesAStep)
}

// concat adds texts, lists and tuples.
// done is false where the two are neither texts nor lists of one kind; the result is a copy, as lists
// of a template are never changed.
func (r *rendering) concat(e *Binary, left, right any) (v any, done bool, err error) {
	switch a := left.(type) {
	case string:
		if b, ok := right.(string); ok {
			v, err = r.joined(e, a, b)
			return v, true, err
		}
	case List:
		if b, ok := right.(List); ok {
			err = r.spend(e, len(a)+len(b))
			return append(append(make(List, 0, len(a)+len(b)), a...), b...), true, err
		}
	case Tuple:
		if b, ok := right.(Tuple); ok {
			err = r.spend(e, len(a)+len(b))
			return append(append(make(Tuple, 0, len(a)+len(b)), a...), b...), true, err
		}
	}
	return nil, false, nil
}

// repeat multiplies a text or a list.
// The budget is asked before the memory is taken. A count below 0 gives an empty one, as in Python.
func (r *rendering) repeat(e *Binary, left, right any) (v any, done bool, err error) {
	if e.Operator != "*" {
		return nil, false, nil
	}
	if _, ok := left.(int64); ok {
		left, right = right, left
	}
	n, ok := right.(int64)
	if !ok {
		return nil, false, nil
	}
	n = max(n, 0)
	switch a := left.(type) {
	case string:
		if a != "" && n > int64(r.bytes/len(a)) {
			return nil, true, r.fail(e, "text is larger than %d bytes", r.bytes)
		}
		return strings.Repeat(a, int(n)), true, r.spend(e, len(a)*int(n)/bytesAStep)
	case List:
		if len(a) > 0 && n > int64(r.left/len(a)) {
			return nil, true, r.spend(e, math.MaxInt32)
		}
		var out List
		for range n {
			out = append(out, a...)
		}
		return out, true, r.spend(e, len(out))
	}
	return nil, false, nil
}

// arithmetic computes + - * / // % ** of numbers; integers stay integers but for /.
// ok is false where a and b are no numbers, and the caller says so in its own words. Integers that do
// not fit 64 bits are an error: Python's have no end, but an address or a count that needs more is a
// slip.
func arithmetic(op string, a, b any) (v any, ok bool, err error) {
	x, okX := number(a)
	y, okY := number(b)
	if !okX || !okY {
		return nil, false, nil
	}
	_, floatA := a.(float64)
	_, floatB := b.(float64)
	if y == 0 && (op == "/" || op == "//" || op == "%") {
		return nil, false, fmt.Errorf("division by zero")
	}
	if !floatA && !floatB && op != "/" && !(op == "**" && y < 0) {
		// For booleans, which count as 0 and 1; integers themselves go a way of their own, as a float
		// holds 53 bits only.
		i, fits := integers(op, int64(x), int64(y))
		if n, ok := a.(int64); ok {
			if m, ok := b.(int64); ok {
				i, fits = integers(op, n, m)
			}
		}
		if !fits {
			return nil, false, fmt.Errorf("integer is out of range: %v %s %v", a, op, b)
		}
		return i, true, nil
	}
	switch op {
	case "+":
		return x + y, true, nil
	case "-":
		return x - y, true, nil
	case "*":
		return x * y, true, nil
	case "/":
		return x / y, true, nil
	case "//":
		return math.Floor(x / y), true, nil
	case "%":
		return x - y*math.Floor(x/y), true, nil
	case "**":
		return math.Pow(x, y), true, nil
	}
	return nil, false, nil
}

// integers computes on 64 bits and says whether the result fits.
// As Python does, // rounds down and % has the sign of its right side. Neither is asked with b of 0.
func integers(op string, a, b int64) (int64, bool) {
	switch op {
	case "+":
		c := a + b
		return c, (c > a) == (b > 0)
	case "-":
		c := a - b
		return c, (c < a) == (b > 0)
	case "*":
		c := a * b
		return c, a == 0 || (c/a == b && !(a == -1 && b == math.MinInt64))
	case "//":
		q := a / b
		if a%b != 0 && (a < 0) != (b < 0) {
			q--
		}
		return q, true
	case "%":
		m := a % b
		if m != 0 && (m < 0) != (b < 0) {
			m += b
		}
		return m, true
	case "**":
		c, fits := int64(1), true
		for range b {
			if c, fits = integers("*", c, a); !fits {
				return 0, false
			}
			// These never overflow, and a power may be as large as anybody writes it.
			if a == 0 || a == 1 {
				return a, true
			}
			if a == -1 {
				return 1 - 2*(b%2), true
			}
		}
		return c, true
	}
	return 0, false
}
