package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

func (a *app) workersCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "workers",
		Short: "List workers, and change them",
		Long: `List the workers: the machines that devices hang on. "register" adds one and prints the token that
its process connects with.`,
		Example: "  strata workers\n  strata workers register lab2\n  strata workers health lab2 Maintenance",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []api.Worker
			return a.askAt(cmd, at, "workers.list", struct{}{}, &all, func() error {
				var rows [][]string
				for _, w := range all {
					limit := "-"
					if w.JobLimit > 0 {
						limit = fmt.Sprint(w.JobLimit)
					}
					rows = append(rows, []string{string(w.Worker), a.paint(a.out, healthColour(w.State), w.State), string(w.Health),
						fmt.Sprint(w.Devices), fmt.Sprint(w.Running), limit, or(w.Version)})
				}
				return a.table([]string{"WORKER", "STATE", "HEALTH", "DEVICES", "RUNNING", "LIMIT", "VERSION"}, rows)
			})
		},
	}
	atFlag(cmd, &at)
	cmd.AddCommand(a.workerRegister(), a.workerConfigure(), a.workerHealth(), a.workerRemove())
	return cmd
}

func (a *app) workerRegister() *cobra.Command {
	var description string
	cmd := &cobra.Command{
		Use:   "register WORKER",
		Short: "Add a worker and print its token",
		Long: `Add a worker to the lab and print the token that its process connects with. Asked again it prints
the same token.`,
		Example: "  strata workers register lab2\n  STRATA_TOKEN=… strata worker --name lab2 --server nats://lab:4222   # on lab2",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.WorkerRequest{Worker: events.WorkerName(args[0]), Description: &description}
			var w api.Worker
			return a.ask(cmd, "workers.register", in, &w, func() error {
				_, err := fmt.Fprintln(a.out, w.Token)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&description, "description", "", "a sentence about it")
	return cmd
}

func (a *app) workerConfigure() *cobra.Command {
	var limit int
	var description, dispatcher, env, envDUT string
	cmd := &cobra.Command{
		Use:     "configure WORKER",
		Short:   "Change a worker's settings",
		Long:    "Change the settings of a worker that the flags name, and leave the others.",
		Example: "  strata workers configure lab2 --job-limit 4 --dispatcher dispatcher.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.WorkerRequest{Worker: events.WorkerName(args[0])}
			given := cmd.Flags().Changed
			if given("job-limit") {
				in.JobLimit = &limit
			}
			if given("description") {
				in.Description = &description
			}
			for _, f := range []struct {
				flag, file string
				into       **string
			}{{"dispatcher", dispatcher, &in.Dispatcher}, {"env", env, &in.Env}, {"env-dut", envDUT, &in.EnvDUT}} {
				if !given(f.flag) {
					continue
				}
				text, err := a.readText(f.file)
				if err != nil {
					return err
				}
				*f.into = &text
			}
			return a.workerChanged(cmd, "workers.configure", in, "configured")
		},
	}
	f := cmd.Flags()
	f.IntVar(&limit, "job-limit", 0, "devices that jobs may hold at once; 0: no limit")
	f.StringVar(&description, "description", "", "a sentence about it")
	f.StringVar(&dispatcher, "dispatcher", "", "file with its dispatcher.yaml")
	f.StringVar(&env, "env", "", "file with its env.yaml")
	f.StringVar(&envDUT, "env-dut", "", "file with its env-dut.yaml")
	return cmd
}

func (a *app) workerHealth() *cobra.Command {
	var in api.WorkerRequest
	cmd := &cobra.Command{
		Use:       "health WORKER HEALTH",
		Short:     "Say what is wanted of a worker",
		Long:      "Say what is wanted of a worker: Active, Maintenance (running jobs go on, nothing new comes) or Retired.",
		Example:   "  strata workers health lab2 Maintenance --reason 'kernel update'",
		Args:      cobra.ExactArgs(2),
		ValidArgs: []string{"Active", "Maintenance", "Retired"},
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Worker, in.Health = events.WorkerName(args[0]), events.WorkerHealth(args[1])
			return a.workerChanged(cmd, "workers.health", in, "is "+args[1])
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why")
	return cmd
}

func (a *app) workerRemove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove WORKER",
		Short:   "Take a worker out of the lab",
		Long:    "Take a worker out of the lab that is offline and that no devices hang on. Its token is worth nothing then.",
		Example: "  strata workers remove lab2",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.workerChanged(cmd, "workers.remove", api.WorkerRequest{Worker: events.WorkerName(args[0])}, "removed")
		},
	}
}

// workerChanged asks for a change of a worker and says that it was done.
func (a *app) workerChanged(cmd *cobra.Command, verb string, in api.WorkerRequest, what string) error {
	var w api.Worker
	return a.ask(cmd, verb, in, &w, func() error {
		_, err := fmt.Fprintf(a.out, "worker %s %s\n", in.Worker, what)
		return err
	})
}
