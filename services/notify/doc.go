// Package notify tells people and programs of jobs, as the block `notify` of a definition asks: by callback,
// by mail and on IRC.
//
// # Words
//
// A moment is what is told of: a job runs, or it has finished. A plan says for one moment of one job whom to
// tell; it is recorded as [events.NotificationPlanned]. A delivery is one message of a plan to one receiver. A
// destination is a host and port that deliveries go to, and has a queue of its own: receivers that hang
// hold up nobody else. A dead letter is a delivery that was given up.
//
// # What it promises
//
// Each moment of each job is planned once: the plan is appended on the condition that there is none yet.
// A delivery goes out at least once: it is tried, with growing pauses, until the receiver has taken it
// ([events.NotificationSent]) or it is given up ([events.NotificationFailed]). What is recorded as sent is never
// sent again by a restart; a process that dies between a receiver's answer and the fact sends that one
// delivery twice, with the same number, by which receivers tell. Of several processes that run this service one has
// the turn ([stream.Turn]); the others wait, know nothing and begin with the log when it is theirs. Who stops waits
// for the answers that are due and records them; who loses the broker ends its attempts before another begins.
//
// What a message says is made of the facts, the output and the results when it goes. It waits for the
// output to be complete, at most [Patience] after the job's end ([PatienceLost] where its worker is gone), then goes
// with what has arrived and says so. The first attempt of a job that is tried again is told of when the last
// one has ended, and names both.
//
// Callbacks and IRC go to addresses that people choose. Private ones are refused unless the lab's
// configuration allows them; that is judged of the address that is dialled, so neither a name nor a redirect gets
// around it. No secret is logged or gets into a fact.
//
// # Where things are
//
// state.go folds what waits to be told of, decide.go says what becomes of a moment, story.go reads a job's
// facts for that. notify.go plans and holds the loop, queue.go has deliveries wait for their destination,
// deliver.go makes attempts and records them. payload.go, text.go and output.go write what is said, tables.go
// asks queries; webhook.go, mail.go and irc.go send it, and address.go says where it may go.
package notify
