package generate

import (
	"fmt"
	"math/rand/v2"
	"time"

	"strata/events"
)

// Stretch is how many cases one message of RESULTS has at most: what a job says of its tests in some
// seconds.
const Stretch = 100

// Submitter returns who submitted a job: one of twenty people.
func (l *Lab) Submitter(job events.JobID) events.UserName {
	return events.UserName(fmt.Sprintf("user%02d", uint64(job)*7/3%20))
}

// Name returns a job's name: that of its board's test plan.
func (l *Lab) Name(job events.JobID) string { return l.profile(job).board + " nightly" }

// Branch returns what a job tests, one of its metadata.
func (l *Lab) Branch(job events.JobID) string {
	return []string{"mainline", "next", "stable-6.12", "stable-6.18"}[uint64(job)/uint64(l.Profiles)%4]
}

// Health returns how a job ended: one in nine is Incomplete.
func (l *Lab) Health(job events.JobID) events.JobHealth {
	if job%9 == 4 {
		return events.Incomplete
	}
	return events.Complete
}

// End returns when a job ended.
func (l *Lab) End(job events.JobID) time.Time { return l.Start(job).Add(time.Hour) }

// Public says whether anybody may see a job; one in ten is its submitter's alone.
func (l *Lab) Public(job events.JobID) bool { return job%10 != 0 }

// Facts returns what LAB says of a job, from its submission to its end.
// In their order; those about the device are left out.
func (l *Lab) Facts(job events.JobID) []events.Event {
	at, device, lease := l.Start(job), l.Device(job), events.Lease(job)
	return []events.Event{
		events.JobSubmitted{Job: job, Display: job.String(), User: l.Submitter(job), Name: l.Name(job), At: at.Add(-time.Minute), DeviceType: l.DeviceType(job),
			Priority: 50, Visibility: events.Visibility{Public: l.Public(job)}, JobTimeout: 7200,
			Metadata: map[string]string{"branch": l.Branch(job), "build": l.Build(job)}},
		events.JobScheduled{Job: job, Device: device, Worker: "w1", Lease: lease},
		events.JobStarted{Job: job, Device: device, Worker: "w1", Lease: lease, At: at},
		events.JobFinished{Job: job, Device: device, Worker: "w1", Lease: lease, Health: l.Health(job), At: l.End(job)},
	}
}

// Build returns the build that a job tests, one of its metadata: all boards test each.
func (l *Lab) Build(job events.JobID) string {
	return fmt.Sprint(1000 + uint64(job)/uint64(l.Profiles))
}

// Cases makes the test cases of a job: the cases of its board's plan again and again, until there are
// so many. About 92 of 100 pass, and every tenth case measures something.
// Lines and times rise from case to case; a case that the plan has again stands in a set of its own,
// as its name is unique within one.
func (l *Lab) Cases(job events.JobID, cases int) []events.Case {
	r := rand.New(rand.NewPCG(l.Seed^0x2545f4914f6cdd1d, uint64(job)))
	plan, at, line := l.profile(job).cases, l.Start(job), uint64(600)
	list := make([]events.Case, cases)
	for i := range list {
		of := plan[i%len(plan)]
		begin := line + 1
		line += 2 + r.Uint64N(uint64(of.most))
		at = at.Add(time.Duration(r.IntN(int(6*time.Second/time.Microsecond))) * time.Microsecond)
		c := events.Case{Suite: of.suite, Name: of.name, Result: events.Pass, At: at, Line: line, StartLine: &begin}
		end := line
		c.EndLine = &end
		switch n := r.IntN(100); {
		case n < 4:
			c.Result = events.Skip
		case n < 8:
			c.Result = events.Fail
		}
		if i%10 == 3 {
			// Each case has a level of its own, and noise of 5 %.
			v := float64(10+i%len(plan)) * (1 + 0.05*r.NormFloat64())
			c.Measurement, c.Units = &v, "ms"
		}
		if round := i / len(plan); round > 0 {
			c.Set = fmt.Sprintf("round-%d", round)
		}
		list[i] = c
	}
	return list
}

// Results returns what RESULTS says of a job's cases, stretch by stretch.
func (l *Lab) Results(job events.JobID, cases int) (messages []events.ResultsRecorded) {
	first := uint64(0)
	for list := l.Cases(job, cases); len(list) > 0; {
		n := min(len(list), Stretch)
		next := list[n-1].Line + 1
		messages = append(messages, events.ResultsRecorded{Job: job, Lease: events.Lease(job), FirstLine: first, Lines: next - first, Cases: list[:n]})
		list, first = list[n:], next
	}
	return messages
}

// CaseName returns the name of the nth case of a job's plan that measures something.
// By the rule of [Lab.Cases] that every tenth case measures.
func (l *Lab) CaseName(job events.JobID, n int) string {
	plan := l.profile(job).cases
	return plan[(n*10+3)%len(plan)].name
}
