package api

import (
	"testing"

	"strata/events"
)

func TestBounded(t *testing.T) {
	t.Parallel()
	b := newBounded[string](10)
	put := func(job events.JobID, v string) {
		_, _, turn := b.get(job)
		b.put(job, v, len(v), turn)
	}
	want := func(when string, kept map[events.JobID]string) {
		t.Helper()
		bytes := 0
		for job := events.JobID(1); job < 10; job++ {
			got, ok, _ := b.get(job)
			if v, there := kept[job]; ok != there || got != v {
				t.Errorf("%s: job %d is %q, %v, want %q", when, job, got, ok, v)
			}
			bytes += len(got)
		}
		if b.bytes != bytes {
			t.Errorf("%s: counts %d bytes, keeps %d", when, b.bytes, bytes)
		}
	}
	put(1, "aaaa")
	put(2, "bbbb")
	want("both fit", map[events.JobID]string{1: "aaaa", 2: "bbbb"})
	put(3, "cc")
	put(4, "d")
	want("the oldest goes", map[events.JobID]string{2: "bbbb", 3: "cc", 4: "d"})
	put(5, "far too long a text")
	want("what is larger than all room is not kept", map[events.JobID]string{2: "bbbb", 3: "cc", 4: "d"})
	put(3, "CCC")
	want("replaced", map[events.JobID]string{2: "bbbb", 3: "CCC", 4: "d"})
	_, _, turn := b.get(6)
	b.forget(2)
	b.put(6, "f", 1, turn)
	want("read before something was removed", map[events.JobID]string{3: "CCC", 4: "d"})
	for range 100 {
		put(4, "d")
	}
	if len(b.order) > 8 {
		t.Errorf("%d marks of two jobs", len(b.order))
	}
}
