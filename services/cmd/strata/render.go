package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"strata/dispatcher/pipeline"
	"strata/schemas/device"
	"strata/schemas/yaml"
)

// dictionary is a device as a command line names it: a dictionary with the folders and the context
// that it is rendered with, or the YAML that it renders to.
type dictionary struct {
	file    string
	types   []string // folders of device-type templates
	context string   // JSON or YAML, a mapping
	name    string   // of the device, for templates that ask
	kind    string   // its device type, likewise
}

// flags adds what renders a dictionary to a command.
func (d *dictionary) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&d.types, "device-types", nil, "folders with device-type templates, with commas between them")
	f.StringVar(&d.context, "context", "", "job context for the templates, as JSON")
	f.StringVar(&d.name, "name", "", "name of the device, where templates ask for it (scheduled_device_name)")
	f.StringVar(&d.kind, "type", "", "device type of the device, where templates ask for it (scheduled_device_type)")
}

// render returns the device's YAML. context is what the job says, which --context replaces.
// "-" reads standard input. --context replaces the job's context as a whole.
func (d dictionary) render(a *app, context *yaml.Node) ([]byte, error) {
	text, err := a.readText(d.file)
	if err != nil {
		return nil, err
	}
	if d.context != "" {
		if context, err = yaml.Parse([]byte(d.context)); err != nil {
			return nil, misuse("--context: %w", err)
		}
		if !context.Is(yaml.Map) {
			return nil, misuse("--context: expected a mapping, found a %s", context.Kind)
		}
	}
	return d.renderText(text, context)
}

// renderText renders a dictionary that has been read already; file only names it.
func (d dictionary) renderText(text string, context *yaml.Node) ([]byte, error) {
	for _, dir := range d.types {
		// Strata's own templates would stand in for what is not found there, and nobody would see it.
		if info, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("--device-types: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("--device-types: %s is no folder", dir)
		}
	}
	templates := &device.Templates{Text: d.template, File: filepath.Base(d.file)}
	rendered, err := templates.Render(d.name, d.kind, []byte(text), context)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.file, err)
	}
	return rendered, nil
}

// template reads a template from the folders, the first that has it.
// Beside the folders of --device-types the dictionary's own is looked into, last.
func (d dictionary) template(name string) (string, bool) {
	for _, dir := range append(d.types[:len(d.types):len(d.types)], filepath.Dir(d.file)) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			continue
		}
		text, err := fs.ReadFile(root.FS(), name) // never outside the folder, whatever a template includes
		if errors.Join(err, root.Close()) == nil {
			return string(text), true
		}
	}
	return "", false
}

// What is printed can be given to "strata run --device" and "strata plan --device".
func (a *app) deviceRender() *cobra.Command {
	var d dictionary
	cmd := &cobra.Command{
		Use:   "render FILE",
		Short: "Render a device dictionary",
		Long: `Render a device dictionary with the templates of its device type, with no lab. FILE is LAVA's Jinja2
dictionary; YAML that is rendered already passes as it is. What is printed is the text that a worker
is handed, or with --json its data. An error names the template and the line.`,
		Example: "  strata devices render bbb-01.jinja2 --device-types device-types --json\n" +
			"  strata devices render qemu01.jinja2 --device-types device-types --context '{\"arch\": \"arm64\"}'",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			d.file = args[0]
			text, err := d.render(a, nil)
			if err != nil {
				return err
			}
			root, err := yaml.ParseWithin(text, yaml.Limits{Bytes: device.MaxBytes})
			if err != nil {
				return fmt.Errorf("%s renders to no YAML: %w", d.file, err)
			}
			if !root.Is(yaml.Map) {
				return fmt.Errorf("%s renders to a %s, expected a mapping", d.file, root.Kind)
			}
			if !a.json {
				_, err := a.out.Write(append(text, '\n'))
				return err
			}
			out := json.NewEncoder(a.out)
			out.SetEscapeHTML(false)
			return out.Encode(pipeline.FromYAML(root).Native())
		},
	}
	d.flags(cmd)
	return cmd
}
