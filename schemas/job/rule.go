package job

import (
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"strata/schemas/python"
	"strata/schemas/yaml"
)

// The gate is written with the few building blocks below. They behave as those of voluptuous, the
// Python library with which LAVA's gate is written, down to the order of errors and the choice
// among alternatives: clients match on the first message, and that is what decides which it is.

// rule checks the value n at path and returns what is wrong, the first thing first; nil is fine.
type rule func(path []string, n *yaml.Node) []*Problem

// one is a single problem, for rules that know no more than one.
func one(at *yaml.Node, path []string, text string) []*Problem {
	return []*Problem{problemAt(at, slices.Clone(path), text)}
}

// below returns path with one more element, never sharing memory with another path.
func below(path []string, element string) []string {
	return append(path[:len(path):len(path)], element)
}

// ofKind takes values of a Python type. As bool is an int in Python, int takes booleans.
func ofKind(name string, kinds ...yaml.Kind) rule {
	return func(path []string, n *yaml.Node) []*Problem {
		if slices.Contains(kinds, n.Kind) {
			return nil
		}
		return one(n, path, "expected "+name)
	}
}

// The Python types by their names in messages.
func text() rule    { return ofKind("str", yaml.String) }
func integer() rule { return ofKind("int", yaml.Int, yaml.Bool) }
func boolean() rule { return ofKind("bool", yaml.Bool) }
func anyList() rule { return ofKind("list", yaml.List) }
func anyMap() rule  { return ofKind("dict", yaml.Map) }
func null() rule    { return ofKind("None", yaml.Null) }

// word takes exactly one text.
func word(want string) rule {
	return func(path []string, n *yaml.Node) []*Problem {
		if n.Is(yaml.String) && n.Text == want {
			return nil
		}
		return one(n, path, "not a valid value")
	}
}

// words takes one of several texts.
func words(want ...string) rule {
	rules := make([]rule, len(want))
	for i, w := range want {
		rules[i] = word(w)
	}
	return either(rules...)
}

// length takes texts of so many characters; a most of 0 is no limit.
func length(least, most int) rule {
	return func(path []string, n *yaml.Node) []*Problem {
		switch count := utf8.RuneCountInString(n.Text); {
		case count < least:
			return one(n, path, "length of value must be at least "+strconv.Itoa(least))
		case most > 0 && count > most:
			return one(n, path, "length of value must be at most "+strconv.Itoa(most))
		}
		return nil
	}
}

// match takes texts that pattern matches, and refuses others with a message.
func match(pattern *regexp.Regexp, message string) rule {
	return func(path []string, n *yaml.Node) []*Problem {
		if pattern.MatchString(n.Text) {
			return nil
		}
		return one(n, path, message)
	}
}

// all takes what every rule takes; the first that does not has the say.
func all(rules ...rule) rule {
	return func(path []string, n *yaml.Node) []*Problem {
		for _, r := range rules {
			if problems := r(path, n); problems != nil {
				return problems
			}
		}
		return nil
	}
}

// either takes what one of the rules takes. Otherwise it speaks with the voice of the rule that
// got deepest into the value, the earliest of these.
// Depth is that of the first problem: the length of its path.
func either(rules ...rule) rule {
	return func(path []string, n *yaml.Node) []*Problem {
		var best []*Problem
		for _, r := range rules {
			problems := r(path, n)
			if problems == nil {
				return nil
			}
			if best == nil || len(problems[0].path) > len(best[0].path) {
				best = problems
			}
		}
		return best
	}
}

// listOf takes lists whose every item one of the rules takes. A fault inside an item ends the
// search; a fault of an item itself is kept, and the search goes on.
// An empty list is taken, as voluptuous does.
func listOf(rules ...rule) rule {
	return func(path []string, n *yaml.Node) []*Problem {
		if !n.Is(yaml.List) {
			return one(n, path, "expected a list")
		}
		var found []*Problem
	items:
		for i, item := range n.Items {
			at := below(path, strconv.Itoa(i))
			var last []*Problem
			for _, r := range rules {
				problems := r(at, item)
				if problems == nil {
					continue items
				}
				if len(problems[0].path) > len(at) {
					return problems
				}
				last = problems
			}
			found = append(found, last...)
		}
		return found
	}
}

// field is one key of a mapping.
type field struct {
	key       string
	needed    bool
	exclusive string // group of which only one key may be there
	value     rule
}

// mapOf is a mapping with known keys.
type mapOf struct {
	fields []field
	// others, where it is not nil, is asked for the value of a key that is no field; it gives nil
	// for a key that may not be there.
	others func(key *yaml.Node) rule
	// open mappings take further keys with any value.
	open bool
}

// rule makes the rule of the mapping.
// In the order of voluptuous: clashes alone, then each pair in the order of the text, then what is
// missing.
func (m mapOf) rule() rule {
	known := make(map[string]field, len(m.fields))
	for _, f := range m.fields {
		known[f.key] = f
	}
	return func(path []string, n *yaml.Node) []*Problem {
		if !n.Is(yaml.Map) {
			return one(n, path, "expected a dictionary")
		}
		if problems := m.clashes(path, n); problems != nil {
			return problems
		}
		var found []*Problem
		for _, p := range n.Pairs {
			at := below(path, p.Key.Repr())
			var value rule
			if f, ok := known[p.Key.Text]; ok && p.Key.Is(yaml.String) {
				value = f.value
			} else if m.others != nil {
				value = m.others(p.Key)
			}
			switch {
			case value != nil:
				for _, problem := range value(at, p.Value) {
					if len(problem.path) <= len(at) {
						problem = problemAt(problem.at, problem.path, withSuffix(problem.text))
					}
					found = append(found, problem)
				}
			case !m.open:
				found = append(found, problemAt(p.Key, at, "extra keys not allowed"))
			}
		}
		for _, f := range m.fields {
			if f.needed && !n.Has(f.key) {
				found = append(found, problemAt(n, below(path, python.Quote(f.key)), "required key not provided"))
			}
		}
		return found
	}
}

const suffix = " for dictionary value"

// withSuffix marks a message as that of a mapping's value. Mappings within mappings mark it once.
func withSuffix(text string) string {
	if len(text) >= len(suffix) && text[len(text)-len(suffix):] == suffix {
		return text
	}
	return text + suffix
}

// clashes finds two keys of an exclusive group, before anything else is looked at.
// Told once for a group, however many of its keys are there.
func (m mapOf) clashes(path []string, n *yaml.Node) (found []*Problem) {
	groups := map[string]int{}
	for _, f := range m.fields {
		if f.exclusive == "" || !n.Has(f.key) {
			continue
		}
		if groups[f.exclusive]++; groups[f.exclusive] == 2 {
			found = append(found, problemAt(keyNode(n, f.key), below(path, "<"+f.exclusive+">"),
				"two or more values in the same group of exclusion '"+f.exclusive+"'"))
		}
	}
	return found
}

// keyNode returns the key itself, for its place.
func keyNode(n *yaml.Node, key string) *yaml.Node {
	for _, p := range n.Pairs {
		if p.Key.Is(yaml.String) && p.Key.Text == key {
			return p.Key
		}
	}
	return n
}
