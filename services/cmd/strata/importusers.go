package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
	"strata/services/cmd/lava"
)

// usersAtOnce is how many users one request brings at most: each is recorded by itself, and a request has its time.
const usersAtOnce = 40

func (a *app) importLavaUsersCommand() *cobra.Command {
	var in lavaImport
	cmd := &cobra.Command{
		Use:   "lava-users FILE|FOLDER",
		Short: "Take over the users, tokens and workers of a LAVA server",
		Long: `Take over who uses a LAVA server: accounts with their names, rights and password hashes, groups and who is in them, API
tokens with their values, remote artifact tokens, what groups may do with devices, types and workers, and the tokens of
workers. So clients and workers go on with what they have, and change only the address. The dump is made there with

  ` + lava.DumpCommand + ` > users.json

and holds secrets: keep it to yourself, and remove it afterwards. Here they are kept as digests, or sealed.

An import may be repeated while both labs run. What is new in LAVA comes; what was changed, revoked or removed here stays
and is reported, unless --force. What groups may do is taken of devices and types that are here: import those first.`,
		Example: "  strata import lava-users users.json --dry-run\n  strata import lava-users users.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			people, err := lava.ReadPeople(args[0])
			if err != nil {
				return err
			}
			return a.importLavaUsers(cmd.Context(), in, people)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&in.dryRun, "dry-run", false, "say what would be done, and do nothing")
	f.BoolVar(&in.force, "force", false, "take what LAVA has also where it was changed, revoked or removed here")
	f.StringVar(&in.reason, "reason", "import from LAVA", "why, kept with the facts; the same at each import, which knows by it what it wrote")
	return cmd
}

// In the order of what needs what: groups, the users in them, what groups may do and the workers
// themselves, then the workers' tokens.
func (a *app) importLavaUsers(ctx context.Context, in lavaImport, people *lava.People) error {
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	out := lavaReport{NotTaken: people.NotTaken, DryRun: in.dryRun}
	out.Changes = []api.SettingChange{}
	for _, model := range slices.Sorted(maps.Keys(people.Others)) {
		out.NotTaken = append(out.NotTaken, lava.NotTaken{Kind: "model", Name: model, Setting: "rows", Value: fmt.Sprint(people.Others[model]), Why: "tells nothing of people"})
	}
	take := func(verb string, request any) error {
		var answer api.LabImport
		if err := c.Call(ctx, verb, request, &answer); err != nil {
			return explain(err)
		}
		out.Changes, out.Kept = addChanges(out.Changes, answer.Changes), append(out.Kept, answer.Kept...)
		out.Refused, out.Invalid = append(out.Refused, answer.Refused...), append(out.Invalid, answer.Invalid...)
		return nil
	}
	all := people.Import
	out.Objects = len(all.Groups) + len(all.Users) + len(all.Workers)
	for _, o := range people.Objects { // a worker comes twice: with its settings, and with its token
		if !slices.ContainsFunc(all.Workers, func(w api.ImportedWorker) bool { return o.Kind == events.Worker && string(w.Worker) == o.Name }) {
			out.Objects++
		}
	}
	part := api.PeopleImportRequest{Force: in.force, DryRun: in.dryRun, Reason: in.reason}
	for groups := range slices.Chunk(all.Groups, usersAtOnce) {
		p := part
		p.Groups = groups
		if err := take("people.import", p); err != nil {
			return err
		}
	}
	for _, users := range userPortions(all.Users) {
		p := part
		p.Users = users
		if err := take("people.import", p); err != nil {
			return err
		}
	}
	objects, err := a.hereAlready(ctx, c, people.Objects, &out)
	if err != nil {
		return err
	}
	for _, some := range objectPortions(objects, importBytes) {
		if err := take("import", api.LabImportRequest{Source: "lava", Objects: some, Force: in.force, DryRun: in.dryRun, Reason: in.reason}); err != nil {
			return err
		}
	}
	for workers := range slices.Chunk(all.Workers, usersAtOnce) {
		p := part
		p.Workers = workers
		if err := take("people.import", p); err != nil {
			return err
		}
	}
	return a.reportLava(in, out)
}

// addChanges adds changes, but tells once that a thing is new: a dry run has not made the worker whose token it would take.
func addChanges(all, more []api.SettingChange) []api.SettingChange {
	for _, c := range more {
		again := func(was api.SettingChange) bool { return was.Kind == c.Kind && was.Name == c.Name && was.Setting == "" }
		if c.Setting != "" || !slices.ContainsFunc(all, again) {
			all = append(all, c)
		}
	}
	return all
}

// userPortions cuts users into requests that have their time and their room.
func userPortions(users []api.ImportedUser) (out [][]api.ImportedUser) {
	bytes := importBytes
	for _, u := range users {
		text, _ := json.Marshal(u) // texts always encode
		if bytes+len(text) > importBytes || len(out[len(out)-1]) == usersAtOnce {
			out, bytes = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], u)
		bytes += len(text)
	}
	return out
}

// hereAlready leaves out the permissions on devices and types that the lab does not have, and says so: an import of
// people makes none.
func (a *app) hereAlready(ctx context.Context, c api.Client, objects []api.LabObject, out *lavaReport) ([]api.LabObject, error) {
	var devices []api.Device
	var types []api.DeviceType
	if err := c.Call(ctx, "devices.list", struct{}{}, &devices); err != nil {
		return nil, explain(err)
	}
	if err := c.Call(ctx, "device-types.list", struct{}{}, &types); err != nil {
		return nil, explain(err)
	}
	here := map[events.Entity]bool{}
	for _, d := range devices {
		here[events.Entity{Kind: events.Device, ID: string(d.Device)}] = true
	}
	for _, t := range types {
		here[events.Entity{Kind: events.DeviceType, ID: string(t.DeviceType)}] = true
	}
	var some []api.LabObject
	for _, o := range objects {
		if o.Kind == events.Worker || here[events.Entity{Kind: o.Kind, ID: o.Name}] {
			some = append(some, o)
			continue
		}
		out.NotTaken = append(out.NotTaken, lava.NotTaken{Kind: o.Kind, Name: o.Name, Setting: "permissions",
			Value: fmt.Sprintf("%.60q", o.Settings["permissions"]), Why: "it is not here; import devices and types first"})
	}
	return some, nil
}
