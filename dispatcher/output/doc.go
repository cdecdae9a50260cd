// Package output carries what a job says: log records and results, from the action that logs them
// to the bus.
//
// A [Logger] numbers the records of one job from 0, masks secrets, cuts records at 32 KiB and
// keeps the output limit. It hands each record to a write function: of a [Spool], which appends it
// to a file on the worker's disk, or of a terminal (`strata run`). A [Publisher] reads the spool
// and sends it as frames: at most 64 KiB each, 20 ms after the frame's first line, one in flight.
// It remembers on disk which frame it is sending, so that after a loss of the network, a kill or a
// restart exactly that frame goes again under the same message id, and readers that drop doubles
// see every line once.
//
// # Durability
//
// A record is handed to the kernel (one write each) before the Logger returns: a killed process
// loses nothing. The spool is synced to the disk every second and at its end, so a worker that
// loses power loses at most the last second, and its job is over then anyway. A line that was cut
// short by a crash of the machine is cut off when the spool is opened again.
package output
