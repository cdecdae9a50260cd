// Package live tells what happens in the lab as it happens: a job's log by server-sent events and by
// websocket, facts by server-sent events, and LAVA's event stream by websocket (/ws/) and by ZeroMQ.
//
// # Words
//
// An [Event] is what LAVA tells of a change: its topic, the changed words and when. A fact becomes no
// event, one, or two (a job that starts changes its device too). Topics are "testjob", "device", "worker"
// and "event" (the text of lava-test-event), below the lab's own prefix.
//
// # What it promises
//
// LAVA's events are told once, to who listens at that moment: they have no numbers and no replay, and
// clients live with that. Whoever must miss nothing reads facts, which have both: every server-sent
// event has an id, and a client that comes back with it (Last-Event-ID, which browsers send by
// themselves) goes on where it was. The id of a log's event is its line's number.
//
// Every listener has a queue of his own. One who does not read is cut off and told why where the
// protocol has a word for that; his log's lines and facts wait for him in the lab's streams.
//
// Everybody hears of what he may see, as lab.Can has it.
//
// # Where things are
//
// live.go folds the lab and hands events to listeners; translate.go says which events a fact is, event.go
// how LAVA writes them, lavasocket.go tells them at /ws/. log.go reads a job's log for sse.go and
// logsocket.go, chunk.go writes it once for all who watch, sender.go keeps an answer of server-sent events
// alive. logview.go and console.go are the log viewer's questions, which services/api answers.
package live
