package main

import "runtime"

// leastProcessors is how many goroutines run at the same time at least, also on a machine with fewer cores.
//
// Go hands a processor of its own on when a goroutine waits, or after 10 ms of work: on two cores a request that has come
// stands behind two others that compute, or behind a collection that takes one of the two for itself. With more of
// them the kernel shares the cores out, in turns of a few milliseconds at the most. A lab of two cores answered the question
// for its version within 4 ms where it took 8 (p99, all submitting), and took not fewer submissions. From four cores on
// there are enough to find one free.
const leastProcessors = 4

// giveProcessors has goroutines take turns more often on a small machine, from now on. Who has set GOMAXPROCS has
// decided, and nothing is done. It is called once a process, as [giveRoom] is.
func giveProcessors(env func(string) string) {
	if env("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < leastProcessors {
		runtime.GOMAXPROCS(leastProcessors)
	}
}
