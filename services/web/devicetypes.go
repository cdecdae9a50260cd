package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/projections"
)

// typeRoutes are the device types and what stands below one.
// devicetypeyaml is LAVA's address of the template as a file, dthealthhistory that of what became of the devices.
func typeRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/scheduler/device_types", typesPage, "Device types", "see what kinds of devices there are and whether one is free"},
		{get, "/scheduler/device_type/{name}", typePage, "Device type", "see the devices of a type and how their checks went"},
		{get, "/scheduler/device_type/{name}/template", templatePage, "Template", "read the template of a device type"},
		{get, "/scheduler/device_type/{name}/history", typeHistory, "Versions of the settings", "see who changed a device type, and what"},
		{get, "/scheduler/device_type/{name}/edit", editType, "Change device type", "open the editor of a device type"},
		{post, "/scheduler/device_type/{name}/edit", saveType, "Change device type", "change a device type's template, health check and settings"},
		{get, "/scheduler/dthealthhistory/device_type/{name}", typeHealthHistory, "Health of the devices", "see what became of the devices of a type"},
		{get, "/scheduler/devicetypeyaml/{name}", plainTemplate, "Template", "download the template of a device type"},
	}
}

// wholeType is a device type, of device-types.show.
// It is also what the verb device-types.configure takes, whole: saveType sends it back with what the form has changed.
type wholeType struct {
	DeviceType        string         `json:"device_type"`
	Description       string         `json:"description"`
	Architecture      string         `json:"architecture"`
	Aliases           []string       `json:"aliases"`
	Hidden            bool           `json:"hidden"`
	HealthFrequency   int            `json:"health_frequency"`   // of the unit below
	HealthDenominator string         `json:"health_denominator"` // hours or jobs
	HealthDisabled    bool           `json:"health_disabled"`
	HealthCheck       string         `json:"health_check"` // the job's definition
	Template          string         `json:"template"`     // Jinja2 that dictionaries extend
	Devices           map[string]int `json:"devices"`      // by health
	// The next two come with lists alone: device-types.show leaves them out.
	Waiting int `json:"waiting"` // jobs in the queue
}

// To is the type's address.
func (t wholeType) To() string { return typeAddress(t.DeviceType) }

func typeAddress(name string) string { return "/scheduler/device_type/" + url.PathEscape(name) }

// Checks says how often devices of the type are checked.
// The words are LAVA's.
func (t wholeType) Checks() string {
	unit := cmp.Or(t.HealthDenominator, "hours")
	switch {
	case t.HealthDisabled:
		return "disabled"
	case t.HealthFrequency == 1:
		return "one every " + strings.TrimSuffix(unit, "s")
	}
	return fmt.Sprintf("one every %d %s", t.HealthFrequency, unit)
}

func theType(q *request, name string) (wholeType, error) {
	return asked[wholeType](q, "device-types.show", map[string]any{"device_type": name})
}

// typeRow is a device type in the overview.
// Idle, Busy, Out and Off add up to All; retired devices are in none of them.
type typeRow struct {
	wholeType
	Idle, Busy, Out, Off, All int // Out: in maintenance; Off: nothing that takes jobs
}

// Bar draws how many of its devices are free, busy, in maintenance and away.
// The words are titles of the parts and stand as numbers beside the bar, so that nobody has to tell colours apart (WCAG 1.4.1).
func (t typeRow) Bar() []barPart {
	return bar(t.All, []barPart{{Class: "idle", N: t.Idle, Word: "free"}, {Class: "busy", N: t.Busy, Word: "busy"}, {Class: "out", N: t.Out, Word: "in maintenance"}, {Class: "off", N: t.Off, Word: "away"}})
}

// barPart is a part of a bar 100 wide.
// X and Width are in hundredths of the bar; html/template writes them into attributes, as the policy takes no style.
type barPart struct {
	Class, Word string
	N           int
	X, Width    float64
}

// bar gives parts their places.
// Of nothing the parts have no width, rather than a hundredth of zero.
func bar(whole int, parts []barPart) []barPart {
	x := 0.0
	for i := range parts {
		if whole > 0 {
			parts[i].X, parts[i].Width = x, 100*float64(parts[i].N)/float64(whole)
			x += parts[i].Width
		}
	}
	return parts
}

