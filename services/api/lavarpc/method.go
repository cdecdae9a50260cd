package lavarpc

import (
	"fmt"
	"slices"
	"strings"
)

// method is a row of the table of methods.
type method struct {
	name   string
	params string // what it takes: "job_id offset=0", names with the default of those that may be left out
	about  string // a sentence; the help of the method
	signed bool   // only for callers with a name
	perm   string // how LAVA calls the right that it needs, where the lab refuses it
	first  bool   // LAVA wants perm beside the right that the verb asks for, and before it
	call   func(c call) (any, error)
}

// methods returns the table, by name.
// The map is made once for a handler. A name that stands in it twice is a mistake of this package, which
// each of its tests meets: hence the panic.
func methods() map[string]method {
	table := map[string]method{}
	for _, part := range [][]method{systemMethods(), flatMethods(), jobMethods(), deviceMethods(), typeMethods(), nameMethods(),
		workerMethods(), peopleMethods(), resultMethods()} {
		for _, m := range part {
			if _, twice := table[m.name]; twice {
				panic("lavarpc: two methods are called " + m.name)
			}
			table[m.name] = m
		}
	}
	return table
}

// names returns the names of all methods, sorted.
func (h *handler) names() []string {
	var list []string
	for name := range h.methods {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// param is one thing that a method takes.
type param struct {
	name     string
	optional bool
	value    any // where it is left out
}

// read returns what a method takes.
func (m method) read() []param {
	var list []param
	for _, text := range strings.Fields(m.params) {
		name, value, optional := strings.Cut(text, "=")
		p := param{name: name, optional: optional}
		if optional {
			p.value = defaultOf(value)
		}
		list = append(list, p)
	}
	return list
}

// defaultOf returns the value that a default is written as.
func defaultOf(text string) any {
	switch text {
	case "nil":
		return nil
	case "true", "false":
		return text == "true"
	}
	var n int64
	// Of the types that arguments have, defaults are nil, booleans, integers or strings.
	if _, err := fmt.Sscan(text, &n); err == nil {
		return n
	}
	return text
}

// fit returns an argument for each parameter. How many are wrong is told as Python tells it.
// In every row the parameters that may be left out stand last, as Python has it; so arguments that are
// missing are the next ones in order.
func (m method) fit(given []any) ([]any, error) {
	params := m.read()
	least := 0
	for _, p := range params {
		if !p.optional {
			least++
		}
	}
	short := m.name[strings.LastIndex(m.name, ".")+1:]
	if len(given) > len(params) {
		// Python counts self too, so both numbers are one higher. The name is the function's: the last
		// word of the method's.
		return nil, internal("%s() takes %d positional arguments but %d were given", short, len(params)+1, len(given)+1)
	}
	if len(given) < least {
		return nil, internal("%s() missing %s", short, lacking(params[len(given):least]))
	}
	args := slices.Clone(given)
	for _, p := range params[len(given):] {
		args = append(args, p.value)
	}
	return args, nil
}

// lacking lists arguments that are missing, in Python's words.
func lacking(params []param) string {
	var names []string
	for _, p := range params {
		names = append(names, "'"+p.name+"'")
	}
	switch n := len(names); n {
	case 1:
		return "1 required positional argument: " + names[0]
	case 2:
		return "2 required positional arguments: " + names[0] + " and " + names[1]
	// Three and more have a comma before "and", as CPython's TypeError writes them.
	default:
		return fmt.Sprintf("%d required positional arguments: %s, and %s", n, strings.Join(names[:n-1], ", "), names[n-1])
	}
}

// help is what system.methodHelp says of a method.
// The signature ends at the first empty line, where [Methods] cuts the text; the permission is named last,
// for people who were refused and ask lavacli ("lavacli system methods help METHOD").
func (m method) help() string {
	var b strings.Builder
	var names []string
	for _, p := range m.read() {
		if p.optional {
			names = append(names, "["+p.name+"]")
			continue
		}
		names = append(names, p.name)
	}
	fmt.Fprintf(&b, "%s(%s)\n\n%s\n", m.name, strings.Join(names, ", "), m.about)
	for _, p := range m.read() {
		if p.optional {
			fmt.Fprintf(&b, "\n%s may be left out and is %v then.", p.name, pythonWord(p.value))
		}
	}
	if m.signed {
		b.WriteString("\nIt needs a user and a token.")
	}
	if m.perm != "" {
		fmt.Fprintf(&b, "\nIt needs the permission %s.", m.perm)
	}
	return b.String()
}

// pythonWord writes a value as Python does.
func pythonWord(value any) string {
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	}
	return fmt.Sprint(value)
}
