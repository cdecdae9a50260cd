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
// lavacli takes what is not ^20\d{2}\.\d{1,2} for a server newer than all, and one before 2020.09 for one
// without events at /ws/.
const Release = "2026.07"

// Topic is where the topics of LAVA's events begin.
// LAVA's EVENT_TOPIC where nobody has changed it; a lab that has sets events.topic for what it sends.
const Topic = "org.lavasoftware"

// Status is a job's state in the words of before states and healths were two.
// SQUAD's contract with job_details, and the word of callbacks: of four LAVA states that come before
// Running there is one word. An end of unknown health is Incomplete: it is not a success.
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
// The state comes first: a device that was set to Maintenance while its job runs is "running".
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
// Submission's facts keep one sentence, LAVA's own; a field for the kind would be a new version of the
// fact. The sentences are made in services/submission (decide.go): who changes one there changes it here.
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
// Python leaves the fraction out where it is zero, and so do recordings of verbose lists and callbacks.
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
// lavacli prints each level in a colour of its own and fails on one that it does not have.
func known(l events.Level) bool {
	switch l {
	case "exception", "error", "warning", "info", "debug", "target", "input", "feedback", "results":
		return true
	}
	return false
}

// Line writes a record as an item of LAVA's log: a flow mapping on one line, in its order of keys. A record
// of a level that LAVA does not have keeps its place as a line for debugging, for clients count lines.
// dt must be text, or lavacli fails on the line: in double quotes it is, where a bare timestamp would
// become a time.
func Line(b *bytes.Buffer, r events.Record) error {
	message, level := r.Message, r.Level
	if level == events.FileData {
		// The base64 of a file is for ingestion; people who read the log are spared it.
		message = json.RawMessage(`"part of a file that the test gave"`)
	}
	if !known(level) {
		level = "debug"
	}
	// %q of a level and a time is JSON's form too: they hold no character that Go escapes in another way.
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
// The time is none that a log can have, so that nobody takes it for the line's.
func Lost(b *bytes.Buffer, lines uint64) {
	for range lines {
		b.WriteString(`- {"dt": "1970-01-01T00:00:00.000000+00:00", "lvl": "debug", "msg": "<line missing>"}` + "\n")
	}
}

// spaced copies JSON as a YAML flow collection on one line: a space behind each colon and comma, and the
// mark "!" before what is no text, in quotes as everything in LAVA's logs.
// A lone "!" is YAML 1.1's mark for "not text in spite of the quotes": PyYAML reads ! "579" as 579, so
// that starttc is a number and duration, which LAVA sends as text, is none. By YAML 1.2 both are text.
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
			// json.Compact has made sure that the text ends; \" and \\ do not end it. PyYAML reads JSON's
			// escapes in double quotes as they are meant.
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
			// A number, true, false or null: none of them has one of these characters.
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
