package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/projections/query"
)

// resultRoutes are the pages of results, where LAVA has them, and those that look across jobs.
// "matrix", "history" and "testcase" cannot be jobs, as those have numbers; a suite called so would still be found below its job.
func resultRoutes() []route {
	const get = http.MethodGet
	return []route{
		{get, "/results", listSuites, "Results", "see which suites ran, and how they went"},
		{get, "/results/matrix", matrixPage, "Matrix", "see a suite's cases across the latest jobs side by side"},
		{get, "/results/history", historyPage, "History of a test", "see since when a case fails, and whether it is flaky"},
		{get, "/results/testcase/{id}", casesByNumber, "Test case", "follow the number of a test case"},
		{get, "/results/{job}", jobResults, "Results", "see a job's suites and what failed"},
		{get, "/results/{job}/{suite}", suitePage, "Suite", "see the cases of a suite"},
		{get, "/results/{job}/{suite}/{case}", casePage, "Test case", "see all runs of a case, or the cases of a set"},
		{get, "/results/{job}/{suite}/{set}/{case}", casePage, "Test case", "see all runs of a case in a set"},
	}
}

// suiteFilter are the conditions on jobs and suites that the index takes in its address.
// The fields stand above the list; those that are empty ask for nothing.
type suiteFilter struct{ Suite, Submitter, DeviceType, Description string }

// listSuites shows suites, those of the newest job first. It asks as a query in an address does, so that it shows what a query
// with the same conditions finds.
// LAVA's index has a row a suite as well, and searches names of suites by ?search=.
func listSuites(q *request) (page, error) {
	asking := q.URL.Query()
	f := suiteFilter{asking.Get("suite"), asking.Get("submitter"), asking.Get("device_type"), asking.Get("description")}
	if f.Suite == "" {
		f.Suite = asking.Get("search") // LAVA's name for it
	}
	conditions := []events.QueryCondition{}
	// icontains for what people type parts of, exact for names that they choose.
	add := func(table, field, operator, value string) {
		if value != "" {
			conditions = append(conditions, events.QueryCondition{Table: table, Field: field, Operator: operator, Value: value})
		}
	}
	add(query.Suites, "name", "icontains", f.Suite)
	add(query.Jobs, "submitter", "exact", f.Submitter)
	add(query.Jobs, "requested_device_type", "exact", f.DeviceType)
	add(query.Jobs, "description", "icontains", f.Description)
	rows, err := asked[queryRows](q, "queries.custom", map[string]any{"entity": events.SuiteQuery, "conditions": conditions,
		"limit": queryPageRows, "offset": number(asking.Get("offset"))})
	if err != nil {
		return page{}, err
	}
	return page{template: "results", data: map[string]any{"Found": q.found(rows), "Filter": f}, help: "writing-tests", live: "job/"}, nil
}

// jobCases are a job's results as they were recorded. Complete says that no more will come; Problems are what the recorder has
// against single results, in sentences.
// Cases come in the order in which they were recorded; those of a further attempt are that job's.
type jobCases struct {
	Job       events.JobID  `json:"job"`
	Cases     []events.Case `json:"cases"`
	Complete  bool          `json:"complete"`
	RetriedAs events.JobID  `json:"retried_as"`
	Problems  []string      `json:"problems"`
}

// suiteCount is a suite with the counts of its cases.
// All of its cases are counted, Failed holds at most [mostFailed] of them.
type suiteCount struct {
	outcomeCounts
	Name   string
	First  time.Time     // when its first case was recorded
	Failed []events.Case // the first few
}

// mostFailed is how many failed cases of a suite the page of a job names.
const mostFailed = 12

// suitesOf counts cases by suite, in the order in which suites began; the pipeline's own comes last, as what
// somebody tested matters more.
// It differs from [sumSuites], which the job's page draws by, in that it keeps no cases that passed: a job may have thousands.
func suitesOf(cases []events.Case) []*suiteCount {
	var all []*suiteCount
	at := map[string]*suiteCount{}
	for _, c := range cases {
		s := at[c.Suite]
		if s == nil {
			s = &suiteCount{Name: c.Suite, First: c.At}
			at[c.Suite] = s
			all = append(all, s)
		}
		if s.add(c.Result); c.Result == events.Fail && len(s.Failed) < mostFailed {
			s.Failed = append(s.Failed, c)
		}
	}
	slices.SortStableFunc(all, func(a, b *suiteCount) int {
		own := func(s *suiteCount) int {
			if s.Name == "lava" {
				return 1
			}
			return 0
		}
		return own(a) - own(b)
	})
	return all
}