// typesPage shows the device types that have devices, with what is free. A lab knows hundreds of types whose templates
// came with it; those without devices or jobs are shown on request.
// LAVA shows types that have a device that is not retired; those that jobs wait for in vain are shown here too.
func typesPage(q *request) (page, error) {
	rows, err := typeRows(q)
	if err != nil {
		return page{}, err
	}
	if !q.URL.Query().Has("empty") {
		rows = slices.DeleteFunc(rows, func(t typeRow) bool { return t.All == 0 && t.Waiting == 0 })
	}
	// Columns of numbers have no text: they are sorted by and not searched.
	number := func(of func(typeRow) int) func(a, b typeRow) int {
		return func(a, b typeRow) int { return cmp.Compare(of(a), of(b)) }
	}
	columns := []column[typeRow]{
		{name: "name", title: "Device type", text: func(t typeRow) string { return t.DeviceType + " " + strings.Join(t.Aliases, " ") }},
		{name: "idle", title: "Free", order: number(func(t typeRow) int { return t.Idle }), number: true},
		{name: "busy", title: "Busy", order: number(func(t typeRow) int { return t.Busy }), number: true},
		{name: "maintenance", title: "Maintenance", order: number(func(t typeRow) int { return t.Out }), number: true, narrow: true},
		{name: "offline", title: "Offline", order: number(func(t typeRow) int { return t.Off }), number: true, narrow: true},
		{name: "devices", title: "Devices", narrow: true},
		{name: "queue", title: "Queue", order: number(func(t typeRow) int { return t.Waiting }), number: true},
		{name: "description", title: "Description", text: func(t typeRow) string { return t.Description }, narrow: true},
	}
	return page{template: "types", live: "device/ worker/ job/", help: "device-types", styles: []string{"lab.css"},
		data: map[string]any{"List": list(q, "device type", columns, rows), "Add": q.SignedIn && q.may("devicetype/").Add()}}, nil
}

// typeRows counts the devices of every type by what they do.
// Devices that the visitor may not see are not counted, so two people may see other numbers.
func typeRows(q *request) ([]typeRow, error) {
	types, err := asked[[]wholeType](q, "device-types.list", nil)
	if err != nil {
		return nil, err
	}
	devices, err := asked[[]deviceRow](q, "devices.list", nil)
	if err != nil {
		return nil, err
	}
	unfit := unfitWorkers(q)
	// A device of a type that the visitor may not see is counted nowhere.
	at := map[string]int{} // of the types in rows
	rows := make([]typeRow, len(types))
	for i, t := range types {
		rows[i].wholeType, at[t.DeviceType] = t, i
	}
	for _, d := range devices {
		if i, ok := at[d.DeviceType]; ok {
			rows[i].count(d, !unfit[d.Worker])
		}
	}
	return rows, nil
}

// count adds a device. The words are those of the verb device-types.availability.
// A busy device counts as busy whatever its health is: it ends its job first.
func (t *typeRow) count(d deviceRow, fit bool) {
	if d.Health == "Retired" {
		return
	}
	t.All++
	switch {
	case d.State != "Idle":
		t.Busy++
	case d.Health == "Maintenance":
		t.Out++
	case d.Health == "Good" && fit, d.Health == "Unknown" && fit:
		t.Idle++
	default:
		t.Off++
	}
}

// healthSum is how the health checks of a time went.
// Canceled checks are in neither number: they proved nothing.
type healthSum struct {
	Title          string
	Complete, Fail uint64
}

// typeData is what the page of a device type shows.
// Sums and Waits are empty while the tables are away; NoJobs says why there are no jobs.
type typeData struct {
	typeRow
	May     rights
	List    listing[listedDevice]
	Retired int
	Sums    []healthSum
	Jobs    []projections.SelectedJob
	Count   uint64
	NoJobs  string
	Waits   *struct {
		Jobs        int
		Median, P90 string
	}
	Overview []wholeType
	Now      time.Time
}

// typePage shows a device type.
func typePage(q *request) (page, error) {
	t, err := theType(q, q.PathValue("name"))
	if err != nil {
		return page{}, err
	}
	// The form of its address is the type's own, as its devices and jobs are listed by that.
	if t.DeviceType != q.PathValue("name") { // an alias: one page has one address
		return page{to: typeAddress(t.DeviceType)}, nil
	}
	d := typeData{typeRow: typeRow{wholeType: t}, May: q.may("devicetype/" + t.DeviceType), Now: q.now}
	// Each of these asks the tables, which take longer to plan a question than to answer it.
	var devices []listedDevice
	beside(
		func() { devices, err = everyDevice(q) },
		func() { d.sums(q) },
		func() { d.latest(q) },
		func() { d.waits(q) })
	if err != nil {
		return page{}, err
	}
	devices = slices.DeleteFunc(devices, func(one listedDevice) bool { return one.DeviceType != t.DeviceType })
	for _, one := range devices {
		d.count(one.deviceRow, !one.Away)
		if one.Retired {
			d.Retired++
		}
	}
	// Retired ones are counted beside the list, and stand in that of all devices.
	d.List = list(q, "device", deviceColumns(false), slices.DeleteFunc(devices, func(one listedDevice) bool { return one.Retired }))
	return page{template: "type", title: t.DeviceType, data: d, live: "device/ worker/ devicetype/" + t.DeviceType, help: "device-types", styles: []string{"lab.css"},
		crumbs: []crumb{{"Device types", "/scheduler/device_types"}, {t.DeviceType, ""}}}, nil
}

