// Package lab is the fold that every service shares: what the lab looks like after the facts that
// were read so far.
//
// # Words
//
// A [State] takes the facts of the stream LAB one by one ([State.Evolve]) and answers what stands
// where: jobs, devices, device types, workers, tags. The state machines stand here once, as pure
// functions: [Job.After], [Device.After], [Worker.After] say what a fact makes of an entity. A
// service adds an index of its own on top and never repeats a transition.
//
// # What it promises
//
// Evolve cannot fail: a fact has happened. One that does not fit the state that it meets (the end
// of a job that has ended, a lease that is over) changes nothing but the sequence of its entity,
// always and everywhere alike, so every service sees the same lab. Folding a fact twice is folding
// it once: an entity remembers the sequence of its last fact. [State.Seq] hands that out as the
// expectation of the next append.
//
// A job leaves memory once it is over: at once when it never had a device, else when its device is
// released and its output complete; parts of a multinode job leave together. A [Past] stays behind
// for the last few thousand of them, for requests that come late; for older ones there is the
// entity's own history in the log.
//
// State is not safe for use by several goroutines at once. What its lookups return belongs to it:
// read, never change. It knows no clock: rules that depend on the time are given it.
package lab
