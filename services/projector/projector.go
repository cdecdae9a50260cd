// Package projector is the service that keeps ClickHouse behind the log: it runs package projections
// on the lab's streams, and tells how far behind they are.
//
// It reads LAB, RESULTS and OUTPUT and writes tables; it appends nothing, so nobody waits for it.
// While ClickHouse is away it waits too, and catches up alone. Where it stands is kept in ClickHouse
// beside the rows: a database that is dropped is filled again from the log's beginning.
//
// One projector writes at a time. A second one takes over from the first, which then stands still;
// either may be killed at any moment without a row lost or doubled.
package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"strata/events/stream"
	"strata/projections"
)

// Deps is what the projector needs from outside.
type Deps struct {
	Log     *stream.Log // reads only
	DSN     string      // of ClickHouse, as [projections.Open] takes it; "" is none, and the service idles
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics      // told what is done; may be nil
	Age     time.Duration // how long a fact may wait for others; 0 is 100 ms
}

// Run projects until ctx ends. It returns nil on an orderly stop. An error says what a person has to
// repair, such as tables that belong to another log.
func Run(ctx context.Context, d Deps) error {
	if d.DSN == "" {
		d.Logger.Info("no ClickHouse is configured, nothing is projected")
		<-ctx.Done()
		return nil
	}
	db, err := projections.Open(d.DSN)
	if err != nil {
		return err
	}
	defer db.Close()
	p := projections.NewProjector(projections.Settings{DB: db, Log: d.Log, Logger: d.Logger, Now: d.Now, Age: d.Age})
	if d.Metrics != nil {
		d.Metrics.watch(p)
	}
	err = p.Run(ctx)
	if errors.Is(err, projections.ErrSuperseded) {
		// To claim the streams back would make two processes take turns for ever. The newer one is
		// the one that was wanted, as in a rolling update.
		d.Logger.Warn("another projector has taken over, this one stands still", "err", err)
		<-ctx.Done()
		return nil
	}
	if err != nil {
		return fmt.Errorf("project the log: %w", err)
	}
	return nil
}
