package rest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// A real LAVA was asked the same, or its manual says so: status, words, and that a right is asked for first.
func TestAsked(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.verb("workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "qemu"}, nil)
	l.verb("devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Worker: "w1"}, nil)
	over := l.finished(minimal, nil)
	job := fmt.Sprintf("jobs/%d/", over)
	bob := "Token " + l.token("bob")
	type m = map[string]any
	for _, tt := range []struct {
		who, method, path string
		body              any
		status            int
		want              string
	}{
		{bob, "POST", "devices/", m{}, 403, `{"detail":"You do not have permission to perform this action."}`},
		{bob, "POST", "devices/q1/set_health/", m{}, 403, `{"detail":"You do not have permission`},
		{bob, "POST", "devices/q1/dictionary/", m{}, 403, `{"detail":"You do not have permission`},
		{bob, "PATCH", "devices/none/", m{}, 403, `{"detail":"You do not have permission`},
		{bob, "DELETE", "devicetypes/qemu/", nil, 403, `{"detail":"You do not have permission`},
		{bob, "POST", "devicetypes/", m{}, 403, `{"detail":"You do not have permission`},
		{bob, "PUT", "workers/w1/", m{}, 403, `{"detail":"You do not have permission`},
		{bob, "POST", "workers/", m{}, 403, `{"detail":"You do not have permission`},
		{bob, "PATCH", job, m{}, 403, `{"detail":"You do not have permission`},
		{"nobody", "POST", "devices/", m{}, 403, `{"detail":"Authentication credentials were not provided."}`},
		{"nobody", "PUT", "workers/w1/", m{}, 403, `{"detail":"Authentication credentials were not provided."}`},
		{"", "PATCH", job, m{}, 403, `cannot be changed once it was submitted`},
		{"", "POST", "devices/", m{"hostname": "q2", "device_type": "none"}, 400, `{"device_type":["Invalid pk \"none\" - object does not exist."]}`},
		{"", "POST", "devices/", m{"hostname": "q2", "device_type": "qemu", "worker_host": "none"}, 400, `{"worker_host":["Invalid pk \"none\"`},
		{"", "POST", "devices/", m{"hostname": "q2", "device_type": "qemu", "health": "fine"}, 400, `{"health":["\"fine\" is not a valid choice."]}`},
		{"", "POST", "devices/", m{"hostname": "q1", "device_type": "qemu"}, 400, `{"hostname":["device with this Hostname already exists."]}`},
		{"", "POST", "devices/", m{"hostname": nil, "device_type": []string{"a"}}, 400, `{"hostname":["This field may not be null."],"device_type":["Not a valid string."]}`},
		{"", "PATCH", "devices/q1/", m{"worker_host": "none"}, 400, `{"worker_host":["Invalid pk \"none\"`},
		{"", "PATCH", "devices/q1/", m{"health": "fine"}, 400, `{"health":["\"fine\" is not a valid choice."]}`},
		{"", "POST", "devices/q1/set_health/", m{"health": "fine"}, 400, `{"message":"Wrong device health FINE"}`},
		{"", "POST", "devices/q1/set_health/", m{}, 400, `{"message":"Wrong device health None"}`},
		{"", "POST", "workers/w1/set_health/", m{"health": "fine"}, 400, `{"message":"Wrong worker health FINE"}`},
		{"", "POST", "workers/", m{"hostname": "w1"}, 400, `{"hostname":["worker with this Hostname already exists."]}`},
		{"", "GET", "workers/w1/", nil, 200, `{"hostname":"w1","health":"Active","state":"Offline","description":null,`},
		{"", "GET", "devicetypes/qemu/template/", nil, 200, "extends"}, // comes with the lab
		{"", "POST", "devicetypes/qemu/template/", m{}, 400, `{"template":"Device type template is required."}`},
		{"", "GET", "devicetypes/qemu/health_check/", nil, 400, `{"detail":"Device-type 'qemu' health check was not found."}`},
		{"", "POST", "devicetypes/qemu/health_check/", m{}, 400, `{"config":"Health check configuration is required."}`},
		{"", "POST", "aliases/", m{"name": "virt", "device_type": "none"}, 400, `{"device_type":["Invalid pk \"none\"`},
		{"", "GET", "devices/q1/dictionary/?render=true&context=[", nil, 400, `does not have a configuration`},
		{"", "POST", "jobs/", m{"definition": []string{"a"}}, 400, `{"definition":["Not a valid string."]}`},
		{"", "POST", "jobs/", m{"definition": nil}, 400, `{"definition":["This field may not be null."]}`},
		{"", "POST", "jobs/", []string{}, 400, `Expected a dictionary, but got list.`},
		{"nobody", "POST", "jobs/validate/", m{}, 400, `{"definition":"Test job definition is required."}`},
		{"nobody", "POST", "jobs/validate_testdef/", m{"definition": ""}, 400, `{"definition":"Test definition is required."}`},
		{"nobody", "PUT", "jobs/", m{}, 403, `{"detail":"Authentication credentials were not provided."}`},
		{"nobody", "DELETE", "system/version/", nil, 403, `{"detail":"Authentication credentials were not provided."}`},
		{"nobody", "PUT", "jobs/validate/", m{}, 405, `{"detail":"Method \"PUT\" not allowed."}`},
		{bob, "PUT", "devices/", m{}, 403, `{"detail":"You do not have permission`},
		{bob, "POST", "devices/q1/", m{}, 403, `{"detail":"You do not have permission`},
		{bob, "PUT", "jobs/", m{}, 405, `{"detail":"Method \"PUT\" not allowed."}`},
		{"", "PUT", "devices/", m{}, 405, `{"detail":"Method \"PUT\" not allowed."}`},
		{"token " + strings.TrimPrefix(bob, "Token "), "GET", "system/whoami/", nil, 200, `{"user":"bob"}`},
		{"Token", "GET", "jobs/", nil, 403, `{"detail":"Invalid token header. No credentials provided."}`},
		{"Token a b", "GET", "jobs/", nil, 403, `{"detail":"Invalid token header. Token string should not contain spaces."}`},
		{"token x", "GET", "jobs/", nil, 403, `{"detail":"Invalid token."}`},
		{"", "POST", "tags/", nil, 400, `{"name":["This field is required."]}`},
		{"", "POST", "tags/", json.RawMessage("null"), 400, `{"non_field_errors":["No data provided"]}`},
		{"", "GET", "jobs/?submitter__email=nobody@example.com", nil, 200, `{"count":0,`},
		{"", "GET", "jobs/?submitter__group__name__contains=x", nil, 200, `{"count":0,`},
		{bob, "GET", "jobs/?submitter__email__contains=e", nil, 403, `{"detail":"`},
		{"", "OPTIONS", job + "logs/", nil, 200, `{"name":"Test Job logs",`},
		{"", "OPTIONS", "devices/q1/", nil, 200, `{"name":"Device Instance",`},
		{"", "OPTIONS", "devices/", nil, 200, `"multipart/form-data","text/plain"],"actions":{"POST":`},
		{"", "OPTIONS", "permissions/devicetypes/", nil, 200, `{"name":"Group Device Type Permission List",`},
		{bob, "OPTIONS", "devices/", nil, 200, `"multipart/form-data","text/plain"]}`},
	} {
		header := []string{}
		if tt.who != "" {
			header = append(header, "Authorization", tt.who)
		}
		if tt.who == "nobody" {
			header = []string{"X-Forwarded-For", "192.0.2.1"}
		}
		if a := l.ask(tt.method, "/api/v0.2/"+tt.path, tt.body, header...); a.status != tt.status || !strings.Contains(a.body, tt.want) {
			t.Errorf("%s %s %v: got %d %s, want %d with %s", tt.method, tt.path, tt.body, a.status, a.body, tt.status, tt.want)
		}
	}
	for accept, want := range map[string]int{"application/xml": 406, "text/csv": 406, "*/*": 200, "text/html, application/json": 200, "application/*;q=0.8": 200} {
		if a := l.ask("GET", "/api/v0.2/system/version/", nil, "Accept", accept); a.status != want {
			t.Errorf("Accept: %s: got %d %s, want %d", accept, a.status, a.body, want)
		}
	}
	if a := l.ask("GET", "/api/v0.2/"+job+"csv/", nil, "Accept", "text/csv"); a.status != 200 {
		t.Errorf("results for whom takes CSV: got %d %s", a.status, a.body)
	}
	if a := l.ask("GET", "/api/v0.2/system/whoami/", nil, "Accept", "application/json; indent=4"); !strings.HasPrefix(a.body, "{\n    \"user\"") {
		t.Errorf("indented: got %s", a.body)
	}
}

// A personal job is LAVA's for the group that is called like its submitter; one that never ran began when it ended.
func TestJobFields(t *testing.T) {
	t.Parallel()
	l := start(t)
	personal := l.publish(minimal, func(e *events.JobSubmitted) { e.Visibility = events.Visibility{} })
	l.Append(t, events.JobWithdrawn{Job: personal, Reason: "canceled by alice", By: "alice"})
	row := unmarshal[map[string]any](t, l.wants("GET", fmt.Sprintf("/api/v0.2/jobs/%d/", personal), nil, 200).body)
	if groups, _ := row["viewing_groups"].([]any); len(groups) != 1 || row["start_time"] == nil || row["start_time"] != row["end_time"] {
		t.Errorf("got viewing_groups %v, start_time %v, end_time %v", row["viewing_groups"], row["start_time"], row["end_time"])
	}
}
