package strict

import (
	"testing"

	"strata/schemas/shape"
	"strata/schemas/yaml"
)

// TestAgreementOfEveryKey gives every key of every method one value of each kind, and asks the
// validator and the JSON Schema.
func TestAgreementOfEveryKey(t *testing.T) {
	t.Parallel()
	values := []*yaml.Node{
		yaml.Nothing(), yaml.Truth(true), yaml.Truth(false), yaml.Number(0), yaml.Number(7),
		yaml.Text("auto"), yaml.Of(), yaml.Of(yaml.Text("a")), yaml.Mapping(),
		yaml.Mapping().With("url", yaml.Text("u")), yaml.Mapping().With("minutes", yaml.Number(1)),
		yaml.Mapping().With("a", yaml.Mapping().With("url", yaml.Text("u"))), yaml.Of(yaml.Mapping().With("a", yaml.Text("b"))),
	}
	v := New(nil)
	for _, mode := range []shape.Mode{shape.Strict, shape.Lenient} {
		schema := compiled(t, mode)
		accepted, refused := 0, 0
		same := func(what string, root *yaml.Node) {
			problems, err := v.CheckNode(root, mode), schema.Validate(asJSON(t, root))
			if (len(problems) == 0) != (err == nil) {
				t.Errorf("%s, strict %v: the validator says %v, the JSON Schema %v", what, mode, problems, err)
			}
			if err == nil {
				accepted++
			} else {
				refused++
			}
		}
		top := parsed(t, head+"actions: []\n")
		for _, k := range definition(nil, shape.Anything{}).Keys {
			for _, value := range values {
				if k.Name != "timeouts" && k.Name != "actions" {
					same(k.Name+": "+value.Repr(), top.With(k.Name, value))
				}
			}
		}
		common := map[Kind]bool{} // the keys that all methods of a kind have are tried with one of them
		for _, m := range Methods() {
			keys := keysOf(m)
			if !common[m.Kind] {
				common[m.Kind] = true
				keys = append(keys, Common(m.Kind)...)
			}
			action := parsed(t, oneAction(m.Kind, m.Name, least[m.Kind][m.Name])).Get("actions").Items[0].Get(string(m.Kind))
			for _, k := range keys {
				for _, value := range values {
					body := yaml.Mapping().With(string(m.Kind), action.With(k.Name, value))
					same(string(m.Kind)+" "+m.Name+" "+k.Name+": "+value.Repr(), top.With("actions", yaml.Of(body)))
				}
			}
		}
		if accepted < 300 || refused < 300 {
			t.Errorf("strict %v: %d accepted, %d refused; the values do not try both", mode, accepted, refused)
		}
	}
}

func keysOf(m Method) (keys []shape.Key) {
	keys = append(keys, m.Keys...)
	for _, f := range m.Forms {
		keys = append(keys, f...)
	}
	return keys
}
