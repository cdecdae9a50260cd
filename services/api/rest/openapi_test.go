package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// document is the part of an OpenAPI document that the tests look at.
type document struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string
		Summary     string
		Parameters  []struct {
			Name, In string
			Required bool
			Schema   map[string]any
		}
		RequestBody *struct{ Content map[string]any }
		Responses   map[string]struct{ Description string }
	}
}

// The document has every address that is answered, and every address in it is answered: its method is allowed,
// parameters of the address are declared, each operation has a name of its own.
func TestOpenAPIIsComplete(t *testing.T) {
	t.Parallel()
	l := start(t)
	var d document
	if err := json.Unmarshal([]byte(l.wants("GET", "/api/v0.2/openapi.json", nil, 200).body), &d); err != nil {
		t.Fatal(err)
	}
	if d.OpenAPI != "3.1.0" || len(d.Paths) < 60 {
		t.Errorf("openapi %s with %d paths, want 3.1.0 with all of them", d.OpenAPI, len(d.Paths))
	}
	ids := map[string]string{}
	for path, methods := range d.Paths {
		for _, name := range []string{"id", "name", "suite", "test"} {
			path = strings.ReplaceAll(path, "{"+name+"}", "1")
		}
		allowed := l.ask(http.MethodOptions, path, nil).header.Get("Allow")
		if allowed == "" {
			t.Errorf("%s is not answered", path)
		}
		for method, o := range methods {
			if !strings.Contains(allowed, strings.ToUpper(method)) {
				t.Errorf("%s %s: allowed are %s", method, path, allowed)
			}
			if ids[o.OperationID] != "" || o.OperationID == "" || o.Summary == "" || len(o.Responses) < 2 {
				t.Errorf("%s %s: operation %q (also of %s) with summary %q and %d responses", method, path, o.OperationID, ids[o.OperationID], o.Summary, len(o.Responses))
			}
			ids[o.OperationID] = path
			for _, p := range o.Parameters {
				if p.Name == "" || p.In == "" || p.Schema["type"] == nil || p.Required != (p.In == "path") {
					t.Errorf("%s %s: parameter %+v", method, path, p)
				}
			}
		}
		for _, m := range strings.Split(allowed, ", ") {
			if _, ok := methods[strings.ToLower(m)]; !ok && m != "HEAD" && m != "OPTIONS" && l.ask(http.MethodOptions, path, nil).status == 200 {
				// The address of one row may be another's word: jobs/1/ is no jobs/validate/.
				t.Errorf("%s allows %s, which the document does not have", path, m)
			}
		}
	}
	// What LAVA's clients look for stands in it with its filters and fields.
	jobs := d.Paths["/api/v0.2/jobs/"]["get"]
	names := map[string]bool{}
	for _, p := range jobs.Parameters {
		names[p.Name] = true
	}
	for _, want := range []string{"limit", "offset", "ordering", "state", "state__in", "health", "id__lt", "submit_time__gt", "end_time__isnull",
		"requested_device_type__name", "actual_device__hostname__in", "submitter__username", "metadata__<key>", "priority__gte"} {
		if !names[want] {
			t.Errorf("jobs/ lacks the parameter %s", want)
		}
	}
}
