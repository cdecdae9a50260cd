package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "demo",
		Short:   "See one real job walk through a lab",
		Long:    "Start a lab in one process, submit a job that boots a Linux kernel in QEMU, and show its log, results and tables.",
		Example: "  make demo",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return errors.New("not yet") },
	}
}
