package rest_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// A body that is refused has changed nothing, whichever of its fields is wrong.
func TestRefusedBodyChangesNothing(t *testing.T) {
	t.Parallel()
	l := start(t)
	base := "/api/v0.2/"
	type m = map[string]any
	l.verb("workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "board", Aliases: []string{"brett"}}, nil)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "qemu"}, nil)
	l.verb("devices.add", api.DeviceRequest{Device: "b1", DeviceType: "board", Worker: "w1", Description: "as it was"}, nil)
	l.verb("users.add", api.UserRequest{User: "ann"}, nil)
	for _, tt := range []struct {
		method, path string
		body         m
		want         string
	}{
		{"PATCH", "devices/b1/", m{"description": "new", "health": "fine"}, `{"health":["\"fine\" is not a valid choice."]}`},
		{"PATCH", "devices/b1/", m{"description": "new", "worker_host": "none"}, `{"worker_host":["Invalid pk \"none\" - object does not exist."]}`},
		{"PATCH", "devices/b1/", m{"description": "new", "tags": []int{7}}, `{"tags":["Invalid pk \"7\"`},
		{"PUT", "devices/b1/", m{"description": "new", "physical_owner": 7}, `{"physical_owner":["Invalid pk \"7\"`},
		{"PUT", "devices/b1/", m{"description": "new", "device_type": "qemu"}, `{"device_type":["A device keeps its type`},
		{"POST", "devices/", m{"hostname": "b2", "device_type": "board", "physical_group": 7}, `{"physical_group":["Invalid pk \"7\"`},
		{"POST", "workers/", m{"hostname": "w2", "health": "fine"}, `{"health":["\"fine\" is not a valid choice."]}`},
		{"POST", "workers/", m{"hostname": "w2", "job_limit": -1}, `{"job_limit":["Ensure this value is greater than or equal to 0."]}`},
		{"PATCH", "workers/w1/", m{"description": "new", "health": "fine"}, `{"health":[`},
		{"POST", "users/", m{"username": "bob", "groups": []string{"none"}}, `{"groups":["Object with name=none does not exist."]}`},
		{"PATCH", "users/ann/", m{"email": "new@example.com", "groups": []string{"none"}}, `{"groups":["Object with name=none`},
		{"PATCH", "aliases/brett/", m{"name": "qemu"}, `{"name":["alias with this`},
		{"PATCH", "aliases/brett/", m{"device_type": "none"}, `{"device_type":["Invalid pk \"none\"`},
		{"POST", "permissions/devices/", m{"group": "none", "permission": "change_device", "device": "b1"}, `{"group":["Object with name=none`},
	} {
		l.wants(tt.method, base+tt.path, tt.body, 400, tt.want)
	}
	l.wants("GET", base+"devices/b1/", nil, 200, `"description":"as it was"`, `"worker_host":"w1"`)
	l.wants("GET", base+"devices/b2/", nil, 404)
	l.wants("GET", base+"workers/w2/", nil, 404)
	l.wants("GET", base+"workers/w1/", nil, 200, `"description":null`)
	l.wants("GET", base+"users/bob/", nil, 404)
	l.wants("GET", base+"users/ann/", nil, 200, `"email":""`)
	l.wants("GET", base+"aliases/brett/", nil, 200, `"device_type":"board"`)
}

// What a device's row says can be sent back: who has it on the desk is set and taken away by numbers.
func TestOwnersOfDevices(t *testing.T) {
	t.Parallel()
	l := start(t)
	base := "/api/v0.2/"
	type m = map[string]any
	l.verb("device-types.configure", api.DeviceType{DeviceType: "board"}, nil)
	l.verb("users.add", api.UserRequest{User: "ann"}, nil)
	l.verb("groups.add", api.GroupRequest{Group: "kernel"}, nil)
	ann := unmarshal[m](t, l.wants("GET", base+"users/ann/", nil, 200).body)["id"]
	kernel := unmarshal[m](t, l.wants("GET", base+"groups/kernel/", nil, 200).body)["id"]
	owner, group := fmt.Sprintf(`"physical_owner":%.0f,`, ann), fmt.Sprintf(`"physical_group":%.0f,`, kernel)
	l.wants("POST", base+"devices/", m{"hostname": "b1", "device_type": "board", "physical_owner": ann}, 201, owner, `"physical_group":null`)
	l.wants("PATCH", base+"devices/b1/", m{"physical_group": nil, "description": "x"}, 200, owner)
	l.wants("PUT", base+"devices/b1/", m{"physical_owner": nil, "physical_group": kernel}, 200, `"physical_owner":null`, group)
	l.wants("PUT", base+"devices/b1/", m{"physical_owner": ann, "physical_group": kernel}, 400, "not both")
	l.wants("PUT", base+"devices/b1/", m{"physical_owner": nil, "physical_group": nil}, 200, `"physical_owner":null`, `"physical_group":null`)
}

// Permissions are filtered by what they are on, by the names of LAVA's filters; an account tells when it was last there;
// an alias is no address of a device type.
func TestRelatedRows(t *testing.T) {
	t.Parallel()
	l := start(t)
	base := "/api/v0.2/"
	l.verb("groups.add", api.GroupRequest{Group: "kernel"}, nil)
	for _, name := range []events.DeviceTypeName{"board", "qemu"} {
		l.verb("device-types.configure", api.DeviceType{DeviceType: name, Description: "a " + string(name), Aliases: []string{"alias-" + string(name)}}, nil)
		l.verb("devices.add", api.DeviceRequest{Device: events.DeviceName(name) + "-1", DeviceType: name}, nil)
		l.verb("permissions.grant", api.PermissionRequest{Kind: events.DeviceType, Name: string(name), Group: "kernel", Permission: "change_devicetype"}, nil)
		l.verb("permissions.grant", api.PermissionRequest{Kind: events.Device, Name: string(name) + "-1", Group: "kernel", Permission: "change_device"}, nil)
	}
	for query, want := range map[string]string{
		"devicetypes/?": "board qemu", "devicetypes/?device_type__name=qemu": "qemu", "devicetypes/?device_type__description__contains=board": "board",
		"devicetypes/?devicetype=qemu": "qemu", "devicetypes/?device_type__alias__name=alias-qemu": "qemu", "devicetypes/?permission__codename=view_devicetype": "",
		"devices/?device__hostname=qemu-1": "qemu-1", "devices/?device__device_type__name=board": "board-1", "devices/?device__health=retired": "",
	} {
		field, _, _ := strings.Cut(query, "s/")
		if got, _ := l.list(base+"permissions/"+query, field); strings.Join(got, " ") != want {
			t.Errorf("permissions/%s: got %v, want %s", query, got, want)
		}
	}
	l.wants("GET", base+"devicetypes/alias-board/", nil, 404)
	l.wants("DELETE", base+"devicetypes/alias-board/", nil, 404)
	ann := "Token " + l.token("ann")
	l.wants("GET", base+"users/ann/", nil, 200, `"last_login":null`)
	if a := l.ask("GET", base+"system/whoami/", nil, "Authorization", ann); a.body != `{"user":"ann"}` {
		t.Fatalf("whoami as ann: %d %s", a.status, a.body)
	}
	l.until("the use of ann's token is told", func() bool {
		a := l.ask("GET", base+"users/ann/", nil)
		return a.status == 200 && strings.Contains(a.body, `"last_login":"20`) // the broker's time, not the lab's
	})
}

// Rows of devices and device types are LAVA's superusers' to write; what stands below them goes by permissions.
func TestSuperusersAlone(t *testing.T) {
	t.Parallel()
	l := start(t)
	type m = map[string]any
	l.verb("workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "qemu"}, nil)
	l.verb("devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Worker: "w1"}, nil)
	bob := "Token " + l.token("bob")
	for _, model := range []string{"device", "devicetype", "worker"} {
		for _, verb := range []string{"add_", "change_", "delete_"} {
			l.verb("permissions.grant", api.PermissionRequest{User: "bob", Permission: "lava_scheduler_app." + verb + model}, nil)
		}
	}
	for _, tt := range []struct {
		method, path string
		body         m
		status       int
	}{
		{"POST", "devices/", m{"hostname": "q2", "device_type": "qemu"}, 403},
		{"PATCH", "devices/q1/", m{"description": "x"}, 403},
		{"DELETE", "devices/q1/", nil, 403},
		{"POST", "devicetypes/", m{"name": "board"}, 403},
		{"PUT", "devicetypes/qemu/", m{"description": "x"}, 403},
		{"DELETE", "devicetypes/qemu/", nil, 403},
		{"POST", "devices/q1/set_health/", m{"health": "good"}, 202},
		{"POST", "devicetypes/qemu/health_check/", m{"config": ""}, 400},
		{"PATCH", "workers/w1/", m{"description": "x"}, 200},
		{"POST", "workers/", m{"hostname": "w2"}, 201},
		{"DELETE", "workers/w2/", nil, 204},
	} {
		var body any
		if tt.body != nil {
			body = tt.body
		}
		if a := l.ask(tt.method, "/api/v0.2/"+tt.path, body, "Authorization", bob); a.status != tt.status {
			t.Errorf("%s %s: got %d %s, want %d", tt.method, tt.path, a.status, a.body, tt.status)
		}
	}
	l.wants("PATCH", "/api/v0.2/devices/q1/", m{"description": "x"}, 200, `"description":"x"`)
	if a := l.ask("POST", "/api/v0.2/devices/validate/", "a: 1\n", "Authorization", bob); a.status != 200 || !strings.Contains(a.body, "Device dictionary valid.") {
		t.Errorf("who may add devices checks a dictionary: got %d %s", a.status, a.body)
	}
	if a := l.ask("POST", "/api/v0.2/devices/validate/", "a: 1\n", "Authorization", "Token "+l.token("carol")); a.status != 403 {
		t.Errorf("who may not add devices checks a dictionary: got %d %s", a.status, a.body)
	}
}

func basic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

// Monitors ask with Basic, or nothing; what is wrong with that is LAVA's 400.
func TestPrometheusCredential(t *testing.T) {
	t.Parallel()
	l := start(t)
	secret := l.token("ann")
	for header, want := range map[string]string{
		"Token " + secret: "Only Basic authentication is supported",
		"Bearer x y":      "Only Basic authentication is supported",
		"Basic":           "Invalid basic authentication",
		"Basic !!!":       "Invalid basic authentication",
		basic("ann"):      "Invalid basic authentication",
		basic("ann:no"):   "Unknown user",
	} {
		if a := l.ask("GET", "/v1/prometheus/", nil, "Authorization", header); a.status != 400 || a.body != want {
			t.Errorf("%s: got %d %s, want 400 %s", header, a.status, a.body, want)
		}
	}
	if a := l.ask("GET", "/v1/prometheus/", nil, "Authorization", basic("ann:"+secret)); a.status != 200 || !strings.Contains(a.body, "jobs_running") {
		t.Errorf("with a token: got %d %s", a.status, a.body)
	}
}
