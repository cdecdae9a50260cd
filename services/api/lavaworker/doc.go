// Package lavaworker answers LAVA's worker interface (/scheduler/internal/v1/), so that an unmodified
// lava-worker with its dispatcher serves devices of this lab.
//
// # Words
//
// For each LAVA worker that asks there is a stand-in: a worker of ours on this machine that has its name,
// takes its orders from the bus and reports for it ([worker.Run]). Each job that the stand-in holds is
// a process of package lavajob, which answers what the far dispatcher asks of that job.
//
// # What it promises
//
// The stand-in is there while the far worker asks, and a little longer: then the lab sees the worker
// offline, and says what becomes of its jobs as for any worker. When either side is started again a job
// goes on: its process outlives this one, and the far dispatcher repeats what was not acknowledged. A
// job's lines are taken once.
//
// The far worker's release need not be ours: the interface has not changed since it was made, in 2020.09. An older
// worker is given no new jobs.
package lavaworker
