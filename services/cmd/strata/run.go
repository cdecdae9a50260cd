package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func (a *app) runCommand() *cobra.Command {
	var device string
	cmd := &cobra.Command{
		Use:   "run JOB.yaml --device DEVICE.yaml",
		Short: "Run a job on a device with no lab at all",
		Long: `Run a job definition on the device that a dictionary describes: no broker, no services, no
database. The log goes to standard output as it arrives; the exit status is 0 when the job is
Complete.`,
		Example: "  strata run job.yaml --device qemu01.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(*cobra.Command, []string) error {
			return errors.New("the dispatcher is not built in")
		},
	}
	cmd.Flags().StringVar(&device, "device", "", "file with the device's dictionary")
	_ = cmd.MarkFlagRequired("device")
	return cmd
}
