package web

import (
	"cmp"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/projections"
)

// wholeDevice is a device with all that is known of it, of devices.show.
// Owner and OwnerGroup are LAVA's physical owner, which gives nobody a right. Version counts dictionaries, 0 before the first;
// LastCheck is the end of the last health check.
type wholeDevice struct {
	deviceRow
	HeldFor      string     `json:"held_for"`
	HeldUntil    *time.Time `json:"held_until"`
	Description  string     `json:"description"`
	Version      int        `json:"version"`
	Dictionary   string     `json:"dictionary"`
	Hardware     string     `json:"hardware"`
	Owner        string     `json:"owner"`
	OwnerGroup   string     `json:"owner_group"`
	LastCheck    *time.Time `json:"last_check"`
	LastCheckJob uint64     `json:"last_check_job"`
}

// To is the device's address.
func (d wholeDevice) To() string { return deviceAddress(d.Device) }

// Retiring is the question before the device is retired: that ends its job, and nobody takes that back.
// It says so whatever the device does now: a page may be open for hours before somebody chooses.
func (d wholeDevice) Retiring() string {
	return "Retire " + d.Device + "? It gets no more jobs, and one that it runs is canceled."
}

// deviceAddress escapes the name, as it is one segment of a path: with a slash in it it would be another page's.
func deviceAddress(name string) string { return "/scheduler/device/" + url.PathEscape(name) }

// deviceData is what the page of a device shows.
// Two fields are called Worker: here it is nil where the worker is hidden or there is none, and the embedded one is its name.
type deviceData struct {
	wholeDevice
	May            rights   // of the visitor
	Warnings       []string // what keeps it from jobs, in sentences
	Worker         *workerRow
	WorkerName     string                    // where the worker itself is hidden
	Before, After  string                    // devices of the same type beside it, by name
	Jobs           []projections.SelectedJob // the latest
	Count          uint64                    // of all
	NoJobs         string                    // why there are none to show
	Steps          []step
	More           int           // steps that are not shown
	NoStory        string        // why none is told
	Line           template.HTML // the bar of healths
	Since          time.Time     // where it begins
	Shares         []share       // the same as numbers, for those who do not see it
	Healths        []string      // to choose from
	Workers, Kinds []string
	Now            time.Time
}

// stepsShown is how much of a story a page tells at first; ?all tells the rest.
// The page of a worker has as many.
const stepsShown = 20

// timelineDays is how far back the bar of healths goes.
// It is drawn from facts, so it needs no tables; the further back, the more of them are read anyway.
const timelineDays = 30

// devicePage shows how a device is and what it did. Only the device itself has to be there: where the tables or the
// facts are away or hidden, their part says so and the rest is shown.
func devicePage(q *request) (page, error) {
	name := q.PathValue("name")
	d := deviceData{Now: q.now, Since: q.now.Add(-timelineDays * 24 * time.Hour), Healths: []string{"Good", "Unknown", "Looping", "Bad", "Maintenance", "Retired"}}
	var err error
	if d.wholeDevice, err = theDevice(q, name); err != nil {
		return page{}, err
	}
	// The same question as of the forms: what is refused is not offered.
	d.May, d.WorkerName = q.may("device/"+name), d.wholeDevice.Worker
	d.beside(q)
	d.warn(q)
	found, err := findJobs(q, jobSearch{Terms: []projections.JobTerm{{Field: "device", Op: projections.TermExact, Values: []string{name}}}, Limit: 15,
		Order: []projections.JobOrder{{Field: "submit_time", Desc: true}}})
	if err != nil {
		d.NoJobs = err.Error()
	}
	d.Jobs, d.Count = found.Jobs, found.Count
	facts, err := factsOf(q, "device/"+name)
	if err != nil {
		d.NoStory = err.Error()
	}
	d.Steps = tell(facts)
	// A board that runs jobs for years has been looked after a thousand times.
	if n := len(d.Steps); n > stepsShown && !q.URL.Query().Has("all") {
		d.Steps, d.More = d.Steps[:stepsShown], n-stepsShown
	}
	if len(facts) > 0 && facts[0].Time.After(d.Since) {
		d.Since = facts[0].Time // a new device has no empty month before it
	}
	// err is that of the facts: without them the whole month would be drawn as "not in the lab".
	if spans := healths(facts, d.Since, q.now); err == nil {
		d.Line, d.Shares = timeline(spans), shares(spans)
	}
	return page{template: "device", title: name, data: d, live: "device/" + name + " worker/" + d.wholeDevice.Worker, help: "devices", styles: []string{"lab.css"},
		crumbs: []crumb{{"Devices", "/scheduler/alldevices/active"}, {name, ""}}}, nil
}

