package web

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/projections"
)

// reportRoutes are the reports.
// The first four are LAVA's addresses; its charts of percentages are tables here, which say how few jobs a percentage is of.
func reportRoutes() []route {
	const get = http.MethodGet
	return []route{
		{get, "/scheduler/reports", reportPage(""), "Reports", "see how many jobs passed by day and by week"},
		{get, "/scheduler/reports/device/{name}", reportPage("device"), "Report", "see how many jobs passed on a device"},
		{get, "/scheduler/reports/device_type/{name}", reportPage("device_type"), "Report", "see how many jobs passed on devices of a type"},
		{get, "/scheduler/reports/failures", failuresPage, "Failures", "see what failed in a time, and what failed alike"},
		{get, "/scheduler/reports/utilisation", utilisationPage, "Utilisation", "see how busy devices were and how long jobs waited"},
	}
}

// passed is how the jobs of a day or week ended.
// To leads to the report of failures for the same time; jobs count for the day on which they started.
type passed struct {
	Begin      time.Time
	Pass, Fail int
	To         string // address of what failed
}

// Share is the part that passed, in percent.
// Of no jobs there is no share.
func (p passed) Share() string {
	if p.Pass+p.Fail == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(p.Pass)/float64(p.Pass+p.Fail))
}

// Bar draws it.
func (p passed) Bar() []barPart {
	return bar(p.Pass+p.Fail, []barPart{{Class: "idle", N: p.Pass, Word: "passed"}, {Class: "off", N: p.Fail, Word: "failed"}})
}

// reportTable is one table of a report.
type reportTable struct {
	Title string
	Unit  string // Day, Week
	Rows  []passed
}

// reportData is what a report shows.
// Kind and Name are "" in the report of all devices. Longest are at most five jobs that run, the oldest first.
type reportData struct {
	Kind, Name string
	Tables     []reportTable
	Longest    []projections.SelectedJob
	Now        time.Time
}

// reportPage counts jobs by day and by week: of all devices, of a device, or of a device type.
// Device and type are asked for first: who may not see one gets its refusal and no numbers about it.
func reportPage(kind string) func(*request) (page, error) {
	return func(q *request) (page, error) {
		d := reportData{Kind: kind, Name: q.PathValue("name"), Now: q.now}
		p := page{template: "report", styles: []string{"lab.css"}, help: "tables", crumbs: []crumb{{"Reports", ""}}}
		where, failures := "", url.Values{} // what both kinds of question are narrowed by: SQL, and links
		names := []string{quoted(d.Name)}
		var err error
		switch kind {
		case "device":
			_, err = theDevice(q, d.Name)
			p.title, p.crumbs = "Report of "+d.Name, []crumb{{"Devices", "/scheduler/alldevices/active"}, {d.Name, deviceAddress(d.Name)}, {"Report", ""}}
		case "device_type":
			var t wholeType
			t, err = theType(q, d.Name)
			if err == nil && t.DeviceType != d.Name { // an alias: one report has one address
				return page{to: "/scheduler/reports/device_type/" + url.PathEscape(t.DeviceType)}, nil
			}
			for _, alias := range t.Aliases { // jobs keep the name that they asked by
				names = append(names, quoted(alias))
			}
			p.title, p.crumbs = "Report of "+d.Name, []crumb{{"Device types", "/scheduler/device_types"}, {d.Name, typeAddress(d.Name)}, {"Report", ""}}
		default:
			// As in LAVA: these tell of all devices at once.
			if !q.SignedIn {
				return page{}, &Refusal{Code: "denied", Message: "sign in to see reports about all devices"}
			}
		}
		if err != nil {
			return page{}, err
		}
		if kind != "" {
			where = " AND " + kind + " IN (" + strings.Join(names, ", ") + ")"
			failures.Set(kind, d.Name)
			found, err := findJobs(q, jobSearch{Limit: 5, Order: []projections.JobOrder{{Field: "start_time"}}, Terms: []projections.JobTerm{
				{Field: kind, Op: projections.TermExact, Values: []string{d.Name}}, {Field: "state", Op: projections.TermIn, Values: []string{"Running", "Canceling"}}}})
			// It is an extra: without it the report is whole.
			if err == nil {
				d.Longest = found.Jobs
			}
		}
		days, err := passedByDay(q, where)
		if err != nil {
			return page{}, err
		}
		for _, checks := range []bool{true, false} {
			for _, t := range []reportTable{
				{Title: "by day", Unit: "Day", Rows: days.rows(q, checks, 1, 7, failures)},
				{Title: "by week", Unit: "Week", Rows: days.rows(q, checks, 7, 10, failures)},
			} {
				kind := "Test jobs "
				if checks {
					kind = "Health checks "
				}
				t.Title = kind + t.Title
				d.Tables = append(d.Tables, t)
			}
		}
		p.data = d
		return p, nil
	}
}

