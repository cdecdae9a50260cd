package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// recordedCase is a case of testdata/cases.txt with what Jinja2 itself made of it.
type recordedCase struct {
	Name   string            `json:"name"`
	Vars   map[string]any    `json:"vars"`
	Files  map[string]string `json:"files"`
	Output string            `json:"output"`
	Error  string            `json:"error"`
}

func recordedCases(t testing.TB) []recordedCase {
	t.Helper()
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var cases []recordedCase
	if err := decoder.Decode(&cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 60 {
		t.Fatalf("found %d recorded cases, want at least 60", len(cases))
	}
	return cases
}

// fromFiles loads templates from a map.
func fromFiles(files map[string]string) func(string) (*Template, error) {
	return func(name string) (*Template, error) {
		text, ok := files[name]
		if !ok {
			return nil, ErrMissing
		}
		return Parse(name, text)
	}
}

func render(files map[string]string, vars map[string]any, limits Limits) (string, error) {
	t, err := Parse("main", files["main"])
	if err != nil {
		return "", err
	}
	return Environment{Load: fromFiles(files), Limits: limits}.Render(t, vars)
}

// TestRecordedCases holds the language to Jinja2 itself: same text, and refused where it refuses.
func TestRecordedCases(t *testing.T) {
	for _, c := range recordedCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			got, err := render(c.Files, c.Vars, Limits{})
			if c.Error != "" {
				var own *Error
				if !errors.As(err, &own) || own.Line == 0 || own.Template == "" {
					t.Fatalf("render: got %q, %v; want an error with template and line, as Jinja2 says %s", got, err, c.Error)
				}
				return
			}
			if err != nil {
				t.Fatalf("render: %v; want %q", err, c.Output)
			}
			if got != c.Output {
				t.Errorf("render:\n got %q\nwant %q", got, c.Output)
			}
		})
	}
}

func TestErrorsNameTemplateAndLine(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"in the child", map[string]string{"main": "a\nb\n{{ x.y }}"}, `main:3: 'x' is undefined`},
		{"in the parent", map[string]string{"main": "{% extends 'p' %}", "p": "\n\n{{ 1 + x }}"}, `p:3: 'x' is undefined`},
		{"in an overridden block", map[string]string{"main": "{% extends 'p' %}\n{% block b %}{{ x() }}{% endblock %}", "p": "{% block b %}{% endblock %}"}, `main:2: 'x' is undefined`},
		{"after a long comment", map[string]string{"main": "{# a\nb\nc #}\n{% wrong %}"}, `main:4: tag "wrong" is not supported: want set, if, for, block, extends, include, filter, with or raw`},
		{"after a text with newlines", map[string]string{"main": "{% set a = 'x\ny' %}\n{% set b = %}"}, `main:3: want a value, found %}`},
		{"missing parent", map[string]string{"main": "\n{% extends 'none.jinja2' %}"}, `main:2: template "none.jinja2": template does not exist`},
		{"filter argument", map[string]string{"main": "{{ 'a' | indent(-1) }}"}, `main:1: filter indent: width is 0 to 1000, not -1`},
		{"macro", map[string]string{"main": "{% macro m() %}{% endmacro %}"}, `main:1: tag "macro" is not supported: want set, if, for, block, extends, include, filter, with or raw`},
		{"after a raw block", map[string]string{"main": "{% raw %}\n{{\n{% endraw %}\n{{ a.b }}"}, `main:4: 'a' is undefined`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := render(tt.files, nil, Limits{})
			if err == nil || err.Error() != tt.want {
				t.Errorf("render: got %q, %v\nwant error %s", out, err, tt.want)
			}
		})
	}
}

