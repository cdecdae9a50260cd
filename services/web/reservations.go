package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reservationRoutes are reservations and the deliveries of notifications.
// LAVA has neither reservations nor a list of deliveries; both addresses are the lab's own.
func reservationRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/scheduler/reservations", reservationsPage, "Reservations", "see which devices are set aside, and for whom"},
		{post, "/scheduler/reservations", reserve, "Reservations", "set devices aside for a time"},
		{post, "/scheduler/reservations/{number}/end", endReservation, "End of a reservation", "give devices back before their time"},
		{get, "/notifications", noticesPage, "Notifications", "see which mails and callbacks have not arrived"},
		{post, "/notifications", replayNotices, "Notifications", "have dead letters sent again"},
	}
}

// reservation is a time for which devices are set aside, of reservations.list.
// Without Tags all devices of the type are meant. Covers are those that it has now; From and Until are UTC.
type reservation struct {
	Reservation uint64    `json:"reservation"`
	DeviceType  string    `json:"device_type"` // all devices of it; or those that it covers
	Tags        []string  `json:"tags"`        // that they have to have
	User        string    `json:"user"`        // who holds it, or
	Group       string    `json:"group"`       // whose users do; neither: a maintenance window
	From        time.Time `json:"from"`
	Until       time.Time `json:"until"`
	Reason      string    `json:"reason"`
	By          string    `json:"by"`
	Active      bool      `json:"active"` // its time has come
	Covers      []struct {
		Device string `json:"device"`
		State  string `json:"state"`
		Job    uint64 `json:"job"`
	} `json:"covers"`
	Jobs []struct { // of others, that may run into it
		Job    uint64    `json:"job"`
		User   string    `json:"user"`
		Device string    `json:"device"`
		Until  time.Time `json:"until"`
	} `json:"jobs"`
}

// Holder says whose the devices are.
// A maintenance window is nobody's: no job starts in it.
func (r reservation) Holder() string {
	return cmp.Or(r.User, r.Group, "maintenance window")
}

// reserving is what the form of a reservation holds, as it was typed: what is refused comes back unchanged.
// Field names the field that Wrong is about, in the words of the verb, and is "" for the whole form.
type reserving struct {
	Devices, DeviceType, Tags, Count, User, Group, From, Until, Reason string
	Wrong, Field                                                       string
}

// reservationsData is what the page shows.
// Types are offered to choose from; devices are typed, as there may be thousands.
type reservationsData struct {
	List  []reservation
	Form  reserving
	Types []wholeType
	Now   time.Time
}

// reservationsPage lists reservations. Its address may fill the form: ?device=q1.
func reservationsPage(q *request) (page, error) {
	asks := q.URL.Query()
	return reservations(q, reserving{Devices: asks.Get("device"), DeviceType: asks.Get("device_type"), User: q.Name})
}

// reservations draws the page with a form as it stands.
// Those that are over are left out by the api.
func reservations(q *request, form reserving) (page, error) {
	all, err := asked[[]reservation](q, "reservations.list", nil)
	if err != nil {
		return page{}, err
	}
	slices.SortStableFunc(all, func(a, b reservation) int { return a.From.Compare(b.From) })
	types, err := asked[[]wholeType](q, "device-types.list", nil)
	if err != nil {
		return page{}, err
	}
	return page{template: "reservations", title: "Reservations", data: reservationsData{List: all, Form: form, Types: types, Now: q.now}, live: "device/ reservation/", styles: []string{"lab.css"}, help: "scheduling",
		crumbs: []crumb{{"Scheduler", "/scheduler/"}, {"Reservations", ""}}}, nil
}

// formTime is how browsers send a moment without its zone; it is UTC on these pages.
// <input type="datetime-local"> sends it; the fields' labels say UTC, as browsers would show their own zone and send none.
const formTime = "2006-01-02T15:04"

