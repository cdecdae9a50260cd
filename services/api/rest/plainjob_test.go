package rest_test

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
	"strata/services/api/rest"
)

// TestOneCase asks for a test case by its number: the address that each record of results has as its url.
func TestOneCase(t *testing.T) {
	t.Parallel()
	l := start(t)
	id := l.finished("job_name: x\n", nil)
	line := uint64(3)
	l.Append(t, events.ResultsRecorded{Job: id, Lines: 6, Cases: []events.Case{{Suite: "lava", Name: "validate", Result: events.Pass, At: noon},
		{Suite: "0_smoke", Name: "mem", Result: events.Fail, At: noon, StartLine: &line, EndLine: &line, Units: "MB"}}})
	var list string
	l.until("the tables have the cases", func() bool {
		list = l.wants("GET", fmt.Sprintf("/results/%d/yaml", id), nil, 200).body
		_, rest, found := strings.Cut(list, "name: mem")
		_, url, _ := strings.Cut(rest, "url: ")
		address, _, _ := strings.Cut(url, "\n")
		return found && l.ask("GET", strings.TrimSpace(address)+"/yaml", nil).status == 200
	})
	_, rest, _ := strings.Cut(list, "name: mem")
	_, url, _ := strings.Cut(rest, "url: ")
	address, _, _ := strings.Cut(url, "\n")
	a := l.wants("GET", address+"/yaml", nil, 200)
	for _, want := range []string{"\nname: mem\n", fmt.Sprintf("job: '%d'", id), "suite: 0_smoke", "result: fail", "unit: MB", "log_start_line: '3'", "url: " + address + "\n"} {
		if !strings.Contains("\n"+a.body, want) {
			t.Errorf("%s/yaml has no %q:\n%s", address, want, a.body)
		}
	}
	if got := a.header.Get("Content-Disposition"); !strings.Contains(got, "lava_mem.yaml") {
		t.Errorf("%s/yaml: Content-Disposition %q, want lava_mem.yaml", address, got)
	}
	for _, none := range []string{"1", "0", "x", "99999999999999999999"} {
		l.wants("GET", "/results/testcase/"+none+"/yaml", nil, 404)
	}
}

