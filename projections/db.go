package projections

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ErrAway reports that ClickHouse does not answer: history is away, the lab goes on without it.
var ErrAway = errors.New("history is away: ClickHouse does not answer")

// questionTime bounds every question but raw SQL, which has its own limits.
const questionTime = 10 * time.Second

// DB asks questions of the tables. It may be used by many goroutines, and may be opened while
// ClickHouse is away.
type DB struct {
	conn      driver.Conn
	options   clickhouse.Options
	database  string
	publishes bool // makes the views for analysts: false beside the tables in use
}

// Open takes a DSN of clickhouse-go, such as http://default@127.0.0.1:8123/strata. The database in
// it, strata where there is none, holds the tables; [DB.Migrate] makes both. It does not connect yet.
func Open(dsn string) (*DB, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("parse the ClickHouse DSN: %w", err)
	}
	switch u.Scheme {
	case "http", "https", "clickhouse", "tcp":
	default:
		return nil, fmt.Errorf("parse the ClickHouse DSN: scheme %q; want http, https, clickhouse or tcp, as in http://user@host:8123/strata", u.Scheme)
	}
	if u.Host == "" {
		return nil, fmt.Errorf("parse the ClickHouse DSN: no host in it; want http://user@host:8123/strata")
	}
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("parse the ClickHouse DSN: %w", err)
	}
	if options.Auth.Database == "" || options.Auth.Database == "default" {
		options.Auth.Database = "strata"
	}
	if options.Settings == nil {
		options.Settings = clickhouse.Settings{}
	}
	// Since 26.2 inserts are asynchronous by default; tokens and reading what was written need them
	// to be done when they return.
	options.Settings["async_insert"] = 0
	// Answers come in full precision and NULLs stay NULLs in joins.
	options.Settings["join_use_nulls"] = 1
	options.Settings[viewerSetting] = everybody // the lab's own questions name their viewer
	options.DialTimeout = 2 * time.Second
	options.MaxOpenConns, options.MaxIdleConns = 16, 8
	db, err := open(*options)
	if err == nil {
		db.publishes = true
	}
	return db, err
}

func open(options clickhouse.Options) (*DB, error) {
	own := options // the driver keeps and changes what it is given
	conn, err := clickhouse.Open(&own)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	return &DB{conn: conn, options: options, database: options.Auth.Database}, nil
}

// in returns a DB on another database of the same server.
func (db *DB) in(database string) (*DB, error) {
	options := db.options
	options.Auth.Database = database
	return open(options)
}

// Close closes the connections.
func (db *DB) Close() error { return db.conn.Close() }

// Ping returns nil where ClickHouse answers, else [ErrAway] and why.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var one uint8
	return away(db.conn.QueryRow(ctx, "SELECT 1").Scan(&one))
}

// away wraps err in ErrAway where it says that the server cannot be reached, rather than that it
// did not like the question. A database that is not there counts: it is being made or swapped.
func away(err error) error {
	if err == nil || errors.Is(err, ErrAway) {
		return err
	}
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		if exception.Code == codeUnknownDatabase || exception.Code == codeUnknownTable {
			return fmt.Errorf("%w (its tables are not there yet): %w", ErrAway, err)
		}
		return err
	}
	var network net.Error
	var op *net.OpError
	switch {
	case errors.As(err, &op), errors.As(err, &network), errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, clickhouse.ErrAcquireConnTimeout),
		strings.Contains(err.Error(), "transport connection broken"): // net/http has no type for it
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}

// Codes of ClickHouse's exceptions (src/Common/ErrorCodes.cpp).
const (
	codeUnknownTable    = 60
	codeUnknownDatabase = 81
	codeUnknownUser     = 192
	codeAccessDenied    = 497
)

// ask runs a question and hands each row to scan. Values in it are bound by name, as {name:Type}.
func (db *DB) ask(ctx context.Context, question string, scan func(driver.Rows) error, values ...any) error {
	ctx, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	rows, err := db.conn.Query(ctx, question, values...)
	if err != nil {
		return away(err)
	}
	for rows.Next() {
		if err := scan(rows); err != nil {
			return errors.Join(away(err), rows.Close())
		}
	}
	return away(errors.Join(rows.Err(), rows.Close()))
}

// all collects the rows of a question in structs whose ch tags name its columns.
func all[R any](ctx context.Context, db *DB, question string, values ...any) ([]R, error) {
	var list []R
	err := db.ask(ctx, question, func(rows driver.Rows) error {
		var r R
		if err := rows.ScanStruct(&r); err != nil {
			return err
		}
		list = append(list, r)
		return nil
	}, values...)
	return list, err
}
