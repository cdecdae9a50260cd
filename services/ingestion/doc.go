// Package ingestion turns the output of jobs into facts of results, and says when all of it has been
// read.
//
// One goroutine reads OUTPUT through the log's frame reader, which hands over each job's lines in
// order and once. From each frame it takes the records of level "results" and appends what they say
// as one ResultsRecorded on result.<job>, so results appear as they happen. Frames without results
// lead to no fact. Another goroutine follows LAB: it knows which lease each job has, frames of another
// are dropped, and it appends JobOutputComplete when the lines that the finish report counted have been
// read, when the worker of a lost job says that its spool is empty, or when a limit has passed.
//
// # Exactly once
//
// Each ResultsRecorded names the stretch of lines that it covers and is appended with the expected
// sequence of result.<job>. Where the stretch of a frame was recorded before, by an earlier run or by another
// ingestion beside this one, only what lies behind it is. Counts are kept with the place in OUTPUT that they
// were counted to, in one checkpoint, so that a restart counts no line twice.
package ingestion
