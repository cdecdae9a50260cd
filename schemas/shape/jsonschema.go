package shape

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
)

// JSONSchema writes the schema (draft 2020-12) of what s takes in mode m, for editors and other
// programs: the same values, as far as a schema of JSON can tell YAML's apart. id is the schema's
// $id, title what an editor shows, and rules are further schemas, of what spans the document. Every
// call with the same arguments gives the same bytes.
func JSONSchema(s Shape, m Mode, id, title string, rules ...any) ([]byte, error) {
	w := &writer{mode: m, defs: map[string]map[string]any{}, keys: map[string]string{}, refs: map[string][]map[string]any{}}
	root := s.schema(w)
	w.inline()
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"], root["title"] = id, title
	root["$comment"] = "Generated from the tables of the validator."
	if len(rules) > 0 {
		before, _ := root["allOf"].([]any)
		root["allOf"] = append(before, rules...)
	}
	if len(w.defs) > 0 {
		root["$defs"] = w.defs
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("write JSON Schema %s: %w", title, err)
	}
	return b.Bytes(), nil
}

// writer gathers the definitions that several places share.
type writer struct {
	mode Mode
	defs map[string]map[string]any
	keys map[string]string           // definitions of keys, by name and content
	refs map[string][]map[string]any // where these are meant
}

// inline puts definitions of keys that turned out to be meant only once back into their place.
// A reference that is followed once only makes the file harder to read.
func (w *writer) inline() {
	for def, refs := range w.refs {
		if len(refs) == 1 {
			delete(refs[0], "$ref")
			maps.Copy(refs[0], w.defs[def])
			delete(w.defs, def)
		}
	}
}

// define writes s under a name once and returns a reference to it. Equal names are equal shapes.
func (w *writer) define(name string, s Shape) map[string]any {
	if w.defs[name] == nil {
		w.defs[name] = map[string]any{} // holds the name while s is written
		w.defs[name] = s.schema(w)
	}
	return map[string]any{"$ref": "#/$defs/" + name}
}

func (Anything) schema(*writer) map[string]any  { return map[string]any{} }
func (Nothing) schema(*writer) map[string]any   { return map[string]any{"type": "null"} }
func (Flag) schema(*writer) map[string]any      { return map[string]any{"type": "boolean"} }
func (s Named) schema(w *writer) map[string]any { return w.define(s.Name, s.Shape) }

func (s Text) schema(*writer) map[string]any {
	schema := map[string]any{"type": "string"}
	if s.Least > 0 {
		schema["minLength"] = s.Least
	}
	if s.Most > 0 {
		schema["maxLength"] = s.Most
	}
	if s.Pattern != nil {
		schema["pattern"] = s.Pattern.String()
	}
	if len(s.Not) > 0 {
		schema["not"] = map[string]any{"enum": s.Not}
	}
	return schema
}

func (s Words) schema(*writer) map[string]any {
	if len(s) == 1 {
		return map[string]any{"const": s[0]}
	}
	return map[string]any{"enum": []string(s)}
}

// A boolean is taken where its number would be: true is 1.
func (s Number) schema(*writer) map[string]any {
	number := map[string]any{"type": "number"}
	if s.Whole {
		number["type"] = "integer"
	}
	truth := map[string]any{"type": "boolean"}
	if s.Least != nil {
		number["minimum"] = *s.Least
		switch {
		case *s.Least > 1:
			return number
		case *s.Least == 1:
			truth = map[string]any{"const": true}
		}
	}
	return map[string]any{"anyOf": []any{number, truth}}
}

func (s List) schema(w *writer) map[string]any {
	schema := map[string]any{"type": "array", "items": s.Of.schema(w)}
	if s.Least > 0 {
		schema["minItems"] = s.Least
	}
	return schema
}

func (Filled) schema(*writer) map[string]any {
	return map[string]any{"type": []string{"string", "array", "object"}, "minLength": 1, "minItems": 1, "minProperties": 1}
}

func (s Either) schema(w *writer) map[string]any {
	of := make([]any, len(s))
	for i, o := range s {
		of[i] = o.schema(w)
	}
	return map[string]any{"anyOf": of}
}

