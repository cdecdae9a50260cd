package web

import (
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/projections"
)

// jobSearch asks the verb jobs.find.
// Limit is 1 to 10,000; 0 is 50. Count alone asks for the number.
type jobSearch struct {
	Terms  []projections.JobTerm  `json:"terms,omitempty"`
	Order  []projections.JobOrder `json:"order,omitempty"`
	Offset int                    `json:"offset,omitempty"`
	Limit  int                    `json:"limit,omitempty"`
	Count  bool                   `json:"count,omitempty"`
}

// foundJobs answers it.
// A job that was tried again is as many rows as attempts: pages tell them apart, LAVA's interfaces ask for them as one.
type foundJobs struct {
	Jobs  []projections.SelectedJob `json:"jobs"`
	Count uint64                    `json:"count"` // of all that meet the conditions
}

// findJobs asks for jobs by conditions, as of now.
// Jobs that were refused on submission are left out by the api, unless a condition asks for them.
func findJobs(q *request, in jobSearch) (foundJobs, error) {
	return asked[foundJobs](q, "jobs.find", in)
}

// jobList is one of LAVA's lists of jobs: which jobs it has, and in which order where nobody asks for another.
// path is below /scheduler/ and LAVA's, title the heading, about the end of the sentence "find a job among".
type jobList struct {
	path, title, about string
	terms              func(q *request) []projections.JobTerm
	order              string // column, with - from the last
	mine               bool   // it is empty for somebody without a name
	more               bool   // it also has the column of errors
}

// In compares whole words and not parts of them.
func in(field string, values ...string) projections.JobTerm {
	return projections.JobTerm{Field: field, Op: projections.TermIn, Values: values}
}

// jobLists are the lists, with LAVA's addresses.
// The queue has a page of its own, as it tells why each job waits. The orders are LAVA's.
func jobLists() []jobList {
	active := func(*request) []projections.JobTerm {
		return []projections.JobTerm{in("state", "Running", "Canceling")}
	}
	mine := func(more ...projections.JobTerm) func(q *request) []projections.JobTerm {
		return func(q *request) []projections.JobTerm {
			return append([]projections.JobTerm{in("submitter", q.Name)}, more...)
		}
	}
	of := func(terms ...projections.JobTerm) func(*request) []projections.JobTerm {
		return func(*request) []projections.JobTerm { return terms }
	}
	// The three kinds are those that the lab is to blame for, in LAVA's words.
	errors := []projections.JobTerm{in("health", "Incomplete"), in("error_type", "Configuration", "Infrastructure", "Bug")}
	return []jobList{
		{path: "alljobs", title: "Jobs", about: "every job", terms: of(), order: "-id"},
		{path: "activejobs", title: "Active jobs", about: "jobs that run or are being canceled", terms: active, order: "-start_time"},
		{path: "longestjobs", title: "Longest jobs", about: "jobs that run, the oldest first", terms: active, order: "start_time"},
		{path: "healthcheck", title: "Health checks", about: "jobs that prove devices", terms: of(in("health_check", "true")), order: "-id"},
		{path: "joberrors", title: "Recent job errors", about: "jobs that failed by the lab's fault", terms: of(errors...), order: "-end_time", more: true},
		{path: "myjobs", title: "My jobs", about: "jobs that you submitted", terms: mine(), order: "-id", mine: true},
		{path: "myactivejobs", title: "My active jobs", about: "your jobs that run", terms: mine(in("state", "Running", "Canceling")), order: "-start_time", mine: true},
		{path: "myqueuedjobs", title: "My queued jobs", about: "your jobs that wait", terms: mine(in("state", "Submitted")), order: "id", mine: true},
		{path: "myerrorjobs", title: "My job errors", about: "your jobs that failed by the lab's fault", terms: mine(errors...), order: "-end_time", mine: true, more: true},
		{path: "favorite-jobs", title: "Favourite jobs", about: "jobs that you keep", terms: favourites, order: "-id", mine: true},
	}
}

// jobListRoutes are the addresses of the lists.
func jobListRoutes() (out []route) {
	for _, l := range jobLists() {
		// The loop variable is a new one in each turn, so that each route has its own list.
		out = append(out, route{http.MethodGet, "/scheduler/" + l.path, func(q *request) (page, error) { return l.page(q) }, l.title, "find a job among " + l.about})
	}
	return append(out, route{http.MethodPost, "/scheduler/favorite-jobs", func(q *request) (page, error) {
		return page{to: "/scheduler/favorite-jobs?username=" + url.QueryEscape(strings.TrimSpace(q.PostFormValue("username")))}, nil
	}, "", "see somebody else's favourites"})
}

