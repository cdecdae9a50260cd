package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
)

// ReservationRequest sets devices aside, or ends a reservation.
// Without names and a count it is of the type: devices that come later are set aside, too.
type ReservationRequest struct {
	Reservation events.ReservationID  `json:"reservation,omitempty"` // of end
	Devices     []events.DeviceName   `json:"devices,omitempty"`     // of add: these, or
	DeviceType  events.DeviceTypeName `json:"device_type,omitempty"` // those of this type
	Tags        []events.TagName      `json:"tags,omitempty"`        // with all of these tags
	Count       int                   `json:"count,omitempty"`       // only so many of them, chosen now; 0: all, as they come and go
	User        events.UserName       `json:"user,omitempty"`        // who holds them, or
	Group       events.GroupName      `json:"group,omitempty"`       // whose users do; neither: a maintenance window
	From        time.Time             `json:"from,omitzero"`         // zero: now
	Until       time.Time             `json:"until,omitzero"`
	Reason      string                `json:"reason,omitempty"`
}

// Reservation is what the api tells of a reservation.
type Reservation struct {
	events.ReservationMade
	Active bool         `json:"active"`         // its time has come
	Covers []Set        `json:"covers"`         // its devices, by name
	Jobs   []ForeignJob `json:"jobs,omitempty"` // of others, started before it was made, that may run into it
}

// Set is a device that is set aside.
// Job is 0 where the caller may not see it.
type Set struct {
	Device events.DeviceName `json:"device"`
	State  string            `json:"state"`
	Job    events.JobID      `json:"job,omitempty"` // that holds it now
}

// ForeignJob is a job on a reserved device that is not the holder's.
// Job and User are empty where the caller may not see the job.
type ForeignJob struct {
	Job    events.JobID      `json:"job"`
	User   events.UserName   `json:"user"`
	Device events.DeviceName `json:"device"`
	Until  time.Time         `json:"until"` // when its timeout ends it at the latest
}

// listReservations answers with those that are not over, by number.
func (a *api) listReservations(_ context.Context, who caller, _ none) ([]Reservation, error) {
	out, now := []Reservation{}, a.now()
	a.read(func(s *lab.State) {
		for r := range s.Reservations() {
			if now.Before(r.Until) {
				out = append(out, viewReservation(s, who, r, now))
			}
		}
	})
	return out, nil
}

// viewReservation shows a reservation, of its devices those that the caller may see, and jobs without number and name
// where they are hidden: that one is in the way is no secret.
func viewReservation(s *lab.State, who caller, r *lab.Reservation, now time.Time) Reservation {
	v := Reservation{ReservationMade: r.ReservationMade, Active: r.Active(now), Covers: []Set{}}
	for d := range s.Devices() {
		if !r.Covers(d) || !who.can(s, lab.View, events.Entity{Kind: events.Device, ID: string(d.Name)}) {
			continue
		}
		shown := seenJob(s, who, d.Job)
		v.Covers = append(v.Covers, Set{d.Name, string(d.State), shown})
		j := s.Job(d.Job)
		if j == nil || j.Run == nil || j.State == lab.Finished || s.Holds(j.User, r) {
			continue
		}
		// The timeout runs from the start; a job that has its device and has not started yet may
		// take as long.
		began := j.Run.ScheduledAt
		if !j.Run.StartedAt.IsZero() {
			began = j.Run.StartedAt
		}
		if end := began.Add(time.Duration(j.JobTimeout) * time.Second); end.After(r.From) {
			foreign := ForeignJob{j.ID, j.User, d.Name, end}
			if shown == 0 {
				foreign.Job, foreign.User = 0, ""
			}
			v.Jobs = append(v.Jobs, foreign)
		}
	}
	return v
}

