package health

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"strata/events"
)

// TestAgenda sets, forgets and asks in any order, and compares with going through all devices.
func TestAgenda(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		a, all := newAgenda(), map[events.DeviceName]time.Time{}
		for step := range 600 {
			name := events.DeviceName(fmt.Sprint("q", r.IntN(8)))
			at := noon.Add(time.Duration(r.IntN(5)) * time.Hour)
			if r.IntN(3) == 0 {
				at = time.Time{}
			}
			a.set(name, at)
			if all[name] = at; at.IsZero() {
				delete(all, name)
			}
			now := noon.Add(time.Duration(r.IntN(6)-1) * time.Hour)
			got, next := a.due(now)
			var want []events.DeviceName
			var first time.Time
			for _, name := range slices.Sorted(maps.Keys(all)) {
				if !now.Before(all[name]) {
					want = append(want, name)
				} else {
					first = earliest(first, all[name])
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) || !next.Equal(first) {
				t.Fatalf("seed %d, step %d, %v: due are %v, next at %v, want %v and %v of %v", seed, step, now, got, next, want, first, all)
			}
			if len(a.queue) > 2*8+101 {
				t.Fatalf("seed %d, step %d: %d places for 8 devices", seed, step, len(a.queue))
			}
		}
	}
}
