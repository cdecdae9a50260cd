package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestAdministrationIsForWhoRunsTheLab holds that nobody else reaches a page or a form of it, whatever the api would say.
func TestAdministrationIsForWhoRunsTheLab(t *testing.T) {
	t.Parallel()
	s := lab{"issues.list": "[]", "policy.show": "{}"}.site(t)
	for _, r := range adminRoutes() {
		path := strings.NewReplacer("{name}", "x").Replace(r.path)
		if r.path == "/admin/policy" || r.path == "/admin/issues" {
			continue // whose questions and rights are the api's
		}
		w := get(s, path)
		if r.method == http.MethodPost {
			w = post(s, path, url.Values{"do": {"remove"}})
		}
		if w.Code != http.StatusForbidden {
			t.Errorf("%s %s answers somebody who does not run the lab with %d, want 403", r.method, path, w.Code)
		}
	}
}

// TestBulk holds that what is refused of one thing keeps nothing from the others, and is told.
func TestBulk(t *testing.T) {
	t.Parallel()
	var asked []string
	l := lab{"devices.list": []deviceRow{{Device: "q1"}, {Device: "q2"}, {Device: "q3"}},
		"devices.health": func(in json.RawMessage) (any, error) {
			var d struct{ Device, Health, Reason string }
			if err := json.Unmarshal(in, &d); err != nil {
				return nil, err
			}
			asked = append(asked, d.Device+" "+d.Health+" "+d.Reason)
			if d.Device == "q2" {
				return nil, &Refusal{Code: "conflict", Message: "q2 is in hand"}
			}
			return struct{}{}, nil
		}}
	s := l.siteFor(t, Visitor{Name: "root", SignedIn: true, Superuser: true})
	w := post(s, "/admin/lava_scheduler_app/device/", url.Values{"chosen": {"q1", "q2", "q3"}, "action": {"Maintenance"}, "reason": {"new rack"}})
	if want := []string{"q1 Maintenance new rack", "q2 Maintenance new rack", "q3 Maintenance new rack"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "q2: q2 is in hand") {
		t.Errorf("status %d, page %s", w.Code, w.Body)
	}
	for _, form := range []url.Values{{"chosen": {"q1"}, "action": {"Bad"}}, {"action": {"Good"}}} {
		if w := post(s, "/admin/lava_scheduler_app/device/", form); w.Code != http.StatusBadRequest {
			t.Errorf("form %v: status %d, want 400", form, w.Code)
		}
	}
	if len(asked) != 3 {
		t.Errorf("a wrong form changed something: %q", asked[3:])
	}
}

// TestBulkSaysWhatItLeavesOut holds that nobody takes the newest jobs for all.
func TestBulkSaysWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	root := Visitor{Name: "root", SignedIn: true, Superuser: true}
	l := lab{"jobs.find": `{"jobs":[{"job":7,"display":"7"},{"job":6,"display":"6"}],"count":1236}`}
	says(t, l.siteFor(t, root), "/admin/lava_scheduler_app/testjob/", 200, "The newest 2 jobs that are not over are listed; 1,234 older ones are not")
	l["jobs.find"] = `{"jobs":[{"job":7,"display":"7"}],"count":1}`
	if text := says(t, l.siteFor(t, root), "/admin/lava_scheduler_app/testjob/", 200); strings.Contains(text, "older ones") {
		t.Error("a list that is whole says that it is not")
	}
}

// TestGroupsOfferedToAUser holds that somebody is not offered a group that he is in.
func TestGroupsOfferedToAUser(t *testing.T) {
	t.Parallel()
	l := lab{"users.show": account{User: "bob", Groups: []string{"kernel"}}, "groups.list": []groupOf{{Group: "kernel"}, {Group: "net"}}}
	text := says(t, l.siteFor(t, Visitor{Name: "root", SignedIn: true, Superuser: true}), "/admin/auth/user/bob/change/", 200, "<option>net</option>", `/admin/auth/group/kernel/change/`)
	if strings.Contains(text, "<option>kernel") {
		t.Error("bob is offered a group that he is in")
	}
}

// TestFormsSayWhatTheyAreFor holds that a form without its button's word changes nothing: taken for the whole form it
// would empty what it does not name.
func TestFormsSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	changed := func(json.RawMessage) (any, error) {
		t.Error("something was changed")
		return struct{}{}, nil
	}
	s := lab{"users.show": account{User: "x"}, "groups.list": "[]", "groups.show": groupOf{Group: "x"}, "permissions.list": "{}",
		"users.set": changed, "groups.set": changed, "permissions.grant": changed}.siteFor(t, Visitor{Name: "root", SignedIn: true, Superuser: true})
	for _, path := range []string{"/admin/auth/user/x/change/", "/admin/auth/group/x/change/", "/admin/auth/permission/"} {
		for _, do := range []string{"", "fly"} {
			if w := post(s, path, url.Values{"do": {do}}); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "allowed are") {
				t.Errorf("%s with do %q: status %d, want 400 and what is allowed", path, do, w.Code)
			}
		}
	}
}

// TestPolicyPage shows what the policy sets and who has had devices, in words.
func TestPolicyPage(t *testing.T) {
	s := lab{"policy.show": `{"sequence":4,"by":"ann","note":"","shares":{"kernel":2},"users":[{"user":"bob","group":"kernel","seconds":1200,"held":3}]}`}.site(t)
	text := says(t, s, "/admin/policy/", 200, "ann", "kernel", `submitter=bob`, ">3<", "Holds now")
	if strings.Contains(text, "map[") || strings.Contains(text, "<dt>note") || strings.Contains(text, "LAVA&#39;s: the highest") {
		t.Errorf("the policy's page says %s", text)
	}
	says(t, lab{"policy.show": `{"by":"","users":[]}`}.site(t), "/admin/policy/", 200, "as LAVA's: the highest priority")
}

// TestBulkColumns has no health of jobs that are not over, which have none, and one of machines.
func TestBulkColumns(t *testing.T) {
	t.Parallel()
	s := lab{"devices.list": `[{"device":"q1","state":"Idle","health":"Good"}]`, "jobs.find": `{"jobs":[{"job":43,"display":"41.2","state":"Running","health":"Unknown","name":"smoke","user":"bob"}],"count":1}`}.siteFor(t, root)
	if text := says(t, s, "/admin/lava_scheduler_app/testjob/", 200, ">41.2</a>", "bob: smoke", `value="43"`); strings.Contains(text, "Health") {
		t.Error("jobs that are not over have a column of health")
	}
	says(t, s, "/admin/lava_scheduler_app/device/", 200, ">Health<", ">Good<")
	// The list finds what people call a job.
	says(t, s, "/admin/lava_scheduler_app/testjob/?search=41.2", 200, ">41.2</a>")
}
