package yaml

import "testing"

// TestWriteReads: each value reads back as itself, whatever its text looks like.
func TestWriteReads(t *testing.T) {
	t.Parallel()
	texts := []string{
		"", " ", "a", "a b", " a", "a ", "yes", "No", "null", "~", "010", "1:30", "1.0", "2024-01-01", "<<", "=", "-", "- a", "? a", ": a",
		"a: b", "a #b", "#a", "a:", "key:value", "[a]", "{a}", "a, b", "*a", "&a", "!a", "|", ">", "@a", "`a", "%a", "'a'", "\"a\"",
		"a\nb", "a\n", "\na", "a\n\n", "a\n b\n", " a\nb\n", "a \nb\n", "a\tb\n", "\t", "a\r\nb", "\x00", "\u0085", "\u2028", "é\n", "\ufeff", "\U0001F600",
		"---", "...", "a\n---\nb\n", "http://a/b?c=d", "C:\\x", "https://example.com/", "y", "n", "0x", "0o7", ".", "..", "1e3", "x: |\n  y\n",
	}
	list, keys := Texts(texts), Mapping()
	for _, s := range texts {
		keys = keys.With(s, Text(s))
	}
	for _, n := range []*Node{list, keys} {
		out, err := Write(n)
		if err != nil {
			t.Fatal(err)
		}
		if again := parse(t, string(out)); again.Repr() != n.Repr() {
			t.Errorf("reads back as\n%s, want\n%s\nwritten as\n%s", again.Repr(), n.Repr(), out)
		}
	}
	for _, text := range []string{
		"!!set {a, b}", "!!binary aGk=", "2024-01-01", "2024-01-01 10:00:00+01:00", "!!timestamp '2024-01-01'", "{1: a, ~: b, 1.5: c}",
		"[.nan, .inf, -.inf, 1.0e+20, 0x1F, 99999999999999999999]", "{a: {}, b: [], c: [[]], d: [{}]}", "[a: 1, {b: [c]}]", "!!omap [a: 1]",
	} {
		n := parse(t, text)
		out, err := Write(n)
		if err != nil {
			t.Fatal(err)
		}
		if again := parse(t, string(out)); again.Repr() != n.Repr() {
			t.Errorf("%s reads back as %s, written as\n%s", n.Repr(), again.Repr(), out)
		}
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	n := parse(t, "{a: 1, b: 2, 3: c}")
	changed := n.With("b", Text("x")).With("d", Nothing()).Without("a", "none")
	if got, want := changed.Repr(), "{'b': 'x', 3: 'c', 'd': None}"; got != want {
		t.Errorf("changed %s, want %s", got, want)
	}
	if got, want := n.Repr(), "{'a': 1, 'b': 2, 3: 'c'}"; got != want {
		t.Errorf("the mapping itself is %s now, want %s", got, want)
	}
	if changed.Line != 1 || changed.Column != 1 {
		t.Errorf("changed stands at %s, want the place of the original", changed.Where())
	}
}
