package job

import (
	"strata/schemas/yaml"
)

// readMultinode decodes protocols.lava-multinode: roles of a definition as submitted, or the place
// of a part.
// target_group tells the two apart: only a part has one.
func (d *Definition) readMultinode() error {
	m := d.Protocols.Get("lava-multinode")
	if !m.Is(yaml.Map) {
		return nil
	}
	path := []string{"'protocols'", "'lava-multinode'"}
	timeout, err := optionalTimeout(m, "timeout", path)
	if err != nil {
		return err
	}
	if m.Has("target_group") {
		size, _ := m.Get("group_size").AsInt()
		n, _ := m.Get("sub_id").AsInt()
		d.Part = &Part{
			Group: m.Get("target_group").TextOr(""), Role: m.Get("role").TextOr(""), Size: int(size), N: int(n),
			Essential: m.Get("essential").Truth(), Request: m.Get("request").TextOr(""),
			Expect: m.Get("expect_role").TextOr(""), Timeout: timeout,
		}
		if e := mapping(m, "environment"); e != nil {
			d.Environment = e // wins over a top-level one
		}
		return nil
	}
	roles := m.Get("roles")
	if !roles.Is(yaml.Map) {
		return problemAt(m, append(path, "'roles'"), "required key not provided")
	}
	path = append(path, "'roles'")
	for _, p := range roles.Pairs {
		r, err := readRole(p.Key.Print(), p.Value, append(path[:3:3], p.Key.Repr()))
		if err != nil {
			return err
		}
		d.Roles = append(d.Roles, r)
	}
	return nil
}

// readRole decodes one role. Whether it is a device role or a guest shows in its keys; see
// [Role.CheckRole].
func readRole(name string, n *yaml.Node, path []string) (Role, error) {
	if !n.Is(yaml.Map) {
		return Role{}, problemAt(n, path, "expected a dictionary for dictionary value")
	}
	r := Role{
		Name: name, Node: n,
		DeviceType: n.Get("device_type").TextOr(""), Device: n.Get("device").TextOr(""), Worker: n.Get("worker").TextOr(""),
		Tags: n.Get("tags").Texts(), Essential: n.Get("essential").Truth(),
		Connection: n.Get("connection").TextOr(""), HostRole: n.Get("host_role").TextOr(""), ExpectRole: n.Get("expect_role").TextOr(""),
		Environment: mapping(n, "environment"), Context: mapping(n, "context"),
	}
	// LAVA fails on a role without count with a bare missing key; the words are those of the schema.
	if !n.Has("count") {
		return r, problemAt(n, append(path[:len(path):len(path)], "'count'"), "required key not provided")
	}
	count, ok := n.Get("count").AsInt()
	if !ok {
		return r, problemAt(n.Get("count"), append(path[:len(path):len(path)], "'count'"), "expected int for dictionary value")
	}
	// Whatever is beyond is refused by [MaxParts] anyway; a negative count is none.
	r.Count = int(min(max(count, 0), 1<<31-1))
	return r, nil
}
