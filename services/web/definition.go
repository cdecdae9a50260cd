package web

import (
	"net/url"
	"strconv"
	"strings"

	"strata/events"
	"strata/schemas/yaml"
)

// definitionData is a definition as its page shows it.
// HasGroup: the job is a part of a group whose whole definition has a page of its own; Multinode: this is that page.
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
// Definition is written anew by the lab; Original is what came, byte for byte, with its comments, but of a part of a group again
// what the lab wrote. Multinode is what came for the group, "" of other jobs. Problems count the lines of Original.
type jobTexts struct {
	Definition string `json:"definition"`
	Original   string `json:"original"`
	Multinode  string `json:"multinode"`
}

// textsOf asks for the definitions of a job.
// No text is no error: definitions age out of their stream, and erased ones are gone.
func textsOf(q *request, job events.JobID) (jobTexts, error) {
	all, err := asked[[]jobTexts](q, "jobs.texts", map[string]any{"jobs": []events.JobID{job}})
	if err != nil || len(all) == 0 {
		return jobTexts{}, err
	}
	return all[0], nil
}

// definitionPage shows a job's definition with numbered lines. Lines that a refusal names are marked with what it says;
// of a job that failed, the action in which it did.
// LAVA's addresses differ in the last word alone. Its anchors are #defline12; ours too, as the template writes them.
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
// A text without a line end at its end has as many lines as one with it.
func numbered(text string) (lines []sourceLine) {
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		lines = append(lines, sourceLine{N: i + 1, Text: strings.TrimSuffix(line, "\r")})
	}
	return lines
}

// markProblems marks the lines that a refusal names.
// Problems without a line, such as a device type that the lab lacks, stand on the job's page alone.
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
// It is a help to the eye: where anything about it cannot be known, nothing is marked.
func (d *definitionData) markAction(q *request, text string) {
	outline, err := asked[logOutline](q, "log.outline", map[string]any{"job": d.Job})
	if err != nil {
		return
	}
	// The same rule as on the job's page, so that both name the same action.
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
	// Lines of the parser count from 1. An action ends where the next one begins, the last where the list does.
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
