// Package logbook keeps jobs' logs on this machine's disk in a form in which any line is found at once: what the
// log viewer reads from. A log of ten million lines opens at its end, jumps, filters by level and is searched
// without being read from its beginning.
//
// # Words
//
// A [Book] is one job's log. It is cut into leaves of some two thousand lines; each is compressed twice, once as
// the records that came and once as plain text, which is what people search. A leaf's entry in memory says which
// lines it has, how many of each level, and which three-letter pieces its text may have (a Bloom filter), so
// that a search for a rare word opens only the leaves that have it.
//
// Lines are numbered from 0, as everywhere. A row is the number of a line among those of the levels that
// somebody wants to see; where that is all of them, rows are lines.
//
// A [Shelf] is the directory of books. It fills a book the first time that somebody opens it, goes on while the
// job runs and somebody looks, and removes those that nobody opened for the longest time when they are too many.
//
// # What it promises
//
// A book is a copy: frames of OUTPUT, or the archive, are what counts, and a book that is lost or damaged is made
// again. Nothing here knows rights or erasures; services/api asks for those before it opens a book, and has the
// shelf forget what was erased. Lines that never came are told as a gap of any length without room on the disk.
//
// # Where things are
//
// shelf.go opens, fills and removes books; book.go is one of them, leaf.go its parts on the disk. record.go
// reads what dispatchers wrote, escape.go takes out what only a terminal needs; outline.go finds actions,
// tests and findings while a book is filled, search.go goes through it.
package logbook
