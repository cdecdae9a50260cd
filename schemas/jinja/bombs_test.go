package jinja

import (
	"strings"
	"testing"
)

// TestBombs renders what grows without looking large: each template ends with an error that names a
// budget, none with a value.
func TestBombs(t *testing.T) {
	t.Parallel()
	const steps, deep, large, unknown = "too many steps", "too deep", "larger than", "is not supported"
	// What is done to a text of some megabytes in each turn of a loop takes few steps, and much time.
	long := func(turn string) string {
		return "{% set s = 'x' * 4000000 %}{% for i in range(10000) %}" + turn + "{% endfor %}"
	}
	double := strings.Repeat("{% set a = [a, a] %}{% set b = [b, b] %}", 60)
	for _, tt := range []struct{ template, want string }{
		{"{% for i in range(10**9) %}x{% endfor %}", steps},
		{"{{ range(10**18) | length }}", steps},
		{"{{ 5 in range(10**9) }}", steps},
		{"{{ range(10**9) == range(10**9) }}", steps},
		{"{{ range(10**9) | sort }}", steps},
		{"{{ ''.join(range(10**9)) }}", steps},
		{"{{ range(0, 10**18, 10**9) | list | length }}", steps},
		{"{{ [[1] * 1000000] * 1000000 }}", steps},
		{"{{ 'x' * 10**9 }}", large},
		{"{% for i in 'x' * 10000000 %}{% endfor %}", large},
		{"{{ ('x' * 1000000) | replace('x', 'x' * 1000000) }}", large},
		{"{{ ('x' * 1000000).replace('', 'x' * 1000) }}", large},
		{"{% set a = 'x' %}" + strings.Repeat("{% set a = a + a %}", 60), large},
		{"{% set a = [1] %}" + strings.Repeat("{% set a = a + a %}", 60), steps},
		{"{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}{% endfor %}{% endfor %}{% endfor %}", steps},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ a }}", ""},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ a == b }}", ""},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ a < b }}", ""},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ a in [b] }}", ""},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ [a, b] | unique | list }}", ""},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ [a, b] | sort }}", ""},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ a | string | length }}", ""},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ {'k': a} }}", ""},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ a ~ b }}", ""},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ a | join(',') }}", ""},
		{"{% set a = 1 %}{% set b = 1 %}" + double + "{{ a | replace('1', '2') }}", ""},
		{long("{{ s[0] }}"), steps},
		{long("{{ s[1:2] }}"), steps},
		{long("{{ 'y' in s }}"), steps},
		{long("{{ s == s + '' }}"), steps},
		{long("{% set t = s ~ 'y' %}"), steps},
		{long("{% set t = s + 'y' %}"), steps},
		{long("{% set t = 'x' * 4000000 %}"), steps},
		{long("{% set t = s.upper() %}"), steps},
		{long("{% set t = s | upper %}"), steps},
		{long("{% set t %}{{ s }}{% endset %}"), steps},
		{long("{{ {'k': 1}[s] }}"), steps},
		{"{% include 'a' %}", deep},
		{"{% extends 'up' %}", deep},
		{"{% block a %}{{ self.a() }}{% endblock %}", deep},
		{"{{ " + strings.Repeat("(", 100000) + "1" + strings.Repeat(")", 100000) + " }}", "deeper than"},
		{"{{ x" + strings.Repeat(" | upper", 20000) + " }}", deep},
		{"{{ 1" + strings.Repeat("**1", 20000) + " }}", deep},
		{strings.Repeat("{% if 1 %}", 100000), "deeper than"},
		{"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", unknown},
		{"{% import 'a' as a %}", unknown},
		{"{{ 9 ** 9 ** 9 }}", "out of range"},
		{"{{ 'a' | indent(10**9) }}", "width is 0 to 1000"},
	} {
		files := map[string]string{"main": tt.template, "a": "{% include 'b' %}", "b": "{% include 'a' %}", "up": "{% extends 'up' %}"}
		out, err := render(files, nil, Limits{})
		if len(tt.template) > 80 {
			tt.template = tt.template[:40] + "…" + tt.template[len(tt.template)-40:]
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d bytes, error %v, want %q", tt.template, len(out), err, tt.want)
		}
	}
}
