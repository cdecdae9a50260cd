package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// Two questions, since a tag does not know its devices; one that is tagged between them is missing
// until the next call.
func (a *app) tagsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tags",
		Short: "List tags, add and remove them",
		Long: `List the tags that devices may carry and jobs may ask for, with the devices that carry them. A tag that
a device is given is added by itself; "tags add" gives it a description.`,
		Example: "  strata tags\n  strata tags add kvm --description 'has hardware virtualisation'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			var devices []api.Device
			if err := c.Call(cmd.Context(), "devices.list", struct{}{}, &devices); err != nil {
				return explain(err)
			}
			carry := map[events.TagName][]events.DeviceName{}
			for _, d := range devices {
				for _, t := range d.Tags {
					carry[t] = append(carry[t], d.Device)
				}
			}
			var all []api.TagRequest
			return a.ask(cmd, "tags.list", struct{}{}, &all, func() error {
				var rows [][]string
				for _, t := range all {
					rows = append(rows, []string{string(t.Tag), or(join(carry[t.Tag])), or(t.Description)})
				}
				return a.table([]string{"TAG", "DEVICES", "DESCRIPTION"}, rows)
			})
		},
	}
	cmd.AddCommand(a.tagAdd(), a.tagRemove())
	return cmd
}

func (a *app) tagAdd() *cobra.Command {
	var in api.TagRequest
	cmd := &cobra.Command{
		Use:     "add TAG",
		Short:   "Add a tag, or describe it anew",
		Long:    "Add a tag that devices may carry and jobs may ask for. One that is there gets the new description.",
		Example: "  strata tags add kvm --description 'has hardware virtualisation'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Tag = events.TagName(args[0])
			return a.ask(cmd, "tags.add", in, &struct{}{}, func() error {
				_, err := fmt.Fprintf(a.out, "tag %s added\n", in.Tag)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&in.Description, "description", "", "a sentence about it")
	return cmd
}

func (a *app) tagRemove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove TAG",
		Short:   "Take a tag out of the lab",
		Long:    "Take a tag out of the lab, and from all devices that carry it. Jobs that ask for it then wait.",
		Example: "  strata tags remove kvm",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.TagRequest{Tag: events.TagName(args[0])}
			return a.ask(cmd, "tags.remove", in, &struct{}{}, func() error {
				_, err := fmt.Fprintf(a.out, "tag %s removed\n", in.Tag)
				return err
			})
		},
	}
}
