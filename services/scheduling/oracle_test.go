package scheduling

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"strata/events"
)

// TestOracle holds decisions in small labs to an oracle that knows none of the scheduler's ways: it looks
// at every assignment of jobs to devices that is allowed, and says which one the rule prefers. The rule is
// that who stands first is served first, with the device that it would choose first, and whoever stands
// behind takes what is left.
func TestOracle(t *testing.T) {
	t.Parallel()
	served, groups, passed := 0, 0, 0
	for seed := range uint64(6000) {
		p := puzzled(seed)
		want := p.solve()
		s := after(p.facts()...)
		got := map[events.JobID]events.DeviceName{}
		for more := true; more; {
			d := decide(s, noon)
			for _, f := range d.facts {
				if e, ok := f.(events.JobScheduled); ok {
					got[e.Job] = e.Device
				}
			}
			fold(s, d.facts)
			more = d.more
		}
		for _, u := range p.units {
			for _, j := range u {
				if got[j.Job] != want[j.Job] {
					t.Fatalf("seed %d: job %d gets %q, by the rule it is %q\n%s", seed, j.Job, got[j.Job], want[j.Job], p)
				}
				switch {
				case want[j.Job] == "":
					passed++
				case len(u) > 1:
					groups++
				default:
					served++
				}
			}
		}
	}
	if served < 5000 || groups < 1500 || passed < 5000 {
		t.Errorf("%d jobs and %d parts of groups got a device, %d none: the labs are too easy", served, groups, passed)
	}
}

// puzzle is a small lab with free devices and jobs that wait.
type puzzle struct {
	devices []puzzleDevice
	limits  map[events.WorkerName]int
	away    events.WorkerName
	cap     int                     // of devices that a user holds; 0: none
	units   [][]events.JobSubmitted // jobs and groups, in the order in which they were submitted
}

type puzzleDevice struct {
	name   events.DeviceName
	typ    events.DeviceTypeName
	worker events.WorkerName
	tags   []events.TagName
	health events.DeviceHealth
}

func puzzled(seed uint64) *puzzle {
	r := rand.New(rand.NewPCG(seed, 9))
	one := func(n int) bool { return r.IntN(n) == 0 }
	p := &puzzle{limits: map[events.WorkerName]int{"w1": r.IntN(4), "w2": r.IntN(3)}}
	types := []events.DeviceTypeName{"qemu", "bbb"}[:1+r.IntN(2)]
	for i := range 2 + r.IntN(3) {
		d := puzzleDevice{events.DeviceName(fmt.Sprint("q", i)), types[r.IntN(len(types))], []events.WorkerName{"w1", "w2"}[r.IntN(2)], nil, events.Good}
		for _, tag := range []events.TagName{"hdmi", "ssd"} {
			if one(3) {
				d.tags = append(d.tags, tag)
			}
		}
		if one(8) {
			d.health = []events.DeviceHealth{events.Bad, events.Maintenance, events.Unknown}[r.IntN(3)]
		}
		p.devices = append(p.devices, d)
	}
	if one(10) {
		p.away = "w2"
	}
	if one(4) {
		p.cap = 1 + r.IntN(2)
	}
	next := events.JobID(1)
	for n := 2 + r.IntN(4); n > 0; {
		size := 1
		if one(3) {
			size = min(n, 2+r.IntN(2))
		}
		var u []events.JobSubmitted
		for range size {
			e := job(next, prio(r.IntN(3)*50), typ(types[r.IntN(len(types))]), by([]events.UserName{"alice", "bob"}[r.IntN(2)]))
			if size > 1 {
				e.User = "alice"
				e.Part = &events.Membership{Group: fmt.Sprint("g", n), Role: "client", Size: size, Parent: next - events.JobID(len(u))}
			}
			if one(4) {
				e.Tags = []events.TagName{[]events.TagName{"hdmi", "ssd"}[r.IntN(2)]}
			}
			d := p.devices[r.IntN(len(p.devices))]
			switch {
			case one(6):
				e.Worker = d.worker
			case size > 1:
			case one(8):
				e.Device, e.DeviceType, e.Tags = d.name, d.typ, nil
			case one(8):
				e.Attempt = &events.Attempt{Of: 90, N: 2, Avoid: []events.DeviceName{d.name}}
			case one(8) && !p.checked(d.name) && d.health != events.Bad && d.health != events.Maintenance:
				e = check(next, d.name)
				e.DeviceType = d.typ
			}
			next++
			u = append(u, e)
		}
		p.units = append(p.units, u)
		n -= size
	}
	return p
}

// checked says that a health check waits for a device.
func (p *puzzle) checked(d events.DeviceName) bool {
	return slices.ContainsFunc(p.units, func(u []events.JobSubmitted) bool { return u[0].HealthCheck && u[0].Device == d })
}

