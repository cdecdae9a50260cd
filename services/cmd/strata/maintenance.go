package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// wasHealth ends the reason of devices that were taken into maintenance together, so that the way back is
// known.
var wasHealth = regexp.MustCompile(`\[was (Good|Unknown|Looping|Bad)\]$`)

// maintained is a device that maintenance changes.
type maintained struct {
	Device events.DeviceName   `json:"device"`
	From   events.DeviceHealth `json:"from"`
	To     events.DeviceHealth `json:"to"`
	Cancel events.JobID        `json:"cancel,omitempty"` // its job, which is canceled
	reason string
}

// It is for what lavacli's "system maintenance" is for. --json prints one array of the changes, made
// or, with --dry-run, to be made. A change that is refused ends it with status 1: those before it have
// been made, and calling it again goes on.
func (a *app) maintenanceCommand() *cobra.Command {
	var workers []string
	var reason string
	var force, back, dry bool
	cmd := &cobra.Command{
		Use:   "maintenance",
		Short: "Take all devices into maintenance, and back",
		Long: `Take the devices of the lab, or of some workers, into Maintenance: jobs that run go on, and nothing new
comes. --force cancels those jobs too. Devices that are in Maintenance already or Retired are left alone.

--back brings the devices back that this command took out, and no others: what was Bad or Looping
becomes so again, all others Unknown, so that their health check proves them before they take jobs.`,
		Example: "  strata maintenance --worker lab1 --reason 'new switch' --dry-run\n  strata maintenance --force\n  strata maintenance --back",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if back && force {
				return misuse("--force cancels jobs on the way into maintenance: there are none on the way --back")
			}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			var devices []api.Device
			if err := c.Call(cmd.Context(), "devices.list", struct{}{}, &devices); err != nil {
				return explain(err)
			}
			if err := knownWorkers(cmd.Context(), c, workers); err != nil {
				return err
			}
			changes := []maintained{}
			for _, d := range devices {
				if len(workers) > 0 && !slices.Contains(workers, string(d.Worker)) {
					continue
				}
				m, ok := intoMaintenance(d, reason, force)
				if back {
					m, ok = outOfMaintenance(d, reason)
				}
				if ok {
					changes = append(changes, m)
				}
			}
			if !dry {
				if err := a.maintain(cmd.Context(), c, changes, reason); err != nil {
					return explain(err)
				}
			}
			if a.json {
				return a.printJSON(changes)
			}
			var rows [][]string
			for _, m := range changes {
				job := "-"
				if m.Cancel != 0 {
					job = m.Cancel.String()
				}
				rows = append(rows, []string{string(m.Device), string(m.From), string(m.To), job})
			}
			if dry {
				a.say("nothing is changed; this is what would be")
			}
			return a.table([]string{"DEVICE", "FROM", "TO", "CANCELS"}, rows)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&workers, "worker", nil, "only the devices of these workers, with commas between them")
	f.StringVar(&reason, "reason", "", "why")
	f.BoolVar(&force, "force", false, "cancel the jobs that run on the devices")
	f.BoolVar(&back, "back", false, "bring back what this command took out")
	f.BoolVar(&dry, "dry-run", false, "change nothing, say what would be")
	return cmd
}

// knownWorkers refuses names of workers that the lab does not have: whoever misspells one would switch
// a machine off in the belief that its devices are out.
func knownWorkers(ctx context.Context, c api.Client, names []string) error {
	if len(names) == 0 {
		return nil
	}
	var all []api.Worker
	if err := c.Call(ctx, "workers.list", struct{}{}, &all); err != nil {
		return explain(err)
	}
	for _, n := range names {
		if !slices.ContainsFunc(all, func(w api.Worker) bool { return string(w.Worker) == n }) {
			return fmt.Errorf("there is no worker %s", n)
		}
	}
	return nil
}

// intoMaintenance says what becomes of a device that is taken out.
// What was is kept in the reason, as the log of facts has no place for a plan: the way back needs no
// file on anybody's machine.
func intoMaintenance(d api.Device, reason string, force bool) (maintained, bool) {
	if d.Health == events.Maintenance || d.Health == events.Retired {
		return maintained{}, false
	}
	if reason == "" {
		reason = "maintenance"
	}
	m := maintained{Device: d.Device, From: d.Health, To: events.Maintenance, reason: fmt.Sprintf("%s [was %s]", reason, d.Health)}
	if force {
		m.Cancel = d.Job
	}
	return m, true
}

// outOfMaintenance says what becomes of a device that is brought back.
func outOfMaintenance(d api.Device, reason string) (maintained, bool) {
	was := wasHealth.FindStringSubmatch(d.HealthReason)
	if d.Health != events.Maintenance || was == nil {
		return maintained{}, false
	}
	to := events.DeviceHealth(was[1])
	// Nobody knows what was done to the board meanwhile.
	if to == events.Good {
		to = events.Unknown
	}
	if reason == "" {
		reason = "back from maintenance"
	}
	return maintained{Device: d.Device, From: d.Health, To: to, reason: reason}, true
}

// maintain sets the devices' health, and cancels jobs, as was decided.
// Health first: a job that was canceled before would free its device for the next one.
func (a *app) maintain(ctx context.Context, c api.Client, changes []maintained, reason string) error {
	for _, m := range changes {
		if err := c.Call(ctx, "devices.health", api.DeviceRequest{Device: m.Device, Health: m.To, Reason: m.reason}, nil); err != nil {
			return fmt.Errorf("device %s: %w", m.Device, err)
		}
		if m.Cancel == 0 {
			continue
		}
		err := c.Call(ctx, "jobs.cancel", api.JobRequest{Job: m.Cancel, Reason: "its device goes into maintenance" + prefixed(": ", reason)}, nil)
		if err != nil && !api.HasCode(err, api.Conflict) { // it has just ended
			return fmt.Errorf("job %d on device %s: %w", m.Cancel, m.Device, err)
		}
	}
	return nil
}
