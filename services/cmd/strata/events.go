package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/services/api"
)

// With --json each fact is a line of its own, as the api's flow has it: its envelope with the payload
// under "data". Without --follow the command ends with the last fact that there is, with status 0 even
// where there was none.
func (a *app) eventsCommand() *cobra.Command {
	var in api.EventsRequest
	cmd := &cobra.Command{
		Use:   "events [ENTITY]",
		Short: "Show what happened",
		Long: `Show facts: what happened in the lab, in its one order. Without an entity the last hundred are
shown; with one (job/42, device/qemu01, worker/lab1, devicetype/qemu, tag/usb) all of its own.
--follow goes on with what happens from now on.`,
		Example: "  strata events -f\n  strata events job/42\n  strata events device/qemu01 --json | jq .data",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				in.Entity = args[0]
			}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			shown := false
			err = c.Stream(cmd.Context(), "events", in, func(m *nats.Msg) error {
				shown = true
				if a.json {
					_, err := fmt.Fprintf(a.out, "%s\n", m.Data)
					return err
				}
				return a.printFact(m.Data)
			})
			if err == nil && !shown {
				a.say("the log has no such facts")
			}
			return explain(err)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&in.Follow, "follow", "f", false, "go on with what happens from now on")
	f.Uint64Var(&in.From, "from", 0, "first sequence number")
	return cmd
}

// printFact writes a fact as one line: its place, time, name, entity and fields.
func (a *app) printFact(raw []byte) error {
	var f struct {
		api.Fact
		Data map[string]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return fmt.Errorf("read fact: %w", err)
	}
	_, err := fmt.Fprintf(a.out, "%s %s %s %s %s\n", a.paint(a.out, dim, fmt.Sprintf("%6d", f.Seq)),
		a.paint(a.out, dim, f.Time.Local().Format("15:04:05.000")), a.paint(a.out, bold, fmt.Sprintf("%-24s", f.Name)),
		fmt.Sprintf("%-20s", f.Entity), a.paint(a.out, dim, fields(f.Data)))
	return err
}

// fields writes the short fields of a fact, in order of their names.
// Long ones are left out, such as a dictionary: --json has them.
func fields(data map[string]json.RawMessage) string {
	var parts []string
	for _, name := range sortedKeys(data) {
		value := text(data[name])
		if name == "at" || len(value) > 60 || strings.ContainsAny(value, "\n{") {
			continue
		}
		parts = append(parts, name+"="+value)
	}
	return strings.Join(parts, " ")
}
