package lab

import (
	"time"

	"strata/events"
)

// Hold says that a person has a device in hand. The device is Reserved then, without a job.
type Hold struct {
	By    events.UserName   `json:"by"`
	Use   events.HandsUse   `json:"use"`
	Since time.Time         `json:"since"`
	Until time.Time         `json:"until"`
	On    events.WorkerName `json:"worker"`
}

// HoldLease is the lease for the next hold of a device: above all that the device has had, and below
// those that will be decided after the hold's end.
func (s *State) HoldLease(d *Device) events.Lease {
	return events.Lease(max(s.through, d.Seq))
}

// Hands says whether a user may switch a device's power and use its console: who may change the device,
// and who has it reserved now.
func (s *State) Hands(user events.UserName, d *Device, now time.Time) bool {
	return s.Can(user, Change, events.Entity{Kind: events.Device, ID: string(d.Name)}) || user != "" && s.Holder(user, d, now) != nil
}

// afterHands folds the beginning, the going on and the end of a hold.
func (d Device) afterHands(seq uint64, at time.Time, e events.Event) (Device, bool) {
	switch e := e.(type) {
	case events.DeviceHeld:
		since, use := at, e.Use
		switch {
		case d.Hold != nil && d.Lease == e.Lease: // goes on, whatever else is done under it
			since, use = d.Hold.Since, d.Hold.Use
		case d.State != DeviceIdle || e.Lease <= d.Lease:
			return d, false
		}
		d.State, d.Lease = DeviceReserved, e.Lease
		d.Hold = &Hold{By: e.By, Use: use, Since: since, Until: e.Until, On: e.Worker}
	case events.DeviceLetGo:
		if d.Hold == nil || d.Lease != e.Lease {
			return d, false
		}
		d.State, d.Hold, d.IdleSince, d.DueSeq = DeviceIdle, nil, at, seq
	}
	return d, true
}
