package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// workerRoutes are the workers and what stands below one.
// The words of health are LAVA's: Active, Maintenance, Retired.
func workerRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/scheduler/allworkers", workersPage, "Workers", "see which workers are there"},
		{get, "/scheduler/worker/{name}", workerPage, "Worker", "see how a worker is and what hangs on it"},
		{post, "/scheduler/worker/{name}/health", setWorkerHealth, "", "take a worker out of use, or back"},
		{get, "/scheduler/worker/{name}/edit", editWorker, "Change worker", "open the settings of a worker"},
		{post, "/scheduler/worker/{name}/edit", saveWorker, "Change worker", "change a worker's settings"},
		{get, "/scheduler/worker/{name}/history", workerHistory, "Versions of the settings", "see who changed a worker's settings, and what"},
	}
}

// wholeWorker is a worker with all that is known of it, of workers.show.
// Version is the release that the worker runs, which may differ from the server's: the page marks it.
type wholeWorker struct {
	workerRow
	HealthReason string   `json:"health_reason"` // of the person who set it
	HealthBy     string   `json:"health_by"`
	Description  string   `json:"description"`
	JobLimit     int      `json:"job_limit"` // 0: none
	Version      string   `json:"version"`
	Configured   int      `json:"configured"` // version of its settings
	DeviceNames  []string `json:"device_names"`
	Dispatcher   string   `json:"dispatcher"` // this and the next two for those who may change it: they may hold secrets
	Env          string   `json:"env"`
	EnvDUT       string   `json:"env_dut"`
}

// To is the worker's address.
func (w wholeWorker) To() string { return workerAddress(w.Worker) }

// Retiring is the question before the worker is retired: that ends jobs and retires devices, which coming back does not undo.
func (w wholeWorker) Retiring() string {
	return "Retire " + w.Worker + "? Its devices retire with it, and what runs on them is canceled."
}

func workerAddress(name string) string { return "/scheduler/worker/" + url.PathEscape(name) }

// Who may not change it gets its three files empty.
func theWorker(q *request, name string) (wholeWorker, error) {
	return asked[wholeWorker](q, "workers.show", map[string]any{"worker": name})
}

// devicesShown is how many devices the page of a worker has at first; ?all has the rest.
const devicesShown = 100

// workersShown bounds how many workers' stories the list of all tells.
const workersShown = 50

// workersPage lists workers, and what became of them. LAVA shows the transitions of all workers on this page, and
// that is what people open it for when something is away.
// Retired ones are shown on request (?retired), as on LAVA's page they never are.
func workersPage(q *request) (page, error) {
	workers, err := asked[[]wholeWorker](q, "workers.list", nil)
	if err != nil {
		return page{}, err
	}
	if !q.URL.Query().Has("retired") {
		workers = slices.DeleteFunc(workers, func(w wholeWorker) bool { return w.Health == "Retired" })
	}
	columns := []column[wholeWorker]{
		{name: "hostname", title: "Worker", text: func(w wholeWorker) string { return w.Worker }},
		{name: "state", title: "State", text: func(w wholeWorker) string { return w.State }, exact: true},
		{name: "health", title: "Health", text: func(w wholeWorker) string { return w.Health }, exact: true},
		{name: "devices", title: "Devices", order: func(a, b wholeWorker) int { return cmp.Compare(a.Devices, b.Devices) }, number: true},
		{name: "running", title: "Jobs", order: func(a, b wholeWorker) int { return cmp.Compare(a.Running, b.Running) }, number: true},
		{name: "limit", title: "Limit", order: func(a, b wholeWorker) int { return cmp.Compare(a.JobLimit, b.JobLimit) }, number: true, narrow: true},
		// When its state became what it is.
		{name: "since", title: "Since", order: func(a, b wholeWorker) int { return a.Since.Compare(b.Since) }, narrow: true},
		{name: "version", title: "Version", text: func(w wholeWorker) string { return w.Version }, narrow: true},
		{name: "description", title: "Description", text: func(w wholeWorker) string { return w.Description }, narrow: true},
	}
	// By name, so it is the same ones each time; the others tell their story at their own pages.
	told := workers[:min(len(workers), workersShown)]
	var things []string
	for _, w := range told {
		things = append(things, "worker/"+w.Worker)
	}
	// The stories are put together by the order of their facts.
	var steps []step
	stories, _ := factsOfEach(q, things) // somebody who may not read facts sees the list all the same
	for i, facts := range stories {
		for _, s := range tell(facts) {
			s.Thing, s.ThingTo = told[i].Worker, told[i].To()
			steps = append(steps, s)
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(b.Seq, a.Seq) })
	return page{template: "workers", live: "worker/", help: "workers", styles: []string{"lab.css"}, data: map[string]any{
		"List": list(q, "worker", columns, workers), "Steps": steps[:min(len(steps), 25)], "Release": q.site.d.Version,
		"Add": q.SignedIn && q.may("worker/").Add()}}, nil
}

// workerData is what the page of a worker shows.
// List has at most [devicesShown] at first; Retired are shown folded.
type workerData struct {
	wholeWorker
	May     rights
	List    []listedDevice // that hang on it
	Further int            // likewise, that are not shown
	Retired []listedDevice // likewise, but out of use
	Steps   []step         // what happened, the newest first
	More    int            // steps that are not shown
	NoStory string         // why none is told
	Healths []string       // to choose from
	Release string         // of the server, to compare with
}

