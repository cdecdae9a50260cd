package describe

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"strata/events"
)

// Page returns the documentation page of all events.
func (s *Source) Page() []byte {
	var b bytes.Buffer
	b.WriteString(`# Events

<!-- Generated from events/*.go by "go generate ./events". Do not edit. -->

Every fact of the lab, by the service that writes it. A fact stands in the stream ` + "`LAB`" + `, results in
` + "`RESULTS`" + `, on the subject of the entity that it is about. Its body is JSON; its headers are CloudEvents 1.0
in NATS binary mode:

| header | holds |
|---|---|
`)
	for _, h := range [][2]string{
		{events.HeaderType, "the event's name"},
		{events.HeaderSchema, "name and version of the body, which has a JSON Schema in `schemas/events/`"},
		{events.HeaderID + "`, `" + events.HeaderMsgID, "UUIDv7; a second message with the same one is dropped"},
		{events.HeaderSource, "the service that wrote it, such as `services/scheduling`"},
		{events.HeaderSubject, "the entity, such as `job/42`; in NATS subjects bytes outside `[A-Za-z0-9_-]` are written `=XX`"},
		{events.HeaderTime, "when it was written, RFC 3339, UTC"},
		{events.HeaderActor, "the user, where one asked"},
		{events.HeaderCause, "what led to it, such as `LAB/8812`"},
		{events.HeaderTrace, "W3C trace context"},
	} {
		fmt.Fprintf(&b, "| `%s` | %s |\n", h[0], h[1])
	}
	var writer events.Service
	used := make(map[string]bool)
	for _, e := range events.Catalogue() {
		if e.Writer != writer {
			writer = e.Writer
			fmt.Fprintf(&b, "\n## %s\n", writer)
		}
		s.event(&b, e, used)
	}
	s.parts(&b, used)
	return b.Bytes()
}

// event writes one event's section.
func (s *Source) event(b *bytes.Buffer, e events.Entry, used map[string]bool) {
	about := reflect.Zero(e.Type).Interface().(events.Event).About()
	subject := string(about.Kind)
	if about.Kind != events.Scheduling {
		subject += ".<" + string(about.Kind) + ">"
	}
	switch about.Kind {
	case events.Result:
		subject = "result.<job>"
	case "":
		subject = "<kind>.<name>"
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n`%s`, on `%s`.\n\n", e.Name, s.docs[e.Type.Name()], e.Schema(), subject)
	s.table(b, e.Type, used)
}

// table writes the fields of a struct and notes which other types they use.
func (s *Source) table(b *bytes.Buffer, t reflect.Type, used map[string]bool) {
	b.WriteString("| field | type | |\n|---|---|---|\n")
	for _, f := range fields(t) {
		what := s.fields[t.Name()][f.Name]
		if f.optional {
			what = strings.TrimSuffix("optional; "+what, "; ")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.json, s.typeName(f.Type, used), strings.ReplaceAll(what, "|", "\\|"))
	}
}

// typeName returns a type as the page names it.
func (s *Source) typeName(t reflect.Type, used map[string]bool) string {
	switch t.Kind() {
	case reflect.Pointer:
		return s.typeName(t.Elem(), used)
	case reflect.Slice:
		return "list of " + s.typeName(t.Elem(), used)
	case reflect.Map:
		return "mapping to " + s.typeName(t.Elem(), used)
	}
	switch t.String() {
	case "time.Time":
		return "time"
	case "uint64", "int":
		return "number"
	case "float64":
		return "decimal"
	case "string":
		return "text"
	case "bool":
		return "true or false"
	}
	if t.Kind() == reflect.Struct || len(s.values[t.Name()]) > 0 {
		collect(t, used)
		return fmt.Sprintf("[%s](#%s)", t.Name(), strings.ToLower(t.Name()))
	}
	return t.Name()
}

// collect notes a type and those of its fields.
func collect(t reflect.Type, used map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.PkgPath() != reflect.TypeFor[events.Entity]().PkgPath() {
		return
	}
	used[t.Name()] = true
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			collect(t.Field(i).Type, used)
		}
	}
}

// parts writes the types that fields refer to.
func (s *Source) parts(b *bytes.Buffer, used map[string]bool) {
	types := make(map[string]reflect.Type)
	for _, e := range events.Catalogue() {
		structs(e.Type, types)
	}
	b.WriteString("\n## Types\n")
	for _, name := range slices.SortedFunc(maps.Keys(used), cmp.Compare[string]) {
		switch t, values := types[name], s.values[name]; {
		case len(values) > 0:
			fmt.Fprintf(b, "\n### %s\n\n%s\n\n", name, s.docs[name])
			for _, v := range values {
				fmt.Fprintln(b, strings.TrimSuffix(fmt.Sprintf("- `%s`: %s", v.text, v.comment), ": "))
			}
		case t != nil:
			fmt.Fprintf(b, "\n### %s\n\n%s\n\n", name, s.docs[name])
			s.table(b, t, used)
		}
	}
}

// structs collects the structs below a type's fields by name.
func structs(t reflect.Type, all map[string]reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		structs(t.Elem(), all)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i).Type
			for f.Kind() == reflect.Pointer || f.Kind() == reflect.Slice {
				f = f.Elem()
			}
			if f.Kind() == reflect.Struct && f.PkgPath() == reflect.TypeFor[events.Entity]().PkgPath() {
				all[f.Name()] = f
				structs(f, all)
			}
		}
	}
}
