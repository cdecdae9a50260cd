package lab

import (
	"iter"
	"slices"
	"strconv"
	"time"

	"strata/events"
)

// Reservation is a time for which devices are set aside.
type Reservation struct {
	events.ReservationMade
	Seq uint64 `json:"seq"` // of its last fact
}

// Window says that nobody holds it: it is a maintenance window.
func (r *Reservation) Window() bool { return r.User == "" && r.Group == "" }

// Active says that it holds at a time: from From on, until before Until.
func (r *Reservation) Active(now time.Time) bool {
	return !now.Before(r.From) && now.Before(r.Until)
}

// Covers says that it is about a device.
func (r *Reservation) Covers(d *Device) bool {
	if len(r.Devices) > 0 {
		return slices.Contains(r.Devices, d.Name)
	}
	return r.DeviceType == d.Type && d.HasTags(r.Tags)
}

// Reservation returns one that has not ended, nil where there is none of that number. Those whose
// time is over are forgotten when the next is made.
func (s *State) Reservation(id events.ReservationID) *Reservation { return s.rules.reservations[id] }

// Reservations goes through those that have not ended, in order of their numbers.
func (s *State) Reservations() iter.Seq[*Reservation] { return sorted(s.rules.reservations) }

// NextReservation is the number for the next one.
func (s *State) NextReservation() events.ReservationID { return s.rules.lastReserved + 1 }

// Holds says that a reservation is a user's: its own, or that of one of its groups.
func (s *State) Holds(user events.UserName, r *Reservation) bool {
	if r.User != "" && r.User == user {
		return true
	}
	return r.Group != "" && s.rules.policy.In(user, r.Group)
}

// Holder is the reservation under which a device is a user's now, nil where there is none.
func (s *State) Holder(user events.UserName, d *Device, now time.Time) *Reservation {
	for r := range s.Reservations() {
		if r.Active(now) && r.Covers(d) && s.Holds(user, r) {
			return r
		}
	}
	return nil
}

// Forbids returns the first of these reservations, of one device, that keeps a job from starting
// now: it is somebody else's, and the job's timeout reaches into it. nil: the job may start.
func (s *State) Forbids(j *Job, of []*Reservation, now time.Time) *Reservation {
	end := now.Add(time.Duration(j.JobTimeout) * time.Second)
	for _, r := range of {
		if now.Before(r.Until) && end.After(r.From) && (j.HealthCheck || !s.Holds(j.User, r)) {
			return r
		}
	}
	return nil
}

// ReservationsOf returns the reservations of a device that are not over, in order of their numbers.
func (s *State) ReservationsOf(d *Device, now time.Time) (all []*Reservation) {
	if len(s.rules.reservations) == 0 {
		return nil
	}
	for r := range s.Reservations() {
		if now.Before(r.Until) && r.Covers(d) {
			all = append(all, r)
		}
	}
	return all
}

// TakesFrom says that a device may be given to jobs of a user who has it reserved: health checks
// that are due wait for the end of the reservation.
func TakesFrom(d *Device, t *DeviceType) bool {
	return d.State == DeviceIdle && d.Version > 0 && t.Shown() && (d.Health == events.Good || d.Health == events.Unknown)
}

// Turns goes through the moments at which time alone makes something possible for devices of a type:
// a reservation begins or ends, or devices with rare tags may be lent. They come in no order.
func (s *State) Turns() iter.Seq2[time.Time, events.DeviceTypeName] {
	return func(yield func(time.Time, events.DeviceTypeName) bool) {
		for _, r := range s.rules.reservations {
			types := []events.DeviceTypeName{r.DeviceType}
			if len(r.Devices) > 0 {
				types = types[:0]
				for _, name := range r.Devices {
					if d := s.devices[name]; d != nil && !slices.Contains(types, d.Type) {
						types = append(types, d.Type)
					}
				}
			}
			for _, t := range types {
				if !yield(r.From, t) || !yield(r.Until, t) {
					return
				}
			}
		}
		p := s.rules.policy.RareTags
		if p == nil || p.LendAfter == 0 {
			return
		}
		for k := range s.rules.wanted {
			if !yield(s.lentAt(k.Type, k.Tag), k.Type) {
				return
			}
		}
		for name := range s.types { // tags that nobody has asked for yet
			if !yield(s.rules.policy.At.Add(time.Duration(p.LendAfter)*time.Second), name) {
				return
			}
		}
	}
}

// reservation finds one by the id of its entity.
func (r *rules) reservation(id string) *Reservation {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return nil
	}
	return r.reservations[events.ReservationID(n)]
}

func (s *State) evolveReservation(seq uint64, at time.Time, e events.Event) {
	switch e := e.(type) {
	case events.ReservationMade:
		if e.Reservation <= s.rules.lastReserved {
			return // it is over: numbers are given in order, and none twice
		}
		for id, r := range s.rules.reservations {
			if !at.Before(r.Until) {
				delete(s.rules.reservations, id)
			}
		}
		s.rules.reservations[e.Reservation] = &Reservation{e, seq}
		s.rules.lastReserved = e.Reservation
	case events.ReservationEnded:
		// Nothing is left of it, or a lab whose builds reserve devices would remember each of them for ever.
		delete(s.rules.reservations, e.Reservation)
	}
}
