package lab

import (
	"fmt"
	"math"
	"time"

	"strata/events"
)

// This file holds the rules of device health: what a job's end, the time and a worker say of a
// device. They are those of LAVA with one difference: what a person set (Maintenance, Retired,
// Looping, Bad) is never undone by the end of a job.

// Takes says what a device of type t (nil: unknown) may be given now: users' jobs, health checks.
// It looks at the device alone, not at its worker.
func Takes(d *Device, t *DeviceType, now time.Time) (jobs, checks bool) {
	if d.State != DeviceIdle || d.Version == 0 || !t.Shown() || !mayCheck(d.Health) {
		return false, false
	}
	if d.Health == events.Looping || d.Check.Job != 0 {
		return false, true
	}
	_, due := CheckDue(d, t, now)
	return !due || d.waitsForFirst(), true
}

// mayCheck says that a device of that health gets health checks.
func mayCheck(h events.DeviceHealth) bool {
	return h == events.Good || h == events.Unknown || h == events.Looping
}

// CheckDue says whether a device needs its health check now, and why. It is asked while the device
// is idle, or about to be. A device whose type has no health check never needs one.
func CheckDue(d *Device, t *DeviceType, now time.Time) (reason string, due bool) {
	if !t.Checks() || !mayCheck(d.Health) {
		return "", false
	}
	switch {
	case d.Health != events.Good:
		return "health is " + string(d.Health), true
	case !d.checked():
		return "never checked", true
	case t.HealthDenominator == events.Jobs && d.JobsSince >= t.HealthFrequency:
		return fmt.Sprintf("%d jobs since the last check", d.JobsSince), true
	case t.HealthDenominator != events.Jobs && now.After(NextCheck(d, t)):
		return fmt.Sprintf("%d h since the last check", t.HealthFrequency), true
	case d.Check.Due:
		return "due since the last job", true
	}
	return "", false
}

// NextCheck is the time after which the hours of a device's health check are over; zero where it
// does not hang on the time.
func NextCheck(d *Device, t *DeviceType) time.Time {
	if !t.Checks() || d.Health != events.Good || !d.checked() || t.HealthDenominator == events.Jobs {
		return time.Time{}
	}
	// LAVA takes any number of hours, and people write a great one for never: it must not wrap into the past.
	return d.LastCheckAt.Add(time.Duration(min(t.HealthFrequency, int(math.MaxInt64/time.Hour))) * time.Hour)
}

// checked says that the device has had a health check, here or in the lab that it was imported from.
func (d *Device) checked() bool { return d.LastCheck != 0 || !d.LastCheckAt.IsZero() }

// waitsForFirst says that a device, Good in the lab that it came from, waits for its turn to be checked here:
// it goes on taking jobs, as it did there.
func (d *Device) waitsForFirst() bool {
	return d.FirstCheck > 0 && d.Health == events.Good && !d.Check.Due && d.Check.Job == 0
}

// HoldsFirst says whether the first check of an imported device has to wait, because as many of them are
// under way as may be at once. pending is their number; see [Device.FirstPending].
func (d *Device) HoldsFirst(pending int) bool { return d.FirstCheck > 0 && pending >= d.FirstCheck }

// FirstPending says that the device's first check since its import has been asked for and is not over.
func (d *Device) FirstPending() bool {
	return d.FirstCheck > 0 && (d.Check.Job != 0 || d.Check.Due || d.Checking)
}

// AfterJob says what the end of job j means for the health of the device that it ran on. Where said
// is true it is to be recorded, with that reason, even if the health stays the same: LAVA logs it.
func AfterJob(d *Device, j *Job) (to events.DeviceHealth, reason string, said bool) {
	switch d.Health {
	case events.Maintenance, events.Retired:
		return d.Health, "", false
	}
	if j.HealthCheck {
		return afterCheck(d, j)
	}
	// A person set Looping; Bad stands until a check or a person says otherwise.
	if d.Health != events.Good && d.Health != events.Unknown {
		return d.Health, "", false
	}
	if !LabsFault(j.End.ErrorType) {
		return d.Health, "", false
	}
	reason = fmt.Sprintf("Infrastructure error after [%d]", j.ID)
	if d.FaultsInRow > 1 {
		reason += fmt.Sprintf(", %d in a row", d.FaultsInRow)
	}
	return events.Unknown, reason, true
}

func afterCheck(d *Device, j *Job) (to events.DeviceHealth, reason string, said bool) {
	if d.Health == events.Looping {
		if j.End.Health == events.Incomplete {
			return events.Looping, "Looping " + checkReason(j.ID, "failed"), true
		}
		return events.Looping, "", false
	}
	switch j.End.Health {
	case events.Complete:
		return events.Good, checkReason(j.ID, "completed"), true
	case events.Canceled:
		return events.Bad, checkReason(j.ID, "canceled"), true
	}
	return events.Bad, checkReason(j.ID, "failed"), true
}

// checkReason says how a health check ended, in LAVA's words.
func checkReason(id events.JobID, how string) string {
	return fmt.Sprintf("health-check [%d] %s", id, how)
}

// Cascade says what the last change of its worker's health means for a device. It holds until the
// device's health has been set or confirmed after that change, so asking again is safe.
func Cascade(w *Worker, d *Device) (to events.DeviceHealth, reason string, follows bool) {
	if w == nil || d.Worker != w.Name {
		return "", "", false
	}
	after := func(seq uint64) bool { return seq > d.HealthSeq && seq > d.WorkerSeq }
	switch {
	case after(w.RetiredSeq) && d.Health != events.Bad && d.Health != events.Retired:
		return events.Retired, "worker going retired", true
	case after(w.ActivatedSeq) && d.Health == events.Good:
		return events.Unknown, "worker going active", true
	}
	return "", "", false
}
