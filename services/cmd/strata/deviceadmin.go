package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// It is LAVA's "lava-server manage devices copy", by whose name its last flag is called. Owners and
// permissions are not copied: the copy is asked of the api as any new device.
func (a *app) deviceCopy() *cobra.Command {
	var worker, health string
	var tags bool
	cmd := &cobra.Command{
		Use:   "copy DEVICE NEW",
		Short: "Add a device that is like another",
		Long: `Add a device of the same type and with the same dictionary as another. Look at its dictionary before it
takes jobs: what names the board itself (its console's port, its outlet) is another's. It comes as
Maintenance unless --health says otherwise.`,
		Example: "  strata devices copy bbb01 bbb02 --worker lab1 --copy-with-tags\n  strata devices configure bbb02 bbb02.jinja2",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			var like api.Device
			if err := c.Call(cmd.Context(), "devices.show", api.DeviceRequest{Device: events.DeviceName(args[0])}, &like); err != nil {
				return explain(err)
			}
			in := api.DeviceRequest{Device: events.DeviceName(args[1]), DeviceType: like.DeviceType, Worker: events.WorkerName(worker), Dictionary: like.Dictionary,
				Health: events.DeviceHealth(health), Description: like.Description, Reason: "copied from " + args[0]}
			if tags {
				in.Tags = like.Tags
			}
			return a.changed(cmd, "devices.add", in, "added like "+args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&worker, "worker", "", "worker that it hangs on")
	f.StringVar(&health, "health", "Maintenance", "health to begin with")
	f.BoolVar(&tags, "copy-with-tags", false, "give it the other's tags")
	_ = cmd.MarkFlagRequired("worker") // fails only for a flag that is not there
	return cmd
}

// Pointers tell "leave as it is" from "make empty".
func (a *app) deviceDescribe() *cobra.Command {
	var description, hardware, owner, group string
	cmd := &cobra.Command{
		Use:   "describe DEVICE",
		Short: "Say what is known of a device",
		Long: `Say what is known of a device beside its dictionary: a sentence about it, the revision of the board, and
who has it on the desk, a person or a group. What no flag names stays as it is; "" empties it. None of
it decides anything.`,
		Example: "  strata devices describe bbb01 --description 'left of the window' --hardware C3 --physical-user alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.DescribeRequest{Device: events.DeviceName(args[0])}
			given := cmd.Flags().Changed
			if given("description") {
				in.Description = &description
			}
			if given("hardware") {
				in.Hardware = &hardware
			}
			if given("physical-user") {
				in.Owner = (*events.UserName)(&owner)
			}
			if given("physical-group") {
				in.OwnerGroup = (*events.GroupName)(&group)
			}
			if in == (api.DescribeRequest{Device: in.Device}) {
				return misuse("nothing to say of %s: name --description, --hardware, --physical-user or --physical-group", args[0])
			}
			var d api.Device
			return a.ask(cmd, "devices.describe", in, &d, func() error {
				_, err := fmt.Fprintf(a.out, "device %s described\n", d.Device)
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&description, "description", "", "a sentence about it")
	f.StringVar(&hardware, "hardware", "", "revision of the board")
	f.StringVar(&owner, "physical-user", "", "who has it on the desk")
	f.StringVar(&group, "physical-group", "", "which group has it")
	return cmd
}
