package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"strata/events"
	"strata/services/api"
	"strata/services/web"
)

// webBundle makes the bundle that the page of a job offers: as `strata jobs bundle` does, but the server fetches
// nothing for it, because a definition's addresses are its author's.
// It is made on disk first: an error in the middle must be an answer of its own and not a file that
// ends early.
func (s surroundings) webBundle(ctx context.Context, v web.Visitor, job uint64, to io.Writer) error {
	dir, err := os.MkdirTemp("", "strata-bundle-")
	if err != nil {
		return fmt.Errorf("make a directory for the bundle: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what stays behind is in the temporary directory
	a := &app{out: io.Discard, err: io.Discard, now: s.now}
	b := bundling{job: events.JobID(job), file: filepath.Join(dir, "bundle.tar"), light: true}
	if err := b.make(ctx, a, bundleSource{v.Call, logOf(v)}); err != nil {
		return err
	}
	f, err := os.Open(b.file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}

// logOf reads logs in a visitor's name, line by line.
func logOf(v web.Visitor) func(context.Context, api.LogRequest, func(uint64, events.Record) error) error {
	return func(ctx context.Context, in api.LogRequest, each func(uint64, events.Record) error) error {
		return v.Stream(ctx, "jobs.log", in, func(header map[string]string, body []byte) error {
			line, err := strconv.ParseUint(header[events.HeaderFirstLine], 10, 64)
			if err != nil {
				return fmt.Errorf("log of job %d: frame without a first line: %w", in.Job, err)
			}
			for text := range bytes.Lines(body) {
				var r events.Record
				if err := json.Unmarshal(text, &r); err != nil {
					return fmt.Errorf("log of job %d, line %d: %w", in.Job, line, err)
				}
				if err := each(line, r); err != nil {
					return err
				}
				line++
			}
			return nil
		})
	}
}
