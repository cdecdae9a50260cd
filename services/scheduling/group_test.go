package scheduling

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
)

func TestDecideGroups(t *testing.T) {
	three := []any{worker("w1", 0), device("q1", "qemu", "w1"), device("q2", "qemu", "w1"), device("b1", "bbb", "w1")}
	with := func(more ...any) []any { return append(append([]any{}, three...), more...) }
	tests := []struct {
		name  string
		given []any
		want  string
	}{
		{"all parts at once", with(part(1, 2), part(2, 2)), "1→q1 2→q2"},
		{"parts of several types", with(part(1, 2), part(2, 2, typ("bbb"))), "1→q1 2→b1"},
		{"a part is still to come", with(part(1, 2)), ""},
		{"too few devices: none", with(part(1, 3), part(2, 3), part(3, 3)), ""},
		{"too few devices: others go on", with(part(1, 3), part(2, 3), part(3, 3), job(4), job(5)), "4→q1 5→q2"},
		{"before a later job", with(part(1, 2), part(2, 2), job(3)), "1→q1 2→q2"},
		{"after an earlier job", with(job(1), part(2, 2), part(3, 2)), "1→q1"},
		{"after a job of higher priority", with(part(1, 2), part(2, 2), job(3, prio(60))), "3→q1"},
		{"tags cross over", with(events.DeviceTagged{Device: "q1", Tag: "ssd"}, part(1, 2), part(2, 2, tags("ssd"))), "1→q2 2→q1"},
		{"pins cross over", with(part(1, 2, pin("q2")), part(2, 2)), "1→q2 2→q1"},
		{"job limit", with(events.WorkerConfigured{Worker: "w1", JobLimit: 1}, part(1, 2), part(2, 2)), ""},
		{"job limit leaves two workers", with(worker("w2", 1), device("q3", "qemu", "w2"),
			events.WorkerConfigured{Worker: "w1", JobLimit: 1}, part(1, 2), part(2, 2)), "1→q1 2→q3"},
		{"a guest follows its host", with(part(1, 2, role("server")), guest(2, 2, "server")), "1→q1 2→@w1"},
		{"a guest whose host is nowhere", with(part(1, 2, role("server")), guest(2, 2, "nobody")), ""},
		{"a returned part joins the others", with(part(1, 2), part(2, 2), reserved(1, "q1"), reserved(2, "b1"),
			events.JobReturned{Job: 1, Device: "q1", Lease: 2}), "1→q2"},
		{"a returned guest", with(part(1, 2, role("server")), guest(2, 2, "server"), reserved(1, "q1"),
			events.JobScheduled{Job: 2, Worker: "w1", Lease: 2}, events.JobReturned{Job: 2, Worker: "w1", Lease: 2}), "2→@w1"},
		{"one canceled, all leave", with(part(1, 2), part(2, 2), events.JobCancelRequested{Job: 2, By: "bob"}),
			"1✗its group cannot run: job 2 is over or canceled 2✗canceled by bob"},
		{"one left, a late part leaves too", with(part(1, 2), events.JobWithdrawn{Job: 1, Reason: "x"}, part(2, 2)),
			"2✗its group cannot run: job 1 is over or canceled"},
		{"queue timeout of one is that of all", with(part(1, 3, waitAtMost(60)), part(2, 3), part(3, 3)),
			"1✗queue timeout after 1m0s 2✗queue timeout after 1m0s 3✗queue timeout after 1m0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := after(tt.given...)
			d := decide(s, noon.Add(2*time.Minute))
			if got := brief(d.facts); got != tt.want {
				t.Errorf("decide: %q, want %q", got, tt.want)
			}
			checkShape(t, s, d)
		})
	}
}

// The guest's lease is that of its host: the worker runs both on one board.
func TestGuestLease(t *testing.T) {
	s := after(worker("w1", 0), device("q1", "qemu", "w1"), part(1, 2, role("server")), guest(2, 2, "server"))
	leases := map[events.JobID]events.Lease{}
	for _, f := range decide(s, noon).facts {
		if f, ok := f.(events.JobScheduled); ok {
			leases[f.Job] = f.Lease
		}
	}
	if leases[1] == 0 || leases[1] != leases[2] {
		t.Errorf("leases %v, want the same for host and guest", leases)
	}
}

// TestGroupIsServed has a group of ten that one choice of devices serves, and hardly another: whoever takes the first
// device that fits has to be moved four times over. A search that tries one choice after the other would not end.
func TestGroupIsServed(t *testing.T) {
	given := []any{worker("w1", 0), worker("w2", 1), worker("w3", 0)}
	for i := range 5 {
		for _, d := range []struct {
			name   string
			worker events.WorkerName
			tags   []events.TagName
		}{{"a", "w1", []events.TagName{"x", "y"}}, {"b", "w2", []events.TagName{"x", "z"}}, {"c", "w3", []events.TagName{"y", "z"}}} {
			given = append(given, device(events.DeviceName(fmt.Sprint(d.name, i)), "qemu", d.worker, d.tags...))
		}
	}
	for id := events.JobID(1); id <= 10; id++ {
		tag := events.TagName("y") // on a and c
		if id > 5 {
			tag = "x" // on a and b, of which one may be in use
		}
		given = append(given, part(id, 10, tags(tag)))
	}
	s := after(given...)
	d := decide(s, noon)
	if got := strings.Count(brief(d.facts), "→"); got != 10 {
		t.Errorf("%d parts have a device, want all 10: %s", got, brief(d.facts))
	}
	checkShape(t, s, d)
}

// A group that no batch can hold would wait for ever.
func TestGroupTooLarge(t *testing.T) {
	const n = 50
	given := []any{}
	for id := events.JobID(1); id <= n; id++ {
		given = append(given, part(id, n))
	}
	d := decide(after(given...), noon)
	if got := brief(d.facts); strings.Count(got, "✗its group has 50 parts: at most 49") != n {
		t.Errorf("decide: %q, want %d parts to leave", got, n)
	}
}

// A search that cannot end well has an end.
func TestGroupSearchIsBounded(t *testing.T) {
	given := []any{worker("w1", 0)}
	const n = 24
	for i := range n {
		given = append(given, device(events.DeviceName(fmt.Sprint("q", i)), "qemu", "w1"))
	}
	for id := events.JobID(1); id <= n+1; id++ {
		given = append(given, part(id, n+1))
	}
	if d := decide(after(given...), noon); len(d.facts) != 0 {
		t.Errorf("decide: %q, want nothing", brief(d.facts))
	}
}

func part(id events.JobID, size int, change ...func(*events.JobSubmitted)) events.JobSubmitted {
	e := job(id)
	e.Part = &events.Membership{Group: "g", Parent: 1, Role: "client", Size: size}
	for _, c := range change {
		c(&e)
	}
	return e
}

func guest(id events.JobID, size int, hostRole string) events.JobSubmitted {
	return part(id, size, typ(""), func(e *events.JobSubmitted) { e.Part.Guest, e.Part.HostRole = true, hostRole })
}

func role(r string) func(*events.JobSubmitted) {
	return func(e *events.JobSubmitted) { e.Part.Role = r }
}
