package projections

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

//go:generate go test -run TestReferenceIsCurrent -update .

// WriteReference writes the page of all views and tables: what each column means, from the comments
// in sql/ as the engine has them, and what people ask. It is how docs/tables.md is made.
func (db *DB) WriteReference(ctx context.Context, w io.Writer) error {
	tables, err := db.describe(ctx, db.database)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(`# Tables

Generated from the comments in ` + "`projections/sql`" + ` and the questions in ` + "`projections/published.go`" + `; change it there,
then run ` + "`go test ./projections -run TestReference -update`" + `. Times are UTC. Ask them with ` + "`strata sql`" + `.

The views of the database ` + "`results`" + ` are for analysts, Grafana and scripts: they keep their names and
columns, and new columns come last. A database called otherwise than strata, in a server that several
labs share, has its views in ` + "`<database>_results`" + `. Everything follows the log within a second.

A view whose rows are about jobs shows each caller those of jobs that they may see: [sql-door.md](sql-door.md).

Rows of jobs that ended long ago may have left by the lab's rules of retention: ` + "`results.aged`" + ` tells of which jobs, and
what ([operations.md](operations.md#how-long-the-tables-keep-rows)).

## Views of results
`)
	shown := map[string]bool{}
	for _, v := range published() {
		shown[v.name] = true
		t := tables[v.name]
		fmt.Fprintf(&b, "\n### results.%s\n\n%s", v.name, t.comment)
		if t.key != "" {
			fmt.Fprintf(&b, " Conditions on `%s` are the quick ones.", t.key)
		}
		b.WriteString("\n")
		writeColumns(&b, t.columns)
		for _, q := range v.asks {
			fmt.Fprintf(&b, "\n%s\n\n```sql\n%s\n```\n", q.words, q.sql)
		}
	}
	b.WriteString("\n## Storage\n\nWhat lies beneath, for those who work on Strata. It changes from release to release. Tables named\n" +
		"`_state` and `_counts` have several rows of one thing, which the views put together.\n")
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		t := tables[name]
		if t.view {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\nSorted by `%s`", name, t.comment, t.key)
		if t.parts != "" {
			fmt.Fprintf(&b, ", partitions by `%s`", t.parts)
		}
		b.WriteString(".\n")
		if shown[name] {
			fmt.Fprintf(&b, "\nColumns: as in results.%s.\n", name)
			continue
		}
		writeColumns(&b, t.columns)
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func writeColumns(b *strings.Builder, columns []describedColumn) {
	b.WriteString("\n| column | type | meaning |\n|---|---|---|\n")
	for _, c := range columns {
		fmt.Fprintf(b, "| %s | `%s` | %s |\n", c.Name, c.Type, strings.ReplaceAll(c.Comment, "|", `\|`))
	}
}
