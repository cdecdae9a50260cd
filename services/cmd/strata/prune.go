package main

import (
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// Between list and removal a device may come: the api refuses then, and the type stays.
func (a *app) deviceTypesPrune() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:     "prune",
		Short:   "Remove device types that nobody uses",
		Long:    "Remove the device types that have no device, retired ones included, and that no waiting job asks for. Those whose templates others extend stay.",
		Example: "  strata device-types prune --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			var types []api.DeviceType
			if err := c.Call(cmd.Context(), "device-types.list", struct{}{}, &types); err != nil {
				return explain(err)
			}
			unused := []events.DeviceTypeName{}
			for _, t := range types {
				if len(t.Devices) > 0 || t.Waiting > 0 {
					continue
				}
				if !dry {
					err := c.Call(cmd.Context(), "device-types.remove", map[string]events.DeviceTypeName{"device_type": t.DeviceType}, nil)
					if api.HasCode(err, api.Conflict) { // templates of others are made of its own
						a.say("%v", err)
						continue
					}
					if err != nil {
						return explain(err)
					}
				}
				unused = append(unused, t.DeviceType)
			}
			if a.json {
				return a.printJSON(unused)
			}
			what := "removed"
			if dry {
				what = "unused"
			}
			a.say("%d device types %s%s", len(unused), what, prefixed(": ", strings.ReplaceAll(join(unused), " ", ", ")))
			return nil
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "remove nothing, say what would be")
	return cmd
}
