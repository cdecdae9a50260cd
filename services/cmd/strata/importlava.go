package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
	"strata/services/cmd/lava"
)

// Called alone it shows its help, with status 0.
func (a *app) importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "import",
		Short:   "Take over another lab's configuration",
		Long:    "Take over what another lab is configured as. The subcommands name the kinds of lab that can be read.",
		Example: "  strata import lava --url https://lava.example.com --token-file token --dry-run",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.importLavaCommand(), a.importLavaUsersCommand())
	return cmd
}

// lavaImport is what `strata import lava` was told.
type lavaImport struct {
	files          lava.Files
	url, tokenFile string
	reason         string
	dryRun, force  bool
	checksAtOnce   int
}

func (a *app) importLavaCommand() *cobra.Command {
	var in lavaImport
	cmd := &cobra.Command{
		Use:   "lava",
		Short: "Take over what a LAVA server is configured as",
		Long: `Take over what a LAVA server is configured as: device types with their templates, health checks and
aliases, device dictionaries, tags and workers. LAVA itself is only read.

From its files (--device-types, --devices, --health-checks) also what dictionaries say for LAVA's sync
(sync_to_lava: worker, tags, aliases, owner, permissions). Every device that is new here comes in as
Maintenance, reason "imported", so that nothing is powered on that people took out.

From its interfaces (--url, with a superuser's token in --token-file) also settings of types, health with
its reason, descriptions, owners, permissions, and when the last health check was: the next one counts
from there. Permissions of groups count at once; accounts and who is in which group are taken by
"strata import lava-users".

First checks are spread: at most --checks-at-once imported devices have theirs at the same time, and those
that are Good take jobs until it is their turn.

An import may be repeated while both labs run. What was changed in LAVA since the last one is taken; what
was changed here stays and is reported, unless --force. --dry-run says what would be done. The report names
each change, each device that does not render or validate, and each field that was not taken.`,
		Example: "  strata import lava --url https://lava.example.com --token-file token --dry-run\n" +
			"  strata import lava --device-types /etc/lava-server/dispatcher-config/device-types --device-types /usr/share/lava-server/device-types \\\n" +
			"    --devices /etc/lava-server/dispatcher-config/devices --health-checks /etc/lava-server/dispatcher-config/health-checks",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.importLava(cmd.Context(), in) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&in.files.DeviceTypes, "device-types", nil, "folder with templates of device types; of several the first one's count")
	f.StringVar(&in.files.Devices, "devices", "", "folder with device dictionaries")
	f.StringVar(&in.files.HealthChecks, "health-checks", "", "folder with health checks, named after templates")
	f.StringVar(&in.files.Worker, "worker", "", "worker that devices hang on whose dictionaries name none")
	f.StringVar(&in.url, "url", "", "address of the LAVA server, such as https://lava.example.com")
	f.StringVar(&in.tokenFile, "token-file", "", "file with an API token of that server, of a superuser")
	f.BoolVar(&in.dryRun, "dry-run", false, "say what would be done, and do nothing")
	f.BoolVar(&in.force, "force", false, "take LAVA's settings also where they were changed here")
	f.IntVar(&in.checksAtOnce, "checks-at-once", 4, "how many imported devices may have their first health check at the same time; 0: no limit")
	f.StringVar(&in.reason, "reason", "import from LAVA", "why, kept with new dictionaries and templates")
	return cmd
}

// lavaReport is what an import did and did not do.
// It is what --json prints. The lists of changes are never null, so that jq's length works on them.
type lavaReport struct {
	api.LabImport
	NotTaken []lava.NotTaken     `json:"not_taken,omitempty"`
	Unread   []api.InvalidObject `json:"unread,omitempty"`
	Objects  int                 `json:"objects"`
	DryRun   bool                `json:"dry_run,omitempty"`
}

// Parts go one after the other, each recorded for itself: an import that breaks off has taken what it
// reported, and is repeated as a whole.
func (a *app) importLava(ctx context.Context, in lavaImport) error {
	config, err := a.readLava(ctx, in)
	if err != nil {
		return err
	}
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	out := lavaReport{NotTaken: config.NotTaken, Unread: config.Unread, Objects: len(config.Objects), DryRun: in.dryRun}
	out.Changes = []api.SettingChange{}
	for _, part := range objectPortions(config.Objects, importBytes) {
		var answer api.LabImport
		if err := c.Call(ctx, "import", api.LabImportRequest{Source: "lava", Objects: part, Force: in.force, DryRun: in.dryRun,
			ChecksAtOnce: in.checksAtOnce, Reason: in.reason}, &answer); err != nil {
			return explain(err)
		}
		out.Changes, out.Kept = append(out.Changes, answer.Changes...), append(out.Kept, answer.Kept...)
		out.Refused = append(out.Refused, answer.Refused...)
		for _, o := range answer.Invalid {
			// Of a device that comes in a later part, only that part knows.
			if o.Kind != events.Device || holds(part, o) || !holds(config.Objects, o) {
				out.Invalid = append(out.Invalid, o)
			}
		}
	}
	return a.reportLava(in, out)
}

