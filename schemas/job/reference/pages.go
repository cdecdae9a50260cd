//go:generate go test . -run TestPagesAreCurrent -update

package reference

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"strata/schemas/job/strict"
	"strata/schemas/yaml"
)

//go:embed pages
var files embed.FS

// Page is what a person has to say of a method.
type Page struct {
	strict.Method
	Notes   string    // what it does, beyond the sentence of the table
	Device  string    // YAML: the settings of a device that the method needs, with remarks
	Context string    // YAML: variables of the job's context that the example needs; "" for none
	Job     string    // YAML: further keys of the job that the example needs; "" for none
	Records []string  // what stands in results and log
	Errors  []Failure // how it fails
	Example string    // YAML: items of a job's actions
}

// Failure is one way in which a method fails.
type Failure struct {
	Class string // who is to blame: Job, Test, Infrastructure
	When  string
}

// Title is the name that the page goes by, and that of its file.
func (p Page) Title() string {
	if p.Name == "" {
		return string(p.Kind)
	}
	return p.Name
}

// Definition is a whole job around the page's example.
func (p Page) Definition() string {
	var b strings.Builder
	fmt.Fprintf(&b, "job_name: %s %s\ndevice_type: board\nvisibility: public\ntimeouts:\n  job: {hours: 2}\n", p.Kind, p.Title())
	b.WriteString(p.Job)
	if p.Context != "" {
		b.WriteString("context: " + p.Context + "\n")
	}
	b.WriteString("actions:\n" + p.Example)
	return b.String()
}

// Pages returns the pages of all methods, in the order of [strict.Methods]. Its errors say which
// method, entry or field is missing or unknown.
// All of them or an error: a page that lacks something is never written.
func Pages() ([]Page, error) {
	var pages []Page
	entries := map[strict.Kind]*yaml.Node{}
	for _, kind := range []strict.Kind{strict.Deploy, strict.Boot, strict.Test, strict.Command} {
		name := "pages/" + string(kind) + ".yaml"
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		root, err := yaml.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		entries[kind] = root
	}
	known := map[strict.Kind][]string{}
	for _, m := range strict.Methods() {
		p, err := page(m, entries[m.Kind])
		if err != nil {
			return nil, fmt.Errorf("pages/%s.yaml: %s: %w", m.Kind, p.Title(), err)
		}
		known[m.Kind] = append(known[m.Kind], p.Title())
		pages = append(pages, p)
	}
	for kind, root := range entries {
		for _, entry := range root.Pairs {
			if !slices.Contains(known[kind], entry.Key.Text) {
				return nil, fmt.Errorf("pages/%s.yaml: line %d: there is no method %s", kind, entry.Key.Line, entry.Key.Text)
			}
		}
	}
	return pages, nil
}

// page reads one entry.
func page(m strict.Method, root *yaml.Node) (Page, error) {
	p := Page{Method: m}
	entry := root.Get(p.Title())
	if !entry.Is(yaml.Map) {
		return p, fmt.Errorf("the method has no entry")
	}
	for _, pair := range entry.Pairs {
		switch v := pair.Value; pair.Key.Text {
		case "notes":
			p.Notes = strings.TrimSpace(v.Text)
		case "device":
			p.Device = v.Text
		// Written as one line of flow YAML, as the example has it beside its actions.
		case "context":
			text, err := yaml.Write(v)
			if err != nil {
				return p, err
			}
			p.Context = "{" + strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", ", ") + "}"
		case "job":
			p.Job = v.Text
		case "records":
			p.Records = v.Texts()
		case "errors":
			for _, item := range v.Items {
				if len(item.Items) != 2 {
					return p, fmt.Errorf("line %d: want a class and when it happens", item.Line)
				}
				p.Errors = append(p.Errors, Failure{item.Items[0].Text, item.Items[1].Text})
			}
		case "example":
			p.Example = v.Text
		default:
			return p, fmt.Errorf("line %d: unknown field %s", pair.Key.Line, pair.Key.Text)
		}
	}
	for _, f := range []struct {
		name  string
		empty bool
	}{{"notes", p.Notes == ""}, {"device", p.Device == ""}, {"records", len(p.Records) == 0}, {"errors", len(p.Errors) == 0}, {"example", p.Example == ""}} {
		if f.empty {
			return p, fmt.Errorf("the field %s is missing", f.name)
		}
	}
	return p, nil
}
