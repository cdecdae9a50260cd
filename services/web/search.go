package web

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"strata/projections"
)

// searchRoutes find things by what somebody types.
// LAVA searches within lists alone; the field in the bar of every page leads here.
func searchRoutes() []route {
	return []route{
		{http.MethodGet, "/search", searchPage, "Search", "find a job, a device or a worker by its name, or a line in any log"},
	}
}

// searchResult is what the search shows.
// Since, Devices and Types are as they were typed, to be shown again. Stopped says why the page ends early, AgedOut that older
// logs are gone, Trouble why there are no lines at all; each is "" where there is nothing to say.
type searchResult struct {
	Text, Kind, Since string
	Devices, Types    string
	Fold              bool
	Kinds             []pair
	Things            []found // that have the text in their name
	Jobs              []projections.SelectedJob
	Hits              []logHit
	Next              string // address of the next lines
	Stopped           string
	AgedOut           string
	Trouble           string // why no logs could be searched
	Asked             bool
}

// found is a device, a worker or a type.
// Kind is in words.
type found struct{ Kind, Name, To string }

// logHit is a line of a log, with those around it.
// To leads to the line in its job's log, which scripts scroll to; NewJob puts a heading above it.
type logHit struct {
	projections.Hit
	Text   template.HTML // the line, with what was searched for marked
	To     string
	NewJob bool // the first of its job on the page
}

// searchPage finds things by their names and lines in logs. A number is the way to a job.
// Everything that is asked stands in the address, so a search can be sent to somebody or kept as a bookmark.
func searchPage(q *request) (page, error) {
	asking := q.URL.Query()
	d := searchResult{Text: strings.TrimSpace(asking.Get("q")), Kind: oneOf(asking.Get("kind"), "words", "words", "phrase", "substring", "regex"),
		Since: asking.Get("since"), Devices: asking.Get("device"), Types: asking.Get("device_type"), Fold: asking.Get("ignore_case") != "",
		Kinds: []pair{{"words", "all words"}, {"phrase", "these words in this order"}, {"substring", "this text"}, {"regex", "this expression"}}}
	p := page{template: "search", data: &d, help: "log-search", styles: []string{"search.css"}}
	if d.Text == "" {
		return p, nil
	}
	d.Asked = true
	// The field in the bar names no kind: there a number means a job. The form of this page does, so numbers can be looked for.
	if to := jobAddress(d.Text); to != "" && asking.Get("kind") == "" {
		return page{to: to}, nil
	}
	var err error
	beside(
		func() {
			if asking.Get("after") == "" { // further lines stand alone: the things were on the page before
				q.findThings(&d)
			}
		},
		func() { err = q.findLines(&d, asking) })
	return p, err
}

// jobAddress is the page of a job that a text names ([jobNumber]).
// It does not ask whether there is such a job: its page says so.
func jobAddress(text string) string {
	if whole, _ := jobNumber(text); whole == "" {
		return ""
	}
	return "/scheduler/job/" + strings.TrimPrefix(text, "#")
}

// mostThings is how many things of each kind are named.
const mostThings = 10

// findThings finds what has the text in its name. What cannot be asked is left out.
// Names are looked for in any case, and as a part: nobody remembers how a board was spelled.
func (q *request) findThings(d *searchResult) {
	wanted := strings.ToLower(d.Text)
	named := map[string]int{} // things so far, by kind
	add := func(kind, name, to string) {
		if strings.Contains(strings.ToLower(name), wanted) && named[kind] < mostThings {
			named[kind]++
			d.Things = append(d.Things, found{kind, name, to + url.PathEscape(name)})
		}
	}
	if devices, err := asked[[]deviceRow](q, "devices.list", nil); err == nil {
		// true until its type has been looked at once.
		types := map[string]bool{} // that devices have: a lab knows hundreds of which it has none
		for _, one := range devices {
			add("device", one.Device, "/scheduler/device/")
			types[one.DeviceType] = true
		}
		for _, one := range devices {
			if types[one.DeviceType] {
				types[one.DeviceType] = false
				add("device type", one.DeviceType, "/scheduler/device_type/")
			}
		}
	}
	if workers, err := asked[[]workerRow](q, "workers.list", nil); err == nil {
		for _, one := range workers {
			add("worker", one.Worker, "/scheduler/worker/")
		}
	}
	jobs, err := findJobs(q, jobSearch{Limit: mostThings, Order: []projections.JobOrder{{Field: "id", Desc: true}},
		Terms: []projections.JobTerm{{Field: "description", Op: projections.TermIContains, Values: []string{d.Text}}}})
	if err == nil {
		d.Jobs = jobs.Jobs
	}
}

// findLines searches the logs of all jobs that the visitor may see.
// One line around each hit, fifty hits a page; what is behind is asked for from the place where this page ended (after).
func (q *request) findLines(d *searchResult, asking url.Values) error {
	in := map[string]any{"text": d.Text, "kind": d.Kind, "ignore_case": d.Fold, "after": asking.Get("after"), "context": 1, "limit": 50}
	if d.Since != "" {
		at, err := time.Parse("2006-01-02", d.Since)
		if err != nil {
			return &Refusal{Code: "invalid", Field: "since", Message: "since is " + strconv.Quote(d.Since) + "; allowed are days such as 2026-11-22"}
		}
		in["since"] = at
	}
	for name, text := range map[string]string{"devices": d.Devices, "device_types": d.Types} {
		// A name that is none narrows to nothing, and says so by finding nothing.
		if list := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }); len(list) > 0 {
			in[name] = list
		}
	}
	answer, err := asked[struct {
		projections.SearchPage
		AgedOut *struct {
			Hint string `json:"hint"`
		} `json:"aged_out"`
	}](q, "search", in)
	if no, ok := refusal(err); ok && (no.Code == "away" || no.Code == "invalid") {
		d.Trouble = no.Message // the things that were found are shown all the same
		return nil
	}
	if err != nil {
		return err
	}
	last := uint64(0)
	cut := projections.SearchKind(d.Kind).Marker(d.Text, d.Fold)
	for _, h := range answer.Hits {
		job, line, _ := strings.Cut(h.Anchor, "#")
		d.Hits = append(d.Hits, logHit{h, marked(cut(h.Message)), "/scheduler/job/" + job + "#L" + line, h.Job != last})
		last = h.Job
	}
	if d.Stopped = answer.Stopped; answer.Next != "" {
		// A search that was stopped may go on from there, too.
		d.Next = with(asking, "after", answer.Next)
	}
	if answer.AgedOut != nil {
		d.AgedOut = answer.AgedOut.Hint
	}
	return nil
}
