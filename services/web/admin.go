package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/projections"
)

// adminRoutes are what those who run the lab see to, where LAVA has its administration.
func adminRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	// These are Django's addresses of LAVA's models, which people have in bookmarks; what it has no model for stands below /admin/.
	const lab, auth = "/admin/lava_scheduler_app/", "/admin/auth/"
	return []route{
		{get, "/admin", adminIndex, "Administration", "find what is to be seen to"},
		{get, auth + "user", usersPage, "Users", "find an account"},
		{post, auth + "user", addUser, "Users", "make an account"},
		{get, auth + "user/{name}/change", userPage, "User", "see an account, its groups and tokens"},
		{post, auth + "user/{name}/change", saveUser, "User", "change what an account may do"},
		{get, auth + "group", groupsPage, "Groups", "see the groups and who is in them"},
		{post, auth + "group", addGroup, "Groups", "make a group"},
		{get, auth + "group/{name}/change", groupPage, "Group", "see a group's members and permissions"},
		{post, auth + "group/{name}/change", saveGroup, "Group", "change a group's members and permissions"},
		{get, auth + "permission", permissionsPage, "Permissions", "see who may do what"},
		{post, auth + "permission", changePermission, "Permissions", "grant or revoke a permission"},
		{get, lab + "device", bulkPage("device"), "Devices, all at once", "choose devices to say something of"},
		{post, lab + "device", bulk("device"), "Devices, all at once", "set the health of several devices"},
		{get, lab + "device/add", addDeviceForm, "Add a device", "open the form of a device"},
		{post, lab + "device/add", addDevice, "Add a device", "add a device with its dictionary"},
		{get, lab + "devicetype/add", addTypeForm, "Add a device type", "open the form of a device type"},
		{post, lab + "devicetype/add", addType, "Add a device type", "add a device type with its template"},
		{get, lab + "worker", bulkPage("worker"), "Workers, all at once", "choose workers to say something of"},
		{post, lab + "worker", bulk("worker"), "Workers, all at once", "set the health of several workers"},
		{get, lab + "worker/add", addWorkerForm, "Add a worker", "open the form of a worker"},
		{post, lab + "worker/add", addWorker, "Add a worker", "register a worker and get its token"},
		{get, lab + "testjob", bulkPage("job"), "Jobs, all at once", "choose jobs to end"},
		{post, lab + "testjob", bulk("job"), "Jobs, all at once", "cancel several jobs"},
		{get, lab + "tag", tagsPage, "Tags", "see the tags that devices may have"},
		{post, lab + "tag", changeTag, "Tags", "add, describe or remove a tag"},
		{get, "/admin/issues", issuesPage, "Known issues", "see which failures are known"},
		{post, "/admin/issues", changeIssue, "Known issues", "make an issue known, or forget it"},
		{get, "/admin/policy", policyPage, "Policy", "read in which order jobs get devices"},
	}
}

// runs refuses visitors who do not run the lab, as LAVA shows its administration to nobody else. It guards what is shown, not
// what is done: each verb asks for the right that it needs.
// Staff is who may see to groups and accounts; what only a superuser may do is refused by the verb, with its words.
func (q *request) runs() error {
	if q.Staff || q.Superuser {
		return nil
	}
	return &Refusal{Code: "denied", Message: "this is for those who run the lab"}
}

// adminCrumbs is the way to a page of the administration; further pairs lie between.
func adminCrumbs(last string, between ...crumb) []crumb {
	way := append([]crumb{{"Administration", "/admin/"}}, between...)
	return append(way, crumb{last, ""})
}