// theDevice asks for a device.
func theDevice(q *request, name string) (wholeDevice, error) {
	return asked[wholeDevice](q, "devices.show", map[string]any{"device": name})
}

// beside finds the devices of the same type before and after this one, and the workers to choose from.
// LAVA has these links as well. A device without neighbours has none.
func (d *deviceData) beside(q *request) {
	devices, err := asked[[]deviceRow](q, "devices.list", nil)
	if err != nil {
		return
	}
	devices = slices.DeleteFunc(devices, func(one deviceRow) bool { return one.DeviceType != d.DeviceType })
	// devices.list is by name, so the neighbours are those beside it.
	at := slices.IndexFunc(devices, func(one deviceRow) bool { return one.Device == d.Device })
	if at > 0 {
		d.Before = devices[at-1].Device
	}
	if at >= 0 && at+1 < len(devices) {
		d.After = devices[at+1].Device
	}
}

// warn says what keeps the device from taking jobs, and what an administrator has forgotten.
func (d *deviceData) warn(q *request) {
	workers, err := asked[[]workerRow](q, "workers.list", nil)
	if err == nil {
		for _, w := range workers {
			d.Workers = append(d.Workers, w.Worker)
			if w.Worker == d.wholeDevice.Worker {
				d.Worker = &w
			}
		}
	}
	switch w := d.Worker; {
	case d.wholeDevice.Worker == "":
		d.Warnings = append(d.Warnings, "It hangs on no worker, so it takes no jobs.")
	// A worker that the visitor may not see is nil here: nothing is known of it, so nothing is said.
	case w != nil && w.State != "Online":
		d.Warnings = append(d.Warnings, "Its worker "+w.Worker+" is offline: "+cmp.Or(w.StateReason, "nobody said why")+".")
	case w != nil && w.Health != "Active":
		d.Warnings = append(d.Warnings, "Its worker "+w.Worker+" is in "+strings.ToLower(w.Health)+" and takes no jobs.")
	}
	if d.Version == 0 {
		d.Warnings = append(d.Warnings, "It has no dictionary yet, so nobody can reach its board.")
	} else if _, invalid, err := rendered(q, d.Device); err != nil {
		d.Warnings = append(d.Warnings, "Its dictionary cannot be rendered: "+err.Error())
	} else if invalid != "" {
		d.Warnings = append(d.Warnings, "Its configuration is not valid: "+invalid)
	}
	if d.May.Change() { // others cannot do anything about it
		if kind, err := theType(q, d.DeviceType); err == nil && kind.HealthCheck == "" {
			d.Warnings = append(d.Warnings, "Device type "+d.DeviceType+" has no health check, so nothing notices when the board breaks.")
		}
	}
}

// setDeviceHealth says how a device is.
// Any of the words, in any case, and with a reason or without: LAVA's page leaves Bad out of its menu, its POST takes it, and the
// api knows who may.
func setDeviceHealth(q *request) (page, error) {
	name := q.PathValue("name")
	health, reason := q.PostFormValue("health"), strings.TrimSpace(q.PostFormValue("reason"))
	err := q.ask("devices.health", map[string]any{"device": name, "health": health, "reason": reason}, nil)
	if err != nil {
		return page{}, err
	}
	return page{to: q.back(deviceAddress(name)), note: name + " is " + health + " now."}, nil
}

