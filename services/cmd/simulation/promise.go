package simulation

import (
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
)

// Promises is how true the lab's estimates were ([lab.State.Estimate], what `strata why` says): each was
// asked for when its job had been submitted and did not get a device at once, and is held to the
// time at which it did.
type Promises struct {
	Asked  int     `json:"asked"`  // jobs, of those that had to wait
	Known  int     `json:"known"`  // of these, jobs that the lab could say something about
	Held   int     `json:"held"`   // of these, jobs that have started since, and had to wait some time
	Error  float64 `json:"error"`  // median of the difference to the time waited, in parts of that
	Inside float64 `json:"inside"` // part of the starts that lay inside the interval
	Width  float64 `json:"width"`  // median width of the interval, in parts of the time waited
}

// promises is a tally of estimates.
type promises struct {
	every  int // job of those that wait is asked; 0: none
	came   []events.JobID
	waited int
	open   map[events.JobID]lab.Estimate
	sum    Promises
	errors []float64
	widths []float64
	inside int
}

// submitted notes a job that may have to wait.
func (p *promises) submitted(id events.JobID) {
	if p.every > 0 {
		p.came = append(p.came, id)
	}
}

// ask asks for the estimates of the jobs that came at this moment and still wait, now that everything
// has been decided.
func (p *promises) ask(l *lab.State, now time.Time) {
	for _, id := range p.came {
		if j := l.Job(id); j == nil || j.State != lab.Submitted {
			continue
		}
		if p.waited++; p.waited%p.every != 0 {
			continue
		}
		p.sum.Asked++
		if e := l.Estimate(id, now); e.Known {
			p.sum.Known++
			p.open[id] = e
		}
	}
	// The order in which they are asked is that in which they came, hence the same each time.
	p.came = p.came[:0]
}

// started holds a job's estimate to its start.
func (p *promises) started(j *lab.Job, at time.Time) {
	e, asked := p.open[j.ID]
	if !asked {
		return
	}
	delete(p.open, j.ID)
	waited := at.Sub(j.SubmittedAt).Seconds()
	if waited <= 0 {
		return // another job's end within the same moment: no parts of no time, which JSON cannot say either
	}
	p.sum.Held++
	p.errors = append(p.errors, e.Likely.Sub(at).Abs().Seconds()/waited)
	p.widths = append(p.widths, e.Latest.Sub(e.Earliest).Seconds()/waited)
	if !at.Before(e.Earliest) && !at.After(e.Latest) {
		p.inside++
	}
}

// report sums up; nil where nobody was asked.
func (p *promises) report() *Promises {
	if p.every == 0 {
		return nil
	}
	out := p.sum
	if out.Held > 0 {
		out.Error = quantile(slices.Sorted(slices.Values(p.errors)), 0.5)
		out.Width = quantile(slices.Sorted(slices.Values(p.widths)), 0.5)
		out.Inside = parts(float64(p.inside) / float64(out.Held))
	}
	return &out
}
