package simulation

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
)

// lavaRule schedules as LAVA does, to be compared with. Each free device, in random order, picks the
// best job that it fits: by priority, then by submission. A part of a multinode job that was picked
// holds its device and waits there until the other parts hold theirs, for as long as that takes. It knows
// no policy and no reservation.
type lavaRule struct{ r *rand.Rand }

// The seed is always the same, so that a report is too.
func newLavaRule() *lavaRule { return &lavaRule{rand.New(rand.NewPCG(2, 3))} }

// decide returns what follows at one moment; what it leaves undone could not be done.
func (v *lavaRule) decide(l *lab.State, now time.Time) (facts []events.Event) {
	var waiting []*lab.Job
	for j := range l.Jobs() {
		if j.State != lab.Submitted {
			continue
		}
		deadline := j.QueueDeadline()
		switch {
		case j.Cancel != nil:
			facts = append(facts, events.JobWithdrawn{Job: j.ID, By: j.Cancel.By, Reason: "canceled"})
		case !deadline.IsZero() && !now.Before(deadline):
			facts = append(facts, events.JobWithdrawn{Job: j.ID, Reason: "queue timeout"})
		default:
			waiting = append(waiting, j)
		}
	}
	slices.SortFunc(waiting, func(a, b *lab.Job) int {
		// LAVA gives health checks in a round before all other jobs.
		if a.HealthCheck != b.HealthCheck {
			if a.HealthCheck {
				return -1
			}
			return 1
		}
		return cmp.Or(b.Priority-a.Priority, a.SubmittedAt.Compare(b.SubmittedAt), cmp.Compare(a.ID, b.ID))
	})
	return append(facts, v.give(l, waiting, now)...)
}

// give lets the free devices pick.
func (v *lavaRule) give(l *lab.State, waiting []*lab.Job, now time.Time) (facts []events.Event) {
	var free []*lab.Device
	held := map[events.WorkerName]int{}
	for d := range l.Devices() {
		if d.State != lab.DeviceIdle {
			held[d.Worker]++
		} else if l.Worker(d.Worker).Usable() {
			free = append(free, d)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	v.r.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	lease := events.Lease(l.Through())
	given := map[events.JobID]bool{}
	for _, d := range free {
		w := l.Worker(d.Worker)
		// A device that waits for its group counts as held, as it does there.
		if w.JobLimit > 0 && held[d.Worker] >= w.JobLimit {
			continue
		}
		jobs, checks := lab.Takes(d, l.DeviceType(d.Type), now)
		i := slices.IndexFunc(waiting, func(j *lab.Job) bool {
			return !given[j.ID] && !j.Guest() && (j.HealthCheck && checks || !j.HealthCheck && jobs) && fits(l, j, d)
		})
		if i < 0 {
			continue
		}
		given[waiting[i].ID] = true
		held[d.Worker]++
		facts = append(facts, events.JobScheduled{Job: waiting[i].ID, Device: d.Name, Worker: d.Worker, Lease: lease},
			events.DeviceReserved{Device: d.Name, Job: waiting[i].ID, Lease: lease})
	}
	return facts
}

// fits says that a device is what a job asks for.
func fits(l *lab.State, j *lab.Job, d *lab.Device) bool {
	return l.Resolve(j.DeviceType) == d.Type && (j.PinDevice == "" || j.PinDevice == d.Name) &&
		(j.PinWorker == "" || j.PinWorker == d.Worker) && d.HasTags(j.Tags) && !j.Avoids(d.Name)
}

// complete returns the parts of a job's group that begin now, by LAVA's rule: all that have a device,
// once each has. A job without a group is alone in its own.
// Nil is a group that has to wait: a part has not come, has no device, or is over already. Guests have
// no device and do not count.
func complete(l *lab.State, j *lab.Job) []*lab.Job {
	if j.Part == nil {
		return []*lab.Job{j}
	}
	parts := l.Group(j.Part.Group)
	if len(parts) < j.Part.Size {
		return nil
	}
	var all []*lab.Job
	for _, p := range parts {
		switch {
		case p.Guest():
		case p.Run == nil || p.State == lab.Finished:
			return nil
		default:
			all = append(all, p)
		}
	}
	return all
}

// held counts jobs that have a device and wait there for others of their group.
func held(l *lab.State) (n int) {
	for j := range l.Jobs() {
		if j.Part != nil && j.State == lab.Scheduled && complete(l, j) == nil {
			n++
		}
	}
	return n
}
