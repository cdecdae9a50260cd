package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"strata/services/cmd/simulation"
)

// printSimulation tells people what came of a simulation.
// Percentages have one digit: what is behind that depends on the seed.
func (a *app) printSimulation(r simulation.Report) error {
	j := r.Jobs
	fmt.Fprintf(a.out, "%s to %s, %d devices on %d workers\n", r.From.Format(time.DateTime), r.Until.Format(time.DateTime), r.Devices, r.Workers)
	fmt.Fprintf(a.out, "%d jobs submitted: %d complete, %d incomplete (%d lost with their worker), %d canceled, %d left the queue, %d run, %d wait; %d tried again; %d health checks\n\n",
		j.Submitted, j.Complete, j.Incomplete, j.Lost, j.Canceled, j.Withdrawn, j.Running, j.Waiting, j.Retried, j.Checks)
	var rows [][]string
	for _, w := range r.Waits {
		still := ""
		if w.Waiting > 0 {
			still = fmt.Sprintf("%d, up to %s", w.Waiting, seconds(w.Oldest))
		}
		rows = append(rows, []string{strings.TrimSpace(w.Of + " " + w.Name), fmt.Sprint(w.Jobs), seconds(w.Median), seconds(w.P90), seconds(w.Max), still})
	}
	if err := a.table([]string{"WAITED", "JOBS", "MEDIAN", "P90", "MAX", "STILL WAIT"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, u := range r.Utilisation {
		rows = append(rows, []string{cmp.Or(string(u.DeviceType), "all"), fmt.Sprint(u.Devices), percent(u.Jobs), percent(u.Checks)})
	}
	fmt.Fprintln(a.out)
	if err := a.table([]string{"DEVICES", "COUNT", "USED BY JOBS", "BY HEALTH CHECKS"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, u := range r.Fairness.Users {
		rows = append(rows, []string{string(u.User), fmt.Sprintf("%g", u.Weight), fmt.Sprintf("%.1f", u.Hours), percent(u.Share)})
	}
	fmt.Fprintln(a.out)
	if err := a.table([]string{"USER", "WEIGHT", "DEVICE HOURS", "SHARE"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\nJain's index of device time by weight: %.3f\n", r.Fairness.Jain)
	if j.Held > 0 {
		fmt.Fprintf(a.out, "At the end %d devices are held by jobs that wait for others of their group.\n", j.Held)
	}
	if e := r.Estimates; e != nil {
		fmt.Fprintf(a.out, "Estimates of %d jobs that had to wait: half of them wrong by less than %s of the wait, %s of the starts inside the interval.\n",
			e.Held, percent(e.Error), percent(e.Inside))
	}
	return nil
}

// seconds writes a time as people read it.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d >= time.Minute {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(100 * time.Millisecond).String()
}

func percent(part float64) string { return fmt.Sprintf("%.1f %%", 100*part) }
