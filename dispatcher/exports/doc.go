// Package exports runs the servers from which devices fetch a job's files: TFTP for boot loaders and
// HTTP for whatever has a network by then.
//
// # Whose they are
//
// A worker runs one of each for all its jobs, `strata run` for its one job. A job is a process of its
// own and writes into directories; it learns them, and how devices name what lies there, from the
// pipeline.Services that [Servers.For] returns. Both servers only read. They go with the worker and
// come back with it, on the same ports, while jobs run on.
//
// # What is served
//
// Every job has a folder, and a name is a folder and a path below it. A file is served if it is a
// regular one that all users may read (as 0644): what a job keeps to itself it makes 0600. Links lead
// nowhere outside the job's folder, directories are not listed, and a folder that is gone is gone on
// the server.
//
// # Port 69
//
// TFTP clients in boot ROMs know one port, and a host has one of it. Where it is somebody else's (a
// TFTP server of the host, or another worker's), the worker takes no port but writes into the directory
// of that server, into a folder of its own, and fetches a file of known content from it before it
// trusts it. What cannot be had is a fault that only jobs which need TFTP meet; the worker tries again
// every half minute.
package exports
