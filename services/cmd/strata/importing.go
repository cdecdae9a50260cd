package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// templateSuffix ends the names of the files that LAVA keeps dictionaries and templates in.
const templateSuffix = ".jinja2"

// importBytes is how much text goes to the lab in one request; a message of the bus has 8 MiB.
const importBytes = 6 << 20

// importing is what an import was told.
type importing struct {
	dir, verb, what string
	worker, reason  string
	dryRun          bool
}

// Both imports end with status 1 where a file was refused, after all others were taken; a script may
// repeat them until the status is 0.
func (a *app) deviceTypesImport() *cobra.Command {
	in := importing{verb: "device-types.import", what: "device type"}
	cmd := &cobra.Command{
		Use:   "import DIR",
		Short: "Take the device-type templates of a folder",
		Long: `Take the templates (*.jinja2) of a folder as device types, named as the files are: LAVA keeps them in
/etc/lava-server/dispatcher-config/device-types and /usr/share/lava-server/device-types. Each file is
taken as a whole or refused; what the lab has already stays as it is, so an import may be repeated. Of
a type that is there only the template changes. --dry-run says what would be done.

A file is refused, with its line, where it is not written in the language of templates, or extends one
that is neither in the folder nor in the lab. Devices that a changed template leaves without a valid
configuration are named: the lab checks all devices again, and gives these no jobs.`,
		Example: "  strata device-types import /usr/share/lava-server/device-types --dry-run\n" +
			"  strata device-types import /etc/lava-server/dispatcher-config/device-types --reason 'move from LAVA'",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.dir = args[0]
			return a.importFolder(cmd.Context(), in)
		},
	}
	in.flags(cmd)
	return cmd
}

func (a *app) devicesImport() *cobra.Command {
	in := importing{verb: "devices.import", what: "device"}
	cmd := &cobra.Command{
		Use:   "import DIR",
		Short: "Take the device dictionaries of a folder",
		Long: `Take the dictionaries (*.jinja2) of a folder as devices, named as the files are: LAVA keeps them in
/etc/lava-server/dispatcher-config/devices. A new device is of the type that its dictionary extends
(or names in sync_to_lava), and of unknown health, so that its health check decides. A device that is
there keeps its type and gets the dictionary as its next version. --worker hangs all of them on a
worker; without it they stay where they are, new ones on none.

Each file is taken as a whole or refused; what the lab has already stays as it is, so an import may be
repeated. A dictionary that does not render to a valid configuration with the lab's device types is
refused with template and line: import the types first. --dry-run says what would be done.`,
		Example: "  strata devices import /etc/lava-server/dispatcher-config/devices --worker lab1 --dry-run\n" +
			"  strata devices import devices --worker lab1 --reason 'move from LAVA'",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.dir = args[0]
			return a.importFolder(cmd.Context(), in)
		},
	}
	in.flags(cmd)
	cmd.Flags().StringVar(&in.worker, "worker", "", "worker that the devices hang on (default: as it is)")
	return cmd
}

func (in *importing) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&in.dryRun, "dry-run", false, "say what would be done, and do nothing")
	cmd.Flags().StringVar(&in.reason, "reason", "", "why, kept with each change")
}

// importFolder sends the files of a folder and reports on each.
func (a *app) importFolder(ctx context.Context, in importing) error {
	files, unread, err := readFolder(in.dir)
	if err != nil {
		return err
	}
	if len(files)+len(unread) == 0 {
		return fmt.Errorf("%s has no *%s files", in.dir, templateSuffix)
	}
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	out := api.Import{Files: unread}
	// Templates go in one request: a parent that comes in a later one would have its children refused.
	requests := [][]api.ImportFile{files}
	if in.verb == "devices.import" {
		requests = portions(files, importBytes) // dictionaries stand alone; templates extend one another
	}
	for _, request := range requests {
		if n := size(request); n > importBytes {
			return fmt.Errorf("the templates of %s have %d bytes, allowed at once are %d: import them in several folders, parents first", in.dir, n, importBytes)
		}
		var answer api.Import
		if err := c.Call(ctx, in.verb, api.ImportRequest{Files: request, Worker: events.WorkerName(in.worker),
			Reason: in.reason, DryRun: in.dryRun}, &answer); err != nil {
			return explain(err)
		}
		out.Files, out.Breaks = append(out.Files, answer.Files...), append(out.Breaks, answer.Breaks...)
	}
	return a.reportImport(in, out)
}

