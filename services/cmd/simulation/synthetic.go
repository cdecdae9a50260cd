package simulation

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
)

// Synthetic describes a lab that is made up. Equal values make equal scenarios.
type Synthetic struct {
	Seed    uint64
	Start   time.Time // the first moment; a Monday's midnight makes weeks begin with work
	Days    float64   // over which jobs come
	Devices int
	Types   int // device types; the first has most devices
	Workers int // the devices hang on them in turn
	Limit   int // devices that a worker holds at once; 0: no limit

	Jobs   int           // of users; 0: as many as make the load
	Load   float64       // the part of all devices' time that jobs ask for; above 1 the queue grows
	Median time.Duration // of how long jobs take, where Jobs is 0; else it follows from the load
	Spread float64       // sigma of the log-normal durations of jobs of one name
	Steady bool          // jobs come at one rate, not as people work

	Users      []User
	Priorities []Weighted[int]
	Tagged     float64 // part of each type's devices with the tag "rare"
	Asking     float64 // part of the jobs that ask for it
	Gangs      float64 // part of the submissions that are multinode, of two or three parts
	Failing    float64 // part of the jobs that end with an error of their own
	Infra      float64 // part of the jobs that end with one of the lab
	Retries    int     // further attempts that a job asks for after an error of the lab: 0 or 1
	Bad        float64 // part of the health checks that fail; a person mends the device in hours

	CheckHours int // between health checks of a device; 0: none
	Policy     *events.SchedulingPolicySet
	Deaths     []Death
	Drain      bool
	Estimates  int  // see [Scenario]
	LAVA       bool // see [Scenario]
}

// User is who submits.
type User struct {
	Name  events.UserName
	Share float64 // of the submissions, against those of the others
}

// Weighted is a value that is drawn in proportion to its weight.
type Weighted[T any] struct {
	Value  T
	Weight float64
}

// Default is a lab of a hundred devices over thirty days, used to two thirds.
func Default() Synthetic {
	s := Synthetic{
		Seed: 1, Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC), Days: 30, Devices: 100, Types: 8, Workers: 5,
		Load: 0.65, Median: 40 * time.Minute, Spread: 0.25,
		Priorities: []Weighted[int]{{0, 1}, {50, 7}, {100, 2}},
		Tagged:     0.15, Asking: 0.05, Gangs: 0.02, Failing: 0.1, Infra: 0.01, Bad: 0.005, CheckHours: 24,
	}
	for i := range 10 {
		s.Users = append(s.Users, User{events.UserName(fmt.Sprintf("user-%02d", i+1)), 1 / float64(i+2)})
	}
	return s
}

// dictionary is a device's configuration: the least that passes.
// Without a configuration the lab gives a device no jobs.
const dictionary = `hostname: simulated
available_architectures: [x86_64]
constants: {default-shell-prompt: '# '}
actions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}
`

const rareTag events.TagName = "rare"

// names is how many job names there are: jobs of one name take about as long.
const names = 24

// made is a synthetic scenario in the making.
type made struct {
	Synthetic
	r       *rand.Rand // of arrivals
	names   [names]float64
	types   []Weighted[events.DeviceTypeName]
	count   map[events.DeviceTypeName]int // devices of a type
	scale   float64                       // seconds of a job of the duration 1
	jobs    int
	span    time.Duration
	pending []Input // of the present moment, or of the beginning
	done    int     // jobs that came
	drawn   float64 // the part of the work of the people that is done, in units of the sum of all gaps
	gaps    float64 // that sum
	clock   rhythm
}

// Scenario makes the lab up, or says what is wrong with its description.
func (s Synthetic) Scenario() (Scenario, error) {
	if err := s.check(); err != nil {
		return Scenario{}, err
	}
	m := &made{Synthetic: s, r: rand.New(rand.NewPCG(s.Seed, 1)), count: map[events.DeviceTypeName]int{},
		span: time.Duration(s.Days * 24 * float64(time.Hour))}
	m.furnish()
	m.measure()
	m.clock = newRhythm(s.Start, m.span, s.Steady)
	gaps := rand.New(rand.NewPCG(s.Seed, 2))
	for range m.jobs + 1 {
		m.gaps += gaps.ExpFloat64()
	}
	// Keeping up to a hundred million of them would cost more than drawing them twice.
	again := rand.New(rand.NewPCG(s.Seed, 2)) // the same gaps, one by one
	sc := Scenario{Start: s.Start, End: s.Start.Add(m.span), Drain: s.Drain, Deaths: s.Deaths, Estimates: s.Estimates, LAVA: s.LAVA,
		Next: func() (Input, bool) { return m.next(again) }, Outcome: m.outcome}
	if s.Bad > 0 {
		sc.Repair = func(_ events.DeviceName, seq uint64) time.Duration {
			return lognormal(rand.New(rand.NewPCG(s.Seed^3, seq)), 4*3600, 0.8)
		}
	}
	return sc, nil
}

