package strict

import (
	"slices"

	"strata/schemas/shape"
)

// Kind is a kind of action, as it is written in a job.
type Kind string

// The kinds of action.
const (
	Deploy  Kind = "deploy"
	Boot    Kind = "boot"
	Test    Kind = "test"
	Command Kind = "command"
)

// Method is one way to do an action, and the rows of a page of the reference about it.
type Method struct {
	Kind Kind
	Name string // of a deploy the value of `to`, of a boot of `method`, of a test the key of its kind; "" for a command
	Doc  string // what it does, in a sentence or two
	Keys []shape.Key
	// Forms are further rows of which exactly one set goes with Keys; none for most methods.
	Forms [][]shape.Key
	// parameters replace those that every boot may have.
	parameters *shape.Map
	when       []string // of a test: the keys that mark the kind, Name where nil
}

// Methods returns every method in the order deploy, boot, test, command, each kind by name.
// Made anew at each call, as tables are functions: who needs them often keeps them.
func Methods() []Method {
	return slices.Concat(deployMethods(), bootMethods(), testKinds(), commands())
}

// Common returns the rows that every action of a kind may have beside those of its method.
func Common(k Kind) []shape.Key {
	switch k {
	case Deploy:
		return slices.Concat(actionKeys(), deployKeys())
	case Boot:
		return slices.Concat(actionKeys(), bootKeys())
	}
	return actionKeys()
}

// choosing returns the key whose value names the method of a kind; "" where there is none.
func choosing(k Kind) string {
	switch k {
	case Deploy:
		return "to"
	case Boot:
		return "method"
	}
	return ""
}

// shape returns what an action by this method may be.
// A method's own row of a name takes the place of the common one.
func (m Method) shape() shape.Shape {
	var base []shape.Key
	if by := choosing(m.Kind); by != "" {
		base = append(base, required(by, shape.Words{m.Name}, m.Doc))
	}
	for _, k := range Common(m.Kind) {
		own := slices.ContainsFunc(m.Keys, func(o shape.Key) bool { return o.Name == k.Name })
		if k.Name == "parameters" && m.parameters != nil {
			k.Shape = *m.parameters
		}
		if !own {
			base = append(base, k)
		}
	}
	base = append(base, m.Keys...)
	if m.Forms == nil {
		return shape.Map{Keys: base}
	}
	var forms shape.Either
	for _, f := range m.Forms {
		forms = append(forms, shape.Map{Keys: slices.Concat(base, f)})
	}
	return forms
}

// choice is the shape of a kind whose methods are told apart by the value of a key.
func choice(k Kind, methods []Method) shape.Shape {
	c := shape.Choice{By: choosing(k), Unknown: "unknown action type"}
	for _, m := range methods {
		c.Rows = append(c.Rows, shape.Row{Value: m.Name, Name: string(k) + "-" + m.Name, Shape: m.shape()})
	}
	return c
}

// having is the shape of a kind whose methods are told apart by the keys that are there.
func having(k Kind, methods []Method) shape.Shape {
	h := shape.Having{Unknown: "invalid action"}
	for _, m := range methods {
		when := m.when
		if when == nil {
			when = []string{m.Name}
		}
		h.Cases = append(h.Cases, shape.Case{Keys: when, Name: string(k) + "-" + m.Name, Shape: m.shape()})
	}
	return h
}
