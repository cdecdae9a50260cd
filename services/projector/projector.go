// Package projector is the service that keeps ClickHouse behind the log: it runs package projections
// on the lab's streams, and tells how far behind they are.
//
// It reads LAB, RESULTS and OUTPUT and writes tables; it appends nothing, so nobody waits for it.
// While ClickHouse is away it waits too, and catches up alone. Where it stands is kept in ClickHouse
// beside the rows: a database that is dropped is filled again from the log's beginning.
//
// One projector writes at a time. A second one takes over from the first, which then stands by and
// takes over again when nothing is projected any more; either may be killed at any moment without a
// row lost or doubled.
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
	Log       *stream.Log      // reads only
	DSN       string           // of ClickHouse, as [projections.Open] takes it; "" is none, and the service idles
	Now       func() time.Time // nil times nothing, and nothing ages
	Logger    *slog.Logger
	Retention projections.Retention // what leaves the tables
	Metrics   *Metrics              // told what is done; may be nil
	Age       time.Duration         // how long a fact may wait for others; 0 is 100 ms
	// StandBy is how long the streams may wait before a projector that another has taken over from
	// takes for granted that the other is gone; 0 is a minute.
	StandBy time.Duration
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
	p := projections.NewProjector(projections.Settings{DB: db, Log: d.Log, Logger: d.Logger, Now: d.Now, Age: d.Age, Retention: d.Retention})
	if d.Metrics != nil {
		d.Metrics.watch(p)
	}
	for {
		err = p.Run(ctx)
		if !errors.Is(err, projections.ErrSuperseded) {
			break
		}
		// To claim the streams back at once would make two processes take turns for ever. The newer
		// one is the one that was wanted, as in a rolling update.
		d.Logger.Warn("another projector has taken over, this one stands by", "err", err)
		if err := standBy(ctx, d, db); err != nil {
			return nil // an orderly stop
		}
		d.Logger.Warn("nobody projects, this one takes over again")
	}
	if err != nil {
		return fmt.Errorf("project the log: %w", err)
	}
	return nil
}

// standBy returns nil once something has waited in a stream for d.StandBy while its tables stood
// still, and the error of ctx when that ends first.
func standBy(ctx context.Context, d Deps, db *projections.DB) error {
	patience := d.StandBy
	if patience == 0 {
		patience = time.Minute
	}
	const looks = 6
	tick := time.NewTicker(patience / looks)
	defer tick.Stop()
	stood := map[string]uint64{}
	rebuilt := uint64(0)
	still := map[string]int{} // looks at which a stream's tables stood where they had stood before
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		rebuild, err := db.Rebuilding(ctx)
		if err != nil || rebuild != rebuilt {
			clear(still)
		}
		rebuilt = rebuild
		for _, name := range []string{stream.Lab, stream.Results, stream.Output} {
			at, err := db.Position(ctx, name)
			last, lastErr := d.Log.Last(ctx, name)
			if err != nil || lastErr != nil || at >= last || at != stood[name] {
				still[name] = 0 // ClickHouse or the broker is away, or it is projected
			} else if still[name]++; still[name] >= looks {
				return nil
			}
			stood[name] = at
		}
	}
}
