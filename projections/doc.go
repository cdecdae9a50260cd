// Package projections turns the log of a lab into tables of ClickHouse, and asks them questions.
//
// # What is where
//
// A [Projector] follows the streams LAB, RESULTS and OUTPUT and inserts rows. The tables stand in
// sql/NNNN_topic.sql, one a file, with the meaning of every column; docs/tables.md is made of those
// comments. Each read model is one Go file: its row struct, the function that makes rows of one
// message, and its questions, which are methods of [DB].
//
// # What it promises
//
// Rows are a function of messages alone, never of other rows or of a clock, so any table can be
// dropped and made again: [Projector.Rebuild] makes all of them beside the old ones and swaps.
// Each row carries the sequence of its message, and its number n among that message's rows.
//
// Exactly once: before it inserts, a projector stores which range of sequences the batch holds;
// after a crash it sends exactly that range again, to every table, with the same deduplication
// tokens, and only then goes on. Tables where several facts know parts of one row (jobs, devices,
// workers) keep each part's latest by sequence, whatever the order of arrival.
//
// The tables lag behind the log, by some 0.1 s in a quiet lab. What must be seen at once is asked
// of the lab's fold (package lab), not here. While ClickHouse is away the projector waits, and
// questions return [ErrAway] within seconds.
package projections
