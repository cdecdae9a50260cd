package main

import (
	"strata/services/api/lavarpc"
	"strata/services/api/rest"
	"strata/services/web"
)

// describedInterfaces tells the pages which methods and endpoints the doors of this process have.
// Made here since a service's pages may not import another's doors.
func describedInterfaces() []web.Interfaces {
	calls := web.Interfaces{Title: "XML-RPC", Lead: "POST to /RPC2, as LAVA's clients do.", Page: "xmlrpc"}
	for _, m := range lavarpc.Methods() {
		calls.All = append(calls.All, web.Interface{Name: m.Name, Signature: m.Signature, Text: m.Text})
	}
	requests := web.Interfaces{Title: "REST", Lead: "JSON over HTTP.", Page: "rest", Reference: "/api/v0.2/openapi.json"}
	for _, o := range rest.Operations() {
		requests.All = append(requests.All, web.Interface{Name: o.Name, Text: o.Text})
	}
	return []web.Interfaces{requests, calls}
}
