package rest

import (
	"encoding/json"
	"iter"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"strata/projections"
)

// metadata is a job's metadata as it was: values that were no text are kept as JSON.
// Only lists and mappings are told from texts: a number of the definition has become its text.
func metadata(m map[string]string) object {
	out := object{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		var value any = m[key]
		if text := m[key]; strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
			if json.Valid([]byte(text)) {
				value = json.RawMessage(text)
			}
		}
		out = append(out, member{key, value})
	}
	return out
}

// mapsKeys are the names of parameters.
func mapsKeys(v url.Values) iter.Seq[string] { return maps.Keys(v) }

// metadataOps are the lookups of metadata, with those of the api's conditions.
// Those of Django's JSONField that LAVA offers. contains and has_key stand for the whole field.
var metadataOps = map[string]projections.TermOp{
	"exact": projections.TermExact, "in": projections.TermIn, "icontains": projections.TermIContains, "startswith": projections.TermStartsWith,
	"endswith": projections.TermEndsWith, "istartswith": projections.TermIStartsWith, "iendswith": projections.TermIEndsWith,
	"iexact": projections.TermIExact, "regex": projections.TermRegex, "iregex": projections.TermIRegex, "isnull": projections.TermIsNull,
}

// metadataTerms makes conditions of a parameter metadata__….
// A path goes into mappings, key by key. Values compare as the text that is stored, so 5 is "5".
func metadataTerms(key, value string) ([]projections.JobTerm, error) {
	path := strings.Split(strings.TrimPrefix(key, "metadata__"), "__")
	// metadata__ and a____b name an empty key.
	if slices.Contains(path, "") {
		return nil, invalid(key, "Name a key of the metadata: metadata__<key>.")
	}
	term := func(op projections.TermOp, path []string, values ...string) projections.JobTerm {
		return projections.JobTerm{Field: "metadata", Path: path, Op: op, Values: values}
	}
	// metadata__contains is the lookup; a key that is called so is reached by metadata__contains__exact.
	if len(path) == 1 {
		switch path[0] {
		case "contains":
			return containedTerms(key, value)
		// Of the topmost keys alone, in Django too.
		case "has_key":
			return []projections.JobTerm{term(projections.TermHas, []string{value})}, nil
		case "has_keys":
			var all []projections.JobTerm
			// Each must hold; has_any_keys is one condition with all of them.
			for _, k := range strings.Split(value, ",") {
				all = append(all, term(projections.TermHas, []string{k}))
			}
			return all, nil
		case "has_any_keys":
			return []projections.JobTerm{term(projections.TermHasAny, strings.Split(value, ","))}, nil
		}
		if _, lookup := metadataOps[path[0]]; lookup {
			return nil, invalid(key, "Name a key of the metadata: metadata__<key>__%s.", path[0])
		}
	}
	op := projections.TermExact
	// A key called like a lookup, at the end of a path, needs __exact behind it: Django's rule.
	if last, known := metadataOps[path[len(path)-1]]; known && len(path) > 1 {
		op, path = last, path[:len(path)-1]
	}
	switch op {
	case projections.TermIsNull:
		yes, _ := canonical(truth, "exact", value)
		if yes == ignored {
			return nil, invalid(key, "Enter true or false.")
		}
		return []projections.JobTerm{term(op, path, yes)}, nil
	case projections.TermRegex, projections.TermIRegex:
		// Go's syntax and ClickHouse's are both RE2's, so what passes here does not fail there.
		if _, err := regexp.Compile(value); err != nil {
			return nil, invalid(key, "Enter a valid regular expression: %s.", err)
		}
	case projections.TermIn:
		return []projections.JobTerm{term(op, path, strings.Split(value, ",")...)}, nil
	}
	return []projections.JobTerm{term(op, path, value)}, nil
}

// containedTerms makes a condition of each value of a JSON object.
// Objects within are gone into; a list must be equal as text, where PostgreSQL would look for its items.
func containedTerms(key, value string) ([]projections.JobTerm, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(value), &fields) != nil || fields == nil {
		return nil, invalid(key, "Enter a JSON object.")
	}
	var all []projections.JobTerm
	var descend func(path []string, fields map[string]json.RawMessage)
	descend = func(path []string, fields map[string]json.RawMessage) {
		for _, k := range slices.Sorted(maps.Keys(fields)) {
			at := append(slices.Clone(path), k)
			var inner map[string]json.RawMessage
			var text string
			switch {
			case json.Unmarshal(fields[k], &text) == nil:
			case json.Unmarshal(fields[k], &inner) == nil && inner != nil:
				descend(at, inner)
				continue
			default:
				text = string(fields[k])
			}
			all = append(all, projections.JobTerm{Field: "metadata", Path: at, Op: projections.TermExact, Values: []string{text}})
		}
	}
	descend(nil, fields)
	return all, nil
}
