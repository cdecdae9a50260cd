package web

import (
	"maps"
	"strings"
	"testing"
)

// TestButtonsByRights offers what the visitor may do and nothing that would be refused, by the lab's words for his rights and by how
// the thing stands.
func TestButtonsByRights(t *testing.T) {
	t.Parallel()
	const cancel, again, priority, note, when, star = `action="/scheduler/job/42/cancel"`, `href="/scheduler/job/42/resubmit"`, `action="/scheduler/job/42/priority"`,
		`action="/scheduler/job/42/annotate_failure"`, `action="/scheduler/job/42/fail"`, `action="/scheduler/job/42/toggle_favorite"`
	job := func(state string) lab {
		l := lab{}
		maps.Copy(l, failedJob())
		if state != "Finished" {
			l["jobs.show"] = `{"job":42,"display":"42","state":"` + state + `","user":"alice","device_type":"bbb","submitted":"2026-11-23T11:00:00Z"}`
		}
		return l
	}
	const edit, hands, health, add = `href="/scheduler/device/b2/edit"`, `href="/scheduler/device/b2/hands"`, `action="/scheduler/device/b2/health"`, `/admin/lava_scheduler_app/device/add/`
	worker := lab{"workers.show": `{"worker":"w1","state":"Online","health":"Active","configured":2}`, "devices.list": `[]`, "workers.list": "[]"}
	const settings, workerHealth, versions = `href="/scheduler/worker/w1/edit"`, `action="/scheduler/worker/w1/health"`, `href="/scheduler/worker/w1/history"`
	for _, tt := range []struct {
		path   string
		lab    lab
		rights string // of the one thing, or of "device/" where it is of that
		who    Visitor
		has    string // controls, with blanks between, in any order
		all    []string
	}{
		{"/scheduler/job/42", job("Finished"), `{"job/42":["view","resubmit","cancel","change"]}`, alice, star + again + note, []string{cancel, again, priority, note, when, star}},
		{"/scheduler/job/42", job("Finished"), `{"job/42":["view"]}`, alice, star, []string{cancel, again, priority, note, when, star}},
		{"/scheduler/job/42", job("Finished"), `{"job/42":["view"]}`, Visitor{}, "", []string{cancel, again, priority, note, when, star}},
		{"/scheduler/job/42", job("Submitted"), `{"job/42":["view","resubmit","cancel","change"]}`, alice, star + again + cancel + priority, []string{cancel, again, priority, note, when, star}},
		{"/scheduler/job/42", job("Submitted"), `{"job/42":["view","cancel"]}`, alice, star + cancel, []string{cancel, again, priority, note, when, star}},
		{"/scheduler/job/42", job("Running"), `{"job/42":["view","cancel","change"]}`, alice, star + cancel, []string{cancel, again, priority, note, when, star}},
		{"/scheduler/job/42", job("Canceling"), `{"job/42":["view","cancel","change"]}`, root, star + cancel + when, []string{cancel, again, priority, note, when, star}},
		{"/scheduler/job/42", job("Canceling"), `{"job/42":["view","cancel","change"]}`, staff, star + cancel, []string{cancel, again, priority, note, when, star}},
		{"/scheduler/device/b2", boards(), `{"device/b2":["view","change","hands"]}`, alice, edit + hands + health, []string{edit, hands, health}},
		{"/scheduler/device/b2", boards(), `{"device/b2":["view","hands"]}`, alice, hands, []string{edit, hands, health}},
		{"/scheduler/device/b2", boards(), `{"device/b2":["view","submit","add"]}`, alice, "", []string{edit, hands, health}},
		{"/scheduler/alldevices", boards(), `{"device/":["add"]}`, alice, add, []string{add}},
		{"/scheduler/alldevices", boards(), `{"device/":["view"]}`, alice, "", []string{add}},
		{"/scheduler/alldevices", boards(), `{"device/":["add"]}`, Visitor{}, "", []string{add}},
		{"/scheduler/worker/w1", worker, `{"worker/w1":["view","change"]}`, alice, settings + workerHealth + versions, []string{settings, workerHealth, versions}},
		{"/scheduler/worker/w1", worker, `{"worker/w1":["view"]}`, alice, "", []string{settings, workerHealth, versions}},
	} {
		tt.lab["rights"] = tt.rights
		text := get(tt.lab.siteFor(t, tt.who), tt.path).Body.String()
		if !strings.Contains(text, "<h1>") {
			t.Errorf("%s is no page: %.300s", tt.path, text)
		}
		for _, control := range tt.all {
			if got, want := strings.Contains(text, control), strings.Contains(tt.has, control); got != want {
				t.Errorf("%s with %s for %q: %s is there: %t, want %t", tt.path, tt.rights, tt.who.Name, control, got, want)
			}
		}
	}
}

// TestFormsOfAdministrationByRank shows staff what staff may give, and the rest disabled.
func TestFormsOfAdministrationByRank(t *testing.T) {
	t.Parallel()
	l := lab{"users.show": `{"user":"bob","active":true}`, "groups.list": "[]", "tokens.list": "[]", "issues.list": `[{"issue":1,"title":"known"}]`}
	const permissions, off, remove, forget = `id="permissions"`, `name="staff" disabled`, `value="remove" data-ask="Remove the account`, `aria-label="Forget known"`
	for _, tt := range []struct {
		path string
		who  Visitor
		has  []string
	}{
		{"/admin/auth/user/bob/change/", root, []string{permissions, remove}},
		{"/admin/auth/user/bob/change/", staff, []string{off, remove}},
		{"/admin/auth/user/bob/change/", Visitor{Name: "bob", SignedIn: true, Staff: true}, []string{off}}, // nobody removes himself
		{"/admin/issues/", staff, []string{forget}},
		{"/admin/issues/", alice, nil},
	} {
		text := get(l.siteFor(t, tt.who), tt.path).Body.String()
		for _, control := range []string{permissions, off, remove, forget} {
			want := false
			for _, one := range tt.has {
				want = want || one == control
			}
			if got := strings.Contains(text, control); got != want {
				t.Errorf("%s for %s: %s is there: %t, want %t", tt.path, tt.who.Name, control, got, want)
			}
		}
	}
}
