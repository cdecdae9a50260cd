package web

import (
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// logRoutes are the addresses of a job's log on a page of its own.
// LAVA has the log on the job's page alone, with the same anchors; the plain text at log_file/plain is REST's.
func logRoutes() []route {
	return []route{
		{http.MethodGet, "/scheduler/job/{job}/log", logPage, "Log", "read a job's log in the whole window"},
	}
}

// LogView is what the template "log-view" shows: the viewer of static/log-view.js, and inside it what the viewer draws
// first, and some lines for browsers without scripts.
// Its fields become the attributes of <log-view>, which static/log-view.js lists with what they mean.
type LogView struct {
	Job     uint64
	Display string
	Line    *uint64 // where it begins; nil leaves that to the viewer
	// Line and Evidence are pointers, as 0 is a line.
	Evidence *uint64 // line that the verdict stands on
	Runs     bool    // the job still says something
	Console  bool    // the visitor may take over its console
	Slim     bool    // the page has an outline of its own
	Note     string  // a sentence above it: why it is not what was asked for
	// Seen is the answer to the question that the viewer would ask first: with it in the page the log is drawn one
	// round trip earlier. An address with a line (#L12) asks for another place, which only the browser knows.
	// It is an answer of log.lines as it came, and stands in a <script type="application/json">, which is data and no script to the
	// policy; html/template escapes it there so that no line of a console can end the element.
	Seen  json.RawMessage
	Lines plainLines
	// From and Of count rows, which are lines unless parts of files are hidden among them.
	From   uint64 // first line that stands inside
	Of     uint64 // lines that there are
	Places []logPlace
}

// Last is the last line that stands inside.
func (v LogView) Last() uint64 { return max(v.From+uint64(len(v.Lines)), 1) - 1 }

// plainLine is a line as it stands on the page.
// N counts from 0, as everywhere in a log, and the anchor #L12 names it.
type plainLine struct {
	N     uint64
	Level string
	At    time.Time
	Text  string
}

// plainLines are the lines of a page without scripts.
type plainLines []plainLine

// HTML writes the items of the list that templates/_log.html begins. A template takes ten times as long for a thousand
// lines, which everybody would wait for: few have no scripts.
// 160 bytes are about what a line of a console has with its tags: one growth of the buffer, and no copying.
func (l plainLines) HTML() template.HTML {
	var out strings.Builder
	out.Grow(160 * len(l))
	for _, line := range l {
		n, level := strconv.FormatUint(line.N, 10), html.EscapeString(line.Level)
		out.WriteString(`<li id="L` + n + `" class="` + level + `" value="` + n + `" title="`)
		out.WriteString(line.At.UTC().Format("2006-01-02 15:04:05.000"))
		out.WriteString(` ` + level + `">` + html.EscapeString(line.Text) + "</li>\n")
	}
	return template.HTML(out.String()) //nolint:gosec // all that comes from outside is escaped above
}

// logPlace is a way to another thousand lines.
type logPlace struct {
	Text, To string
}

// pageLines is how many lines a page without scripts has: two of the pieces that static/log-rows.js asks for.
// Larger pages would hold up the first paint of those who have scripts, and none of them reads these lines.
const pageLines = 1000

// logLines answers verb log.lines.
// Rows are what there is to show, Lines what the job has said; Of is set while the lab still copies the log: how many there will be.
type logLines struct {
	First   uint64            `json:"first"`
	Rows    uint64            `json:"rows"`
	Lines   uint64            `json:"lines"`
	Of      uint64            `json:"of"`
	Done    bool              `json:"done"`
	Records []json.RawMessage `json:"records"`
}

// logRecord is what the page needs of a line; its message may be a text or anything else.
type logRecord struct {
	N       uint64          `json:"n"`
	At      time.Time       `json:"dt"`
	Level   string          `json:"lvl"`
	Message json.RawMessage `json:"msg"`
}

// logView asks for the lines that stand inside the viewer: a thousand from a line on, or the last where from is nil.
// A line behind the end shows the end, with a note.
// With a line, pages begin at multiples of a thousand, so that the ways between them meet.
func logView(q *request, job uint64, display string, from *uint64) (LogView, error) {
	v := LogView{Job: job, Display: display}
	ask := map[string]any{"job": job, "count": pageLines}
	if from == nil {
		ask["end"] = true
	} else {
		ask["row"] = *from - *from%pageLines
	}
	text, err := asked[json.RawMessage](q, "log.lines", ask)
	if err != nil {
		return v, err
	}
	var got logLines
	if err := json.Unmarshal(text, &got); err != nil {
		return v, fmt.Errorf("read lines of the log: %w", err)
	}
	// It asks for the end in its turn, which is always there, so this goes no deeper than once.
	if last := max(got.Rows, got.Of); from != nil && *from >= last && (last > 0 || got.Done) {
		v, err = logView(q, job, display, nil)
		v.Note = fmt.Sprintf("Line %d is not there", *from)
		switch {
		case last == 0:
			v.Note += "."
		case got.Done:
			v.Note += fmt.Sprintf(": the last one is %d.", last-1)
		default:
			v.Note += fmt.Sprintf(" yet: so far the last one is %d.", last-1)
		}
		return v, err
	}
	v.Seen = text
	v.From, v.Of, v.Runs = got.First, max(got.Rows, got.Of), !got.Done
	for _, raw := range got.Records {
		var r logRecord
		if err := json.Unmarshal(raw, &r); err != nil {
			return v, fmt.Errorf("a line of the log cannot be read: %w", err)
		}
		line := plainLine{N: r.N, Level: r.Level, At: r.At, Text: string(r.Message)}
		if json.Unmarshal(r.Message, &line.Text) != nil {
			// As JSON: the viewer puts results into words, but without scripts their fields say enough.
			line.Text = string(r.Message) // a result
		}
		if r.Level == "lost" {
			line.Text = "this line never came"
		}
		v.Lines = append(v.Lines, line)
	}
	v.Places = logPlaces(display, v.From, v.Of)
	return v, nil
}

// logPlaces are the ways from a thousand lines to others.
// A way that would lead to where one is, is left out.
func logPlaces(display string, from, of uint64) (out []logPlace) {
	to := func(text string, line uint64) {
		out = append(out, logPlace{text, fmt.Sprintf("/scheduler/job/%s/log?from=%d", url.PathEscape(display), line)})
	}
	last := max(of, 1) - 1
	last -= last % pageLines
	if from > 0 {
		to("First lines", 0)
		to("Lines before", from-min(from, pageLines))
	}
	if from+pageLines < of {
		to("Next lines", from+pageLines)
		to("Last lines", last)
	}
	return out
}

// logPage is the log in the whole window.
// Line numbers beyond 53 bits would be rounded by the scripts that read them.
func logPage(q *request) (page, error) {
	var j struct {
		Job     uint64 `json:"job"`
		Display string `json:"display"`
		Name    string `json:"name"`
	}
	if err := q.ask("jobs.show", map[string]string{"job": q.PathValue("job")}, &j); err != nil {
		return page{}, err
	}
	var from *uint64
	if text := q.URL.Query().Get("from"); text != "" {
		n, err := strconv.ParseUint(text, 10, 53)
		if err != nil {
			return page{}, &Refusal{Code: "invalid", Field: "from", Message: fmt.Sprintf("from is %q; it is the number of a line, from 0", text)}
		}
		from = &n
	}
	v, err := logView(q, j.Job, j.Display, from)
	if err != nil {
		return page{}, err
	}
	if v.Line = from; v.Note != "" {
		v.Line = nil
	}
	if from == nil && !v.Runs && v.From > 0 {
		// What is over is read from its beginning, while a page without scripts has the end: its last lines are why
		// somebody looks, and the first ones are a step away.
		if v.Seen, err = asked[json.RawMessage](q, "log.lines", map[string]any{"job": j.Job, "count": pageLines}); err != nil {
			return page{}, err
		}
	}
	// The same question as on the job's page ([jobData.viewLog]); the api asks for the right once more when somebody types.
	v.Console = v.Runs && q.SignedIn && q.may("job/"+strconv.FormatUint(j.Job, 10)).Change()
	return page{template: "log", title: "Log of job " + j.Display, data: v, wide: true, styles: []string{"log-view.css"}, scripts: []string{"log-view.js"},
		help: "the-log", crumbs: []crumb{{"Jobs", "/scheduler/alljobs"}, {j.Display, "/scheduler/job/" + url.PathEscape(j.Display)}, {"Log", ""}}}, nil
}
