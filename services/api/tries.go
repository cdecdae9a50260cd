package api

import (
	"strings"
	"sync"
	"time"

	"strata/events"
	"strata/services/api/quota"
)

// How many passwords may be tried within [tryWindow] before further ones are not looked at. The user's own
// address counts apart, so that a stranger cannot shut a user out from there.
const (
	tryWindow      = 10 * time.Minute
	triesHere      = 10  // for one account from one address
	triesOfAddress = 50  // for all accounts from one address
	triesOfUser    = 200 // for one account from all addresses
	maxTries       = 100_000
)

// tries counts passwords that were wrong, by account and address. It is this process's own: several have
// several times as many.
type tries struct {
	mu     sync.Mutex
	counts map[string]tried
}

// tried is how many wrong passwords there were since the window began.
type tried struct {
	count int
	since time.Time
}

// keys names what a try counts for, with how many there may be.
func (*tries) keys(user events.UserName, from string) map[string]int {
	address := from
	if i := strings.LastIndexByte(from, ' '); i >= 0 {
		address = from[i+1:]
	}
	address = quota.Address(address) // one subscriber has a whole /64 of addresses
	// A directory takes a name in any case of its letters: that must not be as many names.
	user = events.UserName(strings.ToLower(string(user)))
	// The letters keep an address and a name of the same characters apart.
	return map[string]int{"a " + address: triesOfAddress, "u " + string(user): triesOfUser, "b " + address + " " + string(user): triesHere}
}

// allow counts a try, or refuses it. It counts before the password is looked at, so that a hundred at once are
// a hundred.
// The error is [Busy] and says when to come again; a refused try counts for nothing.
func (t *tries) allow(user events.UserName, from string, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil || len(t.counts) > maxTries {
		t.drop(now)
	}
	keys := t.keys(user, from)
	// All three are looked at before any is counted, so that a refused try counts for nothing.
	for key, most := range keys {
		if c := t.counts[key]; c.count >= most && now.Sub(c.since) < tryWindow {
			return refuse(Busy, "too many wrong passwords; try again in %s", (tryWindow - now.Sub(c.since)).Round(time.Second))
		}
	}
	for key := range keys {
		c := t.counts[key]
		if now.Sub(c.since) >= tryWindow {
			c = tried{since: now}
		}
		c.count++
		t.counts[key] = c
	}
	return nil
}

// drop forgets what is over; where that is not enough, everything: memory is not an attacker's to fill.
// What is lost are counts of attackers, who begin again, beside 100,000 other names or addresses.
func (t *tries) drop(now time.Time) {
	for key, c := range t.counts {
		if now.Sub(c.since) >= tryWindow {
			delete(t.counts, key)
		}
	}
	if t.counts == nil || len(t.counts) > maxTries/2 {
		t.counts = map[string]tried{}
	}
}

// forget takes back what a right password has counted, and for its account and address all before it.
func (t *tries) forget(user events.UserName, from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, most := range t.keys(user, from) {
		if most == triesHere {
			delete(t.counts, key)
		} else if c, ok := t.counts[key]; ok {
			c.count--
			t.counts[key] = c
		}
	}
}
