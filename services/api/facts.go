package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// recent is how many facts come where no first one was asked for.
// As many as a terminal shows, for who only wants to see what is going on.
const recent = 100

// errUntil ends a flow of facts at the one that was waited for.
var errUntil = errors.New("the fact has come")

// openEvents sends facts of LAB, of all entities or of one, as far as the caller may see them.
// With From a caller reads on without a gap after any interruption, and sees a fact twice only if it
// asks for it twice.
func (a *api) openEvents(who caller, body []byte) (producer, error) {
	in, err := decode[EventsRequest](body)
	if err != nil {
		return nil, err
	}
	about, err := parseEntity(in.Entity)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, emit func(message) error) error {
		err := a.sendFacts(ctx, who, in, about, emit)
		if errors.Is(err, errUntil) {
			return nil
		}
		return err
	}, nil
}

// sendFacts sends those that the caller may see until there are no more, Until has come, or ctx
// ends.
func (a *api) sendFacts(ctx context.Context, who caller, in EventsRequest, about events.Entity, emit func(message) error) error {
	last, err := a.log.Last(ctx, stream.Lab)
	if err != nil {
		return err
	}
	if about.Kind == events.Job {
		if err := a.mayFollow(ctx, who, jobID(about.ID)); err != nil {
			return err
		}
	}
	blank, still := a.blank(who), a.stillSees(who)
	var known uint64 // fact up to which the state is
	send := func(r stream.Recorded) error {
		if about.Kind != "" && r.Event.About() != about || r.Seq < in.From {
			return nil
		}
		// The state is folded beside this reader of the log and may be behind it: it would not know yet who may see a job or a
		// device that is new, and a page that looks again because of this fact would be shown what was before.
		if r.Seq > known {
			a.await(ctx, atMostBehind, func(s *lab.State) bool { known = s.Through(); return known >= r.Seq })
		}
		r = blank(r)
		seen := about.Kind == events.Job // of which [api.mayFollow] has made sure, also of one that the state has forgotten
		if seen {
			if err := still(jobID(about.ID)); err != nil {
				return err
			}
		}
		a.read(func(s *lab.State) {
			if seen = seen || who.can(s, lab.View, r.Event.About()); seen {
				r.Event = withoutHidden(s, who, r.Event)
			}
		})
		if !seen {
			return nil
		}
		body, err := json.Marshal(viewFact(r))
		if err != nil {
			return fmt.Errorf("encode fact %d: %w", r.Seq, err)
		}
		if err := emit(message{body: body}); err != nil {
			return err
		}
		// Once it was sent: who waits for a fact wants to see it.
		if in.Until != "" && events.Name(r.Event) == in.Until {
			return errUntil
		}
		return nil
	}
	from := in.From
	if about.Kind != "" {
		// One entity's facts are found by its subject, wherever in the stream they stand.
		facts, err := a.log.Load(ctx, about)
		if err != nil {
			return err
		}
		for _, r := range facts {
			if err := send(r); err != nil {
				return err
			}
			last = max(last, r.Seq)
		}
		// What was recorded while the entity's facts were read has a sequence behind last or came
		// with them.
		from = last + 1
	} else if from == 0 && last > recent {
		from = last - recent + 1
	}
	if !in.Follow {
		if about.Kind != "" {
			return nil
		}
		return a.log.ReadAll(ctx, stream.Lab, from, send)
	}
	return a.log.Follow(ctx, stream.Lab, from, send)
}

// mayFollow refuses callers who would wait for ever: for facts of a job that there is not, or that they may not see.
// A definition that nobody has looked at yet is its submitter's to follow.
func (a *api) mayFollow(ctx context.Context, who caller, job events.JobID) error {
	facts, err := a.jobFacts(ctx, job)
	if err != nil {
		return err
	}
	if _, known := jobOfFacts(facts); known {
		return a.mayJob(who, lab.View, job)
	}
	_, err = a.uncheckedRow(ctx, who, job)
	return err
}

// viewFact shows a fact as flows and audits tell it.
// Data is the fact as it was decoded, by its newest version: readers of the flow never see an old
// one.
func viewFact(r stream.Recorded) Fact {
	return Fact{Seq: r.Seq, Name: events.Name(r.Event), Entity: r.Event.About().String(), Time: r.Time,
		Source: r.Source, Actor: r.Actor, From: r.From, Cause: r.Cause, Data: r.Event}
}

// parseEntity reads an entity as people write it: "job/42", "device/qemu01", or nothing.
// Whether there is such a thing is not looked at: one that is gone has facts all the same.
func parseEntity(text string) (events.Entity, error) {
	if text == "" {
		return events.Entity{}, nil
	}
	kind, id, _ := strings.Cut(text, "/")
	switch k := events.Kind(kind); k {
	case events.Job, events.Device, events.DeviceType, events.Worker, events.Tag, events.User, events.Group:
		if id != "" {
			return events.Entity{Kind: k, ID: id}, nil
		}
	case events.Reservation, events.Query, events.Chart, events.Notification:
		if _, err := strconv.ParseUint(id, 10, 64); err == nil {
			return events.Entity{Kind: k, ID: id}, nil
		}
	// There is one of each, so an id is a mistake.
	case events.Scheduling, events.Policy, events.KnownIssues, events.Lab:
		if id == "" {
			return events.Entity{Kind: k}, nil
		}
	}
	return events.Entity{}, refuse(Invalid,
		"entity is %q; write job/42, device/NAME, devicetype/NAME, worker/NAME, tag/NAME, user/NAME, group/NAME, reservation/1, query/3, chart/2, policy, issues, scheduling or lab", text)
}
