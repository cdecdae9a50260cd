package scheduling

import (
	"testing"
	"time"

	"strata/events"
)

// Fair share, caps and aging order jobs, and change nothing while they are not set.
func TestDecidePolicy(t *testing.T) {
	q := func(n ...string) (all []events.Event) {
		for _, name := range n {
			all = append(all, device(events.DeviceName("q"+name), "qemu", "w1")...)
		}
		return all
	}
	one := q("1")
	shares := func(p events.SchedulingPolicySet) events.SchedulingPolicySet {
		p.FairShare = &events.FairShare{HalfLife: 1 << 30, DefaultWeight: 1, Users: []events.UserWeight{{User: "bob", Weight: 2}}}
		return p
	}
	groups := []events.GroupUsers{{Group: "g", Users: []events.UserName{"alice", "carol"}}}
	caps := events.SchedulingPolicySet{Caps: &events.Caps{Default: 1, Groups: []events.GroupCap{{Group: "g", Devices: 2}}}, Groups: groups}
	aging := events.SchedulingPolicySet{Aging: &events.Aging{Within: 7200, Bound: 80}}
	tests := []struct {
		name  string
		after time.Duration
		given []any
		want  string
	}{
		{"no policy, submit order", 0, []any{q("1", "2"), job(1), job(2), job(3, by("bob"))}, "1→q1 2→q2"},
		{"a share each", 0, []any{shares(events.SchedulingPolicySet{}), q("1", "2"), job(1), job(2), job(3, by("bob"))}, "1→q1 3→q2"},
		{"by weight", 0, []any{shares(events.SchedulingPolicySet{}), q("1", "2", "3"), job(1), job(2), job(3), job(4, by("bob")), job(5, by("bob")), job(6, by("bob"))}, "1→q1 4→q2 5→q3"},
		{"only within a priority", 0, []any{shares(events.SchedulingPolicySet{}), q("1", "2"), job(1, prio(60)), job(2, prio(60)), job(3, by("bob"))}, "1→q1 2→q2"},
		{"submit order of one user", 0, []any{shares(events.SchedulingPolicySet{}), one, job(1), job(2, prio(60)), job(3, prio(60))}, "2→q1"},
		{"a group is one share", 0, []any{shares(events.SchedulingPolicySet{Groups: groups}), q("1", "2", "3"), job(1), job(2, by("carol")), job(3, by("dave")), job(4, by("carol"))}, "1→q1 3→q2 2→q3"},
		{"shares set when jobs wait", 0, []any{q("1", "2"), job(1), job(2), job(3, by("bob")), shares(events.SchedulingPolicySet{})}, "1→q1 3→q2"},
		{"shares taken back", 0, []any{shares(events.SchedulingPolicySet{}), q("1", "2"), job(1), job(2), job(3, by("bob")), events.SchedulingPolicySet{}}, "1→q1 2→q2"},
		{"a cap", 0, []any{caps, q("1", "2"), job(1, by("dave")), job(2, by("dave")), job(3, by("bob"))}, "1→q1 3→q2"},
		{"a cap reached before", 0, []any{caps, q("1", "2"), job(1, by("dave")), reserved(1, "q1"), job(2, by("dave")), job(3, by("bob"))}, "3→q2"},
		{"a cap with room again", 0, []any{caps, q("1", "2"), job(1, by("dave")), reserved(1, "q1"), job(2, by("dave")), pause{}, ended(1, "q1", false)[:1]}, "2→q2"},
		{"a group's cap", 0, []any{caps, q("1", "2", "3"), job(1), job(2, by("carol")), reserved(1, "q1"), reserved(2, "q2"), job(3, by("alice")), job(4, by("bob"))}, "4→q3"},
		{"checks know no cap", 0, []any{caps, q("1", "2"), check(1, "q1"), check(2, "q2")}, "1→q1 2→q2"},
		{"a group above its cap starts alone", 0, []any{caps, q("1", "2"), part(1, 2, by("dave")), part(2, 2, by("dave"))}, "1→q1 2→q2"},
		{"a group waits for its cap", 0, []any{caps, q("1", "2", "3"), job(9, by("dave")), reserved(9, "q3"), part(1, 2, by("dave")), part(2, 2, by("dave"))}, ""},
		{"young jobs by priority", time.Hour - 1, []any{aging, one, job(1, prio(0)), job(2, prio(70))}, "2→q1"},
		{"an old job is raised", time.Hour, []any{aging, one, job(1, prio(0)), job(2, prio(80), at(time.Hour))}, "1→q1"},
		{"not beyond the bound", 9 * time.Hour, []any{aging, one, job(1, prio(0)), job(2, prio(81), at(time.Hour))}, "2→q1"},
		{"the oldest of the raised", 2 * time.Hour, []any{aging, q("1", "2", "3"), job(1, prio(0)), job(2, prio(30)), job(3, prio(70), at(2*time.Hour)), job(4, prio(70), at(2*time.Hour))}, "1→q1 2→q2 3→q3"},
		{"an old group keeps devices back", 2 * time.Hour, []any{aging, q("1", "2"), job(9), reserved(9, "q2"), part(1, 2), part(2, 2), job(3, at(2*time.Hour))}, ""},
		{"a young group does not", 0, []any{aging, q("1", "2"), job(9), reserved(9, "q2"), part(1, 2), part(2, 2), job(3)}, "3→q1"},
		{"an old group that can never run does not", 2 * time.Hour, []any{aging, q("1"), part(1, 2), part(2, 2), job(3, at(2*time.Hour))}, "3→q1"},
		{"the better of two groups keeps back", 2 * time.Hour, []any{aging, q("1", "2", "3"), job(9), reserved(9, "q3"), inGroup("a", part(1, 3), part(2, 3), part(3, 3)), inGroup("b", part(4, 2), part(5, 2))}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkDecides(t, after(append([]any{worker("w1", 0)}, tt.given...)...), noon.Add(tt.after), tt.want)
		})
	}
}

