package stream

import (
	"context"
	"fmt"
	"time"
)

// Driver is a service's loop: fold what happened, then act.
type Driver struct {
	Name   string // of the service, such as "scheduling"; its checkpoint's name too
	Stream string // empty is Lab
	// Fold takes a fact. It cannot fail: the fact has happened.
	Fold func(Recorded)
	// Act is called whenever Fold has had everything there is: at the start, after new facts and at
	// the time it asked for. A zero wake asks for none. It is called with the time of Settings.Now.
	Act func(now time.Time) (wake time.Time, err error)
	// Checkpoint is nil for a fold that begins at the stream's first fact.
	Checkpoint *Checkpoint
	// Wake, where it is not nil, asks for another call of Act: for what a service hears besides facts.
	Wake <-chan struct{}
}

// Drive runs a loop over Lab without a checkpoint; see [Log.Run].
func (l *Log) Drive(ctx context.Context, name string, fold func(Recorded), act func(now time.Time) (wake time.Time, err error)) error {
	return l.Run(ctx, Driver{Name: name, Fold: fold, Act: act})
}

// Run drives a service until ctx ends, which is an orderly stop: it saves the checkpoint and
// returns nil. An error of Act, or a fact that this binary cannot read, ends it too. Fold and Act
// are called by this goroutine alone, so that their state needs no lock.
func (l *Log) Run(ctx context.Context, d Driver) error {
	if d.Stream == "" {
		d.Stream = Lab
	}
	seq, err := l.restore(ctx, d)
	if err != nil && ctx.Err() != nil {
		return nil // stopped while it was starting
	}
	if err != nil {
		return fmt.Errorf("drive %s: %w", d.Name, err)
	}
	loop := &loop{l: l, d: d, seq: seq, saved: seq, savedAt: time.NewTimer(0)}
	<-loop.savedAt.C
	if err := loop.run(ctx); err != nil {
		return fmt.Errorf("drive %s: %w", d.Name, err)
	}
	return nil
}

// step is what the reading goroutine hands to the loop: a fact, or the news that there are no more.
type step struct {
	fact     Recorded
	caughtUp bool // everything there is has been handed over; fact may be empty
}

// loop is a running driver.
type loop struct {
	l        *Log
	d        Driver
	seq      uint64      // of the last folded fact
	caughtUp bool        // nothing more was waiting then
	due      bool        // Act should be called
	saved    uint64      // seq of the last checkpoint
	savedAt  *time.Timer // fires when a checkpoint is due by time
	saving   chan error  // answers when a save is through; nil when none is under way
}

func (p *loop) run(ctx context.Context) (err error) {
	reading, stop := context.WithCancel(ctx)
	steps, failed := p.read(reading)
	defer func() {
		stop()
		for range steps { // until the reading goroutine has ended
		}
		if serr := p.finish(ctx); serr != nil {
			p.l.warn("checkpoint not saved", "service", p.d.Name, "error", serr)
		}
	}()
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	if p.d.Checkpoint != nil {
		p.savedAt.Reset(p.d.Checkpoint.period())
	}
	for {
		if p.due && p.caughtUp {
			now := p.l.s.Now()
			at, err := p.d.Act(now)
			if err != nil {
				return ignoreCancel(ctx, err)
			}
			p.due = false
			wake.Stop()
			if !at.IsZero() {
				wake.Reset(max(0, at.Sub(now)))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case s, ok := <-steps:
			if !ok {
				return <-failed
			}
			p.fold(s)
			p.drain(steps)
		case <-wake.C:
			p.due = true
		case <-p.d.Wake:
			p.due = true
		case <-p.savedAt.C:
			p.save(ctx, p.seq > p.saved)
			p.savedAt.Reset(p.d.Checkpoint.period())
		case err := <-p.saving:
			p.saving = nil
			if err != nil {
				p.l.warn("checkpoint not saved", "service", p.d.Name, "error", err)
			}
		}
		if c := p.d.Checkpoint; c != nil {
			p.save(ctx, p.seq >= p.saved+uint64(c.facts()))
		}
	}
}

// read follows the stream in a goroutine of its own, so that decoding and folding go side by side.
// steps is closed when it has ended; failed then has why.
func (p *loop) read(ctx context.Context) (steps chan step, failed chan error) {
	steps, failed = make(chan step, 1024), make(chan error, 1)
	send := func(s step) error {
		select {
		case steps <- s:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	go func() {
		defer close(steps)
		err := p.l.follow(ctx, p.d.Stream, p.seq+1,
			func(r Recorded) error { return send(step{fact: r}) },
			func() error { return send(step{caughtUp: true}) })
		failed <- ignoreCancel(ctx, err)
	}()
	return steps, failed
}

// fold takes one step.
func (p *loop) fold(s step) {
	p.due = true
	p.caughtUp = s.caughtUp
	if s.fact.Event == nil {
		return
	}
	p.d.Fold(s.fact)
	p.seq = s.fact.Seq
}

// drain takes what is there already, so that Act sees it all at once; at most what the channel
// holds, so that ctx and timers get their turn.
func (p *loop) drain(steps <-chan step) {
	for range cap(steps) {
		select {
		case s, ok := <-steps:
			if !ok {
				return // the next receive of the loop sees it too
			}
			p.fold(s)
		default:
			return
		}
	}
}
