package health

import (
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/device"
)

// state is the lab, and the devices that have to be looked at.
type state struct {
	lab   *lab.State
	look  map[events.DeviceName]mark
	next  map[events.DeviceName]time.Time    // when the hours of an idle device's check are over
	asked map[events.DeviceName]events.JobID // checks that were published and that no fact tells of yet
	valid map[events.DeviceName]verdict
}

// mark is the fact that made a device worth a look.
type mark struct {
	seq   uint64
	trace string // W3C traceparent
}

// verdict is what was found about a configuration.
type verdict struct {
	seq uint64 // of the fact with the configuration
	err error
}

// newState returns the state over a lab, with every device to be looked at.
func newState(l *lab.State) *state {
	s := &state{lab: l, look: map[events.DeviceName]mark{}, next: map[events.DeviceName]time.Time{},
		asked: map[events.DeviceName]events.JobID{}, valid: map[events.DeviceName]verdict{}}
	for d := range l.Devices() {
		s.look[d.Name] = mark{seq: d.Seq}
		s.validate(d)
	}
	return s
}

// evolve folds a fact that the log brought.
func (s *state) evolve(r stream.Recorded) { s.mark(r, s.lab.Evolve(r.Seq, r.Time, r.Event)) }

// anticipate folds a fact that the service has just recorded, ahead of the log.
func (s *state) anticipate(r stream.Recorded) { s.mark(r, s.lab.Anticipate(r.Seq, r.Time, r.Event)) }

// mark notes the devices that a fact touched.
func (s *state) mark(r stream.Recorded, c lab.Changes) {
	m := mark{r.Seq, r.Trace}
	for _, d := range c.Devices {
		s.look[d.Name] = m
		if s.lab.Device(d.Name) != d {
			delete(s.next, d.Name)
			delete(s.valid, d.Name)
			delete(s.asked, d.Name)
			continue
		}
		s.validate(d)
	}
	switch e := r.Event.(type) {
	case events.JobSubmitted:
		if s.asked[e.Device] == e.Job {
			delete(s.asked, e.Device) // the device waits for it from here on
		}
	case events.HealthCheckRequested:
		delete(s.asked, e.Device)
	}
	about := r.Event.About()
	switch about.Kind {
	case events.Worker:
		s.markAll(m, func(d *lab.Device) bool { return d.Worker == events.WorkerName(about.ID) })
	case events.DeviceType:
		s.markAll(m, func(d *lab.Device) bool { return d.Type == events.DeviceTypeName(about.ID) })
	}
}

// markAll goes through all devices: facts about workers and types are few.
func (s *state) markAll(m mark, so func(*lab.Device) bool) {
	for d := range s.lab.Devices() {
		if so(d) {
			s.look[d.Name] = m
		}
	}
}

// validate reads a configuration once for each fact that brings one.
func (s *state) validate(d *lab.Device) {
	if d.Version == 0 || s.valid[d.Name].seq == d.ConfiguredSeq {
		return
	}
	_, err := device.Load([]byte(d.Dictionary), nil)
	s.valid[d.Name] = verdict{d.ConfiguredSeq, err}
}

// settle notes that devices have been looked at and that nothing was left to do for them.
func (s *state) settle(p plan) {
	for _, name := range p.seen {
		delete(s.look, name)
		delete(s.next, name)
		if at := s.nextCheck(name); !at.IsZero() {
			s.next[name] = at
		}
	}
}

// nextCheck is when a device has to be looked at although nothing happens; zero: never.
func (s *state) nextCheck(name events.DeviceName) time.Time {
	d := s.lab.Device(name)
	if d == nil || d.State != lab.DeviceIdle || d.Check.Job != 0 {
		return time.Time{}
	}
	at := lab.NextCheck(d, s.lab.DeviceType(d.Type))
	if at.IsZero() {
		return at
	}
	return at.Add(time.Nanosecond) // it is due after that time, not at it
}
