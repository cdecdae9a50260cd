package scheduling

import (
	"time"

	"strata/events"
	"strata/events/lab"
)

// This file keeps the index true to what people lay down: policies, reservations, and what becomes
// possible by time alone.

// newPolicy looks at everything again: a policy changes a few times in a lab's life.
func (s *state) newPolicy() {
	for typ, k := range s.kinds {
		k.counted = false
		s.touched[typ] = true
	}
	s.split = splitOf(s.lab)
	s.lanesAgain()
}

// resplit gives the queue the lanes that the rules need now.
func (s *state) resplit(to split) {
	if to != s.split {
		s.split = to
		s.lanesAgain()
	}
}

// lanesAgain puts all jobs into their lanes anew.
func (s *state) lanesAgain() {
	for _, k := range s.kinds {
		clear(k.shapes)
	}
	for _, e := range s.queued {
		if e.lane != nil {
			s.lane(s.kind(e.typ), e.job).add(e, s.lab.Policy())
		}
	}
}

// recount makes the rare tags of a type be looked for again; they may keep other devices now.
func (s *state) recount(typ events.DeviceTypeName) {
	if k := s.kinds[typ]; k != nil && s.lab.Policy().RareTags != nil {
		s.touched[typ] = true
		k.counted = false
	}
}

// rareTags returns the tags for which devices of a type are kept.
func (s *state) rareTags(typ events.DeviceTypeName) []events.TagName {
	if s.lab.Policy().RareTags == nil {
		return nil
	}
	k := s.kind(typ)
	if !k.counted {
		k.rare, k.counted = s.lab.RareTags(typ), true
	}
	return k.rare
}

// touchCapped marks all types with jobs and free devices: a user or group holds one device less.
func (s *state) touchCapped() {
	for typ, k := range s.kinds {
		if len(k.free) > 0 && (len(k.shapes) > 0 || len(k.groups) > 0) {
			s.touched[typ] = true
		}
	}
}

// isEnd says that a fact takes a device from a job.
func isEnd(e events.Event) bool {
	switch e.(type) {
	case events.JobFinished, events.JobReturned:
		return true
	}
	return false
}

func reservationOf(e events.Event) events.ReservationID {
	switch e := e.(type) {
	case events.ReservationMade:
		return e.Reservation
	case events.ReservationEnded:
		return e.Reservation
	}
	return 0
}

// touchReserved marks the types of a reservation's devices; nil has none.
func (s *state) touchReserved(r *lab.Reservation) {
	if r == nil {
		return
	}
	if r.DeviceType != "" {
		s.touched[r.DeviceType] = true
	}
	for _, name := range r.Devices {
		if d := s.lab.Device(name); d != nil {
			s.touched[d.Type] = true
		}
	}
}

// pass lets time pass: what it makes possible is looked at. It returns when it does so next, zero
// where it never does.
func (s *state) pass(now time.Time) (next time.Time) {
	for at, typ := range s.lab.Turns() {
		switch {
		case at.After(now):
			if next.IsZero() || at.Before(next) {
				next = at
			}
		case at.After(s.clock):
			s.touched[typ] = true
		}
	}
	s.clock = now
	return next
}