// Reserved devices take the holder's jobs, and those of others that end before.
func TestDecideReservations(t *testing.T) {
	q1 := device("q1", "qemu", "w1")
	held := func(change ...func(*events.ReservationMade)) events.ReservationMade {
		e := events.ReservationMade{Reservation: 1, Devices: []events.DeviceName{"q1"}, User: "bob", From: noon.Add(time.Hour), Until: noon.Add(2 * time.Hour)}
		for _, c := range change {
			c(&e)
		}
		return e
	}
	window := func(e *events.ReservationMade) { e.User = "" }
	anySSD := func(e *events.ReservationMade) {
		e.Devices, e.DeviceType, e.Tags = nil, "qemu", []events.TagName{"ssd"}
	}
	tests := []struct {
		name  string
		after time.Duration
		given []any
		want  string
	}{
		{"ends before", 59 * time.Minute, []any{q1, held(), job(1)}, "1→q1"},
		{"reaches into it", 59*time.Minute + 1, []any{q1, held(), job(1)}, ""},
		{"made when jobs wait", time.Hour, []any{q1, job(1), held()}, ""},
		{"a shorter one goes", 50 * time.Minute, []any{q1, held(), job(1, runs(3600)), job(2)}, "2→q1"},
		{"the holder's", time.Hour, []any{q1, held(), job(1), job(2, by("bob"))}, "2→q1"},
		{"the holder's reaches over the end", 119 * time.Minute, []any{q1, held(), job(2, by("bob"), runs(7200))}, "2→q1"},
		{"the end", 2 * time.Hour, []any{q1, held(), job(1)}, "1→q1"},
		{"ended early", time.Hour, []any{q1, held(), job(1), pause{}, events.ReservationEnded{Reservation: 1}}, "1→q1"},
		{"another device", time.Hour, []any{q1, device("q2", "qemu", "w1"), held(), job(1)}, "1→q2"},
		{"no check", time.Hour, []any{q1, held(), check(1, "q1")}, ""},
		{"the holder's before a check that is due", time.Hour, []any{q1, checked("qemu"), held(), job(1), job(2, by("bob"))}, "2→q1"},
		{"a check that is due before", 0, []any{q1, checked("qemu"), held(), job(2, by("bob"))}, ""},
		{"the holder's on a bad device", time.Hour, []any{q1, held(), health("q1", events.Bad), job(2, by("bob"))}, ""},
		{"a maintenance window", time.Hour, []any{q1, held(window), job(1), job(2, by("bob")), check(3, "q1")}, ""},
		{"by type and tags", time.Hour, []any{q1, device("q2", "qemu", "w1", "ssd"), held(anySSD), job(1, tags("ssd")), job(2, by("bob"), tags("ssd")), job(3)}, "2→q2 3→q1"},
		{"by group", time.Hour, []any{events.SchedulingPolicySet{Groups: []events.GroupUsers{{Group: "g", Users: []events.UserName{"carol"}}}}, q1,
			held(func(e *events.ReservationMade) { e.User, e.Group = "", "g" }), job(1, by("bob")), job(2, by("carol"))}, "2→q1"},
		{"a group of jobs", time.Hour, []any{q1, device("q2", "qemu", "w1"), held(), part(1, 2), part(2, 2)}, ""},
		{"the holder's group of jobs", time.Hour, []any{q1, device("q2", "qemu", "w1"), held(), part(1, 2, by("bob")), part(2, 2, by("bob"))}, "1→q1 2→q2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkDecides(t, after(append([]any{worker("w1", 0)}, tt.given...)...), noon.Add(tt.after), tt.want)
		})
	}
}

