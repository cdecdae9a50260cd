package multinode

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	m "strata/schemas/multinode"
)

// A group is a fold over its requests and over the ends of its jobs. Nothing in this file knows the
// bus or the clock.

// maxRequests is how many requests a group may make, about a kilobyte of memory each at most: a test
// that sends in an endless loop must not take the service with it.
const maxRequests = 100_000

// group is what the members of one group have said.
type group struct {
	size     int // members in all; 0 before anybody has joined
	members  []member
	ended    map[string]string         // jobs of the group that are over, and why, by client
	messages map[string]*messages      // by id
	syncs    map[string]map[string]int // by id: how often each client has come
	asked    map[request]int           // every request heard: of a sync which of the client's it was
	taken    map[place]int             // of polling clients: syncs whose answer they have seen
	waiting  []m.Request               // not answered yet, in the order in which they came
}

// member is a client that has joined.
type member struct {
	client, role string
	left         bool
}

// request names a request of a client: it may come more than once.
type request struct{ client, number string }

// place is a client at an id.
type place struct{ client, id string }

// messages is what was sent under one id, in the order of first sending.
type messages []m.Sent

// answer is what is to be sent, and where to.
type answer struct {
	to string
	m.Answer
}

func newGroup() *group {
	return &group{ended: map[string]string{}, messages: map[string]*messages{}, syncs: map[string]map[string]int{},
		asked: map[request]int{}, taken: map[place]int{}}
}

// hear folds a request and returns the answers that are due now: its own, and those of others that
// waited for it.
func (g *group) hear(r m.Request) []answer {
	key := request{r.Client, r.Number}
	if _, again := g.asked[key]; again {
		return g.hearAgain(r)
	}
	if len(g.asked) >= maxRequests {
		return []answer{g.answer(r, m.Refused, fmt.Sprintf("the group has made %d requests already", maxRequests))}
	}
	g.asked[key] = 0
	// Whoever speaks is a member, as with LAVA, if there is room for one.
	if r.Op != m.Join && r.Op != m.Leave && g.member(r.Client) == nil && len(g.members) < g.size {
		g.members = append(g.members, member{client: r.Client, role: r.Role})
	}
	switch r.Op {
	case m.Join:
		if why := g.join(r); why != "" {
			return []answer{g.answer(r, m.Refused, why)}
		}
	case m.Leave:
		g.leave(r.Client)
	case m.Send:
		g.send(r)
	case m.Sync:
		g.asked[key] = g.come(r)
	case m.Taken:
		g.taken[place{r.Client, r.ID}]++
	}
	if !r.Polls {
		g.waiting = append(g.waiting, r)
	}
	return g.settle()
}

// hearAgain answers a request that was heard before: its answer was lost, or is not there yet.
func (g *group) hearAgain(r m.Request) []answer {
	for i, w := range g.waiting {
		if w.Client == r.Client && w.Number == r.Number {
			g.waiting[i].Reply = r.Reply // the client may have a new inbox
			return nil
		}
	}
	if a, ok := g.decide(r); ok {
		return []answer{a}
	}
	return nil
}

// end notes that a job is over: it will send nothing any more, and come nowhere.
func (g *group) end(client, why string) []answer {
	if _, known := g.ended[client]; !known {
		g.ended[client] = why
	}
	return g.settle()
}

// settle answers who waits and can be answered.
func (g *group) settle() []answer {
	var due []answer
	g.waiting = slices.DeleteFunc(g.waiting, func(r m.Request) bool {
		a, ok := g.decide(r)
		if ok {
			due = append(due, a)
		}
		return ok
	})
	return due
}

// join makes a client a member and returns why it cannot be one, empty where it can.
func (g *group) join(r m.Request) string {
	for i := range g.members {
		if g.members[i].client == r.Client {
			g.members[i].role, g.members[i].left = r.Role, false
			return ""
		}
	}
	if g.size == 0 {
		g.size = r.Size
	}
	switch {
	case r.Size != g.size:
		return fmt.Sprintf("job %s says that the group has %d members, others said %d", r.Client, r.Size, g.size)
	case len(g.members) == g.size:
		return fmt.Sprintf("the group has its %d members already, job %s is none of them", g.size, r.Client)
	}
	g.members = append(g.members, member{client: r.Client, role: r.Role})
	return ""
}

func (g *group) leave(client string) {
	for i := range g.members {
		if g.members[i].client == client {
			g.members[i].left = true
		}
	}
}

// send merges a message into what the client has sent under the id: every member sees it.
func (g *group) send(r m.Request) {
	all := g.messages[r.ID]
	if all == nil {
		all = &messages{}
		g.messages[r.ID] = all
	}
	i := slices.IndexFunc(*all, func(s m.Sent) bool { return s.Client == r.Client })
	if i < 0 {
		i = len(*all)
		*all = append(*all, m.Sent{Client: r.Client})
	}
	s := &(*all)[i]
	// A new slice: answers that were given hold the old one.
	merged := slices.Clone(s.Message)
	for _, p := range r.Message {
		if j := slices.IndexFunc(merged, func(q m.Pair) bool { return q.Key == p.Key }); j >= 0 {
			merged[j] = p
		} else {
			merged = append(merged, p)
		}
	}
	s.Message = merged
}

