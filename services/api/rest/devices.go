package rest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/services/api"
)

// typeRow is a device type.
// An embedded row of the api: fields and filters read it, nothing is copied.
type typeRow struct{ api.DeviceType }

// deviceTypes are the device types of the lab.
// The order of the fields is LAVA's, and recorded (golden/rest). Filters by what this lab does not keep
// are there all the same and meet no row: an unknown parameter would be ignored, and all rows come.
func deviceTypes() resource[typeRow] {
	none := func(*typeRow) any { return nil }
	return resource[typeRow]{
		name: "devicetypes",
		fields: []field[typeRow]{
			{"name", text, "name of the device type", true, func(t *typeRow) any { return string(t.DeviceType.DeviceType) }},
			{"architecture", text, "such as arm64", true, func(t *typeRow) any { return orNull(t.Architecture) }},
			{"processor", text, "not kept by this lab", false, none},
			{"cpu_model", text, "not kept by this lab", false, none},
			{"aliases", texts, "other names that jobs may ask for", true, func(t *typeRow) any { return emptied(t.Aliases) }},
			{"bits", integer, "not kept by this lab", false, none},
			{"cores", integers, "not kept by this lab", false, func(*typeRow) any { return []int{} }},
			{"core_count", integer, "not kept by this lab", false, none},
			{"description", text, "", true, func(t *typeRow) any { return orNull(t.Description) }},
			{"health_frequency", integer, "how often devices are checked", true, func(t *typeRow) any { return frequency(t) }},
			{"disable_health_check", truth, "whether devices are not checked", true, func(t *typeRow) any { return t.HealthDisabled }},
			// Read only in LAVA's serializer: XML-RPC and strata set it.
			{"health_denominator", text, "what health_frequency counts: hours or jobs", false, func(t *typeRow) any { return denominator(t) }},
			{"display", truth, "whether it is shown and takes jobs", true, func(t *typeRow) any { return !t.Hidden }},
		},
		filters: []filter[typeRow]{
			{"name", text, textLookups, func(t *typeRow) []string { return []string{string(t.DeviceType.DeviceType)} }},
			{"description", text, textLookups, func(t *typeRow) []string { return some(t.Description) }},
			{"architecture__name", text, textLookups, func(t *typeRow) []string { return some(t.Architecture) }},
			{"cpu_model", text, textLookups, func(*typeRow) []string { return nil }},
			{"processor__name", text, textLookups, func(*typeRow) []string { return nil }},
			{"bits__width", integer, exactLookups, func(*typeRow) []string { return nil }},
			{"cores__name", text, textLookups, func(*typeRow) []string { return nil }},
			{"core_count", integer, exactLookups, func(*typeRow) []string { return nil }},
			{"alias__name", text, textLookups, func(t *typeRow) []string { return t.Aliases }},
			{"health_frequency", integer, orderedLookups, func(t *typeRow) []string { return []string{strconv.Itoa(frequency(t))} }},
			{"disable_health_check", truth, exactLookups, func(t *typeRow) []string { return yes(t.HealthDisabled) }},
			{"health_denominator", text, exactLookups, func(t *typeRow) []string { return []string{denominator(t)} }},
			{"display", truth, exactLookups, func(t *typeRow) []string { return yes(!t.Hidden) }},
		},
	}
}

// frequency is how often devices are checked; LAVA's default where nothing was set.
// A type of the lab always has one: 0 is of a device whose type the caller may not see.
func frequency(t *typeRow) int {
	if t.HealthFrequency == 0 {
		return 24
	}
	return t.HealthFrequency
}

// denominator is what the frequency counts.
// See [frequency].
func denominator(t *typeRow) string {
	if t.HealthDenominator == "" {
		return "hours"
	}
	return string(t.HealthDenominator)
}

// yes is a truth as filters compare it.
func yes(b bool) []string { return []string{strconv.FormatBool(b)} }

// some is a value where there is one.
func some[S ~string](s S) []string {
	if s == "" {
		return nil
	}
	return []string{string(s)}
}

// emptied is a list that is never null in JSON.
// Clients go through it without looking: Python fails on None where it does not on [].
func emptied[S ~string](list []S) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, string(s))
	}
	return out
}