// addReservation sets devices aside. Jobs that run on them go on to their end; none that would reach
// into it starts from now on.
// Who may change all of the devices may reserve them, for anybody. [Conflict] names the device and
// the reservation that is in the way.
func (a *api) addReservation(ctx context.Context, who caller, in ReservationRequest) (Reservation, error) {
	now := a.now()
	if in.From.IsZero() {
		in.From = now
	}
	in.From, in.Until = in.From.UTC(), in.Until.UTC()
	if err := checkReservation(in, now); err != nil {
		return Reservation{}, err
	}
	var id events.ReservationID
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		devices, err := toReserve(s, who, in, now)
		if err != nil {
			return nil, err
		}
		e := events.ReservationMade{Reservation: s.NextReservation(), DeviceType: s.Resolve(in.DeviceType), Tags: in.Tags,
			User: in.User, Group: in.Group, From: in.From, Until: in.Until, Reason: in.Reason, By: who.user}
		// What was chosen by name or number stays with these devices.
		if len(in.Devices) > 0 || in.Count > 0 {
			e.Devices, e.DeviceType, e.Tags = devices, "", nil
		}
		id = e.Reservation
		return []events.Event{e}, nil
	})
	if err != nil {
		return Reservation{}, err
	}
	var out Reservation
	a.read(func(s *lab.State) {
		if r := s.Reservation(id); r != nil {
			out = viewReservation(s, who, r, now)
		}
	})
	return out, nil
}

