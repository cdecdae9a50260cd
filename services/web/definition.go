package web

import (
	"net/url"
	"strconv"
	"strings"

	"strata/events"
	"strata/schemas/yaml"
)

// definitionData is a definition as its page shows it.
type definitionData struct {
	shownJob
	Lines     []sourceLine
	Multinode bool
	HasGroup  bool
	Marked    int // of the first line that is marked; 0: none
	Why       string
	Plain     string // address of the text
}

// sourceLine is a numbered line of a text, and what is wrong with it.
type sourceLine struct {
	N    int
	Text string
	Mark bool   // it belongs to what failed
	Say  string // what is wrong in it
}

// jobTexts are the definitions of a job, of jobs.texts.
type jobTexts struct {
	Definition string `json:"definition"`
	Original   string `json:"original"`
	Multinode  string `json:"multinode"`
}

// textsOf asks for the definitions of a job.
func textsOf(q *request, job events.JobID) (jobTexts, error) {
	all, err := asked[[]jobTexts](q, "jobs.texts", map[string]any{"jobs": []events.JobID{job}})
	if err != nil || len(all) == 0 {
		return jobTexts{}, err
	}
	return all[0], nil
}

// definitionPage shows a job's definition with numbered lines. Lines that a refusal names are marked with what it says;
// of a job that failed, the action in which it did.
func definitionPage(q *request) (page, error) {
	j, err := asked[shownJob](q, "jobs.show", map[string]any{"job": q.PathValue("job")})
	if err != nil {
		return page{}, err
	}
	texts, err := textsOf(q, j.Job)
	if err != nil {
		return page{}, err
	}
	d := definitionData{shownJob: j, HasGroup: texts.Multinode != "", Multinode: strings.HasSuffix(strings.TrimSuffix(q.URL.Path, "/"), "multinode_definition")}
	text, name := texts.Original, "definition"
	if d.Multinode {
		text, name = texts.Multinode, "multinode_definition"
	}
	if text == "" {
		return page{}, &Refusal{Code: "not-found", Message: "job " + j.Display + " has no such definition, or it is not kept any more"}
	}
	to := "/scheduler/job/" + url.PathEscape(j.Display)
	d.Plain = to + "/" + name + "/plain"
	d.Lines = numbered(text)
	d.markProblems()
	if len(j.Problems) == 0 && j.Judgement != nil && j.Judgement.Action != "" && !d.Multinode {
		d.markAction(q, text)
	}
	return page{template: "definition", title: "Definition of job " + j.Display, data: d, styles: []string{"definition.css"}, help: "writing-tests",
		crumbs: []crumb{{"Jobs", "/scheduler/alljobs"}, {j.Display, to}, {"Definition", ""}}}, nil
}

// numbered takes a text apart.
func numbered(text string) (lines []sourceLine) {
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		lines = append(lines, sourceLine{N: i + 1, Text: strings.TrimSuffix(line, "\r")})
	}
	return lines
}

// markProblems marks the lines that a refusal names.
func (d *definitionData) markProblems() {
	for _, p := range d.Problems {
		if p.Line < 1 || p.Line > len(d.Lines) {
			continue
		}
		line := &d.Lines[p.Line-1]
		line.Mark = true
		if line.Say != "" {
			line.Say += "; "
		}
		line.Say += p.Message
		if d.Marked == 0 || p.Line < d.Marked {
			d.Marked = p.Line
		}
	}
}

// markAction marks the action of the definition that the failing action of the pipeline came from: its level begins with
// the place among the actions, from 1.
func (d *definitionData) markAction(q *request, text string) {
	outline, err := asked[logOutline](q, "log.outline", map[string]any{"job": d.Job})
	if err != nil {
		return
	}
	v := verdictPanel{Tone: "bad", Action: d.Judgement.Action}
	v.place(&jobData{Log: outline})
	level, name, _ := strings.Cut(v.Action, " ")
	first, _, _ := strings.Cut(level, ".")
	n, err := strconv.Atoi(first)
	root, bad := yaml.Parse([]byte(text))
	if err != nil || bad != nil || root == nil {
		return
	}
	actions := root.Get("actions")
	if actions == nil || n < 1 || n > len(actions.Items) {
		return
	}
	from, to := actions.Items[n-1].Line, len(d.Lines)
	if n < len(actions.Items) {
		to = actions.Items[n].Line - 1
	}
	for i := max(1, from); i <= to && i <= len(d.Lines); i++ {
		// What stands farther to the left belongs to the definition around the actions.
		if text := d.Lines[i-1].Text; i > from && text != "" && indent(text) < actions.Items[n-1].Column-1 {
			break
		}
		d.Lines[i-1].Mark = true
	}
	d.Marked, d.Why = from, name+" failed, which is part of this action"
}

// indent is how many blanks a line begins with; a dash of a list counts as one.
func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " -")) }
