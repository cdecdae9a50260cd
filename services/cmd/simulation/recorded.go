package simulation

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
)

// Recording is the past of a lab: what came from outside, and how its jobs went.
// It is not changed by the scenarios that are made of it: one may be made for each policy that is
// compared.
type Recording struct {
	inputs  []Input
	end     time.Time // of the last fact
	jobs    map[events.JobID]Outcome
	checks  map[events.DeviceName][]Outcome // in the order in which they ran
	typical map[string]time.Duration        // median of the jobs of a name; of all jobs under ""
}

// Changes is what is to be otherwise than it was.
type Changes struct {
	Policy *events.SchedulingPolicySet   // instead of all policies that were recorded
	More   map[events.DeviceTypeName]int // devices like the first of the type, beside those that were
	Deaths []Death
	Drain  bool
	// See [Scenario].
	Estimates int
	LAVA      bool
}

// fact is a line of `strata events --json`.
type fact struct {
	Seq  uint64          `json:"seq"`
	Name string          `json:"name"`
	Time time.Time       `json:"time"`
	Data json.RawMessage `json:"data"`
}

// Read reads facts as `strata events --from 1 --json` prints them, one a line, from the first of the
// lab. Errors name the line.
func Read(in io.Reader) (*Recording, error) {
	p := past{Recording: Recording{jobs: map[events.JobID]Outcome{}, checks: map[events.DeviceName][]Outcome{}, typical: map[string]time.Duration{}},
		runs: map[events.JobID]*run{}}
	// Lines carry no version: the api prints each fact as its own release has it, whichever release
	// wrote it. A file of an older release is read as if it were of this one.
	schemas := map[string]string{}
	for _, e := range events.Catalogue() {
		schemas[e.Name] = e.Schema()
	}
	// No bufio.Scanner: a fact with a device's dictionary may be longer than its 64 KiB.
	lines := bufio.NewReaderSize(in, 1<<20)
	last := uint64(0)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if text := bytes.TrimSpace(line); len(text) > 0 {
			if last, err = p.line(text, last, schemas, err); err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("read facts, line %d: %w", n, err)
			}
		}
		// The last line counts without a line feed too.
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read facts, line %d: %w", n, err)
		}
	}
	return p.close()
}

// run is a job as it is being read.
type run struct {
	name           string
	check          events.DeviceName // whose health check it is; empty: it is a job
	retry          events.JobID      // the first attempt, where this is a further one
	given, started time.Time
}

// past is a recording in the making.
type past struct {
	Recording
	runs    map[events.JobID]*run
	took    map[string][]time.Duration
	devices int
}

// line reads one fact and returns its sequence; end is passed through.
func (p *past) line(text []byte, last uint64, schemas map[string]string, end error) (uint64, error) {
	var f fact
	if err := json.Unmarshal(text, &f); err != nil {
		return 0, err
	}
	schema, known := schemas[f.Name]
	switch {
	case !known:
		return 0, fmt.Errorf("fact %q is not known; a line is what strata events --json prints", f.Name)
	case f.Seq <= last:
		return 0, fmt.Errorf("sequence %d after %d: facts come in their order", f.Seq, last)
	}
	e, err := events.Decode(f.Name, schema, f.Data)
	if err != nil {
		return 0, err
	}
	p.add(f.Time, e)
	return f.Seq, end
}

// add sorts a fact: into what came from outside, or how a job went. What the lab decided is left
// out, it decides anew.
func (p *past) add(at time.Time, e events.Event) {
	if at.After(p.end) {
		p.end = at
	}
	switch e := e.(type) {
	case events.JobSubmitted:
		r := &run{name: e.Name}
		if e.Attempt != nil {
			r.retry = e.Attempt.Of
		}
		p.runs[e.Job] = r
		if e.HealthCheck {
			r.check = e.Device
			return
		}
		if e.Attempt != nil {
			return // made anew where its first attempt fails anew
		}
	case events.DeviceAdded:
		p.devices++
	case events.JobScheduled:
		if r := p.runs[e.Job]; r != nil {
			// A job may be given to a device several times; the last time is how it went.
			r.given, r.started = at, time.Time{}
		}
		return
	case events.JobStarted:
		if r := p.runs[e.Job]; r != nil {
			r.started = at
		}
		return
	case events.JobFinished:
		p.finished(at, e)
		return
	case events.WorkerWentOnline, events.WorkerWentOffline:
	default:
		if events.Writer(e) != events.APIService {
			return
		}
	}
	p.inputs = append(p.inputs, Input{at, e})
}