// deviceRow is a device with its type and worker.
// typ and worker are empty where the caller may not see them, so that filters by them meet no row.
type deviceRow struct {
	api.Device
	typ    typeRow
	worker workerRow
}

// devices are the devices of the lab.
func devices() resource[deviceRow] {
	// Owner, group and tags are numbers, as Django's relations: see [numberOf].
	res := resource[deviceRow]{
		name: "devices",
		fields: []field[deviceRow]{
			{"hostname", text, "name of the device", true, func(d *deviceRow) any { return string(d.Device.Device) }},
			{"device_type", text, "", true, func(d *deviceRow) any { return string(d.DeviceType) }},
			{"device_version", text, "revision of the board", true, func(d *deviceRow) any { return orNull(d.Hardware) }},
			{"physical_owner", integer, "user who has it on the desk", true, func(d *deviceRow) any { return numbered("user", string(d.Owner)) }},
			{"physical_group", integer, "group that has it on the desk", true, func(d *deviceRow) any { return numbered("group", string(d.OwnerGroup)) }},
			{"description", text, "", true, func(d *deviceRow) any { return orNull(d.Description) }},
			{"tags", integers, "numbers of its tags", true, func(d *deviceRow) any { return numbersOf("tag", emptied(d.Tags)) }},
			{"state", text, strings.Join(deviceStates, ", "), false, func(d *deviceRow) any { return d.State }},
			{"health", text, strings.Join(deviceHealths, ", "), true, func(d *deviceRow) any { return string(d.Health) }},
			{"last_health_report_job", integer, "its last health check that ended", false, func(d *deviceRow) any { return jobOrNull(d.LastCheckJob) }},
			{"worker_host", text, "worker that it hangs on", true, func(d *deviceRow) any { return orNull(d.Worker) }},
			// LAVA says by it that the dictionary came from its file in /etc, which this lab does not
			// read.
			{"is_synced", truth, "always false: dictionaries are not synced with files", false, func(*deviceRow) any { return false }},
		},
		filters: []filter[deviceRow]{
			{"hostname", text, textLookups, func(d *deviceRow) []string { return some(d.Device.Device) }},
			{"device_version", text, textLookups, func(d *deviceRow) []string { return some(d.Hardware) }},
			{"description", text, textLookups, func(d *deviceRow) []string { return some(d.Description) }},
			{"state", text, []string{"exact", "in"}, func(d *deviceRow) []string { return some(d.State) }},
			{"health", text, []string{"exact", "in"}, func(d *deviceRow) []string { return some(d.Health) }},
			{"is_synced", truth, exactLookups, func(*deviceRow) []string { return yes(false) }},
			{"device_type", text, exactLookups, func(d *deviceRow) []string { return some(d.DeviceType) }},
			{"worker_host", text, exactLookups, func(d *deviceRow) []string { return some(d.Worker) }},
			{"physical_owner__username", text, textLookups, func(d *deviceRow) []string { return some(d.Owner) }},
			{"physical_group__name", text, textLookups, func(d *deviceRow) []string { return some(d.OwnerGroup) }},
			{"tags__name", text, textLookups, func(d *deviceRow) []string { return emptied(d.Tags) }},
			{"last_health_report_job__id", integer, []string{"exact", "lt", "gt", "in"}, func(d *deviceRow) []string {
				if d.LastCheckJob == 0 {
					return nil
				}
				return []string{d.LastCheckJob.String()}
			}},
		},
	}
	// Related filters: each filter of a type is one of its devices, behind device_type__.
	for _, f := range deviceTypes().filters {
		res.filters = append(res.filters, filter[deviceRow]{"device_type__" + f.name, f.kind, f.lookups, func(d *deviceRow) []string { return f.get(&d.typ) }})
	}
	for _, f := range workers().filters {
		res.filters = append(res.filters, filter[deviceRow]{"worker_host__" + f.name, f.kind, f.lookups, func(d *deviceRow) []string {
			// Without this a filter for false would find devices that hang on no worker.
			if d.Worker == "" {
				return nil
			}
			return f.get(&d.worker)
		}})
	}
	return res
}

