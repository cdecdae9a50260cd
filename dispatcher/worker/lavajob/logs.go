package lavajob

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"strata/dispatcher/output"
	"strata/events"
	"strata/schemas/yaml"
)

// levels that a far dispatcher may write.
// Another level becomes debug, lest a newer dispatcher lose lines.
var levels = []events.Level{events.Debug, events.Info, events.Warning, events.Error, events.Exception, events.Input,
	events.Target, events.Feedback, events.Results, events.EventText}

// logs takes lines of the far log that are new, and answers how many of those that were sent are taken.
// index is how many lines the sender knows to be taken, so lines[0] is line index of its log. A batch
// whose answer was lost comes again with the same index, and with more lines.
func (s *standIn) logs(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	if !form.Has("lines") {
		refuse(w, http.StatusBadRequest, "Missing 'lines'")
		return
	}
	if !form.Has("index") {
		refuse(w, http.StatusBadRequest, "Missing 'index'")
		return
	}
	index, err := strconv.ParseUint(form.Get("index"), 10, 63)
	if err != nil {
		refuse(w, http.StatusBadRequest, "Invalid 'index'")
		return
	}
	lines, err := yaml.ParseWithin([]byte(form.Get("lines")), yaml.Limits{Bytes: bodyBytes, Nodes: 5_000_000})
	if err != nil || !lines.Is(yaml.List) {
		why := "not a list"
		if err != nil {
			why = err.Error()
		}
		refuse(w, http.StatusBadRequest, fmt.Sprintf("Invalid 'lines': %s", why))
		return
	}
	if index > s.taken {
		// Its dispatcher has counted lines that never came: what lies between is lost, and the log says so.
		s.job.Log.Relay(s.now(), events.Warning, "", fmt.Sprintf("%d lines of the dispatcher's log did not arrive", index-s.taken))
		for s.taken < index {
			s.took(s.job.Log.Lines())
		}
	}
	// What lies below taken came before. The whole batch counts as accepted, or the sender would send
	// those again.
	for _, line := range lines.Items[min(s.taken-index, uint64(len(lines.Items))):] {
		s.line(line)
	}
	reply(w, http.StatusOK, map[string]int{"line_count": len(lines.Items)})
}

// took notes that the next line of the far log is our line n.
func (s *standIn) took(n uint64) {
	s.taken++
	s.ours = append(s.ours, n)
}

// line takes one line of the far log. One that is none is kept as its text.
// Each line must count, even one that cannot be read: results name lines by their numbers.
func (s *standIn) line(n *yaml.Node) {
	at, level, message := s.now(), events.Debug, any(text(n))
	if n.Is(yaml.Map) {
		// Older dispatchers write UTC without a zone, those of 2026 with +00:00.
		if t, err := time.Parse("2006-01-02T15:04:05.999999", n.Get("dt").TextOr("")); err == nil {
			at = t
		} else if t, err := time.Parse(time.RFC3339Nano, n.Get("dt").TextOr("")); err == nil {
			at = t
		}
		if l := events.Level(n.Get("lvl").TextOr("")); slices.Contains(levels, l) {
			level = l
		}
		message = s.message(level, n.Get("msg"))
	}
	s.took(s.job.Log.Lines())
	s.job.Log.Relay(at, level, n.Get("ns").TextOr(""), message)
}

// message returns what a line says, with the numbers of lines as they are here: a long line of the far
// log is several of ours.
// starttc and endtc count lines of the far log from 0.
func (s *standIn) message(level events.Level, n *yaml.Node) any {
	switch {
	case n.Is(yaml.List):
		return plain(n)
	case !n.Is(yaml.Map):
		return text(n)
	}
	fields := make(output.Fields, 0, len(n.Pairs))
	for _, p := range n.Pairs {
		value := plain(p.Value)
		key := p.Key.Print()
		if level == events.Results && (key == "starttc" || key == "endtc") && p.Value.Is(yaml.Int) {
			if far := p.Value.Int; far >= 0 && far < int64(len(s.ours)) {
				value = s.ours[far]
			}
		}
		fields = append(fields, output.Field{Key: key, Value: value})
	}
	// The dispatcher's last result, of the job as a whole: its error_msg is LAVA's reason for the end.
	if level == events.Results && n.Get("definition").TextOr("") == "lava" && n.Get("case").TextOr("") == "job" {
		s.failure = n.Get("error_msg").TextOr("")
	}
	return fields
}

// text returns a scalar's text, "" where there is none.
func text(n *yaml.Node) string {
	if n == nil || n.Is(yaml.Null) {
		return ""
	}
	return n.Print()
}

// plain returns a value that JSON has a form for.
// JSON has no NaN and no infinity; text stays text, also where it looks like a number.
func plain(n *yaml.Node) any {
	if n.Is(yaml.Float) && (math.IsNaN(n.Float) || math.IsInf(n.Float, 0)) {
		return n.Text
	}
	if n.Is(yaml.String) {
		return n.Text
	}
	return n.Data()
}
