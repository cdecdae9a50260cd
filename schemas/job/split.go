package job

import (
	"slices"
	"strconv"
	"strings"

	"strata/schemas/python"
	"strata/schemas/yaml"
)

// SplitPart is one part of a multinode definition.
type SplitPart struct {
	N    int        // from 0, in order of roles and count
	Role Role       // as the definition has it
	Size int        // parts in the group
	Root *yaml.Node // the part's definition; [yaml.Write] gives its text
}

// MaxParts is how many parts a multinode definition may have: the facts about a group are recorded
// in one batch of the broker, which takes a hundred.
const MaxParts = 99

// CheckRole returns what is wrong with the shape of a role, before its device type is looked up.
func (r Role) CheckRole() *Problem {
	switch {
	case r.Connection != "" && r.HostRole == "":
		return sentence(r.Node, "connection specified without a host_role")
	case r.Connection != "" && r.DeviceType != "":
		return sentence(r.Node, "lava-multinode protocol cannot support device_type and connection for a single role.")
	case r.Connection == "" && r.DeviceType == "":
		return problemAt(r.Node, []string{"'protocols'", "'lava-multinode'", "'roles'", python.Quote(r.Name), "'device_type'"}, "required key not provided")
	}
	return nil
}

// Split makes the parts of a multinode definition that has passed the gate. group is the id that
// the parts share (LAVA's target_group). A definition whose roles all have count 0 has no parts:
// it is a single-node job.
// Each part is a definition of its own, which has its number n from 0 in the order of the roles; the
// nodes that parts have in common are shared.
func (d *Definition) Split(group string) ([]SplitPart, *Problem) {
	multinode := d.Protocols.Get("lava-multinode")
	if len(d.Roles) == 0 {
		return nil, sentence(multinode.Get("roles"), "Unable to split multinode job submission.")
	}
	size := 0
	for _, r := range d.Roles {
		if size += r.Count; size > MaxParts {
			return nil, sentence(r.Node, "multinode job has more than "+strconv.Itoa(MaxParts)+" parts")
		}
		if p := d.checkHost(r); p != nil {
			return nil, p
		}
	}
	var parts []SplitPart
	for _, r := range d.Roles {
		if r.Count == 0 {
			continue
		}
		actions, problem := d.actionsOf(r)
		if problem != nil {
			return nil, problem
		}
		for range r.Count {
			part := SplitPart{N: len(parts), Role: r, Size: size}
			part.Root = d.partRoot(part, group, actions)
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// checkHost sees to it that the device of a guest is known: its host role has one part. LAVA looks
// at the host of the last guest role only.
func (d *Definition) checkHost(guest Role) *Problem {
	if guest.HostRole == "" || guest.Count == 0 {
		return nil
	}
	i := slices.IndexFunc(d.Roles, func(r Role) bool { return r.Name == guest.HostRole })
	if i < 0 || d.Roles[i].Count != 1 {
		return sentence(guest.Node.Get("host_role"), "The count for a role designated as a host_role must be 1.")
	}
	return nil
}

// actionsOf returns the actions of a role, each with `role` as the role's name alone.
func (d *Definition) actionsOf(r Role) (*yaml.Node, *Problem) {
	actions := yaml.Of()
	for _, item := range d.Root.Get("actions").Items {
		for _, p := range item.Pairs {
			roles := p.Value.Get("role")
			if roles.Empty() {
				return nil, sentence(p.Value, "Invalid YAML - Did not find a role in action '"+p.Key.Print()+
					"', check for consistent use of whitespace indents.")
			}
			if has(roles, r.Name) {
				actions.Items = append(actions.Items, yaml.Mapping().With(p.Key.Print(), p.Value.With("role", yaml.Text(r.Name))))
			}
		}
	}
	if len(actions.Items) == 0 {
		return nil, sentence(r.Node, "no action has the role '"+r.Name+"'")
	}
	return actions, nil
}

// has is Python's `role in roles`, which for a lone text asks for a part of it.
func has(roles *yaml.Node, role string) bool {
	if roles.Is(yaml.String) {
		return strings.Contains(roles.Text, role)
	}
	return slices.Contains(roles.Texts(), role)
}

// copied are the keys that every part has from the whole.
var copied = []string{"job_name", "timeouts", "priority", "visibility", "notify", "metadata", "reboot_to_fastboot", "secrets"}

// lifted are the keys of a role that stand at the top level of its parts.
var lifted = []string{"device_type", "connection", "host_role", "context"}

// partRoot makes the definition of a part: what all parts share, what the role puts at the top level,
// the role's actions, and as protocol the rest of the role with the part's place in the group. Other
// protocols are dropped, as LAVA drops them.
func (d *Definition) partRoot(part SplitPart, group string, actions *yaml.Node) *yaml.Node {
	root := yaml.Mapping()
	for _, p := range d.Root.Pairs {
		if slices.Contains(copied, p.Key.Text) {
			root.Pairs = append(root.Pairs, p)
		}
	}
	role := part.Role.Node
	for _, key := range lifted {
		if v := role.Get(key); v != nil {
			root = root.With(key, v)
		}
	}
	m := role.Without(append([]string{"count"}, lifted...)...).
		With("target_group", yaml.Text(group)).
		With("role", yaml.Text(part.Role.Name)).
		With("group_size", yaml.Number(int64(part.Size))).
		With("sub_id", yaml.Number(int64(part.N)))
	// What stands beside `roles`, in practice a timeout, wins over the role's own.
	for _, p := range d.Protocols.Get("lava-multinode").Pairs {
		if p.Key.Text != "roles" {
			m = m.With(p.Key.Text, p.Value)
		}
	}
	return root.With("actions", actions).With("protocols", yaml.Mapping().With("lava-multinode", m))
}

// WithMembers returns a part's definition with the numbers of the group's parts that own a device,
// as it is handed to the worker once the group is scheduled: protocols.lava-multinode.roles.
// Numbers are keys of a mapping and so texts, as LAVA writes them.
func WithMembers(root *yaml.Node, members []Member) *yaml.Node {
	roles := yaml.Mapping()
	for _, m := range members {
		roles = roles.With(strconv.FormatUint(m.Job, 10), yaml.Text(m.Role))
	}
	protocols := root.Get("protocols")
	return root.With("protocols", protocols.With("lava-multinode", protocols.Get("lava-multinode").With("roles", roles)))
}

// Member is one part of a group and its role.
type Member struct {
	Job  uint64
	Role string
}
