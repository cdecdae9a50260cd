// Package stream is the lab's log on NATS JetStream: it appends facts, follows them, and reads the
// frames of jobs' output.
//
// # Words
//
// The facts of the lab stand in the stream [Lab], in one total order; results in [Results]; frames
// of output in [Output]; job definitions in [Submissions]. A [Draft] is a fact to be recorded, a
// [Recorded] one that has its place. An entity's facts stand on one subject; the sequence of the
// last of them is what a decision about that entity was based on.
//
// # What it promises
//
// [Log.Append] records all of its drafts or none. It is given the sequence that each entity was
// last read at, and returns [ErrConflict] where somebody was faster: read on, decide again. It
// tries again by itself while the broker is away, for [Settings.Patience], with the same message
// ids, so that nothing is recorded twice; what is acknowledged is on disk (the broker is refused
// where it does not sync, see [Open]).
//
// [Log.Follow] and [Log.Drive] hand over every fact once and in order, from any sequence on, across
// restarts of the broker. They pull, so a slow reader slows nobody. Handing over is at least once
// across restarts of the reader: a fold begins again at its checkpoint, and effects outside the
// log have to be keyed by the fact that caused them.
//
// [Log.ReadOutput] hands over the lines of jobs in order, without doubles, and tells of gaps.
// [Watching] does so for any number of live readers of a job, each at his own pace, at the cost of one.
package stream
