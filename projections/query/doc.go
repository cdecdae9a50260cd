// Package query makes SQL of a query of conditions, as people save them and write them into
// addresses: LAVA's entities, fields and operators (https://docs.lavasoftware.org, queries), and what
// goes beyond.
//
// # Words
//
// A query finds rows of one entity: testjob, testsuite or testcase. A condition names a table (one of
// the three, or metadata, for what a job's definition says of itself), a field of it, an operator and
// a value as text. A clause joins conditions otherwise than by "and": see [events.QueryClause].
//
// # What a query means
//
// All conditions hold, and all clauses. Conditions on suites and cases that stand together speak of
// one and the same suite and case: a job whose suite conditions and case conditions hold, but of
// different cases, is not found. What is not there (a device that the job never got, a measurement, a
// metadata key) satisfies no condition, not even ne; it does satisfy a clause that says "not".
//
// # What it promises
//
// [Compile] is pure. Nothing that a person wrote reaches the SQL but as a bound parameter; fields,
// operators and the words of enumerations are looked up in the table of fields.go. The rows are those
// of jobs that the [Viewer] may see, whatever the conditions say. The one who runs the statement is
// package projections, within the limits of [Query.Limits].
package query
