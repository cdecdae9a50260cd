package scheduling

import (
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
)

// shape is what a job asks of its device beside the type. Jobs of one shape have the same
// candidates.
type shape struct {
	check  bool // health checks
	device events.DeviceName
	worker events.WorkerName
	tags   []events.TagName
	avoid  []events.DeviceName // that failed an earlier attempt
	lanes  map[laneKey]*lane
}

// laneKey is equal for jobs of a shape that no rule of the lab tells apart, but for their rank. Where
// the policy looks at users, or reservations at timeouts, jobs that differ in these have lanes of
// their own; else a shape has one lane.
type laneKey struct {
	user    events.UserName
	timeout events.Seconds
}

// lane is a queue of jobs: if one of them may have a device, all may.
type lane struct {
	key    laneKey
	shape  *shape
	ranked *pile // all, best first
	aging  *pile // those that waiting can raise, oldest first
}

// split says what the lanes tell apart. It is never taken back: a lab that has had a reservation
// will have the next.
type split struct{ users, timeouts bool }

func splitOf(l *lab.State) split {
	reserved := l.NextReservation() > 1
	return split{users: l.Policy().Shares() || reserved, timeouts: reserved}
}

func (p split) key(j *lab.Job) (k laneKey) {
	if p.users {
		k.user = j.User
	}
	if p.timeouts {
		k.timeout = j.JobTimeout
	}
	return k
}

// lane returns that of a job, which it makes where there is none.
func (s *state) lane(k *kind, j *lab.Job) *lane {
	key := shapeKey(j)
	sh := k.shapes[key]
	if sh == nil {
		sh = &shape{check: j.HealthCheck, device: j.PinDevice, worker: j.PinWorker, tags: j.Tags, lanes: map[laneKey]*lane{}}
		if j.Attempt != nil {
			sh.avoid = j.Attempt.Avoid
		}
		k.shapes[key] = sh
	}
	lk := s.split.key(j)
	ln := sh.lanes[lk]
	if ln == nil {
		ln = &lane{key: lk, shape: sh, ranked: byRank(), aging: byAge()}
		sh.lanes[lk] = ln
	}
	return ln
}

// add queues an entry in its lane.
func (ln *lane) add(e *entry, p *lab.Policy) {
	e.lane = ln
	ln.ranked.add(e)
	e.ageRank = -1
	if p.Aging != nil && e.priority < p.Aging.Bound && !e.job.HealthCheck {
		ln.aging.add(e)
	}
}

// remove takes an entry out of its lane, and the lane and shape with the last one.
func (k *kind) remove(e *entry) {
	ln := e.lane
	ln.ranked.remove(e)
	if e.ageRank >= 0 {
		ln.aging.remove(e)
	}
	if ln.ranked.Len() > 0 {
		return
	}
	delete(ln.shape.lanes, ln.key)
	if len(ln.shape.lanes) == 0 {
		delete(k.shapes, shapeKey(e.job))
	}
}

// shapeKey is equal for jobs that ask for the same of a device. Names have no NUL.
func shapeKey(j *lab.Job) string {
	if len(j.Tags) == 0 && j.PinDevice == "" && j.PinWorker == "" && !j.HealthCheck && j.Attempt == nil {
		return ""
	}
	parts := []string{"job", string(j.PinDevice), string(j.PinWorker)}
	if j.HealthCheck {
		parts[0] = "check"
	}
	tags := slices.Sorted(slices.Values(j.Tags))
	for _, t := range slices.Compact(tags) {
		parts = append(parts, string(t))
	}
	if j.Attempt != nil {
		for _, d := range j.Attempt.Avoid {
			parts = append(parts, "", string(d)) // no tag is empty, so this is none
		}
	}
	return strings.Join(parts, "\x00")
}
