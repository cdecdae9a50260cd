package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/projections"
)

// jobRoutes are the pages of one job, and what is done with it there.
// Each {job} may be a number or a part's name, 41.2, which the api resolves; the addresses are LAVA's but for compare.
func jobRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/scheduler/job/{job}", jobPage, "Job", "understand what became of a job, and why"},
		{get, "/scheduler/job/{job}/definition", definitionPage, "Definition", "read a job's definition, and find a place in it"},
		{get, "/scheduler/job/{job}/multinode_definition", definitionPage, "Multinode definition", "read the definition of a whole group"},
		{get, "/scheduler/job/{job}/compare", comparePage, "Compare", "see what differs from another job"},
		{post, "/scheduler/job/{job}/cancel", cancelJob, "", "end a job"},
		{post, "/scheduler/job/{job}/fail", failJob, "", "learn when a job ends whose worker does not end it"},
		{post, "/scheduler/job/{job}/priority", setPriority, "", "give a waiting job another place in the queue"},
		{post, "/scheduler/job/{job}/annotate_failure", annotateJob, "", "say what a failure was about"},
		{post, "/scheduler/job/{job}/toggle_favorite", toggleFavourite, "", "keep a job among one's favourites"},
	}
}

// shownJob is a job as jobs.show tells it: what the page uses of it.
// Times are nil until they come. Lines and Cases are 0 until all output was read (Complete); Display is what people call the job.
type shownJob struct {
	Job         events.JobID      `json:"job"`
	Display     string            `json:"display"`
	State       string            `json:"state"`
	Health      string            `json:"health"`
	User        string            `json:"user"`
	Name        string            `json:"name"`
	DeviceType  string            `json:"device_type"`
	Device      string            `json:"device"`
	Worker      string            `json:"worker"`
	Priority    int               `json:"priority"`
	HealthCheck bool              `json:"health_check"`
	Tags        []string          `json:"tags"`
	Submitted   time.Time         `json:"submitted"`
	Started     *time.Time        `json:"started"`
	Ended       *time.Time        `json:"ended"`
	ErrorType   string            `json:"error_type"`
	Error       string            `json:"error"`
	CanceledBy  string            `json:"canceled_by"`
	CancelWhy   string            `json:"cancel_reason"`
	Problems    []events.Problem  `json:"problems"`
	Why         string            `json:"why"`
	Lines       uint64            `json:"lines"`
	Missing     uint64            `json:"missing"`
	Cases       uint64            `json:"cases"`
	Complete    bool              `json:"output_complete"`
	Metadata    map[string]string `json:"metadata"`
	RetryOf     events.JobID      `json:"retry_of"`
	Retrying    bool              `json:"retrying"`
	RetriedAs   events.JobID      `json:"retried_as"`
	NotRetried  string            `json:"not_retried"`
	Role        string            `json:"role"`
	Parts       []jobPart         `json:"parts"`
	Attempts    []jobAttempt      `json:"attempts"`
	Judgement   *judgement        `json:"judgement"`
	Starred     bool              `json:"favourite"` // of the visitor
}

// judgement is what the end of a job means.
// Text is the line of its evidence, and Next what to do about it, a sentence; either may be empty.
type judgement struct {
	events.JobJudged
	Text string `json:"text"`
	Next string `json:"next"`
}

// jobPart is a job of the same multinode group.
// The job itself is among its group's parts.
type jobPart struct {
	Job     events.JobID `json:"job"`
	Display string       `json:"display"`
	Role    string       `json:"role"`
	State   string       `json:"state"`
	Health  string       `json:"health"`
	Device  string       `json:"device"`
}

// jobAttempt is a job that this one is tried again as, or was.
// All attempts are listed, this one too, the first one first.
type jobAttempt struct {
	Job       events.JobID `json:"job"`
	State     string       `json:"state"`
	Health    string       `json:"health"`
	Device    string       `json:"device"`
	ErrorType string       `json:"error_type"`
	Error     string       `json:"error"`
}

// Over tells whether the job has come to its end.
// Rejected is a state of the api's alone: LAVA has no job for a definition that it refuses.
func (j shownJob) Over() bool { return j.State == "Finished" || j.State == "Rejected" }

// Waits tells whether the job has no device yet.
// A job that is Scheduled has a device, but its worker has not begun: it has said nothing yet.
func (j shownJob) Waits() bool {
	return j.State == "Submitted" || j.State == "Scheduling" || j.State == "Scheduled"
}

