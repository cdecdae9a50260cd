package web

import (
	"slices"
	"time"

	"strata/events"
	"strata/projections"
)

// homeData is the lab now.
// Running, Queue, Broke and Trouble have at most [few] rows; the numbers beside them count all.
type homeData struct {
	Running []projections.SelectedJob
	Runs    int // jobs that hold a device
	Queue   []queuedJob
	Waits   int                       // jobs in the queue
	Broke   []projections.SelectedJob // jobs that failed in the last day, the newest first
	Broken  uint64                    // how many
	Day     time.Time
	// What is wrong with a device that is merely idle on a worker that is away is told with the worker.
	Trouble  []deviceRow // devices that take no jobs, retired ones apart
	Devices  deviceCounts
	Workers  []workerRow
	Online   int
	NoTables string // why there is no history at the moment
}

// queuedJob is a job that waits, as queue.list tells it.
// Capped says why it waits whatever is free, "" where a free device would start it.
type queuedJob struct {
	Job        events.JobID `json:"job"`
	Display    string       `json:"display"`
	User       string       `json:"user"`
	Name       string       `json:"name"`
	DeviceType string       `json:"device_type"`
	Priority   int          `json:"priority"`
	Submitted  time.Time    `json:"submitted"`
	Capped     string       `json:"capped"`
}

// deviceRow is a device as lists show it, of devices.list.
// State is what it does (Idle, Reserved, Running), Health how well it is; HeldBy is who has it in hand. Job is 0 where none runs.
type deviceRow struct {
	Device       string       `json:"device"`
	DeviceType   string       `json:"device_type"`
	Worker       string       `json:"worker"`
	State        string       `json:"state"`
	Health       string       `json:"health"`
	HealthReason string       `json:"health_reason"`
	HealthBy     string       `json:"health_by"`
	Job          events.JobID `json:"job"`
	JobDisplay   string       `json:"job_display"`
	HeldBy       string       `json:"held_by"`
	Tags         []string     `json:"tags"`
}

// workerRow is a worker as lists show it, of workers.list.
// State is Online or Offline, as its presence says; Health is what a person set: Active, Maintenance, Retired.
type workerRow struct {
	Worker      string    `json:"worker"`
	State       string    `json:"state"`
	StateReason string    `json:"state_reason"`
	Since       time.Time `json:"since"`
	Health      string    `json:"health"`
	Devices     int       `json:"devices"`
	Running     int       `json:"running"`
}

// deviceCounts counts devices that are not retired by what they do.
// All is the sum of the others. Out are those that take no jobs now, by their own health or their worker's.
type deviceCounts struct {
	All, Busy, Idle, Out int
}

// few is how many rows of each kind the first page shows.
// Each part leads to its whole list, so more rows would push the other parts out of sight and say no more.
const few = 8

// home shows how the lab is. What one question cannot answer leaves its part empty, not the page.
// Queue, running jobs and devices come from the fold, which is always there; what broke comes from the tables, which may be away.
func home(q *request) (page, error) {
	d := homeData{Day: q.lately(24 * time.Hour)}
	exact := func(field string, values ...string) projections.JobTerm {
		return projections.JobTerm{Field: field, Op: projections.TermIn, Values: values}
	}
	running, err := findJobs(q, jobSearch{Terms: []projections.JobTerm{exact("state", "Running", "Canceling", "Scheduled", "Scheduling")}, Limit: few,
		// What started last stands first; jobs that have a device and have not started stand behind.
		Order: []projections.JobOrder{{Field: "start_time", Desc: true}}})
	if err != nil {
		return page{}, err
	}
	d.Running, d.Runs = running.Jobs, int(running.Count)
	queue, err := asked[struct {
		Jobs  []queuedJob `json:"jobs"`
		Total int         `json:"total"`
	}](q, "queue.list", map[string]any{"limit": few})
	if err != nil {
		return page{}, err
	}
	d.Queue, d.Waits = queue.Jobs, queue.Total
	broke, err := findJobs(q, jobSearch{Limit: few, Order: []projections.JobOrder{{Field: "end_time", Desc: true}},
		Terms: []projections.JobTerm{exact("health", "Incomplete"),
			{Field: "end_time", Op: projections.TermGTE, Values: []string{d.Day.UTC().Format(time.RFC3339)}}}})
	if err != nil { // what runs and waits is known without the tables
		d.NoTables = err.Error()
	}
	d.Broke, d.Broken = broke.Jobs, broke.Count
	devices, err := asked[[]deviceRow](q, "devices.list", nil)
	if err != nil {
		return page{}, err
	}
	if d.Workers, err = asked[[]workerRow](q, "workers.list", nil); err != nil { // they may be hidden from who sees devices
		d.Workers = nil
	}
	d.count(devices)
	return page{template: "home", data: d, live: "*", styles: []string{"home.css"}}, nil
}

// count sorts devices by what they do, and finds those that somebody should look at.
// A retired device is no part of the lab any more and counts nowhere. One that is busy counts as busy however it feels: its job
// goes on.
func (d *homeData) count(devices []deviceRow) {
	away := map[string]bool{}
	for _, w := range d.Workers {
		if w.State == "Online" {
			d.Online++
		}
		away[w.Worker] = w.State != "Online" || w.Health != "Active"
	}
	d.Workers = slices.DeleteFunc(d.Workers, func(w workerRow) bool { return !away[w.Worker] || w.Health == "Retired" })
	for _, one := range devices {
		if one.Health == "Retired" {
			continue
		}
		d.Devices.All++
		sick := one.Health == "Bad" || one.Health == "Maintenance" || one.Health == "Looping"
		switch {
		case one.State != "Idle":
			d.Devices.Busy++
		case sick || one.Worker == "" || away[one.Worker]:
			d.Devices.Out++
		default:
			d.Devices.Idle++
		}
		if sick {
			d.Trouble = append(d.Trouble, one)
		}
	}
	order := map[string]int{"Bad": 0, "Looping": 1, "Maintenance": 2}
	slices.SortStableFunc(d.Trouble, func(a, b deviceRow) int { return order[a.Health] - order[b.Health] })
	d.Trouble = d.Trouble[:min(len(d.Trouble), few)]
}
