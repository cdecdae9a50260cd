package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// The status is 0 whatever the runs were; --json prints one api.CaseHistory. It is read from
// ClickHouse's tables.
func (a *app) historyCommand() *cobra.Command {
	var in api.HistoryRequest
	var typ string
	var meta []string
	cmd := &cobra.Command{
		Use:   "history SUITE/CASE",
		Short: "Show how a test case went in the jobs before",
		Long: `Show the runs of a test case, newest first: how each ended, what that meant beside the runs before
(regression, fix, flaky, still-failing), and what was measured. Whether the case is flaky, and since when its
measurement has lastingly shifted, stands below. Jobs that ended by the lab's fault are left out.`,
		Example: "  strata history 0_smoke/login\n  strata history 0_speed/boot-time --name nightly --device-type bbb --meta branch=main\n" +
			"  strata history 0_smoke/login --json | jq .flaky",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ok bool
			if in.Suite, in.Case, ok = strings.Cut(args[0], "/"); !ok || in.Suite == "" || in.Case == "" {
				return misuse("%q is no case: write it like 0_smoke/login", args[0])
			}
			in.DeviceType, in.Metadata = events.DeviceTypeName(typ), map[string]string{}
			for _, m := range meta {
				k, v, ok := strings.Cut(m, "=")
				if !ok || k == "" {
					return misuse("--meta %q: write it like branch=main", m)
				}
				in.Metadata[k] = v
			}
			var h api.CaseHistory
			return a.ask(cmd, "cases.history", in, &h, func() error { return a.printHistory(args[0], h) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Set, "set", "", "the test set that the case is in")
	f.StringVar(&in.Name, "name", "", "of jobs of this name only")
	f.StringVar(&typ, "device-type", "", "of jobs of this device type only")
	f.StringArrayVar(&meta, "meta", nil, "of jobs with this entry in their metadata, such as branch=main")
	f.IntVar(&in.Limit, "limit", 50, "look at so many jobs, the newest")
	return cmd
}

func (a *app) printHistory(name string, h api.CaseHistory) error {
	if h.AgedOut != nil {
		a.say("%s", h.AgedOut.Hint)
	}
	if len(h.Runs) == 0 {
		a.say("no job that you may see has a case %s (suites are named with their number, as in 0_smoke)", name)
		return nil
	}
	var rows [][]string
	for _, r := range h.Runs {
		value, ended := "", ""
		if r.Value != nil {
			value = strings.TrimSpace(fmt.Sprintf("%.6g %s", *r.Value, h.Units))
		}
		if r.EndedAt != nil {
			ended = when(*r.EndedAt, a.now())
		}
		rows = append(rows, []string{r.Display, string(r.Result), or(string(r.Change)), or(value), or(r.Device), or(ended), r.Name})
	}
	if err := a.table([]string{"JOB", "RESULT", "CHANGE", "MEASURED", "DEVICE", "ENDED", "NAME"}, rows); err != nil {
		return err
	}
	if h.Flaky {
		fmt.Fprintf(a.out, "flaky: its outcome changed in %.0f %% of the runs\n", 100*h.Score)
	}
	for _, s := range h.Shifts {
		worse := ""
		if s.Worse != nil && *s.Worse {
			worse = ", for the worse"
		}
		fmt.Fprintf(a.out, "shifted from %.4g to %.4g %s since job %d%s\n", s.Before, s.After, h.Units, s.Job, worse)
	}
	return nil
}
