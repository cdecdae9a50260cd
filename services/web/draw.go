package web

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"sync"

	"strata/projections"
)

//go:embed all:templates
var written embed.FS

// templates are the pages, each with the layout and the parts that pages share.
// Each is a clone of the shared ones, so that all pages may define "main" without being in each other's way. It is made
// when the page is first asked for: seventy clones are a third of a million small objects, which the collector of garbage
// would go through again and again in a lab that nobody looks at.
type templates struct {
	byName map[string]func() (*template.Template, error)
}

// parseTemplates parses every page of templates/. Files whose names begin with "_" are shared by all.
// All are parsed when the process starts: a mistake in one is found by any test that makes a site.
func parseTemplates(s *Site) (*templates, error) {
	functions := s.functions()
	shared, err := template.New("").Funcs(functions).ParseFS(written, "templates/_*.html")
	if err != nil {
		return nil, fmt.Errorf("parse shared templates: %w", err)
	}
	entries, err := fs.ReadDir(written, "templates")
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	t := &templates{byName: map[string]func() (*template.Template, error){}}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".html")
		if !ok || strings.HasPrefix(name, "_") {
			continue
		}
		path := "templates/" + e.Name()
		if _, err := template.New("").Funcs(functions).ParseFS(written, path); err != nil {
			return nil, fmt.Errorf("parse template %s: %w", e.Name(), err)
		}
		t.byName[name] = sync.OnceValues(func() (*template.Template, error) {
			own, err := shared.Clone()
			if err != nil {
				return nil, err
			}
			return own.ParseFS(written, path)
		})
	}
	return t, nil
}

// render draws a page within the layout.
// The error names the template and the line; what has been written to w by then is of no use.
func (t *templates) render(w io.Writer, name string, f frame) error {
	made := t.byName[name]
	if made == nil {
		return fmt.Errorf("there is no template %q", name)
	}
	own, err := made()
	if err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	return own.ExecuteTemplate(w, "layout", f)
}

// functions are what templates may call. Times need the page's own now, so that a page agrees with itself.
// A function that returns template.HTML is not escaped again, so each of those escapes what it is given: names of jobs, lines
// of consoles and reasons are written by people and devices.
func (s *Site) functions() template.FuncMap {
	return template.FuncMap{
		"static":   s.files.address,
		"loads":    s.files.loads,
		"icon":     icon,
		"moment":   moment,
		"ago":      ago,
		"sentence": sentence,
		"linked":   linked,
		// within TEXT PART, as strings.Contains has it.
		"within":   strings.Contains,
		"length":   length,
		"elapsed":  elapsed,
		"count":    count,
		"figure":   figure,
		"plural":   plural,
		"bytes":    bytesOf,
		"dict":     dict,
		"state":    stateOf,
		"health":   healthOf,
		"outcome":  outcomeOf,
		"verdict":  verdictOf,
		"priority": priorityOf,
		// Templates count from 0 and people from 1: see number below.
		"seq":   sequence,
		"join":  strings.Join,
		"lower": strings.ToLower,
		"first": firstLine,
		"shown": projections.Shown,
		"plus":  func(a, b int) int { return a + b },
		// The column's words by its name in addresses; "" for one that is none.
		"jobcolumn": func(name string) string {
			return map[string]string{"id": "Job", "state": "State", "device": "Device", "device_type": "Type", "description": "Name",
				"submitter": "Submitter", "submit_time": "Submitted", "end_time": "Ended"}[name]
		},
		// Rights are verbs of [lab.Verb]'s words, and has asks for those that have no method of their own, such as cancel.
		"has":    func(r rights, verb string) bool { return slices.Contains(r, verb) },
		"number": func(i int) int { return i + 1 },
		// html/template keeps an address together, but lets ? and # in a part of it end the path: names of results have them.
		"part": url.PathEscape,
	}
}

// dict makes a map of keys and values, for templates that take several things: a template has one argument.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict takes pairs, and got %d values", len(pairs))
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("key %v of dict is no text", pairs[i])
		}
		m[key] = pairs[i+1]
	}
	return m, nil
}