func (p *puzzle) facts() (all []any) {
	for _, w := range []events.WorkerName{"w1", "w2"} {
		all = append(all, worker(w, p.limits[w]))
	}
	for _, d := range p.devices {
		all = append(all, device(d.name, d.typ, d.worker, d.tags...), health(d.name, d.health))
	}
	if p.away != "" {
		all = append(all, events.WorkerWentOffline{Worker: p.away})
	}
	if p.cap > 0 {
		all = append(all, events.SchedulingPolicySet{Caps: &events.Caps{Default: p.cap}})
	}
	for _, u := range p.units {
		for _, j := range u {
			all = append(all, j)
		}
	}
	return all
}

func (p *puzzle) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "limits %v, %q is away, cap %d\n", p.limits, p.away, p.cap)
	for _, d := range p.devices {
		fmt.Fprintf(&b, "device %+v\n", d)
	}
	for _, u := range p.units {
		for _, j := range u {
			fmt.Fprintf(&b, "job %d of %s: %s priority %d, check %v, pins %q %q, tags %v, attempt %+v, part %+v\n",
				j.Job, j.User, j.DeviceType, j.Priority, j.HealthCheck, j.Device, j.Worker, j.Tags, j.Attempt, j.Part)
		}
	}
	return b.String()
}

// solve returns the assignment that the rule prefers to all others.
func (p *puzzle) solve() map[events.JobID]events.DeviceName {
	order := slices.Clone(p.units)
	best := func(u []events.JobSubmitted) (n int) {
		for _, j := range u {
			n = max(n, j.Priority)
		}
		return n
	}
	slices.SortStableFunc(order, func(a, b []events.JobSubmitted) int {
		if a[0].HealthCheck != b[0].HealthCheck {
			if a[0].HealthCheck {
				return -1
			}
			return 1
		}
		return cmp.Or(best(b)-best(a), cmp.Compare(a[0].Job, b[0].Job))
	})
	var jobs []events.JobSubmitted
	for _, u := range order {
		jobs = append(jobs, u...)
	}
	var first []int // the preferred assignment, and how it is valued
	var value []int
	chosen := make([]int, len(jobs))
	var try func(i int)
	try = func(i int) {
		if i < len(jobs) {
			for d := -1; d < len(p.devices); d++ {
				if chosen[i] = d; d < 0 || p.suits(jobs[i], p.devices[d]) {
					try(i + 1)
				}
			}
			return
		}
		if v := p.value(order, chosen); v != nil && (value == nil || slices.Compare(v, value) < 0) {
			value, first = v, slices.Clone(chosen)
		}
	}
	try(0)
	out := map[events.JobID]events.DeviceName{}
	for i, d := range first {
		if d >= 0 {
			out[jobs[i].Job] = p.devices[d].name
		}
	}
	return out
}

// suits says that a job could run on a device that nobody else wants.
func (p *puzzle) suits(j events.JobSubmitted, d puzzleDevice) bool {
	for _, tag := range j.Tags {
		if !slices.Contains(d.tags, tag) {
			return false
		}
	}
	fit := j.DeviceType == d.typ && (j.Device == "" || j.Device == d.name) && (j.Worker == "" || j.Worker == d.worker)
	able := d.worker != p.away && (d.health == events.Good || d.health == events.Unknown)
	return fit && able && (j.HealthCheck || !p.checked(d.name)) && (j.Attempt == nil || !slices.Contains(j.Attempt.Avoid, d.name))
}

// none is the value of a job without a device, worse than any device.
const none = 1000

// value says how good an assignment is, job by job in the order of the queue: the place of its device
// among those that it could have had after all before it; nil where it is not allowed.
func (p *puzzle) value(order [][]events.JobSubmitted, chosen []int) (v []int) {
	taken := map[int]bool{}
	busy := map[events.WorkerName]int{}
	user := map[events.UserName]int{}
	open := func(d int) bool {
		w := p.devices[d].worker
		return !taken[d] && (p.limits[w] == 0 || busy[w] < p.limits[w])
	}
	for _, u := range order {
		mine := chosen[:len(u)]
		chosen = chosen[len(u):]
		n := 0
		for _, d := range mine {
			if d >= 0 {
				n++
			}
		}
		if n != 0 && n != len(u) {
			return nil // all parts of a group or none
		}
		if held := user[u[0].User]; n > 0 && p.cap > 0 && !u[0].HealthCheck && held > 0 && held+n > p.cap {
			return nil
		}
		// The parts with the least choice choose first.
		parts := make([][2]int, len(u)) // how much choice, which part
		for i, j := range u {
			parts[i][1] = i
			for d := range p.devices {
				if p.suits(j, p.devices[d]) && open(d) {
					parts[i][0]++
				}
			}
		}
		slices.SortStableFunc(parts, func(a, b [2]int) int { return a[0] - b[0] })
		for _, part := range parts {
			d := mine[part[1]]
			if d < 0 {
				v = append(v, none)
				continue
			}
			if !open(d) {
				return nil
			}
			v = append(v, 10*len(p.devices[d].tags)+d) // fewest tags, then by name: all are idle for as long
			taken[d] = true
			busy[p.devices[d].worker]++
			user[u[part[1]].User]++
		}
	}
	return v
}