// adminIndex shows what there is to see to.
func adminIndex(q *request) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	return page{template: "admin", data: []shelf{
		{"People", []helpEntry{{"/admin/auth/user/", "Users"}, {"/admin/auth/group/", "Groups"}, {"/admin/auth/permission/", "Permissions"}}},
		{"Machines", []helpEntry{{"/admin/lava_scheduler_app/device/", "Devices, all at once"}, {"/admin/lava_scheduler_app/device/add/", "Add a device"},
			{"/scheduler/device_types", "Device types and templates"}, {"/admin/lava_scheduler_app/devicetype/add/", "Add a device type"},
			{"/admin/lava_scheduler_app/worker/", "Workers, all at once"}, {"/admin/lava_scheduler_app/worker/add/", "Add a worker"}, {"/admin/lava_scheduler_app/tag/", "Tags"}}},
		{"Work", []helpEntry{{"/admin/lava_scheduler_app/testjob/", "Jobs, all at once"}, {"/scheduler/reservations", "Reservations"}, {"/admin/policy/", "Policy"},
			{"/admin/issues/", "Known issues"}, {"/notifications", "Notifications"}}},
	}, styles: []string{"help.css"}, crumbs: []crumb{{"Administration", ""}}, help: "operations"}, nil
}

// bulkRow is a thing of which many can be chosen.
// ID goes into the form and is what the verbs take; Name is what people call it, such as 41.2 of job 43.
type bulkRow struct{ ID, Name, To, State, Health, About string }

// bulkData is what such a page shows. To has the query of the address, so that a form which was partly refused comes back
// with the same rows.
type bulkData struct {
	Kind, To, Wrong string
	Left            uint64 // things of the kind that are not listed: the form is about the newest alone
	List            listing[bulkRow]
	Actions         []string
}

// bulkActions are what can be said of all that was chosen. Bad and Looping of devices are for what happens to them.
// The words are those of events.DeviceHealth and events.WorkerHealth; that of jobs is a verb. A job is failed by nobody here (see
// [failJob]), so LAVA's second action for jobs is missing.
var bulkActions = map[string][]string{"device": {"Good", "Unknown", "Maintenance", "Retired"}, "worker": {"Active", "Maintenance", "Retired"}, "job": {"Cancel"}}

// Asks is the question before an action that ends jobs, or "" before one that somebody can take back.
func (d bulkData) Asks(action string) string {
	switch {
	case d.Kind == "job":
		return "Cancel every job that is ticked?"
	case action != "Retired":
		return ""
	case d.Kind == "worker":
		return "Retire every worker that is ticked? Their devices retire with them, and what runs on those is canceled."
	}
	return "Retire every device that is ticked? What runs on them is canceled."
}

// bulkPage lists things of a kind to choose from.
// Kinds are device, worker and job; any other is a mistake in the table of routes.
func bulkPage(kind string) func(*request) (page, error) {
	return func(q *request) (page, error) { return q.bulk(kind, nil) }
}

// bulk draws the page, with what was refused of what was asked. What was ticked is not ticked again: those that were done
// would be done once more.
func (q *request) bulk(kind string, wrong []string) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	rows, left, err := q.bulkRows(kind)
	if err != nil {
		return page{}, err
	}
	columns := []column[bulkRow]{
		{name: "name", title: strings.ToUpper(kind[:1]) + kind[1:], text: func(r bulkRow) string { return r.Name }},
		{name: "state", title: "State", text: func(r bulkRow) string { return r.State }, exact: true},
		{name: "health", title: "Health", text: func(r bulkRow) string { return r.Health }, exact: true},
		{name: "about", title: "About", text: func(r bulkRow) string { return r.About }, narrow: true},
	}
	if kind == "job" { // those that are not over have no health
		columns = slices.Delete(columns, 2, 3)
	}
	d := bulkData{Kind: kind, Left: left, To: q.URL.RequestURI(), Wrong: strings.Join(wrong, "; "), List: list(q, kind, columns, rows), Actions: bulkActions[kind]}
	p := page{template: "bulk", data: d, styles: []string{"query.css"}, scripts: []string{"bulk.js"}, help: "operations"}
	p.crumbs = adminCrumbs(strings.ToUpper(kind[:1]) + kind[1:] + "s")
	if wrong != nil {
		p.status = http.StatusBadRequest
	}
	return p, nil
}

