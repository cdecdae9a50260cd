// Package rest answers LAVA's REST interface, v0.2, and the lab's own, v1, on the lab's HTTP listener.
//
// # Words
//
// An [endpoint] is an address below a version with its operations, one a method; endpoints.go lists them
// all. A resource is a table of rows behind some of them: its fields, the filters that a list takes, and
// where its rows come from. Handlers, the OpenAPI document (/api/v0.2/openapi.json) and the answers to
// OPTIONS are made of these two tables; what is not in them is not answered.
//
// # What it promises
//
// Answers of v0.2 have LAVA's fields in LAVA's order, its status codes and the shapes of its errors; what
// differs on purpose stands in docs/compatibility.md. Everybody is shown what the api would show them on the
// bus: handlers translate to its verbs ([api.Inside]) and know no rights of their own.
//
// A definition that is posted is answered when the lab has judged it: 201 with the numbers, 400 with the
// reason, and where nobody judges within [Deps.Patience], 503 with the number, under which the answer can be had
// later. The same Idempotency-Key gives the same number for 24 hours.
//
// # Refusals
//
// They come in this order, which recordings of a LAVA have: a credential that is wrong (403; LAVA sends no 401), a method
// that the address lacks (405, for writes after the caller's rights), ?format that is none (404), rights on what the
// address names (403), an Accept header that JSON does not meet (406), then what the handler finds: 404 for what there is
// not or may not be seen, 400 for the body. Their shapes are Django REST framework's:
//
//	{"detail": "…"}             what is about no field
//	{"field": ["…"], …}         fields of a body or of a filter, all that are wrong at once
//	{"message": "…"}            LAVA's own actions: jobs/, cancel/, set_health/ and the like
//	{"non_field_errors": ["…"]} a body that is no object; token/
//
// Below the addresses of pages (/scheduler/job/, /results/) a job that may not be seen is 403, not 404, as in LAVA.
//
// # Values
//
// Times are ISO 8601 in UTC with a Z, decimals text, states and healths words. What LAVA numbers and this lab names
// (users, groups, tags, permissions) has a number made of its name, see [numberOf]. A file is sent with LAVA's name and
// type, always as an attachment.
//
// # A further endpoint
//
// It takes a row in endpoints.go and a handler, which asks verbs of the api and returns an [answer]; a field or filter
// takes a row in its resource. Writes read all of a body before they record the first fact: nothing half done stays
// behind. The OpenAPI document, OPTIONS, /api/help/ and the header Allow follow from the rows.
//
// v1 has what v0.2 cannot say: why a job waits, how the lab was, what happened since. Its errors carry a code.
package rest
