package quota_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strata/services/api/quota"
)

func TestTake(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	q := quota.New(quota.Rate{PerSecond: 2, Burst: 3}, 10)
	steps := []struct {
		caller string
		after  time.Duration // noon
		want   quota.Verdict
	}{
		{"ann", 0, quota.Verdict{OK: true, Limit: 3, Left: 2, Full: 500 * time.Millisecond}},
		{"ann", 0, quota.Verdict{OK: true, Limit: 3, Left: 1, Full: time.Second}},
		{"ann", 0, quota.Verdict{OK: true, Limit: 3, Left: 0, Full: 1500 * time.Millisecond, Wait: 500 * time.Millisecond}},
		{"ann", 0, quota.Verdict{OK: false, Limit: 3, Left: 0, Full: 1500 * time.Millisecond, Wait: 500 * time.Millisecond}},
		{"bob", 0, quota.Verdict{OK: true, Limit: 3, Left: 2, Full: 500 * time.Millisecond}},
		{"ann", 250 * time.Millisecond, quota.Verdict{OK: false, Limit: 3, Left: 0, Full: 1250 * time.Millisecond, Wait: 250 * time.Millisecond}},
		{"ann", 500 * time.Millisecond, quota.Verdict{OK: true, Limit: 3, Left: 0, Full: 1500 * time.Millisecond, Wait: 500 * time.Millisecond}},
		{"ann", time.Hour, quota.Verdict{OK: true, Limit: 3, Left: 2, Full: 500 * time.Millisecond}},
	}
	for i, s := range steps {
		if got := q.Take(s.caller, noon.Add(s.after)); got != s.want {
			t.Errorf("step %d, %s after %s:\n got %+v\nwant %+v", i, s.caller, s.after, got, s.want)
		}
	}
}

func TestUnlimited(t *testing.T) {
	t.Parallel()
	q := quota.New(quota.Rate{}, 1)
	for range 1000 {
		if v := q.Take("ann", time.Time{}); !v.OK {
			t.Fatalf("without a rate: %+v", v)
		}
	}
}

// TestForgets shows that a crowd of callers, such as one with all the addresses in the world, costs a bounded
// memory, and that who keeps asking is not let off by it.
func TestForgets(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	q := quota.New(quota.Rate{PerSecond: 1, Burst: 2}, 100)
	passed := 0
	for i := range 10_000 {
		q.Take(strconv.Itoa(i), noon)
		if i%50 == 0 && q.Take("ann", noon).OK {
			passed++
		}
	}
	if passed != 2 {
		t.Errorf("ann got %d requests through while others asked, want her burst of 2", passed)
	}
	if v := q.Take("0", noon); !v.OK || v.Left != 1 {
		t.Errorf("who was forgotten: %+v, want a full bucket", v)
	}
}

func TestAtOnce(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	q := quota.New(quota.Rate{PerSecond: 1, Burst: 50}, 10)
	var ok atomic.Int64
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			if q.Take("ann", noon).OK {
				ok.Add(1)
			}
		})
	}
	group.Wait()
	if ok.Load() != 50 {
		t.Errorf("%d of 200 passed, want 50", ok.Load())
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int{0: 0, 1: 1, time.Second: 1, 1001 * time.Millisecond: 2} {
		if got := quota.Seconds(d); got != want {
			t.Errorf("Seconds(%s) = %d, want %d", d, got, want)
		}
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "2001:db8:0:1:2:3:4:5": "2001:db8:0:1::/64", "fe80::1%eth0": "fe80::/64",
		"::ffff:192.0.2.7": "::ffff:192.0.2.7", "odd": "odd", "": "",
	} {
		if got := quota.Address(host); got != want {
			t.Errorf("Address(%q) = %q, want %q", host, got, want)
		}
	}
}
