package jinja

import (
	"fmt"
	"math"
)

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