// Files beside a job's page: what it was started with, how long its actions took, what a callback would be sent.
func TestJobFiles(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.verb("workers.register", api.WorkerRequest{Worker: "peer-worker"}, nil)
	l.verb("devices.add", api.DeviceRequest{Device: "qemu-01", DeviceType: "qemu", Worker: "peer-worker", Dictionary: "a: 1\n"}, nil)
	dispatcher := "dispatcher_ip: 127.0.0.1\n"
	l.verb("workers.configure", api.WorkerRequest{Worker: "peer-worker", Dispatcher: &dispatcher}, nil)
	definition := "job_name: x # why\n"
	id := l.finished(definition, func(e *events.JobSubmitted) { e.Metadata = map[string]string{"a": "b"} })
	say := func(text string) events.Record {
		m, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return events.Record{Time: noon, Level: "debug", Message: m}
	}
	l.frame(id, []events.Record{say("start: 1 deploy (timeout 00:02:00) [common]"), say("start: 1.1 <download> (timeout 00:00:10) [common]"), say(`said "hello"`),
		say("end: 1.1 <download> (duration 00:00:09) [common]"), say("end: 1 deploy (duration 00:01:00) [common]"), say("start: 2 boot (timeout 01:00:00)")})
	l.Append(t, events.ResultsRecorded{Job: id, Lines: 6, Cases: []events.Case{{Suite: "lava", Name: "validate", Result: events.Pass, At: noon}}})
	job := fmt.Sprintf("/scheduler/job/%d/", id)

	l.wants("GET", job+"configuration/", nil, 200) // LAVA's address has no slash there, people write one
	a := l.wants("GET", job+"configuration", nil, 200)
	if a.header.Get("Content-Type") != "application/tar" || a.header.Get("Content-Disposition") != "attachment; filename=configuration.tar.bz2" {
		t.Errorf("configuration: %v", a.header)
	}
	if got := unpacked(t, a.body); got["job.yaml"] != definition || !strings.Contains(got["device.yaml"], "a: 1") || got["dispatcher.yaml"] != dispatcher {
		t.Errorf("configuration: %q", got)
	}
	waits := l.publish(definition, nil)
	if got := unpacked(t, l.wants("GET", fmt.Sprintf("/scheduler/job/%d/configuration", waits), nil, 200).body); len(got) != 0 {
		t.Errorf("configuration of a job that waits: %q, want an empty archive", got)
	}

	var timing struct {
		Timing string
		Graph  [][]any
	}
	if err := json.Unmarshal([]byte(l.wants("GET", job+"timing", nil, 200).body), &timing); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(timing.Graph); got != "[[1 deploy 60 120 false] [1.1 <download> 9 10 true] [2 boot 0 3600 false]]" {
		t.Errorf("graph: %s", got)
	}
	if !strings.Contains(timing.Timing, "&lt;download&gt;") {
		t.Errorf("timing: %s", timing.Timing)
	}
	a = l.wants("GET", job+"description", nil, 200)
	if want := "pipeline:\n- level: '1'\n  name: deploy\n  pipeline:\n  - level: '1.1'\n    name: <download>\n    timeout: 10\n  timeout: 120\n- level: '2'\n  name: boot\n  timeout: 3600\n"; !strings.HasSuffix(a.body, want) ||
		!strings.Contains(a.header.Get("Content-Disposition"), fmt.Sprintf("job_description_%d.yaml", id)) {
		t.Errorf("description: %v\n%s\nwant it to end with\n%s", a.header, a.body, want)
	}
	l.wants("GET", fmt.Sprintf("/scheduler/job/%d/description", waits), nil, 404)

	a = l.wants("GET", job+"job_data", nil, 200)
	packed, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	data := unmarshal[map[string]any](t, string(text))
	for key, want := range map[string]string{"id": fmt.Sprint(id), "status": "2", "status_string": "complete", "state": "5", "health": "1", "health_string": "Complete",
		"start_time": "2026-11-22 12:00:00+00:00", "actual_device_id": "qemu-01", "metadata": "[map[a:b]]", "submitter_username": "alice"} {
		if got := fmt.Sprint(data[key]); got != want {
			t.Errorf("job_data: %s is %s, want %s", key, got, want)
		}
	}
	if log, _ := data["log"].(string); strings.Count(log, "\n") != 6 || !strings.Contains(log, `said \"hello\"`) {
		t.Errorf("job_data: log %q", log)
	}
	if suites, _ := data["results"].(map[string]any); !strings.Contains(fmt.Sprint(suites["lava"]), "name: validate") {
		t.Errorf("job_data: results %v", data["results"])
	}
	if a := l.ask("GET", job+"job_data", nil, "Authorization", "Token "+l.token("bob")); a.status != 403 {
		t.Errorf("job_data for somebody else: %d", a.status)
	}
	l.wants("GET", fmt.Sprintf("/scheduler/job/%d/job_data", waits), nil, 404)
	if a := l.wants("GET", job+"job_status", nil, 200); !strings.Contains(a.body, `"subjobs":[],"X-JobState":"1"}`) {
		t.Errorf("job_status: %s", a.body)
	}
}

// unpacked reads an archive, by the names of its files.
func unpacked(t *testing.T, text string) map[string]string {
	t.Helper()
	archive, files := tar.NewReader(bzip2.NewReader(strings.NewReader(text))), map[string]string{}
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := io.Copy(&b, archive); err != nil {
			t.Fatal(err)
		}
		files[h.Name] = b.String()
	}
}

