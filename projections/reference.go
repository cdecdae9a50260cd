package projections

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

//go:generate go test -run TestReferenceIsCurrent -update .

// WriteReference writes the page of all tables and views: what each column means, from the comments
// in sql/ as the engine has them. It is how docs/tables.md is made.
func (db *DB) WriteReference(ctx context.Context, w io.Writer) error {
	type table struct {
		Name    string `ch:"name"`
		Comment string `ch:"comment"`
		Key     string `ch:"key"`
		Parts   string `ch:"parts"`
		View    bool   `ch:"is_view"`
	}
	tables, err := all[table](ctx, db, `SELECT name, comment, sorting_key AS key, partition_key AS parts,
			toBool(engine = 'View') AS is_view FROM system.tables WHERE database = {database:String} ORDER BY name`,
		clickhouse.Named("database", db.database))
	if err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	type column struct {
		Table   string `ch:"table"`
		Name    string `ch:"name"`
		Type    string `ch:"type"`
		Comment string `ch:"comment"`
	}
	list, err := all[column](ctx, db, "SELECT table, name, type, comment FROM system.columns WHERE database = {database:String} ORDER BY table, position",
		clickhouse.Named("database", db.database))
	if err != nil {
		return fmt.Errorf("list the columns: %w", err)
	}
	byTable := map[string][]column{}
	for _, c := range list {
		byTable[c.Table] = append(byTable[c.Table], c)
	}
	var b strings.Builder
	b.WriteString("# Tables\n\nGenerated from the comments in `projections/sql`; change it there, then run\n" +
		"`go test ./projections -run TestReference -update`. Times are UTC. Ask them with `strata sql`.\n\n" +
		"Tables named `_state` and `_counts` are storage, whose rows the engine puts together; read the views.\n")
	for _, t := range tables {
		kind := "Table"
		if t.View {
			kind = "View"
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s. %s\n", t.Name, kind, t.Comment)
		if t.Key != "" {
			fmt.Fprintf(&b, "Sorted by `%s`", t.Key)
			if t.Parts != "" {
				fmt.Fprintf(&b, ", partitions by `%s`", t.Parts)
			}
			b.WriteString(".\n")
		}
		b.WriteString("\n| column | type | meaning |\n|---|---|---|\n")
		for _, c := range byTable[t.Name] {
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", c.Name, c.Type, strings.ReplaceAll(c.Comment, "|", `\|`))
		}
	}
	_, err = io.WriteString(w, b.String())
	return err
}
