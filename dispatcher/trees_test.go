package dispatcher

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
	"strata/schemas/device"
	jobs "strata/schemas/job"
	"strata/schemas/yaml"
)

// treesWanted is how many recorded trees a plan must equal: a corpus that is not found as it was
// would otherwise make the test pass with nothing compared.
const treesWanted = 120

// A planned job equals the tree that the reference planned: names, levels, timeouts, attempts, URLs.
func TestTreesOfTheCorpus(t *testing.T) {
	t.Parallel()
	corpus := filepath.Join(dispatchertest.Corpus(t, "corpus"), "corpus")
	templates := &device.Templates{Text: func(name string) (string, bool) {
		text, err := os.ReadFile(filepath.Join(corpus, "device-types", name))
		return string(text), err == nil
	}}
	equal, missing := 0, []string{}
	recorded := blames(t, filepath.Dir(corpus))
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
		plan, err := pipeline.Parse(pipeline.Inputs{
			ID: "4242", Job: definition, Device: dictionary, Dir: filepath.Join(t.TempDir(), "4242"),
			Log: discard(), Now: time.Now, Methods: Methods(),
		})
		if err != nil {
			t.Errorf("%s: plan: %v", c.tree, err)
			continue
		}
		checkBlame(t, plan.Steps, recorded)
		got, want := projectNodes(plan.Describe().Pipeline), projectTree(readYAML(t, filepath.Join(corpus, c.tree)))
		if diff := firstDifferent(got, want); diff != "" {
			t.Errorf("%s: %s", c.tree, diff)
			continue
		}
		equal++
	}
	if equal < treesWanted {
		t.Errorf("%d trees are equal, want at least %d", equal, treesWanted)
	}
	t.Logf("%d trees are equal; %d without their inputs here: %s", equal, len(missing), strings.Join(missing, " "))
}

// firstDifferent returns where two projections part, with the lines before.
func firstDifferent(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if g, w := at(got, i), at(want, i); g != w {
			return fmt.Sprintf("line %d:\n got %s\nwant %s\nafter\n%s", i, g, w, strings.Join(got[max(0, i-3):min(i, len(got))], "\n"))
		}
	}
	return ""
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
func (c treeCase) inputs(corpus string, templates *device.Templates) (definition, rendered pipeline.Data, err error) {
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

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readYAML(t *testing.T, file string) pipeline.Data {
	t.Helper()
	d, err := pipeline.ReadYAML(mustRead(t, file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return d
}

func discard() *output.Logger {
	return output.New(output.Settings{Now: time.Now, Write: func(events.Record) error { return nil }})
}
