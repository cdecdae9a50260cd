package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"strata/events/stream"
)

// Settings say what a projector reads and writes.
type Settings struct {
	DB     *DB
	Log    *stream.Log
	Logger *slog.Logger // nil is silent
	// Now is the clock that times inserts, for Counts.Nanos, and by which rows age; nil does neither.
	Now func() time.Time
	// Age is how long a message of LAB or RESULTS may wait for others before it is inserted; 0 is
	// 100 ms. Output waits five times as long: nobody follows a log here.
	Age time.Duration
	// Retention says what leaves the tables; it needs Now.
	Retention Retention
	// After is called between the steps of a batch: "noted", "inserted", "done"; and once the rules of
	// retention were applied: "aged". Tests stop there.
	After func(step string)
}

// Projector keeps the tables behind a log.
type Projector struct {
	s      Settings
	log    *slog.Logger
	models []model
	counts map[string]*Counts
	pauses chan chan struct{}    // a request to stop following until the channel closes
	active atomic.Bool           // Run follows
	claim  atomic.Pointer[claim] // that of Run; nil before it has one
}

// Counts are what a projector has done with one stream. All are safe to read at any time.
type Counts struct {
	Position atomic.Uint64 // sequence up to which the tables have the stream
	Lag      atomic.Uint64 // messages of the stream that are waiting behind that
	Batches  atomic.Uint64
	Messages atomic.Uint64
	Rows     atomic.Uint64
	Retries  atomic.Uint64 // inserts that were tried again
	Nanos    atomic.Uint64 // spent inserting
	Away     atomic.Bool   // ClickHouse did not answer the last time it was asked
}

// projected lists the streams that projections follow.
func projected() []string { return []string{stream.Lab, stream.Results, stream.Output} }

// NewProjector returns a projector that does nothing until [Projector.Run].
func NewProjector(s Settings) *Projector {
	if s.Age == 0 {
		s.Age = 100 * time.Millisecond
	}
	p := &Projector{s: s, log: s.Logger, models: models(), counts: map[string]*Counts{}, pauses: make(chan chan struct{})}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	for _, name := range projected() {
		p.counts[name] = new(Counts)
	}
	return p
}

// Counts returns the counts of LAB, RESULTS or OUTPUT.
func (p *Projector) Counts(stream string) *Counts { return p.counts[stream] }

// Run projects until ctx ends, then returns nil. It waits while ClickHouse or the broker is away
// and goes on where it was. The error is [ErrSuperseded] where another projector took over, or
// says what a person has to repair.
func (p *Projector) Run(ctx context.Context) error {
	p.active.Store(true)
	defer p.active.Store(false)
	defer p.claim.Store(nil)
	pause := 50 * time.Millisecond
	for ctx.Err() == nil {
		resume, err := p.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case resume != nil:
			<-resume
			pause = 50 * time.Millisecond
			continue
		case errors.Is(err, ErrSuperseded), errors.Is(err, ErrAhead), errors.Is(err, stream.ErrArchived):
			return err
		}
		for _, c := range p.counts {
			c.Away.Store(errors.Is(err, ErrAway))
		}
		p.log.Warn("projector waits", "err", err, "for", pause)
		wait(ctx, pause)
		pause = min(2*pause, 2*time.Second)
	}
	return nil
}

// session migrates and follows all streams until something fails, ctx ends, or a pause is asked for,
// which it returns once nothing is under way.
func (p *Projector) session(ctx context.Context) (resume chan struct{}, err error) {
	err = p.s.DB.Migrate(ctx)
	if errors.Is(err, ErrOutdated) {
		p.log.Info("tables are rebuilt", "why", err)
		err = p.rebuild(ctx, nil, func(context.Context) (func(), error) { return func() {}, nil }) // we fill nothing meanwhile
	}
	if err != nil {
		return nil, err
	}
	claim, err := claimTables(ctx, p.s.DB)
	if err != nil {
		return nil, err
	}
	p.claim.Store(claim)
	erased, err := loadErased(ctx, p.s.DB)
	if err != nil {
		return nil, err
	}
	aged, err := p.s.DB.anyAged(ctx)
	if err != nil {
		return nil, err
	}
	if aged || len(erased.jobs) > 0 {
		if err := p.s.DB.eraseTemplates(ctx); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, name := range projected() {
		running.Go(func() {
			f := follower{p: p, db: p.s.DB, claim: claim, stream: name, counts: p.counts[name], erased: erased}
			if err := f.follow(ctx); err != nil {
				cancel(err)
			}
		})
	}
	running.Go(func() { p.applyRetention(ctx, claim) })
	select {
	case resume = <-p.pauses:
		cancel(nil)
	case <-ctx.Done():
	}
	running.Wait()
	return resume, context.Cause(ctx)
}

// hold stops Run, where it runs, until release is called.
func (p *Projector) hold(ctx context.Context) (release func(), err error) {
	if !p.active.Load() {
		return func() {}, nil
	}
	resume := make(chan struct{})
	select {
	case p.pauses <- resume:
		return func() { close(resume) }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// ErrAhead reports that the tables have messages that the log does not: they belong to another log,
// or the broker lost the end of this one. Drop the database, or name another one.
var ErrAhead = errors.New("the tables are ahead of the log")

// checkAhead compares a position with the log.
func checkAhead(ctx context.Context, log *stream.Log, name string, at uint64) error {
	last, err := log.Last(ctx, name)
	if err != nil {
		return fmt.Errorf("ask for the end of %s: %w", name, err)
	}
	if at > last {
		return fmt.Errorf("%w: they are at %d of %s, which ends at %d", ErrAhead, at, name, last)
	}
	return nil
}
