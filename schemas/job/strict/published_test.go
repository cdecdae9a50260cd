package strict

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"strata/schemas/shape"
	"strata/schemas/yaml"
)

var update = flag.Bool("update", false, "write the published schemas anew")

// The schema that editors read is what the tables give now.
func TestPublishedIsCurrent(t *testing.T) {
	t.Parallel()
	want, err := JSONSchema(shape.Strict, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "job.schema.json")
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the tables give: run go test ./job/strict -update in schemas", path)
	}
}

// TestAgreement puts every job of the corpus, and every case of this package, to the validator and
// to the JSON Schema, in both modes.
func TestAgreement(t *testing.T) {
	t.Parallel()
	texts := map[string][]byte{}
	for _, c := range cases() {
		if !c.yamlOnly {
			texts[c.name] = []byte(c.job())
		}
	}
	t.Run("cases", func(t *testing.T) { agree(t, texts) })
	t.Run("corpus", func(t *testing.T) {
		t.Parallel()
		texts := map[string][]byte{}
		for _, job := range corpus(t) {
			texts[job.name] = job.text
		}
		agree(t, texts)
	})
}

func agree(t *testing.T, texts map[string][]byte) {
	t.Helper()
	v := New(nil)
	for _, mode := range []shape.Mode{shape.Strict, shape.Lenient} {
		schema := compiled(t, mode)
		for name, text := range texts {
			root, err := yaml.Parse(text)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			problems, err := v.CheckNode(root, mode), schema.Validate(asJSON(t, root))
			if (len(problems) == 0) != (err == nil) {
				t.Errorf("%s, strict %v: the validator says %v, the JSON Schema %v", name, mode, problems, err)
			}
		}
	}
}

func compiled(t testing.TB, m shape.Mode) *jsonschema.Schema {
	t.Helper()
	text, err := JSONSchema(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("job.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("job.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON is the document as a program that speaks JSON has it.
func asJSON(t testing.TB, root *yaml.Node) any {
	t.Helper()
	text, err := json.Marshal(root.Data())
	if err != nil {
		t.Fatal(err)
	}
	data, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
