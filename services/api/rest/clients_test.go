package rest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/services/api"
)

// KernelCI asks whether the server lives, submits with a token and without following redirects, takes the first
// number, and asks for the job and for how much the lab has to do.
func TestKernelCI(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.judge()
	l.verb("devices.add", api.DeviceRequest{Device: "qemu-01", DeviceType: "qemu"}, nil)
	token := []string{"Authorization", "Token " + l.token("kernelci")}
	if a := l.ask("GET", "/api/v0.2/system/version/?format=json", nil, token...); a.status != 200 || !strings.HasPrefix(a.body, `{"version":"20`) {
		t.Errorf("version: got %d %s", a.status, a.body)
	}
	a := l.ask("POST", "/api/v0.2/jobs/?format=json&limit=256", map[string]any{"definition": minimal}, token...)
	var receipt struct {
		IDs []int `json:"job_ids"`
	}
	if err := json.Unmarshal([]byte(a.body), &receipt); err != nil || a.status != 201 || len(receipt.IDs) != 1 {
		t.Fatalf("submit: got %d %s (%v)", a.status, a.body, err)
	}
	a = l.ask("GET", fmt.Sprintf("/api/v0.2/jobs/%d?format=json", receipt.IDs[0]), nil, token...)
	var job struct{ State, Health, Submitter string }
	if err := json.Unmarshal([]byte(a.body), &job); err != nil || job.State != "Submitted" || job.Health != "Unknown" || job.Submitter != "kernelci" {
		t.Errorf("job: got %d %s (%v)", a.status, a.body, err)
	}
	if _, page := l.list("/api/v0.2/jobs/?format=json&limit=256&state=Submitted&requested_device_type=qemu", "id"); page.Count != 1 {
		t.Errorf("queue: %d jobs, want 1", page.Count)
	}
	if names, _ := l.list("/api/v0.2/devices/?format=json&limit=256&device_type__name=qemu&health__in=Good,Unknown", "hostname"); len(names) != 1 {
		t.Errorf("devices: %v, want one", names)
	}
	if a := l.ask("GET", "/api/v0.2/jobs/", nil, "Authorization", "Token nonsense"); a.status != 403 || a.body != `{"detail":"Invalid token."}` {
		t.Errorf("wrong token: got %d %s", a.status, a.body)
	}
}

// token makes an account with a token.
func (l *tested) token(user events.UserName) string {
	l.t.Helper()
	l.verb("users.add", api.UserRequest{User: user}, nil)
	var token api.Token
	l.verb("tokens.issue", api.TokenRequest{User: user, Description: "test"}, &token)
	return token.Value
}

// SQUAD fetches suites and cases of a job that is over, and the plain texts of it.
func TestSQUAD(t *testing.T) {
	t.Parallel()
	l := start(t)
	id := l.finished("job_name: x # why\n", func(e *events.JobSubmitted) { e.Metadata = map[string]string{"a": "b"} })
	value := 2.5
	line := uint64(3)
	l.Append(t, events.ResultsRecorded{Job: id, Lines: 4, Cases: []events.Case{
		{Suite: "lava", Name: "validate", Result: events.Pass, At: noon},
		{Suite: "0_smoke", Set: "net", Name: "ping", Result: events.Fail, At: noon, StartLine: &line, EndLine: &line},
		{Suite: "0_smoke", Name: "boot-time", Result: events.Pass, At: noon, Measurement: &value, Units: "seconds"}}})
	l.frame(id, []events.Record{{Time: noon, Level: "info", Message: json.RawMessage(`"hello"`)}, {Time: noon, Level: "debug", Message: json.RawMessage(`{"a":1}`)}})
	job := fmt.Sprintf("/api/v0.2/jobs/%d/", id)
	suites, _ := l.list(job+"suites/", "id")
	if names, _ := l.list(job+"suites/?name__startswith=0", "name"); strings.Join(names, " ") != "0_smoke" || len(suites) != 2 {
		t.Fatalf("suites %v, of tests %v", suites, names)
	}
	for query, want := range map[string]string{"": "validate ping boot-time", "result=FAIL": "ping", "suite__name=lava": "validate", "measurement__gt=2": "boot-time",
		"test_set__name=net": "ping", "start_log_line=3": "ping", "name__in=ping,pong": "ping", "units=seconds": "boot-time"} {
		if names, _ := l.list(job+"tests/?"+query, "name"); strings.Join(names, " ") != want {
			t.Errorf("tests/?%s: got %v, want %s", query, names, want)
		}
	}
	l.wants("GET", job+"tests/?result=passed", nil, 400, "pass, fail, skip, unknown")
	ids, _ := l.list(job+"suites/"+suites[1]+"/tests/?limit=500&offset=1", "id")
	l.wants("GET", job+"suites/"+suites[1]+"/tests/"+ids[0]+"/", nil, 200, `"name":"boot-time"`, `"measurement":"2.5000000000"`)
	l.wants("GET", job+"tests/1/", nil, 404)
	l.wants("GET", job+"csv/?limit=1&offset=1", nil, 200, `"ping"`)
	l.wants("GET", job+"suites/"+suites[1]+"/yaml/?limit=1", nil, 200, "name: ping")
	l.wants("GET", job+"junit/?classname_prefix=p", nil, 200, `classname="p_0_smoke"`)
	l.wants("GET", job+"metadata/", nil, 200, `{"metadata":[{"a":"b"}]}`)
	l.wants("GET", job+"files/", nil, 200, `"count":0`)
	l.wants("GET", job+"definition/", nil, 200, "# why")
	l.wants("GET", job+"logs/?start=9", nil, 404)

	plain := fmt.Sprintf("/scheduler/job/%d/", id)
	log := l.wants("GET", plain+"log_file/plain", nil, 200, `"msg": "hello"`, `"msg": {"a": ! "1"}`)
	if got := log.header.Get("Content-Disposition"); got != fmt.Sprintf("attachment; filename=job_%d.log", id) || log.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("log: headers %v", log.header)
	}
	l.wants("GET", plain+"definition/plain", nil, 200, "# why")
	l.wants("GET", plain+"multinode_definition/plain", nil, 404)
	if a := l.wants("GET", plain+"log_pipeline_incremental?line=1", nil, 200, `"lvl":"debug"`); a.header.Get("X-Is-Finished") != "1" || strings.Contains(a.body, "hello") {
		t.Errorf("incremental: %v %s", a.header, a.body)
	}
	if a := l.wants("GET", plain+"job_status", nil, 200, `"job_state":"Complete"`); a.header.Get("X-JobState") != "1" {
		t.Errorf("job_status: %v", a.header)
	}
	results := fmt.Sprintf("/results/%d/", id)
	l.wants("GET", results+"csv", nil, 200, "0_smoke,fail")
	l.wants("GET", results+"0_smoke/yaml?limit=1&offset=1", nil, 200, "boot-time")
	l.wants("GET", results+"0_smoke/+testcase-count", nil, 200, "2")
	l.wants("GET", results+"yaml_summary", nil, 200, "name: lava")
	l.wants("GET", results+"metadata", nil, 200, "a: b")
}

