package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	api "github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The contract: what projections need of ClickHouse. It runs against the front, or, where
// STRATA_CLICKHOUSE_DSN names one, against a real server.

func TestContractValues(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 123456000, time.UTC)
	number := 2.5
	for _, compression := range []string{"none", "lz4", "zstd", "gzip"} {
		t.Run(compression, func(t *testing.T) {
			db := connect(t, "compress="+compression)
			mustExec(t, db, `CREATE TABLE t (a UInt64, s String, l LowCardinality(String), d DateTime64(6, 'UTC'),
				n Nullable(Float64), r Array(String), m Map(String, UInt64), u UUID, e Enum8('pass' = 0, 'fail' = 1),
				b Bool, x SimpleAggregateFunction(max, Tuple(UInt64, String))) ENGINE = MergeTree ORDER BY a`)
			batch, err := db.PrepareBatch(t.Context(), "INSERT INTO t")
			if err != nil {
				t.Fatal("prepare:", err)
			}
			want := []any{uint64(1), "tab\t'quote'\x00\n", "low", at, &number, []string{"p", "q"}, map[string]uint64{"k": 7},
				"018f3b2c-0000-7000-8000-000000000001", "fail", true, []any{uint64(3), "v"}}
			if err := errors.Join(batch.Append(want...), batch.Send()); err != nil {
				t.Fatal("insert:", err)
			}
			row := db.QueryRow(t.Context(), "SELECT a, s, l, d, n, r, m, toString(u), e, b, x.2 FROM t")
			var (
				a          uint64
				s, l, u, e string
				x          string
				d          time.Time
				n          *float64
				r          []string
				m          map[string]uint64
				b          bool
			)
			if err := row.Scan(&a, &s, &l, &d, &n, &r, &m, &u, &e, &b, &x); err != nil {
				t.Fatal("select:", err)
			}
			got := []any{a, s, l, d, n, r, m, u, e, b}
			if !reflect.DeepEqual(got, want[:len(got)]) || x != "v" {
				t.Errorf("came back\n got %v %v\nwant %v", got, x, want)
			}
		})
	}
}

func TestContractParameters(t *testing.T) {
	db := connect(t, "")
	text := "a\tb'c\\d\n{x:String}"
	ctx := driver.Context(t.Context(), driver.WithParameters(driver.Parameters{"n": "42"}))
	var n uint64
	if err := db.QueryRow(ctx, "SELECT {n:UInt64}").Scan(&n); err != nil || n != 42 {
		t.Errorf("server-side parameter = %d, %v; want 42", n, err)
	}
	var got string
	if err := db.QueryRow(t.Context(), "SELECT {s:String}", driver.Named("s", text)).Scan(&got); err != nil || got != text {
		t.Errorf("named argument = %q, %v; want %q", got, err, text)
	}
}

func TestContractSettingsDoNotLeak(t *testing.T) {
	db := connect(t, "")
	limited := driver.Context(t.Context(), driver.WithSettings(driver.Settings{"max_threads": 1, "max_result_rows": 10}))
	for range 20 {
		if err := drain(db.Query(limited, "SELECT number FROM numbers(11)")); code(err) != 396 {
			t.Fatalf("above max_result_rows: %v; want code 396", err)
		}
		if err := drain(db.Query(t.Context(), "SELECT number FROM numbers(11)")); err != nil {
			t.Fatalf("without the setting: %v", err)
		}
	}
}

