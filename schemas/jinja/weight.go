package jinja

import (
	"math"
	"unsafe"
)

// A list may hold another one twice, that one a third twice, and so on: sixty such lists take no room,
// and have more items than there are atoms in the lab once they are printed or compared. So each step
// that walks through a value pays for all that it will meet.

// perStep is how much of a weight one step of the budget pays for.
const perStep = 16

// bytesAStep is how many bytes of one text a step pays for, where the text is copied or gone through: a
// template of a few lines can hold one of some megabytes, and ask for it in each turn of a loop.
const bytesAStep = 256

// weigh takes the steps for walking through values from the budget.
func (r *rendering) weigh(n interface{ Line() int }, values ...any) error {
	sum := 0
	for _, v := range values {
		sum = min(sum+r.weight(v), math.MaxInt32)
	}
	return r.spend(n, sum/perStep)
}

// listID tells a list by its memory. It keeps that memory, so that no later list gets the same id.
type listID struct {
	first *any
	items int
}

// weight is how many items and bytes of text are met on the way through a value, at most MaxInt32. A
// text alone weighs so much that [bytesAStep] of it cost a step; a number weighs nothing.
func (r *rendering) weight(v any) int {
	var id any
	var list []any
	switch v := v.(type) {
	case List:
		list = v
		id = listID{unsafe.SliceData(v), len(v)}
	case Tuple:
		list = v
		id = listID{unsafe.SliceData(v), len(v)}
	case *Dict:
		id = v
	case string:
		return len(v) / (bytesAStep / perStep)
	default:
		return 0
	}
	if known, ok := r.weights[id]; ok {
		return known
	}
	sum := 0
	add := func(x any) {
		sum = min(sum+1+r.weight(x), math.MaxInt32)
		if text, ok := x.(string); ok {
			sum = min(sum+len(text), math.MaxInt32)
		}
	}
	for _, x := range list {
		add(x)
	}
	if d, ok := v.(*Dict); ok {
		for _, k := range d.keys {
			add(k)
			value, _ := d.Get(k)
			add(value)
		}
	}
	// A short one is weighed again as fast as it is found, and need not be kept.
	if sum > perStep {
		if r.weights == nil {
			r.weights = map[any]int{}
		}
		r.weights[id] = sum
	}
	return sum
}
