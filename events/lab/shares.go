package lab

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"strata/events"
)

// Use is the device time that a user's jobs have had.
type Use struct {
	Seconds float64   `json:"seconds"`           // of jobs that are over, older ones counting less, as of At
	At      time.Time `json:"at"`                // when Seconds was last reckoned
	Held    int       `json:"held,omitempty"`    // devices that jobs of the user hold
	Started int64     `json:"started,omitempty"` // sum of the times at which these were given, in Unix milliseconds
}

// defaultHalfLife decays what is counted while no policy says how.
const defaultHalfLife = 7 * 24 * time.Hour

func (p *Policy) halfLife() time.Duration {
	if p.FairShare == nil {
		return defaultHalfLife
	}
	return time.Duration(p.FairShare.HalfLife) * time.Second
}

// UseOf returns what a user has used.
func (s *State) UseOf(user events.UserName) Use {
	if u := s.rules.use[user]; u != nil {
		return *u
	}
	return Use{}
}

// total is the device seconds that count for a user. A job counts from its first moment for as much
// as jobs took of late, or a hundred devices that become free at once would go to one user.
func (s *State) total(u Use, more int, now time.Time) float64 {
	decayed := u.Seconds * decay(now.Sub(u.At), s.rules.policy.halfLife())
	held := float64(int64(u.Held)*now.UnixMilli()-u.Started) / 1000
	return decayed + max(held, float64(u.Held)*s.typical()) + float64(more)*s.typical()
}

// typical is how long a job holds its device; before the first has ended, a minute.
func (s *State) typical() float64 {
	if s.rules.length == 0 {
		return 60
	}
	return s.rules.length
}

func decay(age, halfLife time.Duration) float64 {
	if age <= 0 || halfLife <= 0 {
		return 1
	}
	return math.Exp2(-float64(age) / float64(halfLife))
}

// account counts the device that a job gets or leaves between two states of it. A device whose order
// came back unstarted costs nothing.
func (s *State) account(was, is *Job, at time.Time) {
	had, has := was.holdsDevice(), is.holdsDevice()
	if had == has || was.HealthCheck {
		return
	}
	u := s.rules.use[was.User]
	if u == nil {
		u = &Use{At: at}
		s.rules.use[was.User] = u
	}
	if has {
		u.Held++
		u.Started += is.Run.ScheduledAt.UnixMilli()
		return
	}
	u.Held--
	u.Started -= was.Run.ScheduledAt.UnixMilli()
	if is.State != Finished {
		return
	}
	took := max(0, at.Sub(was.Run.ScheduledAt).Seconds())
	u.Seconds = u.Seconds*decay(at.Sub(u.At), s.rules.policy.halfLife()) + took
	u.At = at
	if s.rules.length == 0 {
		s.rules.length = took
	}
	s.rules.length += (took - s.rules.length) / 16
	s.want(was, at)
}

func (j *Job) holdsDevice() bool {
	return j.Run != nil && j.Run.Device != "" && j.State >= Scheduled && j.State < Finished
}

// Rank is where a job stands among those that could have the same device.
type Rank struct {
	Check     bool    // a health check
	Priority  int     // as it counts: raised where the job has waited for long
	Raised    bool    // it was
	Share     float64 // device seconds of the user's group by its weight; of the user without one
	UserShare float64 // of the user by its weight
	Job       events.JobID
}

// Before says that r gets the device first: health checks, then by priority, those that waiting has
// raised before those submitted so high, then who has used least of its share, then by number.
func (r Rank) Before(o Rank) bool {
	switch {
	case r.Check != o.Check:
		return r.Check
	case r.Priority != o.Priority:
		return r.Priority > o.Priority
	case r.Raised != o.Raised:
		return r.Raised
	case r.Share != o.Share:
		return r.Share < o.Share
	case r.UserShare != o.UserShare:
		return r.UserShare < o.UserShare
	}
	return r.Job < o.Job
}

// Standings ranks jobs at one moment by the policy of the lab. It remembers what it reckoned: the
// lab must not change meanwhile.
type Standings struct {
	s     *State
	now   time.Time
	given map[events.UserName]int
	known map[events.UserName]footing
}

// footing is how a user stands.
type footing struct {
	group            events.GroupName
	share, userShare float64
}

