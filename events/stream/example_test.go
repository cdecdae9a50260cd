package stream_test

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/stream"
)

// A service folds what happened and appends what it decides, on condition that nobody was faster.
func Example() {
	var jobs []events.JobID                // finished, whose devices are to be released
	seqs := make(map[events.Entity]uint64) // of each entity's last fact
	run := func(ctx context.Context, nc *nats.Conn, now func() time.Time) error {
		log, err := stream.Open(ctx, nc, stream.Settings{
			Writer: events.HealthService,
			Now:    now,
			Logger: slog.Default(),
			Synced: stream.SyncedByMonitor("http://127.0.0.1:8222"),
		})
		if err != nil {
			return err
		}
		fold := func(r stream.Recorded) {
			seqs[r.Event.About()] = r.Seq
			switch e := r.Event.(type) {
			case events.JobFinished:
				jobs = append(jobs, e.Job)
			case events.DeviceReleased:
				jobs = jobs[1:]
			}
		}
		act := func(time.Time) (wake time.Time, err error) {
			if len(jobs) == 0 {
				return time.Time{}, nil
			}
			facts := []stream.Draft{{Event: events.DeviceReleased{Device: "qemu01", Job: jobs[0]}}}
			_, err = log.Append(ctx, facts, func(e events.Entity) uint64 { return seqs[e] })
			if errors.Is(err, stream.ErrConflict) {
				return time.Time{}, nil // the fact that won is on its way to fold
			}
			return time.Time{}, err
		}
		return log.Drive(ctx, "health", fold, act)
	}
	_ = run
}
