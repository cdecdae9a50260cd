package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// Deps is what the service needs from outside.
type Deps struct {
	Log     *stream.Log // as the writer [events.HealthService]
	Logger  *slog.Logger
	Metrics *Metrics // nil: nobody looks
}

// Metrics is what the service has counted since it started.
type Metrics struct {
	Released  atomic.Uint64 // devices freed after a job
	Changed   atomic.Uint64 // healths changed or confirmed
	Checks    atomic.Uint64 // health checks published
	Conflicts atomic.Uint64 // batches refused because somebody was faster
}

// again is when to try again what the broker did not take, should no fact come before.
const again = time.Second

// Run keeps devices fit until ctx ends. It returns nil on an orderly stop.
func Run(ctx context.Context, d Deps) error {
	if d.Metrics == nil {
		d.Metrics = new(Metrics)
	}
	h := &service{Deps: d, s: newState(lab.New())}
	var err error
	if h.secret, err = openSecret(ctx, d.Log); err != nil {
		return fmt.Errorf("secret of health checks: %w", err)
	}
	return d.Log.Run(ctx, stream.Driver{
		Name: "health",
		Fold: func(r stream.Recorded) { h.s.evolve(r) },
		Act:  func(now time.Time) (time.Time, error) { return h.act(ctx, now) },
		Checkpoint: &stream.Checkpoint{
			Format: lab.Format,
			Save:   func() ([]byte, error) { return h.s.lab.Encode() },
			Load:   h.load,
		},
	})
}

// service is a running service.
type service struct {
	Deps
	s      *state
	secret []byte // behind the message ids of checks
}

func (h *service) load(format string, data []byte) error {
	l, err := lab.Decode(format, data)
	if err != nil {
		return err
	}
	h.s = newState(l)
	return nil
}

// act records and publishes until nothing is left to do. What the broker does not take is tried
// again; only the end of ctx ends it.
func (h *service) act(ctx context.Context, now time.Time) (wake time.Time, err error) {
	for {
		p := decide(h.s, now)
		if err := h.do(ctx, p); err != nil {
			if ctx.Err() != nil {
				return time.Time{}, ctx.Err()
			}
			if !errors.Is(err, stream.ErrConflict) {
				h.Logger.Warn("health tries again", "error", err)
			}
			return now.Add(again), nil
		}
		if len(p.facts) == 0 && len(p.checks) == 0 && !p.more {
			h.s.settle(p)
			return p.wake, nil
		}
	}
}

// do carries out a plan. Facts come first: a check is asked for once its device is free in the log.
func (h *service) do(ctx context.Context, p plan) error {
	if err := h.append(ctx, p.facts); err != nil {
		return err
	}
	for _, r := range p.checks {
		if r.job == 0 {
			job, err := publish(ctx, h.Log, h.secret, r)
			if err != nil {
				return err
			}
			r.job = job
			h.s.asked[r.device] = job
			h.Metrics.Checks.Add(1)
		}
		f := events.HealthCheckRequested{Device: r.device, Job: r.job, Reason: r.reason}
		if err := h.append(ctx, []events.Event{f}); err != nil {
			return err
		}
		h.Logger.Info("health check requested", "device", r.device, "job", r.job, "reason", r.reason)
	}
	return nil
}

// append records facts as one batch and folds them at once.
func (h *service) append(ctx context.Context, facts []events.Event) error {
	drafts := h.drafts(facts)
	recorded, err := h.Log.Append(ctx, drafts, h.s.lab.Seq)
	if errors.Is(err, stream.ErrConflict) {
		h.Metrics.Conflicts.Add(1)
		h.Logger.Debug("batch lost", "error", err)
		gone, aerr := h.Log.AgedOut(ctx, drafts)
		for _, e := range gone {
			h.s.lab.AgedOut(e)
		}
		return errors.Join(err, aerr)
	}
	if err != nil {
		return err
	}
	for _, r := range recorded {
		h.s.anticipate(r)
		switch e := r.Event.(type) {
		case events.DeviceReleased:
			h.Metrics.Released.Add(1)
			h.Logger.Info("device released", "device", e.Device, "job", e.Job, "check_due", e.CheckDue)
		case events.DeviceHealthChanged:
			h.Metrics.Changed.Add(1)
			h.Logger.Info("device health changed", "device", e.Device, "from", e.From, "to", e.To, "reason", e.Reason)
		}
	}
	return nil
}

// drafts names with each fact the one that led to a look at the device.
func (h *service) drafts(facts []events.Event) []stream.Draft {
	drafts := make([]stream.Draft, len(facts))
	for i, f := range facts {
		m, ok := h.s.look[events.DeviceName(f.About().ID)]
		drafts[i] = stream.Draft{Event: f, Trace: m.trace}
		if ok {
			drafts[i].Cause = stream.Cause(stream.Lab, m.seq)
		}
	}
	return drafts
}
