package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/events/access"
	"strata/events/stream"
	"strata/services/archive"
)

// restoration is a lab that is made anew in an empty data directory.
type restoration struct {
	data     string
	key      string // file with the lab's key; "" makes a new one
	from     string // "archive" or "backup"
	skipJobs uint64
	// archive is put where the new lab keeps its own; fill adds what no archive has; nil: nothing.
	archive func(ctx context.Context, to archive.Store) error
	fill    func(ctx context.Context, log *stream.Log) error
}

// restored is what a restore tells.
type restored struct {
	Data    string            `json:"data"`
	Streams map[string]uint64 `json:"streams"` // the sequence up to which a stream was restored
	NextJob uint64            `json:"next_job"`
	Config  string            `json:"config,omitempty"` // file with the configuration
}

func (a *app) restoreCommand() *cobra.Command {
	var r restoration
	cmd := &cobra.Command{
		Use:   "restore DIR",
		Short: "Make a lab of a backup, on an empty host",
		Long: `Make a lab of a backup that "strata backup" wrote, in a data directory that is empty or not there. Facts,
definitions, results, logs, orders, configuration, users, tokens and job numbers are as they were at the
sequences that are printed; clients, workers and tokens go on with the new lab as with the old. The tables of
ClickHouse are made again when the lab starts.

A backup that was cut short, or of which a file differs from its manifest, is refused. The lab's key lies apart
from the backup (--key). What happened after the backup is lost; --skip-jobs leaves out the numbers that jobs
may have been given since.`,
		Example: "  strata restore /mnt/backup/monday --data /srv/lab\n  strata restore monday --key monday.key --skip-jobs 500",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, store, err := archive.OpenBackup(args[0])
			if err != nil {
				return err
			}
			// The key is not in the backup, as whoever has both has the lab.
			if r.key == "" {
				r.key = keyBeside(args[0])
			}
			if err := checkKey(r.key, m.Key); err != nil {
				return err
			}
			if err := intact(cmd.Context(), store); err != nil {
				return err
			}
			r.from = "backup"
			r.archive = func(ctx context.Context, to archive.Store) error { return archive.Copy(ctx, store, to) }
			r.fill = func(ctx context.Context, log *stream.Log) error { return m.Fill(ctx, log, args[0]) }
			made, err := a.restore(cmd.Context(), r)
			if err != nil {
				return err
			}
			if m.Config != "" {
				made.Config = filepath.Join(made.Data, m.Config)
				if err := copyFile(filepath.Join(args[0], m.Config), made.Config); err != nil {
					return err
				}
			}
			return a.printRestored(made)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.data, "data", a.defaultData(), "data directory of the new lab")
	f.StringVar(&r.key, "key", "", "file with the lab's key (default: DIR.key)")
	f.Uint64Var(&r.skipJobs, "skip-jobs", 0, "job numbers to leave out, which may have been given after the backup")
	return cmd
}

func (a *app) archiveRestoreCommand() *cobra.Command {
	var r restoration
	cmd := &cobra.Command{
		Use:   "restore ARCHIVE",
		Short: "Make a lab of an archive alone",
		Long: `Make a lab of nothing but an archive's directory, in a data directory that is empty or not there. All facts,
results, definitions and logs that were archived are there as they were, under their numbers; what was in no
segment yet is lost. The archive is verified first.

Tokens hang on the lab's key, which no archive has: --key names a copy of it. Without one the lab gets a new
key, and workers have to be given new tokens. "strata backup" keeps all of this.`,
		Example: "  strata archive restore /srv/old/archive --data /srv/lab --key /safe/key",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := archive.OpenDirectory(args[0])
			if err != nil {
				return err
			}
			if err := intact(cmd.Context(), store); err != nil {
				return err
			}
			if r.key != "" {
				if err := checkKey(r.key, ""); err != nil {
					return err
				}
			}
			r.from = "archive"
			r.archive = func(ctx context.Context, to archive.Store) error { return archive.Copy(ctx, store, to) }
			made, err := a.restore(cmd.Context(), r)
			if err != nil {
				return err
			}
			return a.printRestored(made)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.data, "data", a.defaultData(), "data directory of the new lab")
	f.StringVar(&r.key, "key", "", "file with the old lab's key (default: a new one is made)")
	f.Uint64Var(&r.skipJobs, "skip-jobs", 0, "job numbers to leave out, which may have been given since")
	return cmd
}

