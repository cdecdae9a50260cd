package job

import (
	"regexp"
	"strings"
	"testing"

	"strata/schemas/yaml"
)

// TestRules shows how each building block speaks. Problems are given as message and place.
func TestRules(t *testing.T) {
	t.Parallel()
	pair := mapOf{fields: []field{
		{key: "name", needed: true, value: text()},
		{key: "count", value: integer()},
		{key: "a", exclusive: "ab", value: integer()},
		{key: "b", exclusive: "ab", value: integer()},
		{key: "c", exclusive: "ab", value: integer()},
	}}
	open := pair
	open.open = true
	numbered := mapOf{others: func(key *yaml.Node) rule {
		if key.Is(yaml.Int) {
			return text()
		}
		return nil
	}}
	tests := []struct {
		name string
		rule rule
		text string
		want []string
	}{
		{"text", text(), "x", nil},
		{"text", text(), "3", []string{"expected str"}},
		{"int takes a boolean", integer(), "yes", nil},
		{"int takes any length", integer(), "99999999999999999999", nil},
		{"int takes no float", integer(), "1.0", []string{"expected int"}},
		{"bool takes no int", boolean(), "1", []string{"expected bool"}},
		{"null", null(), "~", nil},
		{"null", null(), "''", []string{"expected None"}},
		{"word", words("a", "b"), "b", nil},
		{"word", words("a", "b"), "c", []string{"not a valid value"}},
		{"word is no boolean", word("on"), "on", []string{"not a valid value"}},
		{"length counts characters", length(1, 3), "äöü", nil},
		{"length", length(1, 3), "äöüß", []string{"length of value must be at most 3"}},
		{"length", length(1, 0), "''", []string{"length of value must be at least 1"}},
		{"match", match(regexp.MustCompile(`^a+$`), "only a"), "ab", []string{"only a"}},
		{"all: the first speaks", all(text(), length(5, 0)), "3", []string{"expected str"}},
		{"all: then the second", all(text(), length(5, 0)), "abc", []string{"length of value must be at least 5"}},

		{"list", listOf(text()), "x", []string{"expected a list"}},
		{"list: each bad item speaks", listOf(text()), "[1, a, 2]", []string{"expected str @ data[0]", "expected str @ data[2]"}},
		{"list: the last alternative speaks", listOf(integer(), text()), "[1, a, ~]", []string{"expected str @ data[2]"}},
		{"list: a fault inside an item ends the search", listOf(pair.rule()), "[x, {name: 3}, {}]",
			[]string{"expected str for dictionary value @ data[1]['name']"}},

		{"mapping", pair.rule(), "x", []string{"expected a dictionary"}},
		{"mapping: in order of the text, what is missing last", pair.rule(), "{x: 1, count: y}", []string{
			"extra keys not allowed @ data['x']", "expected int for dictionary value @ data['count']", "required key not provided @ data['name']"}},
		{"mapping: a bad value is not missing too", pair.rule(), "{name: 3}", []string{"expected str for dictionary value @ data['name']"}},
		{"mapping: exclusive keys first", pair.rule(), "{x: 1, b: 1, a: 1, c: 1}", []string{
			"two or more values in the same group of exclusion 'ab' @ data[<ab>]"}},
		{"mapping: open", open.rule(), "{name: a, x: 1, 3: 4}", nil},
		{"mapping: keys by their look", numbered.rule(), "{1: a, b: c, 2: 3}", []string{
			"extra keys not allowed @ data['b']", "expected str for dictionary value @ data[2]"}},

		{"either: the first of equals", either(word("a"), text()), "3", []string{"not a valid value"}},
		{"either: the deepest", either(word("a"), pair.rule()), "{name: 3}", []string{"expected str for dictionary value @ data['name']"}},
		{"either: what one takes", either(word("a"), pair.rule()), "{name: b}", nil},
	}
	for _, tt := range tests {
		n, err := yaml.Parse([]byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := messages(tt.rule(nil, n)); strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%s: %s\n got %q\nwant %q", tt.name, tt.text, got, tt.want)
		}
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text    string
		seconds float64
		skip    bool
		message string
	}{
		{"{minutes: 5}", 300, false, ""},
		{"{days: 1, hours: 1, minutes: 1, seconds: 1}", 90061, false, ""},
		{"{seconds: 1.5}", 1, false, ""}, // whole seconds
		{"{minutes: 1.5}", 90, false, ""},
		{"{}", 30, false, ""},
		{"{seconds: 0, skip: yes}", 30, true, ""},
		{"{seconds: -5}", -5, false, ""},
		{"{minutes: yes}", 60, false, ""},
		{"{days: 99999999999}", 100 * 365 * 86400, false, ""},
		{"{weeks: 1}", 30, false, ""}, // the gate refuses it, the dispatcher of LAVA does not see it
		{"5", 0, false, "invalid timeout: expected a mapping such as {minutes: 5}"},
		{"{minutes: five}", 0, false, "expected int @ data['minutes']"},
		{"{minutes: 99999999999999999999}", 0, false, "expected int @ data['minutes']"},
	}
	for _, tt := range tests {
		n, err := yaml.Parse([]byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadTimeout(n)
		switch {
		case tt.message != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.message)):
			t.Errorf("ReadTimeout(%s) = %v, want %q", tt.text, err, tt.message)
		case tt.message == "" && (err != nil || got.Length.Seconds() != tt.seconds || got.Skip != tt.skip):
			t.Errorf("ReadTimeout(%s) = %+v, %v, want %v s", tt.text, got, err, tt.seconds)
		}
	}
	if _, err := ReadTimeout(nil); err == nil {
		t.Error("a timeout that is not there is read")
	}
}

// TestContextNames: each name of LAVA's list passes the gate, with every kind of value.
func TestContextNames(t *testing.T) {
	t.Parallel()
	names := ContextNames()
	if len(names) != 45 {
		t.Errorf("%d names, want LAVA's 45", len(names))
	}
	for _, name := range names {
		for _, value := range []string{"1", "text", "yes", "[]", "[1, a]"} {
			d := pass(t, change(t, base, "arch: amd64", name+": "+value))
			if !d.Context.Has(name) {
				t.Errorf("context %s is lost", name)
			}
		}
	}
}

// TestProblemsHavePlaces: whatever is refused, the first problem says where.
func TestProblemsHavePlaces(t *testing.T) {
	t.Parallel()
	gate := NewGate(Rules{})
	lines := strings.Split(strings.TrimSuffix(base, "\n"), "\n")
	for i := range lines {
		for _, damage := range []string{"", "- x", "x: y", lines[i] + "x", strings.Replace(lines[i], ":", ": 3 #", 1)} {
			changed := append(append(append([]string{}, lines[:i]...), damage), lines[i+1:]...)
			_, problems := gate.Check([]byte(strings.Join(changed, "\n")))
			if len(problems) > 0 && (problems[0].Line < 1 || problems[0].Column < 1 || problems[0].Message == "") {
				t.Errorf("line %d as %q: problem %+v has no place", i+1, damage, problems[0])
			}
		}
	}
}
