package projections

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// A rebuild fills the database <name>_next_<claim> beside <name>, under a claim on <name>: of two
// processes that rebuild, the later one supersedes the other, and neither writes into the other's
// tables. What is filled is renamed to <name>_next. To swap, <name> is renamed to <name>_old and
// <name>_next to <name>; positions lie in the databases, so they move with the rows
// that they speak of. A process that dies between the two leaves no <name>, and the next Migrate
// finishes the swap.
func nextName(database string) string { return database + "_next" }
func oldName(database string) string  { return database + "_old" }

// Rebuild makes all tables anew from the log, beside those in use, and swaps them in once they have
// caught up. Readers see the old tables until then; for the moment of the swap, a few milliseconds,
// they get [ErrAway]. It may be called while Run runs in this process, or where no projector runs.
func (p *Projector) Rebuild(ctx context.Context) error {
	return p.rebuild(ctx, p.claim.Load(), p.hold)
}

// rebuild does so under a claim on the tables in use, nil: a new one; hold stops whoever fills these.
func (p *Projector) rebuild(ctx context.Context, guard *claim, hold func(context.Context) (release func(), err error)) error {
	if err := p.s.DB.Migrate(ctx); err != nil && !errors.Is(err, ErrOutdated) {
		return err
	}
	if guard == nil {
		var err error
		if guard, err = claimTables(ctx, p.s.DB); err != nil {
			return fmt.Errorf("rebuild: %w", err)
		}
	}
	err := p.rebuildUnder(ctx, guard, hold)
	// Whatever failed, it may be that our tables were dropped by who came later.
	if err != nil {
		if lost := guard.held(ctx); errors.Is(lost, ErrSuperseded) {
			return fmt.Errorf("rebuild: %w", lost)
		}
	}
	return err
}

func (p *Projector) rebuildUnder(ctx context.Context, guard *claim, hold func(context.Context) (release func(), err error)) error {
	server, err := p.s.DB.in("default")
	if err != nil {
		return err
	}
	defer server.Close()
	name := p.s.DB.database
	if err := p.dropLeft(ctx, server, guard.number); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	building := buildingName(name, guard.number)
	next, err := p.s.DB.in(building)
	if err != nil {
		return err
	}
	defer next.Close()
	if err := next.Migrate(ctx); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	if err := p.fill(ctx, next, guard); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	// The rest is little: the live tables stand still while the new ones catch up with them.
	release, err := hold(ctx)
	if err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	defer release()
	if err := p.fill(ctx, next, guard); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	if err := guard.held(ctx); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	for _, rename := range []string{
		"RENAME DATABASE " + quoteName(building) + " TO " + quoteName(nextName(name)),
		"RENAME DATABASE " + quoteName(name) + " TO " + quoteName(oldName(name)),
	} {
		if err := server.exec(ctx, rename); err != nil {
			return fmt.Errorf("rebuild: swap: %w", err)
		}
	}
	if err := p.s.DB.finishSwap(ctx, server); err != nil {
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

// buildingName is the database that a rebuild under a claim fills.
func buildingName(database string, claim uint64) string {
	return fmt.Sprintf("%s_%d", nextName(database), claim)
}

// dropLeft drops what rebuilds left that were given up: those under claims up to ours, for a later
// one is still under way.
func (p *Projector) dropLeft(ctx context.Context, server *DB, upTo uint64) error {
	type found struct {
		Name string `ch:"name"`
	}
	next := nextName(p.s.DB.database)
	there, err := all[found](ctx, server, "SELECT name FROM system.databases WHERE startsWith(name, {next:String})",
		clickhouse.Named("next", next+"_"))
	if err != nil {
		return err
	}
	left := []string{next, oldName(p.s.DB.database)}
	for _, f := range there {
		if n, err := strconv.ParseUint(strings.TrimPrefix(f.Name, next+"_"), 10, 64); err == nil && n <= upTo {
			left = append(left, f.Name)
		}
	}
	for _, l := range left {
		if err := server.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quoteName(l)+" SYNC"); err != nil {
			return err
		}
	}
	return nil
}

// fill projects everything that is in the log now into db, for as long as guard holds.
func (p *Projector) fill(ctx context.Context, db *DB, guard *claim) error {
	claim, err := claimTables(ctx, db)
	if err != nil {
		return err
	}
	claim.guard = guard
	until := map[string]uint64{}
	for _, name := range projected() {
		if until[name], err = p.s.Log.Last(ctx, name); err != nil {
			return err
		}
	}
	return p.fillTo(ctx, db, claim, until)
}

// fillTo projects the log up to a sequence of each stream into db, for as long as claim holds.
func (p *Projector) fillTo(ctx context.Context, db *DB, claim *claim, until map[string]uint64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, name := range projected() {
		if until[name] == 0 {
			continue
		}
		running.Go(func() {
			f := follower{p: p, db: db, claim: claim, stream: name, counts: new(Counts), until: until[name]}
			if err := f.follow(ctx); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	// Once for all: what was removed has its rows from a stream that is read beside that of the removal.
	return db.erase(ctx)
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

// Rebuilding returns a number that changes while another process rebuilds the tables, whose
// positions stand still meanwhile; 0 where none does.
func (db *DB) Rebuilding(ctx context.Context) (uint64, error) {
	type notes struct {
		Rows uint64 `ch:"notes"`
	}
	rows, err := all[notes](ctx, db, `SELECT sum(ifNull(total_rows, 0)) AS notes FROM system.tables
		WHERE name = 'projector_positions' AND startsWith(database, {next:String})`, clickhouse.Named("next", nextName(db.database)))
	if err != nil {
		return 0, fmt.Errorf("look for a rebuild: %w", err)
	}
	return rows[0].Rows, nil
}
