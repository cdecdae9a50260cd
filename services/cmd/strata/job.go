package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"strata/dispatcher"
	"strata/dispatcher/worker/jobproc"
	"strata/events"
	"strata/schemas/config"
	"strata/schemas/order"
)

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
			return jobproc.Main(args[0], jobproc.Deps{Run: a.runOrder, Now: a.now, Logger: logger})
		},
	}
}

// runOrder runs a job as its order says.
func (a *app) runOrder(ctx context.Context, j jobproc.Job) order.Verdict {
	w := j.Order.Work
	v := dispatcher.Run(ctx, dispatcher.Job{
		ID: w.Display, Version: version,
		Definition: []byte(w.Definition.Inline), Device: []byte(w.Device.Inline),
		Dispatcher: []byte(w.Dispatcher.Inline), EnvDUT: []byte(w.EnvDUT.Inline), Env: os.Environ(),
		Dir: j.Scratch, Log: j.Log, Now: a.now,
	})
	result := "fail"
	if v.Health == events.Complete {
		result = "pass"
	}
	return order.Verdict{Result: result, ErrorType: string(v.ErrorType), Error: v.Error}
}