// quoted is a text as a literal of SQL that no character of it can leave.
// The verb sql takes no parameters. Hexadecimal digits hold any text, also one with quotes and backslashes.
func quoted(text string) string { return "unhex('" + hex.EncodeToString([]byte(text)) + "')" }

// reportDays is how many days a report goes back: ten weeks.
// Health checks and test jobs are counted apart, each by seven days and by ten weeks.
const reportDays = 70

// passedDays is how many jobs passed and failed on each day, today first; of health checks (true) and of test jobs.
// Both keys are always there, so that a lab without health checks has zeroes and no hole.
type passedDays map[bool]*[reportDays]struct{ pass, fail int }

// tomorrow is when this day ends. Days end at midnight, UTC, and today is one of them, though it is not over.
// It is behind now, so that today is whole in what lies before it.
func (q *request) tomorrow() time.Time {
	return q.now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}

// passedByDay counts the finished jobs by the day on which they started: all that a report shows, with one question.
// where begins with " AND " or is empty, and holds nothing but what [quoted] wrote and names of columns.
func passedByDay(q *request, where string) (passedDays, error) {
	end := q.tomorrow()
	begin := end.Add(-reportDays * 24 * time.Hour)
	// Counts are texts: JSON of the tables writes 64-bit numbers so.
	rows, err := tableRows[struct {
		N     int    `json:"n"`
		Check int    `json:"checks"`
		Pass  string `json:"pass"`
		Fail  string `json:"fail"`
	}](q, fmt.Sprintf(`SELECT toInt32(intDiv(%d - toUnixTimestamp(started_at) - 1, 86400)) AS n, toInt32(health_check) AS checks, toString(countIf(health = 'Complete')) AS pass, toString(countIf(health IN ('Incomplete', 'Canceled'))) AS fail
		FROM jobs WHERE state = 'Finished' AND started_at >= toDateTime(%d) AND started_at < toDateTime(%d)%s GROUP BY n, checks`,
		end.Unix(), begin.Unix(), end.Unix(), where))
	if err != nil {
		return nil, err
	}
	days := passedDays{true: {}, false: {}}
	for _, r := range rows {
		// The conditions leave no such row; an index that comes from elsewhere is looked at all the same.
		if r.N < 0 || r.N >= reportDays {
			continue
		}
		day := &days[r.Check != 0][r.N]
		day.pass, _ = strconv.Atoi(r.Pass)
		day.fail, _ = strconv.Atoi(r.Fail)
	}
	return days, nil
}

// rows adds up the days of the last n times of so many days, the newest first, each with the address of its failures.
// Weeks end today and not on Sunday: the newest is whole, as far as it has come. Start and end of the links are days from now,
// as LAVA's addresses have them: -7 and 0 are the last week.
func (p passedDays) rows(q *request, checks bool, days, n int, failures url.Values) []passed {
	rows := make([]passed, n)
	for i := range rows {
		row := &rows[i]
		row.Begin = q.tomorrow().Add(-time.Duration(days*(i+1)) * 24 * time.Hour)
		for _, day := range p[checks][days*i : days*(i+1)] {
			row.Pass += day.pass
			row.Fail += day.fail
		}
		v := url.Values{"start": {strconv.Itoa(-days * (i + 1))}, "end": {strconv.Itoa(-days * i)}}
		for key, values := range failures {
			v[key] = values
		}
		if checks {
			v.Set("health_check", "1")
		}
		row.To = "/scheduler/reports/failures?" + v.Encode()
	}
	return rows
}

// likeness is a kind of failure that happened several times.
// It is the key of a map as well: Count and Last are set on the copy in the list and stay 0 in the key.
type likeness struct {
	Type, Error, Device string
	Count               int
	Last                uint64 // number of the last such job
}

// failuresShown bounds the report of failures.
const failuresShown = 500

