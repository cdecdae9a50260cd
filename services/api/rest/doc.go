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
// v1 has what v0.2 cannot say: why a job waits, how the lab was, what happened since. Its errors carry a code.
package rest
