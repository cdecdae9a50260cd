package events

import "testing"

func TestCasePlace(t *testing.T) {
	t.Parallel()
	for _, want := range []struct {
		seq uint64
		n   int
	}{{0, 0}, {1, 0}, {812, 3}, {1 << 35, 1<<17 - 1}} {
		seq, n := CasePlace(CaseNumber(want.seq, want.n))
		if seq != want.seq || int(n) != want.n {
			t.Errorf("place of the number of %d, %d is %d, %d", want.seq, want.n, seq, n)
		}
	}
}