// Devices with rare tags stay for those who ask for them, until nobody has for long.
func TestDecideRareTags(t *testing.T) {
	policy := events.SchedulingPolicySet{RareTags: &events.RareTags{Percent: 34, LendAfter: 3600}}
	three := []any{device("q1", "qemu", "w1", "hdmi"), device("q2", "qemu", "w1", "ssd"), device("q3", "qemu", "w1", "ssd")}
	tests := []struct {
		name  string
		after time.Duration
		given []any
		want  string
	}{
		{"kept", 59 * time.Minute, []any{job(1), job(2), job(3)}, "1→q2 2→q3"},
		{"lent", time.Hour, []any{job(1), job(2), job(3)}, "1→q2 2→q3 3→q1"},
		{"asked for since", 80 * time.Minute, []any{job(1), job(2), job(3), job(4, tags("hdmi"), pin("q9"), at(30*time.Minute))}, "1→q2 2→q3"},
		{"for the tag", 0, []any{job(1, tags("hdmi"))}, "1→q1"},
		{"for another tag", 0, []any{job(1, tags("ssd"))}, "1→q2"},
		{"pinned", 0, []any{job(1, pin("q1"))}, "1→q1"},
		{"checked", 0, []any{check(1, "q1")}, "1→q1"},
		{"rare no more", 0, []any{job(1), events.DeviceTagged{Device: "q2", Tag: "hdmi"}}, "1→q1"},
		{"rare since another left", 0, []any{events.DeviceTagged{Device: "q2", Tag: "hdmi"}, job(1), job(2), events.DeviceUntagged{Device: "q2", Tag: "hdmi"}}, "1→q2 2→q3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := after(append(append([]any{worker("w1", 0), policy}, three...), tt.given...)...)
			checkDecides(t, s, noon.Add(tt.after), tt.want)
		})
	}
}

