// Package enginetest gives tests a real ClickHouse: one engine in the test process, started by
// TestMain, and a database of its own for each test.
//
//	var clickhouse enginetest.Engine
//
//	func TestMain(m *testing.M) { os.Exit(clickhouse.Run(m)) }
//
//	func TestRows(t *testing.T) {
//		dsn := clickhouse.Database(t)
//		…
//	}
//
// Where STRATA_CLICKHOUSE_DSN names a server, that is used instead. Where neither a server nor the
// library is there, tests that need one skip and say so; with STRATA_REQUIRE_CLICKHOUSE=1, as in
// CI, they fail.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/projections/engine"
)

// Engine is the engine of one test binary.
type Engine struct {
	Access engine.Access // what visitors may read; set before Run

	dsn     *url.URL // without database
	missing error    // why there is none
	count   atomic.Uint64
}

// Run starts the engine, runs the tests and stops it. It returns what os.Exit takes.
func (e *Engine) Run(m *testing.M) int {
	if given := os.Getenv("STRATA_CLICKHOUSE_DSN"); given != "" {
		e.dsn, e.missing = url.Parse(given)
		return m.Run()
	}
	if _, err := engine.Library(); err != nil {
		e.missing = err
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "strata-engine-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "enginetest:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- engine.Serve(ctx, engine.Options{
			Path: dir, Listen: "127.0.0.1:0", Access: e.Access, Ready: func(address string) { ready <- address },
		})
	}()
	select {
	case address := <-ready:
		e.dsn = &url.URL{Scheme: "http", User: url.User("default"), Host: address}
	case err := <-ended:
		fmt.Fprintln(os.Stderr, "enginetest:", err)
		return 1
	}
	code := m.Run()
	stop()
	if err := <-ended; err != nil {
		fmt.Fprintln(os.Stderr, "enginetest:", err)
		return 1
	}
	return code
}

// Database makes a database for t and returns a DSN that names it. It goes with the test.
func (e *Engine) Database(t testing.TB) string {
	t.Helper()
	if e.dsn == nil {
		if os.Getenv("STRATA_REQUIRE_CLICKHOUSE") == "1" {
			t.Fatal("STRATA_REQUIRE_CLICKHOUSE=1, and:", e.missing)
		}
		t.Skip("SKIPPED for want of ClickHouse:", e.missing)
	}
	name := fmt.Sprintf("test_%d_%d_%s", os.Getpid(), e.count.Add(1), strings.Map(plain, t.Name()))
	if len(name) > 80 {
		name = name[:80]
	}
	base := *e.dsn
	base.Path = "/default"
	e.exec(t, base.String(), "CREATE DATABASE `"+name+"`")
	t.Cleanup(func() { e.drop(t, base.String(), name) })
	own := *e.dsn
	own.Path = "/" + name
	values := own.Query()
	values.Set("async_insert", "0")
	own.RawQuery = values.Encode()
	return own.String()
}

// drop removes a database. A statement that the test has given up may still be making a table in
// it, which the engine answers with "try again".
func (e *Engine) drop(t testing.TB, dsn, name string) {
	t.Helper()
	var err error
	for range 50 {
		err = e.try(t, dsn, "DROP DATABASE IF EXISTS `"+name+"` SYNC")
		if said := (*clickhouse.Exception)(nil); !errors.As(err, &said) || said.Code != databaseNotEmpty {
			break
		}
	}
	if err != nil {
		t.Fatalf("drop database %s: %v", name, err)
	}
}

// databaseNotEmpty is ClickHouse's code for a table that appears while its database is dropped.
const databaseNotEmpty = 219

func (e *Engine) exec(t testing.TB, dsn, statement string) {
	t.Helper()
	if err := e.try(t, dsn, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// try runs a statement on a connection of its own.
func (e *Engine) try(t testing.TB, dsn, statement string) error {
	t.Helper()
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("parse DSN: %v", err)
	}
	db, err := clickhouse.Open(options)
	if err != nil {
		t.Fatalf("open ClickHouse: %v", err)
	}
	err = db.Exec(context.WithoutCancel(t.Context()), statement)
	return errors.Join(err, db.Close())
}

// plain keeps what needs no quoting in a name.
func plain(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '_'
}
