package projections

import (
	"time"

	"strata/events"
)

// workerRow is a row of worker_state: what one fact knows of a worker.
type workerRow struct {
	Worker     string           `ch:"worker"`
	Seq        uint64           `ch:"seq"`
	Registered workerRegistered `ch:"registered"`
	Removed    removedAt        `ch:"removed"`
	Settings   workerSettings   `ch:"settings"`
	Health     workerHealth     `ch:"health"`
	State      workerState      `ch:"state"`
	Version    latestString     `ch:"version"`
}

// Groups of columns of a worker that change together.
type (
	workerRegistered struct {
		Seq uint64    `ch:"seq"`
		At  time.Time `ch:"at"`
		By  string    `ch:"by"`
	}
	workerSettings struct {
		Seq         uint64 `ch:"seq"`
		Description string `ch:"description"`
		JobLimit    uint32 `ch:"job_limit"`
	}
	workerHealth struct {
		Seq    uint64 `ch:"seq"`
		Value  string `ch:"value"`
		Reason string `ch:"reason"`
		By     string `ch:"by"`
	}
	workerState struct {
		Seq    uint64    `ch:"seq"`
		Value  string    `ch:"value"`
		Reason string    `ch:"reason"`
		At     time.Time `ch:"at"`
	}
)

// workerRows says what a fact tells of a worker as it stands.
func workerRows(f fact) []workerRow {
	if f.Event == nil || f.Event.About().Kind != events.Worker {
		return nil
	}
	never := utc(time.Time{})
	r := workerRow{
		Worker: f.Event.About().ID, Seq: f.Seq,
		Registered: workerRegistered{At: never}, Removed: removedAt{At: never}, State: workerState{At: never},
	}
	switch e := f.Event.(type) {
	case events.WorkerRegistered:
		r.Registered = workerRegistered{f.Seq, utc(f.Time), string(e.By)}
		r.Settings = workerSettings{f.Seq, e.Description, 0}
		r.Health = workerHealth{f.Seq, string(events.WorkerActive), "", string(e.By)}
		r.State = workerState{f.Seq, "Offline", "registered", utc(f.Time)}
		r.Version = latestString{f.Seq, ""}
	case events.WorkerConfigured:
		r.Settings = workerSettings{f.Seq, e.Description, uint32(e.JobLimit)}
	case events.WorkerHealthSet:
		r.Health = workerHealth{f.Seq, string(e.Health), e.Reason, string(e.By)}
	case events.WorkerRemoved:
		r.Removed = removedAt{f.Seq, utc(f.Time)}
	case events.WorkerWentOnline:
		r.State = workerState{f.Seq, "Online", "", utc(e.At)}
		r.Version = latestString{f.Seq, e.Version}
	case events.WorkerWentOffline:
		r.State = workerState{f.Seq, "Offline", e.Reason, utc(e.At)}
	default:
		return nil
	}
	return []workerRow{r}
}
