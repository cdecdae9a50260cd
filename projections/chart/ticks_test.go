package chart

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Over a hundred magnitudes, an axis covers its values, with few steps, each label told apart.
func TestValueTicks(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		low := (r.Float64() - 0.5) * math.Pow(10, float64(r.IntN(24)-9))
		high := low + r.Float64()*math.Pow(10, float64(r.IntN(24)-9))
		if high-low < math.Abs(low)*1e-9 {
			continue
		}
		ticks, from, to := valueTicks(low, high, 5)
		if slack := (high - low) * 1e-8; from > low+slack || to < high-slack || len(ticks) < 2 || len(ticks) > 9 {
			t.Fatalf("%g to %g: %d ticks from %g to %g", low, high, len(ticks), from, to)
		}
	}
	for _, tt := range []struct {
		low, high float64
		want      string
	}{
		{0, 100, "0 20 40 60 80 100"}, {4.9, 6.6, "4.5 5.0 5.5 6.0 6.5 7.0"}, {0, 1_900_000, "0 500k 1.0M 1.5M 2.0M"},
		{5, 5, "4.0 4.5 5.0 5.5 6.0"}, {0, 0.004, "0 0.001 0.002 0.003 0.004"}, {-3, 3, "-4 -2 0 2 4"},
	} {
		ticks, _, _ := valueTicks(tt.low, tt.high, 5)
		if got := labels(ticks); got != tt.want {
			t.Errorf("%g to %g: %s; want %s", tt.low, tt.high, got, tt.want)
		}
	}
}

func labels(ticks []tick) string {
	list := make([]string, len(ticks))
	for i, k := range ticks {
		list[i] = k.label
	}
	s := fmt.Sprint(list)
	return s[1 : len(s)-1]
}

// For any span there are some ticks, not too many, all within it and in order.
func TestTimeTicks(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 3, 14, 17, 33, 0, time.UTC)
	for span := 10 * time.Second; span < 80*365*24*time.Hour; span += span / 4 {
		ticks := timeTicks(begin, begin.Add(span), 8)
		if len(ticks) < 1 || len(ticks) > 10 {
			t.Errorf("%v: %d ticks: %s", span, len(ticks), labels(ticks))
		}
		if !slices.IsSortedFunc(ticks, func(a, b tick) int { return int(a.at - b.at) }) ||
			len(ticks) > 0 && (ticks[0].at < seconds(begin) || ticks[len(ticks)-1].at > seconds(begin.Add(span))) {
			t.Errorf("%v: ticks outside of it or out of order", span)
		}
	}
	if got := labels(timeTicks(begin, begin.AddDate(0, 5, 0), 8)); got != "Apr 2026 May 2026 Jun 2026 Jul 2026 Aug 2026" {
		t.Errorf("five months: %s", got)
	}
}

func TestNatural(t *testing.T) {
	t.Parallel()
	list := []string{"6.12-rc1", "v2", "6.9", "6.10", "", "6.9.1", "007", "7a", "6.9-rc10", "6.9-rc9"}
	slices.SortFunc(list, natural)
	if got, want := fmt.Sprintf("%q", list), `["" "6.9" "6.9-rc9" "6.9-rc10" "6.9.1" "6.10" "6.12-rc1" "007" "7a" "v2"]`; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}
