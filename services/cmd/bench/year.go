package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"strata/projections"
	"strata/projections/engine"
)

// part is a directory with a part of the generated year: its streams, its tables of results, its tables
// of logs. It lies where -year says, for a later run to find, or else in the scratch directory. Beside
// it lies a seal, once it is whole.
type part struct{ dir string }

// seal says what a whole part holds.
// The digest of the tables' files tells a kept part from one of another release.
type seal struct {
	Jobs    int     `json:"jobs"`
	Each    int     `json:"each"`             // lines or cases of a job
	Tables  string  `json:"tables,omitempty"` // digest of the files that its tables were made with
	Seconds float64 `json:"seconds"`          // that it took to fill
}

// part returns the part of a name. What a run that was cut short has left of it is removed.
func (b *bench) part(name string) (part, error) {
	base := b.year
	if base == "" {
		base = b.scratch
	}
	p := part{filepath.Join(base, name)}
	if _, err := os.Stat(p.seal()); err == nil {
		return p, nil
	}
	return p, p.empty()
}

func (p part) seal() string { return p.dir + ".json" }

// empty makes the part an empty directory.
func (p part) empty() error {
	if err := errors.Join(os.RemoveAll(p.seal()), os.RemoveAll(p.dir)); err != nil {
		return fmt.Errorf("clear a part of the year: %w", err)
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("make a part of the year: %w", err)
	}
	return nil
}

// whole reports whether the part is there, as want says, and returns its seal. A part of another size or
// of other tables is an error: to throw away what took half an hour is the owner's decision.
// The bool is false without an error only where there is none.
func (p part) whole(want seal) (seal, bool, error) {
	text, err := os.ReadFile(p.seal())
	if errors.Is(err, os.ErrNotExist) {
		return seal{}, false, nil
	}
	var s seal
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	switch {
	case err != nil:
		return s, false, fmt.Errorf("read the seal of %s: %w", p.dir, err)
	case s.Jobs != want.Jobs || s.Each != want.Each:
		return s, false, fmt.Errorf("%s has %d jobs of %d, want %d of %d: remove it and %s, or name another directory", p.dir, s.Jobs, s.Each, want.Jobs, want.Each, p.seal())
	case s.Tables != want.Tables:
		return s, false, fmt.Errorf("%s has tables of another release: remove it and %s", p.dir, p.seal())
	}
	return s, true, nil
}

// finish seals the part.
// It is the last thing that is written: without it a part counts as cut short.
func (p part) finish(s seal) error {
	text, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(p.seal(), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("seal a part of the year: %w", err)
	}
	return nil
}

// tables is an engine on a part.
type tables struct {
	db     *projections.DB
	engine *engine.Supervisor
	cancel context.CancelFunc
}

// openTables starts an engine on a part, with all tables.
func (b *bench) openTables(ctx context.Context, p part) (t *tables, err error) {
	ctx, cancel := context.WithCancel(ctx)
	t = &tables{cancel: cancel}
	t.engine, err = engine.Start(ctx, engine.Settings{Command: []string{b.strata, "clickhouse"}, Path: p.dir, Database: "strata",
		Logger: slog.New(slog.DiscardHandler), Stderr: io.Discard})
	if err != nil {
		cancel()
		return nil, err
	}
	if t.db, err = projections.Open(t.engine.DSN()); err == nil {
		err = t.db.Migrate(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// close ends the engine; the rows stay.
func (t *tables) close() (err error) {
	if t.db != nil {
		err = t.db.Close()
	}
	t.cancel()
	t.engine.Wait()
	return err
}
