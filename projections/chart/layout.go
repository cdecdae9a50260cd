package chart

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Distances within a drawing, in pixels.
const (
	margin    = 14.0 // around everything
	lineSpace = 18.0 // from one line of text to the next
	tickGap   = 6.0  // between an axis and its labels
	inset     = 6.0  // between the ends of a time axis and the first and last point
)

// maxValue is the largest value that is drawn: beyond it the range of an axis has no number.
const maxValue = 1e300

// frame is where the data goes.
type frame struct {
	left, top, right, bottom float64
	low, high                float64        // values at bottom and top
	from, to                 float64        // times at left and right; unused with columns
	columns                  map[string]int // place of each attribute; nil on a time axis
}

func (f frame) y(v float64) float64 {
	return f.bottom - (v-f.low)/(f.high-f.low)*(f.bottom-f.top)
}

// x is a point's place. On an axis of attributes every value has a column of its own.
func (f frame) x(p Point) float64 {
	if f.columns != nil {
		return f.left + (float64(f.columns[p.X])+0.5)*(f.right-f.left)/float64(len(f.columns))
	}
	if f.to <= f.from {
		return (f.left + f.right) / 2
	}
	return f.left + inset + (seconds(p.At)-f.from)/(f.to-f.from)*(f.right-f.left-2*inset)
}

// layout draws the whole chart: title and legend above, labels at the left and below, data between.
func layout(s surface, c Chart, o Options) {
	series, thinned := thin(c)
	f := frame{left: margin, top: margin, right: float64(o.Width) - margin, bottom: float64(o.Height) - margin}
	if c.Title != "" {
		s.text(strong, place{margin, f.top + 12}, start, true, fit(s, true, c.Title, f.right-f.left))
		f.top += lineSpace + 4
	}
	if !c.Plain {
		f.top = legend(s, f, series)
	}
	if thinned > 0 {
		s.text(muted, place{f.right, margin + 12}, end, false, fmt.Sprintf("1 of %d points", thinned))
	}
	if !slices.ContainsFunc(series, func(s Series) bool { return len(s.Points) > 0 }) {
		s.text(muted, place{float64(o.Width) / 2, (f.top + f.bottom) / 2}, middle, false, "No results match")
		return
	}
	f.top += 8
	f.bottom -= lineSpace
	ticks := f.values(c, series)
	f.left += widest(s, ticks) + tickGap
	aim := ""
	if c.Target != nil {
		aim = "goal " + number(*c.Target, fraction(*c.Target))
		f.right -= s.width(false, aim) + tickGap
	}
	if c.Unit != "" {
		s.text(muted, place{margin, f.top + 4}, start, false, c.Unit)
		f.top += lineSpace
	}
	for _, t := range ticks {
		ink := grid
		if t.at == 0 {
			ink = muted // the line that values are measured from
		}
		s.line(ink, 1, false, place{f.left, crisp(f.y(t.at))}, place{f.right, crisp(f.y(t.at))})
		s.text(muted, place{f.left - tickGap, f.y(t.at) + 4}, end, false, t.label)
	}
	f.across(s, c, series)
	for i, line := range series {
		if c.Representation == Bars {
			f.bars(s, ofSeries(i), line, i, len(series))
			continue
		}
		f.lines(s, ofSeries(i), line, c.Trend)
	}
	if c.Target != nil {
		y := crisp(f.y(*c.Target))
		s.line(goal, 1.5, true, place{f.left, y}, place{f.right, y})
		s.text(goal, place{f.right + tickGap, y + 4}, start, false, aim)
	}
}

// thin returns the series sorted along the axis, without what cannot be drawn, and every how many
// points one is kept; 0 where all are.
func thin(c Chart) (series []Series, every int) {
	total := 0
	for _, s := range c.Series {
		total += len(s.Points)
	}
	every = (total + MaxPoints - 1) / MaxPoints
	if every <= 1 {
		every = 0
	}
	for _, s := range c.Series {
		kept := Series{Name: s.Name}
		for _, p := range s.Points {
			if math.Abs(p.Value) <= maxValue { // not-a-number is not either
				kept.Points = append(kept.Points, p)
			}
		}
		slices.SortStableFunc(kept.Points, func(a, b Point) int {
			if c.XAxis != "" {
				return cmp.Or(natural(a.X, b.X), a.At.Compare(b.At))
			}
			return a.At.Compare(b.At)
		})
		if every > 0 {
			n := 0
			kept.Points = slices.DeleteFunc(kept.Points, func(p Point) bool {
				n++
				return p.Pass && n%every != 0 // a failure is what people look for
			})
		}
		series = append(series, kept)
	}
	return series, every
}

// legend writes the names of the series in as many lines as they need, at most three, and returns
// where the next thing begins. One series needs no legend where the title says it.
func legend(s surface, f frame, series []Series) float64 {
	if len(series) == 0 || len(series) == 1 && series[0].Name == "" {
		return f.top
	}
	x, y, lines := f.left, f.top+11, 1
	for i, one := range series {
		name := fit(s, false, one.Name, 220)
		width := 16 + s.width(false, name) + 18
		if x > f.left && x+width > f.right {
			if lines == 3 {
				s.text(muted, place{x, y}, start, false, fmt.Sprintf("+%d", len(series)-i))
				break
			}
			x, y, lines = f.left, y+lineSpace, lines+1
		}
		s.bar(ofSeries(i), x, y-8, 10, 10, nil)
		s.text(strong, place{x + 16, y}, start, false, name)
		x += width
	}
	return y + 7
}

