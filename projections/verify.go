package projections

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Verification is what [Projector.Verify] found.
type Verification struct {
	Tables  []TableCheck      `json:"tables"`
	Streams map[string]uint64 `json:"streams"` // sequence up to which the tables were compared with the log
}

// TableCheck compares one table with what the log makes of it.
type TableCheck struct {
	Table    string   `json:"table"`
	Rows     uint64   `json:"rows"`              // of the table
	Log      uint64   `json:"log"`               // rows that the log makes
	Checksum string   `json:"checksum"`          // over all rows, whatever their order; hex
	Extra    []string `json:"extra,omitempty"`   // rows that the log does not make, some of them
	Missing  []string `json:"missing,omitempty"` // and rows that only the log makes
}

// Equal tells whether the table is what the log makes of it.
func (c TableCheck) Equal() bool { return len(c.Extra) == 0 && len(c.Missing) == 0 && c.Rows == c.Log }

// verifyTime bounds one question of a verification; a table may have 10⁹ rows.
const verifyTime = time.Hour

// shown is how many differing rows are told of a table.
const shown = 3

// Verify makes all tables anew beside those in use and compares them, row by row. For the comparison itself it
// claims the tables in use and brings them up to the log's end; a projector in another process stands by
// meanwhile, and takes over again within a minute. The error is [ErrSuperseded] where somebody took them
// over before the end. What rules of retention took out is left out on both sides. It is for a process in which [Projector.Run] does not run.
func (p *Projector) Verify(ctx context.Context) (v Verification, err error) {
	live := p.s.DB
	if err := live.Migrate(ctx); err != nil {
		return v, err
	}
	server, err := live.in("default")
	if err != nil {
		return v, err
	}
	defer server.Close()
	name := live.database + "_verify"
	drop := func(ctx context.Context) error {
		return server.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quoteName(name)+" SYNC")
	}
	if err := drop(ctx); err != nil {
		return v, fmt.Errorf("verify: %w", away(err))
	}
	defer func() { err = errors.Join(err, drop(context.WithoutCancel(ctx))) }()
	scratch, err := live.in(name)
	if err != nil {
		return v, err
	}
	defer scratch.Close()
	if err := scratch.Migrate(ctx); err != nil {
		return v, fmt.Errorf("verify: %w", err)
	}
	if err := p.fill(ctx, scratch, nil); err != nil { // most of it, while the tables in use go on
		return v, fmt.Errorf("verify: %w", err)
	}
	v.Streams = map[string]uint64{}
	for _, name := range projected() {
		if v.Streams[name], err = p.s.Log.Last(ctx, name); err != nil {
			return v, fmt.Errorf("verify: %w", err)
		}
	}
	claim, err := claimTables(ctx, live)
	if err != nil {
		return v, fmt.Errorf("verify: %w", err)
	}
	if err := p.fillTo(ctx, live, claim, v.Streams); err != nil {
		return v, fmt.Errorf("verify: bring the tables up to the log: %w", err)
	}
	own, err := claimTables(ctx, scratch)
	if err != nil {
		return v, fmt.Errorf("verify: %w", err)
	}
	if err := p.fillTo(ctx, scratch, own, v.Streams); err != nil {
		return v, fmt.Errorf("verify: %w", err)
	}
	for _, err := range []error{live.eraseAged(ctx), scratch.takeAged(ctx, live), live.eraseTemplates(ctx), scratch.eraseTemplates(ctx)} {
		if err != nil {
			return v, fmt.Errorf("verify: %w", err)
		}
	}
	if v.Tables, err = compareTables(ctx, live, scratch); err != nil {
		return v, fmt.Errorf("verify: %w", err)
	}
	if err := claim.held(ctx); err != nil {
		return v, fmt.Errorf("verify: the tables went on before they were compared: %w", err)
	}
	return v, nil
}

// comparedTable is a table as a comparison asks for it.
type comparedTable struct {
	Name   string `ch:"name"`
	Engine string `ch:"engine"`
	Key    string `ch:"sorting_key"`
}

// from returns what stands behind FROM: merged as readers see it.
func (t comparedTable) from(db *DB) string {
	final := ""
	if t.Engine == "AggregatingMergeTree" || t.Engine == "ReplacingMergeTree" {
		final = " FINAL"
	}
	return quoteName(db.database) + "." + quoteName(t.Name) + final
}

