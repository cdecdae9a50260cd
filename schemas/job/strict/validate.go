package strict

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"strata/schemas/job"
	"strata/schemas/python"
	"strata/schemas/shape"
	"strata/schemas/yaml"
)

// Problem is one thing that is wrong with a definition.
type Problem struct {
	shape.Problem
	// Classic is the problem in the words of LAVA's validator, path included, for clients that match
	// on them, such as "extra keys not allowed @ data['actions[1]']['boot']['u_boot']['kernel']".
	Classic string
}

// Validator holds the schemas of one lab. It may be used by several goroutines at once.
type Validator struct {
	job     shape.Map
	actions map[Kind]shape.Shape
}

// New makes a validator; extraContext are further names that a context may set in this lab (LAVA's
// EXTRA_CONTEXT_VARIABLES).
func New(extraContext []string) *Validator {
	any := shape.List{Of: shape.Map{Says: "an action: a mapping with one of deploy, boot, test, command"}}
	keys := any.Of.(shape.Map)
	for _, k := range kinds() {
		keys.Keys = append(keys.Keys, optional(string(k), anyMapping, ""))
	}
	any.Of = keys
	return &Validator{job: definition(extraContext, any), actions: actionShapes()}
}

func kinds() []Kind { return []Kind{Deploy, Boot, Test, Command} }

func actionShapes() map[Kind]shape.Shape {
	return map[Kind]shape.Shape{
		Deploy:  choice(Deploy, deployMethods()),
		Boot:    choice(Boot, bootMethods()),
		Test:    having(Test, testKinds()),
		Command: shape.Named{Name: "command", Shape: commands()[0].shape()},
	}
}

// Check reads a definition and returns what is wrong with it: first what its own keys have wrong,
// then what the rules across it do, then action by action. A text that is no YAML gives one problem.
// It never returns a definition: what it refuses may be submitted all the same.
func (v *Validator) Check(text []byte, m shape.Mode) []Problem {
	if len(text) > job.MaxBytes {
		return []Problem{plain(shape.NewProblem(nil, nil, "", fmt.Sprintf("job definition has %d bytes, more than %d", len(text), job.MaxBytes)))}
	}
	root, err := yaml.ParseWithin(text, yaml.Limits{Bytes: job.MaxBytes, Nodes: 100_000})
	if err != nil {
		p := shape.Problem{Message: err.Error(), Rule: err.Error()}
		var bad *yaml.Error
		if errors.As(err, &bad) {
			p.Line, p.Column, p.Message = bad.Line, bad.Column, bad.Message
		}
		return []Problem{plain(p)}
	}
	return v.CheckNode(root, m)
}

// CheckNode is [Validator.Check] of a definition that is parsed already.
func (v *Validator) CheckNode(root *yaml.Node, m shape.Mode) (problems []Problem) {
	for _, p := range shape.Check(v.job, m, nil, root) {
		problems = append(problems, plain(p))
	}
	for _, p := range across(root) {
		problems = append(problems, plain(p))
	}
	if !root.Get("actions").Is(yaml.List) {
		return problems
	}
	for i, item := range root.Get("actions").Items {
		problems = append(problems, v.checkAction(i, item, m)...)
	}
	return problems
}

// checkAction checks the action that an item of the list has first. As in LAVA's validator, a
// second action in one item is not looked at; multinode jobs of a certain age have such items.
func (v *Validator) checkAction(i int, item *yaml.Node, m shape.Mode) (problems []Problem) {
	kind, body, ok := first(item)
	if !ok {
		return nil // not an action at all, and the shape of the job has said so
	}
	at := shape.Path{}.To("actions").At(i)
	if kind == "" {
		p := shape.NewProblem(item, at, "invalid action", "the action is empty: expected one of the keys deploy, boot, test, command")
		return []Problem{{p, "invalid action @ data['actions[" + strconv.Itoa(i) + "]']"}}
	}
	s, known := v.actions[kind]
	if !known {
		if m == shape.Strict {
			return nil // an unknown key, which has been said
		}
		p := shape.NewProblem(item, at.To(string(kind)), "unknown action type", fmt.Sprintf("unknown action %q: allowed are deploy, boot, test, command", kind))
		return []Problem{{p, "unknown action type @ data['actions']['" + string(kind) + "']"}}
	}
	if !body.Is(yaml.Map) {
		return nil
	}
	at = at.To(string(kind))
	for _, p := range shape.Check(s, m, at, body) {
		problems = append(problems, Problem{p, classic(p, i, kind, body, len(at))})
	}
	return problems
}

// first returns the kind and the body of an item of the list of actions; kind is "" where the item
// has no key, and ok false where it is no mapping.
func first(item *yaml.Node) (kind Kind, body *yaml.Node, ok bool) {
	if !item.Is(yaml.Map) {
		return "", nil, false
	}
	if len(item.Pairs) == 0 {
		return "", nil, true
	}
	return Kind(item.Pairs[0].Key.Print()), item.Pairs[0].Value, true
}

// plain words a problem of the job's own keys as LAVA does.
func plain(p shape.Problem) Problem { return Problem{p, worded(p.Rule, nil, p.Path)} }

// classic words a problem of an action as LAVA does: the path names the file of the method's schema.
// LAVA has a schema a file, and names that file in the path; skip is how many steps lead to the action
// itself.
func classic(p shape.Problem, i int, kind Kind, body *yaml.Node, skip int) string {
	action := []string{"'actions[" + strconv.Itoa(i) + "]'", "'" + string(kind) + "'"}
	module := string(kind)
	switch by := choosing(kind); {
	case by != "":
		module = strings.ReplaceAll(body.Get(by).TextOr(""), "-", "_")
	case kind == Test:
		for _, m := range testKinds() {
			if body.Has(m.Name) {
				module = strings.TrimSuffix(m.Name, "s")
				break
			}
		}
	}
	switch {
	case p.Rule == "unknown action type":
		return worded(p.Rule, []string{"'actions'", "'" + string(kind) + "'", python.Quote(body.Get(choosing(kind)).TextOr(""))}, nil)
	case kind != Command:
		action = append(action, "'"+module+"'")
	}
	return worded(p.Rule, action, p.Path[min(skip, len(p.Path)):])
}

func worded(rule string, before []string, path shape.Path) string {
	parts := slices.Clone(before)
	for _, s := range path {
		if s.Item {
			parts = append(parts, strconv.Itoa(s.Index))
		} else {
			parts = append(parts, python.Quote(s.Key))
		}
	}
	if len(parts) == 0 {
		return rule
	}
	return rule + " @ data[" + strings.Join(parts, "][") + "]"
}
