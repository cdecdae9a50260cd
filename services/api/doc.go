// Package api is the lab's door on the bus: it answers requests on api.<user>.<verb>, and it
// writes the facts that a person's requests lead to.
//
// # Words
//
// A verb names one question or wish, such as "jobs.show" or "devices.add"; verbs.go lists them
// all. The user is a token of the subject, which the broker lets only that user publish on, so the
// caller is known without a word in the body. Requests and replies are JSON ([Client] sends them);
// an [Error] comes back with a [Code] for programs and a sentence for people.
//
// A verb that gives more than one message (a log, a stream of facts, rows of a query) opens a flow:
// messages to the caller's inbox, each acknowledged, at most [window] on the way. A slow caller
// is therefore waited for by its own flow only; what it has not read yet stands in the stream. A
// caller that says nothing for a minute loses its flow, not its place: it asks again from where it
// was.
//
// # What it promises
//
// What is current (jobs that are not over, devices, workers) is answered from the fold of the log,
// and goes on while ClickHouse is away. A single job is answered from its own facts, for as long as
// the streams hold them. Lists of what is over, and SQL, come from ClickHouse; where that is away
// the reply says so at once, with [Away]. Whoever has published a job sees it here from then on,
// before anything has looked at it.
//
// Facts are appended with the sequences that the answering fold had read. Who loses a race reads
// on and decides again, so a request is either refused with its reason or recorded once.
package api
