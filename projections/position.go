package projections

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ErrSuperseded reports that another process has claimed the tables: it projects now.
var ErrSuperseded = errors.New("another projector has taken over")

// claim is a projector's hold on the tables of one database.
//
// Two projectors at once would form different batches of the same messages, which no token could
// tell. So the latest one to claim the tables is their owner: it writes its claim and then reads the
// positions; one that projects writes the range and then reads the claims. Whichever comes second
// sees the other, so a range is either known to the new owner, who sends it again with the same
// token, or never inserted by the old one. There is one claim for all streams: of two projectors
// that start together, each might else take a stream from the other, and both would stand still.
type claim struct {
	db     *DB
	number uint64
	owner  string
	guard  *claim // of a rebuild: that on the tables to be replaced, which has to hold as well
}

// claimTables makes this process the one that projects into db.
func claimTables(ctx context.Context, db *DB) (*claim, error) {
	owner := rand.Text()
	for {
		highest, err := highestClaim(ctx, db)
		if err != nil {
			return nil, err
		}
		number := highest + 1
		if err := db.exec(ctx, "INSERT INTO projector_owners VALUES ({claim:UInt64}, {owner:String})",
			clickhouse.Named("claim", number), clickhouse.Named("owner", owner)); err != nil {
			return nil, fmt.Errorf("claim the tables: %w", err)
		}
		type same struct {
			Owners uint64 `ch:"owners"`
		}
		owners, err := all[same](ctx, db, "SELECT count() AS owners FROM projector_owners WHERE claim = {claim:UInt64}",
			clickhouse.Named("claim", number))
		if err != nil {
			return nil, fmt.Errorf("claim the tables: %w", err)
		}
		if owners[0].Owners == 1 {
			return &claim{db: db, number: number, owner: owner}, nil
		}
	}
}

func highestClaim(ctx context.Context, db *DB) (uint64, error) {
	highest, err := readClaim(ctx, db)
	return highest.Claim, err
}

// claimRow is the highest claim on the tables.
type claimRow struct {
	Claim uint64 `ch:"claim"`
	Owner string `ch:"owner"`
}

func readClaim(ctx context.Context, db *DB) (claimRow, error) {
	rows, err := all[claimRow](ctx, db, "SELECT max(o.claim) AS claim, argMax(o.owner, o.claim) AS owner FROM projector_owners AS o")
	if err != nil {
		return claimRow{}, fmt.Errorf("read the claims on the tables: %w", err)
	}
	return rows[0], nil
}

// held returns [ErrSuperseded] where somebody has claimed the tables since, or a rebuild has put
// others in their place.
func (c *claim) held(ctx context.Context) error {
	highest, err := readClaim(ctx, c.db)
	if err != nil {
		return err
	}
	if highest.Claim != c.number || highest.Owner != c.owner {
		return fmt.Errorf("%s: %w (claim %d, ours %d)", c.db.database, ErrSuperseded, highest.Claim, c.number)
	}
	if c.guard != nil {
		return c.guard.held(ctx)
	}
	return nil
}

// ledger notes under a claim how far the tables are with one stream.
type ledger struct {
	*claim
	stream string
	n      uint64 // of the last row written under this claim
}

// position is a row of projector_positions.
type position struct {
	First uint64 `ch:"first"`
	Last  uint64 `ch:"last"`
	Done  bool   `ch:"done"`
}

// ledger returns the ledger of a stream, and the last position that was written there; the zero
// position where none was.
func (c *claim) ledger(ctx context.Context, stream string) (*ledger, position, error) {
	l := &ledger{claim: c, stream: stream}
	rows, err := all[position](ctx, c.db, "SELECT first, last, done FROM projector_positions WHERE stream = {stream:String} ORDER BY n DESC LIMIT 1",
		clickhouse.Named("stream", stream))
	if err != nil {
		return nil, position{}, fmt.Errorf("read the position in %s: %w", stream, err)
	}
	if len(rows) == 0 {
		return l, position{Done: true}, nil
	}
	return l, rows[0], nil
}

// note writes that b is about to be inserted.
func (l *ledger) note(ctx context.Context, b *batch) error {
	if err := l.write(ctx, b, false); err != nil {
		return err
	}
	if err := l.held(ctx); err != nil {
		return fmt.Errorf("%s: %w", l.stream, err)
	}
	return nil
}

// done writes that all tables have b.
func (l *ledger) done(ctx context.Context, b *batch) error { return l.write(ctx, b, true) }

func (l *ledger) write(ctx context.Context, b *batch, done bool) error {
	err := l.db.exec(ctx, "INSERT INTO projector_positions VALUES ({stream:String}, {n:UInt64}, {first:UInt64}, {last:UInt64}, {done:Bool}, now64(6))",
		clickhouse.Named("stream", l.stream), clickhouse.Named("n", l.number<<32|(l.n+1)),
		clickhouse.Named("first", b.first), clickhouse.Named("last", b.last), clickhouse.Named("done", done))
	if err != nil {
		return fmt.Errorf("note the position in %s: %w", l.stream, err)
	}
	l.n++
	return nil
}

// exec runs a statement that gives no rows.
func (db *DB) exec(ctx context.Context, statement string, values ...any) error {
	ctx, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	return away(db.conn.Exec(ctx, statement, values...))
}

// Position returns the sequence up to which the tables have a stream.
func (db *DB) Position(ctx context.Context, stream string) (uint64, error) {
	rows, err := all[position](ctx, db, "SELECT first, last, done FROM projector_positions WHERE stream = {stream:String} ORDER BY n DESC LIMIT 1",
		clickhouse.Named("stream", stream))
	switch {
	case err != nil:
		return 0, fmt.Errorf("read the position in %s: %w", stream, err)
	case len(rows) == 0:
		return 0, nil
	case !rows[0].Done:
		return rows[0].First - 1, nil
	}
	return rows[0].Last, nil
}
