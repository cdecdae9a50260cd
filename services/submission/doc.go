// Package submission decides about every job definition that is published: whether it becomes a
// job that waits for a device (JobSubmitted), or is refused (JobRejected).
//
// # Publishing a job
//
// Anything that speaks NATS can submit: it publishes YAML to submit.<user>, and the sequence in the
// broker's acknowledgement is the job's number. The text is kept as it came, byte for byte. A
// client that is not sure whether its message arrived sends it again with the same Nats-Msg-Id:
// within [stream.SubmissionWindow] (one hour) the broker answers with the first number and keeps one
// text. As the broker holds the ids of all users in one table, an id must start with the user's name
// and a slash; a submission with another is rejected.
//
// Only services may publish to submit.api and submit.lava-health. There the headers strata-user and
// strata-pin-device count: for whom a door submits, and on which device the job has to run. What
// lava-health submits is a health check: as in LAVA it passes neither the gate nor the look at what
// is available, since it has to run on a device that may be anything but available.
//
// # What is checked
//
// First the gate (package [strata/schemas/job]), then what the definition asks for is looked up in
// the lab, in LAVA's order and with its messages: device type, pinned device and worker, rights,
// number of devices, tags, priority. Devices in Maintenance or Bad count as available, retired ones
// do not: a job may wait for a repair. So may one for a type that takes no jobs at the moment.
//
// A multinode definition P is split. The texts of its parts are published to part.<P>.<n>, in one
// atomic batch that goes through only where none of them is there; then one batch of facts has a
// JobSubmitted for each part and DefinitionSplit. Part 0 has the number P, the others that of their
// text, and the group's id is made from P: a restart in the middle finds the texts and repeats
// nothing.
//
// A job that ended by the lab's fault, and may be retried, is published again to part.<P>.r<n>, which
// goes through once. That text is read in its turn, and becomes a job in one batch with JobRetried on the
// first attempt; it is for any device but the one that failed.
//
// # What it promises
//
// Each submission is decided once, in the order of the numbers, by however many instances there
// are: its fact has to be the first of its job. How far they got is part of the fold, so a restart
// goes on where the facts end. Where more than a few wait at the same moment their decisions share a
// batch, for which the broker takes about 3 ms, whether it has a hundred facts or two. A decision is made only once
// all facts are folded that were there when the submission was read: a device that was added before
// a job was submitted is known to it.
//
// # Where things are
//
// inbox.go reads ahead, runs the gate and asks how far LAB has come; request.go is what is left of a text
// after that. decide.go asks the lab and says which facts come of it, gang.go whether a group could ever start. parts.go publishes the
// texts of parts, retry.go those of further attempts; submission.go holds the loop, state.go what it knows.
package submission
