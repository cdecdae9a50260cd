package job

import (
	"encoding/json"
	"strings"

	"strata/schemas/yaml"
)

// MetadataTexts returns the definition's metadata as it is stored with the job: keys and scalars
// as text, booleans as true and false, and what is nested or null as JSON whose scalars are texts.
// It is what queries compare and pages show. Of two keys that print alike, such as 1 and '1', the
// later one counts.
func (d *Definition) MetadataTexts() map[string]string {
	if d.Metadata == nil || len(d.Metadata.Pairs) == 0 {
		return nil
	}
	texts := make(map[string]string, len(d.Metadata.Pairs))
	for _, p := range d.Metadata.Pairs {
		value := metadataValue(p.Value)
		if s, ok := value.(string); ok {
			texts[metadataText(p.Key)] = s
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			// Maps, lists, texts and null have no value that JSON lacks.
			panic("job: metadata as JSON: " + err.Error())
		}
		texts[metadataText(p.Key)] = string(raw)
	}
	return texts
}

// metadataText is a scalar as text: booleans in the spelling of JSON, all else as Python prints it.
func metadataText(n *yaml.Node) string {
	if n.Is(yaml.Bool) {
		return strings.ToLower(n.Print())
	}
	return n.Print()
}

// metadataValue returns nil, a string, or maps and lists of these.
func metadataValue(n *yaml.Node) any {
	switch n.Kind {
	case yaml.Null:
		return nil
	case yaml.List:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = metadataValue(item)
		}
		return list
	case yaml.Map:
		m := make(map[string]any, len(n.Pairs))
		for _, p := range n.Pairs {
			m[metadataText(p.Key)] = metadataValue(p.Value)
		}
		return m
	}
	return metadataText(n)
}
