// Package testdef reads test definitions: the YAML that says what to install on a target and which
// shell lines to run there.
//
// A definition comes as a file of a repository, or inline in a job. Test repositories of many
// years have keys that nobody reads and lists with empty entries, so [Read] is tolerant, as the
// dispatcher of LAVA is: a name is needed, the rest is taken as far as it makes sense. What the gate
// asks of an inline definition stands with the gate, in package job.
package testdef

import (
	"fmt"
	"strings"

	"strata/schemas/yaml"
)

// Format is what metadata.format says in every definition.
const Format = "Lava-Test Test Definition 1.0"

// Definition is a test definition.
type Definition struct {
	Root        *yaml.Node // the whole definition, a mapping
	Name        string     // metadata.name
	Description string
	OS          []string // metadata.os; informational, as are the next ones
	Scope       []string
	Devices     []string
	Maintainer  []string
	Environment []string
	Install     Install
	Params      []Parameter // `params`, then `parameters`: the defaults of shell variables
	Steps       []string    // run.steps: shell lines; may be empty
	Parse       Parse
	Expected    []string // test cases that are reported as failed where they never appear
}

// Install is what is done before the steps.
type Install struct {
	Present bool // the definition has the key, so install.sh is written
	Keys    []string
	Sources []string
	Deps    []string
	Distro  []DistroDeps // of keys deps-<distro>, in order
	Repos   []Repo
	Steps   []string // shell lines
}

// DistroDeps are packages that only one distribution needs.
type DistroDeps struct {
	Distro string // as deployment data names it, such as "debian"
	Deps   []string
}

// Repo is a git repository that the worker clones beside the definition.
type Repo struct {
	URL         string
	Branch      string // "" for the default one
	Destination string // directory; "" for the repository's name
}

// Parameter is one shell variable.
type Parameter struct {
	Name  string
	Value *yaml.Node
}

// Parse says how console lines of a run without signals become results.
type Parse struct {
	Pattern string            // with the groups test_case_id, result, measurement, units; "" for none
	Fixup   map[string]string // what a raw result means: pass, fail, skip, unknown
}

// Error says what is wrong with a definition and where.
type Error struct {
	Message string
	Line    int // from 1; 0 where unknown
	Column  int
}

// Error returns the place and the message.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// fault makes an error at the place of a node.
func fault(at *yaml.Node, format string, args ...any) *Error {
	e := &Error{Message: fmt.Sprintf(format, args...)}
	if at != nil {
		e.Line, e.Column = at.Line, at.Column
	}
	return e
}

// Read parses and decodes the text of a definition file. Errors are a *yaml.Error or an [*Error].
func Read(text []byte) (*Definition, error) {
	root, err := yaml.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse test definition: %w", err)
	}
	d, err := Decode(root)
	if err != nil {
		return nil, fmt.Errorf("read test definition: %w", err)
	}
	return d, nil
}

// Decode reads a definition that is parsed already, such as an inline one.
// Name and its kin are printed as Python would: a test called 1 is '1'.
func Decode(root *yaml.Node) (*Definition, error) {
	if !root.Is(yaml.Map) {
		return nil, fault(root, "expected a mapping with metadata and run, found a %s", kindOf(root))
	}
	metadata := root.Get("metadata")
	if !metadata.Is(yaml.Map) {
		return nil, fault(root, "metadata is missing: a mapping with format and name is needed")
	}
	name := metadata.Get("name")
	if name.Empty() || name.Kind >= yaml.List || name.Print() == "" {
		return nil, fault(metadata, "metadata.name is missing")
	}
	d := &Definition{
		Root: root, Name: name.Print(), Description: metadata.Get("description").TextOr(""),
		OS: metadata.Get("os").Texts(), Scope: metadata.Get("scope").Texts(), Devices: metadata.Get("devices").Texts(),
		Maintainer: metadata.Get("maintainer").Texts(), Environment: metadata.Get("environment").Texts(),
		Expected: root.Get("expected").Texts(),
	}
	for _, key := range []string{"params", "parameters"} {
		params := root.Get(key)
		if !params.Empty() && !params.Is(yaml.Map) {
			return nil, fault(params, "%s: expected a mapping of variables, found a %s", key, params.Kind)
		}
		d.Params = append(d.Params, Parameters(params)...)
	}
	var err error
	if d.Install, err = readInstall(root); err != nil {
		return nil, err
	}
	if d.Steps, err = lines(root.Get("run"), "run", "steps"); err != nil {
		return nil, err
	}
	d.Parse, err = readParse(root.Get("parse"))
	return d, err
}

