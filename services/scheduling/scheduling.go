package scheduling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// Deps is what a scheduler needs from outside.
type Deps struct {
	Log      *stream.Log // as the writer [events.SchedulingService]
	Now      func() time.Time
	Logger   *slog.Logger
	Instance string   // which scheduler this is, such as host and process id; stands in RoundDecided
	Metrics  *Metrics // nil: nobody looks
}

// again is when a round that could not be recorded is decided anew, should no fact come before.
const again = time.Second

// Run schedules until ctx ends. It returns nil on an orderly stop. Several schedulers may run at
// once.
func Run(ctx context.Context, d Deps) error {
	if d.Metrics == nil {
		d.Metrics = new(Metrics)
	}
	sc := &scheduler{Deps: d, s: newState(lab.New(), d.Instance)}
	return d.Log.Run(ctx, stream.Driver{
		Name: "scheduling",
		Fold: func(r stream.Recorded) { sc.s.evolve(r) },
		Act:  func(now time.Time) (time.Time, error) { return sc.act(ctx, now) },
		Checkpoint: &stream.Checkpoint{
			Format: format,
			Save:   sc.save,
			Load:   sc.load,
		},
	})
}

// scheduler is a running service.
type scheduler struct {
	Deps
	s *state
}

// act records batch after batch until nothing more can be decided. Errors of the broker do not end
// it: what was recorded comes back as facts, what was not is decided again.
func (sc *scheduler) act(ctx context.Context, now time.Time) (wake time.Time, err error) {
	for {
		start := sc.Now()
		d := decide(sc.s, now)
		sc.Metrics.Time.observe(sc.Now().Sub(start))
		sc.Metrics.Decisions.Add(1)
		sc.Metrics.Queued.Store(int64(len(sc.s.queued)))
		if len(d.facts) == 0 {
			sc.s.settle()
			return d.wake, nil
		}
		drafts := sc.drafts(d.facts)
		recorded, err := sc.Log.Append(ctx, drafts, sc.s.lab.Seq)
		if err != nil {
			return sc.lost(ctx, now, d.wake, drafts, err)
		}
		if !d.more {
			sc.s.settle()
		}
		sc.Metrics.Batches.Add(1)
		for _, r := range recorded {
			sc.s.anticipate(r)
			sc.tell(r.Event)
		}
		if !d.more {
			sc.Metrics.Queued.Store(int64(len(sc.s.queued)))
			return d.wake, nil
		}
	}
}

// lost says when to decide again after a batch that was not recorded: soon, or at wake where that is
// sooner. The touched types stay touched.
func (sc *scheduler) lost(ctx context.Context, now, wake time.Time, drafts []stream.Draft, err error) (time.Time, error) {
	if soon := now.Add(again); !wake.After(now) || wake.After(soon) {
		wake = soon
	}
	switch {
	case ctx.Err() != nil:
		return time.Time{}, ctx.Err()
	case errors.Is(err, stream.ErrConflict):
		// The fact that won is on its way, unless an entity's facts were archived meanwhile.
		sc.Metrics.Conflicts.Add(1)
		sc.Logger.Debug("round lost", "error", err)
		var gone []events.Entity
		gone, err = sc.Log.AgedOut(ctx, drafts)
		for _, e := range gone {
			sc.s.lab.AgedOut(e)
		}
	}
	if err != nil && ctx.Err() == nil {
		sc.Logger.Warn("round not recorded, decide again", "error", err)
	}
	return wake, nil
}

// drafts names with each fact what led to it: the last fact of its job, and that one's trace.
func (sc *scheduler) drafts(facts []events.Event) []stream.Draft {
	drafts := make([]stream.Draft, len(facts))
	for i, f := range facts {
		d := stream.Draft{Event: f}
		var id events.JobID
		switch f := f.(type) {
		case events.RoundDecided:
			d.Cause = stream.Cause(stream.Lab, f.Through)
		case events.JobScheduled:
			id = f.Job
		case events.DeviceReserved:
			id = f.Job
		case events.JobWithdrawn:
			id, d.Actor = f.Job, f.By
		}
		if e := sc.s.queued[id]; e != nil {
			d.Cause, d.Trace = stream.Cause(stream.Lab, e.job.Seq), e.trace
		}
		drafts[i] = d
	}
	return drafts
}

// tell logs and counts what was recorded.
func (sc *scheduler) tell(e events.Event) {
	switch e := e.(type) {
	case events.JobScheduled:
		sc.Metrics.Scheduled.Add(1)
		sc.Logger.Info("job scheduled", "job", e.Job, "device", e.Device, "worker", e.Worker, "lease", e.Lease)
	case events.JobWithdrawn:
		sc.Metrics.Withdrawn.Add(1)
		sc.Logger.Info("job withdrawn", "job", e.Job, "reason", e.Reason)
	}
}

// format names the shape of the service's checkpoints: [lab.State.EncodeWith] of own. The index is made anew
// from the lab.
const format = "scheduling.v2"

// own is what a scheduler knows beside the lab.
type own struct {
	Traces map[events.JobID]string `json:"traces,omitempty"` // of queued jobs
}

// formatV1 is the format before, the shape of snapshotV1.
const formatV1 = "scheduling.v1"

type snapshotV1 struct {
	LabFormat string                  `json:"lab_format"`
	Lab       json.RawMessage         `json:"lab"`
	Traces    map[events.JobID]string `json:"traces,omitempty"`
}

func (sc *scheduler) save() ([]byte, error) {
	o := own{map[events.JobID]string{}}
	for id, e := range sc.s.queued {
		if e.trace != "" {
			o.Traces[id] = e.trace
		}
	}
	return sc.s.lab.EncodeWith(o)
}

func (sc *scheduler) load(f string, data []byte) error {
	var snap own
	var l *lab.State
	var err error
	switch f {
	case format:
		l, err = lab.DecodeWith(data, &snap)
	case formatV1:
		var v1 snapshotV1
		if err = json.Unmarshal(data, &v1); err == nil {
			snap.Traces = v1.Traces
			l, err = lab.Decode(v1.LabFormat, v1.Lab)
		}
	default:
		err = fmt.Errorf("format %q is not known, want %q", f, format)
	}
	if err != nil {
		return fmt.Errorf("load checkpoint of scheduling: %w", err)
	}
	sc.s = newState(l, sc.Instance)
	for id, trace := range snap.Traces {
		if e := sc.s.queued[id]; e != nil {
			e.trace = trace
		}
	}
	return nil
}
