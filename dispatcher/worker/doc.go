// Package worker holds a lab's orders on the machine that the devices hang on: it takes them from the
// bus, runs one process per job, and reports what became of each.
//
// # Parts
//
// The link dials out to the broker, and nothing dials in. While connected it is in a session: it reads
// every order that waits, sends the reports that wait, tells which leases are held (the holding
// report), and from then on renews its presence. The [supervisor] is one goroutine that alone decides about jobs;
// it hears of orders, of processes that ended and of the clock. A job's process is a session of
// its own in the sense of the operating system, so that it outlives the worker; package jobproc is
// its inside. A courier sends what is left of a spool when the process that should have sent it is gone.
//
// Beside jobs, people use devices by hand ([manual]): what they ask comes live on hands.<worker> and is kept
// nowhere. The supervisor lets such a session begin only where no job has the device, and fences it by a lease as
// it does a job.
//
// # On disk
//
// The state directory is the worker's only memory, and what is acknowledged to the bus was synced there
// before:
//
//	place                     random name of the directory, which tells two workers of one name apart
//	leases.json               highest lease seen of each device
//	reports/<number>.json     reports that the broker has not acknowledged yet
//	exports/                  what devices fetch by TFTP, see package exports
//	cache/                    downloads that jobs share, see package cache
//	jobs/<job>-<lease>/       order.json, state.json, process.json, lock, result.json, spool, …
//	jobs/….broken/            a job that could not be read and was set aside, for people to look at
//
// # Promises
//
// An order is started at most once, and never one whose lease is lower than the highest known for
// its device: the lease is raised on disk before the order is acknowledged. No two processes hold one
// device. Reports are sent at least once, in order. A worker that is restarted takes its running
// jobs back and reports those that ended meanwhile; one that cannot reach the broker lets its jobs go
// on. Nothing here waits for the network while a job could be served.
package worker