func (s Map) schema(w *writer) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, k := range s.Keys {
		properties[k.Name] = k.schema(w)
		if k.Required {
			required = append(required, k.Name)
		}
	}
	schema := map[string]any{"type": "object"}
	if len(properties) > 0 {
		schema["properties"] = properties
	}
	if len(required) > 0 {
		schema["required"] = required
	}
	if s.Least > 0 {
		schema["minProperties"] = s.Least
	}
	closed := w.mode == Strict || s.Closed
	switch {
	case s.Rest != nil && s.Pattern == nil:
		schema["additionalProperties"] = s.Rest.schema(w)
	case s.Rest != nil:
		// A pattern may match the name of a key too, which has a shape of its own.
		schema["patternProperties"] = map[string]any{outside(s.Pattern, s.Names()): s.Rest.schema(w)}
		if closed {
			schema["additionalProperties"] = false
		}
	case closed:
		schema["additionalProperties"] = false
	}
	s.groups(schema)
	return schema
}

// outside returns the pattern where none of names matches it, and panics otherwise: Go's expressions
// have no look-ahead to leave a name out, and no table needs it.
func outside(pattern *regexp.Regexp, names []string) string {
	for _, name := range names {
		if pattern.MatchString(name) {
			panic("pattern " + pattern.String() + " matches the key " + name)
		}
	}
	return pattern.String()
}

func (s Map) groups(schema map[string]any) {
	var clashes []any
	together := map[string]any{}
	for i, k := range s.Keys {
		var others []string
		for j, o := range s.Keys {
			if k.Group != "" && o.Group == k.Group && i < j {
				clashes = append(clashes, map[string]any{"not": map[string]any{"required": []string{k.Name, o.Name}}})
			}
			if k.Pair != "" && o.Pair == k.Pair && i != j {
				others = append(others, o.Name)
			}
		}
		if len(others) > 0 {
			together[k.Name] = others
		}
	}
	if len(clashes) > 0 {
		schema["allOf"] = clashes
	}
	if len(together) > 0 {
		schema["dependentRequired"] = together
	}
}

// schema of a key is that of its value, with the words of its row.
func (k Key) schema(w *writer) map[string]any {
	schema := k.Shape.schema(w)
	if text := k.text(); text != "" {
		schema["description"] = text
	}
	return w.share(k.Name, schema)
}

// share defines what is long and stands in many mappings, such as the timeout of an action, once.
// Keys of one name that differ get numbers.
func (w *writer) share(name string, schema map[string]any) map[string]any {
	const short = 100 // bytes that are not worth a definition
	content, err := json.Marshal(schema)
	if err != nil || len(content) < short || strings.Contains(name, "<") {
		return schema
	}
	def, known := w.keys[name+string(content)]
	if !known {
		def = "key-" + name
		for i := 2; w.defs[def] != nil; i++ {
			def = "key-" + name + "-" + strconv.Itoa(i)
		}
		w.keys[name+string(content)], w.defs[def] = def, schema
	}
	ref := map[string]any{"$ref": "#/$defs/" + def}
	w.refs[def] = append(w.refs[def], ref)
	return ref
}

func (k Key) text() string {
	parts := []string{}
	if k.Doc != "" {
		parts = append(parts, k.Doc)
	}
	for _, p := range []struct{ name, value string }{{"Unit", k.Unit}, {"Default", k.Default}, {"Example", k.Example}} {
		if p.value != "" {
			parts = append(parts, p.name+": "+p.value+".")
		}
	}
	return strings.Join(parts, " ")
}

// Rows and cases are written as if and then, because editors follow these when they complete a
// mapping that is half written, and an anyOf they do not.
func (s Choice) schema(w *writer) map[string]any {
	rules := make([]any, len(s.Rows))
	for i, r := range s.Rows {
		rules[i] = map[string]any{
			"if":   map[string]any{"properties": map[string]any{s.By: map[string]any{"const": r.Value}}, "required": []string{s.By}},
			"then": w.define(r.Name, r.Shape),
		}
	}
	return map[string]any{"type": "object", "required": []string{s.By}, "properties": map[string]any{s.By: map[string]any{"enum": s.values()}}, "allOf": rules}
}

// From the last case to the first: each stands in the else of the one before it.
func (s Having) schema(w *writer) map[string]any {
	none := make([]any, len(s.Cases))
	var rules any = false
	for i := len(s.Cases) - 1; i >= 0; i-- {
		c := s.Cases[i]
		none[i] = map[string]any{"required": c.Keys}
		rule := map[string]any{"if": map[string]any{"required": c.Keys}, "then": w.define(c.Name, c.Shape)}
		if i < len(s.Cases)-1 {
			rule["else"] = rules
		}
		rules = rule
	}
	schema := rules.(map[string]any)
	schema["type"], schema["anyOf"] = "object", none
	return schema
}
