package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"github.com/spf13/cobra"

	"strata/events/stream"
	"strata/schemas/config"
	"strata/services/archive"
)

// The environment variables with the secrets of a bucket.
// They are read from the environment alone: the configuration file goes into every backup, and flags
// are seen by all who list processes.
const (
	s3Key    = "STRATA_S3_KEY"
	s3Secret = "STRATA_S3_SECRET"
)

// openArchive returns the archive that a configuration names: a bucket, or a directory below data.
// Nothing is written yet: a directory that is not there is made with the first object. The error is
// one of the settings, or that the path is no directory.
func openArchive(c config.Config, env func(string) string) (archive.Store, error) {
	if c.Archive.S3Bucket != "" {
		return archive.OpenBucket(archive.BucketSettings{Endpoint: c.Archive.S3Endpoint, Bucket: c.Archive.S3Bucket,
			Prefix: c.Archive.S3Prefix, Region: c.Archive.S3Region, Key: env(s3Key), Secret: env(s3Secret)})
	}
	path := c.Archive.Path
	if path == "" {
		path = filepath.Join(c.Data, "archive")
	}
	return archive.OpenDirectory(path)
}

// runArchive runs the service.
func (s surroundings) runArchive(ctx context.Context, log *stream.Log) error {
	d := archive.Deps{Log: log, Store: s.archive, Now: s.now, Logger: s.logger.With("service", "archive"),
		Keep: s.config.Archive.Keep, Age: s.config.Archive.Age}
	history, done, err := s.history()
	if err != nil {
		return err
	}
	defer done()
	// Without tables nothing has to be read by them before a stream may forget it: Tables stays nil.
	if history.DB != nil {
		d.Tables = history.DB.Position
		d.Files, d.OldFiles = s.config.Retention.Files, history.DB.OldFiles
	}
	return archive.Run(ctx, d)
}

// archivePlace is where the commands look for an archive.
type archivePlace struct{ path, config, data string }

func (p *archivePlace) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.path, "path", "", "directory of the archive (default: that of the local lab)")
	f.StringVar(&p.config, "config", "", "configuration file that names the archive, such as one in a bucket")
	f.StringVar(&p.data, "data", "", "data directory of the lab (default: that of the local lab)")
}

// open returns the archive that the flags name.
// --path wins over what a configuration names, so that a copy of an archive can be looked at on a
// machine that has no lab.
func (p archivePlace) open(a *app) (archive.Store, error) {
	if p.path != "" {
		return archive.OpenDirectory(p.path)
	}
	c, err := a.labConfig(p.config, p.data)
	if err != nil {
		return nil, err
	}
	return openArchive(c, a.env)
}

// labConfig returns the configuration of a lab on this machine: by its file, its data directory, or where
// neither is named that of the running lab.
// Whoever names a file or a directory means that lab: the running one then counts for nothing. A file
// that cannot be read or is wrong is a misuse (status 2).
func (a *app) labConfig(file, data string) (config.Config, error) {
	r, err := a.local()
	if file == "" && data == "" && err == nil {
		file, data = r.Config, r.Data
	}
	c, err := config.Load(file)
	if err != nil {
		return c, usageError{err}
	}
	if data != "" {
		c.Data = data
	}
	if c.Data == "" {
		c.Data = a.defaultData()
	}
	return c, nil
}

// The commands open the archive by themselves and ask no lab, so that they work where the lab is lost:
// that is when an archive is needed.
func (a *app) archiveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Look after what the streams forget",
		Long: `The archive keeps everything that the lab's streams have held: facts, results and definitions as chained
segments, and a log for each job. The streams forget what was archived ` + "`archive.keep`" + ` ago. These commands read
the archive itself, on disk or in a bucket; no lab has to run.`,
		Example: "  strata archive status\n  strata archive verify",
	}
	cmd.AddCommand(a.archiveStatusCommand(), a.archiveVerifyCommand(), a.archiveRestoreCommand())
	return cmd
}

// It reads what the service wrote after its last round, in a lab that runs within the last minute; the
// broker is not asked.
func (a *app) archiveStatusCommand() *cobra.Command {
	var place archivePlace
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how far the streams are archived and purged",
		Long: `Show, for each stream, what it still holds and how far it is archived, as the service archive found it last,
and what keeps old messages in their streams: a reader, a checkpoint, tables, or a job that still runs.`,
		Example: "  strata archive status\n  strata archive status --path /srv/lab/archive --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := place.open(a)
			if err != nil {
				return err
			}
			st, err := readStatus(cmd.Context(), store)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(st)
			}
			var rows [][]string
			var names []string
			for name := range st.Streams {
				names = append(names, name)
			}
			sort.Strings(names)
			for _, name := range names {
				s := st.Streams[name]
				archived := fmt.Sprint(s.Archived)
				// Logs have no segments: each job's is one object, written when its output is
				// complete.
				if name == stream.Output {
					archived = "by job"
				}
				rows = append(rows, []string{name, fmt.Sprint(s.First), fmt.Sprint(s.Last), archived})
			}
			if err := a.table([]string{"STREAM", "BEGINS", "ENDS", "ARCHIVED"}, rows); err != nil {
				return err
			}
			for _, h := range st.Holds {
				fmt.Fprintf(a.out, "%s is kept from %d on by %s\n", h.Stream, h.Until+1, h.By)
			}
			fmt.Fprintf(a.out, "%s, looked at %s\n", store, st.At.In(a.now().Location()).Format(time.DateTime))
			return nil
		},
	}
	place.flags(cmd)
	return cmd
}

