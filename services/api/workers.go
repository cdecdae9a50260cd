package api

import (
	"context"
	"fmt"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
	"strata/events/stream"
)

// listWorkers answers with all workers, by name.
// Devices and Running count the devices that the caller may see.
func (a *api) listWorkers(_ context.Context, who caller, _ none) ([]Worker, error) {
	out := []Worker{}
	a.read(func(s *lab.State) {
		at := map[events.WorkerName]int{}
		for w := range s.Workers() {
			if who.can(s, lab.View, events.Entity{Kind: events.Worker, ID: string(w.Name)}) {
				at[w.Name] = len(out)
				out = append(out, viewWorker(w))
			}
		}
		for d := range s.Devices() {
			i, ok := at[d.Worker]
			if !ok || !who.can(s, lab.View, events.Entity{Kind: events.Device, ID: string(d.Name)}) {
				continue
			}
			out[i].Devices++
			if d.State != lab.DeviceIdle {
				out[i].Running++
			}
		}
	})
	return out, nil
}

// showWorker answers with one worker, what hangs and runs on it, and to whom may change it its files.
func (a *api) showWorker(_ context.Context, who caller, in WorkerRequest) (Worker, error) {
	var out Worker
	err := refuse(NotFound, "there is no worker %s", in.Worker)
	a.read(func(s *lab.State) {
		w := s.Worker(in.Worker)
		if w == nil || !who.can(s, lab.View, events.Entity{Kind: events.Worker, ID: string(in.Worker)}) {
			return
		}
		out, err = viewWorker(w), nil
		if who.can(s, lab.Change, events.Entity{Kind: events.Worker, ID: string(w.Name)}) {
			out.Dispatcher, out.Env, out.EnvDUT = w.Dispatcher, w.Env, w.EnvDUT
		}
		for d := range s.Devices() {
			if d.Worker != w.Name || !who.can(s, lab.View, events.Entity{Kind: events.Device, ID: string(d.Name)}) {
				continue
			}
			out.Devices++
			out.DeviceNames = append(out.DeviceNames, d.Name)
			if d.State != lab.DeviceIdle {
				out.Running++
			}
			if job := seenJob(s, who, d.Job); job != 0 {
				out.Jobs = append(out.Jobs, job)
				out.JobDisplays = append(out.JobDisplays, displayed(s, job))
			}
		}
	})
	if err != nil {
		return Worker{}, err
	}
	return out, nil
}

// viewWorker shows a worker without its files, devices and token, which have rights of their own.
func viewWorker(w *lab.Worker) Worker {
	return Worker{Worker: w.Name, State: string(w.State), StateReason: w.StateReason, Since: w.StateAt,
		Health: w.Health, HealthReason: w.HealthReason, HealthBy: w.HealthBy, Description: w.Description,
		JobLimit: w.JobLimit, Version: w.Version, Configured: w.Configured}
}

// registerWorker puts a worker into the lab and answers with its token. Asking for one that is
// there already answers with its token again, so that a machine may register at every start.
// The right to add workers is not enough for the token of one that is there: that is [Denied] then.
func (a *api) registerWorker(ctx context.Context, who caller, in WorkerRequest) (Worker, error) {
	if err := checkName("worker", string(in.Worker), maxNameBytes); err != nil {
		return Worker{}, err
	}
	if err := in.checkDescription(); err != nil {
		return Worker{}, err
	}
	fresh := false
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := allow(s, who, lab.Add, events.Worker, string(in.Worker)); err != nil {
			return nil, err
		}
		if fresh = s.Worker(in.Worker) == nil; !fresh {
			return nil, nil
		}
		return []events.Event{events.WorkerRegistered{Worker: in.Worker, Description: deref(in.Description), By: who.user}}, nil
	})
	if err != nil {
		return Worker{}, err
	}
	// Who may add workers may not for that read the token of one that is there.
	if !fresh {
		return a.workerToken(ctx, who, in)
	}
	return a.withToken(ctx, who, in)
}

// checkDescription refuses one that is longer than LAVA's.
func (in WorkerRequest) checkDescription() error {
	if in.Description != nil && len([]rune(*in.Description)) > maxDescriptionRunes {
		return &Error{Code: Invalid, Field: "description", Message: "description is longer than 200 characters"}
	}
	return nil
}

// workerToken answers with the token that a worker's process connects with. It is the same at each
// asking, for it is signed, not stored, until somebody asks for another: then those before are worth
// nothing, and whoever is connected with one is cut off.
func (a *api) workerToken(ctx context.Context, who caller, in WorkerRequest) (Worker, error) {
	var denied error
	// Administer, and not change: with the token one is the worker.
	a.read(func(s *lab.State) { denied = allow(s, who, lab.Administer, events.Worker, string(in.Worker)) })
	if denied != nil {
		return Worker{}, denied
	}
	if in.Rotate {
		in.Rotate = false
		_, err := a.changeWorker(ctx, who, in, func(w *lab.Worker) ([]events.Event, error) {
			return []events.Event{events.WorkerTokenRotated{Worker: w.Name, By: who.user, Reason: in.Reason}}, nil
		})
		if err != nil {
			return Worker{}, err
		}
	}
	return a.withToken(ctx, who, in)
}

