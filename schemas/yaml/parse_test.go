package yaml

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// TestLikePyYAML reads texts that PyYAML 6.0.3 (its libyaml loader) has read: values must print
// the same, and what it refuses must be refused.
func TestLikePyYAML(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/pyyaml.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Text, Repr, Error string
		Line, Column      int
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		n, err := Parse([]byte(c.Text))
		switch {
		case c.Error != "" && err == nil:
			t.Errorf("Parse(%q) = %s, want the error %s", c.Text, n.Repr(), c.Error)
		case c.Error != "":
			var e *Error
			if !errors.As(err, &e) || (c.Line != 0 && (e.Line != c.Line || e.Column != c.Column)) {
				t.Errorf("Parse(%q): %v, want it at line %d, column %d", c.Text, err, c.Line, c.Column)
			}
		case err != nil:
			t.Errorf("Parse(%q): %v, want %s", c.Text, err, c.Repr)
		case n.Repr() != c.Repr:
			t.Errorf("Parse(%q) = %s, want %s", c.Text, n.Repr(), c.Repr)
		}
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	n := parse(t, "job_name: x\nactions:\n- deploy:\n    to: tmpfs\n    \"ü\": [1, &a {b: c}]\nlast: *a\n")
	to := n.Get("actions").Items[0].Get("deploy", "to")
	if to.Line != 4 || to.Column != 9 || to.Where() != "line 4, column 9" {
		t.Errorf("to stands at %s, want line 4, column 9", to.Where())
	}
	list := n.Get("actions").Items[0].Get("deploy", "ü")
	if list.Line != 5 || list.Column != 10 || list.Items[1].Get("b").Column != 21 {
		t.Errorf("list at %s, c at %s", list.Where(), list.Items[1].Get("b").Where())
	}
	if n.Get("last") != list.Items[1] {
		t.Error("an alias is not the node it names")
	}
	if got := (*Node)(nil).Where(); got != "unknown place" {
		t.Errorf("place of nothing: %q", got)
	}
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		p := strconv.Itoa(i - 1)
		laughs += "a" + strconv.Itoa(i) + ": &a" + strconv.Itoa(i) + " [*a" + p + strings.Repeat(", *a"+p, 9) + "]\n"
	}
	tests := []struct{ name, text, message string }{
		{"billion laughs", laughs, "nodes once its aliases are followed in line"},
		{"merges", "a: &a {" + strings.Repeat("k, ", 10) + "}\nb:\n" + strings.Repeat("  <<: *a\n", 3), ""},
		{"long text by many aliases", "a: &a " + strings.Repeat("x", 500_000) + "\nb: [*a" + strings.Repeat(", *a", 1000) + "]", "nodes once its aliases are followed in line 2"},
		{"many merges", manyMerges(), "nodes once its aliases are followed in line"},
		{"depth", strings.Repeat("[", 101) + strings.Repeat("]", 101), "nested deeper than 100 levels in line 1, column 101"},
		{"deep enough", strings.Repeat("[", 100) + strings.Repeat("]", 100), ""},
		{"very deep", strings.Repeat("[", 500_000), "exceeded max depth"},
		{"very deep block", strings.Repeat("- ", 500_000), "exceeded max depth"},
		{"size", "a: " + strings.Repeat("x", 1<<20), "text has 1048579 bytes, more than 1048576"},
		{"inside itself", "a: &a [*a]", "alias *a stands inside what it names in line 1, column 8"},
		{"long number", "a: " + strings.Repeat("9", 5000), "integer has 5000 digits"},
		{"long base 60", "a: 1" + strings.Repeat(":1", 5000), "base 60 number has 5001 parts"},
		{"not UTF-8", "a: b\nc: \xff", "invalid UTF-8: byte 0xff in line 2, column 4"},
		{"slashes", strings.Repeat("- \"\\/\"\n", 100_000), "unknown escape character"},
		{"escape", "a: \x1b", "unacceptable character #x001b: control characters are not allowed in line 1, column 4"},
	}
	for _, tt := range tests {
		_, err := Parse([]byte(tt.text))
		switch {
		case tt.message == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.message != "" && (err == nil || !strings.Contains(err.Error(), tt.message)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.message)
		}
	}
}

func manyMerges() string {
	var b strings.Builder
	b.WriteString("a: &a {")
	for i := range 5000 {
		b.WriteString("k" + strconv.Itoa(i) + ", ")
	}
	b.WriteString("}\nb:\n" + strings.Repeat("  <<: *a\n", 5000))
	return b.String()
}

