package events

import (
	"strconv"
	"time"
)

// ReservationID is a reservation's number, from 1.
type ReservationID uint64

// ReservationMade records that devices are set aside for a time. Jobs of the holder run on them; a
// job of somebody else starts only if its job timeout ends before. Health checks count as somebody
// else's. Without a holder it is a maintenance window: nothing runs. Written by services/api.
type ReservationMade struct {
	Reservation ReservationID  `json:"reservation"`
	Devices     []DeviceName   `json:"devices,omitempty"`     // these; or
	DeviceType  DeviceTypeName `json:"device_type,omitempty"` // all devices of the type
	Tags        []TagName      `json:"tags,omitempty"`        // that carry all of these, as they come and go
	User        UserName       `json:"user,omitempty"`        // who holds it; or
	Group       GroupName      `json:"group,omitempty"`       // whose users hold it
	From        time.Time      `json:"from"`
	Until       time.Time      `json:"until"` // after From
	Reason      string         `json:"reason,omitempty"`
	By          UserName       `json:"by"`
}

// ReservationEnded records that a reservation ended before its time, or will not begin. Written by
// services/api.
type ReservationEnded struct {
	Reservation ReservationID `json:"reservation"`
	Reason      string        `json:"reason,omitempty"`
	By          UserName      `json:"by"`
}

// String returns the number in decimal, as it stands in subjects.
func (r ReservationID) String() string { return strconv.FormatUint(uint64(r), 10) }

func (e ReservationMade) About() Entity  { return aboutReservation(e.Reservation) }
func (e ReservationEnded) About() Entity { return aboutReservation(e.Reservation) }

func aboutReservation(r ReservationID) Entity { return Entity{Reservation, r.String()} }
