package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strata/schemas/job"
	"strata/schemas/job/strict"
	"strata/schemas/shape"
	"strata/schemas/testdef"
	"strata/schemas/yaml"
)

// Editors and hooks read its lines, file:line:column: …, and its status, 0, 1 or 2, as the Long text
// promises.
func (a *app) validateCommand() *cobra.Command {
	var v validation
	cmd := &cobra.Command{
		Use:   "validate FILE…",
		Short: "Check job definitions against the schemas of their methods",
		Long: `Check job definitions without a lab: every key of every deploy, boot, test and command method, and
the rules between them, such as a timeout that is longer than the job's. "-" reads one from standard
input. Each problem is printed as file:line:column: path: what is wrong and what is allowed; one of the
file as a whole, such as its size, has no line and column. A file that calls itself a test definition
(metadata: format) is checked as one; with --test-definition all are.

Without --strict unknown keys pass, as they do on submission; with it they are refused too, and the
nearest right spelling is named. This is advice: a lab's gate decides on submission, and knows less.
Where the gate would refuse what is accepted here, a note says so; the exit status is not changed.

The exit status is 0 when all files are accepted, 1 when one is not or cannot be read, 2 when the
command was misused. Editors find the same schemas in schemas/job.schema.json.`,
		Example: `  strata validate job.yaml
  strata validate --strict --json jobs/*.yaml
  strata validate --strict smoke.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error { return a.validate(v, files) },
	}
	f := cmd.Flags()
	f.BoolVar(&v.strict, "strict", false, "refuse unknown keys")
	f.BoolVar(&v.testdef, "test-definition", false, "all files are test definitions, whatever they call themselves")
	f.StringSliceVar(&v.context, "context", nil, "further variables that a job's context may set, with commas between them")
	return cmd
}

// validation is what `strata validate` was told.
type validation struct {
	strict, testdef bool
	context         []string
}

// verdict is what `strata validate --json` prints of a file.
// Gate is no reason not to be accepted: the status is 0 with it.
type verdict struct {
	File     string         `json:"file"`
	Accepted bool           `json:"accepted"`
	Problems []fileProblem  `json:"problems"`
	Gate     *submitProblem `json:"gate,omitempty"` // why submission would refuse what is accepted here
}

// fileProblem is one thing that is wrong with a file.
type fileProblem struct {
	Line    int    `json:"line"` // from 1; 0 where unknown
	Column  int    `json:"column"`
	Path    string `json:"path"` // such as actions[1].boot.commands
	Message string `json:"message"`
	LAVA    string `json:"lava,omitempty"` // the same in the words of LAVA's validator
}

// submitProblem is what the gate of a lab would say.
type submitProblem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// All files are read before one is judged: one that cannot be read leaves no half of a report.
func (a *app) validate(v validation, files []string) error {
	texts := make([]string, len(files))
	for i, file := range files {
		text, err := a.readText(file)
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		texts[i] = text
	}
	check := v.checker()
	accepted := true
	for i, file := range files {
		d := check([]byte(texts[i]))
		d.File = file
		accepted = accepted && d.Accepted
		if err := a.printVerdict(d); err != nil {
			return err
		}
	}
	if !accepted {
		return errQuiet
	}
	return nil
}

// checker returns what checks one text.
// Schemas are built once for all files.
func (v validation) checker() func(text []byte) verdict {
	mode := shape.Mode(v.strict)
	if v.testdef {
		return func(text []byte) verdict {
			// Not nil: --json prints [] where nothing is wrong.
			d := verdict{Problems: []fileProblem{}}
			for _, p := range testdef.Validate(text, mode) {
				d.Problems = append(d.Problems, fileProblem{p.Line, p.Column, p.Path.String(), p.Message, ""})
			}
			d.Accepted = len(d.Problems) == 0
			return d
		}
	}
	definition := validation{strict: v.strict, testdef: true}.checker()
	validator, gate := strict.New(v.context), job.NewGate(job.Rules{ExtraContext: v.context})
	return func(text []byte) verdict {
		if isDefinition(text) {
			return definition(text)
		}
		d := verdict{Problems: []fileProblem{}}
		for _, p := range validator.Check(text, mode) {
			d.Problems = append(d.Problems, fileProblem{p.Line, p.Column, p.Path.String(), p.Message, p.Classic})
		}
		if d.Accepted = len(d.Problems) == 0; d.Accepted {
			if _, refused := gate.Check(text); len(refused) > 0 {
				d.Gate = &submitProblem{refused[0].Line, refused[0].Column, refused[0].Message}
			}
		}
		// By place, whichever check has found them: people mend a file from its top.
		slices.SortStableFunc(d.Problems, func(a, b fileProblem) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return d
	}
}

// isDefinition reports whether a text calls itself a test definition, and is no job.
// A text that cannot be read is taken for a job, whose messages are LAVA's.
func isDefinition(text []byte) bool {
	root, err := yaml.Parse(text)
	if err != nil || root.Has("actions") || root.Has("job_name") {
		return false
	}
	return strings.HasPrefix(root.Get("metadata", "format").TextOr(""), "Lava-Test ")
}

// printVerdict prints what was found in one file, a line for each problem.
func (a *app) printVerdict(d verdict) error {
	if a.json {
		return a.printJSON(d)
	}
	for _, p := range d.Problems {
		path := p.Path
		if path != "" {
			path += ": "
		}
		if _, err := fmt.Fprintf(a.out, "%s: %s%s\n", placeIn(d.File, p.Line, p.Column), path, p.Message); err != nil {
			return err
		}
	}
	if !d.Accepted {
		return nil
	}
	if d.Gate != nil {
		_, err := fmt.Fprintf(a.out, "%s: %s %s\n", placeIn(d.File, d.Gate.Line, d.Gate.Column),
			a.paint(a.out, yellow, "note: a lab would refuse it on submission:"), d.Gate.Message)
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.out, "%s: %s\n", d.File, a.paint(a.out, green, "accepted"))
	return err
}

// placeIn names a place in a file as editors understand it; what is wrong with the file as a whole has no
// line, and gets none.
func placeIn(file string, line, column int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}
