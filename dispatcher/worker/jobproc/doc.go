// Package jobproc is the inside of the process that runs one job on a worker.
//
// The worker makes a directory with the order in it and starts the hidden command of the binary
// with the directory as its argument. [Main] takes the directory's lock, says who it is in
// process.json, runs the job, appends what the job says to the spool, sends the spool to the bus over a
// connection of its own, and writes result.json last. Worker and process share no memory, pipe or
// socket: either may be killed at any time, and what lies in the directory tells the other one all.
//
// While the broker is away the job goes on and the spool grows. After the result is written the
// process stays a little while to send the rest; what it could not send the worker takes over.
package jobproc
