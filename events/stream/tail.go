package stream

import (
	"context"

	"strata/events"
)

// TailFrame is what a live reader gets.
type TailFrame struct {
	events.Frame
	Lost uint64 // lines before this frame that the reader was too slow for, or that are missing
}

// Tail follows the output of one job from a line on. What is stored already comes whole, as fast
// as the reader takes it. From then on he reads live: up to buffer frames wait for him; of more
// the oldest are lost to him, and the next frame says how many lines. Nobody else waits for him.
// The channel is closed when ctx ends, or on an error, which err then returns.
func (l *Log) Tail(ctx context.Context, job events.JobID, line uint64, buffer int) (frames <-chan TailFrame, err func() error) {
	in, out := make(chan tailed), make(chan TailFrame)
	var failed error
	go func() {
		defer close(in)
		var lost uint64
		failed = l.ReadOutput(ctx, OutputReader{
			Job:      job,
			SkipGaps: true,
			Next:     func(events.JobID, events.Lease) uint64 { return line },
			Gap:      func(_ events.JobID, from, to uint64) error { lost += to - from; return nil },
			Frame: func(f OutputFrame) error {
				in <- tailed{TailFrame: TailFrame{f.Frame, lost}} // the queue takes it, or ctx has ended
				lost = 0
				return nil
			},
			CaughtUp: func(uint64) error { in <- tailed{live: true}; return nil },
		})
	}()
	go func() {
		defer close(out)
		queue(ctx, in, out, max(1, buffer))
		for range in { // until the reading has ended
		}
	}()
	return out, func() error { return failed }
}

// tailed is a frame on its way to the queue, or the news that all after it is live.
type tailed struct {
	TailFrame
	live bool
}

// queue moves frames from in to out until in is closed or ctx ends. Once they are live it never
// keeps in waiting: where more than size of them wait, the oldest goes, and the one after it says so.
func queue(ctx context.Context, in <-chan tailed, out chan<- TailFrame, size int) {
	var waiting []TailFrame
	var live bool
	for in != nil || len(waiting) > 0 {
		var to chan<- TailFrame
		var head TailFrame
		if len(waiting) > 0 {
			to, head = out, waiting[0]
		}
		from := in
		if !live && len(waiting) >= size {
			from = nil
		}
		select {
		case t, ok := <-from:
			switch {
			case !ok:
				in = nil // what waits still goes out
				continue
			case t.live:
				live = true
				continue
			}
			waiting = append(waiting, t.TailFrame)
			if len(waiting) > size {
				waiting[1].Lost += waiting[0].Lost + waiting[0].Count
				waiting = waiting[1:]
			}
		case to <- head:
			waiting = waiting[1:]
		case <-ctx.Done():
			return
		}
	}
}