// finished notes how a job went.
func (p *past) finished(at time.Time, e events.JobFinished) {
	r := p.runs[e.Job]
	if r == nil || r.given.IsZero() {
		return
	}
	// It ended before its worker said that it runs: it took all its time, and no delay.
	if r.started.IsZero() {
		r.started = r.given
	}
	out := Outcome{Delay: r.started.Sub(r.given), Duration: at.Sub(r.started), Health: e.Health, ErrorType: e.ErrorType, Error: e.Error}
	if r.check != "" {
		p.checks[r.check] = append(p.checks[r.check], out)
		return
	}
	id := e.Job
	if r.retry != 0 {
		// The number that a further attempt has in the simulation.
		id = firstRetry + r.retry
	}
	p.jobs[id] = out
	if e.Health == events.Complete {
		if p.took == nil {
			p.took = map[string][]time.Duration{}
		}
		p.took[r.name] = append(p.took[r.name], out.Duration)
		p.took[""] = append(p.took[""], out.Duration)
	}
}

// close ends the reading.
func (p *past) close() (*Recording, error) {
	if len(p.inputs) == 0 {
		return nil, fmt.Errorf("read facts: there are none of people, jobs or workers")
	}
	if p.devices == 0 {
		return nil, fmt.Errorf("read facts: no device was added; they have to begin with the first of the lab (strata events --from 1 --json)")
	}
	p.typical[""] = 10 * time.Minute // of a lab where no job was ever complete
	for name, all := range p.took {
		slices.Sort(all)
		p.typical[name] = all[len(all)/2]
	}
	slices.SortStableFunc(p.inputs, func(a, b Input) int { return a.At.Compare(b.At) }) // writers' clocks differ
	return &p.Recording, nil
}

// Scenario lets what was recorded come again, with changes.
func (rec *Recording) Scenario(c Changes) (Scenario, error) {
	inputs, err := rec.changed(c)
	if err != nil {
		return Scenario{}, err
	}
	names := map[events.JobID]string{}
	for _, in := range inputs {
		if e, ok := in.Event.(events.JobSubmitted); ok {
			names[e.Job] = e.Name
		}
	}
	checks := maps.Clone(rec.checks)
	return Scenario{
		Start: inputs[0].At, End: rec.end, Drain: c.Drain, Deaths: c.Deaths,
		Estimates: c.Estimates, LAVA: c.LAVA,
		Next: func() (in Input, ok bool) {
			if len(inputs) == 0 {
				return in, false
			}
			in, inputs = inputs[0], inputs[1:]
			return in, true
		},
		Outcome: func(j *lab.Job, d events.DeviceName) Outcome {
			if !j.HealthCheck {
				return rec.outcome(j.ID, names[j.ID%firstRetry])
			}
			all := checks[d]
			if len(all) == 0 { // more checks than there were
				return Outcome{Delay: time.Second, Duration: 4 * time.Minute, Health: events.Complete}
			}
			checks[d] = all[1:]
			return all[0]
		},
	}, nil
}

// outcome is how a job went. One that was canceled, or had not ended, would have gone on as long as
// others of its name; its cancel comes again as it came.
func (rec *Recording) outcome(id events.JobID, name string) Outcome {
	out, ended := rec.jobs[id]
	if ended && out.Health != events.Canceled {
		return out
	}
	usual, known := rec.typical[name]
	if !known {
		usual = rec.typical[""]
	}
	out.Health, out.ErrorType, out.Error = events.Complete, "", ""
	out.Duration = max(out.Duration, usual)
	return out
}

// changed returns the inputs as they would have been.
func (rec *Recording) changed(c Changes) ([]Input, error) {
	var out []Input
	if c.Policy != nil {
		out = append(out, Input{rec.inputs[0].At, *c.Policy})
	}
	first := map[events.DeviceTypeName]events.DeviceAdded{}
	left := maps.Clone(c.More)
	workers := map[events.WorkerName]bool{}
	for _, in := range rec.inputs {
		switch e := in.Event.(type) {
		case events.SchedulingPolicySet:
			if c.Policy != nil {
				continue
			}
		case events.WorkerRegistered:
			workers[e.Worker] = true
		case events.DeviceAdded:
			if _, there := first[e.DeviceType]; !there {
				first[e.DeviceType] = e
			}
		}
		out = append(out, in)
		if e, ok := in.Event.(events.DeviceConfigured); ok {
			for typ, like := range first {
				if n := left[typ]; n > 0 && like.Device == e.Device {
					out = append(out, clones(in.At, like, e, n)...)
					delete(left, typ)
				}
			}
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(left)) {
		return nil, fmt.Errorf("more devices of %q: the facts tell of no such device that is configured", typ)
	}
	for _, d := range c.Deaths {
		if !workers[d.Worker] {
			return nil, fmt.Errorf("kill %q: the facts tell of the workers %v", d.Worker, slices.Sorted(maps.Keys(workers)))
		}
	}
	return out, nil
}

// clones are n devices like another one, as good as new.
func clones(at time.Time, like events.DeviceAdded, config events.DeviceConfigured, n int) (in []Input) {
	name := like.Device
	for i := range n {
		like.Device = events.DeviceName(fmt.Sprintf("%s-more-%03d", name, i+1))
		like.Health, config.Device = events.Good, like.Device
		in = append(in, Input{at, like}, Input{at, config})
	}
	return in
}

// Start is the time of the first fact from outside.
func (rec *Recording) Start() time.Time { return rec.inputs[0].At }
