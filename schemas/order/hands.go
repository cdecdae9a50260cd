package order

import (
	"encoding/json"
	"fmt"
)

// HandsDo says what is to be done to a device by hand.
type HandsDo string

// What can be done by hand. The first three begin a session, the others are about one that is there.
const (
	DoPower   HandsDo = "power"   // switch the power
	DoConsole HandsDo = "console" // join the console
	DoCheck   HandsDo = "check"   // go through the board step by step
	DoType    HandsDo = "type"    // type on the session's console
	DoKeep    HandsDo = "keep"    // the person is still there
	DoEnd     HandsDo = "end"     // the person is gone
)

// Hands asks a worker, while it is there, to do something to a device for a person. It travels on hands.<worker>
// and is kept nowhere: a wish that waited for a worker to come back would switch a board that nobody
// looks at any more. What happens comes as [HandsSaid] on hands.<worker>.<session>.
//
// The lease fences the device as a job's does. A worker that has seen a higher one, or runs a job on the
// device, refuses; an order to start a job under a higher lease ends the session first.
type Hands struct {
	Version int     `json:"version"`
	Do      HandsDo `json:"do"`
	Session string  `json:"session"` // a token of the asker's, of this one session
	Device  string  `json:"device,omitempty"`
	Lease   uint64  `json:"lease,omitempty"`

	Config     string   `json:"config,omitempty"`     // the device's rendered configuration, YAML
	Env        string   `json:"env,omitempty"`        // env.yaml: shapes the environment of the commands
	Power      string   `json:"power,omitempty"`      // of power: on, off or reset
	Connection string   `json:"connection,omitempty"` // of console: a name in commands.connections; empty: the main one
	Silence    int      `json:"silence,omitempty"`    // of check: seconds to wait for the first byte; 0: the default
	Patience   int      `json:"patience,omitempty"`   // of check: seconds to wait for a prompt; 0: the default
	Prompts    []string `json:"prompts,omitempty"`    // of check: what to wait for
	Text       string   `json:"text,omitempty"`       // of type
}

// HandsSaid is a message of a session. They are numbered; one that is missing was lost on the way, because
// whoever asked reads more slowly than the device talks.
type HandsSaid struct {
	Number uint64          `json:"number"`         // from 1
	At     uint64          `json:"at"`             // bytes of Text in the messages before, and of what was dropped here
	Text   string          `json:"text,omitempty"` // of the console
	Line   string          `json:"line,omitempty"` // what a command printed, or what was called
	Step   json.RawMessage `json:"step,omitempty"` // of a check: one that has ended
	Ended  bool            `json:"ended,omitempty"`
	Error  string          `json:"error,omitempty"` // of the end: why it failed, a sentence; empty: it was done
}

// HandsGone is after how many seconds without a sign of the person a worker ends a session.
const HandsGone = 45

// DecodeHands reads what is to be done by hand. The error names what is wrong.
// Settings that a use does not need are not looked at: an older lab sends fewer, a newer one more.
func DecodeHands(data []byte) (Hands, error) {
	var h Hands
	if err := json.Unmarshal(data, &h); err != nil {
		return Hands{}, fmt.Errorf("read order by hand: %w", err)
	}
	if !Known(h.Version) {
		return h, fmt.Errorf("read order by hand: version is %d, this worker knows %s", h.Version, window())
	}
	switch h.Do {
	case DoPower, DoConsole, DoCheck:
		if h.Device == "" || h.Lease == 0 {
			return h, fmt.Errorf("read order by hand: device is %q and lease %d, want both", h.Device, h.Lease)
		}
	case DoType, DoKeep, DoEnd:
	default:
		return h, fmt.Errorf("read order by hand: do is %q, want power, console, check, type, keep or end", h.Do)
	}
	if h.Session == "" {
		return h, fmt.Errorf("read order by hand: %s has no session", h.Do)
	}
	return h, nil
}
