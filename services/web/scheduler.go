package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// labRoutes are the overview of the lab, the queue, and what runs by device type.
// /scheduler/ is LAVA's first page of the lab; here that is /, and this one keeps LAVA's counters and its table of types.
func labRoutes() []route {
	const get = http.MethodGet
	return []route{
		{get, "/scheduler", statusPage, "Scheduler", "see how many devices and jobs there are, and what each device type does"},
		{get, "/scheduler/running", runningPage, "Running by device type", "see how busy each device type is"},
		{get, "/scheduler/queue", queuePage, "Queue", "see what waits, why, and when it is likely to start"},
	}
}

// statusPage counts, and shows what each device type does. "Passing" counts devices whose health is Good: LAVA counts
// those whose last check has ended, however it did.
// LAVA's three counters have their numbers of all devices that are not retired; so have these.
func statusPage(q *request) (page, error) {
	devices, err := everyDevice(q)
	if err != nil {
		return page{}, err
	}
	rows, err := typeRows(q)
	if err != nil {
		return page{}, err
	}
	rows = slices.DeleteFunc(rows, func(t typeRow) bool { return t.All == 0 && t.Waiting == 0 })
	d := struct {
		Online, Active, Checked, Busy, Waiting int
		Types                                  []typeRow
	}{Types: rows}
	for _, one := range devices {
		if one.Retired {
			continue
		}
		d.Active++
		// The same rule as of the list that the number leads to, or the two would differ.
		if one.belongs("online", nil) {
			d.Online++
		}
		if one.Health == "Good" {
			d.Checked++
		}
		// A job of a group with a guest holds one device for two jobs: devices are counted.
		if one.Job != 0 {
			d.Busy++
		}
	}
	for _, t := range rows {
		d.Waiting += t.Waiting
	}
	return page{template: "status", data: d, live: "device/ worker/ job/", styles: []string{"lab.css"}, help: "scheduling"}, nil
}

// runningRow is what a device type does now.
// Jobs is what LAVA's column has: devices that hold a job, however far it has come.
type runningRow struct {
	wholeType
	Reserved, Running, Jobs int
}

// runningPage counts what runs by device type.
// LAVA leaves out types whose display is off; here all are shown that the visitor may see.
func runningPage(q *request) (page, error) {
	types, err := asked[[]wholeType](q, "device-types.list", nil)
	if err != nil {
		return page{}, err
	}
	devices, err := asked[[]deviceRow](q, "devices.list", nil)
	if err != nil {
		return page{}, err
	}
	rows := []runningRow{}
	for _, t := range types {
		row := runningRow{wholeType: t}
		seen := false // a type whose devices are all retired is left out
		for _, d := range devices {
			if d.DeviceType != t.DeviceType || d.Health == "Retired" {
				continue
			}
			seen = true
			switch d.State {
			case "Reserved":
				row.Reserved++
			case "Running":
				row.Running++
			}
			if d.Job != 0 {
				row.Jobs++
			}
		}
		if seen {
			rows = append(rows, row)
		}
	}
	// Columns of numbers are sorted by and not searched.
	number := func(of func(runningRow) int) func(a, b runningRow) int {
		return func(a, b runningRow) int { return cmp.Compare(of(a), of(b)) }
	}
	columns := []column[runningRow]{
		{name: "name", title: "Device type", text: func(r runningRow) string { return r.DeviceType }},
		{name: "reserved", title: "Reserved", order: number(func(r runningRow) int { return r.Reserved }), number: true},
		{name: "running", title: "Running", order: number(func(r runningRow) int { return r.Running }), number: true},
		{name: "jobs", title: "Jobs", order: number(func(r runningRow) int { return r.Jobs }), number: true},
		{name: "queue", title: "Waiting", order: number(func(r runningRow) int { return r.Waiting }), number: true},
		{name: "checks", title: "Health checks"},
	}
	return page{template: "running", data: list(q, "device type", columns, rows), live: "device/ job/", styles: []string{"lab.css"},
		crumbs: []crumb{{"Scheduler", "/scheduler/"}, {"Running", ""}}}, nil
}

// queueRow is a job in the queue with the reason why it waits.
// Raised is the priority that it counts as where waiting has raised it, else 0; Group is whom its user counts for.
type queueRow struct {
	queuedJob
	Group  string      `json:"group"`
	Tags   []string    `json:"tags"`
	Device string      `json:"device"`
	Check  bool        `json:"health_check"`
	Raised int         `json:"raised"`
	Why    string      `json:"-"` // a sentence
	ETA    likelyStart `json:"-"`
	Asked  bool        `json:"-"` // the two above were asked for
}

// likelyStart is when a job is likely to start, of jobs.why.
type likelyStart struct {
	Known    bool      `json:"known"`    // false: nothing was measured, or no device can take it
	Earliest time.Time `json:"earliest"` // nine of ten starts lie between this and the latest
	Likely   time.Time `json:"likely"`
	Latest   time.Time `json:"latest"`
}

// explainedRows is how many rows of the queue are explained: each asks for the whole queue to be played forward.
// Further rows have their place in the list alone, and say why on the job's own page.
const explainedRows = 25

// queuePage lists what waits, in the order in which it would start.
// ?length= is LAVA's, up to the thousand that the api gives. A type is named by any of its names.
func queuePage(q *request) (page, error) {
	asks := q.URL.Query()
	// What an address has that is no length shows the usual one.
	limit, err := strconv.Atoi(asks.Get("length"))
	if err != nil || limit < 1 || limit > 1000 {
		limit = 25
	}
	// An empty one asks for all; one that is none finds nothing.
	kind := asks.Get("device_type")
	// Jobs have no columns to sort by: the order is what the page is for.
	found, err := asked[struct {
		Jobs  []queueRow `json:"jobs"`
		Total int        `json:"total"`
	}](q, "queue.list", map[string]any{"limit": limit, "device_type": kind})
	if err != nil {
		return page{}, err
	}
	for i := range found.Jobs[:min(len(found.Jobs), explainedRows)] {
		j := &found.Jobs[i]
		why, err := asked[struct {
			Summary  string      `json:"summary"`
			Estimate likelyStart `json:"estimate"`
		}](q, "jobs.why", map[string]any{"job": j.Job})
		// An error of one leaves that row without a reason, and the page as it is.
		if err == nil { // it may have started in between
			j.Why, j.ETA, j.Asked = why.Summary, why.Estimate, true
		}
	}
	types, err := asked[[]wholeType](q, "device-types.list", nil)
	if err != nil {
		return page{}, err
	}
	// The choice offers types that something waits for, and the one that was chosen.
	types = slices.DeleteFunc(types, func(t wholeType) bool { return t.Waiting == 0 && t.DeviceType != kind })
	more := "" // address of a longer list; the first thousand are as many as the api gives
	if len(found.Jobs) < found.Total && limit < 1000 {
		more = with(asks, "length", strconv.Itoa(min(1000, limit*4)))
	}
	return page{template: "queue", live: "job/ device/ worker/", styles: []string{"lab.css"}, help: "scheduling", crumbs: []crumb{{"Scheduler", "/scheduler/"}, {"Queue", ""}},
		data: map[string]any{"Jobs": found.Jobs, "Total": found.Total, "Types": types, "Type": kind, "More": more}}, nil
}
