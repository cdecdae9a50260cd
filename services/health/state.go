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
	next  agenda                             // when the hours of idle devices' checks are over
	held  map[events.DeviceName]bool         // imported devices whose first check waits for others' to end
	asked map[events.DeviceName]events.JobID // checks that were published and that no fact tells of yet
	valid map[events.DeviceName]verdict      // what is known of configurations; saves reading them again
	types device.Templates
	// typesSeq is that of the last fact that changed a template: what was found before may be wrong.
	typesSeq uint64
}

// mark is the fact that made a device worth a look.
type mark struct {
	seq   uint64
	trace string // W3C traceparent
}

// verdict is what was found about a configuration.
type verdict struct {
	seq, typesSeq uint64 // of the facts with the dictionary and with the templates
	err           error
}

// newState returns the state over a lab, with every device to be looked at.
func newState(l *lab.State) *state {
	s := &state{lab: l, look: map[events.DeviceName]mark{}, next: newAgenda(), held: map[events.DeviceName]bool{},
		asked: map[events.DeviceName]events.JobID{}, valid: map[events.DeviceName]verdict{}}
	s.types.Text = func(name string) (string, bool) { return s.lab.Template(name) }
	for d := range l.Devices() {
		s.look[d.Name] = mark{seq: d.Seq}
	}
	return s
}

// evolve folds a fact that the log brought.
func (s *state) evolve(r stream.Recorded) {
	if e, ok := r.Event.(events.DeviceTypeConfigured); ok {
		if t := s.lab.DeviceType(e.DeviceType); t != nil && t.Template != e.Template {
			// It may be extended by any dictionary, over several steps.
			s.typesSeq = r.Seq
			s.markAll(mark{r.Seq, r.Trace}, func(*lab.Device) bool { return true })
		}
	}
	s.mark(r, s.lab.Evolve(r.Seq, r.Time, r.Event))
}

// anticipate folds a fact that the service has just recorded, ahead of the log.
func (s *state) anticipate(r stream.Recorded) { s.mark(r, s.lab.Anticipate(r.Seq, r.Time, r.Event)) }

// mark notes the devices that a fact touched.
func (s *state) mark(r stream.Recorded, c lab.Changes) {
	m := mark{r.Seq, r.Trace}
	for _, d := range c.Devices {
		s.look[d.Name] = m
		if s.lab.Device(d.Name) != d {
			s.next.set(d.Name, time.Time{})
			delete(s.valid, d.Name)
			delete(s.asked, d.Name)
		}
	}
	switch e := r.Event.(type) {
	case events.JobFinished, events.JobRejected, events.JobWithdrawn, events.DeviceHealthSet, events.DeviceHealthChanged, events.DeviceRemoved:
		for name := range s.held { // one of those that they wait for may have ended
			s.look[name] = m
		}
		clear(s.held)
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

// configError says what is wrong with a device's configuration, rendered without a job's context.
// It reads a text once.
func (s *state) configError(d *lab.Device) error {
	v, known := s.valid[d.Name]
	if !known || v.seq != d.ConfiguredSeq || v.typesSeq != s.typesSeq {
		_, err := s.types.Load(string(d.Name), string(d.Type), []byte(d.Dictionary), nil)
		v = verdict{d.ConfiguredSeq, s.typesSeq, err}
		s.valid[d.Name] = v
	}
	return v.err
}

// settle notes that devices have been looked at and that nothing was left to do for them.
func (s *state) settle(p plan) {
	for _, name := range p.held {
		s.held[name] = true
	}
	for _, name := range p.seen {
		delete(s.look, name)
		at := s.nextCheck(name)
		if s.held[name] { // what is held waits for facts, not for the time
			at = time.Time{}
		}
		s.next.set(name, at)
	}
}

// nextCheck is when a device has to be looked at although nothing happens; zero: never. One that could
// not be checked then, as its worker is away, waits for the fact that changes this: it would be looked at
// again and again.
func (s *state) nextCheck(name events.DeviceName) time.Time {
	d := s.lab.Device(name)
	if d == nil || d.Check.Job != 0 || !able(s, d) {
		return time.Time{}
	}
	at := lab.NextCheck(d, s.lab.DeviceType(d.Type))
	if at.IsZero() {
		return at
	}
	return at.Add(time.Nanosecond) // it is due after that time, not at it
}
