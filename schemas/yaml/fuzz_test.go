package yaml

import (
	"strings"
	"testing"
)

// FuzzParse reads anything: it must end, keep its budgets, give every node a place, and write
// what reads back as the same value.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"job_name: x\nactions:\n- deploy: {to: tmpfs}\n", "a: &a [1, 0x1f, 0o7, 010, 1:30]\nb: *a",
		"<<: [{a: 1}, {b: 2}]", "!!set {a, b}", "!!omap [a: 1]", "!!binary aGk=", "2001-12-14t21:59:43.10-05:00",
		"a: |\n  x\n   y\n\nb: >-\n  z\n", "'it''s'", "\"\\x01\\u2028\"", "? a\n: b", "%YAML 1.2\n---\na", "- .nan\n- -.inf\n- 1e400",
	} {
		f.Add(seed)
	}
	limits := Limits{Bytes: 1 << 12, Depth: 20, Nodes: 2000}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseWithin([]byte(text), limits)
		if err != nil {
			return
		}
		if count := walk(t, n, 1); count > limits.Nodes {
			t.Fatalf("%d nodes pass the budget of %d", count, limits.Nodes)
		}
		out, err := Write(n)
		if err != nil {
			t.Fatalf("write %s: %v", n.Repr(), err)
		}
		again, err := ParseWithin(out, Limits{Bytes: 1 << 24, Depth: 50})
		if err != nil {
			t.Fatalf("read back %s written as %q: %v", n.Repr(), out, err)
		}
		if strings.Contains(n.Repr(), "datetime") {
			return // an offset of seconds has several spellings
		}
		if again.Repr() != n.Repr() {
			t.Fatalf("read back %q as\n%s, want\n%s", out, again.Repr(), n.Repr())
		}
	})
}

func walk(t *testing.T, n *Node, depth int) int {
	if n.Line < 1 || n.Column < 1 {
		t.Fatalf("%s has no place", n.Repr())
	}
	count := 1
	for _, item := range n.Items {
		count += walk(t, item, depth+1)
	}
	for _, p := range n.Pairs {
		count += walk(t, p.Key, depth+1) + walk(t, p.Value, depth+1)
	}
	return count
}
