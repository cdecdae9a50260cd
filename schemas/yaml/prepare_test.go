package yaml

import (
	"strings"
	"testing"
)

// TestPrepared reads what the scanner of yaml.v3 alone refuses, with values and places as they stand.
func TestPrepared(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"{url: http://a/b?c=d&e?, x: 1}", "{'url': 'http://a/b?c=d&e?', 'x': 1}"},
		{"[a?b, 'c?d', \"e?\"]", "['a?b', 'c?d', 'e?']"},
		{"? a?b\n: c", "{'a?b': 'c'}"},
		{"why?: because", "{'why?': 'because'}"},
		{"{a?: b}", "{'a?': 'b'}"},
		{`{"url": "http:\/\/a\/b", "r": "\\/", "q": "a\"\/"}`, `{'url': 'http://a/b', 'r': '\\/', 'q': 'a"/'}`},
		{"a: \"sed s/\\/x/\\/y/ \\\\\\/\"\nb: 's/\\/x/'\n", `{'a': 'sed s//x//y/ \\/', 'b': 's/\\/x/'}`},
		{"%YAML 1.2\n---\na: '%YAML 1.2'", "{'a': '%YAML 1.2'}"},
		{"a: \uE000?", "{'a': '\\ue000?'}"},
		{"# comment?\n{a: b} # why?", "{'a': 'b'}"},
	}
	for _, tt := range tests {
		if got := parse(t, tt.text).Repr(); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.text, got, tt.want)
		}
	}
	n := parse(t, "{a: what?ever, b: \"x\\/\", c: d}")
	if c := n.Get("c"); c.Column != 29 {
		t.Errorf("c stands at column %d, want 29", c.Column)
	}
	for text, column := range map[string]int{"{a: x?y, b:}": 11, "[ü?:]": 4, "{a: b, c:, d: e}": 9} {
		_, err := Parse([]byte(text))
		var e *Error
		if !asError(err, &e) || e.Column != column || !strings.Contains(e.Message, "put a space behind it") {
			t.Errorf("Parse(%q) = %v, want the colon refused at column %d", text, err, column)
		}
	}
	if got := parse(t, "{1, a:: 2}").Repr(); got != "{1: None, 'a:': 2}" {
		t.Errorf("a key that ends in a colon: %s", got)
	}
}

func TestOffset(t *testing.T) {
	t.Parallel()
	text := []byte("ab\nüc\n")
	for _, tt := range []struct{ line, column, want int }{{1, 1, 0}, {1, 3, 2}, {2, 1, 3}, {2, 2, 5}, {3, 1, 7}, {4, 1, 7}, {9, 9, 7}} {
		if got := offset(text, tt.line, tt.column); got != tt.want {
			t.Errorf("offset of %d:%d = %d, want %d", tt.line, tt.column, got, tt.want)
		}
	}
}

func asError(err error, e **Error) bool {
	var ok bool
	*e, ok = err.(*Error)
	return ok
}
