package projections

import (
	"time"

	"strata/events"
)

// deviceRow is a row of device_state: what one fact knows of a device.
type deviceRow struct {
	Device     string           `ch:"device"`
	Seq        uint64           `ch:"seq"`
	Added      deviceAdded      `ch:"added"`
	Removed    removedAt        `ch:"removed"`
	Worker     latestString     `ch:"worker"`
	Health     deviceHealth     `ch:"health"`
	State      deviceState      `ch:"state"`
	Configured deviceConfigured `ch:"configured"`
	CheckAsked deviceCheck      `ch:"check_asked"`
	Versions   uint64           `ch:"versions"`
	Tags       sorted[uint64]   `ch:"tags"`
}

// Groups of columns of a device that change together.
type (
	deviceAdded struct {
		Seq         uint64    `ch:"seq"`
		At          time.Time `ch:"at"`
		DeviceType  string    `ch:"device_type"`
		Description string    `ch:"description"`
		By          string    `ch:"by"`
	}
	removedAt struct {
		Seq uint64    `ch:"seq"`
		At  time.Time `ch:"at"`
	}
	deviceHealth struct {
		Seq    uint64    `ch:"seq"`
		Value  string    `ch:"value"`
		Reason string    `ch:"reason"`
		By     string    `ch:"by"`
		At     time.Time `ch:"at"`
	}
	deviceState struct {
		Seq   uint64    `ch:"seq"`
		Value string    `ch:"value"`
		Job   uint64    `ch:"job"`
		Lease uint64    `ch:"lease"`
		At    time.Time `ch:"at"`
	}
	deviceConfigured struct {
		Seq     uint64    `ch:"seq"`
		At      time.Time `ch:"at"`
		By      string    `ch:"by"`
		Comment string    `ch:"comment"`
	}
	deviceCheck struct {
		Seq    uint64    `ch:"seq"`
		Job    uint64    `ch:"job"`
		Reason string    `ch:"reason"`
		At     time.Time `ch:"at"`
	}
)

func newDeviceRow(device events.DeviceName, seq uint64) deviceRow {
	never := utc(time.Time{})
	return deviceRow{
		Device: string(device), Seq: seq, Added: deviceAdded{At: never}, Removed: removedAt{At: never},
		Health: deviceHealth{At: never}, State: deviceState{At: never}, Configured: deviceConfigured{At: never},
		CheckAsked: deviceCheck{At: never}, Tags: sorted[uint64]{},
	}
}

// Words on a tag at a sequence: the later one is the greater number.
func tagged(seq uint64) uint64   { return 2*seq + 1 }
func untagged(seq uint64) uint64 { return 2 * seq }

