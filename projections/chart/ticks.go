package chart

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// tick is a place on an axis that carries a label.
type tick struct {
	at    float64
	label string
}

// valueTicks returns an axis for values between low and high with about n steps of 1, 2, 2.5 or 5
// times a power of ten, and the bounds of the axis, which are ticks.
func valueTicks(low, high float64, n int) (ticks []tick, from, to float64) {
	if high <= low {
		pad := math.Max(math.Abs(low)*0.1, 1)
		low, high = low-pad, high+pad
	}
	rough := (high - low) / float64(max(n, 1))
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	step := 10 * power
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= rough*0.999 {
			step = m * power
			break
		}
	}
	first, last := math.Floor(low/step+1e-9), math.Ceil(high/step-1e-9)
	for i := first; i <= last; i++ {
		ticks = append(ticks, tick{i * step, number(i*step, step)})
	}
	return ticks, first * step, last * step
}

// number writes a value with as many digits as steps of that size need; large ones in thousands.
func number(v, step float64) string {
	unit := ""
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(v) >= u.size && step >= 10 {
			if u.name == "k" {
				u.size = 1e3
			}
			v, step, unit = v/u.size, step/u.size, u.name
			break
		}
	}
	digits := 0
	for s := step; digits < 12 && math.Abs(s-math.Round(s)) > 1e-9*math.Max(1, math.Abs(s)); digits++ {
		s *= 10
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Trim(text, "-0.") == "" {
		return "0"
	}
	return text + unit
}

// timeTicks returns at most n ticks between two times, on round ones in UTC: hours, days, Mondays,
// months or years.
func timeTicks(from, to time.Time, n int) []tick {
	span := to.Sub(from)
	day := 24 * time.Hour
	for _, step := range []time.Duration{
		time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 14 * day,
	} {
		if span/step >= time.Duration(n) {
			continue
		}
		form := "2 Jan"
		switch {
		case step < time.Minute:
			form = "15:04:05"
		case step < day:
			form = "15:04"
		}
		return every(from, to, form, func(t time.Time) time.Time { return t.Truncate(step) }, func(t time.Time) time.Time { return t.Add(step) })
	}
	months := func(k int) []tick {
		return every(from, to, "Jan 2006",
			func(t time.Time) time.Time {
				t = t.UTC()
				return time.Date(t.Year(), time.Month((int(t.Month())-1)/k*k+1), 1, 0, 0, 0, 0, time.UTC)
			},
			func(t time.Time) time.Time { return t.AddDate(0, k, 0) })
	}
	for _, k := range []int{1, 3, 6} {
		if float64(span)/(float64(k)*30*float64(day)) < float64(n) {
			return months(k)
		}
	}
	k := int(math.Ceil(float64(span) / (365 * float64(day)) / float64(max(n, 1))))
	return every(from, to, "2006",
		func(t time.Time) time.Time { return time.Date(t.UTC().Year()/k*k, 1, 1, 0, 0, 0, 0, time.UTC) },
		func(t time.Time) time.Time { return t.AddDate(k, 0, 0) })
}

// every returns the ticks within [from, to] on a grid that floor and next give. Where hours pass
// midnight, the label there is the day.
func every(from, to time.Time, form string, floor, next func(time.Time) time.Time) []tick {
	var ticks []tick
	for t := floor(from.UTC()); !t.After(to); t = next(t) {
		if t.Before(from) {
			continue
		}
		label := t.Format(form)
		if form == "15:04" && label == "00:00" {
			label = t.Format("2 Jan")
		}
		ticks = append(ticks, tick{seconds(t), label})
	}
	return ticks
}

// seconds is a time's place on the axis.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// natural compares texts as people count: runs of digits by their number, so 5.9 stands before 5.10.
func natural(a, b string) int {
	for a != "" && b != "" {
		na, nb := digits(a), digits(b)
		if na > 0 && nb > 0 {
			x, y := strings.TrimLeft(a[:na], "0"), strings.TrimLeft(b[:nb], "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
			a, b = a[na:], b[nb:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

// digits counts the digits that s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