// mostBulk is how many jobs can be chosen from: each that is chosen is a question of its own, and a page of more rows nobody reads.
const mostBulk = 500

// bulkRows lists what can be chosen: of jobs those that are not over. Left is how many there are beside these.
func (q *request) bulkRows(kind string) (rows []bulkRow, left uint64, err error) {
	switch kind {
	case "device":
		all, err := asked[[]deviceRow](q, "devices.list", nil)
		for _, d := range all {
			rows = append(rows, bulkRow{d.Device, d.Device, "/scheduler/device/" + url.PathEscape(d.Device), d.State, d.Health, d.DeviceType + " on " + cmp.Or(d.Worker, "no worker")})
		}
		return rows, 0, err
	case "worker":
		// What hangs on it is what somebody takes out of use with it.
		all, err := asked[[]workerRow](q, "workers.list", nil)
		for _, w := range all {
			rows = append(rows, bulkRow{w.Worker, w.Worker, "/scheduler/worker/" + url.PathEscape(w.Worker), w.State, w.Health, plural(w.Devices, "device") + ", " + count(w.Running) + " in use"})
		}
		return rows, 0, err
	}
	// The newest: those that somebody wants to end at once were submitted by mistake a moment ago.
	// State is a condition that leaves only jobs that are not over: the api answers it from the fold, also while tables are away.
	found, err := findJobs(q, jobSearch{Limit: mostBulk, Order: []projections.JobOrder{{Field: "id", Desc: true}},
		Terms: []projections.JobTerm{{Field: "state", Op: projections.TermIn, Values: []string{"Submitted", "Scheduling", "Scheduled", "Running", "Canceling"}}}})
	for _, j := range found.Jobs {
		id := fmt.Sprint(j.Job.Job)
		rows = append(rows, bulkRow{id, j.Display, "/scheduler/job/" + id, j.State, "", j.User + ": " + j.Name})
	}
	return rows, found.Count - min(found.Count, uint64(len(rows))), err
}

// bulk does something with all that was chosen. What is refused of some is told; the others are done.
// Each is a verb of its own, in the order of the form, and none is taken back when a later one is refused. A reload of the page
// does nothing again, as the answer leads elsewhere where all went well.
func bulk(kind string) func(*request) (page, error) {
	return func(q *request) (page, error) {
		if err := q.runs(); err != nil {
			return page{}, err
		}
		if err := q.ParseForm(); err != nil {
			return page{}, &Refusal{Code: "invalid", Message: "the form cannot be read: " + err.Error()}
		}
		action, reason, chosen := q.PostForm.Get("action"), strings.TrimSpace(q.PostForm.Get("reason")), q.PostForm["chosen"]
		switch {
		case !slices.Contains(bulkActions[kind], action):
			return q.bulk(kind, []string{fmt.Sprintf("action is %q; allowed are %s", action, strings.Join(bulkActions[kind], ", "))})
		case len(chosen) == 0:
			return q.bulk(kind, []string{"nothing was chosen"})
		}
		var wrong []string
		for _, id := range chosen {
			verb, in := kind+"s.health", map[string]any{kind: id, "health": action, "reason": reason}
			if kind == "job" {
				verb, in = "jobs.cancel", map[string]any{"job": number(id), "reason": reason}
			}
			if err := q.ask(verb, in, nil); err != nil {
				wrong = append(wrong, id+": "+err.Error())
			}
		}
		if wrong != nil {
			return q.bulk(kind, wrong)
		}
		// Without the query: the rows that were chosen have changed, and a search for their old state would find nothing.
		return page{to: q.URL.Path, note: action + ": " + plural(len(chosen), kind) + "."}, nil
	}
}

