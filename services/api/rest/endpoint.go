package rest

import (
	"net/http"
	"slices"
	"strings"
)

// endpoint is an address with what can be done there.
type endpoint struct {
	version    string // "" stands at the root of the listener
	path       string // below the version, as a pattern of http.ServeMux: jobs/{id}/logs/
	doc        string // a sentence
	fields     []fieldDoc
	operations []operation
}

// operation is what a method does at an endpoint.
type operation struct {
	method  string
	doc     string // a sentence
	params  []param
	accepts []param // of the body
	status  int     // of success; 0 is 200
	content string  // type of the answer; "" is application/json
	handle  func(*request) (answer, error)
}

// param is a parameter of the address or a field of the body.
type param struct {
	name     string
	kind     kind
	doc      string
	required bool
}

// fieldDoc is a field of a row, for documents.
type fieldDoc struct {
	name  string
	kind  kind
	doc   string
	write bool
}

// pattern is the endpoint's pattern for http.ServeMux. It is exact: what lies below is not the endpoint's.
func (e endpoint) pattern() string {
	at := "/" + e.path
	if e.version != "" {
		at = "/api/" + e.version + "/" + e.path
	}
	if strings.HasSuffix(at, "/") {
		at += "{$}"
	}
	return at
}

// order is that of Django's answers.
func order() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// allowed is the header Allow.
func (e endpoint) allowed() string {
	var list []string
	for _, m := range order() {
		if slices.ContainsFunc(e.operations, func(o operation) bool { return o.method == m }) {
			list = append(list, m)
		}
	}
	if len(list) > 0 && list[0] == http.MethodGet {
		list = append(list, http.MethodHead)
	}
	return strings.Join(append(list, http.MethodOptions), ", ")
}

// describe answers OPTIONS, in the shape of Django REST framework.
func (e endpoint) describe() object {
	out := object{{"name", title(e.path)}, {"description", e.doc}, {"renders", []string{"application/json", "text/html"}},
		{"parses", []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}}}
	actions := object{}
	for _, o := range e.operations {
		if o.method != http.MethodPost && o.method != http.MethodPut {
			continue
		}
		var fields object
		for _, f := range e.fields {
			fields = append(fields, member{f.name, object{{"type", f.kind.word()}, {"required", f.write && f.kind == text},
				{"read_only", !f.write}, {"label", label(f.name)}}})
		}
		if fields != nil {
			actions = append(actions, member{o.method, fields})
		}
	}
	if len(actions) > 0 {
		out = append(out, member{"actions", actions})
	}
	return out
}

// label is a name as forms show it: health_check becomes Health check.
func label(name string) string {
	words := strings.ReplaceAll(name, "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// title is an address as a heading: jobs/{id}/logs/ becomes Jobs Logs.
func title(path string) string {
	var words []string
	for _, part := range strings.Split(strings.Trim(path, "/"), "/") {
		if part != "" && !strings.HasPrefix(part, "{") {
			words = append(words, label(part))
		}
	}
	if len(words) == 0 {
		return "Api Root"
	}
	return strings.Join(words, " ")
}
