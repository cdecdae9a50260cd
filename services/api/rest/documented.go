package rest

import "strings"

// Documented is what people are told of an operation.
type Documented struct {
	Name string // "GET /api/v0.2/jobs/{id}/"
	Text string // what stands there, and what the operation does
}

// Operations lists what the OpenAPI document describes, in its order.
// The page /api/help/ is made of it (services/cmd/strata).
func Operations() []Documented {
	var all []Documented
	for _, e := range endpoints() {
		for _, o := range e.operations {
			all = append(all, Documented{o.method + " " + e.address(), strings.TrimSpace(e.doc + " " + o.doc)})
		}
	}
	return all
}