// favourites are the jobs that somebody keeps: of the visitor, or of the user that the address names.
// Anybody's may be looked at, as in LAVA; the api leaves out jobs that the visitor may not see.
func favourites(q *request) []projections.JobTerm {
	user := q.Name
	if name := q.URL.Query().Get("username"); name != "" {
		user = name
	}
	kept, err := asked[struct {
		Jobs []uint64 `json:"jobs"`
	}](q, "jobs.favoured", map[string]any{"user": user})
	ids := []string{}
	if err == nil {
		for _, id := range kept.Jobs {
			ids = append(ids, strconv.FormatUint(id, 10))
		}
	}
	if len(ids) == 0 { // no condition would mean every job; none has this number
		ids = []string{"0"}
	}
	return []projections.JobTerm{in("id", ids...)}
}

// jobFilter is a filter that an address of a list may have: LAVA's name of it, and the words above its field.
// An address may have filters that the page has no field for (id, sub_id, submit_time, end_time): they have one once they are used.
type jobFilter struct {
	Name, Title string
	Value       string
	Choices     []string // of a choice; empty: a text
}

// jobListData is what a list shows.
// From counts rows from 0. Before and After are "" at the ends. Set says whether to offer a way back to the whole list.
type jobListData struct {
	jobList
	Title   string
	Jobs    []projections.SelectedJob
	Found   uint64
	Filters []jobFilter
	Search  string
	Sorts   []head
	Lengths []int
	Length  int
	From    int
	Before  string
	After   string
	Wrong   string
	Errors  bool
	Views   []savedView
	Lists   []savedView
	Set     bool   // some filter is set
	Path    string // of the list, below /scheduler/
	Kept    []pair // of the address, for forms that do not have them
	Whose   string // favourites
	cut     func(string) []projections.Piece
}

// Marked draws what a column has, with what was searched for marked: a search means several, and not each shows why a job is
// there.
func (d jobListData) Marked(text string) template.HTML {
	if d.cut == nil {
		return template.HTML(template.HTMLEscapeString(text))
	}
	return marked(d.cut(text))
}

// savedView is a list that has a name.
// At marks the one that is shown (aria-current).
type savedView struct {
	Text, To string
	At       bool
}

// jobWords are LAVA's words to filter by: states and how jobs ended.
// Scheduling is missing, as LAVA has no such choice; an address may have it all the same.
func jobWords() []string {
	return []string{"Submitted", "Scheduled", "Running", "Canceling", "Complete", "Incomplete", "Canceled"}
}

// mostPages is the last page that a list is asked for: with the most rows of a page it is behind every job of a lab.
// A million pages of a thousand rows are a billion: a 32-bit offset would just hold it.
const mostPages = 1_000_000