// Standings returns the ranks of jobs at a time.
func (s *State) Standings(now time.Time) *Standings {
	return &Standings{s: s, now: now, given: map[events.UserName]int{}, known: map[events.UserName]footing{}}
}

// Rank returns where a job stands now.
func (t *Standings) Rank(j *Job) Rank {
	p := &t.s.rules.policy
	r := Rank{Check: j.HealthCheck, Priority: j.Priority, Job: j.ID}
	if j.HealthCheck {
		return r
	}
	if p.Raises(j.Priority, j.SubmittedAt, t.now) {
		r.Priority, r.Raised = p.Aging.Bound, true
	}
	if p.FairShare != nil {
		u := t.footing(j.User)
		r.Share, r.UserShare = u.share, u.userShare
	}
	return r
}

func (t *Standings) footing(user events.UserName) footing {
	if u, ok := t.known[user]; ok {
		return u
	}
	p := &t.s.rules.policy
	u := footing{group: p.Group(user)}
	if p.FairShare != nil {
		u.userShare = t.total(user) / float64(p.weight(user))
		u.share = u.userShare
		if u.group != "" {
			sum := 0.0
			for _, other := range p.users(u.group) {
				if p.Group(other) == u.group {
					sum += t.total(other)
				}
			}
			u.share = sum / float64(p.groupWeight(u.group))
		}
	}
	t.known[user] = u
	return u
}

func (t *Standings) total(user events.UserName) float64 {
	return t.s.total(t.s.UseOf(user), t.given[user], t.now)
}

// Give counts a device that a user's job is about to get.
func (t *Standings) Give(j *Job) {
	if j.HealthCheck || !t.s.rules.policy.Shares() {
		return
	}
	group := t.footing(j.User).group
	t.given[j.User]++
	delete(t.known, j.User)
	if group != "" {
		for _, other := range t.s.rules.policy.users(group) {
			delete(t.known, other)
		}
	}
}

// Capped says why a job that needs so many devices must wait though there are some: its user or the
// user's group holds as many as the policy lets it. Who holds none gets what one job needs, however
// low the cap.
func (t *Standings) Capped(j *Job, devices int) (why string, capped bool) {
	p := &t.s.rules.policy
	if p.Caps == nil || j.HealthCheck {
		return "", false
	}
	held := t.held(j.User)
	if most := p.cap(j.User); most > 0 && held > 0 && held+devices > most {
		return fmt.Sprintf("%s holds %s and may hold %d", j.User, devicesPhrase(held), most), true
	}
	group := t.footing(j.User).group
	most := p.groupCap(group)
	if group == "" || most == 0 {
		return "", false
	}
	held = 0
	for _, other := range p.users(group) {
		if p.Group(other) == group {
			held += t.held(other)
		}
	}
	if held > 0 && held+devices > most {
		return fmt.Sprintf("group %s holds %s and may hold %d", group, devicesPhrase(held), most), true
	}
	return "", false
}

func devicesPhrase(n int) string {
	if n == 1 {
		return "1 device"
	}
	return fmt.Sprintf("%d devices", n)
}

func (t *Standings) held(user events.UserName) int {
	n := t.given[user]
	if u := t.s.rules.use[user]; u != nil {
		n += u.Held
	}
	return n
}

// UserUse is how a user stands at a time.
type UserUse struct {
	User    events.UserName
	Group   events.GroupName // that it counts for, "" where it stands for itself
	Seconds float64          // of devices, as they count then, running jobs included
	Share   float64          // Seconds of the group, or of the user without one, by the weight; 0 where no shares are set
	Held    int              // devices that its jobs hold
}

// Uses lists who has had devices; with shares set whoever is next first, else by name.
func (s *State) Uses(now time.Time) []UserUse {
	st := s.Standings(now)
	all := make([]UserUse, 0, len(s.rules.use))
	for _, user := range slices.Sorted(maps.Keys(s.rules.use)) {
		u := st.footing(user)
		all = append(all, UserUse{user, u.group, st.total(user), u.share, s.rules.use[user].Held})
	}
	slices.SortStableFunc(all, func(a, b UserUse) int { return cmp.Compare(a.Share, b.Share) })
	return all
}
