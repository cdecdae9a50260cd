package rest_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/stream"
	"strata/services/api"
)

// The parts of a group are found by the number that people write at every address that names a job, and told of by
// their own.
func TestAddressesOfParts(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "qemu"}, nil)
	first := l.publish("job_name: group\n", func(e *events.JobSubmitted) {
		e.Display, e.Part = e.Display+".0", &events.Membership{Group: "g", Parent: e.Job, Role: "server", Size: 2}
	})
	part := events.JobID(1000)
	member := func(id events.JobID, n int, role string) events.JobSubmitted {
		return events.JobSubmitted{Job: id, Display: fmt.Sprintf("%d.%d", first, n), User: "alice", Name: "group", At: noon, DeviceType: "qemu", JobTimeout: 60,
			Source: events.Source{Sequence: uint64(first)}, Visibility: events.Visibility{Public: true}, Part: &events.Membership{Group: "g", Parent: first, Role: role, Size: 2}}
	}
	l.Append(t, member(part, 1, "client"), events.DefinitionSplit{Job: first, Group: "g", Parts: []events.JobID{first, part}},
		events.JobScheduled{Job: part, Device: "q1", Worker: "w1", Lease: 9}, events.JobStarted{Job: part, Device: "q1", Worker: "w1", Lease: 9, At: noon})
	line, end := uint64(1), uint64(2)
	low, high := 9.5, 10.0
	l.Append(t, events.ResultsRecorded{Job: part, Lines: 3, Cases: []events.Case{{Suite: "0_a", Name: "ping", Result: events.Fail, At: noon, StartLine: &line, EndLine: &end},
		{Suite: "0_a", Name: "slow", Result: events.Pass, At: noon, Measurement: &high, Units: "s"}, {Suite: "0_a", Name: "fast", Result: events.Skip, At: noon, Measurement: &low, Units: "s"},
		{Suite: "0_a", Set: "s", Name: "odd", Result: events.Outcome("unknown"), At: noon}}})
	said := func(n int) events.Record {
		return events.Record{Time: noon, Level: "target", Message: json.RawMessage(fmt.Sprintf(`"line %d"`, n))}
	}
	// Lines 3 and 4 never came.
	for at, n := range [][]int{0: {0, 1, 2}, 5: {5}} {
		if n == nil {
			continue
		}
		var body []byte
		for _, i := range n {
			text, err := json.Marshal(said(i))
			if err != nil {
				t.Fatal(err)
			}
			body = append(append(body, text...), '\n')
		}
		l.frameAt(events.Frame{Job: part, Lease: 9, First: uint64(at), Count: uint64(len(n)), Body: body})
	}
	l.folded()
	named := fmt.Sprintf("%d.1", first)
	job, number := "jobs/"+named+"/", part.String()
	suite := l.id(job + "suites/")
	rows := []asks{
		{"", "GET", job, nil, 200, `{"id":` + number + `,"submitter":"alice"`},
		{"", "GET", "jobs/" + number + "/", nil, 200, `"id":` + number},
		{"", "GET", fmt.Sprintf("jobs/%d.2/", first), nil, 404, notThere},
		{"", "GET", "jobs/0/", nil, 404, notThere}, {"", "GET", "jobs/x/", nil, 404, notThere}, {"", "GET", "jobs/1.2.3/", nil, 404, notThere}, {"", "GET", "jobs/-1/", nil, 404, notThere},
		{"", "GET", "jobs/99999999999999999999/", nil, 404, notThere},
		{"", "GET", job + "suites/" + suite + "/", nil, 200, `"name":"0_a","job":` + number + `}`},
		{"", "GET", job + "suites/7/", nil, 404, notThere}, {"", "GET", job + "suites/x/tests/", nil, 404, notThere}, {"", "GET", "jobs/999/suites/", nil, 404, notThere},
		{"", "GET", job + "metadata/", nil, 200, `{"metadata":[]}`},
		{"", "GET", job + "definition/", nil, 200, "job_name: group"},
		// A job that has not ended has no end to write; LAVA answers an error.
		{"", "GET", job + "junit/?classname_prefix=lab", nil, 200, `classname="lab_0_a"`},
		{"", "GET", job + "junit/", nil, 200, `<skipped type="skipped" message="skipped"/>`},
		{"", "GET", job + "tap13/", nil, 200, "1..4\n"},
		{"", "GET", job + "csv/?limit=1", nil, 200, `"` + number + `","0_a","fail"`},
		{"", "GET", job + "csv/?limit=x", nil, 400, `{"limit":["`}, {"", "GET", job + "yaml/?offset=-1", nil, 400, `{"offset":["`},
		{"", "GET", job + "yaml/?offset=4", nil, 200, "[]"},
		{"", "GET", job + "suites/" + suite + "/csv/?limit=1&offset=2", nil, 200, `"fast"`},
		{"", "GET", job + "logs/?start=4&end=9", nil, 200, "<line missing>"},
		{"", "GET", job + "logs/?start=1&end=2", nil, 200, `"msg": "line 1"}`},
		{"", "GET", job + "logs/?start=6", nil, 404, notThere}, {"", "GET", job + "logs/?start=2&end=2", nil, 404, notThere}, {"", "GET", fmt.Sprintf("jobs/%d/logs/", first), nil, 404, notThere},
		{"", "GET", job + "logs/?start=first", nil, 400, `{"start":["`},
		{"", "GET", "/scheduler/job/" + named + "/log_file/plain", nil, 200, `"msg": "line 5"}`},
		{"", "GET", "/scheduler/job/" + named + "/log_pipeline_incremental?line=5", nil, 200, `[{"dt":"2026-11-22T12:00:00`},
		{"", "GET", "/scheduler/job/" + named + "/log_pipeline_incremental?line=x", nil, 200, `"msg":"line 0"`},
		{"", "GET", "/scheduler/job/" + named + "/log_pipeline_incremental?line=9223372036854775807", nil, 200, `[]`},
		{"", "GET", "/scheduler/job/" + named + "/definition/plain", nil, 200, "job_name: group"},
		{"", "GET", "/scheduler/job/" + named + "/job_status", nil, 200, `"job_state":"Running","job_health":0,"failure_comment":null,"started":"2026-11-22T12:00:00Z","subjobs":[[` + first.String() + `,"Submitted"],[` + number + `,"Running"]]}`},
		{"", "GET", "/scheduler/job/" + named + "/timing", nil, 200, `"graph":[]}`},
		{"", "GET", "/scheduler/job/" + named + "/job_data", nil, 404, notThere},
		{"", "GET", "/scheduler/job/x/log_file/plain", nil, 404, notThere},
		{"", "GET", "/results/" + named + "/csv", nil, 200, number + ",0_a,fail"},
		{"", "GET", "/results/" + named + "/0_a/csv?limit=1&offset=1", nil, 200, `"slow"`},
		{"", "GET", "/results/" + named + "/0_a/csv?offset=3", nil, 200, `"ping"`}, // without a limit it means nothing
		{"", "GET", "/results/" + named + "/nope/csv", nil, 404, notThere}, {"", "GET", "/results/" + named + "/nope/yaml", nil, 404, notThere},
		{"", "GET", "/results/" + named + "/nope/+testcase-count", nil, 404, notThere}, {"", "GET", "/results/" + named + "/0_a/+testcase-count", nil, 200, "4"},
		{"", "GET", "/results/" + named + "/yaml_summary", nil, 200, "- id: '" + suite + "'\n  job: '" + number + "'\n  name: 0_a\n"},
		{"", "GET", "/api/v1/jobs/" + named + "/", nil, 200, `"job":` + number}, {"", "GET", "/api/v1/jobs/" + named + "/why/", nil, 200, ""},
		{"", "GET", "/api/v1/jobs/" + named + "/history/", nil, 200, `"job.started"`},
		{"", "GET", "/api/v1/events/?entity=job/" + named, nil, 200, `"job.started"`},
		{"", "POST", "jobs/batch_cancel/", map[string]any{}, 400, `{"job_ids":["This field is required."]}`},
		{"", "POST", "jobs/batch_cancel/", map[string]any{"job_ids": []any{"x", 999, named, -1, "1.2.3"}}, 200, `"job_ids":["` + named + `"],"invalid_job_ids":["x",999,"-1","1.2.3"]}`},
		{"", "POST", "jobs/batch_cancel/", url.Values{"job_ids": {first.String(), "999"}}, 200, `"job_ids":[` + first.String() + `],"invalid_job_ids":[999]}`},
		{"", "DELETE", job, nil, 409, "only jobs that are over"},
		{"", "POST", "/scheduler/job/" + named + "/fail", "", 302, ""}, // which has been canceled
	}
	l.testsBy(job, suite)
	l.excerpts(job)
	l.each(rows)
}

