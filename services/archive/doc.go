// Package archive keeps everything that the lab's streams have ever held, so that the streams need to
// hold only what is recent.
//
// # Words
//
// The archive is a [Store]: a directory, or a bucket of S3. In it lie, for each of LAB, RESULTS and
// SUBMISSIONS, segments: runs of messages as zstd-compressed JSON lines. A segment names the SHA-256 of
// the one before it, so they make a chain. Texts of definitions lie beside, by their own digest, which the
// segment of SUBMISSIONS names; and one log a job, the job's messages of OUTPUT, whose digest the
// segment of LAB names beside the fact JobOutputComplete. So texts and logs can be erased, facts cannot,
// and the chain still verifies.
//
//	LAB/00000000000000000001-00000000000000000412.jsonl.zst   a segment: first and last sequence
//	LAB/index.json                                            the chain, for readers in a hurry
//	texts/ab/abcd….zst                                        a definition by its digest
//	logs/0/42.jsonl.zst                                       the log of job 42 (folders of 1000)
//	status.json                                               what the service did last
//
// # What it promises
//
// [Run] follows LAB, writes a job's log when its output is complete, and closes segments by number,
// size and age. It is the only one that purges streams, by sequence, and only what lies in a segment that
// was read back, is older than Deps.Keep, and that every reader, checkpoint and table has passed. What it
// reads it may read again after a restart: a segment is made once, by the name that it alone can have.
//
// [Reader] gives a log of package stream what was purged, so that folds, rebuilds and time travel begin
// at the first fact as ever. [Verify] reads everything and names each segment, text or log that is cut,
// swapped, altered or missing.
//
// Messages come of the streams through package stream, as they were written; nothing goes back.
package archive