// page shows the list as its address asks: ?search=, ?state=, ?device= …, ?sort=, ?length=, ?page=.
// Its length is not the profile's, as in LAVA: its job lists always begin with 25.
func (l jobList) page(q *request) (page, error) {
	if l.mine && !q.SignedIn && q.URL.Query().Get("username") == "" {
		return page{}, &Refusal{Code: "not-found", Message: "there is nobody whose jobs these could be: sign in first"}
	}
	asked := q.URL.Query()
	d := jobListData{jobList: l, Path: l.path, Whose: cmp.Or(asked.Get("username"), q.Name), Title: l.title, Search: asked.Get("search"), Errors: l.more, Lengths: []int{10, 25, 50, 100, 500}, Length: usualLength}
	if n, err := strconv.Atoi(asked.Get("length")); err == nil && n > 0 {
		d.Length = min(n, 1000)
	}
	at, _ := strconv.Atoi(asked.Get("page"))
	at = max(1, min(at, mostPages)) // an address may have any number, and times the length it must stay one
	d.From = (at - 1) * d.Length
	search := jobSearch{Terms: append(l.terms(q), d.filters(asked, q.now)...), Offset: d.From, Limit: d.Length}
	by := asked.Get("sort")
	if by == "" {
		by = l.order
	}
	name, down := strings.CutPrefix(by, "-")
	if slices.Contains(sortable(), name) || name == "start_time" {
		search.Order = []projections.JobOrder{{Field: name, Desc: down}}
	}
	for _, c := range jobColumns() {
		d.Sorts = append(d.Sorts, sortHead(asked, c, name, down))
	}
	if text := strings.TrimSpace(d.Search); text != "" {
		d.cut = projections.Substring.Marker(text, false)
	}
	found, err := d.find(q, search)
	// A page behind the last shows the last, as in [list]: jobs may have gone since somebody kept the link.
	if last := int((found.Count + uint64(d.Length) - 1) / uint64(d.Length)); err == nil && at > max(1, last) {
		at, d.From = max(1, last), max(0, last-1)*d.Length
		search.Offset = d.From
		found, err = d.find(q, search)
	}
	status := 0 // tables that are away leave the rest of the page as it is
	if err != nil {
		d.Wrong = err.Error()
	}
	if no, ok := refusal(err); ok && no.Code == "invalid" {
		status = http.StatusBadRequest // what is wrong stands above the filters, where it is mended
	}
	d.Jobs, d.Found = found.Jobs, found.Count
	if at > 1 {
		d.Before = with(asked, "page", strconv.Itoa(at-1))
	}
	if uint64(d.From+len(d.Jobs)) < d.Found {
		d.After = with(asked, "page", strconv.Itoa(at+1))
	}
	for _, other := range jobLists() {
		if !other.mine || q.SignedIn {
			d.Lists = append(d.Lists, savedView{other.title, "/scheduler/" + other.path, other.path == l.path})
		}
	}
	d.Views = savedViews(q)
	// The forms below the list and above it are about other things than these, and leave them as they are.
	for _, name := range []string{"sort", "username"} {
		if v := asked.Get(name); v != "" {
			d.Kept = append(d.Kept, pair{name, v})
		}
	}
	return page{template: "jobs", data: d, status: status, live: "job/", styles: []string{"jobs.css"}, help: "first-job", crumbs: []crumb{{"Scheduler", "/scheduler/"}, {l.title, ""}}}, nil
}

// jobColumns are the columns of a list, as LAVA's addresses call them.
// The template has a cell for each, in this order, and "jobcolumn" their heads.
func jobColumns() []string {
	return []string{"id", "state", "device", "device_type", "description", "submitter", "submit_time", "end_time"}
}

// sortable are those of them that a million jobs can be sorted by at once.
func sortable() []string { return []string{"id", "submit_time", "end_time"} }

// sortHead is the head of a column.
// The first click sorts downwards, as the newest are wanted more often than the oldest.
func sortHead(asked url.Values, column, by string, down bool) head {
	h := head{Title: column, To: with(asked, "sort", "-"+column)}
	switch {
	case !slices.Contains(sortable(), column):
		h.To = ""
	case column == by && down:
		h.Sorted, h.To = "descending", with(asked, "sort", column)
	case column == by:
		h.Sorted = "ascending"
	}
	return h
}

// filters reads the filters of an address, LAVA's names and ours.
// All that are given have to hold, as in LAVA; what it calls requested_device_type is device_type of the tables.
func (d *jobListData) filters(asked url.Values, now time.Time) (terms []projections.JobTerm) {
	for _, f := range []struct{ name, title, field string }{
		{"description", "Name", "description"}, {"submitter", "Submitter", "submitter"}, {"device", "Device", "device"},
		{"requested_device_type", "Device type", "device_type"},
	} {
		value := strings.TrimSpace(asked.Get(f.name))
		d.Filters = append(d.Filters, jobFilter{Name: f.name, Title: f.title, Value: value})
		if value != "" {
			terms = append(terms, projections.JobTerm{Field: f.field, Op: projections.TermContains, Values: []string{value}})
		}
	}
	state := asked.Get("state")
	// LAVA's lists have one column for both, by whose words they are filtered; links of ours name the health.
	if h := asked.Get("health"); h != "" {
		state = h
	}
	choices := jobWords()
	if state != "" && !slices.Contains(choices, state) {
		choices = append(choices, state) // or the field would show "any" while a filter holds
	}
	d.Filters = append(d.Filters, jobFilter{Name: "state", Title: "State", Value: state, Choices: choices})
	switch state {
	case "":
	case "Complete", "Incomplete", "Canceled":
		terms = append(terms, in("health", state))
	default:
		terms = append(terms, in("state", state))
	}
	for _, name := range []string{"submit_time", "end_time"} {
		if hours, err := strconv.ParseFloat(asked.Get(name), 64); err == nil && hours > 0 {
			// Beyond a century every job is meant, and a duration would not hold it.
			since := now.Truncate(lately).Add(-time.Duration(min(hours, 24*365*100) * float64(time.Hour)))
			terms = append(terms, projections.JobTerm{Field: name, Op: projections.TermGTE, Values: []string{since.UTC().Format(time.RFC3339)}})
			d.Filters = append(d.Filters, jobFilter{Name: name, Title: map[string]string{"submit_time": "Submitted within hours", "end_time": "Ended within hours"}[name], Value: asked.Get(name)})
		}
	}
	if id := strings.TrimPrefix(strings.TrimSpace(asked.Get("id")), "#"); id != "" {
		field := "id"
		if _, part := jobNumber(id); part != "" {
			field = "display"
		}
		terms = append(terms, in(field, id)) // what is no number is refused, with words
		d.Filters = append(d.Filters, jobFilter{Name: "id", Title: "Number", Value: id})
	}
	// LAVA's name of a part, of which a piece is enough. Jobs of no group have none, and would be found by their number.
	if sub := strings.TrimSpace(asked.Get("sub_id")); sub != "" {
		terms = append(terms, projections.JobTerm{Field: "display", Op: projections.TermContains, Values: []string{sub}},
			projections.JobTerm{Field: "target_group", Op: projections.TermIsNull, Values: []string{"false"}})
		d.Filters = append(d.Filters, jobFilter{Name: "sub_id", Title: "Part of a group", Value: sub})
	}
	d.Set = len(terms) > 0 || d.Search != ""
	return terms
}