// frameAt sends a frame as it is.
func (l *tested) frameAt(f events.Frame) {
	l.t.Helper()
	if _, err := stream.PublishFrame(l.t.Context(), l.Log.JetStream(), f); err != nil {
		l.t.Fatal(err)
	}
}

// Texts of devices, types and workers are written and read; jobs are judged, and removed.
func TestTextsAndJudgements(t *testing.T) {
	t.Parallel()
	l := start(t)
	type m = map[string]any
	l.verb("workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	l.verb("workers.register", api.WorkerRequest{Worker: "w2"}, nil)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "board"}, nil)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "qemu"}, nil)
	l.verb("devices.add", api.DeviceRequest{Device: "b1", DeviceType: "board", Worker: "w1"}, nil)
	l.verb("tags.add", api.TagRequest{Tag: "usb"}, nil)
	usb := l.id("tags/?name=usb")
	over, waits := l.publish("job_name: x\n", nil), l.publish("job_name: x\n", nil)
	l.Append(t, events.JobScheduled{Job: over, Device: "q1", Worker: "w1", Lease: 8}, events.JobStarted{Job: over, Device: "q1", Worker: "w1", Lease: 8, At: noon.Add(-time.Hour)},
		events.JobFinished{Job: over, Device: "q1", Worker: "w1", Lease: 8, Health: events.Complete, At: noon.Add(-time.Minute), LinesKnown: true}, events.JobOutputComplete{Job: over, Lease: 8})
	hidden := l.publish("job_name: x\n", func(e *events.JobSubmitted) { e.Visibility = events.Visibility{} })
	l.folded()
	bob := "Token " + l.token("bob")
	const good = "job_name: a\ndevice_type: board\nvisibility: public\ntimeouts: {job: {minutes: 9}, action: {minutes: 2}}\nactions:\n- boot: {method: minimal, prompts: ['# '], colour: red}\n"
	l.each([]asks{
		{"", "GET", "devices/b1/dictionary/", nil, 400, `{"detail":"Device 'b1' does not have a configuration"}`},
		{"", "POST", "devices/b1/dictionary/", m{}, 400, `{"dictionary":["This field is required."]}`},
		{"", "POST", "devices/b1/dictionary/", m{"dictionary": "{% extends 'none.jinja2' %}"}, 400, `{"dictionary":["`},
		{bob, "POST", "devices/b1/dictionary/", m{"dictionary": "a: 1\n"}, 403, notAllowed},
		{"", "POST", "devicetypes/board/template/", m{"template": "available_architectures: [{{ arch|default('none') }}]\n{{ more }}"}, 204, ""},
		{"", "POST", "devices/b1/dictionary/", url.Values{"dictionary": {"{% extends 'board.jinja2' %}{% set more = 'actions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}' %}"}}, 200, `{"message":"device config successfully updated"}`},
		{"", "GET", "devices/b1/dictionary/?render=1&context={arch:+arm}", nil, 200, "available_architectures: [arm]\nactions: {"},
		{"", "GET", "devices/b1/dictionary/?render=false&context=[", nil, 200, "{% extends"},
		{"", "GET", "devices/b1/dictionary/?render=true&context=[", nil, 400, `{"detail":"Job Context '[' is not valid: `},
		{"", "POST", "devicetypes/board/template/", m{"template": "a: 1\n"}, 204, ""},
		{"", "GET", "devicetypes/board/template/", nil, 200, "a: 1\n"},
		{"", "POST", "devicetypes/board/health_check/", m{"config": good}, 204, ""},
		{"", "GET", "devicetypes/board/health_check/", nil, 200, "colour: red"},
		{bob, "POST", "devicetypes/board/health_check/", m{"config": good}, 403, notAllowed},
		{"", "GET", "workers/w1/config/", nil, 400, `{"detail":"Worker 'w1' does not have 'dispatcher' file"}`},
		{"", "GET", "workers/w1/env/", nil, 400, `{"detail":"Worker 'w1' does not have 'env' file"}`},
		{"", "POST", "workers/w1/config/", m{"config": "dispatcher_ip: 192.0.2.1\n"}, 200, `{"message":"content successfully updated"}`},
		{"", "GET", "workers/w1/config/", nil, 200, "dispatcher_ip: 192.0.2.1\n"},
		{"", "POST", "workers/none/config/", m{"config": "a: 1"}, 404, notThere},
		{"", "PATCH", "devices/b1/", m{"worker_host": "w2", "tags": []string{usb}, "device_version": "rev B"}, 200, `"device_version":"rev B"`},
		{"", "GET", "devices/?worker_host=w2&tags__name=usb", nil, 200, `"count":1,`},
		{"", "PATCH", "devicetypes/board/", m{"architecture": "arm64", "aliases": []string{"plank"}, "disable_health_check": true, "health_denominator": "jobs"}, 200,
			`"architecture":"arm64","processor":null,"cpu_model":null,"aliases":["plank"],"bits":null,"cores":[],"core_count":null,"description":null,"health_frequency":24,"disable_health_check":true,"health_denominator":"hours"`},
		{"", "GET", "devicetypes/plank/", nil, 404, notThere},
		{"", "DELETE", "devicetypes/board/", nil, 409, `{"detail":"`},
		{"", "DELETE", "workers/w2/", nil, 409, `{"detail":"`},
		{bob, "DELETE", fmt.Sprintf("jobs/%d/", over), nil, 403, notAllowed}, {bob, "DELETE", fmt.Sprintf("jobs/%d/", waits), nil, 403, notAllowed},
		{"", "DELETE", fmt.Sprintf("jobs/%d/", waits), nil, 409, "only jobs that are over"}, {"nobody", "DELETE", fmt.Sprintf("jobs/%d/", over), nil, 403, notNamed},
		{"nobody", "PATCH", "jobs/999/", m{}, 403, notNamed}, {bob, "PUT", "jobs/999/", m{}, 403, notAllowed}, {"", "PUT", "jobs/999/", m{}, 404, notThere},
		{"", "DELETE", fmt.Sprintf("jobs/%d/", over), nil, 204, ""},
		{"", "GET", fmt.Sprintf("jobs/%d/", over), nil, 404, notThere},
		{"", "DELETE", "jobs/999/", nil, 404, notThere},
		{"nobody", "POST", "jobs/validate/", m{"definition": good}, 200, `{"message":"Job valid."}`},
		{"nobody", "POST", "jobs/validate/", m{"definition": good, "strict": nil}, 200, `{"message":"Job valid."}`},
		{"nobody", "POST", "jobs/validate/", m{"definition": good, "strict": true}, 200, `{"message":"Job invalid: extra keys not allowed @ ['actions[0]', 'boot', 'minimal', 'colour']"}`},
		{"nobody", "POST", "jobs/validate/", url.Values{"definition": {good}, "strict": {"true"}}, 200, `'colour']"}`},
		{"nobody", "POST", "jobs/validate/", m{"definition": strings.Replace(good, "visibility: public\n", "", 1)}, 200, `{"message":"Job invalid: required key not provided @ ['visibility']"}`},
		{"nobody", "POST", "jobs/validate/", m{"definition": "a: ["}, 400, `{"message":"Job invalid: `},
		{"nobody", "POST", "jobs/validate_testdef/", m{"definition": "metadata: {format: Lava-Test Test Definition 1.0, name: a, description: b}\nrun: {steps: [ls]}\n"}, 200, `{"message":"Test definition valid."}`},
		{"nobody", "POST", "jobs/validate_testdef/", m{"definition": "run: {steps: [ls]}\n"}, 200, `{"message":"Test definition invalid: `},
		{"nobody", "POST", "devices/validate/", "a: 1\n", 403, notNamed},
		{"", "POST", "devices/validate/", "{% extends 'none.jinja2' %}", 200, `{"message":"Device dictionary invalid: `},
		{"nobody", "POST", "jobs/", m{"definition": good}, 403, notNamed},
		{"nobody", "POST", "jobs/batch_cancel/", m{"job_ids": []int{1}}, 403, notNamed},
	})
	l.hiddenJob(bob, hidden, waits)
	l.refusalsOfV1(bob)
}

// hiddenJob asks for a job as somebody who may not see it, and for another that waits, which he may see: it is not there, but for
// its suites and tests and what stands beside its page, as in LAVA.
func (l *tested) hiddenJob(bob string, hidden, waits events.JobID) {
	l.t.Helper()
	type m = map[string]any
	rows, job := []asks{}, fmt.Sprintf("jobs/%d/", hidden)
	for _, at := range []string{"", "logs/", "definition/", "metadata/", "csv/", "yaml/", "junit/", "tap13/", "files/", "cancel/"} {
		rows = append(rows, asks{bob, "GET", job + at, nil, 404, notThere}, asks{"", "GET", "jobs/999/" + at, nil, 404, notThere})
	}
	for _, at := range []string{"suites/", "suites/1/", "suites/1/tests/", "suites/1/tests/1/", "suites/1/csv/", "tests/", "tests/1/"} {
		rows = append(rows, asks{bob, "GET", job + at, nil, 403, notAllowed}, asks{"", "GET", "jobs/999/" + at, nil, 404, notThere})
	}
	for _, at := range []string{"/scheduler/job/%d/definition/plain", "/scheduler/job/%d/log_file/plain", "/scheduler/job/%d/job_status", "/scheduler/job/%d/timing", "/scheduler/job/%d/description",
		"/scheduler/job/%d/configuration", "/scheduler/job/%d/job_data", "/scheduler/job/%d/log_pipeline_incremental", "/results/%d/csv", "/results/%d/yaml_summary", "/results/%d/metadata",
		"/results/%d/lava/yaml", "/results/%d/lava/+testcase-count"} {
		rows = append(rows, asks{bob, "GET", fmt.Sprintf(at, hidden), nil, 403, notAllowed}, asks{"", "GET", fmt.Sprintf(at, 999), nil, 404, notThere})
	}
	l.each(append(rows, []asks{
		{bob, "POST", job + "resubmit/", m{}, 404, notThere}, {bob, "POST", job + "cancel/", m{}, 404, notThere}, {bob, "DELETE", job, nil, 404, notThere},
		{bob, "POST", "jobs/batch_cancel/", m{"job_ids": []any{hidden, waits}}, 200, fmt.Sprintf(`"job_ids":[],"invalid_job_ids":[%d,%d]}`, hidden, waits)},
		{bob, "POST", fmt.Sprintf("jobs/%d/cancel/", waits), m{}, 403, notAllowed}, {bob, "GET", fmt.Sprintf("jobs/%d/cancel/", waits), nil, 403, notAllowed},
		{bob, "GET", fmt.Sprintf("jobs/?id=%d", hidden), nil, 200, `"count":0,`},
	}...))
}

// refusalsOfV1 asks what v1 refuses: every error has a code, whichever part of the server refuses.
func (l *tested) refusalsOfV1(bob string) {
	l.t.Helper()
	type m = map[string]any
	l.each([]asks{
		{"", "GET", "/api/v1/", nil, 200, `"audit":"http`},
		{"", "GET", "/api/v1/nothing/", nil, 404, `{"code":"not-found","detail":"`},
		{"Token x", "GET", "/api/v1/health/", nil, 403, `{"code":"denied","detail":"Invalid token."}`},
		{"nobody", "GET", "/api/v1/jobs/1/", nil, 403, `{"code":"denied","detail":"`},
		{"nobody", "POST", "/api/v1/reservations/", m{}, 403, `{"code":"denied","detail":"Authentication credentials were not provided."}`},
		{"", "PUT", "/api/v1/queue/", m{}, 405, `{"code":"invalid","detail":"Method \"PUT\" not allowed."}`},
		{"", "GET", "/api/v1/audit/?since=noon", nil, 400, `{"code":"invalid","detail":"since is \"noon\"; write it like 2026-11-23T10:00:00Z","field":"since"}`},
		{"", "GET", "/api/v1/audit/?limit=0", nil, 400, `"field":"limit"}`}, {"", "GET", "/api/v1/audit/?limit=1001", nil, 400, `"field":"limit"}`},
		{"", "GET", "/api/v1/audit/?entity=device/b1&limit=1", nil, 200, `"device/b1"`}, {"", "GET", "/api/v1/audit/?since=2100-01-01T00:00:00Z", nil, 200, `"facts":[]`},
		{bob, "GET", "/api/v1/audit/?user=ann", nil, 403, `{"code":"denied"`},
		{"", "GET", "/api/v1/at/?ask=devices.list", nil, 400, `{"code":"invalid"`}, {"", "GET", "/api/v1/at/?ask=devices.list&time=soon", nil, 400, `"field":"time"}`},
		{"", "GET", "/api/v1/at/?ask=devices.show&seq=9&request={", nil, 400, `"field":"request"}`}, {"", "GET", "/api/v1/at/?ask=devices.list&seq=x", nil, 400, `"field":"seq"}`},
		{"", "POST", "/api/v1/reservations/", "{", 400, `{"code":"invalid"`}, {"", "POST", "/api/v1/reservations/", m{"colour": 1}, 400, `{"code":"invalid"`},
		{"", "DELETE", "/api/v1/reservations/x/", nil, 404, `{"code":"not-found"`}, {"", "DELETE", "/api/v1/reservations/77/", nil, 404, `{"code":"not-found"`},
		{"", "GET", "/api/v1/events/?wait=61", nil, 400, `"field":"wait"}`}, {"", "GET", "/api/v1/events/?entity=cow/1", nil, 400, `{"code":"invalid"`},
		{"", "GET", "/api/v1/queue/?limit=0", nil, 400, `"field":"limit"}`}, {"", "GET", "/api/v1/jobs/x/history/", nil, 400, `{"code":"invalid"`},
	})
}

// excerpts holds what a case that failed has in the log, from its first line up to, not including, its last one; it comes from the
// tables.
func (l *tested) excerpts(job string) {
	l.t.Helper()
	for format, excerpt := range map[string]string{"junit": `<failure type="failure" message="failed">line 1` + "\n</failure>", "tap13": "line 1"} {
		var text string
		l.until(format+" has the lines of the case that failed", func() bool {
			text = l.ask("GET", "/api/v0.2/"+job+format+"/", nil).body
			return strings.Contains(text, excerpt)
		})
		if strings.Contains(text, "line 0") || strings.Contains(text, "line 2") {
			l.t.Errorf("%s: lines of other cases in %s", format, text)
		}
	}
}

// testsBy holds filters and orders of a job's cases.
func (l *tested) testsBy(job, suite string) {
	l.t.Helper()
	for query, want := range map[string]string{"ordering=measurement": "fast slow ping odd", "ordering=-measurement,name": "odd ping slow fast", "measurement__lt=10": "fast", "measurement__gte=9.50": "slow fast",
		"result=UNKNOWN": "odd", "start_log_line__lte=1": "ping", "end_log_line__gt=2": "", "test_set__name__icontains=S": "odd", "units=s&name__endswith=t": "fast", "suite=" + suite: "ping slow fast odd",
		"logged__lt=2026-11-22T12:00:00Z": "", "logged__gte=2026-11-22T12:00:00Z": "ping slow fast odd", "metadata__contains=case: odd": "odd", "suite__name=lava": ""} {
		if got, _ := l.list("/api/v0.2/"+job+"tests/?"+strings.ReplaceAll(query, " ", "%20"), "name"); strings.Join(got, " ") != want {
			l.t.Errorf("tests/?%s: got %v, want %s", query, got, want)
		}
	}
}