func TestContractReadOnly(t *testing.T) {
	db := connect(t, "")
	mustExec(t, db, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	ctx := driver.Context(t.Context(), driver.WithSettings(driver.Settings{"readonly": 1, "max_execution_time": 5}))
	for _, statement := range []string{
		"INSERT INTO t SELECT 1", "DROP TABLE t", "SET max_execution_time = 100", "CREATE TABLE u (a UInt8) ENGINE = Memory",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
	} {
		if err := db.Exec(ctx, statement); err == nil {
			t.Errorf("readonly=1 let through: %s", statement)
		}
	}
	var n uint64
	if err := db.QueryRow(ctx, "SELECT count() FROM t").Scan(&n); err != nil || n != 0 {
		t.Errorf("count = %d, %v; want 0", n, err)
	}
}

func TestContractErrors(t *testing.T) {
	tests := []struct {
		name, query string
		code        int32
	}{
		{"unknown table", "SELECT * FROM missing", 60},
		{"syntax", "SELEC 1", 62},
		{"unknown setting", "SELECT 1 SETTINGS no_such_setting = 1", 115},
		{"in the middle of the result", "SELECT throwIf(number = 3000000) FROM numbers(10000000)", 395},
		{"too slow", "SELECT count() FROM system.numbers SETTINGS max_execution_time = 1", 159},
	}
	for _, compression := range []string{"none", "lz4"} {
		db := connect(t, "compress="+compression)
		for _, tt := range tests {
			t.Run(compression+"/"+tt.name, func(t *testing.T) {
				if err := drain(db.Query(t.Context(), tt.query)); code(err) != tt.code {
					t.Errorf("%s: %v; want code %d", tt.query, err, tt.code)
				}
			})
		}
	}
}

func TestContractLargeResult(t *testing.T) {
	db := connect(t, "compress=lz4")
	rows, err := db.Query(t.Context(), "SELECT number, toString(number) FROM numbers(300000)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	want := uint64(0)
	for rows.Next() {
		var n uint64
		var s string
		if err := rows.Scan(&n, &s); err != nil {
			t.Fatal(err)
		}
		if n != want || s != fmt.Sprint(n) {
			t.Fatalf("row %d is %d %q", want, n, s)
		}
		want++
	}
	if err := rows.Err(); err != nil || want != 300000 {
		t.Errorf("read %d rows, %v; want 300000", want, err)
	}
}

func TestContractDeduplicationTokens(t *testing.T) {
	db := connect(t, "")
	mustExec(t, db, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000")
	for _, token := range []string{"1-3", "1-3", "4-6", "1-3", "4-6"} {
		ctx := driver.Context(t.Context(), driver.WithSettings(driver.Settings{"insert_deduplication_token": token}))
		batch, err := db.PrepareBatch(ctx, "INSERT INTO t")
		if err != nil {
			t.Fatal(err)
		}
		// The same rows under both tokens: it is the token that decides.
		for i := range 3 {
			if err := batch.Append(uint64(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	var n uint64
	if err := db.QueryRow(t.Context(), "SELECT count() FROM t").Scan(&n); err != nil || n != 6 {
		t.Errorf("count = %d, %v; want 6: each token once", n, err)
	}
}

func TestContractCancel(t *testing.T) {
	db := connect(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	mark := fmt.Sprintf("mark_%d", time.Now().UnixNano())
	ended := make(chan error, 1)
	go func() {
		ended <- drain(db.Query(ctx, "SELECT count() FROM system.numbers WHERE toString(number) = '"+mark+"'"))
	}()
	running := func() (n uint64) {
		if err := db.QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE query LIKE '%"+mark+
			"%' AND query NOT LIKE '%system.processes%'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	await(t, "the statement runs", func() bool { return running() == 1 })
	cancel()
	if err := <-ended; err == nil {
		t.Error("canceled statement ended without an error")
	}
	await(t, "the statement has ended", func() bool { return running() == 0 })
}

func TestContractManyAtOnce(t *testing.T) {
	db := connect(t, "")
	var wait sync.WaitGroup
	for i := range 16 {
		wait.Go(func() {
			for j := range 20 {
				var got uint64
				want := uint64(i*1000 + j)
				if err := db.QueryRow(t.Context(), "SELECT {n:UInt64}", driver.Named("n", want)).Scan(&got); err != nil || got != want {
					t.Errorf("got %d, %v; want %d", got, err, want)
					return
				}
			}
		})
	}
	wait.Wait()
}

func TestContractSchema(t *testing.T) {
	db := connect(t, "")
	mustExec(t, db, `CREATE TABLE lines (job UInt64, line UInt64 CODEC(DoubleDelta, ZSTD(1)), message String CODEC(ZSTD(3)),
		INDEX words message TYPE text(tokenizer = splitByNonAlpha)) ENGINE = MergeTree PARTITION BY intDiv(job, 10) ORDER BY (job, line)`)
	mustExec(t, db, "INSERT INTO lines SELECT number % 25, number, if(number = 77, 'Kernel panic', 'fine') FROM numbers(100) SETTINGS materialize_skip_indexes_on_insert = 0")
	var n uint64
	if err := db.QueryRow(t.Context(), "SELECT count() FROM lines WHERE hasAllTokens(message, ['panic', 'Kernel'])").Scan(&n); err != nil || n != 1 {
		t.Errorf("search before the merge: %d, %v; want 1", n, err)
	}
	mustExec(t, db, "OPTIMIZE TABLE lines FINAL")
	if err := db.QueryRow(t.Context(), "SELECT count() FROM lines WHERE hasAllTokens(message, ['panic', 'Kernel'])").Scan(&n); err != nil || n != 1 {
		t.Errorf("search after the merge: %d, %v; want 1", n, err)
	}
	mustExec(t, db, "CREATE TABLE other AS lines")
	mustExec(t, db, "EXCHANGE TABLES lines AND other")
	if err := db.QueryRow(t.Context(), "SELECT count() FROM other").Scan(&n); err != nil || n != 100 {
		t.Errorf("after EXCHANGE: %d, %v; want 100", n, err)
	}
}

// connect opens a database of its own for t; options are added to the DSN.
func connect(t *testing.T, options string) api.Conn {
	t.Helper()
	dsn, err := url.Parse(clickhouse.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	dsn.RawQuery = strings.Trim(dsn.RawQuery+"&"+options, "&")
	parsed, err := driver.ParseDSN(dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	db, err := driver.Open(parsed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t *testing.T, db api.Conn, statement string) {
	t.Helper()
	if err := db.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// drain reads all rows and returns the error at their end.
func drain(rows api.Rows, err error) error {
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}

// code is the engine's number of err, 0 where it has none.
func code(err error) int32 {
	var exception *driver.Exception
	if errors.As(err, &exception) {
		return exception.Code
	}
	return 0
}

// await polls until done, within a deadline that only a hang exceeds.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if done() {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("waited in vain until", what)
		case <-tick.C:
		}
	}
}
