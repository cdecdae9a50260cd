package api

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
)

// AvailabilityRequest asks what a device type has to give.
type AvailabilityRequest struct {
	DeviceType events.DeviceTypeName `json:"device_type"` // or one of its aliases
}

// Availability says what a device type has to give now, and how long jobs have waited for it. Each device that
// is not retired counts once: busy where a job or a person has it, else by what keeps it from jobs.
type Availability struct {
	DeviceType  events.DeviceTypeName `json:"device_type"`
	Idle        int                   `json:"idle"`
	Busy        int                   `json:"busy"`
	Offline     int                   `json:"offline"`     // its worker is away or not active, or its health is Bad or Looping
	Maintenance int                   `json:"maintenance"` // its health says so
	Queued      int                   `json:"queued"`
	Priorities  map[string]int        `json:"queued_by_priority"` // such as "50": 3
	Waits       *projections.Waits    `json:"waits,omitempty"`    // of the last seven days; none where no job started, or tables are away
}

// waitsKept is how long the waits of a device type are kept: they sum up a week.
const waitsKept = time.Minute

// keptWaits is an answer of the tables.
type keptWaits struct {
	at    time.Time
	waits *projections.Waits
}

// availability answers from the fold; only the waits are of the tables.
// Programs ask it for each type before they submit, so it makes no list of jobs. A type that the caller may not see is
// [NotFound], as one that there is not. Queued counts the jobs of all users: how long the queue is, is no secret.
func (a *api) availability(ctx context.Context, who caller, in AvailabilityRequest) (Availability, error) {
	var out Availability
	var names []events.DeviceTypeName
	err := error(refuse(NotFound, "there is no device type %s", in.DeviceType))
	a.read(func(s *lab.State) {
		kind := s.DeviceType(s.Resolve(in.DeviceType))
		if kind == nil || !who.can(s, lab.View, events.Entity{Kind: events.DeviceType, ID: string(kind.Name)}) {
			return
		}
		err = nil
		out = Availability{DeviceType: kind.Name, Priorities: map[string]int{}}
		// Jobs and tables keep the name that was asked by.
		names = []events.DeviceTypeName{kind.Name}
		for _, alias := range kind.Aliases {
			names = append(names, events.DeviceTypeName(alias))
		}
		for d := range s.Devices() {
			if d.Type == kind.Name && seesDevice(s, who, d.Name) {
				out.count(s, d)
			}
		}
		for j := range s.EachJob() {
			if j.State == lab.Submitted && slices.Contains(names, j.DeviceType) {
				out.Queued++
				out.Priorities[strconv.Itoa(j.Priority)]++
			}
		}
	})
	if err != nil {
		return Availability{}, err
	}
	out.Waits = a.waits(ctx, names)
	return out, nil
}

// count counts a device.
// In this order: a device that somebody uses is busy also where its health would keep the next job away.
func (v *Availability) count(s *lab.State, d *lab.Device) {
	w := s.Worker(d.Worker)
	switch {
	case d.Health == events.Retired:
	case d.State != lab.DeviceIdle || d.Hold != nil:
		v.Busy++
	case d.Health == events.Maintenance:
		v.Maintenance++
	case d.Health != events.Good && d.Health != events.Unknown, w == nil || !w.Usable():
		v.Offline++
	default:
		v.Idle++
	}
}

// waits returns how long jobs waited for a device type, nil where nobody knows.
// An old figure would be no use and an error no news: where the tables do not answer, the rest stands without it.
func (a *api) waits(ctx context.Context, names []events.DeviceTypeName) *projections.Waits {
	if a.history.DB == nil {
		return nil
	}
	now := a.now()
	a.mu.RLock()
	kept, ok := a.waited[names[0]]
	a.mu.RUnlock()
	if ok && now.Sub(kept.at) < waitsKept {
		return kept.waits
	}
	w, err := a.history.DB.Waits(ctx, names, now.Add(-7*24*time.Hour))
	if err != nil {
		a.logger.Warn("ask how long jobs waited", "err", err)
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	// By the type's own name, so it holds at most one entry for each type that there is or was since the start.
	a.waited[names[0]] = keptWaits{now, w}
	return w
}

// LabHealth says whether the lab keeps up.
// Alarms belong on RoundAge while jobs wait, on Online below Workers, and on a lag that grows.
type LabHealth struct {
	Time     time.Time  `json:"time"`
	Round    *time.Time `json:"last_round,omitempty"`       // when scheduling last gave a device; none where it never did
	RoundAge *float64   `json:"last_round_age_s,omitempty"` // seconds since
	Waiting  int        `json:"waiting"`                    // jobs in the queue
	Workers  int        `json:"workers"`                    // that are registered
	Online   int        `json:"workers_online"`             // of them
	Sequence uint64     `json:"sequence"`                   // last fact of the log
	Behind   *uint64    `json:"projection_lag,omitempty"`   // facts that the tables have not read; none where they are away
	History  string     `json:"history"`                    // up, or why the tables are away
	Refuses  string     `json:"refuses,omitempty"`          // why no submissions are taken, where none are
}

// labHealth answers how the lab is, for monitors.
// It is what REST v1 answers as health, and how its list of facts learns where the log ends. It goes through the queue
// once and asks the tables for one number; tables that are away are told of, and no error.
func (a *api) labHealth(ctx context.Context, _ caller, _ none) (LabHealth, error) {
	out := LabHealth{Time: a.now().UTC(), History: "up"}
	if a.refuse != nil {
		out.Refuses = a.refuse()
	}
	var round uint64
	a.read(func(s *lab.State) {
		out.Sequence, round = s.Through(), s.Seq(events.Entity{Kind: events.Scheduling})
		for j := range s.EachJob() {
			if j.State == lab.Submitted {
				out.Waiting++
			}
		}
		for w := range s.Workers() {
			out.Workers++
			if w.State == lab.Online {
				out.Online++
			}
		}
	})
	// The state knows the number of the last round's fact; when it was written only the log does.
	if round > 0 {
		err := a.log.ReadMessages(ctx, stream.Lab, round, round, func(m stream.Message) error {
			at := m.At.UTC()
			age := out.Time.Sub(at).Seconds()
			out.Round, out.RoundAge = &at, &age
			return nil
		})
		// In a quiet lab the fact may be long archived, where this process does not reach: then only its age is not known.
		if err != nil && !errors.Is(err, stream.ErrArchived) {
			return LabHealth{}, err
		}
	}
	if a.history.DB == nil {
		out.History = errNoHistory.Error()
		return out, nil
	}
	at, err := a.history.DB.Position(ctx, stream.Lab)
	if err != nil {
		out.History = away(err).Error()
		return out, nil
	}
	// The tables may be ahead of what this process has folded.
	behind := uint64(0)
	if out.Sequence > at {
		behind = out.Sequence - at
	}
	out.Behind = &behind
	return out, nil
}
