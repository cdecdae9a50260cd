// Package lavajob stands in for a job that a dispatcher of LAVA runs on a machine of its own. It is a job's
// process like any other to the worker that holds it: orders, leases, spool and reports are that worker's.
// In place of a pipeline it answers LAVA's worker interface for this one job, on loopback: the far
// dispatcher fetches what the job is made of, says that it runs, sends its log and says how it ended.
//
// # What it promises
//
// Lines are taken once, whatever the sender repeats: he says how many he knows to be taken. What was
// acknowledged is in the spool. Whoever does not have the job's token is told nothing.
package lavajob