// describeDevice changes what is known of a device beside its dictionary. The form has all fields, and each that
// differs is one change: a refusal says which field, and those before it are done.
// A field that is not sent stays; LAVA has these fields in its administration.
func describeDevice(q *request) (page, error) {
	name := q.PathValue("name")
	d, err := theDevice(q, name)
	if err != nil {
		return page{}, err
	}
	if err := q.ParseForm(); err != nil {
		return page{}, &Refusal{Code: "invalid", Message: err.Error()}
	}
	value := func(field string) string { return strings.TrimSpace(q.PostFormValue(field)) }
	in := map[string]any{"device": name}
	for field, was := range map[string]string{"description": d.Description, "hardware": d.Hardware, "owner": d.Owner} {
		if q.PostForm.Has(field) && value(field) != was {
			in[field] = value(field)
		}
	}
	if len(in) > 1 { // more than the device's name: something differs
		if err := q.ask("devices.describe", in, nil); err != nil {
			return page{}, err
		}
	}
	// An empty worker takes the device from the one it hangs on.
	if q.PostForm.Has("worker") && value("worker") != d.Worker {
		if err := q.ask("devices.move", map[string]any{"device": name, "worker": value("worker")}, nil); err != nil {
			return page{}, err
		}
	}
	// The form has all tags at once, the log each that comes or goes.
	if q.PostForm.Has("tags") {
		tags := strings.FieldsFunc(value("tags"), func(r rune) bool { return r == ',' || r == ' ' })
		for _, t := range d.Tags {
			if !slices.Contains(tags, t) {
				if err := q.ask("devices.untag", map[string]any{"device": name, "tag": t}, nil); err != nil {
					return page{}, err
				}
			}
		}
		// A tag that the device has already is no change and makes no fact.
		for _, t := range tags {
			if err := q.ask("devices.tag", map[string]any{"device": name, "tag": t}, nil); err != nil {
				return page{}, err
			}
		}
	}
	return page{to: deviceAddress(name), note: "What is known of " + name + " is changed."}, nil
}

// deviceChecks lists the health checks of a device.
// A hundred: the lead counts those alone, and says so.
func deviceChecks(q *request) (page, error) {
	name := q.PathValue("name")
	if _, err := theDevice(q, name); err != nil {
		return page{}, err
	}
	found, err := findJobs(q, jobSearch{Limit: 100, Order: []projections.JobOrder{{Field: "submit_time", Desc: true}}, Terms: []projections.JobTerm{
		// By the device that they ran on, so checks that wait for it are not among them.
		{Field: "device", Op: projections.TermExact, Values: []string{name}}, {Field: "health_check", Op: projections.TermExact, Values: []string{"true"}}}})
	if err != nil {
		return page{}, err
	}
	good, over := 0, 0 // one that runs has not passed yet, and not failed
	for _, j := range found.Jobs {
		if j.State == "Finished" {
			over++
		}
		if j.Health == "Complete" {
			good++
		}
	}
	lead := fmt.Sprintf("%d of the last %d health checks passed.", good, over)
	if len(found.Jobs) == 0 {
		lead = "No health check has run on this device."
	}
	return page{template: "checks", title: "Health checks of " + name, live: "device/" + name, styles: []string{"lab.css"},
		data:   map[string]any{"Name": name, "Lead": lead, "Jobs": found.Jobs, "Now": q.now, "Device": name},
		crumbs: []crumb{{"Devices", "/scheduler/alldevices/active"}, {name, deviceAddress(name)}, {"Health checks", ""}}}, nil
}

// myHealthHistory tells what became of the devices that the visitor looks after.
// LAVA answers 404 to who has no name, here too.
func myHealthHistory(q *request) (page, error) {
	if !q.SignedIn {
		return page{}, &Refusal{Code: "not-found", Message: "sign in to see the devices that you look after"}
	}
	devices, err := everyDevice(q)
	if err != nil {
		return page{}, err
	}
	mine, err := changeable(q, devices)
	if err != nil {
		return page{}, err
	}
	devices = slices.DeleteFunc(devices, func(d listedDevice) bool { return !mine[d.Device] })
	return healthHistory(q, devices, "Health of my devices", []crumb{{"Devices", "/scheduler/alldevices/active"}, {"Mine", "/scheduler/mydevices"}, {"Health", ""}})
}

