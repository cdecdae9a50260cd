package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"strata/events"
)

// printJSON writes v as one line, which is what `--json` promises for each thing it prints.
// "<" and "&" stay as they are: it is read by programs and people, not put into pages.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Colours of a terminal, as SGR parameters.
const (
	red     = "31"
	green   = "32"
	yellow  = "33"
	blue    = "34"
	magenta = "35"
	cyan    = "36"
	dim     = "2"
	bold    = "1"
)

// paint returns text in a colour where out takes colours.
// An empty colour is none. Whoever paints a cell of a table leaves its width alone: [visible] counts
// no colours.
func (a *app) paint(out io.Writer, colour, text string) string {
	if colour == "" || !a.colours(out) {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// colours reports whether out is shown with colours: a terminal, unless --color or NO_COLOR
// (https://no-color.org) says otherwise.
func (a *app) colours(out io.Writer) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	return a.env("NO_COLOR") == "" && a.env("TERM") != "dumb" && terminal(out)
}

// terminal reports whether w is a terminal.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// levelColour is the colour of a log line.
func levelColour(l events.Level) string {
	switch l {
	case events.Debug:
		return dim
	case events.Warning:
		return yellow
	case events.Error, events.Exception:
		return red
	case events.Input:
		return cyan
	case events.Feedback:
		return magenta
	case events.Results:
		return green
	case events.EventText:
		return blue
	}
	return "" // info and target: as they are
}

// healthColour is the colour of a job's end, a case's result or a device's health.
func healthColour(word string) string {
	switch word {
	case string(events.Complete), string(events.Pass), string(events.Good), "Online", "up":
		return green
	case string(events.Incomplete), string(events.Fail), string(events.Bad), "Offline", "down":
		return red
	case string(events.Canceled), string(events.Skip), string(events.Unknown), string(events.UnknownOutcome),
		string(events.Maintenance), string(events.Looping):
		return yellow
	}
	return ""
}

// text returns a record's message as a person reads it: a string bare, anything else as JSON.
func text(msg json.RawMessage) string {
	var s string
	if json.Unmarshal(msg, &s) == nil {
		return s
	}
	return string(msg)
}

// printRecord writes one line of a job's log.
func (a *app) printRecord(line uint64, r events.Record) error {
	return a.printRecordOf(speaker{}, line, r)
}

// printRecordOf writes one line of the log of one of several jobs.
// For people the place of the line is left out, since the time is there; --json has it.
func (a *app) printRecordOf(as speaker, line uint64, r events.Record) error {
	if a.json {
		return a.printJSON(logLine{speaker: as, Line: line, Record: r})
	}
	msg := text(r.Message)
	if r.Level == events.Results {
		msg = resultText(r.Message)
	}
	if r.Level == events.FileData {
		msg = fileText(r.Message)
	}
	if r.Namespace != "" {
		msg = r.Namespace + ": " + msg
	}
	msg = plain(msg)
	name := ""
	if as.Part != "" {
		name = a.paint(a.out, dim, as.Part+" "+plain(as.Role)+":") + " "
	}
	_, err := fmt.Fprintf(a.out, "%s %s %s%s\n", a.paint(a.out, dim, r.Time.Local().Format("15:04:05.000")),
		a.paint(a.out, dim, fmt.Sprintf("%-9s", r.Level)), name, a.paint(a.out, levelColour(r.Level), msg))
	return err
}

// logLine is a record as --json prints it.
type logLine struct {
	speaker
	Line uint64 `json:"line"` // from 0
	events.Record
}

// controls are the sequences with which a console moves its terminal's cursor and colours its text
// (ECMA-48: CSI, OSC and two-character ones).
var controls = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[0-Z\\\\^-~])")

// plain returns a message without what this terminal would obey, its lines below one another.
// Tests print what they like on a console, and a log is read by those who did not write it: no
// sequence of theirs may move this terminal's cursor or write its title.
func plain(msg string) string {
	msg = controls.ReplaceAllString(msg, "")
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r >= ' ' && r < 0x7f || r >= 0xa0 {
			return r
		}
		return -1
	}, strings.ReplaceAll(strings.TrimRight(msg, "\r\n"), "\n", "\n"+strings.Repeat(" ", 23)))
}

// resultText says in a sentence what a results record holds.
// Keys are those of LAVA's results records; one that is not so is shown as it came.
func resultText(msg json.RawMessage) string {
	var c struct {
		Definition  string          `json:"definition"`
		Case        string          `json:"case"`
		Set         string          `json:"set"`
		Result      string          `json:"result"`
		Measurement json.RawMessage `json:"measurement"`
		Units       string          `json:"units"`
	}
	if json.Unmarshal(msg, &c) != nil || c.Case == "" {
		return string(msg)
	}
	name := c.Definition + "/" + c.Case
	if c.Set != "" {
		name = c.Definition + "/" + c.Set + "/" + c.Case
	}
	s := fmt.Sprintf("%s: %s", name, c.Result)
	if len(c.Measurement) > 0 && string(c.Measurement) != "null" {
		s += " " + strings.TrimSpace(text(c.Measurement)+" "+c.Units)
	}
	return s
}

// when prints a time for people: the day only where it is not today.
func when(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// or returns text, or a dash where it is empty: an empty cell of a table reads like a mistake.
func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// sortedKeys returns a map's keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
