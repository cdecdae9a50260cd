package projections

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/projections/sql"
)

// migration is one file of sql/.
type migration struct {
	name string // such as "0010_events"
	text string
	view bool // made anew at each start: it holds no rows
}

// migrations returns the files in the order of their numbers.
func migrations() ([]migration, error) {
	entries, err := fs.ReadDir(sql.Files, ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	var list []migration
	for _, e := range entries { // ReadDir sorts by name
		text, err := fs.ReadFile(sql.Files, e.Name())
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		list = append(list, migration{
			name: strings.TrimSuffix(e.Name(), ".sql"), text: string(text),
			view: strings.Contains(string(text), "CREATE OR REPLACE VIEW"),
		})
	}
	return list, nil
}

// SchemaDigest returns a digest of the files that tables are made with, hex: equal digests, equal tables.
// Views are not in it, as each start makes them anew.
func SchemaDigest() string {
	files, err := migrations()
	if err != nil {
		panic(err) // the files are in the binary
	}
	sum := sha256.New()
	for _, f := range files {
		if !f.view {
			fmt.Fprintf(sum, "%s %d\n%s", f.name, len(f.text), f.text)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// ErrOutdated reports tables that another release made, from other files in sql/. They are rebuilt, not
// patched; [Projector.Run] does so by itself.
var ErrOutdated = errors.New("the tables are of another release")

// Migrate makes the database and the tables that are not there yet, and the views anew. It goes
// forward only: a table whose file differs from the one it was made with gives [ErrOutdated]. It may be
// called at each start, by several processes.
func (db *DB) Migrate(ctx context.Context) error {
	server, err := db.in("default")
	if err != nil {
		return err
	}
	defer server.Close()
	if err := db.finishSwap(ctx, server); err != nil {
		return fmt.Errorf("migrate: finish a rebuild: %w", err)
	}
	if err := server.conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoteName(db.database)); err != nil {
		return fmt.Errorf("make database %s: %w", db.database, away(err))
	}
	const record = `CREATE TABLE IF NOT EXISTS migrations (name String COMMENT 'file in sql/; 0010_events',
		sha256 String COMMENT 'digest of its text, hex', at DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when it was applied')
		ENGINE = ReplacingMergeTree ORDER BY name COMMENT 'Which files of sql/ were applied.'`
	if err := db.conn.Exec(ctx, record); err != nil {
		return fmt.Errorf("migrate: %w", away(err))
	}
	applied := map[string]string{}
	type mark struct {
		Name   string `ch:"name"`
		SHA256 string `ch:"sha256"`
	}
	marks, err := all[mark](ctx, db, "SELECT name, sha256 FROM migrations ORDER BY at")
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, m := range marks {
		applied[m.Name] = m.SHA256
	}
	files, err := migrations()
	if err != nil {
		return err
	}
	for _, f := range files {
		sum := sha256.Sum256([]byte(f.text))
		digest := hex.EncodeToString(sum[:])
		switch was := applied[f.name]; {
		case f.view:
		case was == digest:
			continue
		case was != "":
			return fmt.Errorf("migrate: %w: database %s was made with another sql/%s.sql", ErrOutdated, db.database, f.name)
		}
		if err := db.conn.Exec(ctx, f.text); err != nil {
			return fmt.Errorf("migrate: %s: %w", f.name, away(err))
		}
		if applied[f.name] == digest {
			continue
		}
		if err := db.conn.Exec(ctx, "INSERT INTO migrations (name, sha256) VALUES ({name:String}, {sha256:String})",
			clickhouse.Named("name", f.name), clickhouse.Named("sha256", digest)); err != nil {
			return fmt.Errorf("migrate: note %s: %w", f.name, away(err))
		}
	}
	if db.publishes {
		if err := db.publish(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	return nil
}

// quoteName writes s as a SQL identifier.
func quoteName(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}