// intact refuses an archive that is damaged, and names the first thing that is.
// Reading all of it takes as long as copying it, and is done first: half a lab is worse than none.
func intact(ctx context.Context, store archive.Store) error {
	r, err := archive.Verify(ctx, store)
	switch {
	case err != nil:
		return err
	case len(r.Findings) > 0:
		return fmt.Errorf("the archive in %s is damaged, nothing was restored: %s: %s (`strata archive verify --path %s` lists all %d findings)",
			store, r.Findings[0].Object, r.Findings[0].Problem, store, len(r.Findings))
	case r.Chains[stream.Lab].Segments == 0:
		return fmt.Errorf("%s: %w", store, archive.ErrEmpty)
	}
	return nil
}

// restore makes the lab beside its place, and moves it there when it is whole: a restore that fails leaves
// nothing behind.
func (a *app) restore(ctx context.Context, r restoration) (made restored, err error) {
	if r.data, err = filepath.Abs(r.data); err != nil {
		return made, fmt.Errorf("find the data directory: %w", err)
	}
	if err := emptyPlace(r.data); err != nil {
		return made, err
	}
	// Beside its place, as a rename holds within one file system only.
	building := r.data + ".restoring"
	if err := os.Mkdir(building, 0o700); err != nil {
		return made, fmt.Errorf("make %s: %w; where an earlier restore was killed, remove it", building, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(building))
		}
	}()
	if made, err = a.build(ctx, r, building); err != nil {
		return made, fmt.Errorf("restore into %s: %w", r.data, err)
	}
	made.Data = r.data
	if err := os.Rename(building, r.data); err != nil {
		return made, fmt.Errorf("restore into %s: %w", r.data, err)
	}
	return made, nil
}

// build makes the lab in a directory.
// A broker runs for as long as it takes, on loopback and a free port; nobody else knows its key.
// ClickHouse is not needed.
func (a *app) build(ctx context.Context, r restoration, dir string) (made restored, err error) {
	if r.key != "" {
		if err := copyFile(r.key, keyPath(dir)); err != nil {
			return made, err
		}
	}
	key, err := access.OpenKey(keyPath(dir))
	if err != nil {
		return made, err
	}
	store, err := archive.OpenDirectory(filepath.Join(dir, "archive"))
	if err != nil {
		return made, err
	}
	if err := r.archive(ctx, store); err != nil {
		return made, err
	}
	through, err := archive.Ends(ctx, store)
	if err != nil {
		return made, err
	}
	// Leases are sequences of LAB, which workers keep on their disks: the new log begins so far behind
	// the old one's end that none is given twice.
	first, err := archive.Begin(ctx, store, archive.Skip{stream.Lab: archive.SkipLeases, stream.Submissions: r.skipJobs})
	if err != nil {
		return made, err
	}
	logger, err := a.newLogger(quietLog())
	if err != nil {
		return made, err
	}
	b, err := startBroker(brokerSettings{Data: dir, Listen: "127.0.0.1:0", Key: key, Logger: logger})
	if err != nil {
		return made, err
	}
	// It ends before the directory is renamed: what it has written is on the disk then.
	defer b.stop()
	conn, err := b.connect()
	if err != nil {
		return made, fmt.Errorf("connect to the broker: %w", err)
	}
	defer conn.Close()
	log, err := stream.Open(ctx, conn, stream.Settings{Now: a.now, Logger: logger, Synced: b.synced, First: first,
		FirstJob: first[stream.Submissions], Archive: archive.NewReader(store).Archive()})
	if err != nil {
		return made, err
	}
	if r.fill != nil {
		if err := r.fill(ctx, log); err != nil {
			return made, err
		}
	}
	// The fact says how far the old log went: behind that, numbers have a gap.
	if _, err := log.As(events.ArchiveService).AppendOne(ctx, stream.Draft{Event: events.LabRestored{
		Through: through[stream.Lab], From: r.from, At: a.now().UTC().Truncate(time.Millisecond), Host: hostname()}}, nil); err != nil {
		return made, err
	}
	made.Streams, made.NextJob = through, max(first[stream.Submissions], 1)
	return made, nil
}

// emptyPlace refuses a data directory in which something is.
func emptyPlace(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.MkdirAll(filepath.Dir(dir), 0o700)
	case err != nil:
		return fmt.Errorf("look into the data directory: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty (it has %s): a lab is restored into an empty directory, named with --data", dir, entries[0].Name())
	}
	return nil
}

// copyFile copies a small file for the owner's eyes only.
// A key and a configuration with passwords are what is copied.
func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// printRestored tells what there is, and how to go on.
func (a *app) printRestored(r restored) error {
	if a.json {
		return a.printJSON(r)
	}
	a.printStreams("restored", r.Streams)
	start := "strata up --data " + r.Data
	if r.Config != "" {
		start += " --config " + r.Config
	}
	fmt.Fprintf(a.out, "the next job has number %d; start the lab with `%s`\n", r.NextJob, start)
	return nil
}
