package main

import (
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

func (a *app) permissionsCommand() *cobra.Command {
	var in api.PermissionRequest
	cmd := &cobra.Command{
		Use:   "permissions",
		Short: "List who may do what, grant and revoke it",
		Long: `List what groups may do with devices, device types and workers, and what users and groups may do with everything.
The permissions are LAVA's. What has no row for one is open: to look at for all who have a name, to submit to for them
too, to change for nobody. "permissions open" lets people without a name look at what is open.`,
		Example: "  strata permissions\n  strata permissions grant submit_to_devicetype --on devicetype/qemu --group kernel\n  strata permissions open",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all api.Permissions
			return a.ask(cmd, "permissions.list", in, &all, func() error {
				var rows [][]string
				for _, p := range all.Rows {
					on := "everything"
					if p.Kind != "" {
						on = string(p.Kind) + "/" + p.Name
					}
					rows = append(rows, []string{on, p.Permission, or(string(p.Group)), or(string(p.User))})
				}
				return a.table([]string{"ON", "PERMISSION", "GROUP", "USER"}, rows)
			})
		},
	}
	cmd.AddCommand(a.permissionVerb("grant", "Grant a permission"), a.permissionVerb("revoke", "Revoke a permission"),
		a.openVerb("open", "Let people without a name look", true), a.openVerb("close", "Let nobody look without a name", false))
	return cmd
}

// permissionVerb makes the commands that give and take a permission.
// PERMISSION is one of LAVA's words, such as submit_to_device; which there are the api says in its
// refusal.
func (a *app) permissionVerb(name, short string) *cobra.Command {
	var in api.PermissionRequest
	var on string
	cmd := &cobra.Command{
		Use:     name + " PERMISSION",
		Short:   short,
		Long:    short + ": of a group on one device, device type or worker, or of a user or group on everything.",
		Example: "  strata permissions " + name + " change_device --on device/q1 --group kernel\n  strata permissions " + name + " add_device --user alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Permission = args[0]
			if on != "" {
				kind, thing, ok := strings.Cut(on, "/")
				if !ok || thing == "" {
					return misuse("--on %q: write device/NAME, devicetype/NAME or worker/NAME", on)
				}
				in.Kind, in.Name = events.Kind(kind), thing
			}
			return a.ask(cmd, "permissions."+name, in, &struct{}{}, func() error { return nil })
		},
	}
	f := cmd.Flags()
	f.StringVar(&on, "on", "", "device/NAME, devicetype/NAME or worker/NAME (default: everything)")
	f.StringVar((*string)(&in.Group), "group", "", "the group who has it")
	f.StringVar((*string)(&in.User), "user", "", "the user who has it, on everything only")
	f.StringVar(&in.Reason, "reason", "", "why; kept with the fact")
	return cmd
}

func (a *app) openVerb(name, short string, open bool) *cobra.Command {
	in := api.OpenRequest{Open: open}
	cmd := &cobra.Command{
		Use:     name,
		Short:   short,
		Long:    short + " at what no permission restricts, public jobs among it. A lab is closed at first.",
		Example: "  strata permissions " + name,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, "permissions.open", in, &struct{}{}, func() error { return nil })
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why; kept with the fact")
	return cmd
}