// numbered is the number of a name, null for none.
// 0 would be somebody; null is nobody.
func numbered(kind, name string) any {
	if name == "" {
		return nil
	}
	return numberOf(kind, name)
}

// jobOrNull is a job's number, null for none.
// The job may be one that the caller may not see: its number alone tells nothing else.
func jobOrNull(id events.JobID) any {
	if id == 0 {
		return nil
	}
	return uint64(id)
}

// allDevices returns the devices with their types and workers.
// Retired ones are among them; [listDevices] leaves them out. All three lists are folds in memory: no
// table is asked, and a device that the caller may not see is in none.
func (q *request) allDevices() ([]deviceRow, error) {
	list, err := asked[[]api.Device](q, "devices.list", nothing{})
	if err != nil {
		return nil, err
	}
	types, err := q.allTypes()
	if err != nil {
		return nil, err
	}
	hosts, err := q.allWorkers()
	if err != nil {
		return nil, err
	}
	rows := make([]deviceRow, len(list))
	for i, d := range list {
		// What the caller may not see of type and worker stays empty.
		rows[i] = deviceRow{Device: d}
		if n := slices.IndexFunc(types, func(t typeRow) bool { return t.DeviceType.DeviceType == d.DeviceType }); n >= 0 {
			rows[i].typ = types[n]
		}
		if n := slices.IndexFunc(hosts, func(w workerRow) bool { return w.Worker.Worker == d.Worker }); n >= 0 {
			rows[i].worker = hosts[n]
		}
	}
	return rows, nil
}

// nothing is the request of a verb that needs none.
type nothing struct{}

// listDevices answers GET devices/: retired ones only where they are asked for.
func listDevices(q *request) (answer, error) {
	rows, err := q.allDevices()
	if err != nil {
		return answer{}, err
	}
	// Also for a filter by health: devices/?health=Retired is empty without all=true, as in LAVA.
	if all, _ := canonical(truth, "exact", q.query.Get("all")); all != "true" {
		rows = slices.DeleteFunc(rows, func(d deviceRow) bool { return d.Health == events.Retired })
	}
	return devices().list(q, rows)
}

// device returns the device that the address names.
func (q *request) device() (api.Device, error) {
	return asked[api.Device](q, "devices.show", api.DeviceRequest{Device: events.DeviceName(q.r.PathValue("name"))})
}

// showDevice answers GET devices/<name>/.
// The row's fields need the device alone; type and worker are for filters, which one row has not.
func showDevice(q *request) (answer, error) {
	d, err := q.device()
	if err != nil {
		return answer{}, err
	}
	return ok(devices().show(&deviceRow{Device: d}))
}

// dictionary answers GET devices/<h>/dictionary/.
// 400 where there is none and where the context cannot be read, as LAVA; the file is named after the
// device with .jinja2, or .yaml where it was rendered.
func dictionary(q *request) (answer, error) {
	d, err := q.device()
	if err != nil {
		return answer{}, err
	}
	if d.Dictionary == "" {
		return answer{}, detail(http.StatusBadRequest, "Device '%s' does not have a configuration", d.Device)
	}
	// Unrendered it is the text with its comments, byte for byte as it was configured.
	if render, _ := canonical(truth, "exact", q.query.Get("render")); render != "true" {
		return textFile(string(d.Device)+".jinja2", "text/plain", d.Dictionary)
	}
	out, err := asked[api.Rendered](q, "devices.render", api.RenderRequest{Device: d.Device, Context: q.query.Get("context")})
	var refused *api.Error
	if errors.As(err, &refused) && refused.Code == api.Invalid {
		if refused.Field == "context" {
			return answer{}, detail(http.StatusBadRequest, "Job Context '%s' is not valid: %s", q.query.Get("context"), err)
		}
		// The dictionary or a template is at fault, since it was configured: the context would be looked at in vain.
		return answer{}, detail(http.StatusBadRequest, "%s", refused.Message)
	}
	if err != nil {
		return answer{}, err
	}
	return textFile(string(d.Device)+".yaml", "application/yaml", out.Config)
}

