package lab

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"strata/events"
)

// TestAhead has queues of single jobs and groups, and holds place and names of those ahead to what all ranks say.
func TestAhead(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 5))
		s := New()
		fold(s, events.DeviceTypeAdded{DeviceType: "qemu"}, events.DeviceAdded{Device: "q1", DeviceType: "qemu"})
		for id := events.JobID(1); id <= 40; id++ {
			e := submit(id)
			e.Priority = 10 * r.IntN(3)
			if r.IntN(4) == 0 {
				e.DeviceType = "other"
			}
			if id%3 == 0 && r.IntN(2) == 0 {
				e.Part = &events.Membership{Group: fmt.Sprint("g", id/12), Parent: id, Size: 9}
			}
			fold(s, e)
		}
		v := s.view(noon)
		j := s.Job(events.JobID(1 + r.IntN(40)))
		var want []*Job
		for k := range s.Jobs() {
			if k != j && k.DeviceType == "qemu" && j.DeviceType == "qemu" && v.rank(k).Before(v.rank(j)) &&
				(k.Part == nil || j.Part == nil || k.Part.Group != j.Part.Group) {
				want = append(want, k)
			}
		}
		slices.SortStableFunc(want, func(a, b *Job) int {
			switch ra, rb := v.rank(a), v.rank(b); {
			case ra.Before(rb):
				return -1
			case rb.Before(ra):
				return 1
			}
			return 0
		})
		n, first := v.ahead(j)
		if n != len(want) || !slices.Equal(first, want[:min(len(want), AheadShown)]) {
			t.Fatalf("seed %d, job %d: %d ahead, the first %v, want %d and %v", seed, j.ID, n, first, len(want), want)
		}
	}
}
