package chart

// ink names a colour by what it is for; each backend knows its colours in light and dark.
type ink int

// The inks. Those of series follow the last one.
const (
	paper ink = iota
	strong
	muted
	grid
	bad
	goal
	firstSeries
)

// inks are the colours of a light and a dark page, as RRGGBB. Those of series differ in lightness
// too, so that they stay apart for readers who do not tell hues apart, and all have a contrast of
// 3:1 or more with the paper.
var inks = [...]struct{ name, light, dark string }{
	paper:           {"paper", "ffffff", "15181c"},
	strong:          {"strong", "1f2328", "e6e9ec"},
	muted:           {"muted", "59636e", "9aa5b1"},
	grid:            {"grid", "e4e7ea", "2a3037"},
	bad:             {"bad", "c4321c", "ff7b68"},
	goal:            {"goal", "6f7782", "8b949e"},
	firstSeries:     {"s0", "1f6feb", "58a6ff"},
	firstSeries + 1: {"s1", "b35900", "f0a04b"},
	firstSeries + 2: {"s2", "1a7f5a", "4ac99b"},
	firstSeries + 3: {"s3", "8250df", "b692ff"},
	firstSeries + 4: {"s4", "0e7490", "4fc3dc"},
	firstSeries + 5: {"s5", "a3195b", "f778ba"},
	firstSeries + 6: {"s6", "5c6f00", "b7c94a"},
	firstSeries + 7: {"s7", "475569", "a9b6c6"},
}

// ofSeries is the ink of a series; they begin again after the last.
func ofSeries(i int) ink { return firstSeries + ink(i%(len(inks)-int(firstSeries))) }

// anchor says which end of a text stands at its place.
type anchor int

const (
	start anchor = iota
	middle
	end
)

// place is a point of a drawing, in pixels from its upper left corner.
type place struct{ x, y float64 }

// surface is what a chart is drawn on.
type surface interface {
	// line draws straight lines from place to place; dashed ones mark what is not data.
	line(c ink, width float64, dashed bool, along ...place)
	// bar fills a rectangle that stands on its lower edge.
	bar(c ink, x, y, width, height float64, p *Point)
	// dot marks a point: a disk where it passed, a cross of the ink bad where it did not.
	dot(c ink, at place, p *Point)
	// text writes at the base line, in the size of labels or, for a title, a little larger.
	text(c ink, at place, from anchor, title bool, words string)
	// width is that of a text, in pixels. Backends agree, or the same chart would be laid out twice.
	width(title bool, words string) float64
}