// TestBudgets shows that no template takes more than its budgets.
func TestBudgets(t *testing.T) {
	deep := strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000)
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"endless parents", map[string]string{"main": "{% extends 'main' %}"}, "nests too deep"},
		{"endless includes", map[string]string{"main": "{% include 'main' %}"}, "nests too deep"},
		{"block of itself", map[string]string{"main": "{% block b %}{{ self.b() }}{% endblock %}"}, "nests too deep"},
		{"loops in loops", map[string]string{"main": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"}, "too many steps"},
		{"large range", map[string]string{"main": "{{ range(999999999999) | length }}"}, "too many steps"},
		{"doubling text", map[string]string{"main": "{% set a = 'x' * 1000000 %}{% set a = a ~ a ~ a ~ a ~ a %}"}, "larger than"},
		{"repeated text", map[string]string{"main": "{{ 'x' * 999999999999 }}"}, "larger than"},
		{"repeated list", map[string]string{"main": "{{ [1] * 999999999999 }}"}, "too many steps"},
		{"replaced text", map[string]string{"main": "{{ ('x' * 1000000) | replace('x', 'y' * 1000000) }}"}, "larger than"},
		{"joined text", map[string]string{"main": "{{ range(100000) | join('y' * 1000) }}"}, "larger than"},
		{"brackets", map[string]string{"main": "{{ " + deep + " }}"}, "nested deeper"},
		{"signs", map[string]string{"main": "{{ " + strings.Repeat("-", 5000) + "1 }}"}, "nested deeper"},
		{"nots", map[string]string{"main": "{{ " + strings.Repeat("not ", 5000) + "1 }}"}, "nested deeper"},
		{"long sum", map[string]string{"main": "{{ 1" + strings.Repeat(" + 1", 5000) + " }}"}, "nests too deep"},
		{"power", map[string]string{"main": "{{ 9 ** 9 ** 9 }}"}, "out of range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := render(tt.files, nil, Limits{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("render: got %d bytes, %v; want an error with %q", len(out), err, tt.want)
			}
		})
	}
}

// The error of a budget names the bound that holds, also one that is less than the usual.
func TestLimitsInMessages(t *testing.T) {
	for _, tt := range []struct {
		limits         Limits
		template, want string
	}{
		{Limits{Steps: 50}, "{% for i in range(100) %}{% endfor %}", "the limit is 50"},
		{Limits{}, "{% for i in range(10**9) %}{% endfor %}", "the limit is 1000000"},
		{Limits{Depth: 20}, "{% block a %}{{ self.a() }}{% endblock %}", "may nest 20 levels"},
		{Limits{}, "{% block a %}{{ self.a() }}{% endblock %}", "may nest 200 levels"},
		{Limits{Bytes: 10}, "{{ 'x' * 11 }}", "larger than 10 bytes"},
	} {
		if _, err := render(map[string]string{"main": tt.template}, nil, tt.limits); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s within %+v: %v, want an error with %q", tt.template, tt.limits, err, tt.want)
		}
	}
}

func TestSyntaxTree(t *testing.T) {
	tmpl, err := Parse("qemu01.jinja2", `{% extends 'qemu.jinja2' %}
{% set sync_to_lava = {'device_type': 'qemu', 'tags': ['kvm', 'fast'], 'worker': none} %}
{% set mac = 'a' ~ 'b' %}`)
	if err != nil {
		t.Fatal(err)
	}
	if name, ok := tmpl.Extends(); !ok || name != "qemu.jinja2" {
		t.Errorf("Extends: got %q, %v; want qemu.jinja2", name, ok)
	}
	got, ok := tmpl.Assigned("sync_to_lava")
	want := NewDict()
	want.Set("device_type", "qemu")
	want.Set("tags", List{"kvm", "fast"})
	want.Set("worker", nil)
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("Assigned(sync_to_lava): got %v, %v; want %v", Repr(got), ok, Repr(want))
	}
	if v, ok := tmpl.Assigned("mac"); ok {
		t.Errorf("Assigned(mac): got %v; want nothing, it is no literal", v)
	}
	for name, text := range map[string]string{
		"none": "x", "twice": "{% extends 'a' %}{% extends 'b' %}", "computed": "{% extends a %}",
		"conditional": "{% if a %}{% extends 'a' %}{% endif %}",
	} {
		tmpl, err := Parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := tmpl.Extends(); ok {
			t.Errorf("Extends of %q: got %q, want none", text, got)
		}
	}
}

// FuzzRender looks for texts that crash, hang or break out of their budgets.
func FuzzRender(f *testing.F) {
	for _, c := range recordedCases(f) {
		f.Add(c.Files["main"])
	}
	limits := Limits{Steps: 20_000, Depth: 100, Bytes: 1 << 16}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := render(map[string]string{"main": text, "p": "{% block b %}{% endblock %}"}, map[string]any{"x": 1}, limits)
		if len(out) > limits.Bytes {
			t.Errorf("output has %d bytes, want at most %d", len(out), limits.Bytes)
		}
		var own *Error
		if err != nil && !errors.As(err, &own) {
			t.Errorf("error is %T, want *Error: %v", err, err)
		}
	})
}

func ExampleEnvironment_Render() {
	device, _ := Parse("bbb-01.jinja2", "{% extends 'bbb.jinja2' %}{% set baud_rate = 9600 %}")
	load := fromFiles(map[string]string{"bbb.jinja2": "baud: {{ baud_rate | default(115200) }}"})
	out, err := Environment{Load: load}.Render(device, nil)
	fmt.Println(out, err)
	// Output: baud: 9600 <nil>
}
