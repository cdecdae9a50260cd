package describe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"strata/events"
)

// object is a JSON object that keeps the order of its members, so that a schema reads as the
// struct does.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		v, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Schema returns the JSON Schema (2020-12) of an event's payload. It is open: readers ignore
// fields they do not know.
func (s *Source) Schema(e events.Entry) ([]byte, error) {
	defs := make(map[string]object)
	body, err := s.structSchema(e.Type, defs)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", e.Name, err)
	}
	all := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", "urn:strata:event:" + e.Schema()},
		{"title", e.Name},
	}
	all = append(all, body...)
	if len(defs) > 0 {
		all = append(all, member{"$defs", defs})
	}
	compact, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", e.Name, err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", e.Name, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// structSchema describes a struct.
func (s *Source) structSchema(t reflect.Type, defs map[string]object) (object, error) {
	var properties object
	required := []string{}
	for _, f := range fields(t) {
		p, err := s.typeSchema(f.Type, defs)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.Name(), f.Name, err)
		}
		if doc := s.fields[t.Name()][f.Name]; doc != "" {
			p = append(p, member{"description", doc})
		}
		properties = append(properties, member{f.json, p})
		if !f.optional {
			required = append(required, f.json)
		}
	}
	return object{{"description", s.docs[t.Name()]}, {"type", "object"}, {"properties", properties}, {"required", required}}, nil
}

// typeSchema describes the type of a field.
func (s *Source) typeSchema(t reflect.Type, defs map[string]object) (object, error) {
	if t == reflect.TypeFor[time.Time]() {
		return object{{"type", "string"}, {"format", "date-time"}}, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.typeSchema(t.Elem(), defs)
	case reflect.Bool:
		return object{{"type", "boolean"}}, nil
	case reflect.Float64:
		return object{{"type", "number"}}, nil
	case reflect.Int, reflect.Int64:
		return object{{"type", "integer"}}, nil
	case reflect.Uint64:
		return object{{"type", "integer"}, {"minimum", 0}}, nil
	case reflect.String:
		if known := s.values[t.Name()]; len(known) > 0 {
			var enum []string
			for _, v := range known {
				enum = append(enum, v.text)
			}
			return object{{"type", "string"}, {"enum", enum}}, nil
		}
		return object{{"type", "string"}}, nil
	case reflect.Slice:
		items, err := s.typeSchema(t.Elem(), defs)
		return object{{"type", "array"}, {"items", items}}, err
	case reflect.Map:
		values, err := s.typeSchema(t.Elem(), defs)
		return object{{"type", "object"}, {"additionalProperties", values}}, err
	case reflect.Struct:
		if _, done := defs[t.Name()]; !done {
			defs[t.Name()] = nil
			def, err := s.structSchema(t, defs)
			if err != nil {
				return nil, err
			}
			defs[t.Name()] = def
		}
		return object{{"$ref", "#/$defs/" + t.Name()}}, nil
	}
	return nil, fmt.Errorf("facts have no fields of type %s", t)
}

// field is a struct's field as JSON has it.
type field struct {
	reflect.StructField
	json     string
	optional bool // left out when empty
}

func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, field{f, name, options == "omitempty" || options == "omitzero"})
	}
	return all
}
