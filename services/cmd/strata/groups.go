package main

import (
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

func (a *app) groupsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "groups",
		Short: "List groups of users, add and remove them",
		Long: `List the groups of users. What a group may do with one device, device type or worker is said with
"strata permissions"; jobs name groups who may see them.`,
		Example: "  strata groups\n  strata groups add kernel\n  strata groups join kernel alice",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := []api.Group{}
			return a.ask(cmd, "groups.list", api.GroupRequest{}, &all, func() error {
				var rows [][]string
				for _, g := range all {
					rows = append(rows, []string{string(g.Group), or(join(g.Users)), or(strings.Join(g.Permissions, ", "))})
				}
				return a.table([]string{"GROUP", "USERS", "PERMISSIONS"}, rows)
			})
		},
	}
	cmd.AddCommand(a.groupVerb("add GROUP", "Add a group", "groups.add"), a.groupVerb("remove GROUP", "Remove a group", "groups.remove"),
		a.groupVerb("join GROUP USER", "Put a user into a group", "groups.join"), a.groupVerb("leave GROUP USER", "Take a user out of a group", "groups.leave"))
	return cmd
}

// groupVerb makes a command that changes a group.
// All four are silent where they succeed; --json prints {}.
func (a *app) groupVerb(use, short, verb string) *cobra.Command {
	var in api.GroupRequest
	cmd := &cobra.Command{
		Use:     use,
		Short:   short,
		Long:    short + ". Superusers may; staff put users into groups that have no permissions on everything.",
		Example: "  strata groups " + strings.NewReplacer("GROUP", "kernel", "USER", "alice").Replace(use),
		Args:    cobra.ExactArgs(len(strings.Fields(use)) - 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Group = events.GroupName(args[0])
			if len(args) > 1 {
				in.User = events.UserName(args[1])
			}
			return a.ask(cmd, verb, in, &struct{}{}, func() error { return nil })
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why; kept with the fact")
	return cmd
}