// deviceRows says what a fact tells of a device as it stands.
func deviceRows(f fact) []deviceRow {
	at := utc(f.Time)
	var r deviceRow
	switch e := f.Event.(type) {
	case events.DeviceAdded:
		r = newDeviceRow(e.Device, f.Seq)
		r.Added = deviceAdded{f.Seq, at, string(e.DeviceType), e.Description, string(e.By)}
		r.Worker = latestString{f.Seq, string(e.Worker)}
		health := e.Health
		if health == "" {
			health = events.Unknown
		}
		r.Health = deviceHealth{f.Seq, string(health), "", string(e.By), at}
		r.State = deviceState{Seq: f.Seq, Value: "Idle", At: at}
		for _, t := range e.Tags {
			r.Tags[string(t)] = tagged(f.Seq)
		}
	case events.DeviceConfigured:
		r = newDeviceRow(e.Device, f.Seq)
		r.Configured, r.Versions = deviceConfigured{f.Seq, at, string(e.By), e.Comment}, 1
	case events.DeviceMoved:
		r = newDeviceRow(e.Device, f.Seq)
		r.Worker = latestString{f.Seq, string(e.Worker)}
	case events.DeviceTagged:
		r = newDeviceRow(e.Device, f.Seq)
		r.Tags[string(e.Tag)] = tagged(f.Seq)
	case events.DeviceUntagged:
		r = newDeviceRow(e.Device, f.Seq)
		r.Tags[string(e.Tag)] = untagged(f.Seq)
	case events.TagRemoved: // all devices lose it
		r = newDeviceRow("", f.Seq)
		r.Tags[string(e.Tag)] = untagged(f.Seq)
	case events.DeviceHealthSet:
		r = newDeviceRow(e.Device, f.Seq)
		r.Health = deviceHealth{f.Seq, string(e.Health), e.Reason, string(e.By), at}
	case events.DeviceHealthChanged:
		r = newDeviceRow(e.Device, f.Seq)
		r.Health = deviceHealth{f.Seq, string(e.To), e.Reason, "", at}
	case events.DeviceRemoved:
		r = newDeviceRow(e.Device, f.Seq)
		r.Removed = removedAt{f.Seq, at}
	case events.DeviceReserved:
		r = newDeviceRow(e.Device, f.Seq)
		r.State = deviceState{f.Seq, "Reserved", uint64(e.Job), uint64(e.Lease), at}
	case events.JobStarted: // about the job, but it is what makes the device Running
		if e.Device == "" {
			return nil
		}
		r = newDeviceRow(e.Device, f.Seq)
		r.State = deviceState{f.Seq, "Running", uint64(e.Job), uint64(e.Lease), at}
	case events.DeviceReleased:
		r = newDeviceRow(e.Device, f.Seq)
		r.State = deviceState{Seq: f.Seq, Value: "Idle", At: at}
	case events.HealthCheckRequested:
		r = newDeviceRow(e.Device, f.Seq)
		r.CheckAsked = deviceCheck{f.Seq, uint64(e.Job), e.Reason, at}
	default:
		return nil
	}
	return []deviceRow{r}
}

// deviceTransitionRow is a row of device_transitions: one step of a device's story.
type deviceTransitionRow struct {
	Device string    `ch:"device"`
	Seq    uint64    `ch:"seq"`
	N      uint32    `ch:"n"`
	Time   time.Time `ch:"time"`
	State  string    `ch:"state"`
	Health string    `ch:"health"`
	Event  string    `ch:"event"`
	Job    uint64    `ch:"job"`
	Worker string    `ch:"worker"`
	Reason string    `ch:"reason"`
	Actor  string    `ch:"actor"`
}

// deviceTransitionRows tells every fact about a device, and the start of a job on it.
func deviceTransitionRows(f fact) []deviceTransitionRow {
	if f.Event == nil {
		return nil
	}
	r := deviceTransitionRow{Seq: f.Seq, Time: utc(f.Time), Event: events.Name(f.Event), Actor: string(f.Actor)}
	switch about := f.Event.About(); about.Kind {
	case events.Device:
		r.Device = about.ID
	case events.Job:
		if start, ok := f.Event.(events.JobStarted); !ok || start.Device == "" {
			return nil
		}
	default:
		return nil
	}
	switch e := f.Event.(type) {
	case events.DeviceAdded:
		r.State, r.Health, r.Worker = "Idle", string(e.Health), string(e.Worker)
		if r.Health == "" {
			r.Health = string(events.Unknown)
		}
	case events.DeviceConfigured:
		r.Reason = e.Comment
	case events.DeviceMoved:
		r.Worker = string(e.Worker)
	case events.DeviceTagged:
		r.Reason = "tag " + string(e.Tag)
	case events.DeviceUntagged:
		r.Reason = "tag " + string(e.Tag)
	case events.DeviceHealthSet:
		r.Health, r.Reason = string(e.Health), e.Reason
	case events.DeviceHealthChanged:
		r.Health, r.Reason, r.Job = string(e.To), e.Reason, uint64(e.Job)
	case events.DeviceRemoved:
		r.Reason = e.Reason
	case events.DeviceReserved:
		r.State, r.Job = "Reserved", uint64(e.Job)
	case events.JobStarted:
		r.Device, r.State, r.Job, r.Worker = string(e.Device), "Running", uint64(e.Job), string(e.Worker)
	case events.DeviceReleased:
		r.State, r.Job = "Idle", uint64(e.Job)
	case events.HealthCheckRequested:
		r.Job, r.Reason = uint64(e.Job), e.Reason
	}
	return []deviceTransitionRow{r}
}
