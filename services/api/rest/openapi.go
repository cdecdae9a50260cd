package rest

import (
	"fmt"
	"net/http"
	"strings"

	"strata/services/api/lava"
)

// schema is a kind as JSON Schema.
// Decimals are text in Django's JSON, lest a reader round them.
func (k kind) schema() object {
	switch k {
	case integer, choice:
		return object{{"type", "integer"}}
	case number:
		return object{{"type", "string"}, {"format", "decimal"}}
	case truth:
		return object{{"type", "boolean"}}
	case moment:
		return object{{"type", "string"}, {"format", "date-time"}}
	case integers:
		return object{{"type", "array"}, {"items", integer.schema()}}
	case texts:
		return object{{"type", "array"}, {"items", text.schema()}}
	case mapping:
		return object{{"type", "object"}}
	}
	return object{{"type", "string"}}
}

// openAPI answers with the interface as an OpenAPI 3.1 document, made of the table of endpoints.
// Made for each request: its servers entry is the address by which the client came.
func openAPI(q *request) (answer, error) {
	paths := object{}
	for _, e := range endpoints() {
		item := object{}
		for _, o := range e.operations {
			item = append(item, member{strings.ToLower(o.method), o.document(e)})
		}
		paths = append(paths, member{e.address(), item})
	}
	return ok(object{
		{"openapi", "3.1.0"},
		{"info", object{{"title", "Strata"}, {"version", lava.Release},
			{"description", "LAVA's REST interface v0.2 and this lab's own v1. Lists of v0.2 take further filters behind related names, as each says."}}},
		{"servers", []object{{{"url", q.address("")}}}},
		// The empty one says that a credential is not needed everywhere: what is public can be read
		// without.
		{"security", []object{{}, {{"token", []string{}}}}},
		{"paths", paths},
		{"components", object{{"securitySchemes", object{{"token", object{{"type", "apiKey"}, {"in", "header"}, {"name", "Authorization"},
			{"description", "Token, a blank, and a token of the lab"}}}}}}},
	})
}

// address is the endpoint's address as documents write it.
func (e endpoint) address() string { return strings.TrimSuffix(e.pattern(), "{$}") }

// document is an operation in the form of OpenAPI.
// Parameters of the path are those in braces; each is a text, also where it has to be a number.
func (o operation) document(e endpoint) object {
	out := object{{"operationId", operationID(o.method, e)}, {"summary", o.doc}, {"description", e.doc}, {"tags", []string{tagOf(e)}}}
	params := []object{}
	for _, part := range strings.Split(e.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params = append(params, object{{"name", strings.TrimSuffix(name, "}")}, {"in", "path"}, {"required", true}, {"schema", text.schema()}})
		}
	}
	for _, p := range o.params {
		one := object{{"name", p.name}, {"in", "query"}, {"schema", p.kind.schema()}}
		if p.doc != "" {
			one = append(one, member{"description", p.doc})
		}
		params = append(params, one)
	}
	out = append(out, member{"parameters", params})
	if len(o.accepts) > 0 {
		out = append(out, member{"requestBody", object{{"content", object{{"application/json", object{{"schema", accepted(o.accepts)}}}}}}})
	}
	status := o.status
	if status == 0 {
		status = http.StatusOK
	}
	success := object{{"description", http.StatusText(status)}}
	content := o.content
	if content == "" {
		content = "application/json"
	}
	// A response without content must not have a media type in OpenAPI either.
	if status != http.StatusNoContent {
		success = append(success, member{"content", object{{content, object{{"schema", o.answers(e)}}}}})
	}
	return append(out, member{"responses", object{{fmt.Sprint(status), success}, {"default", object{{"description", "An error; its member detail, or one for each field, says what is wrong."}}}}})
}

// accepted is a body's schema.
// Forms are taken everywhere, too; the document has JSON alone, for generators of clients want one.
func accepted(fields []param) object {
	properties, required := object{}, []string{}
	for _, p := range fields {
		s := p.kind.schema()
		if p.doc != "" {
			s = append(s, member{"description", p.doc})
		}
		properties = append(properties, member{p.name, s})
		if p.required {
			required = append(required, p.name)
		}
	}
	out := object{{"type", "object"}, {"properties", properties}}
	if len(required) > 0 {
		out = append(out, member{"required", required})
	}
	return out
}

// answers is the schema of what is answered: a row, a page of rows, or something else.
// Of POST jobs/ the answer is no row of the resource but numbers; see [request.submit].
func (o operation) answers(e endpoint) object {
	if o.content != "" {
		return text.schema()
	}
	if len(e.fields) == 0 || o.method == http.MethodPost && e.path == "jobs/" {
		return object{{"type", "object"}}
	}
	properties := object{}
	for _, f := range e.fields {
		s := f.kind.schema()
		if f.doc != "" {
			s = append(s, member{"description", f.doc})
		}
		properties = append(properties, member{f.name, s})
	}
	row := object{{"type", "object"}, {"properties", properties}}
	if o.method != http.MethodGet || strings.HasSuffix(e.path, "}/") {
		return row
	}
	link := object{{"type", []string{"string", "null"}}}
	return object{{"type", "object"}, {"properties", object{{"count", integer.schema()}, {"next", link}, {"previous", link},
		{"results", object{{"type", "array"}, {"items", row}}}}}}
}

// operationID names an operation after its method and address.
// Generators of clients make names of functions of it, so it must not change: get_api_v0_2_jobs_id.
func operationID(method string, e endpoint) string {
	words := strings.FieldsFunc(e.address(), func(r rune) bool { return strings.ContainsRune("/{}.-_", r) })
	return strings.Join(append([]string{strings.ToLower(method)}, words...), "_")
}

// tagOf groups operations by the first word of their address.
func tagOf(e endpoint) string {
	first, _, _ := strings.Cut(e.path, "/")
	if first == "" {
		return "root"
	}
	return first
}
