package lavarpc

import (
	"slices"
	"strings"
)

// Documented is what people are told of a method.
type Documented struct {
	Name      string // "scheduler.jobs.show"
	Signature string // "(job_id, offset=0)"
	Text      string // what it does, what it takes and which right it needs
}

// Methods lists all methods by name, as system.listMethods does, with what system.methodHelp says of them.
// The page /api/help/ is made of it (services/cmd/strata), with LAVA's undocumented "close" too.
func Methods() []Documented {
	var all []Documented
	for _, m := range methods() {
		signature, text, _ := strings.Cut(m.help(), "\n\n")
		all = append(all, Documented{m.name, strings.TrimPrefix(signature, m.name), strings.TrimSpace(text)})
	}
	slices.SortFunc(all, func(a, b Documented) int { return strings.Compare(a.Name, b.Name) })
	return all
}