// checkReservation refuses what no reservation can be, with the field.
func checkReservation(in ReservationRequest, now time.Time) error {
	bad := func(field, format string, args ...any) error {
		return &Error{Code: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case len(in.Devices) == 0 && in.DeviceType == "":
		return bad("devices", "devices is missing: name devices, or a device_type")
	case len(in.Devices) > 0 && in.DeviceType != "":
		return bad("device_type", "name devices or a device_type, not both")
	case len(in.Devices) > 0 && (len(in.Tags) > 0 || in.Count != 0):
		return bad("tags", "tags and count choose among a device_type; these devices have names")
	case in.Count < 0 || in.Count > 10_000:
		return bad("count", "count is %d; allowed are 1 to 10000, or 0 for all", in.Count)
	case in.User != "" && in.Group != "":
		return bad("group", "a user holds it or a group, not both")
	case in.Until.IsZero():
		return bad("until", "until is missing: a reservation has an end")
	case !in.Until.After(in.From):
		return bad("until", "until, %s, is not after from, %s", in.Until.Format(time.RFC3339), in.From.Format(time.RFC3339))
	case !in.Until.After(now):
		return bad("until", "until, %s, is past", in.Until.Format(time.RFC3339))
	case in.Until.Sub(in.From) > time.Duration(maxSeconds)*time.Second:
		return bad("until", "until is more than ten years after from")
	}
	return nil
}

// toReserve returns the devices that a request is about, or why it cannot have them.
func toReserve(s *lab.State, who caller, in ReservationRequest, now time.Time) ([]events.DeviceName, error) {
	// The policy's groups, since it is scheduling that asks who holds a device.
	if in.Group != "" && !slices.ContainsFunc(s.Policy().Groups, func(g events.GroupUsers) bool { return g.Group == in.Group }) {
		return nil, refuse(NotFound, "there is no group %s: groups and their users stand in the policy (`strata policy show`)", in.Group)
	}
	var devices []*lab.Device
	if in.DeviceType != "" {
		typ := s.Resolve(in.DeviceType)
		if err := allow(s, who, lab.Change, events.DeviceType, string(typ)); err != nil {
			return nil, err
		}
		for d := range s.Devices() {
			if d.Type == typ && d.Health != events.Retired && d.HasTags(in.Tags) {
				devices = append(devices, d)
			}
		}
		if len(devices) == 0 {
			return nil, refuse(NotFound, "there is no device of type %s%s", in.DeviceType, withTags(in.Tags))
		}
	}
	for _, name := range in.Devices {
		if err := allow(s, who, lab.Change, events.Device, string(name)); err != nil {
			return nil, err
		}
		d := s.Device(name)
		switch {
		case d == nil:
			return nil, refuse(NotFound, "there is no device %s", name)
		case slices.Contains(devices, d):
			return nil, &Error{Code: Invalid, Field: "devices", Message: fmt.Sprintf("device %s is named twice", name)}
		}
		devices = append(devices, d)
	}
	return chosen(s, in, devices, now)
}

// chosen takes as many of the devices as a request wants, of which nobody else has reserved any for
// that time. Devices that are well come first, then those with the fewest tags.
// Devices are chosen once, here: one that breaks later is not replaced by another.
func chosen(s *lab.State, in ReservationRequest, devices []*lab.Device, now time.Time) (names []events.DeviceName, err error) {
	slices.SortStableFunc(devices, func(a, b *lab.Device) int {
		well := func(d *lab.Device) int {
			if d.Health == events.Good || d.Health == events.Unknown {
				return 0
			}
			return 1
		}
		// Those with the fewest tags last longest for others: whoever needs a tag needs just those.
		if in.Count == 0 || well(a) != well(b) {
			return well(a) - well(b)
		}
		return len(a.Tags) - len(b.Tags)
	})
	for _, d := range devices {
		other := overlapping(s, in, d, now)
		switch {
		case other == nil:
			names = append(names, d.Name)
		// All are wanted, so one that is taken is one too many.
		case in.Count == 0:
			return nil, refuse(Conflict, "device %s is %s from %s until %s (reservation %d)", d.Name, heldBy(other),
				other.From.Format(time.RFC3339), other.Until.Format(time.RFC3339), other.Reservation)
		}
		if in.Count > 0 && len(names) == in.Count {
			break
		}
	}
	if len(names) < in.Count {
		return nil, refuse(Conflict, "%d devices of type %s%s are not reserved by others for that time, %d are wanted",
			len(names), in.DeviceType, withTags(in.Tags), in.Count)
	}
	slices.Sort(names)
	return names, nil
}

// overlapping is a reservation by another holder that a device has in the wanted time, nil for none.
// The holder's own do not count: they may be made longer by another one.
func overlapping(s *lab.State, in ReservationRequest, d *lab.Device, now time.Time) *lab.Reservation {
	for _, r := range s.ReservationsOf(d, now) {
		// Both ends are open: one may begin as the other ends. Of the same holder they may overlap.
		if r.From.Before(in.Until) && in.From.Before(r.Until) && (r.User != in.User || r.Group != in.Group) {
			return r
		}
	}
	return nil
}

// heldBy says whose a reservation is.
func heldBy(r *lab.Reservation) string {
	switch {
	case r.User != "":
		return "reserved by " + string(r.User)
	case r.Group != "":
		return "reserved by group " + string(r.Group)
	}
	return "in a maintenance window"
}

func withTags(tags []events.TagName) string {
	if len(tags) == 0 {
		return ""
	}
	words := make([]string, len(tags))
	for i, t := range tags {
		words[i] = string(t)
	}
	return " with " + strings.Join(words, ", ")
}

// endReservation ends one before its time: its holder may, and whoever may change its devices.
// It ends at this moment, also one that has not begun. One that is over is [NotFound].
func (a *api) endReservation(ctx context.Context, who caller, in ReservationRequest) (none, error) {
	now := a.now()
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		r := s.Reservation(in.Reservation)
		if r == nil || !now.Before(r.Until) {
			return nil, refuse(NotFound, "there is no reservation %d, or it is over", in.Reservation)
		}
		if !s.Holds(who.user, r) || !lab.Covers(who.scopes, lab.Change, events.Reservation) {
			if err := mayChangeAll(s, who, r); err != nil {
				return nil, err
			}
		}
		return []events.Event{events.ReservationEnded{Reservation: r.Reservation, Reason: in.Reason, By: who.user}}, nil
	})
}

// mayChangeAll refuses who may not change all that a reservation covers.
// A reservation of a type is for who may change the type, whatever devices it has now.
func mayChangeAll(s *lab.State, who caller, r *lab.Reservation) error {
	if len(r.Devices) == 0 {
		return allow(s, who, lab.Change, events.DeviceType, string(r.DeviceType))
	}
	for _, d := range r.Devices {
		if err := allow(s, who, lab.Change, events.Device, string(d)); err != nil {
			return err
		}
	}
	return nil
}
