package shape

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"strata/schemas/yaml"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	words := Words{"gz", "xz", "zip"}
	pair := Map{Keys: []Key{Optional("a", Text{}, "").With("p"), Optional("b", Text{}, "").With("p")}}
	group := Map{Keys: []Key{Optional("a", Text{}, "").OneOf("g"), Optional("b", Text{}, "").OneOf("g"), Optional("c", Flag{}, "")}}
	numbered := Map{Keys: []Key{Optional("x", Flag{}, "")}, Rest: &Key{Name: "x<n>", Shape: Number{}}, Pattern: regexp.MustCompile(`^x\d+$`)}
	choice := Choice{By: "to", Unknown: "unknown", Rows: []Row{{"tftp", "tftp", Map{Keys: []Key{Required("to", Words{"tftp"}, ""), Required("k", Text{}, "")}}}}}
	having := Having{Unknown: "none", Cases: []Case{
		{[]string{"a", "b"}, "ab", Map{Keys: []Key{Required("a", Flag{}, ""), Required("b", Flag{}, "")}}},
		{[]string{"a"}, "a", Map{Keys: []Key{Required("a", Flag{}, "")}}},
	}}
	tests := []struct {
		shape           Shape
		text            string
		strict, lenient string // what is said first; "" for nothing
	}{
		{Anything{}, "a: [1]", "", ""},
		{Nothing{}, "~", "", ""},
		{Nothing{}, "no", "expected nothing, found the boolean false", "expected nothing, found the boolean false"},
		{Flag{}, "yes", "", ""},
		{Flag{}, "1", "expected true or false, found the number 1", "expected true or false, found the number 1"},
		{Text{Least: 3}, "ab", "a text needs at least 3 characters", "a text needs at least 3 characters"},
		{Text{Most: 2, Says: "a code"}, "äöü", "a code has at most 2 characters, found 3", "a code has at most 2 characters, found 3"},
		{Text{Most: 3}, "äöü", "", ""},
		{Text{Pattern: regexp.MustCompile("^a+$")}, "b", `"b" is not a text: it has to match ^a+$`, `"b" is not a text: it has to match ^a+$`},
		{Text{Not: []string{"x"}}, "x", `"x" is reserved`, `"x" is reserved`},
		{Text{}, "1.5", "expected a text, found the float 1.5; put it in quotes", "expected a text, found the float 1.5; put it in quotes"},
		{words, "gzip", `"gzip" is not allowed here: did you mean gz? allowed are gz, xz, zip`, "did you mean gz?"},
		{words, "rot13", `"rot13" is not allowed here: allowed are gz, xz, zip`, "allowed are"},
		{words, "[gz]", "expected one of gz, xz, zip, found a list", "found a list"},
		{Number{Whole: true}, "1.0", "expected a whole number, found the float 1.0", "expected a whole number"},
		{Number{Whole: true}, "true", "", ""},
		{Number{Least: AtLeast(1)}, ".nan", "expected a number of at least 1, found nan", "found nan"},
		{Number{Least: AtLeast(1)}, "-99999999999999999999", "expected a number of at least 1", "expected a number of at least 1"},
		{Number{Least: AtLeast(1)}, "99999999999999999999", "", ""},
		{List{Of: Text{}, Least: 1}, "[]", "expected at least 1 items", "expected at least 1 items"},
		{List{Of: Text{}}, "[a, 1]", "[1]: expected a text, found the number 1", "[1]: expected a text"},
		{Filled{}, "''", "not empty", "not empty"},
		{Filled{}, "{a: 1}", "", ""},
		{Filled{}, "3", "found the number 3", "found the number 3"},
		{Either{Text{}, List{Of: Text{}}}, "3", "expected a text, or a list, each item a text, found the number 3", "expected a text, or a list"},
		{Either{Text{}, List{Of: Text{}}}, "[3]", "[0]: expected a text", "[0]: expected a text"},
		{Either{pair, group}, "a: x\nc: 3", "c: expected true or false", "c: expected true or false"},
		{pair, "a: x", "line 1, column 1: <p>: a and b belong together: all or none", "a and b belong together"},
		{pair, "a: x\nb: y", "", ""},
		{group, "a: x\nb: y", "line 2, column 1: <g>: only one of a, b may be given", "only one of a, b"},
		{group, "d: x", `unknown key "d": allowed are a, b, c`, ""},
		{group, "1: x", "a key has to be a text, found the number 1", ""},
		{Map{Closed: true}, "d: x", `unknown key "d"`, `unknown key "d"`},
		{Map{Least: 1}, "{}", "expected a mapping of at least one entry, found an empty one", "found an empty one"},
		{numbered, "x: yes\nx12: 3", "", ""},
		{numbered, "x12: a", "x12: expected a number", "x12: expected a number"},
		{numbered, "y1: 3", `unknown key "y1": `, ""},
		{choice, "to: tftp\nk: a", "", ""},
		{choice, "to: tftp\nk: a\nl: b", `unknown key "l"`, ""},
		{choice, "to: ftp", `to: unknown to "ftp": allowed is only tftp`, `unknown to "ftp"`},
		{choice, "k: a", `key "to" is missing: "tftp"`, `key "to" is missing`},
		{choice, "to: [tftp]", `expected "tftp", found a list`, `expected "tftp"`},
		{choice, "a", "expected a mapping with to", "expected a mapping with to"},
		{having, "a: yes", "", ""},
		{having, "a: yes\nb: 3", "b: expected true or false", "b: expected true or false"},
		{having, "a: yes\nc: 3", `unknown key "c": allowed is only a`, ""},
		{having, "b: yes", "expected one of the keys a", "expected one of the keys a"},
		{Either{Map{Keys: []Key{Required("a", Text{}, "")}}, Map{Keys: []Key{Required("b", Text{}, "")}}}, "{}",
			"one of the keys a, b is missing", "one of the keys a, b is missing"},
	}
	for _, tt := range tests {
		n := parse(t, tt.text)
		for mode, want := range map[Mode]string{Strict: tt.strict, Lenient: tt.lenient} {
			got := Check(tt.shape, mode, nil, n)
			switch {
			case want == "" && len(got) > 0:
				t.Errorf("%s against %s, strict %v: %v, want nothing", tt.text, tt.shape, mode, got)
			case want != "" && (len(got) == 0 || !strings.Contains(got[0].String(), want)):
				t.Errorf("%s against %s, strict %v:\n got %v\nwant %s", tt.text, tt.shape, mode, got, want)
			}
			agree(t, tt.shape, mode, n, len(got) == 0)
		}
	}
}

