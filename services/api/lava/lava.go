// Package lava holds what LAVA's interfaces have in common: its words for states, its lines of a log, its
// way to word a refusal. XML-RPC (services/api/lavarpc) and others translate with it.
//
// The words are those of LAVA [Release], and clients match on them.
package lava

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
)

// Release is the version that clients are told. Theirs compare it, so it has the form YYYY.MM, and stands for
// what is answered, not for a version of this lab.
const Release = "2026.07"

// Topic is where the topics of LAVA's events begin.
const Topic = "org.lavasoftware"

// Status is a job's state in the words of before states and healths were two.
func Status(state, health string) string {
	switch state {
	case "Running", "Canceling":
		return state
	case "Finished", "Rejected":
		switch health {
		case string(events.Complete), string(events.Canceled):
			return health
		}
		return string(events.Incomplete)
	}
	return "Submitted"
}

// DeviceStatus is a device's state in the words of before states and healths were two.
func DeviceStatus(state string, health events.DeviceHealth) string {
	switch {
	case state != string(lab.DeviceIdle):
		return strings.ToLower(state)
	case health == events.Good || health == events.Unknown:
		return "idle"
	case health == events.Retired:
		return "retired"
	}
	return "offline"
}

// Refusal is a kind of refusal of a definition; LAVA's interfaces word each in their own way.
type Refusal uint8

// The kinds of refusals.
const (
	Wrong       Refusal = iota // of the text itself, or of what it names
	Unavailable                // no device may run it
	UnknownTag                 // it names a tag that the lab does not have
)

// Refused tells the kind of a refusal from its words, which facts keep alone.
func Refused(message string) Refusal {
	switch {
	case strings.HasPrefix(message, "Device tag '") && strings.HasSuffix(message, "' does not exist in the database."):
		return UnknownTag
	case strings.HasPrefix(message, "Device type '") && strings.Contains(message, "' is unavailable"),
		strings.HasPrefix(message, "No devices of type "), strings.HasPrefix(message, "No devices from "),
		strings.HasPrefix(message, "Not enough devices "),
		strings.HasPrefix(message, "Device ") && strings.Contains(message, " does not support all of the tags "):
		return Unavailable
	}
	return Wrong
}

// Moment writes a time as Python's str does, in UTC: 2026-11-23 04:05:06.123456+00:00, and none as None.
func Moment(t *time.Time) string {
	if t == nil {
		return "None"
	}
	layout := "2006-01-02 15:04:05-07:00"
	if t.Nanosecond()/1000 != 0 {
		layout = "2006-01-02 15:04:05.000000-07:00"
	}
	return t.UTC().Format(layout)
}

// levels are those that LAVA's clients know; they fail on others.
func known(l events.Level) bool {
	switch l {
	case "exception", "error", "warning", "info", "debug", "target", "input", "feedback", "results":
		return true
	}
	return false
}

// Line writes a record as an item of LAVA's log: a flow mapping on one line, in its order of keys. A record
// of a level that LAVA does not have keeps its place as a line for debugging, for clients count lines.
func Line(b *bytes.Buffer, r events.Record) error {
	message, level := r.Message, r.Level
	if level == events.FileData {
		message = json.RawMessage(`"part of a file that the test gave"`)
	}
	if !known(level) {
		level = "debug"
	}
	fmt.Fprintf(b, `- {"dt": %q, "lvl": %q, "msg": `, r.Time.UTC().Format("2006-01-02T15:04:05.000000-07:00"), level)
	if err := spaced(b, message); err != nil {
		return fmt.Errorf("write log line: %w", err)
	}
	if r.Namespace != "" {
		b.WriteString(`, "ns": `)
		name, _ := json.Marshal(r.Namespace) // texts always encode
		b.Write(name)
	}
	b.WriteString("}\n")
	return nil
}

// Lost writes lines in the place of some that never came, so that those behind them keep their numbers.
func Lost(b *bytes.Buffer, lines uint64) {
	for range lines {
		b.WriteString(`- {"dt": "1970-01-01T00:00:00.000000+00:00", "lvl": "debug", "msg": "<line missing>"}` + "\n")
	}
}

// spaced copies JSON as a YAML flow collection on one line: a space behind each colon and comma, and the
// mark "!" before what is no text, in quotes as everything in LAVA's logs.
func spaced(b *bytes.Buffer, message json.RawMessage) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, message); err != nil {
		return err
	}
	text := compact.Bytes()
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case '"':
			end := i + 1
			for ; text[end] != '"'; end++ {
				if text[end] == '\\' {
					end++
				}
			}
			b.Write(text[i : end+1])
			i = end + 1
		case '{', '}', '[', ']':
			b.WriteByte(c)
			i++
		case ':', ',':
			b.WriteByte(c)
			b.WriteByte(' ')
			i++
		default:
			end := i + bytes.IndexAny(text[i:], ",]}")
			if end < i {
				end = len(text)
			}
			fmt.Fprintf(b, `! "%s"`, text[i:end])
			i = end
		}
	}
	return nil
}
