package boot_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
	devices "strata/schemas/device"
	jobs "strata/schemas/job"
	"strata/schemas/yaml"
)

// treesWanted and rootsWanted are how much of the recorded trees this package must account for: a
// corpus that is not found as it was would otherwise make the test pass with nothing compared.
const treesWanted, rootsWanted = 118, 265

// The boot, command and finalize actions of a planned job equal those that the reference planned:
// names, levels, timeouts, attempts, URLs. Deploy and test actions are compared elsewhere.
func TestBootTreesOfTheCorpus(t *testing.T) {
	t.Parallel()
	corpus := filepath.Join(sharedDir(t), "corpus")
	templates := &devices.Templates{Text: func(name string) (string, bool) {
		text, err := os.ReadFile(filepath.Join(corpus, "device-types", name))
		return string(text), err == nil
	}}
	trees, roots, missing := 0, 0, []string{}
	for _, c := range treeCases(t, corpus) {
		definition, dictionary, err := c.inputs(corpus, templates)
		if errors.Is(err, os.ErrNotExist) {
			missing = append(missing, c.tree)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.tree, err)
			continue
		}
		got, err := planBoot(t, definition, dictionary)
		if err != nil {
			t.Errorf("%s: plan: %v", c.tree, err)
			continue
		}
		trees++
		roots += compareRoots(t, c.tree, definition, got, readTree(t, filepath.Join(corpus, c.tree)))
	}
	if trees < treesWanted || roots < rootsWanted {
		t.Errorf("%d trees with %d actions compared, want at least %d and %d", trees, roots, treesWanted, rootsWanted)
	}
	t.Logf("%d trees with %d boot, command and finalize actions compared; %d without their inputs here: %s",
		trees, roots, len(missing), strings.Join(missing, " "))
}

// compareRoots compares the root actions that are this package's. It returns how many there were.
func compareRoots(t *testing.T, name string, definition pipeline.Data, got []pipeline.Node, want pipeline.Data) int {
	t.Helper()
	kinds := []string{}
	for _, entry := range definition.Get("actions").Items() {
		for _, p := range entry.Pairs() {
			kinds = append(kinds, p.Key)
		}
	}
	kinds = append(kinds, "finalize")
	if len(got) != len(want.Items()) || len(got) != len(kinds) {
		t.Errorf("%s: %d root actions, want %d", name, len(got), len(want.Items()))
		return 0
	}
	count := 0
	for i, kind := range kinds {
		if kind == "deploy" || kind == "test" {
			continue
		}
		count++
		gotLines, wantLines := projectNodes(got[i:i+1]), projectTree(pipeline.Of([]pipeline.Data{want.Items()[i]}))
		if !slices.Equal(gotLines, wantLines) {
			t.Errorf("%s: %s\n got %s\nwant %s", name, kind, strings.Join(gotLines, "\n     "), strings.Join(wantLines, "\n     "))
		}
	}
	return count
}

// treeCase is a recorded tree and what it was made of.
type treeCase struct {
	tree    string // below the corpus
	job     string // below the reference's repository
	device  string // name of a dictionary, or "type-X" for a bare device type
	role    string // of a multinode part: "server-0"
	context string // JSON; "" for the job's own
}

// treeCases reads corpus.csv. What the table does not say of a tree its name does:
// <job>[--<role>-<n>]--<device>[--<context>].yaml.
func treeCases(t *testing.T, corpus string) []treeCase {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus, "corpus.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	seen := map[string]bool{}
	var out []treeCase
	for _, row := range rows[1:] {
		for tree := range strings.SplitSeq(row[column["reference_tree"]], ";") {
			if tree == "" || seen[tree] {
				continue
			}
			seen[tree] = true
			c := treeCase{tree: tree, job: row[column["job_file"]], context: row[column["context_json"]],
				device: strings.TrimSuffix(filepath.Base(row[column["device_dictionary"]]), ".jinja2")}
			parts := strings.Split(strings.TrimSuffix(filepath.Base(tree), ".yaml"), "--")
			if row[column["device_dictionary"]] == "" {
				c.device = parts[len(parts)-1]
				if len(parts) == 3 {
					c.role = parts[1]
				}
			}
			out = append(out, c)
		}
	}
	return out
}

