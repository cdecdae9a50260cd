package lab

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"strata/events"
)

// Policy is how the lab orders its queue and hands out its devices. The zero Policy is LAVA's: by
// priority, then in order of submission.
type Policy struct {
	events.SchedulingPolicySet
	Seq uint64    `json:"seq"` // of the fact that set it; 0: none did
	At  time.Time `json:"at"`  // since when it holds
}

// Shares says that a user's jobs are not like another's: their order or number hangs on the user.
func (p *Policy) Shares() bool { return p.FairShare != nil || p.Caps != nil }

// Raises says that a job of that priority, which was submitted at a time, counts as of the policy's
// bound now.
func (p *Policy) Raises(priority int, submitted, now time.Time) bool {
	return p.Aging != nil && priority < p.Aging.Bound && p.Aged(submitted, now)
}

// Aged says that half of the time is over within which a job is to start; false where none is set.
func (p *Policy) Aged(submitted, now time.Time) bool {
	return p.Aging != nil && now.Sub(submitted) >= time.Duration(p.Aging.Within)*time.Second/2
}

// Group is the group that a user counts for, "" where the policy puts the user in none.
func (p *Policy) Group(user events.UserName) events.GroupName {
	for _, g := range p.Groups {
		if slices.Contains(g.Users, user) {
			return g.Group
		}
	}
	return ""
}

// In says that a user belongs to a group.
func (p *Policy) In(user events.UserName, group events.GroupName) bool {
	for _, g := range p.Groups {
		if g.Group == group && slices.Contains(g.Users, user) {
			return true
		}
	}
	return false
}

func (p *Policy) users(group events.GroupName) []events.UserName {
	for _, g := range p.Groups {
		if g.Group == group {
			return g.Users
		}
	}
	return nil
}

// weight of a user; 1 where no shares are set.
func (p *Policy) weight(user events.UserName) int {
	if p.FairShare == nil {
		return 1
	}
	for _, u := range p.FairShare.Users {
		if u.User == user {
			return max(1, u.Weight)
		}
	}
	return max(1, p.FairShare.DefaultWeight)
}

func (p *Policy) groupWeight(group events.GroupName) int {
	for _, g := range p.FairShare.Groups {
		if g.Group == group {
			return max(1, g.Weight)
		}
	}
	return max(1, p.FairShare.DefaultWeight)
}

// cap is the most devices that a user's jobs hold, 0 where there is no limit.
func (p *Policy) cap(user events.UserName) int {
	for _, u := range p.Caps.Users {
		if u.User == user {
			return u.Devices
		}
	}
	return p.Caps.Default
}

func (p *Policy) groupCap(group events.GroupName) int {
	for _, g := range p.Caps.Groups {
		if g.Group == group {
			return g.Devices
		}
	}
	return 0
}

// Policy returns the policy that holds; its zero where none was ever set. It is not to be changed.
func (s *State) Policy() *Policy { return &s.rules.policy }

// rules is what people have laid down for the queue, and what is counted for it.
type rules struct {
	policy       Policy
	reservations map[events.ReservationID]*Reservation
	lastReserved events.ReservationID // the highest number given so far
	use          map[events.UserName]*Use
	length       float64                 // mean seconds that a job held its device of late
	wanted       map[wantedTag]time.Time // when jobs last asked for a tag, or ended that had
}

type wantedTag struct {
	Type events.DeviceTypeName `json:"type"`
	Tag  events.TagName        `json:"tag"`
}

func newRules() rules {
	return rules{reservations: map[events.ReservationID]*Reservation{}, use: map[events.UserName]*Use{},
		wanted: map[wantedTag]time.Time{}}
}

func (s *State) evolvePolicy(seq uint64, at time.Time, e events.Event) {
	s.rules.policy.Seq = seq
	if e, ok := e.(events.SchedulingPolicySet); ok {
		s.rules.policy = Policy{e, seq, at}
		s.indexShares()
	}
}

