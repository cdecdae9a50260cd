package trend

import (
	"math"
	"regexp"
	"slices"
	"strings"
)

// Shifted is a lasting shift of a measurement.
type Shifted struct {
	At            int     // index of the first shifted value
	Seen          int     // index of the value with which it could be seen
	Before, After float64 // medians
}

// Up says that the values are higher since.
func (s Shifted) Up() bool { return s.After > s.Before }

// threshold is how far a stretch of values has to lie from the median before: in standard errors of the
// noise, and as a share of the median. The share lets pass what nobody wants to hear of. Together they keep
// alarms at noise of 5 % below one in a thousand values, and see a shift of 15 % within 5; the figures are
// measured by `make bench AREA=tables`.
type threshold struct{ errors, share float64 }

// thresholds by the length of the stretch; in noisy series only the errors tell a shift from noise, and so are more.
var (
	thresholds = map[int]threshold{3: {3.9, 0.115}, 4: {3.6, 0.098}, 5: {3.25, 0.081}}
	noisy      = map[int]threshold{3: {4.7, 0.115}, 4: {4.4, 0.098}, 5: {4.0, 0.081}}
)

// noisyShare is the noise, as a share of the median, above which a series is noisy.
const noisyShare = 0.07

// Shifts finds the lasting shifts of a series of measurements, oldest first.
func Shifts(values []float64) []Shifted {
	var found []Shifted
	begin := 0 // of the values that are alike
	for i := range values {
		for m := MinShifted; m <= MaxShifted; m++ {
			at := i + 1 - m
			if at-begin < MinBefore {
				continue
			}
			s, yes := shifted(values[max(begin, at-MaxBefore):at], values[at:i+1])
			if !yes {
				continue
			}
			s.At, s.Seen = at+s.At, i
			found = append(found, s)
			begin = s.At
			break
		}
	}
	return found
}

// shifted compares a stretch of values with those before it.
func shifted(before, after []float64) (Shifted, bool) {
	centre, noise, n := robust(before)
	t := thresholds[len(after)]
	if noise > noisyShare*math.Abs(centre) {
		t = noisy[len(after)]
	}
	mean := 0.0
	for _, v := range after {
		mean += v / float64(len(after))
	}
	least := max(t.errors*student(n)*noise*math.Sqrt(1/float64(len(after))+1/float64(n)), t.share*math.Abs(centre))
	if least == 0 { // before it was always 0: nothing is a share of that
		least = math.SmallestNonzeroFloat64
	}
	// The mean tells a small shift from noise; that most of the values lie off too, a shift from outliers.
	up := mean > centre
	off, first := 0, -1
	for i, v := range after {
		if d := v - centre; math.Abs(d) >= least/2 && d > 0 == up {
			if off++; first < 0 {
				first = i
			}
		}
	}
	return Shifted{At: first, Before: centre, After: median(after)}, math.Abs(mean-centre) >= least && off >= max(MinShifted, len(after)-1)
}

// student widens a threshold where the noise is known from few values only: a deviation estimated from
// n of them is itself uncertain.
func student(n int) float64 { return 1 + 1.2/float64(n) }

// robust returns the median of values and their standard deviation, without those that lie far off, and how
// many are left.
func robust(values []float64) (centre, noise float64, n int) {
	centre = median(values)
	off := make([]float64, len(values))
	for i, v := range values {
		off[i] = math.Abs(v - centre)
	}
	// 1.4826 makes the median absolute deviation of normal noise its standard deviation.
	mad := 1.4826 * median(off)
	sum := 0.0
	for _, d := range off {
		if d <= 4*mad || mad == 0 && d == 0 {
			sum += d * d
			n++
		}
	}
	if n < 2 {
		return centre, mad, max(n, 1)
	}
	return centre, max(mad*0.8, math.Sqrt(sum/float64(n-1))), n
}

func median(values []float64) float64 {
	s := slices.Clone(values)
	slices.Sort(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// rate finds units that are something a second by their letters: Mbps, fps, IOPS, kops, GFLOPS. Drops, steps and
// ps, a time, are none.
var rate = regexp.MustCompile(`\b([kmgtp]i?)?(bit|b|f|p|t|q|r|o|io|flo|(bogo)?mi)ps\b`)

// Worse says whether more of a unit is for the worse: times and sizes are, rates are not. known is false
// of a unit that tells neither.
func Worse(units string) (more, known bool) {
	u := strings.ToLower(strings.TrimSpace(units))
	switch {
	case strings.Contains(u, "/s"), rate.MatchString(u), strings.Contains(u, "per sec"), strings.HasSuffix(u, "hz"),
		strings.Contains(u, "score"):
		return false, true
	}
	switch u {
	case "s", "sec", "secs", "second", "seconds", "ms", "msec", "milliseconds", "us", "usec", "microseconds", "ns", "nsec", "nanoseconds", "ps",
		"min", "minutes", "h", "hours", "cycles", "b", "byte", "bytes", "kb", "kib", "mb", "mib", "gb", "gib", "errors", "faults", "w", "mw", "watts", "j", "mj", "joules", "°c", "c":
		return true, true
	}
	return false, false
}
