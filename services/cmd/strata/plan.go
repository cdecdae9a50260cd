package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"strata/dispatcher"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
	"strata/schemas/device"
	"strata/schemas/job"
	"strata/schemas/yaml"
)

// Names and levels are those of LAVA's pipeline, as its description.yaml has them.
func (a *app) planCommand() *cobra.Command {
	var p planning
	cmd := &cobra.Command{
		Use:   "plan JOB.yaml --device FILE",
		Short: "Show the actions of which a job will consist",
		Long: `Show the actions that a job will go through on a device, each with its level, its timeout and how often
it is tried, without touching a device, the network or any tool. FILE is LAVA's device dictionary,
which is rendered with the templates of --device-types and the job's context, or the YAML that it
renders to. With --json the tree is a list of {name, level, timeout, max_retries, url, pipeline},
timeouts in seconds.

The job is planned only, not checked: see "strata validate". Of a multinode job, which a lab splits
into one job a device, --part names the part to plan, such as server-0.`,
		Example: "  strata plan job.yaml --device qemu01.yaml\n" +
			"  strata plan job.yaml --device bbb-01.jinja2 --device-types device-types --json",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p.definition = args[0]
			return a.plan(p)
		},
	}
	p.device.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&p.device.file, "device", "", "file with the device's dictionary, or with what it renders to")
	f.StringVar(&p.dispatcher, "dispatcher", "", "file with the worker's configuration for jobs (dispatcher.yaml)")
	f.StringVar(&p.part, "part", "", "part of a multinode job: its role and number, such as server-0")
	_ = cmd.MarkFlagRequired("device") // fails only for a flag that is not there
	return cmd
}

// planning is what `strata plan` was told.
type planning struct {
	definition, dispatcher, part string
	device                       dictionary
}

// node is an action as `strata plan --json` prints it.
type node struct {
	Name       string  `json:"name"`
	Level      string  `json:"level"`
	Timeout    float64 `json:"timeout"` // seconds
	MaxRetries int     `json:"max_retries"`
	URL        string  `json:"url,omitempty"`
	Pipeline   []node  `json:"pipeline,omitempty"`
}

// plan plans a job and prints its tree.
// Status 1 where there is no plan; the error names the file.
func (a *app) plan(p planning) error {
	definition, context, err := p.read(a)
	if err != nil {
		return err
	}
	rendered, err := p.device.render(a, context)
	if err != nil {
		return err
	}
	if device.IsTemplate(rendered) {
		return fmt.Errorf("%s: %w", p.device.file, device.ErrTemplate)
	}
	settings, err := a.readText(p.dispatcher)
	if err != nil {
		return err
	}
	// Planning makes directories for what a job would download.
	scratch, err := os.MkdirTemp("", "strata-plan-")
	if err != nil {
		return fmt.Errorf("make scratch directory: %w", err)
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // what stays behind is in the temporary directory
	plan, err := dispatcher.Plan(dispatcher.Job{
		ID: "0", Version: version, Definition: definition, Device: rendered, Dispatcher: []byte(settings), Now: a.now,
		Dir: filepath.Join(scratch, "0"), Log: output.New(output.Settings{Now: a.now, Write: ignore}),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", p.definition, err)
	}
	described := plan.Describe()
	if a.json {
		return a.printJSON(nodes(described.Pipeline))
	}
	_, err = io.WriteString(a.out, described.Text())
	return err
}

// ignore is where the log of a plan goes.
func ignore(events.Record) error { return nil }

// read returns the definition and its context; of a multinode definition, those of the part.
// The context of the job takes part in rendering the device, so the definition is read before that.
func (p planning) read(a *app) (definition []byte, context *yaml.Node, err error) {
	text, err := a.readText(p.definition)
	if err != nil {
		return nil, nil, err
	}
	d, err := job.Read([]byte(text))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", p.definition, err)
	}
	if p.part == "" {
		return []byte(text), d.Root.Get("context"), nil
	}
	parts, problem := d.Split("plan")
	if problem != nil {
		return nil, nil, fmt.Errorf("%s: %w", p.definition, problem)
	}
	var names []string
	for _, part := range parts {
		name := fmt.Sprintf("%s-%d", part.Role.Name, part.N)
		if name == p.part {
			definition, err := yaml.Write(part.Root)
			return definition, part.Root.Get("context"), err
		}
		names = append(names, name)
	}
	return nil, nil, misuse("--part %s: %s has the parts %v", p.part, p.definition, names)
}

// An action without actions of its own has an empty list, not null: a script may walk the tree without
// looking.
func nodes(steps []pipeline.Node) []node {
	out := make([]node, len(steps))
	for i, s := range steps {
		out[i] = node{s.Name, s.Level, s.Timeout, s.MaxRetries, s.URL, nodes(s.Pipeline)}
	}
	return out
}