// compareTables compares every table that facts and lines fill.
func compareTables(ctx context.Context, live, made *DB) ([]TableCheck, error) {
	tables, err := all[comparedTable](ctx, live, `SELECT name, engine, sorting_key FROM system.tables
		WHERE database = {database:String} AND engine LIKE '%MergeTree' AND name NOT LIKE 'projector%' AND name != 'migrations' ORDER BY name`,
		clickhouse.Named("database", live.database))
	if err != nil {
		return nil, err
	}
	var checks []TableCheck
	for _, t := range tables {
		if isAging(t.Name) {
			continue
		}
		c, err := compareTable(ctx, t, live, made)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", t.Name, err)
		}
		checks = append(checks, c)
	}
	return checks, nil
}

// bucket is a part of a table, by a hash of its sorting key.
type bucket struct {
	Bucket uint16 `ch:"bucket"`
	Rows   uint64 `ch:"rows"`
	Hash   uint64 `ch:"hash"`
}

// compareTable sums hashes of rows by buckets, and looks for rows only in those that differ: a table may not
// fit into memory.
func compareTable(ctx context.Context, t comparedTable, live, made *DB) (TableCheck, error) {
	c := TableCheck{Table: t.Name}
	place := "toUInt16(cityHash64(" + t.Key + ") % 4096)"
	sums := func(db *DB) (map[uint16]bucket, uint64, uint64, error) {
		list, err := patiently[bucket](ctx, db, "SELECT "+place+" AS bucket, count() AS rows, sum(sipHash64(toString(tuple(*)))) AS hash FROM "+t.from(db)+" GROUP BY bucket")
		by, rows, hash := map[uint16]bucket{}, uint64(0), uint64(0)
		for _, b := range list {
			by[b.Bucket], rows, hash = b, rows+b.Rows, hash+b.Hash
		}
		return by, rows, hash, err
	}
	is, rows, hash, err := sums(live)
	if err != nil {
		return c, err
	}
	want, log, _, err := sums(made)
	if err != nil {
		return c, err
	}
	c.Rows, c.Log, c.Checksum = rows, log, fmt.Sprintf("%016x", hash)
	differ := map[uint16]bool{}
	for b := range is {
		differ[b] = is[b] != want[b]
	}
	for b := range want {
		differ[b] = is[b] != want[b]
	}
	var places []uint16
	for b, is := range differ {
		if is {
			places = append(places, b)
		}
	}
	if len(places) == 0 {
		return c, nil
	}
	sort.Slice(places, func(i, j int) bool { return places[i] < places[j] })
	places = places[:min(len(places), 16)]
	only := func(in, notIn *DB) ([]string, error) {
		type row struct {
			Row string `ch:"row"`
		}
		side := func(db *DB) string {
			return "SELECT toString(tuple(*)) AS row FROM " + t.from(db) + " WHERE " + place + " IN {places:Array(UInt16)}"
		}
		list, err := patiently[row](ctx, live, fmt.Sprintf("SELECT row FROM (%s EXCEPT %s) ORDER BY row LIMIT %d", side(in), side(notIn), shown), clickhouse.Named("places", places))
		var rows []string
		for _, r := range list {
			rows = append(rows, r.Row)
		}
		return rows, err
	}
	if c.Extra, err = only(live, made); err != nil {
		return c, err
	}
	c.Missing, err = only(made, live)
	return c, err
}

// patiently is all for a question that may take long.
func patiently[R any](ctx context.Context, db *DB, question string, values ...any) ([]R, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTime)
	defer cancel()
	rows, err := db.conn.Query(ctx, question, values...)
	if err != nil {
		return nil, away(err)
	}
	var list []R
	for rows.Next() {
		var r R
		if err := rows.ScanStruct(&r); err != nil {
			return nil, errors.Join(away(err), rows.Close())
		}
		list = append(list, r)
	}
	return list, away(errors.Join(rows.Err(), rows.Close()))
}

// TableSize is how much a table holds.
type TableSize struct {
	Table string `ch:"table" json:"table"`
	Rows  uint64 `ch:"rows" json:"rows"`
	Bytes uint64 `ch:"bytes" json:"bytes"` // on disk, compressed
}

// Sizes returns the size of every table that holds rows.
func (db *DB) Sizes(ctx context.Context) ([]TableSize, error) {
	return all[TableSize](ctx, db, `SELECT name AS table, ifNull(total_rows, 0) AS rows, ifNull(total_bytes, 0) AS bytes FROM system.tables
		WHERE database = {database:String} AND engine LIKE '%MergeTree' ORDER BY name`, clickhouse.Named("database", db.database))
}
