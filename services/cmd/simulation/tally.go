package simulation

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// tally counts while the lab lives.
type tally struct {
	start     time.Time
	decisions int
	facts     int
	jobs      Counts
	waits     []wait
	groups    map[string]*group // waits by what they are counted for
	held      map[events.DeviceName]hold
	types     map[events.DeviceTypeName]*use
	users     map[events.UserName]time.Duration
	policy    events.SchedulingPolicySet // in force
}

// wait is a job's time in the queue.
type wait struct {
	seconds float64
	groups  []*group
}

// group is what waits are counted for, such as a priority.
type group struct{ of, name string }

// hold is what a device does.
type hold struct {
	since time.Time
	user  events.UserName
	typ   events.DeviceTypeName
	check bool
}

// use is the device time of a type.
type use struct{ jobs, checks time.Duration }

func newTally(start time.Time) *tally {
	return &tally{start: start, groups: map[string]*group{}, held: map[events.DeviceName]hold{},
		types: map[events.DeviceTypeName]*use{}, users: map[events.UserName]time.Duration{}}
}

// before counts a fact that is about to be folded into l.
func (t *tally) before(l *lab.State, r stream.Recorded) {
	t.facts++
	switch e := r.Event.(type) {
	case events.JobSubmitted:
		if e.HealthCheck {
			t.jobs.Checks++
		} else {
			t.jobs.Submitted++
			if e.Attempt != nil {
				t.jobs.Retried++
			}
		}
	case events.JobScheduled:
		if j := l.Job(e.Job); j != nil && !j.HealthCheck {
			t.jobs.Started++
			t.waits = append(t.waits, wait{r.Time.Sub(j.SubmittedAt).Seconds(), t.groupsOf(l, j)})
		}
	case events.JobWithdrawn:
		if e.Job < firstCheck {
			t.jobs.Withdrawn++
		}
	case events.JobFinished:
		if e.Job < firstCheck {
			t.ended(e)
		}
	case events.DeviceReserved:
		if j, d := l.Job(e.Job), l.Device(e.Device); j != nil && d != nil {
			t.held[e.Device] = hold{r.Time, j.User, d.Type, j.HealthCheck}
		}
	case events.SchedulingPolicySet:
		t.policy = e
	case events.DeviceReleased:
		t.account(e.Device, r.Time)
		delete(t.held, e.Device)
	}
}

func (t *tally) ended(e events.JobFinished) {
	switch e.Health {
	case events.Complete:
		t.jobs.Complete++
	case events.Canceled:
		t.jobs.Canceled++
	default:
		t.jobs.Incomplete++
	}
	if e.Lost {
		t.jobs.Lost++
	}
}

// account adds the time that a device has been held so far.
// The type is the one that the device had when it was reserved.
func (t *tally) account(d events.DeviceName, now time.Time) {
	h, ok := t.held[d]
	if !ok {
		return
	}
	u := t.types[h.typ]
	if u == nil {
		u = &use{}
		t.types[h.typ] = u
	}
	took := now.Sub(h.since)
	if h.check {
		u.checks += took
		return
	}
	u.jobs += took
	t.users[h.user] += took
}

// groupsOf returns what a job's wait is counted for.
func (t *tally) groupsOf(l *lab.State, j *lab.Job) []*group {
	groups := []*group{t.group("all", ""), t.group("priority", strconv.Itoa(j.Priority)), t.group("user", string(j.User))}
	if typ := l.Resolve(j.DeviceType); typ != "" {
		groups = append(groups, t.group("type", string(typ)))
	}
	if len(j.Tags) > 0 {
		var names []string
		for _, tag := range j.Tags {
			names = append(names, string(tag))
		}
		slices.Sort(names)
		groups = append(groups, t.group("tags", strings.Join(names, ",")))
	}
	if j.Part != nil {
		groups = append(groups, t.group("multinode", strconv.Itoa(j.Part.Size)+" parts"))
	}
	return groups
}

func (t *tally) group(of, name string) *group {
	key := of + "\x00" + name
	g := t.groups[key]
	if g == nil {
		g = &group{of, name}
		t.groups[key] = g
	}
	return g
}
