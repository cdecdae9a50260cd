package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"strata/events/stream"
	"strata/projections"
)

// tablesPlace says where the commands find a lab's log and tables.
type tablesPlace struct{ config, data string }

func (p *tablesPlace) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.config, "config", "", "the lab's configuration file (default: that of the local lab)")
	cmd.Flags().StringVar(&p.data, "data", "", "data directory of the lab, with its key (default: that of the local lab)")
}

// open opens the log and the tables of a running lab.
// Tables and log are opened with the rights of services, past the api: whoever can read the lab's key
// may. The caller calls the function it returns.
func (p tablesPlace) open(ctx context.Context, a *app) (*projections.DB, *stream.Log, func(), error) {
	c, err := a.labConfig(p.config, p.data)
	if err != nil {
		return nil, nil, nil, err
	}
	dsn := c.ClickHouse.DSN
	if env := a.env("STRATA_CLICKHOUSE_DSN"); env != "" {
		dsn = env
	}
	if dsn == "" {
		if dsn, err = a.engineDSN(); err != nil {
			return nil, nil, nil, err
		}
	}
	db, err := projections.Open(dsn)
	if err != nil {
		return nil, nil, nil, err
	}
	log, done, err := a.serviceLog(ctx, c)
	if err != nil {
		return nil, nil, nil, errors.Join(err, db.Close())
	}
	return db, log, func() { done(); _ = db.Close() }, nil
}

// engineDSN returns the address of the engine that the local lab runs.
// No configuration names it: the running lab has noted it where [app.local] looks.
func (a *app) engineDSN() (string, error) {
	r, err := a.local()
	if err != nil {
		return "", err
	}
	if r.Engine == "" {
		return "", errors.New("this lab has no ClickHouse of its own; name the server in clickhouse.dsn or STRATA_CLICKHOUSE_DSN")
	}
	return r.Engine, nil
}

func (a *app) projectionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "projections",
		Short: "Look after the tables in ClickHouse",
		Long: `The tables are made of the log and nothing else, so they can be compared with it, and made anew. These commands
are for the lab's own machine: they read its key.`,
		Example: "  strata projections status\n  strata projections verify",
	}
	cmd.AddCommand(a.projectionsStatusCommand(), a.projectionsVerifyCommand(), a.projectionsRebuildCommand())
	return cmd
}

// tablesStatus is how the tables stand.
// What --json prints. A lag is last less tables, in messages.
type tablesStatus struct {
	Streams    []tablesLag             `json:"streams"`
	Tables     []projections.TableSize `json:"tables"`
	Rebuilding bool                    `json:"rebuilding,omitempty"`
}

// tablesLag is how far the tables are with a stream.
type tablesLag struct {
	Stream string `json:"stream"`
	Last   uint64 `json:"last"` // sequence that the stream ends with
	Tables uint64 `json:"tables"`
}

// The status is 0 however far the tables are behind.
func (a *app) projectionsStatusCommand() *cobra.Command {
	var place tablesPlace
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show how far the tables are, and how large",
		Long:    `Show up to which sequence of each stream the tables are, and how many rows and bytes each of them has.`,
		Example: "  strata projections status\n  strata projections status --json | jq '.streams[] | .last - .tables'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			db, log, done, err := place.open(ctx, a)
			if err != nil {
				return err
			}
			defer done()
			var out tablesStatus
			for _, name := range []string{stream.Lab, stream.Results, stream.Output} {
				lag := tablesLag{Stream: name}
				if lag.Last, err = log.Last(ctx, name); err != nil {
					return err
				}
				if lag.Tables, err = db.Position(ctx, name); err != nil {
					return err
				}
				out.Streams = append(out.Streams, lag)
			}
			rebuild, err := db.Rebuilding(ctx)
			if err != nil {
				return err
			}
			out.Rebuilding = rebuild > 0
			if out.Tables, err = db.Sizes(ctx); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(out)
			}
			return a.printTablesStatus(out)
		},
	}
	place.flags(cmd)
	return cmd
}