// failuresPage lists what failed between two days, counted from now as in LAVA: -1 and 0 are today. It wants both
// there; here the usual day is filled in.
func failuresPage(q *request) (page, error) {
	if !q.SignedIn {
		return page{}, &Refusal{Code: "denied", Message: "sign in to see the report of failures"}
	}
	asks := q.URL.Query()
	start, end := -1, 0
	for name, into := range map[string]*int{"start": &start, "end": &end} {
		if text := asks.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n > 1 || n < -36500 {
				return page{}, &Refusal{Code: "invalid", Field: name, Message: name + " is " + text + "; allowed are days from now, such as -7 and 0"}
			}
			*into = n
		}
	}
	day := q.now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	from, until := day.Add(time.Duration(start)*24*time.Hour), day.Add(time.Duration(end)*24*time.Hour)
	// LAVA's report counts by the start, so that a link from a day leads to that day's failures.
	moment := func(t time.Time) []string { return []string{t.Format(time.RFC3339)} }
	terms := []projections.JobTerm{{Field: "state", Op: projections.TermExact, Values: []string{"Finished"}},
		{Field: "health", Op: projections.TermIn, Values: []string{"Incomplete", "Canceled"}},
		{Field: "start_time", Op: projections.TermGTE, Values: moment(from)}, {Field: "start_time", Op: projections.TermLT, Values: moment(until)}}
	for _, field := range []string{"device", "device_type"} {
		if v := asks.Get(field); v != "" {
			terms = append(terms, projections.JobTerm{Field: field, Op: projections.TermExact, Values: []string{v}})
		}
	}
	if v := asks.Get("health_check"); v != "" {
		is := slices.Contains([]string{"1", "true", "yes"}, strings.ToLower(v))
		terms = append(terms, projections.JobTerm{Field: "health_check", Op: projections.TermExact, Values: []string{strconv.FormatBool(is)}})
	}
	found, err := findJobs(q, jobSearch{Terms: terms, Limit: failuresShown, Order: []projections.JobOrder{{Field: "id", Desc: true}}})
	if err != nil {
		return page{}, err
	}
	return page{template: "failures", styles: []string{"lab.css"}, crumbs: []crumb{{"Reports", "/scheduler/reports"}, {"Failures", ""}}, data: map[string]any{
		"Jobs": found.Jobs, "Count": found.Count, "More": int(found.Count) - len(found.Jobs), "From": from, "Until": until, "Alike": gather(found.Jobs), "Start": start, "End": end,
		"Device": asks.Get("device"), "Type": asks.Get("device_type"), "Check": asks.Get("health_check")}}, nil
}

// gather counts what failed alike: by type of error, sentence without its numbers, and device.
// Only of the jobs on the page, of which there are at most [failuresShown]: the newest say best what is wrong now.
func gather(jobs []projections.SelectedJob) []likeness {
	at := map[likeness]int{}
	var all []likeness
	for _, j := range jobs {
		if j.Health == "Canceled" {
			continue // somebody wanted that
		}
		kind := likeness{Type: j.ErrorType, Error: withoutNumbers(firstLine(j.Error)), Device: j.Device}
		i, known := at[kind]
		if !known {
			i, at[kind] = len(all), len(all)
			kind.Last = j.Job.Job
			all = append(all, kind)
		}
		all[i].Count++
	}
	slices.SortStableFunc(all, func(a, b likeness) int { return cmp.Compare(b.Count, a.Count) })
	return all[:min(len(all), 10)]
}

// withoutNumbers is a sentence in which numbers do not make a difference.
// Each run of digits is one #, so that "timeout after 62 s" and "timeout after 5 s" are alike, as are addresses and ports in part.
func withoutNumbers(text string) string {
	var b strings.Builder
	digits := false
	for _, r := range text {
		if digit := r >= '0' && r <= '9'; !digit {
			b.WriteRune(r)
			digits = false
		} else if !digits {
			b.WriteRune('#')
			digits = true
		}
	}
	return b.String()
}

// used is how busy a device was.
// Part is of the whole window, also for a device that is younger than it.
type used struct {
	Device, Type string
	Jobs         int           // that ran on it
	Busy         time.Duration // in the window
	Part         float64       // of the time, 0 to 1
}

// Percent is the part in words.
func (u used) Percent() string { return fmt.Sprintf("%.0f %%", 100*u.Part) }

