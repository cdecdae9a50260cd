package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/projections"
)

// queryRoutes are the pages of saved queries and of those in addresses, where LAVA has them.
func queryRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	// {owner} comes as ~alice. Verbs that begin with + are LAVA's; those that it does by GET ask first here.
	const one = "/results/query/{owner}/{name}"
	return []route{
		{get, "/results/query", listQueries, "Queries", "find a saved query"},
		{get, "/results/query/+custom", customQuery, "Query", "see what the conditions in an address find"},
		{get, "/results/query/+export-custom", exportCustom, "Export", "download what the conditions in an address find"},
		{get, "/results/query/+add", addQuery, "New query", "open the form of a query"},
		{post, "/results/query/+add", saveNewQuery, "New query", "build a query, look at what it finds, and save it"},
		{get, one, showQuery, "Query", "see what a saved query finds"},
		{get, one + "/+detail", queryDetail, "Query", "read a query's conditions and settings"},
		{get, one + "/+export", exportQuery, "Export", "download what a saved query finds"},
		{get, one + "/+edit", editQuery, "Change query", "open the form of a saved query"},
		{post, one + "/+edit", saveQuery, "Change query", "change a saved query"},
		{get, one + "/+copy", copyForm, "Copy query", "open the form of a copy"},
		{post, one + "/+copy", copyQuery, "Copy query", "copy a query to one's own"},
		{get, one + "/+delete", confirmQuery("archive"), "Archive query", "be asked before a query leaves the lists"},
		{post, one + "/+delete", archiveQuery, "", "take a query out of the lists"},
		{get, one + "/+toggle-published", confirmQuery("publish"), "Publish query", "be asked before others may see a query"},
		{post, one + "/+toggle-published", togglePublished, "", "let others see a query, or not"},
		{get, one + "/+refresh", confirmQuery("refresh"), "Refresh query", "be asked before a query is run for keeping"},
		{post, one + "/+refresh", refreshQuery, "", "run a query that is not live, and keep what it finds"},
		{post, one + "/+omit-result", omitResult, "", "leave a row out of a query"},
		{post, one + "/+include-result", includeResult, "", "take a row that was left out back"},
		// LAVA has a dialog on the job's page in place of this one.
		{get, "/scheduler/job/{job}/similarjobs", similarForm, "Similar jobs", "choose in what other jobs are to be like this one"},
		{post, "/scheduler/job/{job}/similarjobs", alikeJobs, "", "find jobs like this one"},
	}
}

// savedQuery is a query as the api tells of it.
// Address are its conditions as addresses have them, "" where they cannot be written so (any of, not); Text says them to people.
// Changed: its rows were kept before its conditions became what they are.
type savedQuery struct {
	events.QuerySaved
	Address string    `json:"address"`
	Text    string    `json:"text"`
	SavedAt time.Time `json:"saved_at"`
	// nil: never, which is the rule for a query that is live.
	Refresh  *refreshed `json:"refresh"`
	Changed  bool       `json:"changed"`
	Omitted  []string   `json:"omitted"`
	Archived bool       `json:"archived"`
	Editable bool       `json:"editable"`
	Warnings []string   `json:"warnings"`
}

// refreshed says when a query's rows were kept.
// At is when the rows were found, which is what they are true of.
type refreshed struct {
	At    time.Time `json:"at"`
	Items int       `json:"items"` // rows
}

// To is the address of the query's page.
func (s savedQuery) To() string {
	return "/results/query/~" + url.PathEscape(string(s.Owner)) + "/" + url.PathEscape(s.Name)
}

// Where are the query's conditions for people, "" where it has none.
func (s savedQuery) Where() string { return where(s.Entity, s.Text) }

// where leaves out of a query's text what it finds, which the page says in its own words.
// The words before are those of the query's own String, "testjob where …".
func where(entity events.QueryEntity, text string) string {
	conditions, some := strings.CutPrefix(text, string(entity)+" where ")
	if !some {
		return "" // it finds them all
	}
	return conditions
}

// customTo is the address that finds the same without the saved query, "" where its conditions cannot be written so.
// LAVA's form of it: entity and conditions, each table__field__operator__value with commas between.
func customTo(entity events.QueryEntity, address string) string {
	if address == "" {
		return ""
	}
	return "/results/query/+custom?" + url.Values{"entity": {string(entity)}, "conditions": {address}}.Encode()
}

// queryRef names a query as addresses do; "~" before the owner is LAVA's.
// A query without an owner is the caller's own, as the api reads it.
type queryRef struct {
	Owner string `json:"owner,omitempty"`
	Name  string `json:"name,omitempty"`
}

func (q *request) queryRef() queryRef {
	return queryRef{strings.TrimPrefix(q.PathValue("owner"), "~"), q.PathValue("name")}
}

// queryGroup is a heading of the list with its queries.
type queryGroup struct {
	Title   string
	Queries []savedQuery
}