// latest finds the newest jobs that asked for the type.
func (d *typeData) latest(q *request) {
	found, err := findJobs(q, jobSearch{Terms: []projections.JobTerm{{Field: "device_type", Op: projections.TermExact, Values: []string{d.DeviceType}}}, Limit: 10,
		Order: []projections.JobOrder{{Field: "submit_time", Desc: true}}})
	if err != nil {
		d.NoJobs = err.Error()
	}
	d.Jobs, d.Count = found.Jobs, found.Count
}

// waits asks how long jobs wait for the type.
// Waits are those of the last seven days, in seconds; nil where no job started, or the tables are away.
func (d *typeData) waits(q *request) {
	free, err := asked[struct {
		Queued int `json:"queued"`
		Waits  *struct {
			Jobs   int     `json:"jobs"`
			Median float64 `json:"median_s"`
			P90    float64 `json:"p90_s"`
		} `json:"waits"`
	}](q, "device-types.availability", map[string]any{"device_type": d.DeviceType})
	if err != nil {
		return
	}
	d.Waiting = free.Queued
	if w := free.Waits; w != nil {
		seconds := func(s float64) string { return length(time.Duration(s * float64(time.Second))) }
		d.Waits = &struct {
			Jobs        int
			Median, P90 string
		}{w.Jobs, seconds(w.Median), seconds(w.P90)}
	}
}

// sums counts the health checks of a day, a week and a month. One question counts them all: the tables take longer to
// plan a question than to answer it.
// The times go into the SQL as whole seconds, exact to a minute ([request.lately]), so that the answer can be kept.
func (d *typeData) sums(q *request) {
	times := []struct {
		title string
		hours int
	}{{"24 hours", 24}, {"Week", 7 * 24}, {"Month", 30 * 24}}
	names := []string{quoted(d.DeviceType)} // jobs keep the name that they asked by
	for _, alias := range d.Aliases {
		names = append(names, quoted(alias))
	}
	var counts []string
	for _, t := range times {
		for _, health := range []string{"Complete", "Incomplete"} {
			counts = append(counts, fmt.Sprintf("countIf(health = '%s' AND ended_at >= toDateTime(%d))", health, q.lately(time.Duration(t.hours)*time.Hour).Unix()))
		}
	}
	// Texts, as JSON of the tables writes 64-bit numbers so.
	rows, err := tableRows[struct {
		Counts []string `json:"counts"`
	}](q, fmt.Sprintf("SELECT arrayMap(n -> toString(n), [%s]) AS counts FROM jobs WHERE device_type IN (%s) AND health_check AND ended_at >= toDateTime(%d)",
		strings.Join(counts, ", "), strings.Join(names, ", "), q.lately(30*24*time.Hour).Unix()))
	if err != nil || len(rows) != 1 || len(rows[0].Counts) != len(counts) {
		return // the tables are away; a half of the sums would mislead
	}
	// Complete and Incomplete alternate, in the order in which they were asked for.
	for i, t := range times {
		one := healthSum{Title: t.title}
		one.Complete, _ = strconv.ParseUint(rows[0].Counts[2*i], 10, 64)
		one.Fail, _ = strconv.ParseUint(rows[0].Counts[2*i+1], 10, 64)
		d.Sums = append(d.Sums, one)
	}
}

// templatePage shows the template of a type.
// A type without a template of its own uses the lab's of that name, which is not shown here.
func templatePage(q *request) (page, error) {
	t, err := theType(q, q.PathValue("name"))
	if err != nil {
		return page{}, err
	}
	return page{template: "template", title: "Template of " + t.DeviceType, help: "device-types", styles: []string{"lab.css"},
		data:   map[string]any{"Type": t, "Template": linesOf(t.Template), "Check": linesOf(t.HealthCheck), "Extends": extends(t.Template), "May": q.may("devicetype/" + t.DeviceType)},
		crumbs: []crumb{{"Device types", "/scheduler/device_types"}, {t.DeviceType, t.To()}, {"Template", ""}}}, nil
}

// plainTemplate is the template as a file.
// LAVA renders it and calls it YAML; here the file is the Jinja2 that it was made of, which can be put back.
func plainTemplate(q *request) (page, error) {
	t, err := theType(q, q.PathValue("name"))
	if err != nil {
		return page{}, err
	}
	if t.Template == "" {
		return page{}, &Refusal{Code: "not-found", Message: "device type " + t.DeviceType + " has no template of its own"}
	}
	return q.file(t.DeviceType+".jinja2", "application/yaml", t.Template), nil
}

