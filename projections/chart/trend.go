package chart

import (
	"fmt"
	"slices"
)

// trend returns the places of a line through the medians of about so many points around each. On an
// axis of attributes it goes through the median of each column: what several jobs of one build gave
// has no order.
func (f frame) trend(points []Point, over int) []place {
	var along []place
	if f.columns != nil {
		for _, p := range merge(points) {
			along = append(along, place{f.x(p), f.y(p.Value)})
		}
		return along
	}
	for i, p := range points {
		around := points[max(0, i-over/2):min(len(points), i+over/2+1)]
		along = append(along, place{f.x(p), f.y(median(around))})
	}
	return along
}

// merge makes one point of those of each column, which are sorted by it: their median, passed where
// all did.
func merge(points []Point) (merged []Point) {
	for len(points) > 0 {
		n := 1
		for n < len(points) && points[n].X == points[0].X {
			n++
		}
		one := points[0]
		if n > 1 {
			failed := 0
			for _, p := range points[:n] {
				if !p.Pass {
					failed++
				}
			}
			one = Point{At: one.At, X: one.X, Value: median(points[:n]), Pass: failed == 0, Note: fmt.Sprintf("%s: median of %d results", one.X, n)}
			if failed > 0 {
				one.Note += fmt.Sprintf(", %d did not pass", failed)
			}
		}
		merged, points = append(merged, one), points[n:]
	}
	return merged
}

// median is the middle of the values of some points, of an even number the mean of the two.
func median(points []Point) float64 {
	values := make([]float64, len(points))
	for i, p := range points {
		values[i] = p.Value
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