// check refuses what cannot be made up.
func (s Synthetic) check() error {
	switch {
	case !(s.Days > 0 && s.Days <= 36_600): // not a number either
		return fmt.Errorf("days %v: more than 0, at most 36600", s.Days)
	case s.Devices < 1 || s.Devices > 1_000_000:
		return fmt.Errorf("devices %d: 1 to 1000000", s.Devices)
	case s.Types < 1 || s.Types > s.Devices:
		return fmt.Errorf("types %d: 1 to the number of devices, %d", s.Types, s.Devices)
	case s.Workers < 1 || s.Workers > s.Devices:
		return fmt.Errorf("workers %d: 1 to the number of devices, %d", s.Workers, s.Devices)
	case s.Retries < 0 || s.Retries > 1:
		return fmt.Errorf("retries %d: 0 or 1", s.Retries)
	case s.Estimates < 0:
		return fmt.Errorf("estimates %d: 0 for none, or every n-th job that waits", s.Estimates)
	case s.Limit < 0:
		return fmt.Errorf("job limit %d: 0 for none, or more", s.Limit)
	case s.Jobs < 0 || s.Jobs > 100_000_000:
		return fmt.Errorf("jobs %d: 0 for as many as make the load, at most 100000000", s.Jobs)
	case !(s.Load > 0 && s.Load <= 100):
		return fmt.Errorf("load %v: more than 0, at most 100", s.Load)
	case s.Jobs == 0 && s.Median <= 0:
		return fmt.Errorf("median %v: more than 0", s.Median)
	case s.CheckHours < 0:
		return fmt.Errorf("check hours %d: 0 for none, or more", s.CheckHours)
	case !(s.Spread >= 0 && s.Spread <= 3):
		return fmt.Errorf("spread %v: 0 to 3", s.Spread)
	case len(s.Users) == 0 || len(s.Priorities) == 0:
		return fmt.Errorf("users and priorities: at least one of each")
	}
	for _, p := range []struct {
		name string
		of   float64
	}{{"tagged", s.Tagged}, {"asking", s.Asking}, {"multinode", s.Gangs}, {"failing", s.Failing}, {"infra", s.Infra}, {"bad", s.Bad}} {
		if !(p.of >= 0 && p.of <= 1) {
			return fmt.Errorf("%s %v: a part from 0 to 1", p.name, p.of)
		}
	}
	for _, u := range s.Users {
		if u.Name == "" || u.Share <= 0 {
			return fmt.Errorf("user %q with a share of %v: a name, and more than 0", u.Name, u.Share)
		}
	}
	return nil
}

// furnish makes the facts of the beginning.
func (m *made) furnish() {
	add := func(facts ...events.Event) {
		for _, f := range facts {
			m.pending = append(m.pending, Input{m.Start, f})
		}
	}
	if m.Policy != nil {
		add(*m.Policy)
	}
	for i := range m.Workers {
		w := workerName(i)
		add(events.WorkerRegistered{Worker: w, By: lab.Local},
			events.WorkerConfigured{Worker: w, JobLimit: m.Limit, By: lab.Local},
			events.WorkerWentOnline{Worker: w, At: m.Start})
	}
	var shares []float64
	for i := range m.Types {
		typ := typeName(i)
		shares = append(shares, 1/float64(i+2))
		add(events.DeviceTypeAdded{DeviceType: typ, By: lab.Local})
		if m.CheckHours > 0 {
			add(events.DeviceTypeConfigured{DeviceType: typ, HealthFrequency: m.CheckHours, HealthDenominator: events.Hours,
				HealthCheck: "job_name: health check\n", By: lab.Local})
		}
	}
	n := 0
	for i, count := range apportion(m.Devices, shares) {
		typ := typeName(i)
		m.types = append(m.types, Weighted[events.DeviceTypeName]{typ, float64(count)})
		m.count[typ] = count
		rare := int(math.Round(m.Tagged * float64(count)))
		for k := range count {
			d := events.DeviceAdded{Device: events.DeviceName(fmt.Sprintf("%s-%04d", typ, k+1)), DeviceType: typ,
				Worker: workerName(n % m.Workers), Health: events.Good, By: lab.Local}
			if k < rare {
				d.Tags = []events.TagName{rareTag}
			}
			add(d, events.DeviceConfigured{Device: d.Device, Dictionary: dictionary, By: lab.Local})
			n++
		}
	}
}