// withToken shows a worker with its token.
func (a *api) withToken(ctx context.Context, who caller, in WorkerRequest) (Worker, error) {
	w, err := a.showWorker(ctx, who, in)
	if err != nil {
		return Worker{}, err
	}
	a.read(func(s *lab.State) {
		if known := s.Worker(in.Worker); known != nil {
			w.Token = a.key.Token(access.Principal{Role: access.Worker, Worker: in.Worker, Serial: known.TokenSeq})
		}
	})
	return w, nil
}

// configureWorker changes the settings that the request names and leaves the others.
// Jobs that run keep the files of their order; the next ones have the new.
func (a *api) configureWorker(ctx context.Context, who caller, in WorkerRequest) (Worker, error) {
	if in.JobLimit != nil && *in.JobLimit < 0 {
		return Worker{}, &Error{Code: Invalid, Field: "job_limit", Message: "job_limit must be 0 (none) or more"}
	}
	if err := in.checkDescription(); err != nil {
		return Worker{}, err
	}
	if err := in.checkWorkerFiles(); err != nil {
		return Worker{}, err
	}
	return a.changeWorker(ctx, who, in, func(w *lab.Worker) ([]events.Event, error) {
		e := events.WorkerConfigured{Worker: w.Name, Description: w.Description, JobLimit: w.JobLimit,
			Dispatcher: w.Dispatcher, Env: w.Env, EnvDUT: w.EnvDUT, By: who.user}
		was := e
		set(&e.Description, in.Description)
		set(&e.JobLimit, in.JobLimit)
		set(&e.Dispatcher, in.Dispatcher)
		set(&e.Env, in.Env)
		set(&e.EnvDUT, in.EnvDUT)
		if e == was {
			return nil, nil
		}
		e.Comment = in.Reason
		return []events.Event{e}, nil
	})
}

// setWorkerHealth records what a person wants of a worker. One that is retired takes its devices along, and
// the jobs of those are canceled.
// Retiring may take several appends: the health is in the first, so that no new job comes between.
func (a *api) setWorkerHealth(ctx context.Context, who caller, in WorkerRequest) (Worker, error) {
	in.Health = spelled(in.Health, events.WorkerActive, events.WorkerMaintenance, events.WorkerRetired)
	switch in.Health {
	case events.WorkerActive, events.WorkerMaintenance, events.WorkerRetired:
	default:
		return Worker{}, &Error{Code: Invalid, Field: "health", Message: "health is " + string(in.Health) +
			", allowed are Active, Maintenance, Retired"}
	}
	recorded := false
	err := a.inBatches(ctx, who, in.Worker, func(s *lab.State, w *lab.Worker) ([]events.Event, error) {
		var facts []events.Event
		if !recorded {
			facts = append(facts, events.WorkerHealthSet{Worker: w.Name, Health: in.Health, Reason: in.Reason, By: who.user})
		}
		if in.Health != events.WorkerRetired {
			return facts, nil
		}
		why := because("worker "+string(w.Name)+" was retired", in.Reason)
		for d := range s.Devices() {
			// A device that is Bad or Retired stays as it is, and so does its job.
			if d.Worker == w.Name && d.Health != events.Bad && d.Health != events.Retired {
				facts = append(facts, cancelOf(s, d, who, why)...)
			}
		}
		return facts, nil
	}, func() { recorded = true })
	if err != nil {
		return Worker{}, err
	}
	return a.showWorker(ctx, who, in)
}

// inBatches records what decide wants of a worker, in as many batches as it takes: decide is asked again
// after each that was full. done is called after each.
// decide must leave out what it finds recorded, or it is asked for ever.
func (a *api) inBatches(ctx context.Context, who caller, name events.WorkerName,
	decide func(s *lab.State, w *lab.Worker) ([]events.Event, error), done func()) error {
	for more := true; more; done() {
		err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
			w, err := theWorker(s, who, name)
			if err != nil {
				return nil, err
			}
			facts, err := decide(s, w)
			if more = len(facts) > stream.MaxBatch; more {
				facts = facts[:stream.MaxBatch]
			}
			return facts, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// removeWorker takes a worker that is offline and has no devices out of the lab. Its token is worth
// nothing from then on, also where a worker of that name is registered anew.
func (a *api) removeWorker(ctx context.Context, who caller, in WorkerRequest) (none, error) {
	if in.Force {
		var err error
		a.read(func(s *lab.State) { err = allow(s, who, lab.Remove, events.Worker, string(in.Worker)) })
		if err != nil {
			return none{}, err
		}
		return none{}, a.forceWorkerOut(ctx, who, in)
	}
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := allow(s, who, lab.Remove, events.Worker, string(in.Worker)); err != nil {
			return nil, err
		}
		w := s.Worker(in.Worker)
		if w == nil {
			return nil, refuse(NotFound, "there is no worker %s", in.Worker)
		}
		if err := removable(s, w); err != nil {
			return nil, err
		}
		return []events.Event{events.WorkerRemoved{Worker: w.Name, By: who.user, Reason: in.Reason}}, nil
	})
}

