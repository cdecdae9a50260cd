package strict

import (
	"math"

	"strata/schemas/shape"
	"strata/schemas/yaml"
)

// across checks the rules that span a definition. A part that is not even of the right kind is left
// to the shapes.
// Each rule is LAVA's, whose words stand in Rule; the message says more.
func across(root *yaml.Node) (problems []shape.Problem) {
	problems = append(problems, multinodeRules(root)...)
	problems = append(problems, namespaceRule(root)...)
	return append(problems, timeoutRules(root)...)
}

const multinode = "lava-multinode"

// multinodeRules: a job is for one device type, or for roles, never both.
func multinodeRules(root *yaml.Node) (problems []shape.Problem) {
	if !root.Get("protocols").Has(multinode) {
		if root.Is(yaml.Map) && !root.Has("device_type") {
			problems = append(problems, shape.NewProblem(root, nil, `"device_type" or multinode should be defined`,
				"the job has neither device_type nor roles: say device_type, or protocols with lava-multinode"))
		}
		return problems
	}
	for _, key := range []string{"device_type", "environment", "context", "tags"} {
		if root.Has(key) {
			problems = append(problems, shape.NewProblem(root.Get(key), shape.Path{}.To(key), `"`+key+`" should not be used with multinode`,
				key+" of a multinode job belongs into its roles"))
		}
	}
	for i, action := range actions(root) {
		// Of an item with several kinds the first alone is looked at, as in LAVA.
		if kind, body, ok := first(action); ok && body.Is(yaml.Map) && !body.Has("role") {
			problems = append(problems, shape.NewProblem(body, shape.Path{}.To("actions").At(i).To(string(kind)),
				"Every action of a multinode job should have roles", "the action has no role: every action of a multinode job names the roles that run it"))
		}
	}
	return problems
}

func actions(root *yaml.Node) []*yaml.Node {
	if list := root.Get("actions"); list.Is(yaml.List) {
		return list.Items
	}
	return nil
}

// namespaceRule: all actions have a namespace, or none.
func namespaceRule(root *yaml.Node) (problems []shape.Problem) {
	some := false
	for i, action := range actions(root) {
		kind, body, ok := first(action)
		switch {
		case !ok || !body.Is(yaml.Map):
		case body.Has("namespace"):
			some = true
		default:
			problems = append(problems, shape.NewProblem(body, shape.Path{}.To("actions").At(i).To(string(kind)),
				"When using namespaces, every action should have a namespace", "the action has no namespace, and others have: all need one, or none"))
		}
	}
	if !some {
		return nil
	}
	return problems
}

// timeoutRules: nothing may take longer than the job. The queue is outside of it, and the sum of
// the parts may well be longer, because not all of them use up their time.
func timeoutRules(root *yaml.Node) (problems []shape.Problem) {
	timeouts := root.Get("timeouts")
	most, ok := seconds(timeouts.Get("job"))
	if !ok {
		return nil
	}
	compare := func(n *yaml.Node, at shape.Path, rule string) {
		if s, ok := seconds(n); ok && s > most {
			problems = append(problems, shape.NewProblem(n, at, rule, "longer than the whole job may take, which is timeouts.job in "+timeouts.Get("job").Where()))
		}
	}
	const global, action = "Global timeout is larger than job timeout", "Action timeout is larger than job timeout"
	at := shape.Path{}.To("timeouts")
	for _, key := range []string{"action", "connection"} {
		compare(timeouts.Get(key), at.To(key), global)
	}
	for _, key := range []string{"actions", "connections"} {
		if named := timeouts.Get(key); named.Is(yaml.Map) {
			for _, p := range named.Pairs {
				compare(p.Value, at.To(key).To(p.Key.Print()), global)
			}
		}
	}
	for i, item := range actions(root) {
		if kind, body, ok := first(item); ok {
			compare(body.Get("timeout"), shape.Path{}.To("actions").At(i).To(string(kind)).To("timeout"), action)
		}
	}
	return problems
}

// seconds adds up the units of a duration; ok is false where none is a number.
func seconds(n *yaml.Node) (sum float64, ok bool) {
	for _, unit := range []struct {
		key     string
		seconds float64
	}{{"days", 86400}, {"hours", 3600}, {"minutes", 60}, {"seconds", 1}} {
		v := n.Get(unit.key)
		i, whole := v.AsInt()
		switch {
		case whole:
			sum, ok = sum+float64(i)*unit.seconds, true
		// Beyond 64 bits it is longer than anything.
		case v.Is(yaml.Int):
			sum, ok = math.Inf(v.Big.Sign()), true
		case v.Is(yaml.Float):
			sum, ok = sum+v.Float*unit.seconds, true
		}
	}
	return sum, ok
}
