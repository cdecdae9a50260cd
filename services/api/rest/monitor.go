package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"strata/events"
	"strata/projections"
	"strata/services/api"
	"strata/services/api/door"
)

// Addresses that monitors of a LAVA server ask.

// prometheusPath is the one address whose credential is read in LAVA's older way, see [request.basic].
const prometheusPath = "v1/prometheus/"

// basic finds out who asks for LAVA's numbers: Basic with a user and a token, or nobody. What is wrong with it is a 400
// with a sentence as text, where REST has 403 and JSON: Prometheus shows its operator the status alone, so LAVA's counts.
func (q *request) basic() error {
	why := "Invalid basic authentication"
	scheme, _, _ := strings.Cut(q.r.Header.Get("Authorization"), " ")
	c, err := door.Read(q.r)
	switch {
	case scheme != "" && scheme != "Basic":
		why = "Only Basic authentication is supported"
	case err == nil:
		if q.who, err = door.Who(q.d.Lab, q.r, c); !errors.Is(err, api.ErrUnknownToken) {
			return err
		}
		why = "Unknown user"
	}
	return &problem{status: http.StatusBadRequest, plain: why}
}

// monitorEndpoints are asked by monitors, often.
func monitorEndpoints() []endpoint {
	return []endpoint{
		{path: "v1/healthz/", doc: "Whether the lab answers.", operations: []operation{get("Ask.", healthz)}},
		{path: prometheusPath, doc: "Numbers for Prometheus, those of LAVA; /metrics has this lab's own.",
			operations: []operation{getFileOf("Get them.", "text/plain", prometheus)}},
	}
}

// healthz answers good while the api answers; before and after, the door says 503.
// Load balancers ask it each second, so it touches no table. LAVA's error is "database connection lost".
func healthz(q *request) (answer, error) {
	if _, err := asked[api.Me](q, "whoami", nothing{}); err != nil { // which everybody may ask
		return answer{status: http.StatusInternalServerError, body: object{{"health", "bad"}, {"error", err.Error()}}}, nil
	}
	return ok(object{{"health", "good"}})
}

// prometheus answers with LAVA's numbers. It calls all of them counters.
// The names are LAVA's and labs' dashboards stand on them. "counter" is wrong for all of them, for they
// fall; LAVA types them so, and a changed type would break recording rules.
func prometheus(q *request) (answer, error) {
	rows, err := q.allDevices()
	if err != nil {
		return answer{}, err
	}
	hosts, err := q.allWorkers()
	if err != nil {
		return answer{}, err
	}
	count := func(terms ...projections.JobTerm) (uint64, error) {
		found, err := asked[api.FoundJobs](q, "jobs.find", api.FindJobs{Terms: terms, Count: true, Whole: true})
		return found.Count, err
	}
	// A job that is being canceled still has its device.
	running := projections.JobTerm{Field: "state", Op: projections.TermIn, Values: []string{"Running", "Canceling"}}
	jobs, err := count(running)
	if err != nil {
		return answer{}, err
	}
	var b strings.Builder
	// The help is ours, the names are LAVA's.
	put := func(name, help string, value any) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %[1]s counter\n%[1]s %[3]v\n", name, help, value)
	}
	d := sumDevices(rows)
	put("devices_online", "Devices whose health is Good or Unknown", d.online)
	put("devices_not_retired", "Devices that are not retired", d.all)
	put("devices_running", "Devices that run a job", d.running)
	put("jobs_running", "Jobs that run", jobs)
	put("devices_health_check_total", "Devices that are checked", d.checked)
	put("devices_health_check_complete", "Devices that are checked and Good", d.good)
	// Types that the caller may not see are not in it, so a monitor of a whole lab comes with a token.
	types, err := q.allTypes()
	if err != nil {
		return answer{}, err
	}
	fmt.Fprint(&b, "# HELP device_type Devices and jobs of a device type\n# TYPE device_type counter\n")
	for _, t := range types {
		a, err := asked[api.Availability](q, "device-types.availability", api.AvailabilityRequest{DeviceType: t.DeviceType.DeviceType})
		if err != nil {
			return answer{}, err
		}
		for _, s := range []struct {
			state string
			n     int
		}{{"idle", a.Idle}, {"busy", a.Busy}, {"offline", a.Offline}, {"maintenance", a.Maintenance}, {"queue", a.Queued}} {
			fmt.Fprintf(&b, "device_type{name=%q,state=%q} %d\n", t.DeviceType.DeviceType, s.state, s.n)
		}
	}
	// Health and state are counted side by side: a worker in maintenance is online or offline, too.
	w := sumWorkers(hosts)
	put("workers_not_retired", "Workers that are not retired", w["all"])
	put("workers_online", "Workers that are there", w["Online"])
	put("workers_offline", "Workers that are away", w["Offline"])
	put("workers_maintenance", "Workers in maintenance", w["Maintenance"])
	put("workers_active", "Workers that take jobs", w["Active"])
	text := b.String()
	return answer{file: &file{name: "prometheus.txt", contentType: "text/plain; version=0.0.4; charset=utf-8", write: func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}}}, nil
}

// LAVA's numbers: online is by health, running by state, checked and good by health checks.
type deviceSums struct{ online, all, running, checked, good int }

// sumDevices counts devices as LAVA does: retired ones nowhere.
func sumDevices(rows []deviceRow) (s deviceSums) {
	for _, d := range rows {
		if d.Health == events.Retired {
			continue
		}
		s.all++
		healthy := d.Health == events.Good || d.Health == events.Unknown
		if healthy {
			s.online++
		}
		if d.State == "Running" {
			s.running++
		}
		// One that was checked before still counts when its checks are disabled now.
		if d.typ.HealthCheck != "" && !d.typ.HealthDisabled || d.LastCheckJob != 0 {
			s.checked++
			if d.Health == events.Good {
				s.good++
			}
		}
	}
	return s
}

// sumWorkers counts workers by state and by health.
func sumWorkers(rows []workerRow) map[string]int {
	sums := map[string]int{}
	for _, w := range rows {
		if w.Health == events.WorkerRetired {
			continue
		}
		sums["all"]++
		sums[w.State]++
		sums[string(w.Health)]++
	}
	return sums
}
