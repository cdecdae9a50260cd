package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
	"strata/events/stream"
)

// follower projects one stream into one database.
type follower struct {
	p      *Projector
	db     *DB
	stream string
	counts *Counts
	claim  *claim
	until  uint64 // stops there; 0 follows until its context ends
	erased *erasedJobs

	ledger *ledger
}

// follow projects the stream from where the tables are. It returns nil when it has reached until.
func (f *follower) follow(ctx context.Context) error {
	ledger, at, err := f.claim.ledger(ctx, f.stream)
	if err != nil {
		return err
	}
	f.ledger = ledger
	if err := checkAhead(ctx, f.p.s.Log, f.stream, at.Last); err != nil {
		return err
	}
	f.counts.Away.Store(false)
	r := &builder{
		db: f.db, log: f.p.log, models: f.p.models, jobs: map[events.JobID]*coverage{},
		stored: f.counts.Position.Load, erased: f.erased,
	}
	if !at.Done {
		if err := f.again(ctx, r, at); err != nil {
			return err
		}
	}
	f.counts.Position.Store(at.Last)
	if f.until != 0 && at.Last >= f.until {
		return nil
	}
	return f.live(ctx, r, at.Last+1)
}

// again sends the range that was under way when the last projector ended: the same messages with
// the same tokens, so it does not matter what of it had arrived.
func (f *follower) again(ctx context.Context, r *builder, at position) error {
	b := newBatch(f.stream)
	err := f.p.s.Log.ReadMessages(ctx, f.stream, at.First, at.Last, func(m stream.Message) error {
		return r.add(ctx, b, m)
	})
	if err != nil {
		return fmt.Errorf("read %d to %d of %s again: %w", at.First, at.Last, f.stream, err)
	}
	// What was erased since does not change the range's name.
	b.first, b.last = at.First, at.Last
	return f.store(ctx, b)
}

// live reads from a sequence on, batches by count and age, and inserts. Reading goes on while a
// batch is inserted, up to one full batch ahead.
func (f *follower) live(ctx context.Context, r *builder, from uint64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	messages, batches := make(chan stream.Message, 64), make(chan *batch)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(messages)
		each := func(m stream.Message) error {
			select {
			case messages <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		var err error
		if f.until != 0 { // whose message may have been erased: the stream's end is as good
			err = f.p.s.Log.ReadMessages(ctx, f.stream, from, f.until, each)
		} else {
			err = f.p.s.Log.FollowMessages(ctx, f.stream, from, each)
		}
		if err != nil {
			cancel(fmt.Errorf("follow %s: %w", f.stream, err))
		}
	})
	running.Go(func() {
		defer close(batches)
		if err := f.gather(ctx, r, messages, batches); err != nil {
			cancel(err)
		}
	})
	for b := range batches {
		if err := f.store(ctx, b); err != nil {
			cancel(err)
			break
		}
	}
	// Nothing reads batches any more where store failed; gather sees ctx end.
	running.Wait()
	if f.until != 0 && f.counts.Position.Load() >= f.until {
		return nil
	}
	return context.Cause(ctx)
}

// gather makes batches. One is due when it is full, when its first message is old enough, or when
// the messages end; a due batch that cannot be taken yet grows until it is full.
func (f *follower) gather(ctx context.Context, r *builder, messages <-chan stream.Message, batches chan<- *batch) error {
	age := f.p.s.Age
	if f.stream == stream.Output {
		age *= 5
	}
	timer := time.NewTimer(age)
	defer timer.Stop()
	b, due := newBatch(f.stream), false
	for messages != nil || b.messages > 0 {
		in, out := messages, batches
		if b.full() {
			in = nil
		}
		if b.messages == 0 || !due && !b.full() && messages != nil {
			out = nil
		}
		select {
		case m, ok := <-in:
			if !ok {
				messages = nil
				continue
			}
			if b.messages == 0 {
				timer.Reset(age)
			}
			if err := f.addPatiently(ctx, r, b, m); err != nil {
				return err
			}
			f.counts.Lag.Store(m.Pending + uint64(b.messages))
		case out <- b:
			b, due = newBatch(f.stream), false
		case <-timer.C:
			due = b.messages > 0
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// addPatiently adds a message; what has to be asked of ClickHouse for it is asked until it answers.
func (f *follower) addPatiently(ctx context.Context, r *builder, b *batch, m stream.Message) error {
	return f.patiently(ctx, "read the lines that are there", func() error { return r.add(ctx, b, m) })
}

// store inserts b exactly once.
func (f *follower) store(ctx context.Context, b *batch) error {
	if b.rows > 0 {
		if err := f.patiently(ctx, "note a range", func() error { return f.ledger.note(ctx, b) }); err != nil {
			return err
		}
		f.step("noted")
		if err := f.patiently(ctx, "insert", func() error { return f.insert(ctx, b) }); err != nil {
			return err
		}
		f.step("inserted")
		if b.erases {
			if err := f.patiently(ctx, "erase rows", func() error { return f.db.erase(ctx) }); err != nil {
				return err
			}
		}
	}
	if err := f.patiently(ctx, "note a range as done", func() error { return f.ledger.done(ctx, b) }); err != nil {
		return err
	}
	f.counts.Position.Store(b.last)
	f.counts.Batches.Add(1)
	f.counts.Messages.Add(uint64(b.messages))
	f.counts.Rows.Add(uint64(b.rows))
	if lag := f.counts.Lag.Load(); lag >= uint64(b.messages) {
		f.counts.Lag.Store(lag - uint64(b.messages))
	}
	f.step("done")
	return nil
}

func (f *follower) insert(ctx context.Context, b *batch) error {
	// An insert that takes longer is taken for lost, and sent again with the same token.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if now := f.p.s.Now; now != nil {
		began := now()
		defer func() { f.counts.Nanos.Add(uint64(now().Sub(began))) }()
	}
	return f.db.insert(ctx, f.p.models, b)
}

func (f *follower) step(name string) { f.p.step(name) }

func (p *Projector) step(name string) {
	if p.s.After != nil {
		p.s.After(name)
	}
}

// patiently tries until it succeeds, ctx ends, or trying again cannot help: another projector is
// there, or the tables are not, which begins with migrations.
func (f *follower) patiently(ctx context.Context, what string, try func() error) error {
	pause := 50 * time.Millisecond
	for {
		err := try()
		if err == nil {
			f.counts.Away.Store(false)
			return nil
		}
		var exception *clickhouse.Exception
		gone := errors.As(err, &exception) && (exception.Code == codeUnknownTable || exception.Code == codeUnknownDatabase)
		if gone || errors.Is(err, ErrSuperseded) || ctx.Err() != nil {
			return err
		}
		f.counts.Retries.Add(1)
		f.counts.Away.Store(errors.Is(away(err), ErrAway))
		f.p.log.Warn("projector tries again", "stream", f.stream, "what", what, "err", err, "after", pause)
		wait(ctx, pause)
		pause = min(2*pause, 2*time.Second)
	}
}
