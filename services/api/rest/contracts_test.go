package rest_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/schemas/yaml"
)

// described is a definition with what SQUAD and KernelCI read of it.
const described = "job_name: boot\ndevice_type: qemu\nvisibility: public\nmetadata: {node_id: abc, linux__version: '6.1'}\n" +
	"timeouts: {job: {minutes: 9}, action: {minutes: 2}}\nactions: []\n"

// The requests that SQUAD's backend makes of a lab whose address ends in /api/v0.2/: addresses without their last slash,
// a form to submit, POST to cancel, pages by their links, no token for the configuration. It follows redirects by GET,
// so there must be none.
func TestContractOfSQUAD(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.judge()
	const base = "/api/v0.2/"
	secret := l.token("squad")
	token := []string{"Authorization", "Token " + secret}
	form := append([]string{"Content-Type", "application/x-www-form-urlencoded"}, token...)
	a := l.ask("POST", base+"jobs/", url.Values{"definition": {described}}.Encode(), form...)
	ids := unmarshal[struct {
		IDs []any `json:"job_ids"`
	}](t, a.body).IDs
	if a.status != 201 || len(ids) != 1 {
		t.Fatalf("submit: %d %s", a.status, a.body)
	}
	waits := fmt.Sprint(ids[0])
	if a := l.ask("POST", base+"jobs/"+waits+"/cancel", nil, token...); a.status != 200 {
		t.Errorf("cancel: %d %s", a.status, a.body)
	}
	if a := l.ask("POST", base+"jobs/"+waits+"/resubmit", nil, token...); a.status != 201 || !strings.Contains(a.body, `"job_ids":[`) {
		t.Errorf("resubmit: %d %s", a.status, a.body)
	}

	id := l.submitAndEnd(described, form)
	job := fmt.Sprintf("%sjobs/%d", base, id)
	value := 12.5
	cases := []events.Case{{Suite: "lava", Name: "auto-login-action", Result: events.Pass, At: noon, Measurement: &value, Units: "seconds"},
		{Suite: "lava", Name: "job", Result: events.Fail, At: noon, Metadata: map[string]string{"error_type": "Infrastructure", "error_msg": "Connection closed"}}}
	for n := range 60 { // more than a page
		cases = append(cases, events.Case{Suite: "0_ltp", Name: fmt.Sprintf("case%d", n), Result: events.Pass, At: noon})
	}
	l.Append(t, events.ResultsRecorded{Job: id, Lines: 2, Cases: cases})
	l.frame(id, []events.Record{{Time: noon, Level: "target", Message: json.RawMessage(`"Linux version"`)}, {Time: noon, Level: "info", Message: json.RawMessage(`"end"`)}})
	details := unmarshal[map[string]any](t, l.ask("GET", job, nil, token...).body)
	definition, err := yaml.Parse([]byte(fmt.Sprint(details["definition"])))
	if details["state"] != "Finished" || details["health"] != "Complete" || err != nil || definition.Get("job_name").TextOr("") != "boot" ||
		definition.Get("metadata").Get("linux__version").TextOr("") != "6.1" {
		t.Errorf("details: %v (%v)", details, err)
	}
	var all []map[string]any
	next := func(link *string) string {
		if link == nil {
			return ""
		}
		u, err := url.Parse(*link)
		if err != nil || !strings.HasPrefix(*link, "http") {
			t.Fatalf("next is %q (%v)", *link, err)
		}
		return u.RequestURI()
	}
	for at := job + "/suites/"; at != ""; {
		suites := unmarshal[listed](t, l.ask("GET", at, nil, token...).body)
		at = next(suites.Next)
		for _, s := range suites.Results {
			for tests := fmt.Sprintf("%s/suites/%.0f/tests", job, s["id"]); tests != ""; {
				page := unmarshal[listed](t, l.ask("GET", tests, nil, token...).body)
				all, tests = append(all, page.Results...), next(page.Next)
			}
		}
	}
	if len(all) != len(cases) {
		t.Fatalf("%d cases, want %d", len(all), len(cases))
	}
	failed, err := yaml.Parse([]byte(fmt.Sprint(all[1]["metadata"])))
	if all[0]["measurement"] != "12.5000000000" || all[0]["unit"] != "seconds" || all[1]["result"] != "fail" || err != nil ||
		failed.Get("error_type").TextOr("") != "Infrastructure" || failed.Get("error_msg").TextOr("") != "Connection closed" || all[2]["measurement"] != nil {
		t.Errorf("cases: %v", all[:3])
	}
	if lines := logOf(t, l.ask("GET", job+"/logs/", nil, token...).body); len(lines) != 2 || lines[0]["lvl"] != "target" || lines[0]["msg"] != "Linux version" {
		t.Errorf("log: %v", lines)
	}
	nobody := []string{"X-Forwarded-For", "192.0.2.1"}
	if a := l.ask("GET", base+"system/master_config/", nil, nobody...); !strings.Contains(a.body, `"EVENT_SOCKET":"tcp://`) {
		t.Errorf("master_config: %d %s", a.status, a.body)
	}
	// Of a lab whose address ends in /RPC2 it fetches the log with its token in the address; who has none is told nothing.
	plain := fmt.Sprintf("/scheduler/job/%d/log_file/plain", id)
	for query, want := range map[string]int{"?user=squad&token=" + secret: 200, "?user=ann&token=" + secret: 403, "?user=squad&token=wrong": 403, "?user=squad": 403, "": 403} {
		if a := l.ask("GET", plain+query, nil, nobody...); a.status != want {
			t.Errorf("log with %q: %d, want %d", query, a.status, want)
		}
	}
	if a := l.ask("GET", base+"system/whoami/?user=squad&token="+secret, nil, nobody...); !strings.Contains(a.body, `"user":""`) {
		t.Errorf("the token in an address of REST: %s, want that it is nobody's", a.body)
	}
	if a := l.ask("POST", fmt.Sprintf("/scheduler/job/%d/toggle_favorite?user=squad&token=%s", id, secret), "", nobody...); a.status != 403 {
		t.Errorf("something done with a token in the address: %d", a.status)
	}
}

