// Package scheduling gives waiting jobs their devices.
//
// # What it does
//
// The service folds the facts of LAB and decides whenever it has read them all: [decide] is a pure
// function of what was read and the time. It gives the best job first: health checks before users'
// jobs, then by priority, then by number. A job gets a device of its type that carries all its tags
// and stands where it is pinned to; of several the one with the fewest tags, then the one that is
// idle for longest, so that a rare board is not spent on a job that any board can run. The parts of
// a multinode job get their devices in one batch, or none does. Jobs whose cancel was asked for
// leave the queue, and so do those whose queue timeout is over; the fact says why.
//
// # What it promises
//
// A device is never given twice and a job never gets two devices, however many schedulers run: a
// batch is recorded only if its jobs, its devices and the rounds before it are what was read. Each
// batch opens with RoundDecided, on one subject for all schedulers, because the limit of a worker
// hangs on no single device. Who loses the race reads on and decides again. The lease of an
// assignment is the sequence up to which the decision had read, so it grows with each assignment
// of a device.
//
// # How it stays fast
//
// Nothing scans the lab. Waiting jobs stand in one heap per shape (type, pins, tags), free devices
// in one set per type. A fact marks the types for which it made something possible (a job came, a
// device or a place on a worker became free); a decision looks at those types only.
package scheduling
