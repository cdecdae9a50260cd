package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/services/api"
)

// This file writes what comes from the lab in pieces: exports, drawings, files of tests.

// streamInto asks for a flow and saves it; see save.
func (a *app) streamInto(cmd *cobra.Command, file, verb string, in any) error {
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	return a.save(cmd.Context(), c, file, verb, in)
}

// save writes the messages of a flow one behind the other to a file, or to standard output where that is
// "" or "-". A file is there whole or stays as it was; standard output has what came before an error,
// and the status says that it is not all.
func (a *app) save(ctx context.Context, c api.Client, file, verb string, in any) error {
	write := func(to io.Writer) error {
		return explain(c.Stream(ctx, verb, in, func(m *nats.Msg) error {
			_, err := to.Write(m.Data)
			return err
		}))
	}
	if file == "" || file == "-" {
		return write(a.out)
	}
	return saveWhole(file, write)
}

// saveWhole writes a file that is there whole, or stays as it was.
// It is written beside its place, as a rename holds within one file system only. It is readable by
// all, as what a shell's ">" writes; what write returns is passed on as it is, so that what the lab
// refuses keeps its words.
func saveWhole(file string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".strata-*")
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	defer os.Remove(f.Name()) // there no more once it has its name
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}
