// Package door is what the HTTP interfaces of the lab have in common: who asks, how much, how often and how slowly
// they may, and what is noted of it. LAVA's XML-RPC (services/api/lavarpc) and REST stand behind it, on
// one listener.
//
// # Words
//
// A [Door] is open while the api of this process answers; before and after it says 503, so that clients
// try again. Behind it lies one [http.Handler], usually a mux of interfaces.
//
// A [Guard] stands before all that a port answers, also beside the door, and [Connections] before that: what they
// bound costs the lab something before anybody has said who asks.
//
// A [Credential] is what a request says of its caller; [Who] makes a caller of it. Which answer a wrong one
// gets is the interface's to say: LAVA's clients expect 400, 401 or 403 here and there.
//
// # What it promises
//
// A request has a bounded body, which has to come at a pace, and its answer has to be taken at one. Each token or
// session that the lab knows has a rate. Each user has a bounded number of requests at a time, whatever tokens they
// come with: further ones wait for their turn (services/api/turns), and are told 429 where they would wait long. All
// others of one address are counted as one, for both. A handler that panics answers 500 and takes nobody else with it.
//
// Only proxies that the lab trusts are believed whose request they pass on.
//
// # Where things are
//
// connections.go bounds a port's connections, guard.go the pace of each and whom a proxy speaks for, door.go
// and limits.go requests by caller. who.go and session.go find out who asks, by token and by cookie.
package door
