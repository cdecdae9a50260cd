package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// logRoutes are the addresses of a job's log on a page of its own.
func logRoutes() []route {
	return []route{
		{http.MethodGet, "/scheduler/job/{job}/log", logPage, "Log", "read a job's log in the whole window"},
	}
}

// LogView is what the template "log-view" shows: the viewer of static/log-view.js, and inside it some lines for
// browsers without scripts.
type LogView struct {
	Job      uint64
	Display  string
	Line     *uint64 // where it begins; nil leaves that to the viewer
	Evidence *uint64 // line that the verdict stands on
	Runs     bool    // the job still says something
	Console  bool    // the visitor may take over its console
	Slim     bool    // the page has an outline of its own
	Lines    []plainLine
	From     uint64 // first line that stands inside
	Of       uint64 // lines that there are
	Places   []logPlace
}

// Last is the last line that stands inside.
func (v LogView) Last() uint64 { return max(v.From+uint64(len(v.Lines)), 1) - 1 }

// plainLine is a line as it stands on the page.
type plainLine struct {
	N     uint64
	Level string
	At    time.Time
	Text  string
}

// logPlace is a way to another thousand lines.
type logPlace struct {
	Text, To string
}

// pageLines is how many lines a page without scripts has.
const pageLines = 1000

// logLines answers verb log.lines.
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
func logView(q *request, job uint64, display string, from *uint64) (LogView, error) {
	v := LogView{Job: job, Display: display}
	ask := map[string]any{"job": job, "count": pageLines}
	if from == nil {
		ask["end"] = true
	} else {
		ask["row"] = *from - *from%pageLines
	}
	got, err := asked[logLines](q, "log.lines", ask)
	if err != nil {
		return v, err
	}
	v.From, v.Of, v.Runs = got.First, max(got.Rows, got.Of), !got.Done
	for _, raw := range got.Records {
		var r logRecord
		if err := json.Unmarshal(raw, &r); err != nil {
			return v, fmt.Errorf("a line of the log cannot be read: %w", err)
		}
		line := plainLine{N: r.N, Level: r.Level, At: r.At, Text: string(r.Message)}
		if json.Unmarshal(r.Message, &line.Text) != nil {
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
	v.Line = from
	v.Console = v.Runs && mayConsole(q, j.Job)
	return page{template: "log", title: "Log of job " + j.Display, data: v, wide: true, styles: []string{"log-view.css"}, scripts: []string{"log-view.js"},
		help: "the-log", crumbs: []crumb{{"Jobs", "/scheduler/alljobs"}, {j.Display, "/scheduler/job/" + url.PathEscape(j.Display)}, {"Log", ""}}}, nil
}

// mayConsole says whether the visitor may type on the console of a job that runs.
func mayConsole(q *request, job uint64) bool {
	entity := "job/" + strconv.FormatUint(job, 10)
	rights, err := asked[map[string][]string](q, "rights", map[string]any{"of": []string{entity}})
	if err != nil || !q.SignedIn {
		return false
	}
	for _, r := range rights[entity] {
		if r == "change" {
			return true
		}
	}
	return false
}