// Nobody is shown what is not for them, in lists, counts and single answers alike.
func TestVisibility(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.verb("devices.add", api.DeviceRequest{Device: "secret-01", DeviceType: "secret"}, nil)
	l.verb("groups.add", api.GroupRequest{Group: "kernel"}, nil)
	bob, carol := l.token("bob"), l.token("carol")
	l.verb("groups.join", api.GroupRequest{Group: "kernel", User: "carol"}, nil)
	l.verb("permissions.grant", api.PermissionRequest{Kind: events.DeviceType, Name: "secret", Group: "kernel", Permission: "view_devicetype"}, nil)
	private := l.publish("a: 1", func(e *events.JobSubmitted) { e.Visibility = events.Visibility{} })
	grouped := l.finished("a: 1", func(e *events.JobSubmitted) { e.Visibility = events.Visibility{Groups: []events.GroupName{"kernel"}} })
	hidden := l.publish("a: 1", func(e *events.JobSubmitted) { e.DeviceType = "secret" })
	public := l.finished("a: 1", nil)
	for _, tt := range []struct {
		token string
		want  []events.JobID
	}{{bob, []events.JobID{public}}, {carol, []events.JobID{public, hidden, grouped}}} {
		var page listed
		a := l.ask("GET", "/api/v0.2/jobs/", nil, "Authorization", "Token "+tt.token)
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || page.Count != len(tt.want) {
			t.Errorf("jobs: got %s (%v), want %v", a.body, err, tt.want)
		}
		for _, id := range []events.JobID{private, grouped, hidden, public} {
			want := 404
			for _, seen := range tt.want {
				if seen == id {
					want = 200
				}
			}
			for _, path := range []string{"", "definition/", "suites/", "csv/", "tests/"} {
				want := want
				if want == 404 && (path == "suites/" || path == "tests/") {
					want = 403 // as LAVA
				}
				if a := l.ask("GET", fmt.Sprintf("/api/v0.2/jobs/%d/%s", id, path), nil, "Authorization", "Token "+tt.token); a.status != want {
					t.Errorf("job %d/%s: got %d %s, want %d", id, path, a.status, a.body, want)
				}
			}
			if a := l.ask("GET", fmt.Sprintf("/api/v1/jobs/%d/history/", id), nil, "Authorization", "Token "+tt.token); a.status != want || want == 404 && !strings.Contains(a.body, `"code":"not-found"`) {
				t.Errorf("history of job %d: got %d %s, want %d", id, a.status, a.body, want)
			}
			if a := l.ask("GET", fmt.Sprintf("/scheduler/job/%d/definition/plain", id), nil, "Authorization", "Token "+tt.token); want == 404 && a.status != 403 || want == 200 && a.status != 200 {
				t.Errorf("plain definition of job %d: got %d", id, a.status)
			}
		}
		if a := l.ask("GET", "/api/v0.2/users/", nil, "Authorization", "Token "+tt.token); a.status != 403 {
			t.Errorf("users: got %d, want 403", a.status)
		}
	}
	// Without a name, and the lab not open: health and version, and nothing else.
	for _, path := range []string{"/v1/healthz/", "/api/v0.2/system/version/", "/api/v0.2/openapi.json"} {
		if a := l.ask("GET", path, nil, "X-Forwarded-For", "192.0.2.1"); a.status != 200 {
			t.Errorf("%s to nobody: got %d %s", path, a.status, a.body)
		}
	}
	a := l.ask("GET", "/api/v0.2/jobs/", nil, "X-Forwarded-For", "192.0.2.1")
	if a.status == 200 && !strings.Contains(a.body, `"count":0`) {
		t.Errorf("to nobody: got %d %s", a.status, a.body)
	}
	if a := l.ask("POST", "/api/v0.2/jobs/", map[string]any{"definition": minimal}, "X-Forwarded-For", "192.0.2.1"); a.status != 403 || !strings.Contains(a.body, "credentials were not provided") {
		t.Errorf("submit as nobody: got %d %s", a.status, a.body)
	}
}

