package job

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"strata/schemas/yaml"
)

// Rules are what the gate of one lab knows beyond the schema.
type Rules struct {
	// ExtraContext are further names that a context may set (LAVA's EXTRA_CONTEXT_VARIABLES).
	ExtraContext []string
	// User reports whether a user exists whom a job wants to notify. Nil believes every name.
	User func(name string) bool
	// Query returns the entity of a saved query that a job wants to compare itself with, such as
	// "testjob", and whether there is one. Nil believes every name.
	Query func(user, name string) (entity string, ok bool)
}

// Gate checks submissions. It may be used by several goroutines at once.
type Gate struct {
	rules   Rules
	schema  rule
	context rule
}

// NewGate makes a gate.
func NewGate(rules Rules) *Gate {
	return &Gate{rules, gateSchema(rules.ExtraContext), contextSchema(rules.ExtraContext)}
}

// Check runs the gate over a text as it was submitted. It returns the definition, or what is
// wrong with it: the first problem has LAVA's message, others may follow. Whether what the
// definition asks for is there in the lab is not the gate's question.
// A definition is nil exactly where there are problems. Reading has its budgets, so a text of a
// stranger costs no more than its size allows.
func (g *Gate) Check(text []byte) (*Definition, []*Problem) {
	if len(text) > MaxBytes {
		return nil, []*Problem{sentence(nil, fmt.Sprintf("job definition has %d bytes, more than %d", len(text), MaxBytes))}
	}
	root, err := yaml.ParseWithin(text, limits())
	if err != nil {
		return nil, []*Problem{unreadable(err)}
	}
	if problems := g.schema(nil, root); problems != nil {
		return nil, problems
	}
	// LAVA's order; what Strata alone knows comes last, so that it never hides a message of LAVA's.
	for _, check := range []func(*yaml.Node) *Problem{checkRevisions, g.checkRoles, g.checkNotify, checkOwn} {
		if p := check(root); p != nil {
			return nil, []*Problem{p}
		}
	}
	d, err := decode(root)
	var p *Problem
	switch {
	case errors.As(err, &p):
		return nil, []*Problem{p}
	case err != nil:
		return nil, []*Problem{sentence(root, err.Error())}
	}
	// A timeout or count inside an action may be nonsense and still pass: the gate of LAVA looks at
	// few of these keys, and the job then fails on the worker with a clear error.
	d.Actions, _ = readActions(root.Get("actions"))
	return d, nil
}

// unreadable is the problem of a text that is no YAML, in LAVA's words, with the place that the reader told.
func unreadable(err error) *Problem {
	p := sentence(nil, fmt.Sprintf("Loading job submission failed: %v.", err))
	var bad *yaml.Error
	if errors.As(err, &bad) {
		p.Line, p.Column = bad.Line, bad.Column
		p.at = &yaml.Node{Line: bad.Line, Column: bad.Column}
	}
	return p
}

// checkRevisions refuses a git definition that wants a revision out of a shallow clone.
func checkRevisions(root *yaml.Node) *Problem {
	for _, action := range root.Get("actions").Items {
		definitions := action.Get("test", Definitions)
		if !definitions.Is(yaml.List) {
			continue
		}
		for _, def := range definitions.Items {
			if def.Has("revision") && def.Get("shallow").Truth() {
				return sentence(def.Get("shallow"), "When 'revision' is used, 'shallow' shouldn't be 'True'")
			}
		}
	}
	return nil
}

// checkRoles checks what the roles of a multinode definition say of each other.
// In the order of the text: which fault of several is told decides what a client sees.
func (g *Gate) checkRoles(root *yaml.Node) *Problem {
	roles := root.Get("protocols", "lava-multinode", "roles")
	if roles.Empty() {
		return nil
	}
	for _, p := range roles.Pairs {
		if problem := g.checkRole(roles, p.Value); problem != nil {
			return problem
		}
	}
	return nil
}