// inputs returns the definition and the rendered device.
func (c treeCase) inputs(corpus string, templates *devices.Templates) (definition, rendered pipeline.Data, err error) {
	if _, err := os.Stat(filepath.Join(corpus, c.tree)); err != nil {
		return definition, rendered, err
	}
	name := strings.ReplaceAll(strings.TrimPrefix(c.job, "tests/"), "/", "__")
	text, err := os.ReadFile(filepath.Join(corpus, "jobs", name))
	if err != nil {
		return definition, rendered, err
	}
	if c.role != "" {
		if text, err = part(text, c.role); err != nil {
			return definition, rendered, err
		}
	}
	if definition, err = pipeline.ReadYAML(text); err != nil {
		return definition, rendered, err
	}
	context := definition.Get("context").YAML()
	if c.context != "" {
		if context, err = yaml.Parse([]byte(c.context)); err != nil {
			return definition, rendered, err
		}
	}
	dictionary, err := c.dictionary(corpus)
	if err != nil {
		return definition, rendered, err
	}
	text, err = templates.Render(c.device, "", dictionary, context)
	if err != nil {
		return definition, rendered, err
	}
	rendered, err = pipeline.ReadYAML(text)
	return definition, rendered, err
}

// dictionary returns the device dictionary, or one that is nothing but its type.
func (c treeCase) dictionary(corpus string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(corpus, "devices", c.device+".jinja2"))
	if err == nil {
		return text, nil
	}
	kind := strings.TrimPrefix(c.device, "type-")
	if _, err := os.Stat(filepath.Join(corpus, "device-types", kind+".jinja2")); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "{%% extends '%s.jinja2' %%}\n", kind), nil
}

// part returns one part of a multinode definition, by role and number.
func part(text []byte, role string) ([]byte, error) {
	whole, err := jobs.Read(text)
	if err != nil {
		return nil, fmt.Errorf("read the definition: %w", err)
	}
	parts, problem := whole.Split("group")
	if problem != nil {
		return nil, problem
	}
	for i, p := range parts {
		if fmt.Sprintf("%s-%d", p.Role.Name, i) == role {
			return yaml.Write(p.Root)
		}
	}
	return nil, fmt.Errorf("the definition has no part %s", role)
}

// planBoot plans a job. Where another package's method cannot plan its block, its place is taken by
// an action without children: boot actions do not depend on those of deploy.
func planBoot(t *testing.T, definition, rendered pipeline.Data) ([]pipeline.Node, error) {
	t.Helper()
	methods := dispatcher.Methods()
	in := pipeline.Inputs{
		ID: "4242", Job: definition, Device: rendered, Dir: filepath.Join(t.TempDir(), "4242"),
		Log: output.New(output.Settings{Now: time.Now, Write: func(events.Record) error { return nil }}), Now: time.Now,
		Methods: methods,
	}
	plan, err := pipeline.Parse(in)
	if err != nil {
		in.Methods.Deploy, in.Methods.Test = []pipeline.Method{stand("deploy", nil)}, standTests(methods.Test)
		plan, err = pipeline.Parse(in)
	}
	if err != nil {
		return nil, err
	}
	return plan.Describe().Pipeline, nil
}

// stand returns a method that takes every block.
func stand(name string, test func(pipeline.Data) pipeline.TestInfo) pipeline.Method {
	return pipeline.Method{Name: name, Accepts: func(_, _ pipeline.Data) (string, error) { return "", nil },
		Action: func(pipeline.Data) pipeline.Action {
			return pipeline.Group{Title: name, Fill: func(*pipeline.Step, *pipeline.Session) error { return nil }}
		}, Test: test}
}

// standTests returns stand-ins that ask of boot what the kinds of test ask.
func standTests([]pipeline.Method) []pipeline.Method {
	return []pipeline.Method{stand("test", func(block pipeline.Data) pipeline.TestInfo {
		shell := block.Has("definitions") && !block.Has("docker") && !block.Has("monitors") && !block.Has("interactive")
		return pipeline.TestInfo{NeedsDeployment: shell, NeedsOverlay: block.Has("definitions"), HasShell: shell}
	})}
}

func readTree(t *testing.T, file string) pipeline.Data {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := pipeline.ReadYAML(text)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return d
}

func projectTree(tree pipeline.Data) []string {
	var out []string
	for _, n := range tree.Items() {
		out = append(out, fmt.Sprintf("%s %s %gs %d %s", n.Get("level").Text(), n.Get("name").Text(),
			n.Get("timeout").Float(0), n.Get("max_retries").Int(0), n.Get("url").Text()))
		out = append(out, projectTree(n.Get("pipeline"))...)
	}
	return out
}

func projectNodes(nodes []pipeline.Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, fmt.Sprintf("%s %s %gs %d %s", n.Level, n.Name, n.Timeout, n.MaxRetries, n.URL))
		out = append(out, projectNodes(n.Pipeline)...)
	}
	return out
}