func workerName(i int) events.WorkerName { return events.WorkerName(fmt.Sprintf("w%d", i+1)) }
func typeName(i int) events.DeviceTypeName {
	return events.DeviceTypeName(fmt.Sprintf("type-%02d", i+1))
}

// apportion divides n among shares, at least one each, the rest by largest share.
// Equal arguments give equal counts, and their sum is n.
func apportion(n int, shares []float64) []int {
	total := 0.0
	for _, s := range shares {
		total += s
	}
	counts := make([]int, len(shares))
	left := n
	for i, s := range shares {
		counts[i] = 1 + int(float64(n-len(shares))*s/total)
		left -= counts[i]
	}
	for i := range left {
		counts[i%len(counts)]++
	}
	return counts
}

// measure draws how long jobs of each name take, and from it the number of jobs or their scale.
// The mean of a log-normal is the median times exp(σ²/2).
func (m *made) measure() {
	mean := 0.0
	for i := range m.names {
		// σ = 0.7: of two job names one easily takes twice as long as the other.
		m.names[i] = math.Exp(0.7 * m.r.NormFloat64())
		mean += m.names[i] * math.Exp(m.Spread*m.Spread/2) / names
	}
	work := m.Load * float64(m.Devices) * m.span.Seconds()
	if m.Jobs > 0 {
		m.jobs, m.scale = m.Jobs, work/(float64(m.Jobs)*mean)
		return
	}
	m.scale = m.Median.Seconds()
	m.jobs = max(1, int(work/(m.scale*mean)))
}

// pick draws a value by its weight.
// Rounding may leave nothing for the last one, which is taken then.
func pick[T any](r *rand.Rand, of []Weighted[T]) T {
	total := 0.0
	for _, w := range of {
		total += w.Weight
	}
	at := r.Float64() * total
	for _, w := range of {
		if at -= w.Weight; at < 0 {
			return w.Value
		}
	}
	return of[len(of)-1].Value
}

func lognormal(r *rand.Rand, median, sigma float64) time.Duration {
	return time.Duration(median * math.Exp(sigma*r.NormFloat64()) * float64(time.Second))
}

// next is what comes next from outside.
func (m *made) next(gaps *rand.Rand) (Input, bool) {
	if len(m.pending) == 0 && m.done < m.jobs {
		m.drawn += gaps.ExpFloat64()
		m.submit(m.clock.at(m.drawn / m.gaps))
	}
	if len(m.pending) == 0 {
		return Input{}, false
	}
	in := m.pending[0]
	m.pending = m.pending[1:]
	return in, true
}

// submit makes a submission up: a job or the parts of a multinode one.
func (m *made) submit(at time.Time) {
	users := make([]Weighted[events.UserName], len(m.Users))
	for i, u := range m.Users {
		users[i] = Weighted[events.UserName]{u.Name, u.Share}
	}
	e := events.JobSubmitted{
		Job: events.JobID(m.done + 1), User: pick(m.r, users), Name: fmt.Sprintf("job-%02d", m.r.IntN(names)), At: at,
		Priority: pick(m.r, m.Priorities), Visibility: events.Visibility{Public: true}, DeviceType: pick(m.r, m.types),
		JobTimeout: events.Seconds(m.scale * 60), Retries: m.Retries,
	}
	// A job that asks for a tag that no device of its type has would wait for ever.
	if m.Asking > 0 && m.r.Float64() < m.Asking && m.Tagged*float64(m.count[e.DeviceType]) >= 1 {
		e.Tags = []events.TagName{rareTag}
	}
	size := 1
	if m.Gangs > 0 && m.r.Float64() < m.Gangs {
		size = min(2+m.r.IntN(2), m.jobs-m.done)
	}
	if size == 1 {
		e.Display = e.Job.String()
		m.pending = append(m.pending, Input{at, e})
		m.done++
		return
	}
	parts := m.rolesOf(e, size)
	m.pending = append(m.pending, parts...)
	m.done += len(parts)
}