// workerPage shows a worker.
// LAVA's page tells the transitions of the worker's devices as well; here each device has its own, with a link.
func workerPage(q *request) (page, error) {
	name := q.PathValue("name")
	w, err := theWorker(q, name)
	if err != nil {
		return page{}, err
	}
	d := workerData{wholeWorker: w, May: q.may("worker/" + name), Healths: []string{"Active", "Maintenance", "Retired"}, Release: q.site.d.Version}
	devices, err := everyDevice(q)
	if err != nil {
		return page{}, err
	}
	for _, one := range devices {
		switch {
		case one.Worker != name:
		case one.Retired:
			d.Retired = append(d.Retired, one)
		default:
			// In use, and not retired: retired ones are counted apart below.
			d.List = append(d.List, one)
		}
	}
	if n := len(d.List); n > devicesShown && !q.URL.Query().Has("all") {
		d.List, d.Further = d.List[:devicesShown], n-devicesShown
	}
	facts, err := factsOf(q, "worker/"+name)
	if err != nil {
		d.NoStory = err.Error()
	}
	if d.Steps = tell(facts); len(d.Steps) > stepsShown && !q.URL.Query().Has("all") {
		d.Steps, d.More = d.Steps[:stepsShown], len(d.Steps)-stepsShown
	}
	return page{template: "worker", title: name, data: d, live: "worker/" + name + " device/", help: "workers", styles: []string{"lab.css"},
		crumbs: []crumb{{"Workers", "/scheduler/allworkers"}, {name, ""}}}, nil
}

// setWorkerHealth takes a worker out of use, or back.
// One that is retired takes its devices along, and jobs on them are canceled.
func setWorkerHealth(q *request) (page, error) {
	name, health := q.PathValue("name"), q.PostFormValue("health")
	err := q.ask("workers.health", map[string]any{"worker": name, "health": health, "reason": strings.TrimSpace(q.PostFormValue("reason"))}, nil)
	if err != nil {
		return page{}, err
	}
	return page{to: q.back(workerAddress(name)), note: "Worker " + name + " is " + strings.ToLower(health) + " now."}, nil
}

// workerEdit is what the form of a worker's settings shows.
// Field names what Wrong is about, so that the form can mark it (aria-invalid, WCAG 3.3.1).
type workerEdit struct {
	wholeWorker
	Wrong, Field string
}

func editWorker(q *request) (page, error) {
	w, err := theWorker(q, q.PathValue("name"))
	if err != nil {
		return page{}, err
	}
	if !q.may("worker/" + w.Worker).Change() {
		return page{}, &Refusal{Code: "denied", Message: cmp.Or(q.Name, "somebody without a name") + " may not change worker " + w.Worker}
	}
	return workerEditor(workerEdit{wholeWorker: w}), nil
}

// Dispatcher, env and env-dut are LAVA's three files of a worker, by their names.
func workerEditor(d workerEdit) page {
	return page{template: "worker-edit", title: "Change " + d.Worker, data: d, help: "workers", styles: []string{"lab.css"},
		crumbs: []crumb{{"Workers", "/scheduler/allworkers"}, {d.Worker, d.To()}, {"Change", ""}}}
}

// saveWorker changes a worker's settings.
// All settings are sent at once, as they were typed: two people who save at once end with the second one's, and the history has both.
func saveWorker(q *request) (page, error) {
	d := workerEdit{}
	var err error
	if d.wholeWorker, err = theWorker(q, q.PathValue("name")); err != nil {
		return page{}, err
	}
	// Browsers send CR LF, and the files of a worker go to its machine as they are.
	text := func(field string) string { return strings.ReplaceAll(q.PostFormValue(field), "\r\n", "\n") }
	d.Description, d.Dispatcher, d.Env, d.EnvDUT = strings.TrimSpace(text("description")), text("dispatcher"), text("env"), text("env_dut")
	// 0 is no limit: its devices bound it as well.
	if d.JobLimit, err = strconv.Atoi(cmp.Or(strings.TrimSpace(text("job_limit")), "0")); err != nil || d.JobLimit < 0 {
		d.Wrong, d.Field = "it is "+text("job_limit")+"; allowed are whole numbers from 0, which is no limit", "job_limit"
	} else {
		err = q.ask("workers.configure", map[string]any{"worker": d.Worker, "description": d.Description, "job_limit": d.JobLimit,
			"dispatcher": d.Dispatcher, "env": d.Env, "env_dut": d.EnvDUT}, nil)
		var no *Refusal
		if errors.As(err, &no) && no.Code == "invalid" {
			d.Wrong, d.Field = no.Message, no.Field
		} else if err != nil {
			return page{}, err
		}
	}
	if d.Wrong != "" {
		p := workerEditor(d)
		p.status = http.StatusBadRequest
		return p, nil
	}
	return page{to: d.To(), note: "The settings of " + d.Worker + " are changed."}, nil
}

// workerHistory lists the versions of a worker's settings.
// A version has all settings in one text. Who may not change the worker is refused: its files may hold secrets.
func workerHistory(q *request) (page, error) {
	name := q.PathValue("name")
	d, err := history(q, "workers.config", name)
	if err != nil {
		return page{}, err
	}
	d.Noun = "setting"
	return page{template: "versions", title: "Versions of the settings of " + name, data: d, styles: []string{"lab.css"},
		crumbs: []crumb{{"Workers", "/scheduler/allworkers"}, {name, workerAddress(name)}, {"Versions", ""}}}, nil
}
