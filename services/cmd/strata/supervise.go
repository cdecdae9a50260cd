package main

import (
	"context"
	"errors"
	"log/slog"
	"sort"
	"sync"
	"time"
)

// supervisor runs services in one process and starts each again when it ends with an error, a
// little later each time: a service that stumbles over a broker that is away comes back alone.
// Everything in it is guarded by mu, the parts too.
type supervisor struct {
	logger *slog.Logger
	now    func() time.Time
	group  sync.WaitGroup

	mu    sync.Mutex
	parts map[string]*part
}

// part is how one service stands.
type part struct {
	running  bool
	restarts int
	failure  error // why it ended last
	since    time.Time
}

// Restarts wait from the first to the second of these, doubling.
const (
	firstPause = 100 * time.Millisecond
	longPause  = 10 * time.Second
	// A service that ran this long was well: its next restart waits the first pause again.
	settled = time.Minute
)

func newSupervisor(logger *slog.Logger, now func() time.Time) *supervisor {
	return &supervisor{logger: logger, now: now, parts: map[string]*part{}}
}

// start runs a service until ctx ends.
func (s *supervisor) start(ctx context.Context, name string, run func(context.Context) error) {
	p := &part{running: true, since: s.now()}
	s.mu.Lock()
	s.parts[name] = p
	s.mu.Unlock()
	s.group.Add(1)
	go func() {
		defer s.group.Done()
		s.loop(ctx, name, p, run)
	}()
}

func (s *supervisor) loop(ctx context.Context, name string, p *part, run func(context.Context) error) {
	pause := firstPause
	for {
		begun := s.now()
		err := run(ctx)
		// Whatever it returned: it was told to end.
		if ctx.Err() != nil {
			s.set(p, false, err)
			return
		}
		if err == nil {
			// Services run until they are told otherwise; one that ends without an error has a fault
			// all the same.
			err = errors.New("ended by itself")
		}
		s.set(p, false, err)
		if s.now().Sub(begun) > settled {
			pause = firstPause
		}
		s.logger.Error("service ended, starting it again", "service", name, "err", err, "pause", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longPause)
		s.mu.Lock()
		p.running, p.since = true, s.now()
		p.restarts++
		s.mu.Unlock()
	}
}

func (s *supervisor) set(p *part, running bool, failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.running, p.failure, p.since = running, failure, s.now()
}

// wait returns when every service has ended.
// A service that does not heed its ctx keeps the process from ending.
func (s *supervisor) wait() { s.group.Wait() }

// partHealth is a service as /healthz shows it.
type partHealth struct {
	Service  string    `json:"service"`
	Running  bool      `json:"running"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	Error    string    `json:"error,omitempty"` // why it ended last
}

// health returns every service, by name.
func (s *supervisor) health() []partHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []partHealth
	for name, p := range s.parts {
		h := partHealth{Service: name, Running: p.running, Since: p.since.UTC(), Restarts: p.restarts}
		if p.failure != nil {
			h.Error = p.failure.Error()
		}
		all = append(all, h)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Service < all[j].Service })
	return all
}
