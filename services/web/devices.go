package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// deviceRoutes are the lists of devices and what stands below a device.
// The lists are LAVA's, one address each; labhealth and passinghealthchecks show the same devices with other columns.
func deviceRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/scheduler/alldevices", devicesPage("all"), "Devices", "find a device, retired ones too"},
		{get, "/scheduler/alldevices/active", devicesPage("active"), "Devices", "find a device that is in use"},
		{get, "/scheduler/alldevices/online", devicesPage("online"), "Devices online", "see which devices take jobs"},
		{get, "/scheduler/alldevices/passinghealthchecks", devicesPage("checks"), "Health checks", "see which devices pass their health checks"},
		{get, "/scheduler/alldevices/maintenance", devicesPage("maintenance"), "Devices in maintenance", "see what is being mended"},
		{get, "/scheduler/mydevices", devicesPage("mine"), "My devices", "see the devices that I look after"},
		{get, "/scheduler/mydevicetypehealthhistory", myHealthHistory, "Health of my devices", "see what became of the devices that I look after"},
		{get, "/scheduler/labhealth", devicesPage("health"), "Lab health", "see which devices are unwell, and why"},
		{get, "/scheduler/labhealth/device/{name}", deviceChecks, "Health checks", "see the health checks of a device"},
		{get, "/scheduler/device/{name}", devicePage, "Device", "see how a device is and what it did"},
		{post, "/scheduler/device/{name}/health", setDeviceHealth, "", "say how a device is, and why"},
		{get, "/scheduler/device/{name}/devicedict", dictionaryPage, "Dictionary", "read a device's dictionary, as written and as rendered"},
		{get, "/scheduler/device/{name}/devicedict/plain", plainDictionary, "Rendered dictionary", "download a device's rendered dictionary"},
		{get, "/scheduler/device/{name}/devicedict/history", dictionaryHistory, "Versions of the dictionary", "see who changed a dictionary, and what"},
		{get, "/scheduler/device/{name}/edit", editDevice, "Change device", "open the editor of a device"},
		{post, "/scheduler/device/{name}/edit", saveDevice, "Change device", "change a device's dictionary after a look at what it would be"},
		{post, "/scheduler/device/{name}/describe", describeDevice, "", "change a device's description, worker and tags"},
		{get, "/scheduler/device/{name}/hands", handsPage, "Device by hand", "take a device in hand"},
		{post, "/scheduler/device/{name}/hands", useHands, "Device by hand", "switch a device's power, or check it"},
	}
}

// listedDevice is a device in a list, with what other verbs know of it. Lists are put together here and not in the
// api, whose answers are what programs keep to.
// LastJob is nil for a device that never ran one, and for all while the tables are away.
type listedDevice struct {
	deviceRow
	Retired   bool
	Away      bool       // its worker is away or takes no jobs
	LastJob   *time.Time // end of the last job that was no health check, where the tables tell
	LastCheck *time.Time
	Check     uint64 // the last health check that ended
}

// devicesData is what lists of devices show.
// List has one page of one view; the counts beside the tabs are over all devices, whatever is searched for.
type devicesData struct {
	List    listing[listedDevice]
	View    string // that is shown
	Views   []view // all of them, with their counts: the tabs
	Add     bool   // the visitor may add devices
	Healthy bool   // shows health and its cause in place of work
}

// view is one of several lists of the same things.
// Name is what [listedDevice.belongs] knows; To is LAVA's address of it.
type view struct {
	Name, Title, To string
	Count           int
}