// jobData is what the page of a job shows.
// Of Waiting, Verdict and Source one is set by how the job stands; a running job has none of them and shows its tree and log.
type jobData struct {
	shownJob
	Row     projections.SelectedJob // its comment, its failure tags, who may see it
	Verdict verdictPanel
	Waiting *waitPanel
	Tree    []*stage
	Now     string // the action that runs
	Suites  []suiteSum
	Counts  outcomeCounts
	Tab     string
	Tabs    []tab
	Timing  timing
	Files   []events.File
	Inputs  *jobInputs
	May     rights
	Log     logOutline
	View    *LogView     // the log's viewer, where the log is chosen
	LogAway string       // why there is no log
	Source  []sourceLine // of a definition that was refused
}

// tab is one of the views of a job.
type tab struct {
	Name, Text, To string
	At             bool
}

// jobPage shows a job: its verdict and why first, then what it did, then its log.
// The order is that of the questions that somebody comes with: what became of it, why, where, what now.
func jobPage(q *request) (page, error) {
	d, err := gatherJob(q)
	if err != nil {
		return page{}, err
	}
	p := page{template: "job", title: d.Display + " " + d.Name, data: d, wide: true, styles: []string{"job.css"},
		live: "job/" + d.Job.String() + " result/" + d.Job.String(), help: "judgement", crumbs: []crumb{{"Jobs", "/scheduler/alljobs"}, {d.Display, ""}}}
	if d.Waits() {
		// Which is a page drawn anew at every fact of the lab, but for as long as the job waits.
		p.live = "*" // its place hangs on others
	}
	if d.Source != nil {
		p.styles = append(p.styles, "definition.css")
	}
	if d.Tab == "log" && !d.Waits() && d.State != "Rejected" {
		// The viewer's style sheet first: the page's own puts it into its place.
		p.scripts = []string{"log-view.js"}
		p.styles = []string{"log-view.css", "job.css"}
	}
	return p, nil
}

// gatherJob asks for all that the page shows. Only the job itself has to be there: what else is away leaves its
// place empty, because a page about a failure is needed most when something is broken.
// Its questions go one after the other, as each next one hangs on how the job stands.
func gatherJob(q *request) (jobData, error) {
	d := jobData{Tab: "log"}
	named := map[string]any{"job": q.PathValue("job")}
	var err error
	if d.shownJob, err = asked[shownJob](q, "jobs.show", named); err != nil {
		return d, err
	}
	id := map[string]any{"job": d.Job}
	d.Row, _ = asked[projections.SelectedJob](q, "jobs.row", id) // of the tables, which may be away
	d.May = q.may("job/" + d.Job.String())
	if d.State == "Rejected" { // it never ran: its mistakes are shown in its definition
		d.Verdict = verdictOfJob(q, &d)
		if texts, err := textsOf(q, d.Job); err == nil && texts.Original != "" {
			shown := definitionData{shownJob: d.shownJob, Lines: numbered(texts.Original)}
			shown.markProblems()
			d.Source = shown.Lines
		}
		return d, nil
	}
	if d.Waits() {
		d.Waiting = waiting(q, d.shownJob)
		return d, nil
	}
	// Without an outline there is no tree; the verdict stands on what was judged, and needs neither.
	if d.Log, err = asked[logOutline](q, "log.outline", id); err != nil {
		d.LogAway = err.Error()
	}
	d.Tree, d.Now = pipeline(d.Log.Sections, d.Log.Done || d.Over())
	results, _ := asked[struct {
		Cases []events.Case `json:"cases"`
	}](q, "jobs.results", id)
	d.Suites, d.Counts = sumSuites(results.Cases)
	d.Verdict = verdictOfJob(q, &d)
	return d, d.chooseTab(q)
}

// chooseTab asks for what the chosen view shows beside the rest.
// Views are links with an address each, so that they work without scripts and can be sent to somebody; log is the one without.
func (d *jobData) chooseTab(q *request) error {
	names := []tab{{Name: "log", Text: "Log"}, {Name: "results", Text: "Results"}, {Name: "timing", Text: "Timing"},
		{Name: "inputs", Text: "Device and environment"}, {Name: "files", Text: "Files"}}
	wanted := q.URL.Query().Get("tab")
	for i := range names {
		t := &names[i]
		t.To = "/scheduler/job/" + d.Display + "?tab=" + t.Name
		if t.Name == "log" {
			t.To = "/scheduler/job/" + d.Display
		}
		if t.Name == wanted {
			d.Tab = wanted
		}
	}
	for i := range names {
		names[i].At = names[i].Name == d.Tab
	}
	d.Tabs = names
	id := map[string]any{"job": d.Job}
	switch d.Tab {
	case "log":
		d.viewLog(q)
	case "timing":
		d.Timing = timingOf(d.Tree, d.shownJob, q.now)
	case "files":
		files, err := asked[struct {
			Files []events.File `json:"files"`
		}](q, "jobs.files", id)
		if err != nil {
			return err
		}
		d.Files = files.Files
	// Unlike the parts around it a view that was asked for is an error where it cannot be had.
	case "inputs":
		in, err := asked[jobInputs](q, "jobs.inputs", id)
		if err != nil {
			return err
		}
		d.Inputs = &in
	}
	return nil
}

