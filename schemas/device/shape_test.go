package device

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"strata/schemas/shape"
	"strata/schemas/yaml"
)

var update = flag.Bool("update", false, "write the published schema anew")

func TestPublishedIsCurrent(t *testing.T) {
	t.Parallel()
	want, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "device.schema.json")
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the table gives (%v): run go test ./device -update in schemas", path, err)
	}
}

// The table has the keys that a configuration may have, and no others.
func TestShapeHasTheKeys(t *testing.T) {
	t.Parallel()
	names := Shape().(shape.Map).Names()
	for _, name := range names {
		if !keys[name] {
			t.Errorf("key %s of the shape is unknown to Load", name)
		}
	}
	if len(names) != len(keys) {
		t.Errorf("the shape has %d keys, Load knows %d", len(names), len(keys))
	}
}

// TestCorpusFits puts every rendered device of the corpus to the shape and to the JSON Schema. Without
// the corpus it is skipped.
func TestCorpusFits(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(corpusFolder(t), "rendered*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skipf("SKIPPED: no rendered devices in the corpus (%v); set STRATA_CORPUS to the folder that holds it", err)
	}
	schema := compileDevice(t)
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		root, err := yaml.Parse(body)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		data, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		// Load knows a rule between the commands and the methods, which a shape cannot say.
		_, loads := read(root)
		got, says := shape.Check(Shape(), shape.Strict, nil, root), schema.Validate(data)
		if (loads == nil && len(got) > 0) || (says == nil) != (len(got) == 0) {
			t.Errorf("%s: the shape says %v, the JSON Schema %v, Load %v", filepath.Base(file), got, says, loads)
		}
	}
}

// What the shape refuses, the JSON Schema refuses too.
func TestShapeRefuses(t *testing.T) {
	t.Parallel()
	schema := compileDevice(t)
	for body, want := range map[string]string{
		"comands: {}": `unknown key "comands": did you mean commands?`,
		"commands: {connect: telnet, connections: {uart: {connect: telnet}}}": "only one of connect, connections may be given",
		"commands: {hard_reset: []}":                                          "commands.hard_reset",
		"commands: {users: {led: {undo: x}}}":                                 `"do" is missing`,
		"timeouts: {actions: {u-boot: {minutes: '3'}}}":                       "minutes: expected a whole number",
		"timeouts: {actions: {U-Boot: {minutes: 3}}}":                         `unknown key "U-Boot"`,
		"constants: [a]":                      "constants: expected a mapping",
		"character_delays: {boot: slow}":      "character_delays.boot: expected a whole number",
		"fastboot_options: -w":                "fastboot_options: expected a list",
		"[]":                                  "expected a device configuration, found a list",
		"actions: {boot: {method: {qemu: }}}": "did you mean methods?",
		"usb_sleep: {a: b}":                   "usb_sleep: expected a whole number, found a mapping",
		"commands: {connections: {uart: {conect: telnet x}}}": "did you mean connect?",
	} {
		root, err := yaml.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		got := shape.Check(Shape(), shape.Strict, nil, root)
		if len(got) == 0 || !strings.Contains(got[0].String(), want) {
			t.Errorf("%s:\n got %v\nwant %s", body, got, want)
		}
		raw, err := json.Marshal(root.Data())
		if err != nil {
			t.Fatal(err)
		}
		data, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(data) == nil {
			t.Errorf("%s: the JSON Schema takes it", body)
		}
	}
}

func compileDevice(t *testing.T) *jsonschema.Schema {
	t.Helper()
	body, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("device.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("device.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// corpusFolder returns the folder of recorded cases: below STRATA_CORPUS, or beside the repository.
func corpusFolder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("STRATA_CORPUS")
	if dir == "" {
		wd, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for ; wd != filepath.Dir(wd); wd = filepath.Dir(wd) {
			if _, err := os.Stat(filepath.Join(wd, "go.work")); err == nil {
				dir = filepath.Join(filepath.Dir(wd), "shared")
				break
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "corpus")); err == nil {
		return filepath.Join(dir, "corpus")
	}
	return dir
}