// machineForm is what the form of a device, type or worker shows: one form, as they differ in a few fields, which the template
// leaves out by kind. Text is the dictionary of a device or the template of a type.
// All are texts, as they were typed: what cannot be read is shown again as it was.
type machineForm struct {
	Kind, To, Wrong                                      string
	Name, Type, Worker, Text, Tags, Health, About, Check string
	Limit                                                string
	Types, Workers                                       []string
}

// page draws the form, with what was wrong with it. Types and workers are suggestions of its fields; where they may not be
// listed, one types without.
func (f machineForm) page(q *request, err error) (page, error) {
	if no := q.runs(); no != nil {
		return page{}, no
	}
	p := page{template: "machine-form", styles: []string{"query.css"}, help: "devices"}
	if err != nil {
		no, ok := refusal(err)
		if !ok || no.Code == "denied" {
			return page{}, err
		}
		f.Wrong, p.status = no.Message, no.status()
	}
	if f.Kind == "device" {
		if types, err := asked[[]struct {
			DeviceType string `json:"device_type"`
		}](q, "device-types.list", nil); err == nil {
			for _, t := range types {
				f.Types = append(f.Types, t.DeviceType)
			}
		}
		if workers, err := asked[[]workerRow](q, "workers.list", nil); err == nil {
			for _, w := range workers {
				f.Workers = append(f.Workers, w.Worker)
			}
		}
	}
	p.data, p.crumbs = f, adminCrumbs("Add a "+map[string]string{"device": "device", "devicetype": "device type", "worker": "worker"}[f.Kind])
	return p, nil
}

// readMachine takes the form as it was sent. Names are trimmed; texts are kept to the letter, as blanks mean something there,
// but for the ends of lines, which browsers send as CR LF: the editor would show each line as changed.
func readMachine(q *request, kind string) machineForm {
	v := func(name string) string { return strings.TrimSpace(q.PostFormValue(name)) }
	text := func(name string) string { return strings.ReplaceAll(q.PostFormValue(name), "\r\n", "\n") }
	return machineForm{Kind: kind, To: q.URL.Path, Name: v("name"), Type: v("device_type"), Worker: v("worker"), Text: text("text"), Tags: v("tags"),
		Health: v("health"), About: v("description"), Check: text("health_check"), Limit: v("job_limit")}
}

// addDeviceForm opens the form; an address may fill in the type. Unknown is what a device is before its first check.
func addDeviceForm(q *request) (page, error) {
	return machineForm{Kind: "device", To: q.URL.Path, Health: "Unknown", Type: q.URL.Query().Get("device_type")}.page(q, nil)
}

// addDevice adds a device. Its dictionary is checked by the api, which names the line that is wrong.
func addDevice(q *request) (page, error) {
	f := readMachine(q, "device")
	if err := q.runs(); err != nil {
		return page{}, err
	}
	tags := strings.FieldsFunc(f.Tags, func(r rune) bool { return r == ',' || r == ' ' })
	saved, err := asked[noted](q, "devices.add", map[string]any{"device": f.Name, "device_type": f.Type, "worker": f.Worker, "dictionary": f.Text, "tags": tags, "health": f.Health, "description": f.About})
	if err != nil {
		return f.page(q, err)
	}
	return page{to: "/scheduler/device/" + url.PathEscape(f.Name), note: saved.after("Device " + f.Name + " is added.")}, nil
}

// noted is what a change answers that was made, but of which a part may not be what somebody meant. The form is gone
// with the change: a note that the next page does not show is never read.
type noted struct {
	Notes []string `json:"notes"`
}

func (n noted) after(said string) string {
	return strings.Join(append([]string{said}, n.Notes...), " ")
}

func addTypeForm(q *request) (page, error) {
	return machineForm{Kind: "devicetype", To: q.URL.Path}.page(q, nil)
}

