package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// RUNNING counts devices that jobs hold, of which LIMIT allows so many.
func (a *app) workersCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "workers",
		Short: "List workers, and change them",
		Long: `List the workers: the machines that devices hang on. "register" adds one and prints the token that
its process connects with; "show" tells of one why it is Offline, what hangs on it, and what runs there.`,
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
	cmd.AddCommand(a.workerShow(), a.workerInvite(), a.workerRegister(), a.workerToken(), a.workerConfigure(), a.workerHealth(), a.workerRemove(),
		a.versionsCommand("worker", "workers", "workers.config"))
	return cmd
}

func (a *app) workerShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show WORKER",
		Short: "Show one worker, its devices and its files",
		Long: `Show one worker: whether it is there, and why not; what is wanted of it, since who said so and why;
its devices, the jobs that run on them, and its files dispatcher.yaml, env.yaml and env-dut.yaml.`,
		Example: "  strata workers show lab2",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var w api.Worker
			return a.ask(cmd, "workers.show", api.WorkerRequest{Worker: events.WorkerName(args[0])}, &w, func() error {
				return a.printWorker(w)
			})
		},
	}
}

// printWorker tells a person of a worker.
// Files are printed as they are: with --json they are fields of one api.Worker.
func (a *app) printWorker(w api.Worker) error {
	fmt.Fprintf(a.out, "%s is %s since %s%s\n", w.Worker, a.paint(a.out, healthColour(w.State), w.State),
		w.Since.Local().Format(time.DateTime), prefixed(": ", w.StateReason))
	fmt.Fprintf(a.out, "health %s%s%s\n", w.Health, prefixed(" by ", string(w.HealthBy)), prefixed(": ", w.HealthReason))
	for _, line := range [][2]string{{"description", w.Description}, {"version", w.Version}} {
		if line[1] != "" {
			fmt.Fprintf(a.out, "%s: %s\n", line[0], line[1])
		}
	}
	limit := "none"
	if w.JobLimit > 0 {
		limit = fmt.Sprint(w.JobLimit)
	}
	fmt.Fprintf(a.out, "job limit: %s\ndevices: %s\njobs: %s\n", limit, or(join(w.DeviceNames)), or(strings.Join(w.JobDisplays, ", ")))
	if w.Configured > 0 {
		fmt.Fprintf(a.out, "settings, version %d\n", w.Configured)
	}
	for _, f := range [][2]string{{"dispatcher.yaml", w.Dispatcher}, {"env.yaml", w.Env}, {"env-dut.yaml", w.EnvDUT}} {
		if f[1] == "" {
			continue
		}
		// A file without a line feed at its end would swallow the next heading.
		if _, err := fmt.Fprintf(a.out, "--- %s\n%s", f[0], endLine(f[1])); err != nil {
			return err
		}
	}
	return nil
}

// prefixed returns a text behind a prefix, and nothing where there is no text.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// The token alone is on standard output. Without --rotate it is the same each time.
func (a *app) workerToken() *cobra.Command {
	var in api.WorkerRequest
	cmd := &cobra.Command{
		Use:   "token WORKER",
		Short: "Print a worker's token, or give it another",
		Long: `Print the token that a worker's process connects with. With --rotate it gets another: those before are
worth nothing from then on, and whoever is connected with one is cut off at once. Jobs that run go on; the
worker goes on with them when its process is started with the new token.`,
		Example: "  strata workers token lab2\n  strata workers token lab2 --rotate --reason 'laptop was lost'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Worker = events.WorkerName(args[0])
			var w api.Worker
			return a.ask(cmd, "workers.token", in, &w, func() error {
				_, err := fmt.Fprintln(a.out, w.Token)
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&in.Rotate, "rotate", false, "make the tokens before worthless, and print a new one")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why")
	return cmd
}

// The token alone is on standard output; --json prints one api.Worker with it.
func (a *app) workerRegister() *cobra.Command {
	var description string
	cmd := &cobra.Command{
		Use:   "register WORKER",
		Short: "Add a worker and print its token",
		Long: `Add a worker to the lab and print the token that its process connects with. Asked again it prints
the same token.`,
		Example: "  strata workers register lab2\n  STRATA_TOKEN=… strata worker --name lab2 --server https://lab.example.com   # on lab2",
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

// Pointers tell "leave as it is" from "make empty": --env "" takes the file away, as readText gives ""
// for no name.
func (a *app) workerConfigure() *cobra.Command {
	var limit int
	var description, dispatcher, env, envDUT, reason string
	cmd := &cobra.Command{
		Use:   "configure WORKER",
		Short: "Change a worker's settings",
		Long: `Change the settings of a worker that the flags name, and leave the others. An empty file takes the
setting away. Jobs that start from then on have the new settings. Earlier versions stay: "strata workers
config WORKER" shows who changed them when.`,
		Example: "  strata workers configure lab2 --job-limit 4 --dispatcher dispatcher.yaml --reason 'second NIC'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.WorkerRequest{Worker: events.WorkerName(args[0]), Reason: reason}
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
	f.StringVar(&reason, "reason", "", "why")
	return cmd
}

// Words are LAVA's.
func (a *app) workerHealth() *cobra.Command {
	var in api.WorkerRequest
	cmd := &cobra.Command{
		Use:   "health WORKER HEALTH",
		Short: "Say what is wanted of a worker",
		Long: `Say what is wanted of a worker: Active, Maintenance (running jobs go on, nothing new comes) or Retired.
Active makes devices that were Good Unknown, so that they are checked before they take jobs. Retired makes
the devices that are not Bad Retired too, and cancels their jobs; they stay so until somebody sets their health.`,
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

// Status 1 where it is online or has devices and --force is not said; nothing has changed then.
func (a *app) workerRemove() *cobra.Command {
	var in api.WorkerRequest
	cmd := &cobra.Command{
		Use:   "remove WORKER",
		Short: "Take a worker out of the lab",
		Long: `Take a worker out of the lab that is offline and that no devices hang on. Its token is worth nothing
then. With --force it goes whatever it does: its connection is cut at once, its jobs end with an
Infrastructure error, and its devices hang on no worker. What it left powered stays powered.`,
		Example: "  strata workers remove lab2\n  strata workers remove lab2 --force --reason 'stolen'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Worker = events.WorkerName(args[0])
			return a.workerChanged(cmd, "workers.remove", in, "removed")
		},
	}
	cmd.Flags().BoolVar(&in.Force, "force", false, "also where it is online, has devices or runs jobs")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why")
	return cmd
}

// workerChanged asks for a change of a worker and says that it was done.
// --json prints the worker as it is after the change.
func (a *app) workerChanged(cmd *cobra.Command, verb string, in api.WorkerRequest, what string) error {
	var w api.Worker
	return a.ask(cmd, verb, in, &w, func() error {
		_, err := fmt.Fprintf(a.out, "worker %s %s\n", in.Worker, what)
		return err
	})
}
