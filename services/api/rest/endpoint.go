package rest

import (
	"net/http"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
)

// endpoint is an address with what can be done there.
// What is answered, what is documented and what OPTIONS tells come from this one row: an operation that is
// not here does not exist, and a test holds that each is described.
type endpoint struct {
	version    string // "" stands at the root of the listener
	path       string // below the version, as a pattern of http.ServeMux: jobs/{id}/logs/
	doc        string // a sentence
	fields     []fieldDoc
	operations []operation
}

// operation is what a method does at an endpoint.
// status and content are for documents and checks; what is sent is what handle answers.
type operation struct {
	method  string
	doc     string // a sentence
	params  []param
	accepts []param // of the body
	status  int     // of success; 0 is 200
	content string  // type of the answer; "" is application/json
	right   right   // without which nothing else is looked at, as in LAVA; the api asks for rights in any case
	handle  func(*request) (answer, error)
}

// right is what a caller must be allowed to do with the thing that the address names; without a kind it is nothing.
// It exists for the order of refusals alone: LAVA tells who may not write so before it looks at the body
// or for the thing. The verb of the api decides again, and its decision counts.
type right struct {
	verb  lab.Verb
	kind  events.Kind
	super bool // LAVA keeps it to superusers, whatever else they may do with the thing
}

// allows returns an error where the caller may not do what an operation is for.
func (q *request) allows(o operation) error {
	if o.right.kind == "" {
		return nil
	}
	if err := q.named(); err != nil {
		return err
	}
	// An address without a name, such as POST devices/, asks about all things of the kind.
	if !q.d.Lab.Can(q.who, o.right.verb, events.Entity{Kind: o.right.kind, ID: q.r.PathValue("name")}) {
		return detail(http.StatusForbidden, forbidden)
	}
	// Whether the user is one, not whether the token is for all that one may: its scopes were looked at above.
	user := q.who
	user.Scopes = nil
	if o.right.super && !q.d.Lab.Superuser(user) {
		return detail(http.StatusForbidden, forbidden)
	}
	return nil
}

// withRights says of the operations that write what callers must be allowed to.
func withRights(kind events.Kind, list []endpoint) []endpoint {
	for _, e := range list {
		// devices/validate/ has none and wants the right to add: LAVA's rule for every POST below
		// devices/.
		one := strings.Contains(e.path, "{name}")
		// Rows of devices and device types, which have fields, are LAVA's superusers' to write; what stands below one,
		// such as set_health/, and all of workers goes by permissions.
		super := kind != events.Worker && e.fields != nil
		for i := range e.operations {
			o := &e.operations[i]
			switch {
			case o.method == http.MethodGet:
			case o.method == http.MethodDelete:
				o.right = right{lab.Remove, kind, super}
			case one:
				o.right = right{lab.Change, kind, super}
			default:
				o.right = right{lab.Add, kind, super}
			}
		}
	}
	return list
}

// param is a parameter of the address or a field of the body.
// A kind is told to OpenAPI and not enforced: handlers read what they need and word what is wrong.
type param struct {
	name     string
	kind     kind
	doc      string
	required bool
}

// fieldDoc is a field of a row, for documents.
// write says that a body may set it; others are passed over in a body, as read-only fields are.
type fieldDoc struct {
	name  string
	kind  kind
	doc   string
	write bool
}

// pattern is the endpoint's pattern for http.ServeMux. It is exact: what lies below is not the endpoint's.
// {$} keeps http.ServeMux from handing on everything below an address that ends in a slash.
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
// OPTIONS and the header Allow list methods so; HEAD follows GET's row without one of its own.
func order() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// allowed is the header Allow.
// RFC 9110, section 10.2.1; LAVA sends it with every answer.
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
// required is told of writable texts alone, which is what clients that make forms of it look for.
func (q *request) describe() object {
	e := q.e
	parses := []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}
	// LAVA's viewset of devices has one parser more, for validate/, and tells of it at all its addresses.
	if strings.HasPrefix(e.path, "devices/") {
		parses = append(parses, "text/plain")
	}
	out := object{{"name", viewName(e.path)}, {"description", e.doc}, {"renders", []string{"application/json", "text/html"}}, {"parses", parses}}
	actions := object{}
	for _, o := range e.operations {
		// Django REST framework shows actions only to who could do them, and never PATCH.
		if o.method != http.MethodPost && o.method != http.MethodPut || q.allows(o) != nil {
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

// viewName is how LAVA calls what stands at an address: jobs/ is the Test Job List, jobs/{id}/logs/ Test Job logs.
// The names come from LAVA's classes; browsable clients show them as headings.
func viewName(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	last, row := parts[len(parts)-1], false
	if strings.HasPrefix(last, "{") && len(parts) > 1 {
		row, last = true, parts[len(parts)-2]
	}
	names := map[string]string{"jobs": "Test Job", "suites": "Test Suite", "tests": "Test Case", "devices": "Device", "devicetypes": "Device Type",
		"workers": "Worker", "tags": "Tag", "aliases": "Alias", "groups": "Group", "users": "User", "remote-artifact-tokens": "Remote Artifact Token"}
	name, known := names[last]
	if parts[0] == "permissions" && known {
		name = "Group " + name + " Permission"
	}
	switch {
	case known && row:
		return name + " Instance"
	case known:
		return name + " List"
	}
	for i := len(parts) - 2; i >= 0; i-- { // an action of the resource before it
		if of, ok := names[parts[i]]; ok {
			return of + " " + last
		}
	}
	return title(path)
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
