package device

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"strata/schemas/jinja"
	"strata/schemas/yaml"
)

// Templates are the device-type templates that dictionaries extend. A parsed template is kept until
// its text changes; a Templates may be used by several goroutines at once.
type Templates struct {
	// Text returns the text of a template, such as "base-uboot.jinja2", and whether there is one.
	// For those that it does not know, Strata's own stand in ([OwnTemplate]); nil knows none.
	Text func(name string) (text string, ok bool)
	// File is what errors call the dictionary: a file that somebody wrote. The device's name with
	// ".jinja2" where it is empty, which is what LAVA calls the file.
	File string

	mu     sync.Mutex
	parsed map[string]parsedTemplate
}

type parsedTemplate struct {
	text     string
	template *jinja.Template
}

// IsTemplate reports whether text is a Jinja2 dictionary rather than a rendered configuration.
// {{ may stand in a quoted text of what is rendered (a kernel command line has one); out of quotes
// YAML refuses it.
// Asked of each text that comes as a dictionary, so it looks for marks first and parses only where
// that leaves a doubt.
func IsTemplate(text []byte) bool {
	if bytes.Contains(text, []byte("{%")) || bytes.Contains(text, []byte("{#")) {
		return true
	}
	if !bytes.Contains(text, []byte("{{")) {
		return false
	}
	_, err := yaml.ParseWithin(text, yaml.Limits{Bytes: MaxBytes})
	return err != nil
}

// Render renders a dictionary for a device, with a job's context as variables; context may be nil.
// Like LAVA's server it adds scheduled_device_name and scheduled_device_type. Text that is no
// template is returned as it is. The error is a [*jinja.Error], which names template and line.
// A nil t renders dictionaries that extend and include nothing.
func (t *Templates) Render(name, deviceType string, text []byte, context *yaml.Node) ([]byte, error) {
	if !IsTemplate(text) {
		return text, nil
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("render dictionary of %s: it has %d bytes, allowed are %d", name, len(text), MaxBytes)
	}
	// What the lab says of the device comes after the job's context: a job cannot pretend to run
	// elsewhere.
	vars := map[string]any{}
	if context.Is(yaml.Map) {
		for _, p := range context.Pairs {
			vars[p.Key.Print()] = value(p.Value)
		}
	}
	if name != "" {
		vars["scheduled_device_name"] = name
	}
	if deviceType != "" {
		vars["scheduled_device_type"] = deviceType
	}
	file, of := name+".jinja2", " of "+name
	if t != nil && t.File != "" {
		file = t.File
	}
	if name == "" {
		of = ""
	}
	dictionary, err := jinja.Parse(file, string(text))
	if err != nil {
		return nil, fmt.Errorf("parse dictionary%s: %w", of, err)
	}
	out, err := jinja.Environment{Load: t.load}.Render(dictionary, vars)
	if err != nil {
		return nil, fmt.Errorf("render dictionary%s: %w", of, err)
	}
	return []byte(out), nil
}

// Load renders and reads a device's dictionary for a job; see [Templates.Render] and [Load].
func (t *Templates) Load(name, deviceType string, text []byte, context *yaml.Node) (*Device, error) {
	rendered, err := t.Render(name, deviceType, text, context)
	if err != nil {
		return nil, err
	}
	return Load(rendered, nil)
}

// Has reports whether there is a template of this name, such as "qemu.jinja2".
func (t *Templates) Has(name string) bool {
	_, ok := t.text(name)
	return ok
}

// text returns a template's text: the lab's, else our own.
func (t *Templates) text(name string) (text string, ok bool) {
	if t.Text != nil {
		text, ok = t.Text(name)
	}
	if !ok {
		text, ok = OwnTemplate(name)
	}
	return text, ok
}

// load returns a parsed template.
// Text is asked each time, outside of the lock: a lab changes templates while it runs, and asking may
// cost a read.
func (t *Templates) load(name string) (*jinja.Template, error) {
	if t == nil {
		return nil, jinja.ErrMissing
	}
	text, ok := t.text(name)
	if !ok {
		return nil, jinja.ErrMissing
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if kept, ok := t.parsed[name]; ok && kept.text == text {
		return kept.template, nil
	}
	template, err := jinja.Parse(name, text)
	if err != nil {
		return nil, err
	}
	if t.parsed == nil {
		t.parsed = map[string]parsedTemplate{}
	}
	t.parsed[name] = parsedTemplate{text, template}
	return template, nil
}

// Extends names the template that a dictionary extends, without ".jinja2": health checks are found
// by it. ok is false where the text is no dictionary or extends none, or several.
func Extends(text []byte) (name string, ok bool) {
	template, err := jinja.Parse("dictionary", string(text))
	if err != nil {
		return "", false
	}
	name, ok = template.Extends()
	return strings.TrimSuffix(name, ".jinja2"), ok
}

// TypeOf names the device type that a dictionary is for: what it says for LAVA's sync (sync_to_lava),
// else the template that it extends. ok is false where it says neither.
// It reads and does not render: a dictionary that is imported is asked before its type is in the lab.
func TypeOf(text []byte) (name string, ok bool) {
	template, err := jinja.Parse("dictionary", string(text))
	if err != nil {
		return "", false
	}
	if v, set := template.Assigned("sync_to_lava"); set {
		if d, is := v.(*jinja.Dict); is {
			if kind, has := d.Get("device_type"); has {
				name, ok = kind.(string)
				return name, ok && name != ""
			}
		}
	}
	return Extends(text)
}

// value turns a node into what a template works on.
// Integers of more than 64 bits, dates and binaries become the texts that Python prints.
func value(n *yaml.Node) any {
	switch n.Kind {
	case yaml.Null:
		return nil
	case yaml.Bool:
		return n.Bool
	case yaml.Int:
		if n.Big == nil {
			return n.Int
		}
	case yaml.Float:
		return n.Float
	case yaml.List:
		list := make(jinja.List, len(n.Items))
		for i, item := range n.Items {
			list[i] = value(item)
		}
		return list
	case yaml.Map:
		d := jinja.NewDict()
		for _, p := range n.Pairs {
			d.Set(value(p.Key), value(p.Value))
		}
		return d
	}
	return n.Print()
}
