// Package cache keeps what jobs download, so that the next job need not.
//
// Every job is a process of its own, and all jobs of a worker share one directory; nothing else joins
// them. So everything here is files, locks on files, and renames.
//
// # How a download is found
//
// By its checksum first: where the job names one and the content is there, nobody asks the network.
// Otherwise by its URL: the server is asked whether its version is still the one that is kept, and
// where it names no versions the file is fetched again. Of many jobs that want the same file at once,
// one fetches it, and the others wait and take it: whoever holds the lock of a URL fetches, and who
// gets the lock after it finds the content, fresher than its own question.
//
// # How it is kept
//
//	objects/ab/<sha256>   content as it was transferred, by its SHA-256
//	sums/<algorithm>-<hex>   which object has a checksum, and its size
//	sources/<key>.json    which object a URL had, and the server's word for that version
//	partial/<key>         a download under way, or broken off: the next job asks for the rest
//	locks/<4 hex>         held by who fetches
//
// A key is a digest of the URL and of the headers of the request. What was fetched with headers, or
// with a password in the URL, is found by the same request only, never by checksum.
//
// # What it promises
//
// Content is complete or not there: it is synced and renamed, after a crash too. It is hashed again
// as it is read, and what a disk has spoiled is removed and reported as [ErrDamaged]. The directory
// stays below its limit by giving up what was not used for longest. A cache that fails (a full disk, no
// rights) fails no job: the download goes past it.
package cache