func (a *app) printTablesStatus(out tablesStatus) error {
	var rows [][]string
	for _, s := range out.Streams {
		rows = append(rows, []string{s.Stream, fmt.Sprint(s.Tables), fmt.Sprint(s.Last)})
	}
	err := a.table([]string{"STREAM", "TABLES", "LOG"}, rows)
	rows = nil
	for _, t := range out.Tables {
		rows = append(rows, []string{t.Table, fmt.Sprint(t.Rows), fmt.Sprint(t.Bytes)})
	}
	fmt.Fprintln(a.out)
	err = errors.Join(err, a.table([]string{"TABLE", "ROWS", "BYTES"}, rows))
	if out.Rebuilding {
		fmt.Fprintln(a.out, "the tables are being made anew beside these")
	}
	return err
}

// Its status is for scripts: 0 only where every table is as the log makes it. --json prints one
// projections.Verification in either case.
func (a *app) projectionsVerifyCommand() *cobra.Command {
	var place tablesPlace
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the tables with the log",
		Long: `Make all tables anew beside those in use and compare them row by row: one that was altered, added or lost is
found and shown, and the status is 1. It takes the time of a rebuild and, for as long, the space. For the
comparison itself the tables stand still; they go on within a minute.`,
		Example: "  strata projections verify\n  strata projections verify --json | jq '.tables[] | select(.rows != .log)'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, log, done, err := place.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			defer done()
			v, err := projections.NewProjector(projections.Settings{DB: db, Log: log}).Verify(cmd.Context())
			if err != nil {
				return err
			}
			bad := 0
			for _, t := range v.Tables {
				if !t.Equal() {
					bad++
				}
			}
			if a.json {
				err = a.printJSON(v)
			} else {
				err = a.printVerification(v, bad)
			}
			if bad > 0 {
				return errors.Join(err, errQuiet)
			}
			return err
		},
	}
	place.flags(cmd)
	return cmd
}

// Rows that differ are shown as far as the comparison keeps them; the counts and checksums are of all.
func (a *app) printVerification(v projections.Verification, bad int) error {
	var rows [][]string
	for _, t := range v.Tables {
		verdict := "as the log"
		if !t.Equal() {
			verdict = a.paint(a.out, red, "differs")
		}
		rows = append(rows, []string{t.Table, fmt.Sprint(t.Rows), fmt.Sprint(t.Log), t.Checksum, verdict})
	}
	err := a.table([]string{"TABLE", "ROWS", "OF THE LOG", "CHECKSUM", ""}, rows)
	for _, t := range v.Tables {
		for _, r := range t.Extra {
			fmt.Fprintf(a.out, "%s: the log does not make the row %s\n", t.Table, r)
		}
		for _, r := range t.Missing {
			fmt.Fprintf(a.out, "%s: the row is missing %s\n", t.Table, r)
		}
	}
	if bad > 0 {
		fmt.Fprintf(a.out, "%d tables differ: `strata projections rebuild` makes them anew\n", bad)
	}
	return err
}

// Interrupted, it leaves the tables in use as they were.
func (a *app) projectionsRebuildCommand() *cobra.Command {
	var place tablesPlace
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Make the tables anew from the archive and the log",
		Long: `Make all tables anew beside those in use, and swap them in once they have caught up. Readers see the old ones until
then. The projector of the lab stands by meanwhile, and goes on within a minute of the end.`,
		Example: "  strata projections rebuild",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, log, done, err := place.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			defer done()
			began := a.now()
			if err := projections.NewProjector(projections.Settings{DB: db, Log: log}).Rebuild(cmd.Context()); err != nil {
				return err
			}
			out := map[string]any{"seconds": a.now().Sub(began).Seconds()}
			if a.json {
				return a.printJSON(out)
			}
			_, err = fmt.Fprintf(a.out, "the tables were made anew in %.1f s\n", out["seconds"])
			return err
		},
	}
	place.flags(cmd)
	return cmd
}
