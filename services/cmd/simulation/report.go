package simulation

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
)

// Report is what came of a scenario. It hangs on the scenario alone, to the byte of its JSON.
type Report struct {
	From        time.Time `json:"from"`
	Until       time.Time `json:"until"`
	Devices     int       `json:"devices"`
	Workers     int       `json:"workers"`
	Jobs        Counts    `json:"jobs"`
	Waits       []Waits   `json:"waits"`       // all jobs, then by priority, user, device type, tags, parts
	Utilisation []Use     `json:"utilisation"` // all devices, then by device type
	Fairness    Fairness  `json:"fairness"`
	Estimates   *Promises `json:"estimates,omitempty"` // nil: none were asked for
	Facts       int       `json:"facts"`
	Decisions   int       `json:"decisions"`
}

// Counts are jobs; health checks are counted in Checks alone.
type Counts struct {
	Submitted  int `json:"submitted"`
	Started    int `json:"started"` // given a device
	Complete   int `json:"complete"`
	Incomplete int `json:"incomplete"`
	Canceled   int `json:"canceled"`  // that had a device
	Withdrawn  int `json:"withdrawn"` // left the queue without one: canceled, or their queue timeout was over
	Lost       int `json:"lost"`      // of the Incomplete: their worker died
	Waiting    int `json:"waiting"`   // at the end
	Running    int `json:"running"`   // at the end
	Held       int `json:"held"`      // of the Running: have a device and wait there for others of their group
	Retried    int `json:"retried"`   // further attempts after errors of the lab, of the Submitted
	Checks     int `json:"checks"`
}

// Waits is how long jobs waited from their submission until they got a device, in seconds. Jobs that
// still wait at the end are counted in Waiting and Oldest only.
type Waits struct {
	Of      string  `json:"of"` // all, priority, user, type, tags, multinode
	Name    string  `json:"name,omitempty"`
	Jobs    int     `json:"jobs"`
	Median  float64 `json:"median"`
	P90     float64 `json:"p90"`
	Max     float64 `json:"max"`
	Waiting int     `json:"waiting,omitempty"`
	Oldest  float64 `json:"oldest,omitempty"` // how long the one that has waited for longest has, so far
}

// Use is the part of the time that devices were held, 0–1.
type Use struct {
	DeviceType events.DeviceTypeName `json:"device_type,omitempty"` // empty: all
	Devices    int                   `json:"devices"`               // at the end
	Jobs       float64               `json:"jobs"`
	Checks     float64               `json:"checks"` // health checks
}

// Fairness is how device time was shared.
type Fairness struct {
	// Jain is the index of Jain, Chiu and Hawe (1984) over each user's device time by its weight:
	// 1 where all have got alike, 1/n where one of n has got everything. 0: nobody has got anything.
	Jain  float64 `json:"jain"`
	Users []Share `json:"users,omitempty"` // who has got most first
}

// Share is what a user has got.
type Share struct {
	User   events.UserName `json:"user"`
	Weight float64         `json:"weight"` // by the policy, a group's among its users; 1 where it shares nothing out
	Hours  float64         `json:"device_hours"`
	Share  float64         `json:"share"` // of the device time of all users' jobs, 0–1
}

// Report says what has come of the scenario so far.
func (s *Simulation) Report() Report {
	t := s.tally
	// Devices that are still held count until now; the tally goes on from here, so that a report may
	// be made in the middle.
	for name := range t.held {
		t.account(name, s.now)
		h := t.held[name]
		h.since = s.now
		t.held[name] = h
	}
	r := Report{From: s.sc.Start, Until: s.now, Jobs: t.jobs, Facts: t.facts, Decisions: t.decisions,
		Utilisation: t.utilisation(s.Lab(), s.now), Fairness: t.fairness(), Estimates: s.promises.report()}
	r.Devices = r.Utilisation[0].Devices
	for range s.Lab().Workers() {
		r.Workers++
	}
	waiting := map[*group][]float64{}
	for j := range s.Lab().Jobs() {
		switch {
		case j.HealthCheck || j.State == lab.Finished:
		case j.State == lab.Submitted:
			r.Jobs.Waiting++
			for _, g := range t.groupsOf(s.Lab(), j) {
				waiting[g] = append(waiting[g], s.now.Sub(j.SubmittedAt).Seconds())
			}
		default:
			r.Jobs.Running++
		}
	}
	r.Jobs.Held = held(s.Lab())
	r.Waits = t.waiting(waiting)
	return r
}

