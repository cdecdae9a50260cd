// Package download brings artefacts to the worker: the action download-retry and below it one
// action a URL scheme.
//
// A file is decompressed and hashed as it arrives, under a name that ends in .part, and gets its
// own name only when it is whole and its checksums are right: an interrupted download leaves
// nothing that could be taken for an artefact. A connection that breaks in the middle is taken up
// where it broke, where the server allows that.
//
// Who is to blame: a server that cannot be reached or answers with an error is Infrastructure, as
// is a body that ends early; a wrong checksum or an archive that cannot be unpacked is Job.
package download
