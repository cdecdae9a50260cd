package main

import (
	"github.com/spf13/cobra"

	"strata/dispatcher/worker/jobproc"
	"strata/dispatcher/worker/lavajob"
	"strata/schemas/config"
)

// Its flags and the files in the directory are between a worker and its child. A worker that was
// upgraded takes back the children of the release before.
func (a *app) jobCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "job DIRECTORY",
		Short: "Run one job as its worker's child",
		Long: `Run the job whose order lies in a directory, and leave its output and its result there. The worker
starts this, one process a job; people use "strata run".`,
		Example: "  strata job /var/lib/strata/worker/jobs/42-812",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			logger, err := a.newLogger(config.Log{Level: "info", Format: "text"})
			if err != nil {
				return err
			}
			return jobproc.Main(args[0], jobproc.Deps{Run: jobproc.Pipeline(version, a.now), Now: a.now, Logger: logger})
		},
	}
}

func (a *app) lavaJobCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lava-job DIRECTORY",
		Short: "Stand in for one job that a dispatcher of LAVA runs",
		Long: `Answer what a dispatcher of LAVA, on a machine of its own, asks about the job whose order lies in a
directory. The service lavaworkers starts this, one process a job.`,
		Example: "  strata lava-job /var/lib/strata/lava-workers/lab1/jobs/42-812",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			logger, err := a.newLogger(config.Log{Level: "info", Format: "text"})
			if err != nil {
				return err
			}
			return jobproc.Main(args[0], jobproc.Deps{Run: lavajob.Run(a.now), Now: a.now, Logger: logger})
		},
	}
}