// resultJob is what the pages of results show of a job.
// A subset of [shownJob], asked by the same verb.
type resultJob struct {
	Job        events.JobID      `json:"job"`
	Display    string            `json:"display"`
	State      string            `json:"state"`
	Health     string            `json:"health"`
	User       string            `json:"user"`
	Name       string            `json:"name"`
	DeviceType string            `json:"device_type"`
	Device     string            `json:"device"`
	Submitted  time.Time         `json:"submitted"`
	Metadata   map[string]string `json:"metadata"`
}

// resultsOf returns the job of an address with its results. A part of a multinode job goes by its own number or as
// people call it, 41.2.
// Anything else in the address is refused here, as /results/NAME is what people type for a page that is not there.
func (q *request) resultsOf() (job resultJob, cases jobCases, err error) {
	if jobAddress(q.PathValue("job")) == "" {
		return job, cases, &Refusal{Code: "not-found", Message: "there is no job " + strconv.Quote(q.PathValue("job")) + "; jobs have numbers"}
	}
	if job, err = asked[resultJob](q, "jobs.show", map[string]any{"job": q.PathValue("job")}); err != nil {
		return job, cases, err
	}
	cases, err = asked[jobCases](q, "jobs.results", map[string]any{"job": job.Job})
	return job, cases, err
}

// resultCrumbs is the way to a page of a job's results.
// Each part is a link to its own page but the last, which is where one is.
func resultCrumbs(job resultJob, further ...string) []crumb {
	base := "/results/" + job.Job.String()
	way := []crumb{{"Results", "/results/"}, {"Job " + job.Display, base}}
	for _, one := range further {
		base += "/" + url.PathEscape(one)
		way = append(way, crumb{one, base})
	}
	way[len(way)-1].To = ""
	return way
}

// jobResults shows a job's suites, and names what failed.
// Results and the job have to be there; deliveries and files are left out where they cannot be asked for.
func jobResults(q *request) (page, error) {
	job, cases, err := q.resultsOf()
	if err != nil {
		return page{}, err
	}
	notices, err := asked[[]struct {
		Moment   string    `json:"moment"`
		Kind     string    `json:"kind"`
		To       string    `json:"to"`
		State    string    `json:"state"`
		At       time.Time `json:"at"`
		Attempts int       `json:"attempts"`
		Answer   string    `json:"answer"`
	}](q, "notices.list", map[string]any{"job": job.Job})
	if err != nil {
		notices = nil // who may not see them sees the results
	}
	// Files are an extra: where their store is away the results are shown without them.
	files, err := asked[struct {
		Files []struct {
			Name  string `json:"name"`
			Suite string `json:"suite"`
			Case  string `json:"case"`
			Bytes uint64 `json:"bytes"`
			Line  uint64 `json:"line"`
		} `json:"files"`
	}](q, "jobs.files", map[string]any{"job": job.Job})
	if err != nil {
		files.Files = nil
	}
	data := map[string]any{"Job": job, "Suites": suitesOf(cases.Cases), "Complete": cases.Complete, "RetriedAs": cases.RetriedAs,
		"Problems": cases.Problems, "Notices": notices, "Files": files.Files}
	return page{template: "job-results", title: "Results of job " + job.Display, data: data, crumbs: resultCrumbs(job), live: "job/" + job.Job.String(),
		help: "writing-tests", styles: []string{"results.css"}}, nil
}

// suitePage shows the cases of a suite.
// A suite without cases is none.
func suitePage(q *request) (page, error) {
	job, all, err := q.resultsOf()
	if err != nil {
		return page{}, err
	}
	suite := q.PathValue("suite")
	cases := slices.DeleteFunc(all.Cases, func(c events.Case) bool { return c.Suite != suite })
	if len(cases) == 0 {
		return page{}, &Refusal{Code: "not-found", Message: "job " + job.Display + " has no suite " + strconv.Quote(suite)}
	}
	return caseList(q, job, suite, "", cases)
}