// devicesPage lists devices: those of a view.
func devicesPage(name string) func(*request) (page, error) {
	return func(q *request) (page, error) {
		devices, err := everyDevice(q)
		if err != nil {
			return page{}, err
		}
		// LAVA answers 404 to those without a name, and scripts rely on that.
		if name == "mine" && !q.SignedIn {
			return page{}, &Refusal{Code: "not-found", Message: "sign in to see the devices that you look after"}
		}
		mine := map[string]bool{}
		if name == "mine" {
			if mine, err = changeable(q, devices); err != nil {
				return page{}, err
			}
		}
		// "mine" has no tab: it belongs to a person and not to the lab, and stands in the menu of one's account.
		d := devicesData{View: name, Healthy: name == "health" || name == "checks"}
		for _, v := range []view{{"active", "Active", "/scheduler/alldevices/active", 0}, {"online", "Online", "/scheduler/alldevices/online", 0},
			{"maintenance", "Maintenance", "/scheduler/alldevices/maintenance", 0}, {"checks", "Health checks", "/scheduler/alldevices/passinghealthchecks", 0},
			{"health", "Lab health", "/scheduler/labhealth/", 0}, {"all", "All", "/scheduler/alldevices", 0}} {
			// Six passes over some thousand devices take less than one question more would.
			v.Count = len(slices.DeleteFunc(slices.Clone(devices), func(one listedDevice) bool { return !one.belongs(v.Name, mine) }))
			d.Views = append(d.Views, v)
		}
		shown := slices.DeleteFunc(devices, func(one listedDevice) bool { return !one.belongs(name, mine) })
		// What is unwell stands first unless the address sorts otherwise: list keeps this order among equals.
		if name == "checks" || name == "health" {
			slices.SortStableFunc(shown, func(a, b listedDevice) int { return cmp.Compare(ill(a.Health), ill(b.Health)) })
		}
		d.List = list(q, "device", deviceColumns(d.Healthy), shown)
		if q.SignedIn {
			d.Add = q.may("device/").Add()
		}
		return page{template: "devices", data: d, live: "device/ worker/", help: "devices", styles: []string{"lab.css"}}, nil
	}
}

// ill puts what wants looking at first. The words are LAVA's; the order is not theirs, which is by a number that
// says nothing.
// A health that is not here counts 0 and stands first, with what is bad: somebody should look at it.
func ill(health string) int {
	return map[string]int{"Bad": 0, "Looping": 1, "Maintenance": 2, "Unknown": 3, "Good": 4, "Retired": 5}[health]
}

// belongs tells whether a device is in a view.
// LAVA's "online" is by health and worker, not by state: a device that runs a job is online.
func (d listedDevice) belongs(view string, mine map[string]bool) bool {
	switch view {
	case "all":
		return true
	case "online":
		return (d.Health == "Good" || d.Health == "Unknown") && !d.Away
	case "maintenance":
		return d.Health == "Maintenance"
	case "mine":
		return mine[d.Device]
	}
	return !d.Retired // active, and those that show health
}

// deviceColumns are what lists of devices show.
// Columns of the template are in this order; one that is added here needs its cell there.
func deviceColumns(health bool) []column[listedDevice] {
	type row = listedDevice
	// A device without a time has the zero one, and stands first when sorted upwards.
	when := func(of func(row) *time.Time) func(a, b row) int {
		return func(a, b row) int {
			x, _ := timeOf(of(a))
			y, _ := timeOf(of(b))
			return x.Compare(y)
		}
	}
	all := []column[row]{
		{name: "hostname", title: "Device", text: func(d row) string { return d.Device }},
		{name: "device_type", title: "Type", text: func(d row) string { return d.DeviceType }},
		{name: "worker", title: "Worker", text: func(d row) string { return d.Worker }, narrow: true},
	}
	if health {
		return append(all,
			column[row]{name: "health", title: "Health", text: func(d row) string { return d.Health }, exact: true, order: func(a, b row) int { return cmp.Compare(ill(a.Health), ill(b.Health)) }},
			column[row]{name: "reason", title: "Why", text: func(d row) string { return d.HealthReason }, narrow: true},
			column[row]{name: "last_check", title: "Last check", order: when(func(d row) *time.Time { return d.LastCheck })},
			column[row]{name: "job", title: "Check", number: true})
	}
	return append(all,
		column[row]{name: "state", title: "State", text: func(d row) string { return d.State }, exact: true},
		column[row]{name: "health", title: "Health", text: func(d row) string { return d.Health }, exact: true, order: func(a, b row) int { return cmp.Compare(ill(a.Health), ill(b.Health)) }},
		column[row]{name: "last_job", title: "Last job", order: when(func(d row) *time.Time { return d.LastJob }), narrow: true},
		column[row]{name: "tags", title: "Tags", text: func(d row) string { return strings.Join(d.Tags, " ") }, narrow: true})
}