// setDictionary answers POST devices/<name>/dictionary/; one that does not render is refused.
func setDictionary(q *request) (answer, error) {
	d, err := q.device()
	if err != nil {
		return answer{}, err
	}
	var text string
	if err := q.fields(want{"dictionary", &text, must}); err != nil {
		return answer{}, err
	}
	if err := q.ask("devices.configure", api.DeviceRequest{Device: d.Device, Dictionary: text}, nil); err != nil {
		return answer{}, err
	}
	return said(http.StatusOK, "device config successfully updated")
}

// setDeviceHealth answers POST devices/<name>/set_health/.
// Other than PATCH it takes a reason, which the device's history shows.
func setDeviceHealth(q *request) (answer, error) {
	d, err := q.device()
	if err != nil {
		return answer{}, err
	}
	word, reason, err := q.healthWord("device", deviceHealths)
	if err != nil {
		return answer{}, err
	}
	if err := q.ask("devices.health", api.DeviceRequest{Device: d.Device, Health: events.DeviceHealth(word), Reason: reason}, nil); err != nil {
		return answer{}, err
	}
	return said(http.StatusAccepted, "OK")
}

// healthWord reads a health and the reason for it.
func (q *request) healthWord(kind string, words []string) (word, reason string, err error) {
	var health string
	if err := q.fields(want{"health", &health, may}, want{"reason", &reason, may}); err != nil {
		return "", "", err
	}
	if word, err = known("health", health, words, true); err == nil {
		return word, reason, nil
	}
	// LAVA looks the word up in capitals and repeats it so; None is Python's for a field that is missing.
	if health = strings.ToUpper(health); health == "" {
		health = "None"
	}
	return "", "", &problem{status: http.StatusBadRequest, body: object{{"message", "Wrong " + kind + " health " + health}}}
}

// workerRow is a worker.
// ping has no column in the lab: presence is a key with a time to live on the bus, not a fact.
type workerRow struct {
	api.Worker
	ping time.Time // when it was last there
}

// workers are the workers of the lab.
func workers() resource[workerRow] {
	return resource[workerRow]{
		name: "workers",
		fields: []field[workerRow]{
			{"hostname", text, "name of the worker", true, func(w *workerRow) any { return string(w.Worker.Worker) }},
			{"health", text, strings.Join(workerHealths, ", "), true, func(w *workerRow) any { return string(w.Health) }},
			{"state", text, strings.Join(workerStates, ", "), false, func(w *workerRow) any { return w.State }},
			{"description", text, "", true, func(w *workerRow) any { return orNull(w.Description) }},
			{"last_ping", moment, "when it was last there", false, func(w *workerRow) any { return stamped(&w.ping) }},
			// LAVA's order, as recorded; a field token, which it shows to superusers, is left out as a
			// secret.
			{"job_limit", integer, "jobs that it runs at once; 0 is no limit", true, func(w *workerRow) any { return w.JobLimit }},
			{"version", text, "of its program", false, func(w *workerRow) any { return orNull(w.Version) }},
		},
		filters: []filter[workerRow]{
			{"hostname", text, textLookups, func(w *workerRow) []string { return some(w.Worker.Worker) }},
			{"description", text, textLookups, func(w *workerRow) []string { return some(w.Description) }},
			{"last_ping", moment, []string{"exact", "lt", "gt"}, func(w *workerRow) []string {
				if w.ping.IsZero() {
					return nil
				}
				return []string{w.ping.UTC().Format(time.RFC3339Nano)}
			}},
			{"state", text, []string{"exact", "in"}, func(w *workerRow) []string { return some(w.State) }},
			{"health", text, []string{"exact", "in"}, func(w *workerRow) []string { return some(w.Health) }},
		},
	}
}

// workerRow adds to a worker when it was last there: one that is online is there now.
func (q *request) workerRow(w api.Worker) workerRow {
	row := workerRow{Worker: w, ping: w.Since}
	if w.State == "Online" {
		// A worker that falls silent is offline within seconds, so that this is true by as much.
		row.ping = q.d.Now()
	}
	return row
}

// allWorkers returns the workers, by name.
func (q *request) allWorkers() ([]workerRow, error) {
	list, err := asked[[]api.Worker](q, "workers.list", nothing{})
	if err != nil {
		return nil, err
	}
	rows := make([]workerRow, len(list))
	for i, w := range list {
		rows[i] = q.workerRow(w)
	}
	return rows, nil
}