// come counts a client's coming to a meeting point and returns the number of the meeting, from 1.
func (g *group) come(r m.Request) int {
	came := g.syncs[r.ID]
	if came == nil {
		came = map[string]int{}
		g.syncs[r.ID] = came
	}
	came[r.Client]++
	return came[r.Client]
}

// decide returns the answer to a request as things stand; false where it has to wait.
func (g *group) decide(r m.Request) (answer, bool) {
	switch r.Op {
	case m.Leave, m.Taken:
		return g.answer(r, m.Done, ""), true
	}
	if g.size == 0 {
		return g.answer(r, m.Refused, "nobody has joined the group"), true
	}
	missing, gone := g.missing(r)
	switch {
	case missing == nobody:
		a := g.answer(r, m.Done, "")
		switch r.Op {
		case m.Join:
			for _, x := range g.members {
				a.Members = append(a.Members, m.Member{Client: x.client, Role: x.role})
			}
			slices.SortFunc(a.Members, func(x, y m.Member) int { return strings.Compare(x.Client, y.Client) })
		case m.Wait, m.WaitAll:
			if all := g.messages[r.ID]; all != nil {
				// By number, not by who was first: what a device is told must not hang on milliseconds.
				a.Messages = slices.SortedFunc(slices.Values(*all), func(x, y m.Sent) int {
					return cmp.Or(cmp.Compare(len(x.Client), len(y.Client)), strings.Compare(x.Client, y.Client))
				})
			}
		}
		return a, true
	case missing == impossible:
		return g.answer(r, m.Refused, gone), true
	case gone != "":
		return g.answer(r, m.Gone, gone), true
	}
	return answer{}, false
}

// What a request may still miss.
type lack int

const (
	nobody     lack = iota // it can be answered
	somebody               // it has to wait, unless who is missing is gone
	impossible             // it can never be answered
)

// missing says whether somebody's deed is missing for a request, and if that will never come, why.
func (g *group) missing(r m.Request) (lack, string) {
	switch r.Op {
	case m.Join:
		return g.missingMember()
	case m.Wait:
		if g.messages[r.ID] != nil {
			return nobody, ""
		}
		return somebody, g.allGone(r)
	case m.WaitAll:
		return g.missingDeed("has not sent "+r.ID, r.Of, func(client string) bool { return g.sent(r.ID, client) })
	case m.Sync:
		meeting := g.asked[request{r.Client, r.Number}]
		if r.Polls {
			meeting = g.syncs[r.ID][r.Client]
		}
		return g.missingDeed("has not come to "+r.ID, "", func(client string) bool { return g.syncs[r.ID][client] >= meeting })
	}
	return nobody, ""
}

// missingMember says whether the group is complete, and which job that is over will never join.
func (g *group) missingMember() (lack, string) {
	if len(g.members) == g.size {
		return nobody, ""
	}
	for _, client := range slices.Sorted(maps.Keys(g.ended)) {
		if g.member(client) == nil {
			return somebody, fmt.Sprintf("job %s is over (%s) and has not joined", client, g.ended[client])
		}
	}
	return somebody, ""
}

// missingDeed says whether all members, or those of one role, have done something, and who is gone
// without having done it.
func (g *group) missingDeed(not, role string, done func(client string) bool) (lack, string) {
	if missing, gone := g.missingMember(); missing != nobody {
		return missing, gone
	}
	missing, why, asked := nobody, "", 0
	for _, x := range g.members {
		if role != "" && x.role != role {
			continue
		}
		if asked++; done(x.client) {
			continue
		}
		missing = somebody
		if gone := g.gone(x); gone != "" && why == "" {
			why = fmt.Sprintf("job %s %s and %s", x.client, gone, not)
		}
	}
	if asked == 0 {
		return impossible, "no job of the group has the role " + role
	}
	return missing, why
}

// comes says that a polling client stands at a meeting point whose answer it has not seen.
func (g *group) comes(client, id string) bool {
	return g.syncs[id][client] > g.taken[place{client, id}]
}

func (g *group) member(client string) *member {
	for i := range g.members {
		if g.members[i].client == client {
			return &g.members[i]
		}
	}
	return nil
}

func (g *group) sent(id, client string) bool {
	all := g.messages[id]
	return all != nil && slices.ContainsFunc(*all, func(s m.Sent) bool { return s.Client == client })
}

// gone says how a member has ended, empty where it has not.
func (g *group) gone(x member) string {
	switch why, over := g.ended[x.client]; {
	case over:
		return "is over (" + why + ")"
	case x.left:
		return "has left the group"
	}
	return ""
}

// allGone says that all others are over, so that no message can come.
func (g *group) allGone(r m.Request) string {
	if len(g.members) < g.size {
		return ""
	}
	for _, x := range g.members {
		if x.client != r.Client && g.gone(x) == "" {
			return ""
		}
	}
	return "all other jobs of the group are over and none has sent " + r.ID
}

func (g *group) answer(r m.Request, o m.Outcome, why string) answer {
	return answer{r.Reply, m.Answer{Version: m.Version, Number: r.Number, Outcome: o, Reason: why}}
}
