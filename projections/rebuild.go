package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// A rebuild fills the database <name>_next beside <name>. To swap, <name> is renamed to
// <name>_old and <name>_next to <name>; positions lie in the databases, so they move with the rows
// that they speak of. A process that dies between the two leaves no <name>, and the next Migrate
// finishes the swap.
func nextName(database string) string { return database + "_next" }
func oldName(database string) string  { return database + "_old" }

// Rebuild makes all tables anew from the log, beside those in use, and swaps them in once they have
// caught up. Readers see the old tables until then; for the moment of the swap, a few milliseconds,
// they get [ErrAway]. It may be called while Run runs in this process, or where no projector runs.
func (p *Projector) Rebuild(ctx context.Context) error {
	return p.rebuild(ctx, p.hold)
}

// rebuild does so; hold stops whoever fills the old tables.
func (p *Projector) rebuild(ctx context.Context, hold func(context.Context) (release func(), err error)) error {
	server, err := p.s.DB.in("default")
	if err != nil {
		return err
	}
	defer server.Close()
	if err := p.s.DB.Migrate(ctx); err != nil && !errors.Is(err, ErrOutdated) {
		return err
	}
	name := p.s.DB.database
	for _, left := range []string{nextName(name), oldName(name)} { // of a rebuild that was given up
		if err := server.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quoteName(left)+" SYNC"); err != nil {
			return fmt.Errorf("rebuild: %w", err)
		}
	}
	next, err := p.s.DB.in(nextName(name))
	if err != nil {
		return err
	}
	defer next.Close()
	if err := next.Migrate(ctx); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	if err := p.fill(ctx, next); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	// The rest is little: the live tables stand still while the new ones catch up with them.
	release, err := hold(ctx)
	if err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	defer release()
	if err := p.fill(ctx, next); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	if err := errors.Join(
		server.exec(ctx, "RENAME DATABASE "+quoteName(name)+" TO "+quoteName(oldName(name))),
		p.s.DB.finishSwap(ctx, server),
	); err != nil {
		return fmt.Errorf("rebuild: swap: %w", err)
	}
	if err := p.s.DB.Migrate(ctx); err != nil { // the views still name the other database
		return fmt.Errorf("rebuild: %w", err)
	}
	if err := server.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quoteName(oldName(name))+" SYNC"); err != nil {
		return fmt.Errorf("rebuild: drop the old tables: %w", err)
	}
	return nil
}

// fill projects everything that is in the log now into db.
func (p *Projector) fill(ctx context.Context, db *DB) error {
	claim, err := claimTables(ctx, db)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, name := range projected() {
		running.Go(func() {
			last, err := p.s.Log.Last(ctx, name)
			if err == nil && last > 0 {
				f := follower{p: p, db: db, claim: claim, stream: name, counts: new(Counts), until: last}
				err = f.follow(ctx)
			}
			if err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// finishSwap gives the new tables their name, where the old ones have given it up.
func (db *DB) finishSwap(ctx context.Context, server *DB) error {
	type found struct {
		Name string `ch:"name"`
	}
	there, err := all[found](ctx, server, "SELECT name FROM system.databases WHERE name IN ({live:String}, {next:String}, {old:String})",
		clickhouse.Named("live", db.database), clickhouse.Named("next", nextName(db.database)), clickhouse.Named("old", oldName(db.database)))
	if err != nil {
		return err
	}
	is := map[string]bool{}
	for _, f := range there {
		is[f.Name] = true
	}
	if is[db.database] || !is[nextName(db.database)] || !is[oldName(db.database)] {
		return nil
	}
	return server.exec(ctx, "RENAME DATABASE "+quoteName(nextName(db.database))+" TO "+quoteName(db.database))
}
