package events

// SchedulingPolicySet records how the lab orders its queue and hands out its devices from then on.
// It replaces the policy before; what it does not name is off, and with nothing on jobs are ordered
// as LAVA orders them. Written by services/api.
type SchedulingPolicySet struct {
	FairShare *FairShare   `json:"fair_share,omitempty"` // nil: submit order within a priority
	Caps      *Caps        `json:"caps,omitempty"`       // nil: nobody is limited
	Aging     *Aging       `json:"aging,omitempty"`      // nil: waiting raises nothing
	RareTags  *RareTags    `json:"rare_tags,omitempty"`  // nil: a tag keeps no device from other jobs
	Groups    []GroupUsers `json:"groups,omitempty"`     // who the groups are, for shares, caps and reservations
	By        UserName     `json:"by"`
}

// FairShare divides device time among the users and groups whose jobs have the same priority, in
// proportion to their weights. A group is one share, whoever of it submits; within it the same holds
// among its users. What a user has used is the time from JobScheduled to the end of each job, health
// checks not counted.
type FairShare struct {
	HalfLife      Seconds       `json:"half_life"`      // use of that long ago counts half; at least 1
	DefaultWeight int           `json:"default_weight"` // of users and groups that are not named; at least 1
	Users         []UserWeight  `json:"users,omitempty"`
	Groups        []GroupWeight `json:"groups,omitempty"`
}

// UserWeight is a user's weight: among the users without a group, or within its group.
type UserWeight struct {
	User   UserName `json:"user"`
	Weight int      `json:"weight"` // at least 1
}

// GroupWeight is a group's weight among the groups and the users without one.
type GroupWeight struct {
	Group  GroupName `json:"group"`
	Weight int       `json:"weight"` // at least 1
}

// Caps limit how many devices the jobs of a user or group hold at once.
type Caps struct {
	Default int        `json:"default,omitempty"` // of users that are not named; 0: no limit
	Users   []UserCap  `json:"users,omitempty"`
	Groups  []GroupCap `json:"groups,omitempty"`
}

// UserCap is the most devices that a user's jobs hold at once.
type UserCap struct {
	User    UserName `json:"user"`
	Devices int      `json:"devices"` // 0: no limit
}

// GroupCap is the most devices that the jobs of a group's users hold at once, all together.
type GroupCap struct {
	Group   GroupName `json:"group"`
	Devices int       `json:"devices"` // 0: no limit
}

// Aging lets no job starve: one that has waited for half of Within counts as of priority Bound, and
// goes before the jobs that were submitted with that priority. The other half of the time is for a
// device to become free.
type Aging struct {
	Within Seconds `json:"within"` // a job of priority 0 starts within this; at least 2
	Bound  int     `json:"bound"`  // 1–100: jobs above it are never overtaken
}

// RareTags keeps devices with rare tags for the jobs that ask for one of these.
type RareTags struct {
	Percent   int       `json:"percent"`        // a tag is rare that at most so many percent of the devices of a type carry; 0: only Tags are
	Tags      []TagName `json:"tags,omitempty"` // rare wherever they are
	LendAfter Seconds   `json:"lend_after"`     // jobs without the tag get the device once nobody has asked for it for so long; 0: never
}

// GroupUsers says who belongs to a group. Who belongs to several counts for the first.
type GroupUsers struct {
	Group GroupName  `json:"group"`
	Users []UserName `json:"users"`
}

func (e SchedulingPolicySet) About() Entity { return Entity{Kind: Policy} }
