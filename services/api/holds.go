package api

import (
	"context"
	"fmt"
	"time"

	"strata/events"
	"strata/events/lab"
)

// A hold lasts so long, and is moved on while its session lives when half of it is over: often enough that
// a device is soon free after this process died, and seldom enough for the log.
// A device whose session's process has died is free after holdFor at the latest, and holdLook.
const (
	holdFor  = 10 * time.Minute
	holdLook = 15 * time.Second // how often those whose time is over are looked for
)

// holderOf says who has a device that is not idle, as in "held by job 41.2".
func holderOf(s *lab.State, d *lab.Device) string {
	switch {
	case d.Hold != nil:
		return fmt.Sprintf("in the hands of %s (%s)", d.Hold.By, d.Hold.Use)
	case d.Job != 0:
		return "held by job " + displayed(s, d.Job)
	}
	return "idle"
}

// hold is a device that the caller has in hand.
// It belongs to one session's goroutine; the state has what others see of it.
type hold struct {
	device events.DeviceName
	worker events.WorkerName
	lease  events.Lease
	use    events.HandsUse
	until  time.Time
	// elsewhere says that a session at another process of the api has taken it, and lets it go.
	elsewhere bool
}

// held names a hold.
// The lease tells it from a later hold of the same device.
type held struct {
	device events.DeviceName
	lease  events.Lease
}

// share counts a further session of a hold here, or with -1 the end of one, and returns how many there are.
// Sessions at other processes are not in the count, which is what elsewhere is for.
func (a *api) share(h held, n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sharing[h] += n
	left := a.sharing[h]
	if left <= 0 {
		delete(a.sharing, h)
	}
	return left
}

// beside returns the hold beside which a session of the caller may use the device: one's own power switch
// works beside one's own console.
func beside(d *lab.Device, who caller, use events.HandsUse) (held, bool) {
	if d == nil || d.Hold == nil || d.Hold.By != who.user || d.Hold.Use != events.UseConsole || use == events.UseConsole || use == events.UseCheck {
		return held{}, false
	}
	return held{d.Name, d.Lease}, true
}

// mayHands returns the device that the caller may use by hand: who may change it, or has it reserved now, with a token
// that is for changing things. It is asked again while a session goes on.
func (a *api) mayHands(s *lab.State, who caller, name events.DeviceName) (*lab.Device, error) {
	d := s.Device(name)
	hands := d != nil && s.Hands(who.user, d, a.now())
	switch {
	case d == nil || !hands && !who.can(s, lab.View, events.Entity{Kind: events.Device, ID: string(name)}):
		return nil, refuse(NotFound, "there is no device %s", name)
	case !lab.Covers(who.scopes, lab.Change, events.Device):
		return nil, notFor(who)
	case !hands:
		return nil, refuse(Denied, "%s may not use device %s by hand: who may change it, or has it reserved now, may", who.user, name)
	}
	return d, nil
}

func seesDevice(s *lab.State, who caller, name events.DeviceName) bool {
	return who.can(s, lab.View, events.Entity{Kind: events.Device, ID: string(name)})
}

// occupant is the job that has a device, as its caller is told of it: whoever has the device reserved need not see it.
func occupant(s *lab.State, who caller, d *lab.Device) string {
	if seenJob(s, who, d.Job) == 0 {
		return "a job that you may not see"
	}
	return "job " + displayed(s, d.Job)
}

// hold takes a device in hand for the caller.
// [Conflict] names who has it. A hold that joins the caller's own console takes that one's lease and
// writes one more fact with the new use, which the fold reads as a going on.
func (a *api) hold(ctx context.Context, who caller, name events.DeviceName, use events.HandsUse) (hold, error) {
	// A hold that died with its process would else keep its own user out until the next look.
	a.endOverdue(ctx, name)
	var h hold
	var shares bool
	var with held
	a.read(func(s *lab.State) { with, shares = beside(s.Device(name), who, use) })
	others := 0
	if shares { // counted first: the console may be left at this moment
		others = a.share(with, 1) - 1
	}
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		d, err := a.mayHands(s, who, name)
		if err != nil {
			return nil, err
		}
		if err := reachable(s, d); err != nil {
			return nil, err
		}
		// decide may be asked again: each time from the start.
		h = hold{device: name, worker: d.Worker, lease: s.HoldLease(d), use: use, until: a.holdUntil()}
		switch now, ok := beside(d, who, use); {
		case ok && shares && now == with:
			h.lease, h.elsewhere = d.Lease, others == 0
		case d.Hold != nil:
			return nil, refuse(Conflict, "device %s is in the hands of %s (%s) since %s; `strata devices release %s` ends that",
				name, d.Hold.By, d.Hold.Use, d.Hold.Since.UTC().Format(time.RFC3339), name)
		case d.Job != 0 && seenJob(s, who, d.Job) == 0: // who has it reserved need not see what runs there till then
			return nil, refuse(Conflict, "device %s runs a job; its power and console are that job's until it is over", name)
		case d.Job != 0:
			return nil, refuse(Conflict, "device %s runs job %s; its power and console are that job's until it is over, or `strata cancel %s` has ended it",
				name, displayed(s, d.Job), displayed(s, d.Job))
		}
		return []events.Event{h.fact(who)}, nil
	})
	// The console was left in between: this session is none beside it.
	if shares && (err != nil || h.lease != with.lease) {
		a.share(with, -1)
	}
	if err == nil && !(shares && h.lease == with.lease) {
		a.share(held{name, h.lease}, 1)
	}
	return h, err
}

