package reference

import (
	"slices"
	"strings"

	"strata/schemas/job/strict"
	"strata/schemas/shape"
)

// sharedName returns the section of common.md that describes s.
func sharedName(s shape.Shape) (string, bool) {
	switch s := s.(type) {
	case shape.Named:
		if slices.ContainsFunc(strict.Shared(), func(o strict.SharedShape) bool { return o.Name == s.Name }) {
			return s.Name, true
		}
		return sharedName(s.Shape)
	case shape.List:
		return sharedName(s.Of)
	}
	return "", false
}

// isFile says whether s is a file to fetch, with keys of one method or without.
func isFile(s shape.Shape) bool {
	switch s := s.(type) {
	case shape.Named:
		return isFile(s.Shape)
	case shape.Either:
		return len(s) > 0 && isFile(s[0])
	case shape.Map:
		return slices.Contains(s.Names(), "url") && slices.Contains(s.Names(), "sha512sum") && !slices.Contains(s.Names(), "path")
	}
	return false
}

// kind says in a few words what a value is, and links what has a section of its own.
func kind(s shape.Shape) string {
	if name, ok := sharedName(s); ok {
		link := "[" + name + "](" + "../common.md#" + name + ")"
		if _, list := s.(shape.List); list {
			return "list of " + link
		}
		return link
	}
	if isFile(s) {
		return "[file](../common.md#file)"
	}
	switch s := s.(type) {
	case shape.Named:
		return kind(s.Shape)
	case shape.Words:
		return "`" + strings.Join(s, "`, `") + "`"
	case shape.List:
		return "list: " + kind(s.Of)
	case shape.Either:
		return either(s)
	case shape.Map:
		return "mapping"
	case shape.Text:
		if s.Pattern != nil {
			return "text like `" + cell(s.Pattern.String()) + "`"
		}
		if len(s.Not) > 0 {
			return "text, none of `" + strings.Join(s.Not, "`, `") + "`"
		}
		return "text"
	case shape.Flag:
		return "`true`, `false`"
	}
	return cell(strings.TrimPrefix(s.String(), "a "))
}

func either(s shape.Either) string {
	var texts []string
	for _, o := range s {
		if t := kind(o); !slices.Contains(texts, t) {
			texts = append(texts, t)
		}
	}
	return strings.Join(texts, ", or ")
}

// items says whether what is inside s are the items of a list.
func items(s shape.Shape) bool {
	switch s := s.(type) {
	case shape.Named:
		return items(s.Shape)
	case shape.List:
		return true
	case shape.Either:
		return slices.ContainsFunc(s, items)
	}
	return false
}

// children returns the keys inside a value. Of alternatives it is all their keys: one is required
// where each alternative that is a mapping requires it.
func children(s shape.Shape) []shape.Key {
	switch s := s.(type) {
	case shape.Named:
		return children(s.Shape)
	case shape.List:
		return children(s.Of)
	case shape.Map:
		keys := slices.Clone(s.Keys)
		if s.Rest != nil {
			if _, any := s.Rest.Shape.(shape.Anything); !any {
				keys = append(keys, *s.Rest)
			}
		}
		return keys
	case shape.Either:
		return union(s)
	}
	return nil
}

// Required is a key of the union where every alternative that is a mapping requires it: then it is
// written whichever is meant.
func union(s shape.Either) (keys []shape.Key) {
	seen, needed := map[string]int{}, map[string]int{}
	mappings := 0
	for _, o := range s {
		inner := children(o)
		if len(inner) > 0 {
			mappings++
		}
		for _, k := range inner {
			if k.Required {
				needed[k.Name]++
			}
			if i, ok := seen[k.Name]; ok {
				// Alternatives often differ in one word, such as where a definition comes from.
				keys[i].Shape = merged(keys[i].Shape, k.Shape)
				continue
			}
			seen[k.Name] = len(keys)
			keys = append(keys, k)
		}
	}
	for i := range keys {
		keys[i].Required = needed[keys[i].Name] == mappings
	}
	return keys
}

// merged is a shape for what either of two takes; words are put together.
func merged(a, b shape.Shape) shape.Shape {
	wa, ok := a.(shape.Words)
	wb, both := b.(shape.Words)
	if ok && both {
		for _, w := range wb {
			if !slices.Contains(wa, w) {
				wa = append(wa[:len(wa):len(wa)], w)
			}
		}
		return wa
	}
	if a.String() == b.String() {
		return a
	}
	return shape.Either{a, b}
}
