package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
)

// Policy is how the lab orders its queue, and where its users stand by it.
// Users are those whose use still counts, or who hold devices now.
type Policy struct {
	events.SchedulingPolicySet
	Seq   uint64     `json:"sequence,omitempty"` // of the fact that set it; 0: none did, and the order is LAVA's
	At    *time.Time `json:"at,omitempty"`       // since when it holds
	Users []Standing `json:"users,omitempty"`    // who has had devices, with shares whoever is next first
}

// Standing is what a user's jobs have had.
// Seconds fade by the policy's half-life, so they are no bill.
type Standing struct {
	User    events.UserName  `json:"user"`
	Group   events.GroupName `json:"group,omitempty"` // that it counts for
	Seconds int64            `json:"seconds"`         // of devices, older ones counting less
	Held    int              `json:"held"`            // devices that its jobs hold now
}

// maxSeconds bounds the lengths of time in a policy and of a reservation: ten years.
const maxSeconds events.Seconds = 10 * 366 * 24 * 3600

// showPolicy answers with the policy that holds.
// Anybody signed in may ask: how the queue is ordered, and who stands before whom, is fair only if it is seen.
func (a *api) showPolicy(_ context.Context, _ caller, _ none) (Policy, error) {
	var out Policy
	now := a.now()
	a.read(func(s *lab.State) {
		p := s.Policy()
		out.SchedulingPolicySet, out.Seq = p.SchedulingPolicySet, p.Seq
		if p.Seq > 0 {
			at := p.At
			out.At = &at
		}
		for _, u := range s.Uses(now) {
			out.Users = append(out.Users, Standing{User: u.User, Group: u.Group, Seconds: int64(u.Seconds), Held: u.Held})
		}
	})
	return out, nil
}

// setPolicy replaces the policy.
// The whole of it, also where another person has set one a moment ago: the last one holds, and the log has both.
func (a *api) setPolicy(ctx context.Context, who caller, in events.SchedulingPolicySet) (Policy, error) {
	if err := CheckPolicy(in); err != nil {
		return Policy{}, err
	}
	in.By = who.user
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := allow(s, who, lab.Administer, events.Policy, ""); err != nil {
			return nil, err
		}
		return []events.Event{in}, nil
	})
	if err != nil {
		return Policy{}, err
	}
	return a.showPolicy(ctx, who, none{})
}

// CheckPolicy refuses a policy that no scheduler could follow, with an [*Error] that names the field.
// The first fault is told. `strata simulate` asks it too, of policies that no lab has.
func CheckPolicy(p events.SchedulingPolicySet) error {
	c := checker{groups: map[events.GroupName]bool{}}
	for i, g := range p.Groups {
		at := fmt.Sprintf("groups[%d]", i)
		c.name(at+".group", string(g.Group))
		// A group's own list, its weight and its cap are three things: the words before the name keep them apart.
		c.once(at+".group", "group "+string(g.Group))
		c.groups[g.Group] = true
		for _, u := range g.Users {
			c.name(at+".users", string(u))
		}
	}
	if f := p.FairShare; f != nil {
		c.within("fair_share.half_life", int64(f.HalfLife), 1, int64(maxSeconds))
		c.within("fair_share.default_weight", int64(f.DefaultWeight), 1, 1_000_000)
		for _, u := range f.Users {
			at := "fair_share.users." + string(u.User)
			c.name(at, string(u.User))
			c.once(at, at)
			c.within(at, int64(u.Weight), 1, 1_000_000)
		}
		for _, g := range f.Groups {
			at := "fair_share.groups." + string(g.Group)
			c.known(at, g.Group)
			c.once(at, at)
			c.within(at, int64(g.Weight), 1, 1_000_000)
		}
	}
	if p.Caps != nil {
		c.caps(*p.Caps)
	}
	if p.Aging != nil {
		// Half of it has to be a second: a job is raised first when half has passed.
		c.within("aging.within", int64(p.Aging.Within), 2, int64(maxSeconds))
		c.within("aging.bound", int64(p.Aging.Bound), 1, 100)
	}
	if r := p.RareTags; r != nil {
		c.within("rare_tags.percent", int64(r.Percent), 0, 100)
		c.within("rare_tags.lend_after", int64(r.LendAfter), 0, int64(maxSeconds))
		for _, t := range r.Tags {
			c.name("rare_tags.tags", string(t))
		}
	}
	return c.err
}

// checker keeps the first fault of a policy.
type checker struct {
	err    error
	groups map[events.GroupName]bool
	seen   []string
}

// fail keeps a fault, unless there is one already.
func (c *checker) fail(field, format string, args ...any) {
	if c.err == nil {
		c.err = &Error{Code: Invalid, Field: field, Message: field + " " + fmt.Sprintf(format, args...)}
	}
}

// least and most are both allowed.
func (c *checker) within(field string, v, least, most int64) {
	if v < least || v > most {
		c.fail(field, "is %d; allowed are %d to %d", v, least, most)
	}
}

func (c *checker) name(field, name string) {
	if err := checkName(field, name, maxNameBytes); err != nil && c.err == nil {
		c.err = err
	}
}

// known refuses a group that the policy does not name.
// Groups of the policy are its own, not those of accounts: one that it does not name has no users.
func (c *checker) known(field string, g events.GroupName) {
	if !c.groups[g] {
		c.fail(field, "names group %q, whose users groups does not say", g)
	}
}

// once refuses what stands there a second time.
func (c *checker) once(field, what string) {
	if slices.Contains(c.seen, what) {
		c.fail(field, "stands there twice")
	}
	c.seen = append(c.seen, what)
}

// caps checks how many devices users and groups may hold; 0 is no cap.
func (c *checker) caps(caps events.Caps) {
	c.within("caps.default", int64(caps.Default), 0, 1_000_000)
	for _, u := range caps.Users {
		at := "caps.users." + string(u.User)
		c.name(at, string(u.User))
		c.once(at, at)
		c.within(at, int64(u.Devices), 0, 1_000_000)
	}
	for _, g := range caps.Groups {
		at := "caps.groups." + string(g.Group)
		c.known(at, g.Group)
		c.once(at, at)
		c.within(at, int64(g.Devices), 0, 1_000_000)
	}
}