// listQueries shows the visitor's own queries, those of his groups, and what others have published.
// Each stands under one heading, the first that fits: one's own that belongs to a group is under "Mine".
func listQueries(q *request) (page, error) {
	all, err := asked[[]savedQuery](q, "queries.list", map[string]any{})
	if err != nil {
		return page{}, err
	}
	var own, shared, public queryGroup
	own.Title, shared.Title, public.Title = "Mine", "Of my groups", "Published by others"
	for _, one := range all {
		switch {
		case string(one.Owner) == q.Name && q.SignedIn:
			own.Queries = append(own.Queries, one)
		case one.Editable && one.Group != "":
			shared.Queries = append(shared.Queries, one)
		default:
			public.Queries = append(public.Queries, one)
		}
	}
	return page{template: "queries", data: map[string]any{"Groups": []queryGroup{own, shared, public}, "Any": len(all) > 0},
		help: "queries", live: "query/", styles: []string{"query.css"}}, nil
}

// entityWords says what a query finds, for people.
// An entity that is none, as of an address that was typed, has no word; the api has refused it by then.
var entityWords = map[events.QueryEntity]string{events.JobQuery: "jobs", events.SuiteQuery: "test suites", events.CaseQuery: "test cases"}

// queryRows is a page of what a query found: one of the lists, by the entity.
// Offset is of the first row, from 0; More says that there are rows behind. No total: to count all costs more than to show fifty.
type queryRows struct {
	Entity   events.QueryEntity `json:"entity"`
	Query    *savedQuery        `json:"query"`
	Address  string             `json:"address"`
	Text     string             `json:"text"`
	Jobs     []queryJob         `json:"jobs"`
	Suites   []querySuite       `json:"suites"`
	Cases    []queryCase        `json:"cases"`
	Offset   int                `json:"offset"`
	More     bool               `json:"more"`
	Warnings []string           `json:"warnings"`
}

// The embedded fields are what the template names; the type is its own so that rows of jobs may get more than a job has.
type queryJob struct {
	wholeJob
}

// Item names the row in verbs that leave it out ("42/0_smoke"), which its job and suite do on pages.
type querySuite struct {
	Item string `json:"item"`
	Job  uint64 `json:"job"`
	projections.Suite
	JobName string `json:"-"` // this and the next two are the job's, of [request.nameSuites]
	Display string `json:"-"`
	User    string `json:"-"`
}

// Item is "42/812.3": the job, and the fact and place by which the case was recorded.
type queryCase struct {
	Item string `json:"item"`
	projections.Case
}

// wholeJob is a job as jobs.show and queries tell of it: the part that lists show.
type wholeJob struct {
	Job        uint64    `json:"job"`
	Display    string    `json:"display"`
	State      string    `json:"state"`
	Health     string    `json:"health"`
	User       string    `json:"user"`
	Name       string    `json:"name"`
	DeviceType string    `json:"device_type"`
	Device     string    `json:"device"`
	Submitted  time.Time `json:"submitted"`
	Error      string    `json:"error"`
}

// Where are the conditions for people.
func (r queryRows) Where() string { return where(r.Entity, r.Text) }

// Rows is their number.
func (r queryRows) Rows() int { return len(r.Jobs) + len(r.Suites) + len(r.Cases) }

// queryData is what the page of a query shows.
// Saved is nil for a query of an address. Trouble stands in place of the rows; all else on the page is there then too.
type queryData struct {
	queryRows
	Found         string // what it finds: "jobs"
	Saved         *savedQuery
	Custom        string // the same by its address
	Export        string // address of its files, to which a format is added
	Chart         string // address of a chart of it
	Save          string // address of the form that saves it, of one that is not
	Before, After string
	Trouble       string // why there are no rows
}

// queryPageRows is how many rows a page of a query has.
const queryPageRows = 50

// nameSuites adds to suites what their jobs are called and whose they are, as LAVA's index of results has it. The rows of suites
// know their job by its number alone, so one question asks for the jobs of the page; without an answer the numbers stay.
func (q *request) nameSuites(suites []querySuite) {
	var ids []string
	for _, s := range suites {
		ids = append(ids, strconv.FormatUint(s.Job, 10))
	}
	if ids = slices.Compact(ids); len(ids) == 0 { // suites of a job stand together
		return
	}
	jobs, err := findJobs(q, jobSearch{Terms: []projections.JobTerm{in("id", ids...)}, Limit: len(ids)})
	if err != nil {
		return
	}
	for i := range suites {
		for _, j := range jobs.Jobs {
			if s := &suites[i]; s.Job == j.Job.Job {
				s.JobName, s.Display, s.User = j.Name, j.Display, j.User
			}
		}
	}
}

// found completes the page of a query.
// The pages beside this one are by offset, so a row that comes meanwhile moves one to the next page, where it stands twice.
func (q *request) found(rows queryRows) queryData {
	q.nameSuites(rows.Suites)
	d := queryData{queryRows: rows, Found: entityWords[rows.Entity], Custom: customTo(rows.Entity, rows.Address)}
	asked := q.URL.Query()
	if rows.Offset > 0 {
		d.Before = with(asked, "offset", nonZero(max(0, rows.Offset-queryPageRows)))
	}
	if rows.More {
		d.After = with(asked, "offset", nonZero(rows.Offset+rows.Rows()))
	}
	return d
}

