// Package gate says which statements a visitor may ask of ClickHouse, and in which format.
//
// It does not parse SQL: a parser of one's own would disagree with the engine's somewhere, and there lies
// the hole. The engine writes the statement anew first (formatQuerySingleLine), with one spelling of
// everything and without comments; [Read] looks at the words of that text. Then the engine says how it
// understands it (EXPLAIN AST), and [Check] goes through that tree: every node, table and function must be
// on a list. What is asked at last is the text that was looked at.
//
// What is not on a list is refused, so a new kind of statement, function or table of a new release is too.
// The gate is the outer wall. Rows are kept apart by the engine's own rights and row policies, which hold
// for statements that come through it all the same.
package gate