// agree asks the JSON Schema of s, too. A text that JSON does not have, or has otherwise, is left out.
func agree(t *testing.T, s Shape, m Mode, n *yaml.Node, want bool) {
	t.Helper()
	schema := compile(t, s, m)
	if n.Is(yaml.Float) && (n.Float != n.Float || n.Float == 1) || n.Is(yaml.Map) && len(n.Keys()) < len(n.Pairs) {
		return
	}
	text, err := json.Marshal(n.Data())
	if err != nil {
		t.Fatal(err)
	}
	data, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(data); (err == nil) != want {
		t.Errorf("%s against %s, strict %v: accepted is %v, the JSON Schema says %v", text, s, m, want, err)
	}
}

func compile(t *testing.T, s Shape, m Mode) *jsonschema.Schema {
	t.Helper()
	text, err := JSONSchema(s, m, "test.json", "Test")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("test.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("test.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestNearest(t *testing.T) {
	t.Parallel()
	methods := []string{"u-boot", "u-boot-ums", "uefi", "uefi-menu", "uuu", "device", "device_type", "ramdisk", "gz", "zip"}
	for word, want := range map[string]string{
		"uboot": "u-boot", "U_BOOT": "u-boot", "uefi_menu": "uefi-menu", "devicetype": "device_type", "ramdsik": "ramdisk",
		"gzip": "gz", "nothing": "", "": "", "x": "", strings.Repeat("u", 100): "",
	} {
		if got := Nearest(word, methods); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"grün", "gruen", 2}} {
		if got, back := Distance(tt.a, tt.b), Distance(tt.b, tt.a); got != tt.want || back != tt.want {
			t.Errorf("from %q to %q: %d, back %d, want %d", tt.a, tt.b, got, back, tt.want)
		}
	}
}

func TestJSONSchemaSharesWhatIsEqual(t *testing.T) {
	t.Parallel()
	duration := Named{"duration", Map{Keys: []Key{Required("minutes", Number{}, "How many.")}}}
	long := Optional("timeout", Text{}, strings.Repeat("How long it may take. ", 10)).In("seconds").Otherwise("30").Like("5")
	other := Optional("timeout", Flag{}, strings.Repeat("Whether there is one. ", 10))
	s := Map{Keys: []Key{
		Optional("a", duration, ""), Optional("b", duration, ""),
		Optional("c", Map{Keys: []Key{long}}, ""), Optional("d", Map{Keys: []Key{long}}, ""), Optional("e", Map{Keys: []Key{other}}, ""),
		Optional("f", Map{Keys: []Key{other}}, ""),
	}}
	first, err := JSONSchema(s, Strict, "x.json", "X")
	if err != nil {
		t.Fatal(err)
	}
	again, err := JSONSchema(s, Strict, "x.json", "X")
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("the same shape gives another text: %v", err)
	}
	var schema struct {
		Defs map[string]struct{ Description string } `json:"$defs"`
	}
	if err := json.Unmarshal(first, &schema); err != nil {
		t.Fatal(err)
	}
	if len(schema.Defs) != 3 || schema.Defs["key-timeout-2"].Description == "" {
		t.Errorf("%d definitions, want duration and two of timeout:\n%s", len(schema.Defs), first)
	}
	if got := schema.Defs["key-timeout"].Description; !strings.HasSuffix(got, "Unit: seconds. Default: 30. Example: 5.") {
		t.Errorf("description %q", got)
	}
}

// FuzzNearest looks for words that the search does not end on, or that it names although not given.
func FuzzNearest(f *testing.F) {
	f.Add("comands", "commands,command")
	f.Add("ü", "u-boot")
	f.Fuzz(func(t *testing.T, word, list string) {
		words := strings.Split(list, ",")
		if near := Nearest(word, words); near != "" && !strings.Contains(","+list+",", ","+near+",") {
			t.Fatalf("Nearest(%q, %q) = %q", word, words, near)
		}
	})
}

func ExampleCheck() {
	boot := Map{Keys: []Key{
		Required("method", Words{"u-boot", "grub"}, "How to boot."),
		Optional("commands", Text{}, "What to type.").Like("ramdisk"),
	}}
	n, err := yaml.Parse([]byte("method: uboot\ncomands: ramdisk\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range Check(boot, Strict, Path{}.To("boot"), n) {
		fmt.Println(p)
	}
	// Output:
	// line 1, column 9: boot.method: "uboot" is not allowed here: did you mean u-boot? allowed are u-boot, grub
	// line 2, column 1: boot.comands: unknown key "comands": did you mean commands? allowed are commands, method
}

func parse(t *testing.T, text string) *yaml.Node {
	t.Helper()
	n, err := yaml.Parse([]byte(text))
	if err != nil {
		t.Fatalf("parse %q: %v", text, err)
	}
	return n
}