func holds(objects []api.LabObject, o api.InvalidObject) bool {
	return slices.ContainsFunc(objects, func(b api.LabObject) bool { return b.Kind == o.Kind && b.Name == o.Name })
}

// readLava reads the server's files or asks the server.
// Exactly one of the two ways is read; which flags do not go together is a misuse, before anything is
// asked.
func (a *app) readLava(ctx context.Context, in lavaImport) (*lava.Config, error) {
	byFiles := len(in.files.DeviceTypes) > 0 || in.files.Devices != "" || in.files.HealthChecks != ""
	switch {
	case in.checksAtOnce < 0:
		return nil, misuse("--checks-at-once %d: allowed are 0 (no limit) and more", in.checksAtOnce)
	case byFiles && in.url != "":
		return nil, misuse("say either --url, or folders of files")
	case byFiles:
		return in.files.Read()
	case in.url == "":
		return nil, misuse("say what to read: --url with --token-file, or --device-types, --devices, --health-checks")
	case in.tokenFile == "":
		return nil, misuse("--url needs --token-file")
	}
	token, err := os.ReadFile(in.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	// Editors end a file with a newline, which is no part of a token; what has blanks is another file.
	text := strings.TrimSpace(string(token))
	if text == "" || strings.ContainsAny(text, " \t\r\n") {
		return nil, fmt.Errorf("%s does not hold a token: want one word", in.tokenFile)
	}
	return lava.Server{URL: in.url, Token: text}.Read(ctx)
}

// objectPortions cuts objects into requests of at most so many bytes, in the order in which they need one
// another.
// Types before tags before workers before devices; within a kind the order of the source stays.
func objectPortions(objects []api.LabObject, most int) [][]api.LabObject {
	order := []events.Kind{events.DeviceType, events.Tag, events.Worker, events.Device}
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, func(a, b api.LabObject) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	var out [][]api.LabObject
	// Full, so that the first object opens the first part. One that is larger than a part goes alone,
	// and is the api's to refuse.
	bytes := most
	for _, o := range sorted {
		// 64 for the names of JSON fields and what separates them.
		n := 64 + len(o.Name)
		for setting, value := range o.Settings {
			n += size([]api.ImportFile{{Name: setting, Text: value}})
		}
		if bytes+n > most {
			out, bytes = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], o)
		bytes += n
	}
	return out
}

// reportLava prints a line for each thing that a person may want to know, and what it comes to.
// What a server does not give (Unread) is a failure of files alone: of a server's answers the lab
// takes what there is.
func (a *app) reportLava(in lavaImport, out lavaReport) error {
	if a.json {
		if err := a.printJSON(out); err != nil {
			return err
		}
	} else {
		a.printLava(out)
	}
	if n := len(out.Refused); n > 0 {
		return fmt.Errorf("%d of %d things were refused", n, out.Objects)
	}
	if n := len(out.Unread); n > 0 && in.url == "" {
		return fmt.Errorf("%d files could not be read", n)
	}
	return nil
}

// The first word of each line is what people grep for; the last line sums up.
func (a *app) printLava(out lavaReport) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(a.out, "%-9s %s\n", what, fmt.Sprintf(format, args...))
	}
	for _, c := range out.Changes {
		switch {
		case c.Setting == "" && c.There != "":
			line("added", "%s %s (%s)", c.Kind, c.Name, c.There)
		case c.Setting == "":
			line("added", "%s %s", c.Kind, c.Name)
		default:
			line("changed", "%s %s %s: %s → %s", c.Kind, c.Name, c.Setting, c.Here, c.There)
		}
	}
	for _, c := range out.Kept {
		line("kept", "%s %s %s: here %s, there %s: %s", c.Kind, c.Name, c.Setting, c.Here, c.There, c.Why)
	}
	for _, n := range out.NotTaken {
		line("not taken", "%s %s %s: %s: %s", n.Kind, n.Name, n.Setting, n.Value, n.Why)
	}
	for _, o := range out.Unread {
		line("unread", "%s %s: %s", o.Kind, o.Name, o.Why)
	}
	for _, o := range out.Invalid {
		line("invalid", "%s %s: %s", o.Kind, o.Name, o.Why)
	}
	for _, o := range out.Refused {
		line("refused", "%s %s: %s", o.Kind, o.Name, o.Why)
	}
	would := ""
	if out.DryRun {
		would = "; nothing was changed (--dry-run)"
	}
	changes := "changes"
	if len(out.Changes) == 1 {
		changes = "change"
	}
	fmt.Fprintf(a.out, "%d %s: %d things read, %d settings kept, %d not taken, %d invalid, %d refused%s\n", len(out.Changes), changes,
		out.Objects, len(out.Kept), len(out.NotTaken), len(out.Invalid), len(out.Refused), would)
}