// caseList shows cases of one suite or set.
// All cases are at hand, so the list is the common one, with the length that the profile says.
func caseList(q *request, job resultJob, suite, set string, cases []events.Case) (page, error) {
	counts := suitesOf(cases)[0] // all cases are of one suite, and there is one at least
	columns := []column[events.Case]{
		{name: "name", title: "Case", text: func(c events.Case) string { return c.Name }},
		{name: "set", title: "Set", text: func(c events.Case) string { return c.Set }, narrow: true},
		{name: "result", title: "Result", text: func(c events.Case) string { return string(c.Result) }, exact: true},
		{name: "measurement", title: "Measurement", number: true, order: byMeasurement},
		{name: "logged", title: "Logged", order: func(a, b events.Case) int { return a.At.Compare(b.At) }},
	}
	// Few suites have sets; an empty column would say nothing.
	if !slices.ContainsFunc(cases, func(c events.Case) bool { return c.Set != "" }) {
		// The template asks by "Sets" whether the column is there.
		columns = slices.Delete(columns, 1, 2)
	}
	list := list(q, "case", columns, cases)
	further := []string{suite}
	if set != "" {
		further = append(further, set)
	}
	data := map[string]any{"Job": job, "Suite": suite, "Set": set, "Counts": counts, "List": list, "Sets": len(columns) == 5, "Result": q.URL.Query().Get("result")}
	return page{template: "suite", title: suite + " of job " + job.Display, data: data, crumbs: resultCrumbs(job, further...),
		live: "job/" + job.Job.String(), styles: []string{"results.css"}}, nil
}

// byMeasurement orders cases by what was measured; those without come first.
// Units are not looked at: of one case they are the same, and across cases people filter by name.
func byMeasurement(a, b events.Case) int {
	switch {
	case a.Measurement == nil && b.Measurement == nil:
		return 0
	case a.Measurement == nil:
		return -1
	case b.Measurement == nil:
		return 1
	case *a.Measurement < *b.Measurement:
		return -1
	case *a.Measurement > *b.Measurement:
		return 1
	}
	return 0
}

// caseRun is one run of a case, with its place in the log.
type caseRun struct {
	events.Case
	From, To uint64 // lines; From is where the case began
	Keys     []string
}

// casePage shows all runs of a case in a job, or, where that is the name of a set, the set's cases.
// LAVA's address of three parts may be a case or a set; a case of that name wins, as links from lists mean it.
func casePage(q *request) (page, error) {
	job, all, err := q.resultsOf()
	if err != nil {
		return page{}, err
	}
	suite, set, name := q.PathValue("suite"), q.PathValue("set"), q.PathValue("case")
	var runs []caseRun
	var inSet []events.Case
	for _, c := range all.Cases {
		switch {
		case c.Suite != suite:
		case c.Name == name && (set == "" || c.Set == set):
			r := caseRun{Case: c, From: c.Line, To: c.Line}
			if c.StartLine != nil {
				r.From = *c.StartLine
			}
			if c.EndLine != nil {
				r.To = *c.EndLine
			}
			for key := range c.Metadata {
				r.Keys = append(r.Keys, key)
			}
			slices.Sort(r.Keys)
			runs = append(runs, r)
		case set == "" && c.Set == name:
			inSet = append(inSet, c)
		}
	}
	switch {
	case len(runs) == 0 && len(inSet) > 0:
		return caseList(q, job, suite, name, inSet)
	case len(runs) == 0:
		return page{}, &Refusal{Code: "not-found", Message: "suite " + suite + " of job " + job.Display + " has no case or set " + strconv.Quote(name)}
	}
	further := []string{suite, name}
	if set != "" {
		further = []string{suite, set, name}
	}
	// Of runs in several sets it leads to the first one's.
	history := "/results/history?" + url.Values{"suite": {suite}, "case": {name}, "set": {runs[0].Set}, "name": {job.Name}, "device_type": {job.DeviceType}}.Encode()
	data := map[string]any{"Job": job, "Suite": suite, "Set": set, "Case": name, "Runs": runs, "History": history}
	return page{template: "case", title: name + " of job " + job.Display, data: data, crumbs: resultCrumbs(job, further...), styles: []string{"results.css"}}, nil
}

// casesByNumber goes to the page of a test case that LAVA's interfaces name by its number.
// LAVA's REST and XML-RPC name cases by a number, and its links have it.
func casesByNumber(q *request) (page, error) {
	id, err := strconv.ParseUint(q.PathValue("id"), 10, 64)
	if err != nil {
		return page{}, &Refusal{Code: "not-found", Message: "there is no test case " + strconv.Quote(q.PathValue("id")) + "; test cases have numbers"}
	}
	found, err := asked[struct {
		Job   events.JobID `json:"job"`
		Suite string       `json:"suite"`
		Set   string       `json:"set"`
		Name  string       `json:"name"`
	}](q, "cases.find", map[string]any{"id": id})
	if err != nil {
		return page{}, err
	}
	// One page has one address, which says of what it is.
	parts := []string{"", "results", found.Job.String(), url.PathEscape(found.Suite)}
	if found.Set != "" {
		parts = append(parts, url.PathEscape(found.Set))
	}
	return page{to: strings.Join(append(parts, url.PathEscape(found.Name)), "/")}, nil
}