// readStatus reads what the service wrote last.
// The service writes it at the end of each round: where there is none, no service has come to the end
// of one here.
func readStatus(ctx context.Context, store archive.Store) (archive.Status, error) {
	var st archive.Status
	r, err := store.Get(ctx, "status.json")
	if errors.Is(err, fs.ErrNotExist) {
		return st, fmt.Errorf("%s: %w: the service archive of a lab begins one there as it starts (archive.path, archive.s3_bucket)", store, archive.ErrEmpty)
	}
	if err != nil {
		return st, err
	}
	text, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return st, fmt.Errorf("read status.json of the archive: %w", err)
	}
	if err := json.Unmarshal(text, &st); err != nil {
		return st, fmt.Errorf("read status.json of the archive: %w", err)
	}
	return st, nil
}

// Its status is for scripts and timers: 0 where all is as it was written, 1 for any finding, and for a
// place that no lab has archived to, which would be the mistake of a path. With --json the report is
// printed in either case.
func (a *app) archiveVerifyCommand() *cobra.Command {
	var place archivePlace
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read the whole archive and name what is wrong with it",
		Long: `Read every segment, definition and log of the archive, and hold each to the digests that the chain has of it.
A segment that is cut, swapped, altered or missing is named, and the status is 1. What a fact says was erased
("strata jobs rm") is no fault.

Of a new lab no segment may be closed yet, which is said, with status 0; a place in which no lab has ever archived is
an error.

Write down the digests that it prints: by the digest of a chain's end one can tell later that the chain was not
replaced as a whole.`,
		Example: "  strata archive verify\n  strata archive verify --path /mnt/backup/archive --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := place.open(a)
			if err != nil {
				return err
			}
			r, err := archive.Verify(cmd.Context(), store)
			if err != nil {
				return err
			}
			empty := r.Chains[stream.Lab].Segments == 0 && len(r.Findings) == 0
			if empty {
				if r.Findings, err = lost(cmd.Context(), store); err != nil {
					return err
				}
			}
			if empty && len(r.Findings) == 0 && !a.json {
				_, err := fmt.Fprintf(a.out, "no segment is closed in %s yet, and none is missing: the first one is once its first fact has waited for\n"+
					"archive.age, an hour unless configured; `strata archive status` shows how far the streams are\n", store)
				return err
			}
			if a.json {
				err = a.printJSON(r)
			} else {
				err = a.printReport(store, r)
			}
			if len(r.Findings) > 0 {
				return errors.Join(err, errQuiet)
			}
			return err
		},
	}
	place.flags(cmd)
	return cmd
}

// lost returns what is wrong with an archive that has no segments: those that its service wrote down as
// archived. A lab whose archive was taken away as a whole must not look like a new one. The error is
// [archive.ErrEmpty] where no service has ever worked.
func lost(ctx context.Context, store archive.Store) ([]archive.Finding, error) {
	st, err := readStatus(ctx, store)
	if err != nil {
		return nil, err
	}
	found := []archive.Finding{}
	for _, name := range slices.Sorted(maps.Keys(st.Streams)) {
		if through := st.Streams[name].Archived; through > 0 {
			found = append(found, archive.Finding{Object: name, Problem: fmt.Sprintf("there is no segment, and %s says that it was archived through %d",
				st.At.UTC().Format(time.RFC3339), through)})
		}
	}
	return found, nil
}

// printReport writes what a verification found.
// Every chain has its row, an empty one too: a stream that is missing altogether must be seen.
func (a *app) printReport(store archive.Store, r archive.Report) error {
	for _, f := range r.Findings {
		fmt.Fprintf(a.out, "%s: %s\n", a.paint(a.out, red, f.Object), f.Problem)
	}
	var rows [][]string
	for _, name := range []string{stream.Lab, stream.Results, stream.Submissions} {
		c := r.Chains[name]
		rows = append(rows, []string{name, fmt.Sprint(c.Segments), fmt.Sprint(c.First), fmt.Sprint(c.Last), fmt.Sprint(c.Messages), c.SHA256})
	}
	err := a.table([]string{"STREAM", "SEGMENTS", "FIRST", "LAST", "MESSAGES", "SHA-256 OF THE END"}, rows)
	verdict := "whole"
	if n := len(r.Findings); n > 0 {
		verdict = fmt.Sprintf("damaged: %d findings", n)
	}
	fmt.Fprintf(a.out, "%d definitions, %d logs, %d erased; %s is %s\n", r.Texts, r.Logs, r.Erased, store, verdict)
	return err
}
