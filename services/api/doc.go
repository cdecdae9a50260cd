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
//
// # How a request goes
//
// On the bus it comes to answer (api.go). Its caller's rate counts it, it becomes a caller with rights
// and a trace of where from (who.go), and waits for its turn (services/api/turns). The job that it names by text
// gets its number (numbers.go); admit refuses who may not ask the verb at all. From a door of this
// process the same begins with [Inside] (inside.go), on the door's own goroutine and without a turn.
//
// A verb decodes its request strictly and answers from one of four places: the fold, under the lock, by
// [api.read]; one job's own facts (jobs.go, viewjob.go); the results of a job (export.go); or the tables
// (jobfind.go, queryrun.go, past.go), with what the tables may not have yet (fresh.go). Answers of tables
// are kept until the next fact (kept.go). Rights are asked by allow for things in the fold, by mayJob for
// jobs of any age, and by sight for rows of tables (rights.go).
//
// What changes anything decides within record (record.go), which appends the facts on the condition that
// nothing about their entities has happened since, and folds them at once. Nothing else writes facts, but
// for the replay of notifications, which needs no condition.
//
// # Where things are
//
//	jobs         jobs.go jobfind.go jobwhole.go attempts.go viewjob.go, their texts jobtexts.go, why.go
//	results      cases.go export.go judgement.go files.go download.go
//	logs         joblog.go; by window, outline and search logview.go (services/api/logbook); search.go
//	devices      devices.go devicetypes.go dictionary.go render.go preview.go configs.go describe.go
//	by hand      hands.go holds.go; the console of a job console.go
//	workers      workers.go workerfiles.go enroll.go
//	people       people.go permissions.go delegated.go tokens.go password.go signin.go session.go acting.go
//	queries      queries.go queryrun.go queryexport.go; chart*.go; SQL history.go
//	the queue    queue.go policy.go reservations.go availability.go
//	imports      importing.go; of a LAVA server labimport.go labmerge.go labdevice.go peopleimport.go
//	the log      facts.go audit.go at.go; what is hidden in it hiddenjobs.go
//	submissions  inside.go once.go verdict.go
//
// The types that doors and commands share stand in views.go, or beside the verb that takes them.
package api
