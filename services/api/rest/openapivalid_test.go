package rest_test

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// The document is one by the rules of OpenAPI, not only by ours.
func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	l := start(t)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(l.wants("GET", "/api/v0.2/openapi.json", nil, 200).body))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Errorf("the document is not valid: %v", err)
	}
	// A program that is generated of it has a function for each: what it takes and gives is described.
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			if o.Responses.Len() < 2 {
				t.Errorf("%s %s has %d answers", method, path, o.Responses.Len())
			}
			if method == "POST" && o.RequestBody == nil && len(o.Parameters) == 0 && path != "/api/v0.2/devices/validate/" {
				t.Errorf("%s %s takes nothing", method, path)
			}
		}
	}
}