func TestAccess(t *testing.T) {
	t.Parallel()
	n := parse(t, "s: text\ni: 3\nb: yes\nl: [a, 2, ~, [x]]\nm: {k: v, 1: w}\nn:\nf: 1.5\nbig: 99999999999999999999\nset: !!set {x}\nbin: !!binary aGk=\nt: 2024-01-02\n")
	if got := n.Get("l").Texts(); !reflect.DeepEqual(got, []string{"a", "2"}) {
		t.Errorf("texts %q", got)
	}
	if got := n.Get("s").Texts(); !reflect.DeepEqual(got, []string{"text"}) {
		t.Errorf("texts of a text %q", got)
	}
	if i, ok := n.Get("b").AsInt(); !ok || i != 1 {
		t.Errorf("yes as a number: %d, %v", i, ok)
	}
	if _, ok := n.Get("big").AsInt(); ok {
		t.Error("a number beyond 64 bits fits")
	}
	if n.Get("m", "1") != nil || n.Get("s", "x") != nil || n.Get("none").Texts() != nil || n.Get("none").Truth() {
		t.Error("something is where nothing stands")
	}
	if !n.Has("n") || !n.Get("n").Empty() || n.Has("none") {
		t.Error("a key without value is lost or found where there is none")
	}
	for key, want := range map[string]bool{"s": true, "n": false, "i": true, "l": true, "f": true, "big": true, "t": true} {
		if got := n.Get(key).Truth(); got != want {
			t.Errorf("truth of %s: %v", key, got)
		}
	}
	raw, err := json.Marshal(n.Data())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"b":true,"big":99999999999999999999,"bin":"b'hi'","f":1.5,"i":3,"l":["a",2,null,["x"]],"m":{"1":"w","k":"v"},"n":null,"s":"text","set":["x"],"t":"2024-01-02"}`
	if string(raw) != want {
		t.Errorf("data:\n got %s\nwant %s", raw, want)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	n := Mapping().With("name", Text("x y")).With("on", Truth(true)).With("count", Number(3)).
		With("list", Texts([]string{"yes", "010", "a: b", "line\nline\n", "", "plain-text_1.0"})).
		With("empty", Mapping()).With("none", Nothing()).With("f", Decimal(1e16)).With("l", Of(Of(), Number(-1))).
		With("name", Text("z")).Without("count")
	out, err := Write(n)
	if err != nil {
		t.Fatal(err)
	}
	want := `name: z
"on": true
list:
  - "yes"
  - "010"
  - "a: b"
  - |
    line
    line
  - ""
  - plain-text_1.0
empty: {}
none: null
f: 1.0e+16
l:
  - []
  - -1
`
	if string(out) != want {
		t.Errorf("Write:\n%s\nwant\n%s", out, want)
	}
	if again := parse(t, string(out)); again.Repr() != n.Repr() {
		t.Errorf("reads back as %s, want %s", again.Repr(), n.Repr())
	}
}

func ExampleParse() {
	n, err := Parse([]byte("reboot: yes\nmode: 0644\ntimeout: 1:30\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(n.Repr())
	_, err = Parse([]byte("a: [1, 2\nb: 3\n"))
	fmt.Println(err)
	// Output:
	// {'reboot': True, 'mode': 420, 'timeout': 90}
	// while parsing a flow sequence from line 1: did not find expected ',' or ']' in line 2, column 2
}

func parse(t *testing.T, text string) *Node {
	t.Helper()
	n, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return n
}

// A lone "!" has a quoted text read as if it stood there plainly, as PyYAML does; LAVA's logs mark numbers so.
func TestLoneMark(t *testing.T) {
	t.Parallel()
	text := "- {a: ! \"6.17\", \"b\": ! '12', c: ! \"true\", d: ! \"~\", e: ! \"x\"}\n- ! \"5\"\n- \"! 5\"\n- é: ! \"7\"\n- !!str \"8\"\n- [\"9\", ! \"9\"]\n"
	n, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := n.Print(), "[{'a': 6.17, 'b': 12, 'c': True, 'd': None, 'e': 'x'}, 5, '! 5', {'é': 7}, '8', ['9', 9]]"; got != want {
		t.Errorf("read %s, want %s", got, want)
	}
}

// PyYAML takes the last of two like keys. A file of Strata's own may not have them, at any depth; what << brings may be
// replaced in either.
func TestUnique(t *testing.T) {
	t.Parallel()
	for text, line := range map[string]int{"a: 1\nb: 2\na: 3\n": 3, "a:\n- {x: 1}\n- x: 1\n  'x': 2\n": 4, "1: a\n0x1: b\n": 2,
		"a: &m {x: 1, y: 2}\nb: {<<: *m, x: 3}\n": 0, "a: 1\n'1': 2\n1: 3\n": 0, "[]": 0, "": 0} {
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("Parse(%q): %v", text, err)
		}
		_, err := ParseUnique([]byte(text))
		var bad *Error
		if errors.As(err, &bad) != (line > 0) || bad != nil && (bad.Line != line || !strings.Contains(bad.Message, "stands twice")) {
			t.Errorf("ParseUnique(%q) = %v; want an error in line %d", text, err, line)
		}
	}
}