// The buttons of a job's page do by POST what they say, for those who may, and lead back to the job.
func TestJobButtons(t *testing.T) {
	t.Parallel()
	l := start(t)
	waits, over := l.publish(minimal, nil), l.finished(minimal, nil)
	bob := []string{"Authorization", "Token " + l.token("bob"), "Content-Type", "application/x-www-form-urlencoded"}
	me := []string{"Content-Type", "application/x-www-form-urlencoded"}
	at := func(id events.JobID, button string) string { return fmt.Sprintf("/scheduler/job/%d/%s", id, button) }
	for _, tt := range []struct {
		path, form string
		who        []string
		status     int
		says       string
	}{
		{at(waits, "cancel"), "", bob, 403, "you cannot cancel this job"},
		{at(over, "cancel"), "", bob, 302, ""},
		{at(waits, "fail"), "", bob, 403, "Only superusers can fail a job"},
		{at(waits, "fail"), "", me, 403, "Job should be canceled before being failed"},
		{at(waits, "priority"), "priority=7", bob, 403, "you cannot change the priority of this job"},
		{at(waits, "priority"), "priority=101", me, 400, "0 to 100"},
		{at(waits, "priority"), "priority=high", me, 400, "Enter a number"},
		{at(waits, "priority"), "priority=7", me, 302, ""},
		{at(waits, "annotate_failure"), "failure_comment=x", me, 409, "not over"},
		{at(over, "annotate_failure"), "failure_comment=x", bob, 403, "you cannot annotate this job"},
		{at(over, "annotate_failure"), "failure_comment=no+power&failure_tags=pdu&failure_tags=rack2", me, 302, ""},
		{at(over, "toggle_favorite"), "", bob, 302, ""},
		{at(waits, "cancel"), "reason=done", me, 302, ""},
		{at(99, "cancel"), "", me, 404, ""},
	} {
		a := l.ask("POST", tt.path, tt.form, tt.who...)
		if a.status != tt.status || !strings.Contains(a.body, tt.says) || tt.status == 302 && !strings.HasPrefix(tt.path, a.header.Get("Location")+"/") {
			t.Errorf("POST %s %s: got %d %s, to %q; want %d with %q", tt.path, tt.form, a.status, a.body, a.header.Get("Location"), tt.status, tt.says)
		}
	}
	row := unmarshal[map[string]any](t, l.wants("GET", fmt.Sprintf("/api/v0.2/jobs/%d/", over), nil, 200).body)
	if tags, _ := row["failure_tags"].([]any); row["failure_comment"] != "no power" || len(tags) != 2 {
		t.Errorf("annotated: %v %v", row["failure_comment"], row["failure_tags"])
	}
	favourite := func() (facts []string) {
		for _, f := range unmarshal[struct{ Facts []map[string]any }](t, l.wants("GET", fmt.Sprintf("/api/v1/jobs/%d/history/", over), nil, 200).body).Facts {
			if f["name"] == "job.favoured" {
				facts = append(facts, fmt.Sprint(f["data"]))
			}
		}
		return facts
	}
	l.ask("POST", at(over, "toggle_favorite"), "", bob...)
	if got := favourite(); len(got) != 2 || !strings.Contains(got[0], "favourite:true") || strings.Contains(got[1], "favourite:true") {
		t.Errorf("favourite of bob: %q, want one made and taken back", got)
	}
}

// TestFailRepeatsNothing: a job that is being canceled is not canceled a second time by LAVA's button for one that should
// have ended.
func TestFailRepeatsNothing(t *testing.T) {
	t.Parallel()
	l := start(t)
	id := l.publish(minimal, nil)
	l.Append(t, events.JobScheduled{Job: id, Device: "qemu-01", Worker: "peer-worker", Lease: 1}, events.JobStarted{Job: id, Device: "qemu-01", Worker: "peer-worker", Lease: 1, At: noon})
	state := func() any {
		return unmarshal[map[string]any](t, l.wants("GET", fmt.Sprintf("/api/v0.2/jobs/%d/", id), nil, 200).body)["state"]
	}
	l.until("the job runs", func() bool { return state() == "Running" })
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	for _, button := range []string{"cancel", "fail", "fail"} {
		if a := l.ask("POST", fmt.Sprintf("/scheduler/job/%d/%s", id, button), "reason=done", form...); a.status != 302 {
			t.Errorf("%s: got %d %s", button, a.status, a.body)
		}
		l.until("the job is being canceled", func() bool { return state() == "Canceling" })
	}
	var wishes []any
	for _, r := range eventtest.Facts(t, l.Log, stream.Lab) {
		if e, ok := r.Event.(events.JobCancelRequested); ok {
			wishes = append(wishes, e.Reason)
		}
	}
	if len(wishes) != 1 || wishes[0] != "done" {
		t.Errorf("asked for the end: %q, want once", wishes)
	}
}

// Pages for people stand beside data: only what is data is answered here.
func TestHas(t *testing.T) {
	t.Parallel()
	s := rest.New(rest.Deps{})
	for ask, want := range map[string]bool{"GET /scheduler/job/1": false, "GET /scheduler/job/1/definition": false, "GET /scheduler/job/1/definition/plain": true, "GET /scheduler/job/1/definition/plain/": true, "GET /results/1/csv/": true,
		"HEAD /scheduler/job/1/log_file/plain": true, "GET /scheduler/job/1/cancel": false, "POST /scheduler/job/1/cancel": true, "POST /scheduler/job/1/resubmit": false,
		"GET /scheduler/job/1/configuration": true, "GET /results/1": false, "GET /results/1/csv": true, "GET /results/1/lava": false, "DELETE /results/1/csv": true} {
		method, path, _ := strings.Cut(ask, " ")
		if got := s.Has(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s is data: %v, want %v", ask, got, want)
		}
	}
}
