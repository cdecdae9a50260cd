package device

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/schemas/jinja"
	"strata/schemas/yaml"
)

// templates serves type templates from a map.
func templates(texts map[string]string) *Templates {
	return &Templates{Text: func(name string) (string, bool) { text, ok := texts[name]; return text, ok }}
}

func TestTemplatesLoad(t *testing.T) {
	t.Parallel()
	kinds := templates(map[string]string{
		"base.jinja2": "hostname: {{ scheduled_device_name }}\ndevicetype: {{ scheduled_device_type }}\n{% block body %}{% endblock %}",
		"qemu.jinja2": `{% extends 'base.jinja2' %}
{% block body %}
commands: {power_on: {{ power_on | default(['true']) }}, power_off: off {{ arch }} {{ memory | default(512) }}}
{% endblock %}`,
	})
	context, err := yaml.Parse([]byte("arch: arm64\nmemory: 2048\n"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := kinds.Load("q1", "qemu", []byte("{% extends 'qemu.jinja2' %}\n{% set power_on = ['a', \"it's b\"] %}\n{% set memory = 1024 %}\n"), context)
	if err != nil {
		t.Fatal(err)
	}
	if d.Hostname != "q1" || d.Type != "qemu" {
		t.Errorf("hostname %q of type %q, want q1 of qemu", d.Hostname, d.Type)
	}
	// What a dictionary sets wins over the job's context: so an administrator locks a value.
	if got := strings.Join(append(d.Commands.PowerOn, d.Commands.PowerOff...), "|"); got != "a|it's b|off arm64 1024" {
		t.Errorf("commands %q", got)
	}
}

func TestTemplatesKeepNothingStale(t *testing.T) {
	t.Parallel()
	texts := map[string]string{"a.jinja2": "hostname: one"}
	kinds := templates(texts)
	for _, want := range []string{"one", "two"} {
		texts["a.jinja2"] = "hostname: " + want
		d, err := kinds.Load("q1", "", []byte("{% extends 'a.jinja2' %}"), nil)
		if err != nil || d.Hostname != want {
			t.Errorf("hostname %+v, %v; want %s", d, err, want)
		}
	}
}

func TestRenderErrors(t *testing.T) {
	t.Parallel()
	kinds := templates(map[string]string{"broken.jinja2": "a: 1\n{{ x.y }}"})
	for text, want := range map[string]string{
		"{% extends 'none.jinja2' %}":                 `render dictionary of q1: q1.jinja2:1: template "none.jinja2": template does not exist`,
		"{% extends 'broken.jinja2' %}":               `render dictionary of q1: broken.jinja2:2: 'x' is undefined`,
		"a: 1\n{% if %}":                              `parse dictionary of q1: q1.jinja2:2: want a value, found %}`,
		"{# " + strings.Repeat("x", MaxBytes) + " #}": `render dictionary of q1: it has 262150 bytes, allowed are 262144`,
		"{% set a = 1 %}\nhostname: [":                ``, // a *yaml.Error with the line of the rendered text
		"{% set a = 1 %}\nunknown: 1":                 `load device configuration: unknown: line 1, column 1: unknown: unknown key`,
	} {
		_, err := kinds.Load("q1", "qemu", []byte(text), nil)
		if err == nil || want != "" && err.Error() != want && !strings.HasSuffix(err.Error(), "unknown: unknown key") {
			t.Errorf("load %.40q: got %v\nwant %s", text, err, want)
		}
	}
	if _, err := Load([]byte("{% extends 'a' %}"), nil); !errors.Is(err, ErrTemplate) {
		t.Errorf("Load of a dictionary: %v, want ErrTemplate", err)
	}
	var own *jinja.Error
	if _, err := kinds.Render("q1", "", []byte("{{ a.b }}{% if a %}{% endif %}"), nil); !errors.As(err, &own) || own.Line != 1 {
		t.Errorf("Render: %v, want a *jinja.Error with its line", err)
	}
}

func TestIsTemplateAndExtends(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"a: 1": false, "a: 'quoted {{ braces }}'": false, "a: {{ b }}": true, "{% set a = 1 %}": true, "{# c #}": true,
	} {
		if got := IsTemplate([]byte(text)); got != want {
			t.Errorf("IsTemplate(%q): %v, want %v", text, got, want)
		}
	}
	if name, ok := Extends([]byte("{% extends 'beaglebone-black.jinja2' %}")); !ok || name != "beaglebone-black" {
		t.Errorf("Extends: %q, %v; want beaglebone-black", name, ok)
	}
	if name, ok := Extends([]byte("hostname: a")); ok {
		t.Errorf("Extends of rendered YAML: %q, want none", name)
	}
}

func TestTypeOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{% extends 'bbb.jinja2' %}": "bbb",
		"{% set sync_to_lava = {'device_type': 'board', 'worker': 'w'} %}{% extends 'bbb.jinja2' %}": "board",
		"{% set sync_to_lava = {'worker': 'w'} %}{% extends 'bbb.jinja2' %}":                         "bbb",
		"{% set sync_to_lava = {'device_type': 3} %}{% extends 'bbb.jinja2' %}":                      "",
		"{% if a %}{% extends 'a.jinja2' %}{% else %}{% extends 'b.jinja2' %}{% endif %}":            "",
		"hostname: a": "", "{% if %}": "",
	} {
		if got, ok := TypeOf([]byte(text)); got != want || ok != (want != "") {
			t.Errorf("TypeOf(%q): %q, %v; want %q", text, got, ok, want)
		}
	}
}

// TestRecordedDictionaries loads every recorded dictionary through the one door of the lab.
func TestRecordedDictionaries(t *testing.T) {
	t.Parallel()
	folder := corpus(t)
	kinds := &Templates{Text: func(name string) (string, bool) {
		text, err := os.ReadFile(filepath.Join(folder, "device-types", name))
		return string(text), err == nil
	}}
	files, _ := filepath.Glob(filepath.Join(folder, "devices", "*.jinja2"))
	if len(files) < 20 {
		t.Fatalf("found %d dictionaries, want at least 20", len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".jinja2")
		if _, err := kinds.Load(name, "", text, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
