package pipeline

import "strata/schemas/yaml"

// ReadYAML reads a YAML 1.1 document within the budgets of schemas/yaml. Its errors are those of
// yaml.Parse, with line and column.
func ReadYAML(text []byte) (Data, error) {
	n, err := yaml.Parse(text)
	if err != nil {
		return Data{}, err
	}
	return FromYAML(n), nil
}

// FromYAML returns a YAML node as Data. What Data has no kind for becomes the text that Python
// prints for it (dates, integers beyond 64 bits), a set a list of its members, and so do keys that
// are not text.
func FromYAML(n *yaml.Node) Data {
	switch {
	case n.Empty():
		return Data{}
	case n.Is(yaml.Bool):
		return Of(n.Bool)
	case n.Is(yaml.Int) && n.Big == nil:
		return Of(n.Int)
	case n.Is(yaml.Float):
		return Of(n.Float)
	case n.Is(yaml.String), n.Is(yaml.Binary):
		return Of(n.Text)
	case n.Is(yaml.List):
		items := make([]Data, len(n.Items))
		for i, item := range n.Items {
			items[i] = FromYAML(item)
		}
		return Of(items)
	case n.Is(yaml.Map):
		pairs := make([]Pair, len(n.Pairs))
		for i, p := range n.Pairs {
			pairs[i] = Pair{p.Key.Print(), FromYAML(p.Value)}
		}
		return Of(pairs)
	case n.Is(yaml.Set):
		items := make([]Data, len(n.Pairs))
		for i, p := range n.Pairs {
			items[i] = FromYAML(p.Key)
		}
		return Of(items)
	}
	return Of(n.Print())
}

// YAML returns d as a node, for writing.
func (d Data) YAML() *yaml.Node {
	switch v := d.value.(type) {
	case bool:
		return yaml.Truth(v)
	case int64:
		return yaml.Number(v)
	case float64:
		return yaml.Decimal(v)
	case string:
		return yaml.Text(v)
	case []Data:
		items := make([]*yaml.Node, len(v))
		for i, item := range v {
			items[i] = item.YAML()
		}
		return yaml.Of(items...)
	case []Pair:
		m := yaml.Mapping()
		for _, p := range v {
			m.Pairs = append(m.Pairs, yaml.Pair{Key: yaml.Text(p.Key), Value: p.Value.YAML()})
		}
		return m
	}
	return yaml.Nothing()
}
