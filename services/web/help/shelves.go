package help

import "strings"

// Shelf is a group of pages.
type Shelf struct {
	Title string
	Paths []string // of its pages, in the order of reading
}

// shelves lists the pages in the order of reading. Those of methods/ get a shelf for each kind, and others
// that are not listed come last.
// Nothing changes it: [shelve] copies what it takes.
var shelves = []Shelf{
	{"Jobs", []string{"first-job", "writing-tests", "multinode", "notifications", "judgement"}},
	{"Looking", []string{"web", "queries", "charts", "log-search", "live", "sql-door"}},
	{"The lab", []string{"add-a-board", "devices", "device-types", "health-checks", "workers", "scheduling", "simulation", "lab-rules", "people"}},
	{"Running it", []string{"operations", "move-from-lava", "compatibility", "measurements", "measurements-dispatcher",
		"measurements-lab", "measurements-tables", "measurements-doors", "measurements-web"}},
	{"Interfaces", []string{"rest", "xmlrpc", "events", "tables"}},
	{"Inside", []string{"glossary", "architecture"}},
}

// shelve returns the shelves for the pages that there are.
// Nothing is left out, so a page that nobody has put on a shelf is found under "More" until somebody does.
func shelve(paths []string) (out []Shelf) {
	var loose []string
	placed := map[string]bool{}
	for _, s := range shelves {
		out = append(out, s)
		for _, p := range s.Paths {
			placed[p] = true
		}
	}
	folders := map[string]int{}
	for _, p := range paths {
		if placed[p] {
			continue
		}
		rest, ok := strings.CutPrefix(p, "methods/")
		if !ok {
			loose = append(loose, p)
			continue
		}
		kind, _, nested := strings.Cut(rest, "/")
		title := "Methods"
		if nested {
			title = "Methods: " + kind
		}
		i, ok := folders[title]
		if !ok {
			i = len(out)
			folders[title] = i
			out = append(out, Shelf{Title: title})
		}
		out[i].Paths = append(out[i].Paths, p)
	}
	if len(loose) > 0 {
		out = append(out, Shelf{"More", loose})
	}
	return out
}