// checkRole checks one role in LAVA's order; the first fault of the first role is the one told.
func (g *Gate) checkRole(roles, role *yaml.Node) *Problem {
	host, expect := role.Get("host_role"), role.Get("expect_role")
	switch {
	case host != nil && !exists(roles, host):
		return sentence(host, "'host_role' '"+host.Print()+"' does not exist")
	case host != nil && expect == nil:
		return sentence(host, "'expect_role' is required when 'host_role' is used")
	case host != nil && !exists(roles, expect):
		return sentence(expect, "'expect_role' '"+expect.Print()+"' does not exist")
	case host == nil && expect != nil:
		return sentence(expect, "'expect_role' without 'host_role'")
	}
	device, worker := role.Get("device"), role.Get("worker")
	switch {
	case role.Has("connection") && (device != nil || worker != nil):
		return sentence(role.Get("connection"), "lava-multinode connection roles cannot specify device or worker.")
	case device != nil && !role.Has("device_type"):
		return sentence(device, "'device' requires 'device_type'")
	case worker != nil && !role.Has("device_type"):
		return sentence(worker, "'worker' requires 'device_type'")
	}
	if count, ok := role.Get("count").AsInt(); device != nil && ok && count > 1 {
		return sentence(role.Get("count"), "lava-multinode roles using a specific device must set count to 1.")
	}
	// The path of the message begins at the role's context, as LAVA's does.
	if context := role.Get("context"); context != nil {
		if problems := g.context(nil, context); problems != nil {
			return problems[0]
		}
	}
	return nil
}

// exists says that a role of this name is there.
func exists(roles, name *yaml.Node) bool { return name.Is(yaml.String) && roles.Has(name.Text) }

// Looser than Django's before the @, and without its quoted parts and addresses in brackets.
var mailAddress = regexp.MustCompile(`^[^\s@<>()",;:\\\[\]]+@(?:[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?)+|localhost)$`)

// checkNotify checks whom and what a notification names.
// Without Rules.Query and Rules.User, as in "strata validate", names are believed.
func (g *Gate) checkNotify(root *yaml.Node) *Problem {
	notify := root.Get("notify")
	if recipients := notify.Get("recipients"); recipients.Is(yaml.List) {
		for _, item := range recipients.Items {
			if p := g.checkRecipient(item.Get("to")); p != nil {
				return p
			}
		}
	}
	query := notify.Get("compare", "query")
	if query.Empty() {
		return nil
	}
	if query.Has("entity") {
		switch {
		case query.Get("entity").TextOr("") != "testjob":
			return sentence(query.Get("entity"), "Only TestJob queries allowed.")
		case !query.Has("conditions"):
			return problemAt(query, []string{"'notify'", "'compare'", "'query'", "'conditions'"}, "required key not provided")
		}
		return nil
	}
	if g.rules.Query == nil {
		return nil
	}
	user, name := query.Get("username").TextOr(""), query.Get("name").TextOr("")
	switch entity, ok := g.rules.Query(user, name); {
	case !ok:
		return sentence(query, "Query ~"+user+"/"+name+" does not exist")
	case entity != "testjob":
		return sentence(query, "Only TestJob queries allowed.")
	}
	return nil
}

// checkRecipient checks whom a notification goes to. A user is looked up, an address only has to look
// like one, and that only where no user is named.
func (g *Gate) checkRecipient(to *yaml.Node) *Problem {
	method, user := to.Get("method").TextOr(""), to.Get("user")
	switch {
	case method == "email" && user == nil && !to.Has("email"):
		return sentence(to, "No valid user or email address specified.")
	case method == "irc" && user == nil && !to.Has("handle"):
		return sentence(to, "No valid user or IRC handle specified.")
	}
	if user != nil && user.Text != DeviceOwner {
		if g.rules.User != nil && !g.rules.User(user.Text) {
			return sentence(user, "'"+user.Text+"' is not an existing user in LAVA.")
		}
		return nil
	}
	if email := to.Get("email"); method == "email" && email != nil && !mailAddress.MatchString(strings.TrimSpace(email.Text)) {
		return sentence(email, "'"+email.Text+"' is not a valid email address.")
	}
	return nil
}

// CheckPriority returns what is wrong with the priority of a definition that has passed the gate,
// which lets every whole number pass.
// LAVA refuses it behind the gate, so it stands apart: the message comes after all those of the gate.
func (d *Definition) CheckPriority() *Problem {
	if d.Priority >= 0 && d.Priority <= 100 {
		return nil
	}
	p := d.Root.Get("priority")
	return sentence(p, "Invalid job priority: "+p.Print()+". Should be in [0, 100]")
}

// At makes a problem with a message of the caller's, placed at the value that keys lead to, or at
// the nearest one above it that is there.
func (d *Definition) At(message string, keys ...string) *Problem { return At(d.Root, message, keys...) }

// At is [Definition.At] for any part of a definition.
func At(n *yaml.Node, message string, keys ...string) *Problem {
	at := n
	for _, key := range keys {
		next := at.Get(key)
		if next == nil {
			break
		}
		at = next
	}
	return sentence(at, message)
}
