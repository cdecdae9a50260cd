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

// Tail follows the output of one job from a line on, as it comes. Up to buffer frames wait for a
// reader; of more the oldest are lost to him, and the next frame says how many lines. Nobody else
// waits for him. The channel is closed when ctx ends, or on an error, which err then returns.
func (l *Log) Tail(ctx context.Context, job events.JobID, line uint64, buffer int) (frames <-chan TailFrame, err func() error) {
	in, out := make(chan TailFrame), make(chan TailFrame)
	var failed error
	go func() {
		defer close(in)
		var lost uint64
		failed = l.ReadOutput(ctx, OutputReader{
			Job:      job,
			SkipGaps: true,
			Next:     func(events.JobID) uint64 { return line },
			Gap:      func(_ events.JobID, from, to uint64) error { lost += to - from; return nil },
			Frame: func(f OutputFrame) error {
				in <- TailFrame{f.Frame, lost} // the queue below always takes it
				lost = 0
				return nil
			},
		})
	}()
	go func() {
		defer close(out)
		queue(ctx, in, out, max(1, buffer))
	}()
	return out, func() error { return failed }
}

// queue moves frames from in to out until in is closed. Where more than size of them wait, the
// oldest goes, and the one after it says so.
func queue(ctx context.Context, in <-chan TailFrame, out chan<- TailFrame, size int) {
	var waiting []TailFrame
	for {
		var to chan<- TailFrame
		var head TailFrame
		if len(waiting) > 0 {
			to, head = out, waiting[0]
		}
		select {
		case f, ok := <-in:
			if !ok {
				flush(ctx, waiting, out)
				return
			}
			waiting = append(waiting, f)
			if len(waiting) > size {
				waiting[1].Lost += waiting[0].Lost + waiting[0].Count
				waiting = waiting[1:]
			}
		case to <- head:
			waiting = waiting[1:]
		}
	}
}

// flush hands over what still waits when the reading has ended, unless nobody wants it.
func flush(ctx context.Context, waiting []TailFrame, out chan<- TailFrame) {
	for _, f := range waiting {
		select {
		case out <- f:
		case <-ctx.Done():
			return
		}
	}
}