// RareTags returns the tags for which the policy keeps devices of a type, in order. It goes through
// all devices.
func (s *State) RareTags(typ events.DeviceTypeName) []events.TagName {
	p := s.rules.policy.RareTags
	if p == nil {
		return nil
	}
	count, all := map[events.TagName]int{}, 0
	for _, d := range s.devices {
		if d.Type != typ || d.Health == events.Retired {
			continue
		}
		all++
		for _, t := range d.Tags {
			count[t]++
		}
	}
	var rare []events.TagName
	for _, t := range slices.Sorted(maps.Keys(count)) {
		if 100*count[t] <= p.Percent*all || slices.Contains(p.Tags, t) {
			rare = append(rare, t)
		}
	}
	return rare
}

// KeptUntil says that a device with some of its type's rare tags is kept from jobs that ask for none
// of them, and until when if nobody asks; a zero time with kept is for ever. Pins are not looked at.
func (s *State) KeptUntil(d *Device, asked, rare []events.TagName, now time.Time) (until time.Time, kept bool) {
	p := &s.rules.policy
	for _, t := range rare {
		if !d.HasTags([]events.TagName{t}) {
			continue
		}
		if slices.Contains(asked, t) {
			return time.Time{}, false
		}
		if p.RareTags.LendAfter == 0 {
			until, kept = time.Time{}, true
			continue
		}
		if lent := s.lentAt(d.Type, t); lent.After(now) {
			if !kept || !until.IsZero() && lent.After(until) {
				until = lent
			}
			kept = true
		}
	}
	return until, kept
}

// lentAt is when devices of a type with a rare tag may be given to any job, should none ask for it.
func (s *State) lentAt(typ events.DeviceTypeName, tag events.TagName) time.Time {
	p, last := &s.rules.policy, s.rules.wanted[wantedTag{typ, tag}]
	if last.Before(p.At) {
		last = p.At
	}
	return last.Add(time.Duration(p.RareTags.LendAfter) * time.Second)
}

// want notes that jobs ask for tags.
func (s *State) want(j *Job, at time.Time) {
	typ := s.Resolve(j.DeviceType)
	for _, t := range j.Tags {
		if k := (wantedTag{typ, t}); s.rules.wanted[k].Before(at) {
			s.rules.wanted[k] = at
		}
	}
}

// rulesSnap is the rules in a checkpoint.
type rulesSnap struct {
	Policy       *Policy                  `json:"policy,omitempty"`
	Reservations []*Reservation           `json:"reservations,omitempty"`
	LastReserved events.ReservationID     `json:"last_reserved,omitempty"`
	Use          map[events.UserName]*Use `json:"use,omitempty"`
	Length       float64                  `json:"length,omitempty"`
	Wanted       []wantedSnap             `json:"wanted,omitempty"`
}

type wantedSnap struct {
	wantedTag
	At time.Time `json:"at"`
}

// snap returns what a checkpoint keeps; nil where nothing was laid down or counted yet.
func (r *rules) snap() *rulesSnap {
	out := rulesSnap{LastReserved: r.lastReserved, Use: r.use, Length: r.length,
		Reservations: slices.Collect(sorted(r.reservations))}
	if r.policy.Seq > 0 || !r.policy.At.IsZero() {
		out.Policy = &r.policy
	}
	for k, at := range r.wanted {
		out.Wanted = append(out.Wanted, wantedSnap{k, at})
	}
	slices.SortFunc(out.Wanted, func(a, b wantedSnap) int {
		return cmp.Or(strings.Compare(string(a.Type), string(b.Type)), strings.Compare(string(a.Tag), string(b.Tag)))
	})
	if out.Policy == nil && len(out.Reservations) == 0 && out.LastReserved == 0 && len(out.Use) == 0 && len(out.Wanted) == 0 {
		return nil
	}
	return &out
}

func (r *rules) restore(in *rulesSnap) {
	if in == nil {
		return
	}
	if in.Policy != nil {
		r.policy = *in.Policy
	}
	for _, one := range in.Reservations {
		r.reservations[one.Reservation] = one
	}
	if in.Use != nil {
		r.use = in.Use
	}
	r.lastReserved, r.length = in.LastReserved, in.Length
	for _, w := range in.Wanted {
		r.wanted[w.wantedTag] = w.At
	}
}
