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
// # Faults
//
// Scripts match on code and sentence, so both are part of the interface:
//
//	-32600, -32603  "Unable to decode request": XML that is no call; no XML
//	-32601          "No such method: '<m>'"
//	-32602          the shape of a system.multicall
//	-32603          "Internal Server Error (contact server administrator for details): …", what LAVA did not
//	                expect: a wrong number of arguments, and the few lookups that LAVA does not catch
//	400             the request is wrong, or in conflict with what there is
//	401             a user and a token are wanted; of results and some old methods also what is 403 elsewhere
//	403             the caller may not: "User '<u>' is missing permission <p> .", or a sentence about the thing
//	404             there is none, in LAVA's spelling of the kind, which varies: DeviceType, Device-type
//
// # The order of refusals
//
// A call is held against its row in this order, which recordings of a LAVA have: the method's name, the number of
// arguments, whether there is a user, a permission that is wanted first; then the method does its work, and whatever is
// wrong, one who lacks the row's permission is told that in its place.
//
// # Values
//
// Times are dateTime.iso8601 in UTC, but in verbose lists and in YAML, where they are Python's text. Files and logs are
// base64, definitions, results and jobs.configuration are text. A job is named by an integer, or by a text such as 41.2
// for a part of a group; methods take either, and "41" too. What has no value is nil, where LAVA's column is null.
//
// # A further method
//
// It takes a row and a function from a [call] to a value of package xmlrpc; arguments are read by their place ([call.text]
// and the like), an error of the api is worded by [missing], [bad] or [as] where clients match on LAVA's sentence. A test
// counts the rows, for LAVA's release has so many.
//
// docs/compatibility.md lists what differs.
package lavarpc
