package jinja

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestAgainstJinja2 renders random templates here and by Jinja2 itself: the recorded cases hold what
// somebody thought of, this finds what nobody did. The seed is fixed, so that a failure comes again.
//
// One rule is left out, because Jinja2 has it by accident of its compiler: a name that a template sets
// at top level for the first time is undefined in the loops and sections before, even where the context
// has it. So what stands inside of those reads no name that is set outside.
func TestAgainstJinja2(t *testing.T) {
	if os.Getenv("STRATA_TEST_ALL") != "1" {
		t.Skip("SKIPPED: slow; `make test-all` runs it, and so does STRATA_TEST_ALL=1")
	}
	if err := exec.Command("python3", "-c", "import jinja2").Run(); err != nil {
		if os.Getenv("STRATA_REQUIRE_BOOT") == "1" {
			t.Fatalf("python3-jinja2 is not installed: %v", err)
		}
		t.Skip("SKIPPED: python3-jinja2 is not installed")
	}
	const cases = 1_500
	random := author{rand.New(rand.NewPCG(1, 2))}
	var asked bytes.Buffer
	for range cases {
		line, err := json.Marshal(recordedCase{Vars: map[string]any{
			"a": 1, "b": "it's", "l": []any{1, 2}, "d": map[string]any{"k": "v"}, "t": true, "e": "", "n": nil}, Files: random.files()})
		if err != nil {
			t.Fatal(err)
		}
		asked.Write(append(line, '\n'))
	}
	cmd := exec.Command("python3", "testdata/answer.py")
	cmd.Stdin, cmd.Stderr = &asked, os.Stderr
	answers, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(answers))
	lines.Buffer(nil, 1<<20)
	compared, rendered := 0, 0
	for ; lines.Scan(); compared++ {
		var c recordedCase
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.UseNumber()
		if err := decoder.Decode(&c); err != nil {
			t.Fatal(err)
		}
		got, err := render(c.Files, c.Vars, Limits{})
		switch {
		case (err != nil) != (c.Error != ""):
			t.Fatalf("%q:\n got error %v\nwant %q", c.Files, err, c.Error)
		case err == nil && got != c.Output:
			t.Fatalf("%q:\n got %q\nwant %q", c.Files, got, c.Output)
		case err == nil:
			rendered++
		}
	}
	if compared != cases || rendered < cases/2 {
		t.Errorf("%d cases were compared and %d rendered, want %d and at least half", compared, rendered, cases)
	}
}

// author writes random templates.
type author struct{ *rand.Rand }

func (r author) of(choices ...string) string { return choices[r.IntN(len(choices))] }

// files returns a template, or a chain of two or three, and one that is included.
func (r author) files() map[string]string {
	chain := []string{"main", "parent", "base"}[:1+r.IntN(3)]
	files := map[string]string{"part": "{% set x = 7 %}<{{ x }} {{ a }}\n{% block p %}{{ y }}{% endblock %}>"}
	for i, name := range chain {
		var b strings.Builder
		if i+1 < len(chain) {
			fmt.Fprintf(&b, "{%% extends '%s' %%}%s", chain[i+1], r.of("\n", ""))
		}
		blocks := []string{"b1", "b2", "b3"}
		for range 1 + r.IntN(6) {
			b.WriteString(r.node(3, true, &blocks))
		}
		files[name] = b.String() + r.of("", "\n", "\n\n")
	}
	return files
}

// tag writes a tag with any of the marks for white space.
func (r author) tag(words string) string {
	return r.of("{%", "{%", "{%-", "{%+") + " " + words + " " + r.of("%}", "%}", "-%}", "+%}")
}

// value writes an expression. Only at the top of a template or block may it read what is set there.
func (r author) value(top bool) string {
	if top && r.IntN(3) == 0 {
		return r.of("x", "y", "x|default('D')", "x or y", "b ~ x", "y is defined", "[a, x]", "{'k': y}", "y|default([])", "x is string")
	}
	return r.of("a", "b", "l", "d", "t", "e", "n", "u", "'q\"'", "3", "a == 1", "not t", "a ~ b", "l[0]", "d.k", "d.get('k', 2)", "d['z']",
		"l|join(', ')", "b|indent(2)", "'p\n\nq\n r'|indent(width=3)", "l + [a]", "'t' in b", "b if t else a", "b if e", "(a, b)", "a in l",
		"b|replace('t', a)", "b|upper", "2 * a + 1", "l[::-1]", "b[1:]", "1.0", "-a", "u is not defined", "n is none", "'%s' ~ n", "1 < 2 < 3",
		"d|length", "l|first", "{'a': [true, none, 1.5]}", "b.split(\"'\")", "'a b'.title()", "b is sameas b", "a + b", "u.x", "l.nope")
}

func (r author) body(depth int, top bool, blocks *[]string) string {
	var b strings.Builder
	for range 1 + r.IntN(3) {
		b.WriteString(r.node(depth, top, blocks))
	}
	return b.String()
}

func (r author) node(depth int, top bool, blocks *[]string) string {
	n := r.IntN(12)
	if depth == 0 {
		n = r.IntN(4)
	}
	switch {
	case n < 3:
		return r.of("\n", "  ", "\n\n", "text", " - k: v\n", "\t", "é\n", "\r\n")
	case n == 3:
		return r.of("{#", "{#-") + r.of(" c ", "\n") + r.of("#}", "-#}", "+#}")
	case n < 6:
		return r.of("{{", "{{", "{{-") + " " + r.value(top) + " " + r.of("}}", "}}", "-}}")
	case n == 6 && top:
		return r.tag("set " + r.of("x", "y") + " = " + r.value(true))
	case n == 7 && top:
		return r.tag("set "+r.of("x", "y", "x | upper")) + r.body(depth-1, false, blocks) + r.tag("endset")
	case n == 8:
		return r.tag("if "+r.value(top)) + r.body(depth-1, top, blocks) + r.tag("elif "+r.value(top)) + r.body(depth-1, top, blocks) +
			r.tag("else") + r.body(depth-1, top, blocks) + r.tag("endif")
	case n == 9:
		return r.tag("for i in "+r.of("l", "d", "b", "range(2)", "l if i is odd")) + "{{ i }}{{ loop.last }}" + r.body(depth-1, false, blocks) +
			r.tag("else") + r.body(depth-1, false, blocks) + r.tag("endfor")
	case n == 10 && len(*blocks) > 0:
		name := (*blocks)[0]
		*blocks = (*blocks)[1:]
		return r.tag("block "+name) + r.body(depth-1, true, blocks) + r.of("", "{{ super() }}") + r.tag("endblock")
	case n == 11:
		return r.tag("filter "+r.of("indent(width=4)", "upper", "indent(2)|upper")) + r.body(depth-1, false, blocks) + r.tag("endfilter")
	}
	return r.of("{% include 'part' %}", "{% raw %}{{ x }}{% endraw %}", "{% include 'none' ignore missing %}", r.tag("with w = a")+"{{ w }}"+r.tag("endwith"))
}