// kindOf names what a node is, nothing included.
func kindOf(n *yaml.Node) string {
	if n == nil {
		return "null"
	}
	return n.Kind.String()
}

// Parameters lists the entries of a mapping of shell variables in order, as definitions and jobs
// have it under params and parameters.
func Parameters(n *yaml.Node) []Parameter {
	if !n.Is(yaml.Map) {
		return nil
	}
	list := make([]Parameter, 0, len(n.Pairs))
	for _, p := range n.Pairs {
		list = append(list, Parameter{p.Key.Print(), p.Value})
	}
	return list
}

// lines reads a list of texts under key of n, which stands under name. Empty entries are left out,
// numbers and booleans are taken as Python prints them; an entry that is a mapping is mostly a shell
// line with an unquoted ": ".
// A lone text is a list of one.
func lines(n *yaml.Node, name, key string) ([]string, error) {
	if n.Empty() {
		return nil, nil
	}
	if !n.Is(yaml.Map) {
		return nil, fault(n, "%s: expected a mapping, found a %s", name, n.Kind)
	}
	list := n.Get(key)
	if list.Empty() {
		return nil, nil
	}
	if list.Is(yaml.String) {
		return []string{list.Text}, nil
	}
	if !list.Is(yaml.List) {
		return nil, fault(list, "%s.%s: expected a list, found a %s", name, key, list.Kind)
	}
	var texts []string
	for _, item := range list.Items {
		switch {
		case item.Empty():
		case item.Is(yaml.Map):
			return nil, fault(item, "%s.%s: expected a text, found the mapping %s; put the line in quotes", name, key, item.Repr())
		case item.Kind >= yaml.List:
			return nil, fault(item, "%s.%s: expected a text, found a %s", name, key, item.Kind)
		default:
			texts = append(texts, item.Print())
		}
	}
	return texts, nil
}

// readInstall decodes `install`. Keys deps-<distro> add packages for one distribution; which one a
// target runs is known when the job is.
func readInstall(root *yaml.Node) (in Install, err error) {
	n := root.Get("install")
	in.Present = root.Has("install") && !n.Empty()
	for _, one := range []struct {
		key string
		to  *[]string
	}{{"keys", &in.Keys}, {"sources", &in.Sources}, {"deps", &in.Deps}, {"steps", &in.Steps}} {
		if *one.to, err = lines(n, "install", one.key); err != nil {
			return in, err
		}
	}
	for _, key := range n.Keys() {
		distro, ok := strings.CutPrefix(key, "deps-")
		if !ok {
			continue
		}
		deps, err := lines(n, "install", key)
		if err != nil {
			return in, err
		}
		in.Distro = append(in.Distro, DistroDeps{distro, deps})
	}
	repos := n.Get("git-repos")
	if repos.Empty() {
		return in, nil
	}
	if !repos.Is(yaml.List) {
		return in, fault(repos, "install.git-repos: expected a list, found a %s", repos.Kind)
	}
	for _, item := range repos.Items {
		r := Repo{URL: item.TextOr(item.Get("url").TextOr("")), Branch: item.Get("branch").TextOr(""),
			Destination: item.Get("destination").TextOr("")}
		if r.URL == "" {
			return in, fault(item, "install.git-repos: expected a URL or a mapping with url, found %s", item.Repr())
		}
		in.Repos = append(in.Repos, r)
	}
	return in, nil
}

// readParse decodes `parse`. The pattern is a regular expression of Python, compiled by who uses it.
func readParse(n *yaml.Node) (Parse, error) {
	if n.Empty() {
		return Parse{}, nil
	}
	if !n.Is(yaml.Map) {
		return Parse{}, fault(n, "parse: expected a mapping, found a %s", n.Kind)
	}
	p := Parse{Pattern: n.Get("pattern").TextOr("")}
	fixup := n.Get("fixupdict")
	if fixup.Empty() {
		return p, nil
	}
	if !fixup.Is(yaml.Map) {
		return p, fault(fixup, "parse.fixupdict: expected a mapping, found a %s", fixup.Kind)
	}
	p.Fixup = make(map[string]string, len(fixup.Pairs))
	for _, pair := range fixup.Pairs {
		p.Fixup[pair.Key.Print()] = pair.Value.Print()
	}
	return p, nil
}
