package projections

import (
	"testing"
)

func openTest(t testing.TB) *DB {
	t.Helper()
	db, err := Open(engine.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestMigrateTwice(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}