// Bounds of a page of health: devices whose stories it reads, and steps that it shows.
const (
	// Without tables each device is a story of its own to read, [storiesAtOnce] at a time.
	historyDevices = 200
	historySteps   = 200
)

// healthHistory tells the changes of health of several devices, the newest first.
// Steps are ordered by their fact, which no two share, and not by their time, which two may.
func healthHistory(q *request, devices []listedDevice, title string, way []crumb) (page, error) {
	left := max(0, len(devices)-historyDevices) // not told; the page says how many
	told := devices[:len(devices)-left]
	steps, err := healthSteps(q, told)
	if err != nil {
		return page{}, err
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(b.Seq, a.Seq) })
	more := max(0, len(steps)-historySteps) // older ones are on the pages of the devices
	return page{template: "healths", title: title, crumbs: way, live: "device/", styles: []string{"lab.css"},
		data: map[string]any{"Steps": steps[:len(steps)-more], "More": more, "Left": left, "Devices": len(devices), "Now": q.now}}, nil
}

// healthSteps are the changes of health of devices. The tables tell all of them with one question; while they are away
// the facts of each device do, which on a board that runs jobs for years are thousands.
// Names go into the SQL as hexadecimal literals ([quoted]): they were typed by people, if long ago.
func healthSteps(q *request, devices []listedDevice) (steps []step, err error) {
	var things, names []string
	for _, d := range devices {
		things, names = append(things, "device/"+d.Device), append(names, quoted(d.Device))
	}
	if len(things) == 0 {
		return nil, nil
	}
	// lagInFrame gives the health before each step; the window looks at all facts with a health, of which the outer question leaves out
	// those that are no change of one, such as that a device was added.
	rows, err := tableRows[struct {
		Device string  `json:"device"`
		Seq    string  `json:"seq"` // texts, as JSON of the tables writes 64-bit numbers so
		Job    string  `json:"job"`
		At     float64 `json:"at"`
		Was    string  `json:"was"`
		Health string  `json:"health"`
		Why    string  `json:"reason"`
		By     string  `json:"actor"`
	}](q, "SELECT device, toString(seq) AS seq, toString(job) AS job, toFloat64(time) AS at, was, health, reason, actor FROM (SELECT device, seq, job, time, health, reason, actor, event, lagInFrame(health) OVER (PARTITION BY device ORDER BY seq, n) AS was"+
		" FROM device_transitions WHERE health != '' AND device IN ("+strings.Join(names, ", ")+
		")) AS t WHERE event IN ('"+events.Name(events.DeviceHealthSet{})+"', '"+events.Name(events.DeviceHealthChanged{})+"') ORDER BY t.seq DESC LIMIT "+strconv.Itoa(historySteps+1))
	if err == nil {
		for _, r := range rows {
			// Seconds as a float64 hold microseconds of these centuries exactly enough: 2^53 µs are 285 years.
			s := step{At: time.UnixMicro(int64(r.At * 1e6)).UTC(), From: r.Was, Health: r.Health, Why: r.Why, By: r.By, Thing: r.Device, ThingTo: deviceAddress(r.Device)}
			s.Seq, _ = strconv.ParseUint(r.Seq, 10, 64)
			s.Job, _ = strconv.ParseUint(r.Job, 10, 64)
			steps = append(steps, s)
		}
		return steps, nil
	}
	stories, err := factsOfEach(q, things)
	for i, facts := range stories {
		for _, s := range tell(facts) {
			if s.Health != "" { // LAVA's page has no other steps
				s.Thing, s.ThingTo = devices[i].Device, deviceAddress(devices[i].Device)
				steps = append(steps, s)
			}
		}
	}
	return steps, err
}