// everyDevice returns all devices that the visitor may see, by name. Workers may be hidden from who sees devices:
// then none counts as away.
// Three questions, of which only the first has to be answered.
func everyDevice(q *request) ([]listedDevice, error) {
	devices, err := asked[[]struct {
		deviceRow
		LastCheck    *time.Time `json:"last_check"`
		LastCheckJob uint64     `json:"last_check_job"`
	}](q, "devices.list", nil)
	if err != nil {
		return nil, err
	}
	var unfit map[string]bool
	var last map[string]time.Time
	beside(func() { unfit = unfitWorkers(q) }, func() { last = lastJobs(q) })
	all := make([]listedDevice, 0, len(devices))
	for _, d := range devices {
		one := listedDevice{deviceRow: d.deviceRow, Retired: d.Health == "Retired", Away: unfit[d.Worker], LastCheck: d.LastCheck, Check: d.LastCheckJob}
		if at, ok := last[d.Device]; ok {
			one.LastJob = &at
		}
		all = append(all, one)
	}
	return all, nil
}

// unfitWorkers are those that give no jobs to their devices, by name: those that are away or out of use, and "", which is
// none. One that the visitor may not see is not among them: he would be told that every device is away.
// Health is a person's word and state the lab's: either is reason enough.
func unfitWorkers(q *request) map[string]bool {
	unfit := map[string]bool{"": true}
	workers, err := asked[[]workerRow](q, "workers.list", nil)
	if err != nil {
		return unfit
	}
	for _, w := range workers {
		unfit[w.Worker] = w.State != "Online" || w.Health != "Active"
	}
	return unfit
}

// lastJobs asks the tables when each device's last job ended; they may be away, and lists go on without them.
// LAVA's column counts no health checks either: it tells when somebody last used the board.
func lastJobs(q *request) map[string]time.Time {
	rows, err := tableRows[struct {
		Device string  `json:"device"`
		At     float64 `json:"at"`
	}](q, "SELECT device, toFloat64(max(ended_at)) AS at FROM jobs WHERE NOT health_check AND ended_at IS NOT NULL AND device != '' GROUP BY device")
	if err != nil {
		return nil
	}
	// Seconds with a fraction: JSON of the tables would have text for 64-bit numbers.
	last := map[string]time.Time{}
	for _, r := range rows {
		last[r.Device] = time.UnixMicro(int64(r.At * 1e6)).UTC()
	}
	return last
}

// tableRows asks the tables in the visitor's name. The query holds nothing that a person typed, and does not ask for the
// time: its answer may be one that was given before, while no fact has come since.
// Row's fields are filled by their JSON names, which the SELECT has to give its columns; one that is missing stays empty unseen.
// The api lets a viewer see rows of jobs and devices that he may see, whatever the SQL asks for.
func tableRows[Row any](q *request, query string) (rows []Row, err error) {
	// Pieces of the answer are cut anywhere, not at the ends of lines.
	var text []byte
	err = q.Stream(q.Context(), "sql", map[string]any{"query": query, "format": "JSONEachRow", "kept": true}, func(_ map[string]string, body []byte) error {
		text = append(text, body...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var row Row
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// changeable asks which devices the visitor may change, some hundred with each question: a large lab has
// thousands, and the api bounds what one question names.
// LAVA's "my devices" are those that one may change; who owns one physically is not asked.
func changeable(q *request, devices []listedDevice) (map[string]bool, error) {
	mine := map[string]bool{} // by name
	for part := range slices.Chunk(devices, 500) {
		var names []string
		for _, d := range part {
			names = append(names, "device/"+d.Device)
		}
		all, err := asked[map[string]rights](q, "rights", map[string]any{"of": names})
		if err != nil {
			return nil, err
		}
		for name, r := range all {
			mine[strings.TrimPrefix(name, "device/")] = r.Change()
		}
	}
	return mine, nil
}