// addType adds a device type with its template. What is left empty is not sent: an empty template would hide the one that
// comes with the lab.
func addType(q *request) (page, error) {
	f := readMachine(q, "devicetype")
	if err := q.runs(); err != nil {
		return page{}, err
	}
	// The verb sets all settings of a type that is there: those that this form lacks, such as aliases, would be lost.
	if t, err := theType(q, f.Name); err == nil {
		return f.page(q, &Refusal{Code: "conflict", Field: "name", Message: "there is a device type " + t.DeviceType + " already; its own page changes it"})
	}
	in := map[string]any{"device_type": f.Name, "description": f.About}
	if strings.TrimSpace(f.Text) != "" {
		in["template"] = f.Text
	}
	if strings.TrimSpace(f.Check) != "" {
		in["health_check"] = f.Check
	}
	saved, err := asked[noted](q, "device-types.configure", in)
	if err != nil {
		return f.page(q, err)
	}
	return page{to: "/scheduler/device_type/" + url.PathEscape(f.Name), note: saved.after("Device type " + f.Name + " is there.")}, nil
}

func addWorkerForm(q *request) (page, error) {
	return machineForm{Kind: "worker", To: q.URL.Path}.page(q, nil)
}

// addWorker registers a worker and shows its token, this once.
// There is no redirect, as a token belongs into no address and no cookie; a reload asks whether to send the form again.
func addWorker(q *request) (page, error) {
	f := readMachine(q, "worker")
	if err := q.runs(); err != nil {
		return page{}, err
	}
	in := map[string]any{"worker": f.Name}
	if f.About != "" {
		in["description"] = f.About
	}
	limit := 0
	if f.Limit != "" {
		var err error
		if limit, err = strconv.Atoi(f.Limit); err != nil || limit < 0 {
			return f.page(q, &Refusal{Code: "invalid", Field: "job_limit", Message: "jobs at a time is " + strconv.Quote(f.Limit) + "; allowed are whole numbers from 0, which is no limit"})
		}
	}
	// Registering again what is there changes nothing, so a form that failed at the token can be sent once more.
	if err := q.ask("workers.register", in, nil); err != nil {
		return f.page(q, err)
	}
	if limit > 0 { // which registering does not take
		if err := q.ask("workers.configure", map[string]any{"worker": f.Name, "job_limit": limit}, nil); err != nil {
			return f.page(q, err)
		}
	}
	token, err := asked[struct {
		Token string `json:"token"`
	}](q, "workers.token", map[string]any{"worker": f.Name})
	if err != nil {
		return f.page(q, err)
	}
	return page{template: "worker-token", data: map[string]any{"Worker": f.Name, "Token": token.Token}, title: "Worker " + f.Name, styles: []string{"query.css"},
		crumbs: adminCrumbs("Worker " + f.Name), help: "workers"}, nil
}

// tagsPage lists tags.
func tagsPage(q *request) (page, error) { return q.tags(nil) }

func (q *request) tags(wrong error) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	// Tags are few, some dozens in a large lab, so they are one list.
	tags, err := asked[[]struct {
		Tag         string `json:"tag"`
		Description string `json:"description"`
	}](q, "tags.list", nil)
	if err != nil {
		return page{}, err
	}
	return q.withWrong(page{template: "tags", data: map[string]any{"Tags": tags}, crumbs: adminCrumbs("Tags"), styles: []string{"query.css"}, live: "tag/"}, wrong)
}

// changeTag adds, describes or removes a tag.
// An empty do adds: adding a tag that is there changes its description alone.
func changeTag(q *request) (page, error) {
	if err := q.runs(); err != nil {
		return page{}, err
	}
	name := strings.TrimSpace(q.PostFormValue("tag"))
	verb, done := "tags.add", "Tag "+name+" is there."
	if q.PostFormValue("do") == "remove" {
		verb, done = "tags.remove", "Tag "+name+" is removed."
	}
	if err := q.ask(verb, map[string]any{"tag": name, "description": q.PostFormValue("description")}, nil); err != nil {
		return q.tags(err)
	}
	return page{to: q.URL.Path, note: done}, nil
}

