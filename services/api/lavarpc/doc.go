// Package lavarpc answers LAVA's XML-RPC: POST /RPC2, every method of LAVA 2026.07, for lavacli, SQUAD and
// the scripts of labs, which change nothing but the address.
//
// # Words
//
// A method is a row of a table: its name, what it takes, what it needs, how it is answered; the files are
// named for the parts of the interface that they hold. system.listMethods, methodHelp and the checks of
// arguments read the same rows. An answer is put together from the api's verbs ([api.Inside]), which also
// say what the caller may: nothing is decided here a second time.
//
// A [xmlrpc.Fault] is how a method fails. Its code is LAVA's for the api's class of error, its sentence
// LAVA's where clients match on it.
//
// # What it promises
//
// A caller is named by HTTP Basic, name and token; faults come with HTTP status 200, and only a credential
// that cannot be read or is wrong has another, as in LAVA. A job that the lab tried again is one job here,
// under its first number: these clients know no attempts. Secrets are in no answer: what LAVA marshals by
// accident, such as tokens of jobs, is left out.
//
// docs/compatibility.md lists what differs.
package lavarpc