// forceWorkerOut takes a worker out of the lab whatever it does: its devices hang on none from then on, its
// connection is cut, and dispatch ends its jobs.
func (a *api) forceWorkerOut(ctx context.Context, who caller, in WorkerRequest) error {
	return a.inBatches(ctx, who, in.Worker, func(s *lab.State, w *lab.Worker) ([]events.Event, error) {
		var facts []events.Event
		for d := range s.Devices() {
			if d.Worker == w.Name {
				facts = append(facts, events.DeviceMoved{Device: d.Name, By: who.user})
			}
		}
		// Last, and so in the last batch: a worker that is gone could not be asked for again.
		return append(facts, events.WorkerRemoved{Worker: w.Name, By: who.user, Reason: in.Reason}), nil
	}, func() {})
}

// removable refuses to remove a worker that is in use, and says what to do first: to remove one is as
// easily a slip of the name as a wish, and its devices would stand still without a word.
func removable(s *lab.State, w *lab.Worker) error {
	var first events.DeviceName
	devices := 0
	for d := range s.Devices() {
		if d.Worker != w.Name {
			continue
		}
		if d.State != lab.DeviceIdle {
			return refuse(Conflict, "device %s of worker %s is %s; end that first", d.Name, w.Name, holderOf(s, d))
		}
		if devices++; devices == 1 {
			first = d.Name
		}
	}
	// Said in one message with the devices: whoever removes a worker wants to know all that is in
	// the way.
	const stop = "end its process there and wait until it is Offline"
	rest := ""
	if devices > 1 {
		rest = fmt.Sprintf(" and %d more", devices-1)
	}
	move := fmt.Sprintf("device %s%s; `strata devices move %s WORKER` or `strata devices remove %s`", first, rest, first, first)
	switch {
	case devices > 0 && w.State == lab.Online:
		return refuse(Conflict, "worker %s is online and has %s first, then %s", w.Name, move, stop)
	case devices > 0:
		return refuse(Conflict, "worker %s has %s first", w.Name, move)
	case w.State == lab.Online:
		return refuse(Conflict, "worker %s is online; %s first", w.Name, stop)
	}
	return nil
}

// changeWorker records what decide wants of a worker that is there, and answers with it.
func (a *api) changeWorker(ctx context.Context, who caller, in WorkerRequest,
	decide func(w *lab.Worker) ([]events.Event, error)) (Worker, error) {
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		w, err := theWorker(s, who, in.Worker)
		if err != nil {
			return nil, err
		}
		return decide(w)
	})
	if err != nil {
		return Worker{}, err
	}
	return a.showWorker(ctx, who, in)
}

// theWorker returns a worker that the caller may change.
func theWorker(s *lab.State, who caller, name events.WorkerName) (*lab.Worker, error) {
	if err := allow(s, who, lab.Change, events.Worker, string(name)); err != nil {
		return nil, err
	}
	w := s.Worker(name)
	if w == nil {
		return nil, refuse(NotFound, "there is no worker %s", name)
	}
	return w, nil
}

// set gives a setting its new value, if there is one.
// Requests have nil for what stays as it is; an empty value is one.
func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// deref returns what p points at, or the zero value.
func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// WorkerToken returns the credential that a worker has now; not-found says that there is none of the name. It is the
// question of a door that stands in for workers, which asks it of itself: no account's rights, nor the end of one, are
// between the lab and its workers. through is the sequence of LAB up to which the answer holds.
func (i Inside) WorkerToken(ctx context.Context, name events.WorkerName) (token string, through uint64, err error) {
	i.a.catchUp(ctx)
	err = refuse(NotFound, "there is no worker %s", name)
	i.a.read(func(s *lab.State) {
		if w := s.Worker(name); w != nil {
			token, err = i.a.key.Token(access.Principal{Role: access.Worker, Worker: name, Serial: w.TokenSeq}), nil
		}
		through = s.Through()
	})
	return token, through, err
}

// WorkerBrings says that a token is the one that a worker of LAVA had before it came to this lab.
// LAVA's worker interface (services/api/lavaworker) asks it for workers that were imported.
func (i Inside) WorkerBrings(name events.WorkerName, token string) (yes bool) {
	i.a.read(func(s *lab.State) { yes = s.Worker(name).Brings(access.Digest(token)) })
	return yes
}