// submitAndEnd submits a form, and takes its job through its life.
func (l *tested) submitAndEnd(definition string, header []string) events.JobID {
	l.t.Helper()
	a := l.ask("POST", "/api/v0.2/jobs/", url.Values{"definition": {definition}}.Encode(), header...)
	ids := unmarshal[struct {
		IDs []events.JobID `json:"job_ids"`
	}](l.t, a.body).IDs
	if len(ids) != 1 {
		l.t.Fatalf("submit: %d %s", a.status, a.body)
	}
	lease := events.Lease(ids[0])
	l.Append(l.t, events.JobScheduled{Job: ids[0], Device: "qemu-01", Worker: "w", Lease: lease},
		events.JobStarted{Job: ids[0], Device: "qemu-01", Worker: "w", Lease: lease, At: noon},
		events.JobFinished{Job: ids[0], Device: "qemu-01", Worker: "w", Lease: lease, Health: events.Complete, At: noon.Add(time.Minute), LinesKnown: true})
	return ids[0]
}

// logOf reads a log as PyYAML does.
func logOf(t *testing.T, text string) (lines []map[string]any) {
	t.Helper()
	root, err := yaml.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(root.Data())
	if err != nil {
		t.Fatal(err)
	}
	return unmarshal[[]map[string]any](t, string(data))
}

