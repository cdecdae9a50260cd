package web

import (
	"net/url"
	"strings"

	"strata/events"
)

// comparison is what differs between two jobs, of jobs.compare.
// Same counts the cases that do not differ, which are not listed; Counts are by change, over all, also those that are not shown.
type comparison struct {
	Before   comparedJob `json:"before"`
	After    comparedJob `json:"after"`
	Metadata []struct {
		Key    string `json:"key"`
		Before string `json:"before"`
		After  string `json:"after"`
	} `json:"metadata"`
	Cases  []caseDiff     `json:"cases"`
	Same   int            `json:"same"`
	Counts map[string]int `json:"counts"`
}

// comparedJob is one of two jobs.
// Complete: all of its output was read. Until then what seems to be gone may still come.
type comparedJob struct {
	Job        events.JobID   `json:"job"`
	Display    string         `json:"display"`
	Name       string         `json:"name"`
	DeviceType string         `json:"device_type"`
	Device     string         `json:"device"`
	Health     string         `json:"health"`
	Verdict    events.Verdict `json:"verdict"`
	Cause      events.Cause   `json:"cause"`
	Cases      int            `json:"cases"`
	Complete   bool           `json:"complete"`
}

// Words is the verdict in words.
// A job that is not judged yet has its health alone.
func (c comparedJob) Words() string {
	head, _, _ := verdictWords(c.Verdict, c.Cause)
	if c.Verdict == "" {
		return c.Health
	}
	return head
}

// caseDiff is a case that differs.
// Was and Is are measurements, nil where there is none. Change is one of the words by which the page filters (?change=).
type caseDiff struct {
	Suite  string   `json:"suite"`
	Set    string   `json:"set"`
	Name   string   `json:"name"`
	Change string   `json:"change"`
	Before string   `json:"before"`
	After  string   `json:"after"`
	Was    *float64 `json:"was"`
	Is     *float64 `json:"is"`
	Units  string   `json:"units"`
}

// Tone is the colour of a change, "" for none.
// What is neither better nor worse, such as a case that is new, has no colour.
func (c caseDiff) Tone() string {
	return map[string]string{"regression": "bad", "fix": "good", "absent": "warn"}[c.Change]
}

// compareData is what the page shows.
// Found is nil while no other job is named, or where the two cannot be compared; then Wrong says why.
type compareData struct {
	shownJob
	With  string // the other job, as it was asked for
	Found *comparison
	Only  string // kind of change that is shown; "" shows all
	Shown []caseDiff
	Wrong string
}

// comparePage compares a job with an earlier one: the last comparable one where no other is named.
// LAVA has no such page; the address lies below the job's. Which one is comparable judgement has said (docs/judgement.md).
func comparePage(q *request) (page, error) {
	j, err := asked[shownJob](q, "jobs.show", map[string]any{"job": q.PathValue("job")})
	if err != nil {
		return page{}, err
	}
	d := compareData{shownJob: j, With: strings.TrimSpace(q.URL.Query().Get("with")), Only: q.URL.Query().Get("change")}
	if d.With == "" && j.Judgement != nil && j.Judgement.Baseline > 0 {
		d.With = j.Judgement.Baseline.String()
	}
	if d.With != "" {
		found, err := compared(q, d.With, j.Job)
		if err != nil {
			d.Wrong = err.Error() // beside the field, as another number may do
		} else {
			d.Found = &found
			for _, c := range found.Cases {
				if d.Only == "" || c.Change == d.Only {
					d.Shown = append(d.Shown, c)
				}
			}
		}
	}
	return page{template: "compare", title: "Compare job " + j.Display, data: d, help: "judgement", crumbs: []crumb{{"Jobs", "/scheduler/alljobs"},
		{j.Display, "/scheduler/job/" + url.PathEscape(j.Display)}, {"Compare", ""}}}, nil
}

// compared asks for what differs. People name a job as it is displayed, such as 42.1; the verb wants its number.
// The other job is asked for by the visitor's eyes too: a number that he may not see is one that there is not.
func compared(q *request, with string, after events.JobID) (comparison, error) {
	before, err := asked[struct {
		Job events.JobID `json:"job"`
	}](q, "jobs.show", map[string]any{"job": with})
	if err != nil {
		return comparison{}, err
	}
	return asked[comparison](q, "jobs.compare", map[string]events.JobID{"before": before.Job, "after": after})
}
