package web

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"strata/events"
	"strata/schemas/job"
	"strata/schemas/job/strict"
	"strata/schemas/shape"
)

// submitRoutes are the pages by which jobs are submitted.
// The schema has an address of its own so that editors elsewhere can name it.
func submitRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/scheduler/jobsubmit", submitPage, "Submit a job", "write a job's definition, have it checked, and submit it"},
		{post, "/scheduler/jobsubmit", submitted, "Submit a job", "submit a job, or have it checked"},
		{get, "/scheduler/jobsubmit/schema", schemaFile, "Schema", "have an editor know the keys of definitions"},
		{get, "/scheduler/job/{job}/resubmit", resubmitPage, "Resubmit", "submit a job once more, changed or as it was"},
		{post, "/scheduler/job/{job}/resubmit", resubmitted, "Resubmit", "submit a job once more, or have it checked"},
	}
}

//go:embed examples
var examples embed.FS

// submitData is what the page shows.
// Text comes back as it was typed, whatever is wrong with it. Of is "" on the page of a new job.
type submitData struct {
	Text      string
	Favourite bool
	Of        string    // the job that is submitted once more
	Checked   bool      // it was looked at
	Problems  []problem // errors first
	Examples  []savedView
	Job       events.JobID // that was refused on submission
}

// problem is one thing about a definition.
// Line and Column count from 1; Path is where in the definition it is, "" where the message says so.
type problem struct {
	Line    int    `json:"line"` // from 1; 0 where unknown
	Column  int    `json:"column"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Warning bool   `json:"warning,omitempty"` // the lab takes it all the same
}

// Errors tells whether the lab would refuse the definition.
func (d submitData) Errors() bool {
	return slices.ContainsFunc(d.Problems, func(p problem) bool { return !p.Warning })
}

// mayStart refuses who has no name: jobs are somebody's.
// 401 as LAVA's page answers; a program that has no token learns that it needs one.
func mayStart(q *request) error {
	if !q.SignedIn {
		return &Refusal{Code: "unauthorized", Message: "jobs are submitted by somebody who is signed in"}
	}
	return nil
}

// submitPage shows the editor, with an example where the address asks for one.
func submitPage(q *request) (page, error) {
	if err := mayStart(q); err != nil {
		return page{}, err
	}
	d := submitData{}
	if name := q.URL.Query().Get("example"); name != "" {
		// path.Base keeps what is asked for within the folder.
		text, err := examples.ReadFile("examples/" + path.Base(name) + ".yaml")
		if err != nil {
			return page{}, &Refusal{Code: "not-found", Message: "there is no example " + name}
		}
		d.Text = string(text)
	}
	return d.page(q, "Submit a job", 0), nil
}

// page shows the editor again, or for the first time.
// Without scripts it is a text area and two buttons, and checks and submits all the same.
func (d submitData) page(q *request, title string, status int) page {
	list, _ := examples.ReadDir("examples") // what is embedded can be read
	for _, e := range list {
		name := strings.TrimSuffix(e.Name(), ".yaml")
		d.Examples = append(d.Examples, savedView{Text: strings.ReplaceAll(name, "-", " "), To: "/scheduler/jobsubmit?example=" + url.QueryEscape(name)})
	}
	crumbs := []crumb{{"Scheduler", "/scheduler/"}, {title, ""}}
	if d.Of != "" {
		crumbs = []crumb{{"Jobs", "/scheduler/alljobs"}, {d.Of, "/scheduler/job/" + url.PathEscape(d.Of)}, {"Resubmit", ""}}
	}
	return page{template: "submit", title: title, data: d, status: status, styles: []string{"submit.css"}, scripts: []string{"editor.js"}, help: "first-job", crumbs: crumbs}
}

// submitted answers the editor's form: it checks, or submits. LAVA's own pages ask the same way in the background, and
// get {result, errors, warnings}.
// An error is 400 here and 200 on the page of resubmitting: LAVA has it so, and scripts look at the status.
func submitted(q *request) (page, error) {
	if err := mayStart(q); err != nil {
		return page{}, err
	}
	return submit(q, submitData{Text: q.definition(), Favourite: q.PostFormValue("is_favorite") != ""}, "Submit a job", http.StatusBadRequest)
}

// definition is the text of the editor, with the ends of lines that files have.
// Else each line of it would end with a carriage return, which is part of a value in a block scalar of YAML.
func (q *request) definition() string {
	return strings.ReplaceAll(q.PostFormValue("definition-input"), "\r\n", "\n")
}

// submit checks a definition, and publishes it where the form says so.
// The gate is the submission service's own, so that hardly anything is refused that was called valid here.
func submit(q *request, d submitData, title string, refused int) (page, error) {
	background := q.Header.Get("X-Requested-With") == "XMLHttpRequest"
	d.Problems, d.Checked = checkDefinition(d.Text, q.site.d.ExtraContext), true
	if background {
		return page{json: verdictJSON(d.Problems)}, nil
	}
	// Two buttons of one form: which was pressed is its name, as on LAVA's page.
	if q.PostForm.Has("validate") {
		return d.page(q, title, 0), nil
	}
	if d.Errors() {
		return d.page(q, title, refused), nil
	}
	// No id: a form that is sent twice is two jobs, as somebody may want; a reload is none, as the answer leads elsewhere.
	id, err := q.Submit(q.Context(), []byte(d.Text), "")
	var no *Refusal
	if errors.As(err, &no) && no.Code == "invalid" {
		d.Problems = []problem{{Message: no.Message}}
		return d.page(q, title, refused), nil
	}
	if err != nil {
		return page{}, err
	}
	// jobs.show waits a little for a job that was published this moment, until submission has looked at it.
	j, err := asked[shownJob](q, "jobs.show", map[string]any{"job": id})
	if err != nil {
		return page{}, err
	}
	if j.State == "Rejected" { // by what only the lab knows: its device types, tags, users
		d.Job, d.Problems = j.Job, nil
		for _, p := range j.Problems {
			d.Problems = append(d.Problems, problem{Line: p.Line, Column: p.Column, Path: p.Path, Message: p.Message})
		}
		if len(d.Problems) == 0 {
			d.Problems = []problem{{Message: j.Error}}
		}
		return d.page(q, title, refused), nil
	}
	// LAVA ignores the box on a resubmission.
	if d.Favourite && d.Of == "" {
		if err := q.ask("jobs.favour", map[string]any{"job": j.Job}, nil); err != nil {
			return page{}, err
		}
	}
	return page{to: "/scheduler/job/" + url.PathEscape(j.Display), note: "Job " + j.Display + " is submitted."}, nil
}

// checkDefinition says what is wrong with a definition: what the lab's gate refuses are errors, what the schemas of its
// methods know beside that are warnings.
// The gate knows what any job needs; it stops nobody for a key that a method does not know, which the schemas warn of.
func checkDefinition(text string, extraContext []string) (out []problem) {
	if strings.TrimSpace(text) == "" {
		return []problem{{Message: "the definition is empty"}}
	}
	_, refused := job.NewGate(job.Rules{ExtraContext: extraContext}).Check([]byte(text))
	// Places of which the gate has said something: a second sentence about the same mistake helps nobody.
	said := map[string]bool{}
	for _, p := range refused {
		out = append(out, problem{Line: p.Line, Column: p.Column, Path: p.Path, Message: p.Message})
		said[fmt.Sprint(p.Line, p.Column)] = p.Line > 0
	}
	for _, p := range strict.New(extraContext).Check([]byte(text), shape.Strict) {
		if !said[fmt.Sprint(p.Line, p.Column)] {
			out = append(out, problem{Line: p.Line, Column: p.Column, Path: p.Path.String(), Message: p.Message, Warning: true})
		}
	}
	slices.SortStableFunc(out, func(a, b problem) int {
		if a.Warning != b.Warning {
			if a.Warning {
				return 1
			}
			return -1
		}
		return cmp.Or(a.Line-b.Line, a.Column-b.Column)
	})
	return out
}

// verdictJSON is LAVA's answer to its page's question, and the places beside it.
// Errors and warnings are one text each, with a line a message; problems is ours, for editors.
func verdictJSON(all []problem) any {
	var errors, warnings []string
	for _, p := range all {
		text := p.Message
		if p.Line > 0 {
			text = fmt.Sprintf("line %d: %s", p.Line, text)
		}
		if p.Warning {
			warnings = append(warnings, text)
		} else {
			errors = append(errors, text)
		}
	}
	answer := map[string]any{"result": "success", "errors": strings.Join(errors, "\n"), "warnings": strings.Join(warnings, "\n"), "problems": all}
	if len(errors) > 0 {
		answer["result"] = "failure"
	}
	if all == nil {
		answer["problems"] = []problem{}
	}
	return answer
}

// schemaFile answers with the JSON Schema of definitions, for the editor's completion.
// It hangs on the build and on this lab's settings, so it may be kept for an hour: it holds nothing of anyone's.
func schemaFile(q *request) (page, error) {
	text, err := q.site.schema()
	if err != nil {
		return page{}, err
	}
	h := q.w.Header()
	h.Set("Content-Type", "application/schema+json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "max-age=3600")
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(q.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		text = zipped(text)
	}
	_, _ = q.w.Write(text) // the browser may be gone
	return page{written: true}, nil
}

// again asks for the job that is submitted once more, and its text: of a multinode job the whole group's.
// The right is one of its own: whoever may see a job need not be allowed to have its device once more.
func again(q *request) (submitData, error) {
	if err := mayStart(q); err != nil {
		return submitData{}, err
	}
	j, err := asked[shownJob](q, "jobs.show", map[string]any{"job": q.PathValue("job")})
	if err != nil {
		return submitData{}, err
	}
	if !slices.Contains(q.may("job/"+j.Job.String()), "resubmit") {
		return submitData{}, &Refusal{Code: "denied", Message: "you cannot re-submit this job"}
	}
	texts, err := textsOf(q, j.Job)
	return submitData{Of: j.Display, Text: cmp.Or(texts.Multinode, texts.Original)}, err
}

// resubmitPage shows the editor with a job's definition.
// LAVA's page has the same address, and gets the whole definition of a multinode job too.
func resubmitPage(q *request) (page, error) {
	d, err := again(q)
	if err != nil {
		return page{}, err
	}
	return d.page(q, "Resubmit job "+d.Of, 0), nil
}

// resubmitted answers that editor's form. Its errors come with 200, as LAVA's do.
func resubmitted(q *request) (page, error) {
	d, err := again(q)
	if err != nil {
		return page{}, err
	}
	d.Text = q.definition()
	return submit(q, d, "Resubmit job "+d.Of, http.StatusOK)
}