// The requests of KernelCI's runtime, which follows no redirects, and what its receiver reads of a callback with all data.
func TestContractOfKernelCI(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.judge()
	header := []string{"authorization", "Token " + l.token("kernelci"), "content-type", "application/json", "Accept", "*/*"}
	a := l.ask("POST", "/api/v0.2/jobs/?format=json&limit=256", map[string]any{"definition": described}, header...)
	if a.status != 201 {
		t.Fatalf("submit: %d %s", a.status, a.body)
	}
	ids := unmarshal[struct {
		IDs []int `json:"job_ids"`
	}](t, a.body).IDs
	if job := unmarshal[map[string]any](t, l.ask("GET", fmt.Sprintf("/api/v0.2/jobs/%d?format=json&limit=256", ids[0]), nil, header...).body); job["state"] != "Submitted" || job["health"] != "Unknown" {
		t.Errorf("job: %v", job)
	}
	for path, want := range map[string]string{"system/version/?format=json&limit=256": `{"version":"20`, "devices/?format=json&limit=256&device_type__name=qemu": `"results":[`,
		"jobs/?format=json&limit=256&state=Submitted": `"count":1,`, "jobs/?format=json&limit=256&state=Running&requested_device_type__name=qemu": `"count":0,`} {
		if a := l.ask("GET", "/api/v0.2/"+path, nil, header...); a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s, want %s", path, a.status, a.body, want)
		}
	}
	// A bad definition is HTTP 400 with a message, which raises there.
	if a := l.ask("POST", "/api/v0.2/jobs/?format=json&limit=256", map[string]any{"definition": "bad"}, header...); a.status != 400 || !strings.Contains(a.body, `"message":"`) {
		t.Errorf("a bad definition: %d %s", a.status, a.body)
	}

	id := l.submitAndEnd(described, append(slices.Clone(header), "content-type", "application/x-www-form-urlencoded"))
	l.Append(t, events.ResultsRecorded{Job: id, Lines: 1, Cases: []events.Case{{Suite: "lava", Name: "login-action", Result: events.Pass, At: noon},
		{Suite: "lava", Name: "job", Result: events.Fail, At: noon, Metadata: map[string]string{"error_type": "Infrastructure", "error_msg": "no power"}},
		{Suite: "0_ltp", Set: "mm", Name: "mmap01", Result: events.Fail, At: noon}}})
	l.frame(id, []events.Record{{Time: noon, Level: "target", Message: json.RawMessage(`"Linux\u001b[0m version"`)}})
	packed, err := gzip.NewReader(strings.NewReader(l.wants("GET", fmt.Sprintf("/scheduler/job/%d/job_data", id), nil, 200).body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	var callback struct {
		ID         int
		Status     int
		Health     int
		Device     string `json:"actual_device_id"`
		Definition string
		Metadata   []map[string]string
		Results    map[string]string
		Log        string
	}
	if err := json.Unmarshal(text, &callback); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	records := func(suite string) map[string]*yaml.Node {
		root, err := yaml.Parse([]byte(callback.Results[suite]))
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]*yaml.Node{}
		for _, r := range root.Items {
			byName[r.Get("name").TextOr("")] = r
		}
		return byName
	}
	lava, ltp := records("lava"), records("0_ltp")
	if lines := logOf(t, callback.Log); callback.ID != int(id) || callback.Status != 2 || callback.Health != 1 || callback.Device != "qemu-01" || len(callback.Metadata) != 1 ||
		lava["job"].Get("metadata").Get("error_type").TextOr("") != "Infrastructure" || lava["job"].Get("metadata").Get("error_msg").TextOr("") != "no power" ||
		lava["login-action"].Get("result").TextOr("") != "pass" || ltp["mmap01"].Get("metadata").Get("set").TextOr("") != "mm" ||
		len(lines) != 1 || lines[0]["msg"] != "Linux\x1b[0m version" || !strings.HasPrefix(fmt.Sprint(lines[0]["dt"]), "2026-11-22T12:00:00") {
		t.Errorf("callback: %+v", callback)
	}
	if definition, err := yaml.Parse([]byte(callback.Definition)); err != nil || definition.Get("metadata").Get("node_id").TextOr("") != "abc" {
		t.Errorf("definition %q (%v)", callback.Definition, err)
	}
}
