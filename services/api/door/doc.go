// Package door is what the HTTP interfaces of the lab have in common: who asks, how much and how long
// they may, and what is noted of it. LAVA's XML-RPC (services/api/lavarpc) and REST stand behind it, on
// one listener.
//
// # Words
//
// A [Door] is open while the api of this process answers; before and after it says 503, so that clients
// try again. Behind it lies one [http.Handler], usually a mux of interfaces.
//
// A [Credential] is what a request says of its caller; [Who] makes a caller of it. Which answer a wrong one
// gets is the interface's to say: LAVA's clients expect 400, 401 or 403 here and there.
//
// # What it promises
//
// A request has a bounded body and a bounded time, and each caller's address a bounded number of them at a
// time: further ones wait, and are told 429 where they would wait long. A handler that panics answers 500
// and takes nobody else with it.
package door
