package projections

import (
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Every view has the columns of what lies beneath, each with its meaning, and every question that the
// page asks has an answer.
func TestPublished(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	name := publishedName(db.database)
	views, err := db.describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := db.describe(t.Context(), db.database)
	if err != nil {
		t.Fatal(err)
	}
	if len(views) != len(published()) {
		t.Errorf("%d views; want %d", len(views), len(published()))
	}
	for _, v := range published() {
		if views[v.name] == nil {
			t.Errorf("no view %s", v.name)
			continue
		}
		same := slices.EqualFunc(views[v.name].columns, tables[v.name].columns, func(a, b describedColumn) bool {
			return a.Name == b.Name && a.Type == b.Type && a.Comment == b.Comment && a.Comment != ""
		})
		if !same {
			t.Errorf("view %s has\n%v\nwhat lies beneath has\n%v", v.name, views[v.name].columns, tables[v.name].columns)
		}
		if v.job != "" && !slices.ContainsFunc(views[v.name].columns, func(c describedColumn) bool { return c.Name == v.job && c.Type == "UInt64" }) {
			t.Errorf("view %s has no column %s that names the job", v.name, v.job)
		}
		for _, q := range v.asks {
			if !strings.Contains(q.sql, "FROM "+Published+"."+v.name) {
				t.Errorf("%s: the question %q is not about it", v.name, q.words)
			}
			statement := strings.ReplaceAll(q.sql, Published+".", quoteName(name)+".")
			if _, err := db.SQL(t.Context(), statement, Limits{}); err != nil {
				t.Errorf("%s: %s\n%s\n%v", v.name, q.words, q.sql, err)
			}
		}
	}
}

// Tables that are being built beside those in use have no views.
func TestPublishedOnlyInUse(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	next, err := db.in(nextName(db.database))
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	type found struct {
		Name string `ch:"name"`
	}
	there, err := all[found](t.Context(), db, "SELECT name FROM system.databases WHERE startsWith(name, {name:String})", clickhouse.Named("name", db.database))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range there {
		if d.Name == publishedName(nextName(db.database)) {
			t.Errorf("tables that are being built have views: %s", d.Name)
		}
	}
}
