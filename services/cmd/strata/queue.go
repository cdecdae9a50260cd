package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// --json prints one api.Queue: .jobs in order, .total of all that wait.
func (a *app) queueCommand() *cobra.Command {
	var in api.QueueRequest
	var typ string
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "List the jobs that wait, whoever is next first",
		Long: `List the jobs that wait in the order in which they would get the next device that suits them, by the
policy of the lab. An arrow shows a priority that waiting has raised. "strata why JOB" says what one of
them waits for.`,
		Example: "  strata queue\n  strata queue --device-type bbb --limit 10",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in.DeviceType = events.DeviceTypeName(typ)
			var q api.Queue
			return a.ask(cmd, "queue.list", in, &q, func() error {
				var rows [][]string
				for i, j := range q.Jobs {
					priority := fmt.Sprint(j.Priority)
					if j.Raised > 0 {
						priority += fmt.Sprint("→", j.Raised)
					}
					user, wants := string(j.User), string(j.DeviceType)
					if j.Group != "" {
						user += " (" + string(j.Group) + ")"
					}
					if j.Device != "" {
						wants = string(j.Device)
					}
					if len(j.Tags) > 0 {
						wants += " with " + join(j.Tags)
					}
					rows = append(rows, []string{fmt.Sprint(i + 1), j.Display, priority, user, wants,
						a.now().Sub(j.Submitted).Round(time.Second).String(), or(j.Capped), j.Name})
				}
				if err := a.table([]string{"PLACE", "JOB", "PRIORITY", "USER", "WANTS", "WAITS", "CAPPED", "NAME"}, rows); err != nil {
					return err
				}
				if len(q.Jobs) == 0 {
					a.say("no job waits%s", prefixed(" for a device of type ", typ))
				}
				if more := q.Total - len(q.Jobs); more > 0 {
					a.say("%d more wait; --limit shows them", more)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&typ, "device-type", "", "only jobs for this device type")
	cmd.Flags().IntVar(&in.Limit, "limit", 50, "at most so many jobs, 1 to 1000")
	return cmd
}
