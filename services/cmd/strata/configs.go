package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"strata/services/api"
)

// versionsCommand is `config` of devices, device types and workers.
// One command for three kinds, as their verbs take and give the same: api.ConfigRequest and
// api.Config. Which versions there are the lab says; it refuses one that there is not.
func (a *app) versionsCommand(noun, plural, verb string) *cobra.Command {
	version, diff := 0, false
	cmd := &cobra.Command{
		Use:   "config NAME [FROM [TO]]",
		Short: "Show the versions of a " + noun + "'s configuration",
		Long: `Show who changed the configuration of a ` + noun + ` when, and why, newest first. --version prints one version.
--diff shows what changed: the last change, or all from one version to another (FROM, and TO or the
newest), as a unified diff. Versions are facts: none is ever lost by a change.`,
		Example: "  strata " + plural + " config NAME\n  strata " + plural + " config NAME --version 2\n  strata " + plural + " config NAME --diff 2 3",
		Args:    cobra.RangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			var between []int
			for _, text := range args[1:] {
				n, err := strconv.Atoi(text)
				if err != nil || n < 1 {
					return misuse("%q is no number of a version", text)
				}
				between = append(between, n)
			}
			switch {
			case !diff && len(between) > 0:
				return misuse("two versions are compared with --diff; one is shown with --version %d", between[0])
			case diff && cmd.Flags().Changed("version"):
				return misuse("--diff and --version cannot be used together")
			case diff:
				return a.diffVersions(cmd, verb, args[0], between)
			case cmd.Flags().Changed("version"):
				return a.showVersion(cmd, verb, args[0], version)
			}
			return a.listVersions(cmd, verb, args[0])
		},
	}
	cmd.Flags().IntVar(&version, "version", 0, "print this version")
	cmd.Flags().BoolVar(&diff, "diff", false, "show what changed, in the last version or between two")
	return cmd
}

// listVersions prints the log of a configuration.
// Newest first for people; --json keeps the order of the log, oldest first.
func (a *app) listVersions(cmd *cobra.Command, verb, name string) error {
	var out api.Config
	return a.ask(cmd, verb, api.ConfigRequest{Name: name}, &out, func() error {
		if len(out.Versions) == 0 {
			a.say("%s has no configuration yet", name)
		}
		var rows [][]string
		for i := len(out.Versions) - 1; i >= 0; i-- {
			v := out.Versions[i]
			rows = append(rows, []string{fmt.Sprint(v.Version), v.Time.Local().Format(time.DateTime), string(v.By),
				fmt.Sprint(v.Bytes), fmt.Sprint(v.Seq), v.Comment})
		}
		return a.table([]string{"VERSION", "TIME", "AUTHOR", "BYTES", "FACT", "REASON"}, rows)
	})
}

// showVersion prints the text of one version.
// The text goes out as it was given, with a line feed at its end: it can be given again to
// `configure`.
func (a *app) showVersion(cmd *cobra.Command, verb, name string, n int) error {
	var out api.Config
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	if err := c.Call(cmd.Context(), verb, api.ConfigRequest{Name: name, Texts: []int{n}}, &out); err != nil {
		return explain(err)
	}
	for _, v := range out.Versions {
		if v.Version != n {
			continue
		}
		if a.json {
			return a.printJSON(v)
		}
		_, err := fmt.Fprint(a.out, endLine(v.Text))
		return err
	}
	return fmt.Errorf("%s has no version %d", name, n)
}

// diffVersions prints what changed from one version to another.
// Comparing is done here: the lab gives texts, and the same diff serves all three kinds. With --json
// the diff is one text, in the unified format that patch(1) reads.
func (a *app) diffVersions(cmd *cobra.Command, verb, name string, between []int) error {
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	var out api.Config
	if err := c.Call(cmd.Context(), verb, api.ConfigRequest{Name: name}, &out); err != nil {
		return explain(err)
	}
	if len(out.Versions) == 0 {
		return fmt.Errorf("%s has no configuration yet", name)
	}
	newest := out.Versions[len(out.Versions)-1].Version
	from, to := newest-1, newest
	switch len(between) {
	case 1:
		from = between[0]
	case 2:
		from, to = between[0], between[1]
	}
	wanted := []int{to}
	if from > 0 { // before the first there was nothing
		wanted = append(wanted, from)
	}
	// Texts come for the versions that are named alone: all of them may be megabytes.
	if err := c.Call(cmd.Context(), verb, api.ConfigRequest{Name: name, Texts: wanted}, &out); err != nil {
		return explain(err)
	}
	texts := map[int]string{}
	for _, v := range out.Versions {
		texts[v.Version] = v.Text
	}
	title := func(n int) string { return fmt.Sprintf("%s version %d", name, n) }
	text := unified(title(from), title(to), texts[from], texts[to])
	if a.json {
		return a.printJSON(struct {
			Name string `json:"name"`
			From int    `json:"from"`
			To   int    `json:"to"`
			Diff string `json:"diff"`
		}{name, from, to, text})
	}
	_, err = fmt.Fprint(a.out, text)
	return err
}

// endLine ends a text with a newline.
// A prompt behind the last line of a file would be taken for a part of it.
func endLine(text string) string {
	if text == "" || text[len(text)-1] == '\n' {
		return text
	}
	return text + "\n"
}
