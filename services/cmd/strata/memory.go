package main

import (
	"runtime"
	"runtime/debug"
	measured "runtime/metrics"
)

// The lab's process makes much garbage and holds little that lasts: some tens of megabytes, while its queue is short. Go
// collects whenever the heap has doubled, which is several times a second then under load; more than a tenth of the
// processor time went there, and requests in hand waited for it. With more room it collects less often. But a heap that
// is large already must not be given the same factor, or a gigabyte would become five.

// Bounds of what the heap may grow by until it is collected.
const (
	heapRoom       = 256 << 20 // bytes that garbage may take where as much is free to have
	mostGCPercent  = 400       // of what is live, so that a small process stays one
	leastGCPercent = 100       // Go's own
)

// gcPercent is how much a heap may grow until the next collection, in per cent of the bytes that were live after the last.
// 400 up to 64 MiB that are live, 100 from 256 MiB on.
func gcPercent(live uint64) int {
	return int(min(max(heapRoom*100/max(live, 1), leastGCPercent), mostGCPercent))
}

// giveRoom has the heap collected less often while it is small, from now on. Who has set GOGC has decided, and nothing
// is done; GOMEMLIMIT holds in any case, as Go collects more often near that limit whatever the percentage is.
// It is called once a process, by commands that run services: a client is over before it matters.
func giveRoom(env func(string) string) {
	if env("GOGC") != "" {
		return
	}
	debug.SetGCPercent(mostGCPercent)
	afterCollection(&room{percent: mostGCPercent})
}

// room is the percentage that holds.
type room struct{ percent int }

// afterCollection has r looked at once the next collection is done, and after each that follows: an object that nobody
// holds is finalized then. A tick of the clock would come late for a heap that grows fast.
func afterCollection(r *room) {
	type nobodys struct{ _ [16]byte } // smaller ones share a block with others that live on
	runtime.SetFinalizer(&nobodys{}, func(*nobodys) {
		live := []measured.Sample{{Name: "/gc/heap/live:bytes"}}
		measured.Read(live)
		if live[0].Value.Kind() == measured.KindUint64 {
			// A change stops the world for a moment: small ones are not worth that.
			if want := gcPercent(live[0].Value.Uint64()); want < r.percent*9/10 || want > r.percent*11/10 {
				debug.SetGCPercent(want)
				r.percent = want
			}
		}
		afterCollection(r)
	})
}