// reserve sets devices aside.
// Devices by name, or a type with tags and a count: which of both holds the api decides by what is filled in.
func reserve(q *request) (page, error) {
	value := func(name string) string { return strings.TrimSpace(q.PostFormValue(name)) }
	f := reserving{Devices: value("devices"), DeviceType: value("device_type"), Tags: value("tags"), Count: value("count"), User: value("user"), Group: value("group"),
		From: value("from"), Until: value("until"), Reason: value("reason")}
	in := map[string]any{"user": f.User, "group": f.Group, "reason": f.Reason}
	words := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	}
	// Blanks and commas part names, as people write both.
	if f.Devices != "" {
		in["devices"] = words(f.Devices)
	}
	if f.DeviceType != "" {
		in["device_type"], in["tags"] = f.DeviceType, words(f.Tags)
	}
	for name, text := range map[string]string{"from": f.From, "until": f.Until} {
		if text == "" {
			continue
		}
		at, err := time.Parse(formTime, text)
		if err != nil {
			f.Wrong, f.Field = "it is "+text+"; write 2026-05-01T09:30, in UTC", name
		}
		in[name] = at
	}
	if f.Count != "" {
		n, err := strconv.Atoi(f.Count)
		if err != nil {
			f.Wrong, f.Field = "it is "+f.Count+"; allowed are whole numbers", "count"
		}
		in["count"] = n
	}
	// What cannot be read is told here; all else the lab knows better, such as what overlaps.
	status := http.StatusBadRequest
	if f.Wrong == "" {
		err := q.ask("reservations.add", in, nil)
		if err == nil {
			return page{to: "/scheduler/reservations", note: "The devices are set aside."}, nil
		}
		// An error without a code is a fault and gets its own page.
		no, ok := refusal(err)
		if !ok || no.Code == "away" || no.Code == "denied" {
			return page{}, err // nothing that is written into the form would help
		}
		f.Wrong, f.Field, status = no.Message, no.Field, no.status()
	}
	p, err := reservations(q, f)
	p.status = status
	return p, err
}

// endReservation gives devices back.
func endReservation(q *request) (page, error) {
	n, err := strconv.ParseUint(q.PathValue("number"), 10, 64)
	if err != nil {
		return page{}, &Refusal{Code: "not-found", Message: "there is no reservation " + q.PathValue("number")}
	}
	if err := q.ask("reservations.end", map[string]any{"reservation": n, "reason": strings.TrimSpace(q.PostFormValue("reason"))}, nil); err != nil {
		return page{}, err
	}
	return page{to: "/scheduler/reservations", note: "The reservation is over."}, nil
}

// notice is a delivery that was planned, of notices.list.
// Dead: it was tried as often as it may be, and waits for somebody. Answer is what the other side said last.
type notice struct {
	Job      uint64    `json:"job"`
	Display  string    `json:"display"`
	N        int       `json:"n"`      // within the job, from 1
	Moment   string    `json:"moment"` // of the job that it tells of: running, finished
	Kind     string    `json:"kind"`   // mail, callback, irc
	To       string    `json:"to"`
	State    string    `json:"state"` // waiting, sent or dead
	At       time.Time `json:"at"`    // of that state
	Attempts int       `json:"attempts"`
	Answer   string    `json:"answer"`
}

// noticesPage lists deliveries: of a job all, else those that have not arrived.
// Without ?job= the list is of all jobs that the visitor may see.
func noticesPage(q *request) (page, error) {
	asks := q.URL.Query()
	in := map[string]any{"dead": asks.Has("dead")}
	job := asks.Get("job")
	if job != "" {
		in["job"] = job
	}
	all, err := asked[[]notice](q, "notices.list", in)
	if err != nil {
		return page{}, err
	}
	columns := []column[notice]{
		{name: "job", title: "Job", text: func(n notice) string { return n.Display + " " + strconv.FormatUint(n.Job, 10) }, order: func(a, b notice) int { return cmp.Compare(a.Job, b.Job) }},
		{name: "state", title: "State", text: func(n notice) string { return n.State }, exact: true},
		{name: "kind", title: "Way", text: func(n notice) string { return n.Kind }},
		{name: "to", title: "To", text: func(n notice) string { return n.To }},
		{name: "attempts", title: "Tries", order: func(a, b notice) int { return cmp.Compare(a.Attempts, b.Attempts) }, number: true},
		{name: "at", title: "When", order: func(a, b notice) int { return a.At.Compare(b.At) }},
		{name: "answer", title: "Answer", text: func(n notice) string { return n.Answer }, narrow: true},
	}
	dead := slices.ContainsFunc(all, func(n notice) bool { return n.State == "dead" })
	return page{template: "notices", data: map[string]any{"List": list(q, "delivery", columns, all), "Dead": dead, "OnlyDead": asks.Has("dead"), "Job": job}, live: "notification/", styles: []string{"lab.css"}, help: "notifications"}, nil
}

// replayNotices has dead letters go out again: those of a job, or all.
func replayNotices(q *request) (page, error) {
	in := map[string]any{"dead": true}
	to := "/notifications"
	// The form of a job's own deliveries names it; without one it is all that the visitor may change.
	if job := q.PostFormValue("job"); job != "" {
		in, to = map[string]any{"job": job}, to+"?job="+url.QueryEscape(job)
	}
	again, err := asked[struct {
		Notices []notice `json:"notices"`
	}](q, "notices.replay", in)
	if err != nil {
		return page{}, err
	}
	return page{to: to, note: plural(len(again.Notices), "delivery") + " on the way again."}, nil
}
