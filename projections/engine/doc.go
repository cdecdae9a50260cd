// Package engine is ClickHouse without a server: the library libchdb, opened at run time, behind an
// HTTP front on loopback that speaks as much of ClickHouse's HTTP interface as clickhouse-go needs.
//
// The library is ClickHouse itself, of the 26.7 line, with storage on disk, but it opens no ports.
// One process at a time may hold a data directory. So one process holds it and everybody else
// talks to its front:
//
//	strata up ── Start ──▶ child: strata clickhouse --path DIR --listen ADDR ── Serve ──▶ front
//	    ▲                                                                          ▲
//	    └── services with a DSN (http://default@ADDR/strata) ──── clickhouse-go ───┘
//
// [Serve] is the child's work: it opens the library, the data directory and the front, until its
// context ends. [Start] is the parent's: it runs the child, waits until it answers, and starts it
// again when it dies. A child of its own keeps a crash of the engine, its lock and its memory
// (0.2–0.45 GB) away from the services. A real server named by a DSN replaces all of this; what the
// two must have in common is told by the contract suite in this package's tests.
//
// # What the front does and does not
//
// Queries, parameters, settings per request, inserts in any input format, streaming results, block
// compression (LZ4, ZSTD) and gzip, typed errors before and after the first byte, cancelling by
// going away. It has no users, no sessions, no external tables and no progress headers. An empty
// result carries no column names. It answers whoever reaches its port, so that belongs on loopback.
//
// One fact makes it small: libchdb writes Native blocks of protocol revision 0, and clickhouse-go
// decodes blocks at the revision that the handshake query told it. The front answers that one query
// by hand, with revision 0, and passes everything else through.
package engine
