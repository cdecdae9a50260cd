// Package sqldoor lets people's programs ask the lab's tables over ClickHouse's HTTP interface: any client
// of that interface connects as it would to a server (docs/sql-door.md).
//
// This package says who asks and speaks HTTP; package projections ([projections.Door]) says what may be
// asked and which rows there are for whom, and package projections/gate why a statement is refused.
//
// A caller names himself by a token of the lab, as password or key beside the user name default or his own. Without
// one nobody is answered, on the machine itself neither: any account of it, and any page in its browser, can reach a
// port of its own. Who may see which job, device and worker is what [lab.State.Sight] says.
//
// Statements are bounded in time, rows and memory by the engine, and each caller in how many run at once:
// further ones wait. When a client goes away, its statement ends.
package sqldoor
