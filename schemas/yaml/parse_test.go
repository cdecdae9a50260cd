package yaml

import (
	"encoding/json"
	"errors"
	"os"
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
			t.Logf("Parse(%q):\n   %v\n   %s (%d,%d)", c.Text, err, c.Error, c.Line, c.Column)
		case err != nil:
			t.Errorf("Parse(%q): %v, want %s", c.Text, err, c.Repr)
		case n.Repr() != c.Repr:
			t.Errorf("Parse(%q) = %s, want %s", c.Text, n.Repr(), c.Repr)
		}
	}
}

var _ = errors.As
var _ = strings.Repeat