// readFolder reads the templates of a folder, in the order of their names. A file that cannot be read is
// refused as one with a fault is: the others go on.
// Sub-folders are not entered, as LAVA enters none; files that begin with a dot are editors'.
func readFolder(dir string) (files []api.ImportFile, unread []api.Imported, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("read the folder: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), templateSuffix)
		if !ok || strings.HasPrefix(name, ".") {
			continue
		}
		text, err := readTemplate(filepath.Join(dir, e.Name()))
		if err != nil {
			unread = append(unread, api.Imported{Name: name, Outcome: api.Refused, Why: err.Error()})
			continue
		}
		files = append(files, api.ImportFile{Name: name, Text: text})
	}
	return files, unread, nil
}

// readTemplate reads a regular file, or a link to one, of a size that may be a template.
// A pipe or a device would block the import, or never end.
func readTemplate(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	const most = 256 << 10
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("%s has %d bytes, allowed are %d", path, info.Size(), most)
	}
	// JSON would replace what is no text, and the lab take it for one.
	if err == nil && strings.ToValidUTF8(string(text), "") != string(text) {
		err = fmt.Errorf("%s is not text in UTF-8", path)
	}
	return string(text), err
}

// portions cuts files into requests of at most so many bytes.
func portions(files []api.ImportFile, most int) [][]api.ImportFile {
	var out [][]api.ImportFile
	bytes := most
	for _, f := range files {
		n := size([]api.ImportFile{f})
		if bytes+n > most {
			out, bytes = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], f)
		bytes += n
	}
	return out
}

// size is how many bytes files have as JSON: tabs, backslashes and control characters, of which some
// templates are full, take more than themselves there.
func size(files []api.ImportFile) int {
	text, err := json.Marshal(files)
	if err != nil {
		panic(err) // texts always encode
	}
	return len(text)
}

// reportImport prints a line a file, and what it comes to.
// --json prints one api.Import in which the outcome of each file stands, and the status is 1 all the
// same where one was refused.
func (a *app) reportImport(in importing, out api.Import) error {
	counts := map[api.Outcome]int{}
	for _, f := range out.Files {
		counts[f.Outcome]++
	}
	if a.json {
		if err := a.printJSON(out); err != nil {
			return err
		}
	} else {
		missing := map[string][]string{} // files by the template that they miss
		for _, f := range out.Files {
			if f.Missing != "" && f.Outcome == api.Refused {
				missing[f.Missing] = append(missing[f.Missing], f.Name)
				continue
			}
			line := fmt.Sprintf("%-8s %s", f.Outcome, filepath.Join(in.dir, f.Name+templateSuffix))
			if f.DeviceType != "" && f.Outcome == api.Added {
				line += " (type " + string(f.DeviceType) + ")"
			}
			if f.Why != "" {
				line += ": " + f.Why
			}
			fmt.Fprintln(a.out, line)
		}
		for _, parent := range sortedKeys(missing) { // a line each of a folder of devices would hide what to do
			fmt.Fprintf(a.out, "%-8s %s: extended by %s, and not in the lab\n", api.Refused, parent+templateSuffix, strings.Join(missing[parent], ", "))
		}
		for _, b := range out.Breaks {
			fmt.Fprintf(a.out, "%-8s device %s has no valid configuration with these: %s\n", "breaks", b.Device, b.Why)
		}
		would := ""
		if in.dryRun {
			would = "; nothing was changed (--dry-run)"
		}
		fmt.Fprintf(a.out, "%d files: %d added, %d changed, %d same, %d refused%s\n", len(out.Files),
			counts[api.Added], counts[api.Changed], counts[api.Same], counts[api.Refused], would)
	}
	if slices.ContainsFunc(out.Files, func(f api.Imported) bool { return f.Missing != "" && f.Outcome == api.Refused }) {
		a.say("the lab does not have all templates that these devices extend: import the device types first (`strata device-types import DIR`), then this folder again")
	}
	if n := counts[api.Refused]; n > 0 {
		return fmt.Errorf("%d of %d files were refused", n, len(out.Files))
	}
	return nil
}