// v1 tells what v0.2 cannot.
func TestV1(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.verb("devices.add", api.DeviceRequest{Device: "qemu-01", DeviceType: "qemu"}, nil)
	var before api.LabHealth
	l.verb("health", struct{}{}, &before)
	over := l.finished("a: 1", nil)
	waits := l.publish("a: 1", nil)
	l.Append(t, events.ResultsRecorded{Job: over, Lines: 2, Cases: []events.Case{{Suite: "lava", Name: "login-action", Result: events.Fail, At: noon}}})
	l.wants("GET", fmt.Sprintf("/api/v1/jobs/%d/why/", waits), nil, 200, `"summary":`)
	l.wants("GET", fmt.Sprintf("/api/v1/jobs/%d/history/", over), nil, 200, `"job.submitted"`, `"job.finished"`)
	l.wants("GET", fmt.Sprintf("/api/v1/jobs/%d/", over), nil, 200, `"code":null`, `"attempts":[]`)
	l.wants("GET", "/api/v1/jobs/99/", nil, 404, `"code":"not-found"`)
	l.wants("GET", "/api/v1/device-types/qemu/availability/", nil, 200, `"queued":1`, `"queued_by_priority":{"50":1}`)
	l.wants("GET", "/api/v1/device-types/none/availability/", nil, 404, `"code":"not-found"`)
	l.wants("GET", "/api/v1/health/", nil, 200, `"workers_online":0`, `"waiting":1`)
	l.wants("GET", "/api/v1/queue/", nil, 200, `"total":1`)
	l.wants("GET", "/api/v1/at/?ask=devices.list&seq="+fmt.Sprint(before.Sequence), nil, 200, `"seq":`, "qemu-01")
	l.wants("GET", "/api/v1/at/?ask=devices.fly&seq=1", nil, 400, "devices.list")
	until := noon.Add(time.Hour)
	l.wants("POST", "/api/v1/reservations/", map[string]any{"devices": []string{"qemu-01"}, "user": "alice", "until": until, "reason": "demo"}, 201, `"active":true`)
	l.wants("GET", "/api/v1/reservations/", nil, 200, "demo")
	l.wants("DELETE", "/api/v1/reservations/1/", nil, 204)
	l.wants("GET", "/v1/healthz/", nil, 200, `{"health":"good"}`)
	l.wants("GET", "/v1/prometheus/", nil, 200, `device_type{name="qemu",state="queue"} 1`, "jobs_running 0")

	// The cursor leads through all facts, each once, and waits for the next one.
	var seen []string
	cursor := before.Sequence
	for range 50 {
		a := l.wants("GET", fmt.Sprintf("/api/v1/events/?since=%d&limit=3", cursor), nil, 200)
		var got struct {
			Events []struct{ Name string }
			Next   uint64
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatal(err)
		}
		for _, e := range got.Events {
			seen = append(seen, e.Name)
		}
		if cursor = got.Next; len(got.Events) == 0 {
			break
		}
	}
	if got := strings.Join(seen, " "); got != "job.submitted job.scheduled job.started job.finished job.submitted reservation.made reservation.ended" {
		t.Errorf("facts since %d: %s", before.Sequence, got)
	}
	answer := make(chan answered, 1)
	go func() { answer <- l.ask("GET", fmt.Sprintf("/api/v1/events/?since=%d&wait=60", cursor), nil) }()
	l.Append(t, events.JobPrioritySet{Job: waits, Priority: 1, By: "alice"})
	if a := <-answer; !strings.Contains(a.body, "job.priority-set") {
		t.Errorf("waiting for a fact: got %d %s", a.status, a.body)
	}
	l.wants("GET", "/api/v1/events/?since=x", nil, 400, `"code":"invalid"`, `"field":"since"`)
}