// holdUntil is when a hold that begins or goes on now ends by itself.
// To the second, as facts and pages show it.
func (a *api) holdUntil() time.Time { return a.now().Add(holdFor).UTC().Truncate(time.Second) }

// fact is the hold as it begins or goes on; the fold tells which by the lease.
func (h hold) fact(who caller) events.Event {
	return events.DeviceHeld{Device: h.device, Lease: h.lease, Worker: h.worker, Use: h.use, By: who.user, Until: h.until}
}

// reachable refuses a device on which nobody has hands.
func reachable(s *lab.State, d *lab.Device) error {
	w := s.Worker(d.Worker)
	switch {
	case d.Worker == "":
		return refuse(Conflict, "device %s hangs on no worker: `strata devices move %s WORKER`", d.Name, d.Name)
	case w == nil:
		return refuse(Conflict, "device %s hangs on worker %s, which is not in the lab", d.Name, d.Worker)
	case w.State != lab.Online:
		return refuse(Away, "worker %s, on which device %s hangs, is offline", w.Name, d.Name)
	// Power and console stand in the dictionary: without one there is nothing that a worker could
	// do.
	case d.Version == 0:
		return refuse(Conflict, "device %s has no dictionary yet: `strata devices configure %s FILE`", d.Name, d.Name)
	}
	return nil
}

// holds says whether a hold is still the device's.
func (h hold) holds(s *lab.State) bool {
	d := s.Device(h.device)
	return d != nil && d.Hold != nil && d.Lease == h.lease
}

// goOn moves the end of a hold on where half of its time is over.
// Half of holdFor leaves time for a log that is slow, and makes 12 facts an hour of a console.
func (a *api) goOn(ctx context.Context, who caller, h *hold) error {
	if h.elsewhere || h.until.Sub(a.now()) > holdFor/2 {
		return nil
	}
	return a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if !h.holds(s) {
			return nil, nil // the session finds out by itself
		}
		h.until = a.holdUntil()
		return []events.Event{h.fact(who)}, nil
	})
}

// letGo records the end of a hold and what came of it, unless somebody else has ended it.
func (a *api) letGo(ctx context.Context, who caller, h hold, outcome string) error {
	if a.share(held{h.device, h.lease}, -1) > 0 || h.elsewhere {
		return nil // the last of them lets it go
	}
	return a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if !h.holds(s) {
			return nil, nil
		}
		return []events.Event{events.DeviceLetGo{Device: h.device, Lease: h.lease, Outcome: outcome}}, nil
	})
}

// releaseDevice ends somebody's hold on a device: its session ends, and jobs may have it.
// Whoever may use it by hand may end another's use of it: boards are shared, and people go home.
// `strata devices release` asks it; an open session of one's own ends by itself.
func (a *api) releaseDevice(ctx context.Context, who caller, in DeviceRequest) (Device, error) {
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		d, err := a.mayHands(s, who, in.Device)
		if err != nil {
			return nil, err
		}
		if d.Hold == nil && d.Job != 0 {
			return nil, refuse(Conflict, "nobody has device %s in hand: it is held by %s", d.Name, occupant(s, who, d))
		}
		if d.Hold == nil {
			return nil, refuse(Conflict, "nobody has device %s in hand: it is %s", d.Name, holderOf(s, d))
		}
		return []events.Event{events.DeviceLetGo{Device: d.Name, Lease: d.Lease, By: who.user, Outcome: because("ended by "+string(who.user), in.Reason)}}, nil
	})
	return a.deviceAfter(ctx, who, in, err)
}

// endHolds ends holds whose time is over until ctx ends: their sessions died with the process that kept them.
// It runs from the start of the process to its end. Several processes may do so: one lease is let go
// once.
func (a *api) endHolds(ctx context.Context) {
	a.mu.Lock()
	for d := range a.state.Devices() { // those of the checkpoint
		if d.Hold != nil {
			a.inHand[d.Name] = true
		}
	}
	a.mu.Unlock()
	t := time.NewTicker(holdLook)
	defer t.Stop()
	for {
		var names []events.DeviceName
		a.mu.Lock()
		for name := range a.inHand {
			if d := a.state.Device(name); d == nil || d.Hold == nil {
				delete(a.inHand, name)
				continue
			}
			names = append(names, name)
		}
		a.mu.Unlock()
		// Outside of the lock: each may append a fact.
		for _, name := range names {
			a.endOverdue(ctx, name)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// endOverdue ends the hold on a device whose time is over.
func (a *api) endOverdue(ctx context.Context, name events.DeviceName) {
	overdue := func(s *lab.State) *lab.Device {
		if d := s.Device(name); d != nil && d.Hold != nil && !a.now().Before(d.Hold.Until) {
			return d
		}
		return nil
	}
	found := false
	a.read(func(s *lab.State) { found = overdue(s) != nil })
	if !found {
		return
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// By nobody: the fact says that its time was over.
	err := a.record(short, caller{}, func(s *lab.State) ([]events.Event, error) {
		d := overdue(s)
		if d == nil {
			return nil, nil
		}
		return []events.Event{events.DeviceLetGo{Device: name, Lease: d.Lease, Outcome: "its time is over, and nobody moved it on"}}, nil
	})
	if err != nil && ctx.Err() == nil {
		a.logger.Warn("end a hold whose time is over", "device", name, "err", err)
	}
}