// rolesOf makes the parts of a multinode job up. No more of them ask for a type than it has devices.
func (m *made) rolesOf(e events.JobSubmitted, size int) (parts []Input) {
	asked := map[events.DeviceTypeName]int{}
	var types []events.DeviceTypeName
	for typ := e.DeviceType; len(types) < size && len(types) < m.Devices; typ = pick(m.r, m.types) {
		if asked[typ] < m.count[typ] {
			asked[typ]++
			types = append(types, typ)
		}
	}
	parent := e.Job
	for i, typ := range types {
		e.Job, e.DeviceType, e.Tags, e.Retries = parent+events.JobID(i), typ, nil, 0
		e.Display = fmt.Sprintf("%d.%d", parent, i)
		e.Part = &events.Membership{Group: fmt.Sprintf("group-%d", parent), Parent: parent, Role: "client", Size: len(types)}
		if i == 0 {
			e.Part.Role = "server"
		}
		parts = append(parts, Input{e.At, e})
	}
	return parts
}

// outcome says how a job goes: by its number and name alone, so that it takes as long under every
// policy. The parts of a multinode job end together.
// Its generator is the job's own: drawing from the one of the arrivals would tie the durations to the
// order in which jobs get devices.
func (m *made) outcome(j *lab.Job, _ events.DeviceName) Outcome {
	id := j.ID
	if j.Part != nil {
		id = j.Part.Parent
	}
	r := rand.New(rand.NewPCG(m.Seed^0x5eed, uint64(id)))
	out := Outcome{Delay: time.Duration(1000+r.IntN(4000)) * time.Millisecond, Health: events.Complete}
	if j.HealthCheck {
		out.Duration = lognormal(r, 240, 0.2)
		if r.Float64() < m.Bad {
			out.Health, out.ErrorType, out.Error = events.Incomplete, events.JobError, "the board did not boot"
		}
		return out
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(j.Name, "job-"))
	out.Duration = lognormal(r, m.scale*m.names[n%names], m.Spread)
	switch luck := r.Float64(); {
	case luck < m.Infra:
		out.Health, out.ErrorType, out.Error = events.Incomplete, events.InfrastructureError, "the power did not come on"
	case luck < m.Infra+m.Failing:
		out.Health, out.ErrorType, out.Error = events.Incomplete, events.JobError, "the kernel did not boot"
	}
	// A real job ends by its timeout too.
	out.Duration = min(out.Duration, time.Duration(j.JobTimeout)*time.Second)
	return out
}

// rhythm turns parts of the work of a time into moments of it: people submit by day more than by
// night, and less at weekends.
type rhythm struct {
	start time.Time
	hours []float64 // the work done at the end of each hour
	span  time.Duration
}

func newRhythm(start time.Time, span time.Duration, steady bool) rhythm {
	c := rhythm{start: start, span: span}
	sum := 0.0
	for h := time.Duration(0); h < span; h += time.Hour {
		rate := 1.0
		if at := start.Add(h); !steady {
			// From 0.3 at four in the morning to 1.7 at four in the afternoon.
			rate = 1 - 0.7*math.Cos(2*math.Pi*float64(at.Hour()-4)/24)
			if day := at.Weekday(); day == time.Saturday || day == time.Sunday {
				rate *= 0.35
			}
		}
		sum += rate * min(1, (span-h).Hours())
		c.hours = append(c.hours, sum)
	}
	return c
}

// at is the moment at which that part of the work is done, 0–1.
func (c rhythm) at(part float64) time.Time {
	want := part * c.hours[len(c.hours)-1]
	i, _ := slices.BinarySearch(c.hours, want)
	i = min(i, len(c.hours)-1)
	before := 0.0
	if i > 0 {
		before = c.hours[i-1]
	}
	// The last hour may be a part of one.
	hour := min(time.Hour, c.span-time.Duration(i)*time.Hour)
	into := time.Duration((want - before) / (c.hours[i] - before) * float64(hour))
	return c.start.Add(time.Duration(i)*time.Hour + into)
}
