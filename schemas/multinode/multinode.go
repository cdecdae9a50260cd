// Package multinode holds what the jobs of a multinode group and services/multinode hand each other.
//
// A member publishes a [Request] on sync.<group>; the stream SYNC keeps it, so all requests of a group
// have one order, and a service that starts again reads them again. The service sends the [Answer] to
// the subject that the request names. Neither is a fact: they live as long as their group.
//
// A request carries a number that its client chose. A member that hears no answer publishes the very
// request again; whoever reads it knows by the number that nothing new was asked.
package multinode

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Version is the version of both shapes. A reader refuses a higher one.
const Version = 1

// MaxBytes is the size, in bytes, of the largest request: what LAVA's protocol can frame.
const MaxBytes = 0xFFFE

// Op says what a request asks for.
type Op string

// What a request asks for.
const (
	Join    Op = "join"     // be a member; answered when the group is complete
	Send    Op = "send"     // store a message for all members; answered at once
	Wait    Op = "wait"     // for the first message of an id
	WaitAll Op = "wait-all" // for the message of every member, or of every one with the role Of
	Sync    Op = "sync"     // for every member to ask the same
	Leave   Op = "leave"    // be a member no more; answered at once
	Taken   Op = "taken"    // of a client that asks again and again (see Polls): it has seen its sync's answer
)

// Request is what one member asks of its group.
type Request struct {
	Version int    `json:"version"`
	Op      Op     `json:"op"`
	Number  string `json:"number"`            // unique among the client's requests
	Client  string `json:"client"`            // the job's number, as text
	Role    string `json:"role"`              // of the client
	Size    int    `json:"size,omitempty"`    // of join: members that the group has in all
	ID      string `json:"id,omitempty"`      // of the message; missing for join and leave
	Message []Pair `json:"message,omitempty"` // of send and sync
	Of      string `json:"of,omitempty"`      // of wait-all: the role that is waited for; empty: all
	Polls   bool   `json:"polls,omitempty"`   // comes from a client without numbers of its own, which asks until it is answered
	Reply   string `json:"reply,omitempty"`   // subject for the answer; empty: nobody waits for one
}

// Pair is one key of a message and its value.
type Pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Outcome is how a request ended.
type Outcome string

// How a request ends.
const (
	Done    Outcome = "ack"
	Refused Outcome = "nack" // it can never be answered; Reason says why
	Gone    Outcome = "gone" // who should have sent or come is over; Reason says who
)

// Answer is what a member hears.
type Answer struct {
	Version  int      `json:"version"`
	Number   string   `json:"number"` // of the request
	Outcome  Outcome  `json:"outcome"`
	Reason   string   `json:"reason,omitempty"`
	Messages []Sent   `json:"messages,omitempty"` // of wait and wait-all, in order of the clients
	Members  []Member `json:"members,omitempty"`  // of join, sorted
}

// Sent is what one member sent under an id: later values of a key replace earlier ones.
type Sent struct {
	Client  string `json:"client"`
	Message []Pair `json:"message"`
}

// Member is one member of a group.
type Member struct {
	Client string `json:"client"`
	Role   string `json:"role"`
}

// Decode reads a request. The error names what is wrong: not JSON, too long, another version, an
// unknown operation, a name that is missing.
// Roles and messages may be anything: they are the test's own words.
func Decode(data []byte) (Request, error) {
	var r Request
	if len(data) > MaxBytes {
		return r, fmt.Errorf("read multinode request: it has %d bytes, at most %d are allowed", len(data), MaxBytes)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read multinode request: %w", err)
	}
	if r.Version != Version {
		return r, fmt.Errorf("read multinode request: version is %d, want %d", r.Version, Version)
	}
	switch r.Op {
	case Join:
		if r.Size < 1 {
			return r, fmt.Errorf("read multinode request: join has size %d, want at least 1", r.Size)
		}
	case Leave:
	case Send, Wait, WaitAll, Sync, Taken:
		if r.ID == "" {
			return r, fmt.Errorf("read multinode request: %s has no id", r.Op)
		}
	default:
		return r, fmt.Errorf("read multinode request: op is %q, want one of join, send, wait, wait-all, sync, leave, taken", r.Op)
	}
	for _, f := range []struct{ name, value string }{{"number", r.Number}, {"client", r.Client}} {
		if f.value == "" {
			return r, fmt.Errorf("read multinode request: %s has no %s", r.Op, f.name)
		}
	}
	return r, nil
}

// Subject returns the subject of a group's requests, such as "sync.7b0e8b2e-…". Group ids are UUIDs;
// any other name is refused, because it could reach another group's subject.
func Subject(group string) (string, error) {
	if group == "" || len(group) > 100 || strings.Trim(group, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return "", fmt.Errorf("multinode group %q: want 1 to 100 letters, digits, - and _", group)
	}
	return "sync." + group, nil
}

// Value returns the value of a key of a message and whether it has one.
func Value(message []Pair, key string) (string, bool) {
	for _, p := range message {
		if p.Key == key {
			return p.Value, true
		}
	}
	return "", false
}
