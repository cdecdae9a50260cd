package projections

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ErrSuperseded reports that another process has claimed a stream: it projects now.
var ErrSuperseded = errors.New("another projector has taken over")

// ledger is a projector's hold on one stream in one database, and how far the tables are.
//
// Two projectors at once would form different batches of the same messages, which no token could
// tell. So the latest one to claim the stream is its owner: it writes its claim and then reads the
// position; one that projects writes the range and then reads the claims. Whichever comes second
// sees the other, so a range is either known to the new owner, who sends it again with the same
// token, or never inserted by the old one.
type ledger struct {
	db     *DB
	stream string
	owner  string
	claim  uint64
	n      uint64 // of the last row written under this claim
}

// position is a row of projector_positions.
type position struct {
	First uint64 `ch:"first"`
	Last  uint64 `ch:"last"`
	Done  bool   `ch:"done"`
}

// claimStream makes this process the one that projects a stream into db, and returns the last
// position that was written there; the zero position where none was.
func claimStream(ctx context.Context, db *DB, stream string) (*ledger, position, error) {
	l := &ledger{db: db, stream: stream, owner: rand.Text()}
	for {
		highest, err := l.highestClaim(ctx)
		if err != nil {
			return nil, position{}, err
		}
		l.claim = highest + 1
		if err := db.exec(ctx, "INSERT INTO projector_owners VALUES ({stream:String}, {claim:UInt64}, {owner:String})",
			clickhouse.Named("stream", stream), clickhouse.Named("claim", l.claim), clickhouse.Named("owner", l.owner)); err != nil {
			return nil, position{}, fmt.Errorf("claim %s: %w", stream, err)
		}
		type same struct {
			Owners uint64 `ch:"owners"`
		}
		owners, err := all[same](ctx, db, "SELECT count() AS owners FROM projector_owners WHERE stream = {stream:String} AND claim = {claim:UInt64}",
			clickhouse.Named("stream", stream), clickhouse.Named("claim", l.claim))
		if err != nil {
			return nil, position{}, fmt.Errorf("claim %s: %w", stream, err)
		}
		if owners[0].Owners == 1 {
			break
		}
	}
	rows, err := all[position](ctx, db, "SELECT first, last, done FROM projector_positions WHERE stream = {stream:String} ORDER BY n DESC LIMIT 1",
		clickhouse.Named("stream", stream))
	if err != nil {
		return nil, position{}, fmt.Errorf("read the position in %s: %w", stream, err)
	}
	if len(rows) == 0 {
		return l, position{Done: true}, nil
	}
	return l, rows[0], nil
}

func (l *ledger) highestClaim(ctx context.Context) (uint64, error) {
	type highest struct {
		Claim uint64 `ch:"claim"`
	}
	rows, err := all[highest](ctx, l.db, "SELECT max(claim) AS claim FROM projector_owners WHERE stream = {stream:String}",
		clickhouse.Named("stream", l.stream))
	if err != nil {
		return 0, fmt.Errorf("read the claims on %s: %w", l.stream, err)
	}
	return rows[0].Claim, nil
}

// note writes that b is about to be inserted.
func (l *ledger) note(ctx context.Context, b *batch) error {
	if err := l.write(ctx, b, false); err != nil {
		return err
	}
	highest, err := l.highestClaim(ctx)
	if err != nil {
		return err
	}
	if highest != l.claim {
		return fmt.Errorf("%s: %w (claim %d, ours %d)", l.stream, ErrSuperseded, highest, l.claim)
	}
	return nil
}

// done writes that all tables have b.
func (l *ledger) done(ctx context.Context, b *batch) error { return l.write(ctx, b, true) }

func (l *ledger) write(ctx context.Context, b *batch, done bool) error {
	err := l.db.exec(ctx, "INSERT INTO projector_positions VALUES ({stream:String}, {n:UInt64}, {first:UInt64}, {last:UInt64}, {done:Bool}, now64(6))",
		clickhouse.Named("stream", l.stream), clickhouse.Named("n", l.claim<<32|(l.n+1)),
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
