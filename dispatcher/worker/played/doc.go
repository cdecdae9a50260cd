// Package played is a worker whose devices are played: it takes a lab's orders, says what a script
// says on consoles that are not there, and reports how each job ended.
//
// It is for rehearsal (what does the lab do when every tenth job fails, when a board hangs?) and for
// load. To the lab it is a worker like any other: the same rights, orders, reports, leases, presence and
// output, each job's under that job's own credential. What it does not have is what makes a real
// worker slow: no process for each job, and nothing on disk. So no pipeline is planned and no action
// runs; the job definition is not even read. A job is a whole that the script plays, and which of the
// script's jobs it is, is drawn from the seed and the job's number, so that a rehearsal can be repeated.
//
// Nothing survives its end: jobs that ran then are unknown to the next one of the name, and the lab
// ends or repeats them, as it does after the loss of a worker's disk. That too can be rehearsed.
//
// [Parse] reads a script, [Plain] makes the one for load, [Run] is the worker. docs/simulation.md has
// the format.
package played