// knownIssue is a failure that is known: by an expression (RE2) that a line of the log has, or by SUITE/CASE of a failed
// case, and narrowed to a device type and to jobs of a name. Case and Name are globs, such as */ltp-*.
type knownIssue struct {
	Issue      uint64    `json:"issue"`
	Title      string    `json:"title"`
	URL        string    `json:"url"`
	Log        string    `json:"log"`
	Case       string    `json:"case"`
	DeviceType string    `json:"device_type"`
	Name       string    `json:"name"`
	By         string    `json:"by"`
	At         time.Time `json:"at"`
}

// issuesPage lists known issues. Everybody may read them, though they stand below the administration: a verdict links here.
// The form below is for those who run the lab ("Runs"); the api refuses it to the others.
func issuesPage(q *request) (page, error) { return q.issues(nil) }

func (q *request) issues(wrong error) (page, error) {
	issues, err := asked[[]knownIssue](q, "issues.list", nil)
	if err != nil {
		return page{}, err
	}
	return q.withWrong(page{template: "issues", data: map[string]any{"Issues": issues, "Runs": q.runs() == nil}, crumbs: adminCrumbs("Known issues"), styles: []string{"query.css"}, help: "judgement"}, wrong)
}

// changeIssue makes an issue known, or forgets it.
// The address is the lab's own, as LAVA knows no known issues.
func changeIssue(q *request) (page, error) {
	if q.PostFormValue("do") == "remove" {
		if err := q.ask("issues.remove", map[string]any{"issue": number(q.PostFormValue("issue"))}, nil); err != nil {
			return q.issues(err)
		}
		return page{to: "/admin/issues/", note: "The issue is not known any more. What was judged by it stays."}, nil
	}
	in := map[string]any{}
	for _, name := range []string{"title", "url", "log", "case", "device_type", "name"} {
		if v := strings.TrimSpace(q.PostFormValue(name)); v != "" {
			in[name] = v
		}
	}
	if err := q.ask("issues.add", in, nil); err != nil {
		return q.issues(err)
	}
	return page{to: "/admin/issues/", note: "Jobs that end from now on are looked at for it."}, nil
}

// policyData is the policy as its page shows it.
type policyData struct {
	Rules []policyRule // none where the order is LAVA's
	Users []policyUser
}

// policyUser is somebody who has had devices.
type policyUser struct {
	User    string `json:"user"`
	Group   string `json:"group"`
	Seconds int64  `json:"seconds"`
	Held    int    `json:"held"`
}

// Time is how long he has had them; the longer ago, the less it counts.
// What was held a half-life ago counts half (docs/scheduling.md), so this is no account of anybody's hours.
func (u policyUser) Time() time.Duration { return time.Duration(u.Seconds) * time.Second }

// policyRule is a key of the policy that is set, with its value as JSON.
// It is changed by `strata policy set` alone: a policy is one file, with its author's reasons.
type policyRule struct{ Name, Value string }

// policyPage shows the policy of scheduling, and who has had devices.
// Everybody may read it, as everybody waits by it.
func policyPage(q *request) (page, error) {
	policy, err := asked[map[string]json.RawMessage](q, "policy.show", nil)
	if err != nil {
		return page{}, err
	}
	var d policyData
	if users, ok := policy["users"]; ok {
		if err := json.Unmarshal(users, &d.Users); err != nil {
			return page{}, fmt.Errorf("read who has had devices: %w", err)
		}
	}
	// Keys that are not set are left out by their JSON, so that a key of a later release needs no line here.
	for _, name := range slices.Sorted(maps.Keys(policy)) {
		value := string(policy[name])
		if name != "users" && name != "sequence" && !slices.Contains([]string{`""`, "null", "{}", "[]", "0", "false"}, value) {
			d.Rules = append(d.Rules, policyRule{name, strings.Trim(value, `"`)})
		}
	}
	return page{template: "policy", data: d, crumbs: adminCrumbs("Policy"), help: "scheduling"}, nil
}