// In a quiet lab time alone makes jobs start: the decision asks to be woken.
func TestDecideWakesForTurns(t *testing.T) {
	tests := []struct {
		name  string
		given []any
		turns []time.Duration
		want  string // at the last turn
	}{
		{"a reservation ends", []any{device("q1", "qemu", "w1"), job(1),
			events.ReservationMade{Reservation: 1, DeviceType: "qemu", From: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}}, []time.Duration{time.Hour}, "1→q1"},
		{"it begins for its holder", []any{device("q1", "qemu", "w1"), checked("qemu"), job(1),
			events.ReservationMade{Reservation: 1, Devices: []events.DeviceName{"q1"}, User: "alice", From: noon.Add(time.Hour), Until: noon.Add(2 * time.Hour)}}, []time.Duration{time.Hour}, "1→q1"},
		{"a rare device is lent", []any{events.SchedulingPolicySet{RareTags: &events.RareTags{Tags: []events.TagName{"hdmi"}, LendAfter: 600}},
			device("q1", "qemu", "w1", "hdmi"), job(1), job(2, tags("hdmi"), pin("q9"), at(5*time.Minute))}, []time.Duration{15 * time.Minute}, "1→q1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := after(append([]any{worker("w1", 0)}, tt.given...)...)
			d := decide(s, noon)
			for _, turn := range tt.turns {
				if len(d.facts) != 0 || !d.wake.Equal(noon.Add(turn)) {
					t.Fatalf("decided %q, wake %v; want to be woken after %v", brief(d.facts), d.wake, turn)
				}
				s.settle()
				d = decide(s, noon.Add(turn))
			}
			if got := brief(d.facts); got != tt.want {
				t.Errorf("at the last turn decided %q, want %q", got, tt.want)
			}
		})
	}
}

// pause stands among facts for a round in between that found nothing more to do.
type pause struct{}

func checkDecides(t *testing.T, s *state, now time.Time, want string) {
	t.Helper()
	d := decide(s, now)
	checkShape(t, s, d)
	if got := brief(d.facts); got != want {
		t.Errorf("decide: %q, want %q", got, want)
	}
	if anew := brief(decide(newState(s.lab, "test"), now).facts); anew != want {
		t.Errorf("made anew it decides %q, want %q", anew, want)
	}
}

func by(u events.UserName) func(*events.JobSubmitted) {
	return func(e *events.JobSubmitted) { e.User = u }
}

func at(later time.Duration) func(*events.JobSubmitted) {
	return func(e *events.JobSubmitted) { e.At = noon.Add(later) }
}

func runs(s events.Seconds) func(*events.JobSubmitted) {
	return func(e *events.JobSubmitted) { e.JobTimeout = s }
}

// inGroup puts parts into a group of their own.
func inGroup(id string, parts ...events.JobSubmitted) (all []events.Event) {
	for _, p := range parts {
		m := *p.Part
		m.Group, m.Parent = id, parts[0].Job
		p.Part = &m
		all = append(all, p)
	}
	return all
}

// A queue that falls into more lanes, or fewer, loses nobody.
func TestLanesAgain(t *testing.T) {
	s := after(worker("w1", 0), job(1), job(2, by("bob")), job(3, by("bob"), tags("ssd")), part(4, 2), check(5, "q1"))
	lanes := func() (n int) {
		for _, k := range s.kinds {
			for _, sh := range k.shapes {
				n += len(sh.lanes)
			}
		}
		return n
	}
	if lanes() != 3 {
		t.Errorf("%d lanes, want one a shape: 3", lanes())
	}
	more(s, events.SchedulingPolicySet{Caps: &events.Caps{Default: 1}, Aging: &events.Aging{Within: 60, Bound: 80}})
	if lanes() != 4 {
		t.Errorf("%d lanes with caps, want 4: two users ask for the same", lanes())
	}
	more(s, events.JobPrioritySet{Job: 2, Priority: 100}, events.SchedulingPolicySet{})
	for id := range events.JobID(5) {
		more(s, events.JobCancelRequested{Job: id + 1})
	}
	if d := decide(s, noon); len(d.facts) != 6 {
		t.Errorf("decided %v, want five jobs to leave", brief(d.facts))
	}
	fold(s, decide(s, noon).facts)
	if lanes() != 0 || len(s.queued) != 0 {
		t.Errorf("%d lanes and %d jobs are left", lanes(), len(s.queued))
	}
}