// values sets the frame's range of values and returns its ticks.
func (f *frame) values(c Chart, series []Series) []tick {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range series {
		for _, p := range s.Points {
			low, high = math.Min(low, p.Value), math.Max(high, p.Value)
		}
	}
	if c.Target != nil {
		low, high = math.Min(low, *c.Target), math.Max(high, *c.Target)
	}
	switch {
	case c.Percentage:
		low, high = 0, 100
	case c.Representation == Bars, low > 0 && low < high/2:
		low, high = math.Min(low, 0), math.Max(high, 0) // a bar's length must mean its value
	}
	ticks, from, to := valueTicks(low, high, int((f.bottom-f.top)/45))
	f.low, f.high = from, to
	return ticks
}

// across sets the frame's horizontal axis and labels it.
func (f *frame) across(s surface, c Chart, series []Series) {
	if c.XAxis != "" {
		f.attributes(s, series)
		return
	}
	var first, last time.Time
	for _, one := range series {
		for _, p := range one.Points {
			if first.IsZero() || p.At.Before(first) {
				first = p.At
			}
			if last.IsZero() || p.At.After(last) {
				last = p.At
			}
		}
	}
	f.from, f.to = seconds(first), seconds(last)
	ticks := timeTicks(first, last, int((f.right-f.left)/80))
	if len(ticks) == 0 {
		ticks = []tick{{seconds(first), first.UTC().Format("2 Jan 15:04")}}
	}
	for _, t := range ticks {
		x := f.x(Point{At: time.UnixMicro(int64(t.at * 1e6))})
		s.line(grid, 1, false, place{crisp(x), f.bottom}, place{crisp(x), f.bottom + 4})
		f.below(s, x, t.label)
	}
}

// attributes gives every value of the metadata a column, and labels as many as there is room for.
func (f *frame) attributes(s surface, series []Series) {
	var names []string
	f.columns = map[string]int{}
	for _, one := range series {
		for _, p := range one.Points {
			if _, there := f.columns[p.X]; !there {
				f.columns[p.X] = 0
				names = append(names, p.X)
			}
		}
	}
	slices.SortFunc(names, natural)
	broadest := 40.0
	for i, name := range names {
		f.columns[name] = i
		broadest = math.Max(broadest, s.width(false, fit(s, false, name, 120))+12)
	}
	each := int(math.Ceil(broadest * float64(len(names)) / (f.right - f.left)))
	for i, name := range names {
		if i%max(each, 1) == 0 {
			f.below(s, f.x(Point{X: name}), fit(s, false, name, 120))
		}
	}
}

// below writes a label under the axis, kept within the drawing.
func (f frame) below(s surface, x float64, label string) {
	half := s.width(false, label) / 2
	x = math.Max(margin+half, math.Min(x, f.right-half+margin/2))
	s.text(muted, place{x, f.bottom + lineSpace}, middle, false, label)
}

// lines joins the points; where there are many, only failures keep their mark. A trend is the line
// instead, and all points keep theirs: two lines of one colour could not be told apart.
func (f frame) lines(s surface, c ink, line Series, trend int) {
	along := make([]place, len(line.Points))
	for i, p := range line.Points {
		along[i] = place{f.x(p), f.y(p.Value)}
	}
	dense := trend == 0 && f.columns == nil && float64(len(along)) > (f.right-f.left)/6
	if trend > 0 || f.columns != nil {
		s.line(c, 2, false, f.trend(line.Points, trend)...)
	} else {
		s.line(c, 1.5, false, along...)
	}
	for i := range line.Points {
		if !dense || !line.Points[i].Pass {
			s.dot(c, along[i], &line.Points[i])
		}
	}
}

// bars draws the points of one series of several side by side.
func (f frame) bars(s surface, c ink, line Series, nth, of int) {
	n := len(f.columns)
	if f.columns == nil {
		n = max(len(line.Points), 1)
	}
	group := math.Max(math.Min((f.right-f.left)/float64(n)*0.8, 60), 1)
	width := math.Max(group/float64(of), 1)
	points := line.Points
	if f.columns != nil {
		points = merge(points)
	}
	for i, p := range points {
		x := f.x(p) - group/2 + float64(nth)*width
		x = math.Max(f.left, math.Min(x, f.right-width))
		top, foot := f.y(math.Max(p.Value, 0)), f.y(math.Min(p.Value, 0))
		s.bar(c, x, top, math.Max(width-1, 1), math.Max(foot-top, 1), &points[i])
		if !p.Pass { // a bar keeps the colour that tells its series
			s.dot(c, place{x + width/2, math.Max(top-7, f.top+4)}, &points[i])
		}
	}
}

// widest is the width of the widest label.
func widest(s surface, ticks []tick) float64 {
	w := 0.0
	for _, t := range ticks {
		w = math.Max(w, s.width(false, t.label))
	}
	return w
}

// fit shortens words to a width, in the middle, since both ends of a name tell it from others.
func fit(s surface, title bool, words string, width float64) string {
	words = strings.Map(func(r rune) rune {
		if r < 0x20 {
			return ' '
		}
		return r
	}, words)
	if s.width(title, words) <= width {
		return words
	}
	runes := []rune(words)
	for n := len(runes) - 1; n > 1; n-- {
		short := string(runes[:(n+1)/2]) + "…" + string(runes[len(runes)-n/2:])
		if s.width(title, short) <= width {
			return short
		}
	}
	return "…"
}

// crisp moves a hairline onto the middle of a pixel.
func crisp(v float64) float64 { return math.Floor(v) + 0.5 }

// fraction is the size of a value's last decimal that matters, for writing it.
func fraction(v float64) float64 {
	for step := 1.0; step > 1e-6; step /= 10 {
		if math.Abs(v/step-math.Round(v/step)) < 1e-9 {
			return step
		}
	}
	return 1e-6
}