// viewLog asks for the lines around the evidence. A page that live.js asks for needs none: the viewer is there.
// The verdict's line, if there is one, is among the thousand that stand in the page, and the viewer begins there.
func (d *jobData) viewLog(q *request) {
	if q.Header.Get(liveHeader) != "" {
		return
	}
	v, err := logView(q, uint64(d.Job), d.Display, d.Verdict.Line)
	if err != nil {
		d.LogAway = err.Error()
		return
	}
	v.Line, v.Evidence = d.Verdict.Line, d.Verdict.Line
	v.Console = v.Runs && d.State == "Running" && q.SignedIn && d.May.Change()
	v.Slim = true // the pipeline stands beside it
	d.View = &v
}

// jobInputs is what a job was given, of jobs.inputs.
// Config is the device's, rendered; the three below it are the worker's. At is the fact by which they held, Version the release
// of the lab that answers and not of the one that ran the job; Notes say what could not be had.
type jobInputs struct {
	Definition string   `json:"definition"`
	Config     string   `json:"config"`
	Dispatcher string   `json:"dispatcher"`
	Env        string   `json:"env"`
	EnvDUT     string   `json:"env_dut"`
	Version    string   `json:"version"`
	At         uint64   `json:"at"`
	Notes      []string `json:"notes"`
}

// logOutline is what a job's log is made of, of log.outline.
// Lines are counted from 0 and Levels count them by LAVA's words; Done says that the job says no more. Findings are lines that
// rules found something in, such as panic, in their order.
type logOutline struct {
	Lines    uint64            `json:"lines"`
	Done     bool              `json:"done"`
	Levels   map[string]uint64 `json:"levels"`
	Sections []stretch         `json:"sections"`
	Findings []struct {
		Line uint64 `json:"line"`
		Kind string `json:"kind"`
		Text string `json:"text"`
	} `json:"findings"`
}

// suiteSum is what a suite of a job came to.
// Within their kind cases keep the order in which they were recorded.
type suiteSum struct {
	Name   string
	Counts outcomeCounts
	Cases  []events.Case // what failed first
}

// outcomeCounts counts cases by how they ended.
// Unknown is also what a word that is none of the others counts as.
type outcomeCounts struct{ Pass, Fail, Skip, Unknown int }

// All is how many there are.
func (c outcomeCounts) All() int { return c.Pass + c.Fail + c.Skip + c.Unknown }

func (c *outcomeCounts) add(o events.Outcome) {
	switch o {
	case events.Pass:
		c.Pass++
	case events.Fail:
		c.Fail++
	case events.Skip:
		c.Skip++
	default:
		c.Unknown++
	}
}

// sumSuites sorts cases into their suites, by name, with what failed first. The suite "lava" tells of the pipeline, which has a place of its own: it
// does not count.
// All counts what was tested alone: with the steps of its pipeline any job would seem tested.
func sumSuites(cases []events.Case) (suites []suiteSum, all outcomeCounts) {
	at := map[string]int{}
	for _, c := range cases {
		i, known := at[c.Suite]
		if !known {
			i = len(suites)
			at[c.Suite] = i
			suites = append(suites, suiteSum{Name: c.Suite})
		}
		suites[i].Cases = append(suites[i].Cases, c)
		suites[i].Counts.add(c.Result)
		if c.Suite != "lava" {
			all.add(c.Result)
		}
	}
	for i := range suites {
		slices.SortStableFunc(suites[i].Cases, func(a, b events.Case) int { return failedFirst(a) - failedFirst(b) })
	}
	slices.SortStableFunc(suites, func(a, b suiteSum) int {
		return strings.Compare(lavaLast(a.Name), lavaLast(b.Name))
	})
	return suites, all
}

// For a stable sort: 0 before 1.
func failedFirst(c events.Case) int {
	if c.Result == events.Fail {
		return 0
	}
	return 1
}

// lavaLast is what suites are sorted by: what somebody tested matters more than the pipeline.
// U+FFFF is behind every letter in the order of bytes.
func lavaLast(suite string) string {
	if suite == "lava" {
		return "\uffff"
	}
	return suite
}