// typeHistory lists the versions of a type's settings.
func typeHistory(q *request) (page, error) {
	name := q.PathValue("name")
	d, err := history(q, "device-types.config", name)
	if err != nil {
		return page{}, err
	}
	d.Noun = "setting"
	return page{template: "versions", title: "Versions of " + name, data: d, styles: []string{"lab.css"},
		crumbs: []crumb{{"Device types", "/scheduler/device_types"}, {name, typeAddress(name)}, {"Versions", ""}}}, nil
}

// typeHealthHistory tells what became of the devices of a type.
func typeHealthHistory(q *request) (page, error) {
	t, err := theType(q, q.PathValue("name"))
	if err != nil {
		return page{}, err
	}
	devices, err := everyDevice(q)
	if err != nil {
		return page{}, err
	}
	devices = slices.DeleteFunc(devices, func(d listedDevice) bool { return d.DeviceType != t.DeviceType })
	return healthHistory(q, devices, "Health of devices of type "+t.DeviceType, []crumb{{"Device types", "/scheduler/device_types"}, {t.DeviceType, t.To()}, {"Health", ""}})
}

// typeEdit is what the editor of a device type shows.
// AliasText is how the aliases stand in their field, with blanks between.
type typeEdit struct {
	wholeType
	AliasText string
	Wrong     string
	Field     string // that is wrong
	Units     []string
	Diff      []diffLine // of template and health check together
	Looked    bool       // a preview was asked for
}

func editType(q *request) (page, error) {
	name := q.PathValue("name")
	// Asked before the type itself, so that who may not change it learns nothing of whether there is one.
	if !q.may("devicetype/" + name).Change() {
		return page{}, &Refusal{Code: "denied", Message: cmp.Or(q.Name, "somebody without a name") + " may not change device type " + name}
	}
	t, err := theType(q, name)
	if err != nil {
		return page{}, err
	}
	return typeEditor(typeEdit{wholeType: t}), nil
}

// 0 is a type that was never configured; 24 hours is what the api makes of it.
func typeEditor(d typeEdit) page {
	d.AliasText, d.Units = strings.Join(d.Aliases, " "), []string{"hours", "jobs"}
	if d.HealthFrequency == 0 {
		d.HealthFrequency = 24
	}
	return page{template: "type-edit", title: "Change " + d.DeviceType, data: d, help: "device-types", styles: []string{"lab.css"},
		crumbs: []crumb{{"Device types", "/scheduler/device_types"}, {d.DeviceType, d.To()}, {"Change", ""}}}
}

// saveType changes a device type, or shows what would change. The verb sets all settings at once, so the form begins
// with what there is: what it does not show stays as it was.
func saveType(q *request) (page, error) {
	was, err := theType(q, q.PathValue("name"))
	if err != nil {
		return page{}, err
	}
	text := func(field string) string { return strings.ReplaceAll(q.PostFormValue(field), "\r\n", "\n") }
	d := typeEdit{wholeType: was, Looked: true}
	d.Description, d.Architecture = strings.TrimSpace(text("description")), strings.TrimSpace(text("architecture"))
	d.Aliases = strings.FieldsFunc(text("aliases"), func(r rune) bool { return r == ' ' || r == ',' })
	// It is told after a preview as well, so that nobody saves what was looked at and is refused then.
	var bad error // is told with the form, which keeps what was typed
	if d.HealthFrequency, bad = strconv.Atoi(cmp.Or(strings.TrimSpace(text("health_frequency")), "0")); bad != nil || d.HealthFrequency < 0 {
		bad = &Refusal{Code: "invalid", Field: "health_frequency", Message: "it is " + strconv.Quote(text("health_frequency")) + "; allowed are whole numbers from 1"}
	}
	// Boxes that are not ticked are not sent, so they are off.
	d.HealthDenominator, d.HealthDisabled, d.Hidden = text("health_denominator"), q.PostForm.Has("health_disabled"), q.PostForm.Has("hidden")
	d.Template, d.HealthCheck = text("template"), text("health_check")
	// Each begins with its own line numbers, which is how one tells where the second begins.
	d.Diff = append(diff(was.Template, d.Template), diff(was.HealthCheck, d.HealthCheck)...)
	if text("do") != "save" && bad == nil {
		return typeEditor(d), nil
	}
	var saved noted
	if err = bad; err == nil {
		saved, err = asked[noted](q, "device-types.configure", d.wholeType)
	}
	var no *Refusal
	if errors.As(err, &no) && (no.Code == "invalid" || no.Code == "conflict") {
		d.Wrong, d.Field = no.Message, no.Field
		p := typeEditor(d)
		p.status = no.status()
		return p, nil
	}
	if err != nil {
		return page{}, err
	}
	return page{to: was.To(), note: saved.after("Device type " + was.DeviceType + " is changed.")}, nil
}