// customQuery shows what the conditions in the address find.
// Conditions that cannot be read are a page of an error with the place in them; tables that are away are a page without rows.
func customQuery(q *request) (page, error) {
	asking := q.URL.Query()
	in := map[string]any{"entity": asking.Get("entity"), "address": asking.Get("conditions"), "limit": queryPageRows, "offset": number(asking.Get("offset"))}
	d := queryData{queryRows: queryRows{Entity: events.QueryEntity(asking.Get("entity"))}}
	rows, err := asked[queryRows](q, "queries.custom", in)
	var no *Refusal
	switch {
	case errors.As(err, &no) && (no.Code == "conflict" || no.Code == "away"):
		d.Trouble = no.Message
	case err != nil:
		return page{}, err
	default:
		d = q.found(rows)
	}
	address := url.Values{"entity": {asking.Get("entity")}, "conditions": {asking.Get("conditions")}}.Encode()
	d.Export = "/results/query/+export-custom?" + address + "&format="
	d.Chart = "/results/chart/+custom?" + address
	d.Save = "/results/query/+add?" + address
	return page{template: "query", data: d, title: "Query for " + entityWords[d.Entity], crumbs: queryCrumbs("Query in the address", ""), help: "queries", live: "job/", styles: []string{"query.css"}}, nil
}

// queryCrumbs is the way to a page of queries.
func queryCrumbs(last, lastTo string, further ...string) []crumb {
	way := []crumb{{"Results", "/results/"}, {"Queries", "/results/query/"}}
	if len(further) == 0 {
		return append(way, crumb{last, ""})
	}
	return append(way, crumb{last, lastTo}, crumb{further[0], ""})
}

// showQuery shows what a saved query finds, or what its last refresh has kept.
// A query that is live is run at each look; one that is not shows what was kept, however old.
func showQuery(q *request) (page, error) {
	ref := q.queryRef()
	in := map[string]any{"owner": ref.Owner, "name": ref.Name, "limit": queryPageRows, "offset": number(q.URL.Query().Get("offset"))}
	rows, err := asked[queryRows](q, "queries.run", in)
	var d queryData
	var no *Refusal
	switch {
	case errors.As(err, &no) && (no.Code == "conflict" || no.Code == "away"):
		// A query that was never refreshed has no rows, but a page: the button is there.
		saved, err := asked[savedQuery](q, "queries.show", ref)
		if err != nil {
			return page{}, err
		}
		d = queryData{Trouble: no.Message, Saved: &saved, Found: entityWords[saved.Entity], Custom: customTo(saved.Entity, saved.Address)}
		d.Text, d.Entity = saved.Text, saved.Entity
	case err != nil:
		return page{}, err
	default:
		d = q.found(rows)
		d.Saved = rows.Query
	}
	if d.Saved == nil {
		return page{}, &Refusal{Code: "not-found", Message: "there is no query ~" + ref.Owner + "/" + ref.Name}
	}
	d.Export = d.Saved.To() + "/+export?format="
	d.Chart = "/results/chart/+add?query=" + url.QueryEscape("~"+string(d.Saved.Owner)+"/"+d.Saved.Name)
	// What was kept stands still until somebody refreshes it, and his redirect shows that.
	live := ""
	if d.Saved.Live {
		live = "job/ query/"
	}
	return page{template: "query", data: d, title: d.Saved.Name, crumbs: queryCrumbs(d.Saved.Name, ""), help: "queries", live: live, styles: []string{"query.css"}}, nil
}

// queryDetail shows conditions and settings.
func queryDetail(q *request) (page, error) {
	saved, err := asked[savedQuery](q, "queries.show", q.queryRef())
	if err != nil {
		return page{}, err
	}
	return page{template: "query-detail", data: saved, title: saved.Name, crumbs: queryCrumbs(saved.Name, saved.To(), "Settings"), help: "queries", styles: []string{"query.css"}}, nil
}

// exportQuery sends a query's rows as a file.
// All rows, up to the query's own limit, not the page that was looked at.
func exportQuery(q *request) (page, error) {
	ref := q.queryRef()
	format := oneOf(q.URL.Query().Get("format"), "csv", "csv", "yaml", "json")
	in := map[string]any{"owner": ref.Owner, "name": ref.Name, "format": format}
	return q.download("queries.export", in, "query_"+ref.Owner+"_"+ref.Name, format)
}

// exportCustom sends the rows that the conditions in an address find.
// A format that is none is CSV, which is LAVA's.
func exportCustom(q *request) (page, error) {
	asking := q.URL.Query()
	format := oneOf(asking.Get("format"), "csv", "csv", "yaml", "json")
	in := map[string]any{"format": format, "custom": map[string]any{"entity": asking.Get("entity"), "address": asking.Get("conditions")}}
	return q.download("queries.export", in, "query", format)
}