// Bar draws it.
// All of it are numbers of ours, so nothing has to be escaped.
func (u used) Bar() template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="bar-of" width="120" height="8" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="%.1f" height="8" class="busy"/></svg>`, 100*u.Part))
}

// waited is how long jobs of a device type waited.
// From submission to the start. P90: nine of ten waited no longer.
type waited struct {
	Type        string
	Jobs        int
	Median, P90 time.Duration
}

// utilisationPage says how busy devices were, and how long jobs waited for them.
// LAVA has no such page. Like its reports it is for those who have a name.
func utilisationPage(q *request) (page, error) {
	if !q.SignedIn {
		return page{}, &Refusal{Code: "denied", Message: "sign in to see how busy the lab is"}
	}
	days, err := strconv.Atoi(q.URL.Query().Get("days"))
	// Ten years are more than the tables keep of any lab; a number that is none, or a wild one, is a week.
	if err != nil || days < 1 || days > 3650 {
		days = 7
	}
	// A job counts with the part of its time that lies in the window; one that runs, until now.
	now := q.lately(0).Unix()
	from := now - int64(days)*86400
	busy, err := tableRows[struct {
		Device string  `json:"device"`
		Jobs   string  `json:"jobs"`
		Busy   float64 `json:"busy"`
	}](q, fmt.Sprintf(`SELECT device, toString(count()) AS jobs, toFloat64(sum(greatest(0, least(if(isNull(ended_at), %d, toUnixTimestamp(assumeNotNull(ended_at))), %d) - greatest(toUnixTimestamp(assumeNotNull(started_at)), %d)))) AS busy
		FROM jobs WHERE device != '' AND isNotNull(started_at) AND (isNull(ended_at) OR ended_at >= toDateTime(%d)) GROUP BY device`, now, now, from, from))
	if err != nil {
		return page{}, err
	}
	waits, err := tableRows[struct {
		Type   string  `json:"device_type"`
		Jobs   string  `json:"jobs"`
		Median float64 `json:"median"`
		P90    float64 `json:"p90"`
	}](q, fmt.Sprintf(`SELECT device_type, toString(count()) AS jobs, toFloat64(quantileExact(0.5)(assumeNotNull(wait_seconds))) AS median, toFloat64(quantileExact(0.9)(assumeNotNull(wait_seconds))) AS p90
		FROM jobs WHERE NOT health_check AND isNotNull(wait_seconds) AND submitted_at >= toDateTime(%d) GROUP BY device_type ORDER BY median DESC`, from))
	if err != nil {
		return page{}, err
	}
	devices, err := asked[[]deviceRow](q, "devices.list", nil)
	if err != nil {
		return page{}, err
	}
	at := map[string]int{} // in busy, by device
	for i, b := range busy {
		at[b.Device] = i
	}
	// Retired devices are left out, also those that ran jobs in the window.
	var rows []used // idle devices too: they are what the page is opened for
	for _, d := range devices {
		if d.Health == "Retired" {
			continue
		}
		u := used{Device: d.Device, Type: d.DeviceType}
		if i, ran := at[d.Device]; ran {
			b := busy[i]
			u.Jobs, _ = strconv.Atoi(b.Jobs)
			u.Busy = time.Duration(b.Busy) * time.Second
			u.Part = min(1, b.Busy/float64(days*86400))
		}
		rows = append(rows, u)
	}
	slices.SortStableFunc(rows, func(a, b used) int { return cmp.Compare(b.Part, a.Part) })
	columns := []column[used]{
		{name: "device", title: "Device", text: func(u used) string { return u.Device }},
		{name: "type", title: "Type", text: func(u used) string { return u.Type }},
		{name: "part", title: "Busy", order: func(a, b used) int { return cmp.Compare(a.Part, b.Part) }, number: true},
		// Neither searched nor sorted by: it shows what "part" is.
		{name: "bar", title: "Of the time"},
		{name: "busy", title: "Time", order: func(a, b used) int { return cmp.Compare(a.Busy, b.Busy) }, number: true},
		{name: "jobs", title: "Jobs", order: func(a, b used) int { return cmp.Compare(a.Jobs, b.Jobs) }, number: true},
	}
	var queue []waited
	for _, w := range waits {
		n, _ := strconv.Atoi(w.Jobs)
		queue = append(queue, waited{w.Type, n, time.Duration(w.Median * float64(time.Second)), time.Duration(w.P90 * float64(time.Second))})
	}
	return page{template: "utilisation", styles: []string{"lab.css"}, crumbs: []crumb{{"Reports", "/scheduler/reports"}, {"Utilisation", ""}},
		data: map[string]any{"List": list(q, "device", columns, rows), "Queue": queue, "Days": days, "Choices": []int{1, 7, 30, 90, 365}}}, nil
}