// searched are the columns that a search looks into, as in LAVA: case counts, and a part of the text is enough.
func searched() []string { return []string{"description", "submitter", "device", "device_type"} }

// jobNumber reads what people call a job: 42, #42, or 41.2 of a multinode job, whose part is then "2". Whole is "" for what is none
// of these. The part's number has 16 bits, which no group reaches.
func jobNumber(text string) (whole, part string) {
	whole, part, isPart := strings.Cut(strings.TrimPrefix(text, "#"), ".")
	if _, err := strconv.ParseUint(whole, 10, 63); err != nil { // a number of the tables has 64 bits and a sign
		return "", ""
	}
	if _, err := strconv.ParseUint(part, 10, 16); isPart && err != nil {
		return "", ""
	}
	return whole, part
}

// numberTerms are the conditions of which one holds for each job that a number means: a part by its name, else the job of that
// number and all parts of the group that bears it. They are none for what is no number.
func numberTerms(text string) []projections.JobTerm {
	switch whole, part := jobNumber(text); {
	case whole == "":
		return nil
	case part != "":
		return []projections.JobTerm{in("display", whole+"."+part)}
	default:
		return []projections.JobTerm{in("id", whole), {Field: "display", Op: projections.TermStartsWith, Values: []string{whole + "."}}}
	}
}

// find asks for the page. A search means any of the columns: a number is the job's or its group's too, a word of [jobWords] its state or
// health as well, so that one question finds all that the search of LAVA's lists does.
func (d *jobListData) find(q *request, search jobSearch) (foundJobs, error) {
	text := strings.TrimSpace(d.Search)
	if text == "" {
		return findJobs(q, search)
	}
	either := numberTerms(text)
	if slices.Contains(jobWords(), text) {
		either = append(either, in("state", text), in("health", text))
	}
	for _, field := range searched() {
		either = append(either, projections.JobTerm{Field: field, Op: projections.TermContains, Values: []string{text}})
	}
	search.Terms = append(slices.Clone(search.Terms), projections.JobTerm{Any: either})
	return findJobs(q, search)
}

// savedViews are the visitor's queries of jobs, which are filters with a name.
// The verb lists those that others have published as well; here one's own are meant.
func savedViews(q *request) (views []savedView) {
	if !q.SignedIn {
		return nil
	}
	list, err := asked[[]struct {
		Owner  string `json:"owner"`
		Name   string `json:"name"`
		Entity string `json:"entity"`
	}](q, "queries.list", map[string]any{"owner": q.Name})
	if err != nil {
		return nil
	}
	for _, one := range list {
		if one.Owner == q.Name && one.Entity == string(events.JobQuery) {
			views = append(views, savedView{Text: one.Name, To: fmt.Sprintf("/results/query/~%s/%s", url.PathEscape(one.Owner), url.PathEscape(one.Name))})
		}
	}
	return views
}