// waiting sums the waits up.
func (t *tally) waiting(still map[*group][]float64) (all []Waits) {
	times := map[*group][]float64{}
	for _, w := range t.waits {
		for _, g := range w.groups {
			times[g] = append(times[g], w.seconds)
		}
	}
	for _, g := range t.groups {
		w := Waits{Of: g.of, Name: g.name, Jobs: len(times[g]), Waiting: len(still[g])}
		if s := times[g]; len(s) > 0 {
			slices.Sort(s)
			w.Median, w.P90, w.Max = quantile(s, 0.5), quantile(s, 0.9), round(s[len(s)-1])
		}
		if len(still[g]) > 0 {
			w.Oldest = round(slices.Max(still[g]))
		}
		all = append(all, w)
	}
	order := []string{"all", "priority", "user", "type", "tags", "multinode"}
	slices.SortFunc(all, func(a, b Waits) int {
		if by := cmp.Compare(slices.Index(order, a.Of), slices.Index(order, b.Of)); by != 0 {
			return by
		}
		// Priorities are 0–100, without signs and leading zeros.
		if by := cmp.Compare(len(a.Name), len(b.Name)); by != 0 && a.Of == "priority" {
			return by // as numbers sort
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return all
}

// quantile returns the smallest value that at least that part of the sorted values do not exceed.
func quantile(sorted []float64, part float64) float64 {
	i := int(math.Ceil(part*float64(len(sorted)))) - 1
	return round(sorted[max(0, i)])
}

// round keeps milliseconds: more would be digits of the computation.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }

// parts keeps a share to a tenth of a thousandth.
func parts(v float64) float64 { return math.Round(v*10_000) / 10_000 }

// Devices are those of the end, the time held is that of all: a lab that gives devices away may show
// more than 1.
func (t *tally) utilisation(l *lab.State, now time.Time) []Use {
	devices := map[events.DeviceTypeName]int{}
	total := 0
	for d := range l.Devices() {
		devices[d.Type]++
		total++
	}
	span := now.Sub(t.start)
	part := func(held time.Duration, n int) float64 {
		if n == 0 || span <= 0 {
			return 0
		}
		return parts(held.Seconds() / (span.Seconds() * float64(n)))
	}
	all := use{}
	var rows []Use
	for _, typ := range slices.Sorted(maps.Keys(devices)) {
		u := t.types[typ]
		if u == nil {
			u = &use{}
		}
		all.jobs += u.jobs
		all.checks += u.checks
		rows = append(rows, Use{typ, devices[typ], part(u.jobs, devices[typ]), part(u.checks, devices[typ])})
	}
	return slices.Insert(rows, 0, Use{Devices: total, Jobs: part(all.jobs, total), Checks: part(all.checks, total)})
}

func (t *tally) fairness() (f Fairness) {
	var total time.Duration
	for _, d := range t.users {
		total += d
	}
	if total == 0 {
		return f
	}
	var sum, squares float64 // of what is not rounded yet: little time is still time
	for _, user := range slices.Sorted(maps.Keys(t.users)) {
		d, w := t.users[user], weight(t.policy, user)
		f.Users = append(f.Users, Share{user, parts(w), parts(d.Hours()), parts(d.Seconds() / total.Seconds())})
		x := d.Seconds() / w
		sum += x
		squares += x * x
	}
	slices.SortStableFunc(f.Users, func(a, b Share) int { return cmp.Compare(b.Hours, a.Hours) })
	f.Jain = parts(sum * sum / (float64(len(f.Users)) * squares))
	return f
}

// weight is a user's weight by the policy: its own, or its part of that of its group.
func weight(p events.SchedulingPolicySet, user events.UserName) float64 {
	if p.FairShare == nil {
		return 1
	}
	for _, g := range p.Groups {
		if !slices.Contains(g.Users, user) {
			continue
		}
		all, of := 0, p.FairShare.DefaultWeight
		for _, u := range g.Users {
			all += own(p.FairShare, u)
		}
		for _, w := range p.FairShare.Groups {
			if w.Group == g.Group {
				of = w.Weight
			}
		}
		return float64(of) * float64(own(p.FairShare, user)) / float64(all)
	}
	return float64(own(p.FairShare, user))
}

func own(f *events.FairShare, user events.UserName) int {
	for _, u := range f.Users {
		if u.User == user {
			return u.Weight
		}
	}
	return max(1, f.DefaultWeight)
}
