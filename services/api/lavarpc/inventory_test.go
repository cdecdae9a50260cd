package lavarpc_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"strata/services/api"
	"strata/services/api/xmlrpc"
)

// Updates change what is given, keep what is nil, and refuse before the first change.
func TestUpdates(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.gives(nil, "auth.users.add", "ann", "Ann", "Lee", "ann@example.com")
	for _, w := range []string{"w1", "w2"} {
		c.gives(nil, "scheduler.workers.add", w, "of "+w)
	}
	for _, kind := range []string{"panda", "beagle"} {
		c.gives(nil, "scheduler.device_types.add", kind, "a "+kind, true, false, int64(12), "jobs")
	}
	c.gives(nil, "scheduler.devices.add", "p1", "panda", "w1", "ignored", "ignored", false, "UNKNOWN", []byte("the first"))
	device := func(want map[string]any) {
		t.Helper()
		s := c.must("scheduler.devices.show", "p1")
		for name, w := range want {
			if got := c.member(s, name); fmt.Sprint(got) != fmt.Sprint(w) {
				t.Errorf("p1: %s is %v, want %v", name, got, w)
			}
		}
	}
	device(map[string]any{"hostname": "p1", "device_type": "panda", "health": "Unknown", "state": "Idle", "health_job": false, "description": "the first", "pipeline": true,
		"has_device_dict": false, "worker": "w1", "current_job": nil, "tags": []any{}, "permissions": []any{}})
	none := make([]any, 8)
	update := func(at int, v any, more ...any) []any {
		args := append([]any{"p1"}, none...)
		args[at] = v
		copy(args[at+1:], more)
		return args
	}
	for _, tt := range []struct {
		code int
		text string
		args []any
	}{
		{404, "Device 'p9' was not found.", []any{"p9"}},
		{404, "Unable to find worker 'w9'", update(1, "w9")},
		{404, "Unable to find username 'bob'", update(2, "bob")},
		{404, "Unable to find device-type 'pi'", update(7, "pi")},
		{400, "a device keeps its type", update(7, "beagle")},
		{400, "Health 'Good' is invalid", update(5, "Good")},
		{400, "Health 'FINE' is invalid", update(5, "FINE")},
		{400, "Health 'FINE' is invalid", update(1, "w2", "ann", nil, nil, "FINE", "changed")},
		{400, "description is an integer, expected a string", update(6, int64(1))},
	} {
		c.refused(tt.code, tt.text, "scheduler.devices.update", tt.args...)
	}
	device(map[string]any{"worker": "w1", "health": "Unknown", "description": "the first"})
	c.gives(nil, "scheduler.devices.update", "p1")
	c.gives(nil, "scheduler.devices.update", update(1, "w2", "ann", "ignored", false, "LOOPING", "moved", "panda", "why")...)
	device(map[string]any{"worker": "w2", "health": "Looping", "description": "moved"})
	c.gives(nil, "scheduler.devices.update", update(6, "")...)
	device(map[string]any{"worker": "w2", "health": "Looping", "description": nil})
	c.gives(nil, "scheduler.devices.tags.add", "p1", "usb")
	c.gives(nil, "scheduler.tags.add", "hdmi")
	c.refused(404, "Tag 'none' was not found.", "scheduler.devices.tags.delete", "p1", "none")
	c.gives(nil, "scheduler.devices.tags.delete", "p1", "hdmi") // which it does not have
	c.gives(nil, "scheduler.devices.tags.delete", "p1", "usb")
	c.gives([]any{}, "scheduler.devices.tags.list", "p1")
	c.gives(xmlrpc.Struct{{Name: "hostname", Value: "p1"}, {Name: "status", Value: "offline"}, {Name: "job", Value: nil}, {Name: "offline_since", Value: nil},
		{Name: "offline_by", Value: nil}, {Name: "is_pipeline", Value: true}}, "scheduler.get_device_status", "p1")

	c.updatesOfTypes()
	c.gives(nil, "scheduler.devices.update", update(5, "RETIRED")...)
	c.gives([]any{}, "scheduler.devices.list")
	c.gives([]any{}, "scheduler.all_devices")
	if got, _ := c.must("scheduler.devices.list", true).([]any); len(got) != 1 {
		t.Errorf("devices with retired ones: %v", got)
	}
	c.refused(404, "Device 'p9' was not found.", "scheduler.devices.delete", "p9")
}

// updatesOfTypes goes on with the device types: panda, which has one device, and beagle.
func (c client) updatesOfTypes() {
	c.t.Helper()
	kind := func(want map[string]any) {
		c.t.Helper()
		s := c.must("scheduler.device_types.show", "panda")
		for name, w := range want {
			if got := c.member(s, name); fmt.Sprint(got) != fmt.Sprint(w) {
				c.t.Errorf("panda: %s is %v, want %v", name, got, w)
			}
		}
	}
	all := map[string]any{"name": "panda", "description": "a panda", "display": true, "health_disabled": false, "health_denominator": "jobs", "health_frequency": 12,
		"aliases": []any{}, "devices": []any{"p1"}, "default_template": true, "permissions": []any{}}
	kind(all)
	c.gives(nil, "scheduler.device_types.update", "panda", nil, nil, nil, nil, nil, nil)
	kind(all)
	c.refused(400, "health_frequency is an integer, expected a number from 1", "scheduler.device_types.update", "panda", "changed", nil, nil, int64(-1), nil, nil)
	c.refused(400, "display is a string, expected a boolean", "scheduler.device_types.update", "panda", "changed", "yes", nil, nil, nil, nil)
	c.refused(400, "health_disabled is a string, expected a boolean", "scheduler.device_types.update", "panda", "changed", nil, nil, nil, nil, "no")
	c.refused(-32603, "update() missing 1 required positional argument: 'health_disabled'", "scheduler.device_types.update", "panda", nil, nil, nil, nil, nil)
	kind(all)
	const check = "job_name: check\nvisibility: public\ntimeouts: {job: {minutes: 9}, action: {minutes: 2}}\nactions: []\n"
	c.gives(nil, "scheduler.device_types.update", "panda", "", int64(0), nil, "7", "hours", int64(1))
	kind(map[string]any{"description": nil, "display": false, "health_frequency": 7, "health_denominator": "hours", "health_disabled": true})
	c.gives(nil, "scheduler.device_types.set_health_check", "panda", []byte(check))
	c.gives([]byte(check), "scheduler.device_types.get_health_check", "panda")
	kind(map[string]any{"description": nil, "display": false, "health_frequency": 7, "health_disabled": true})
	c.refused(400, "visibility must be specified", "scheduler.device_types.set_health_check", "panda", "job_name: check\n")
	c.refused(404, "Device-type 'pi' was not found.", "scheduler.device_types.set_template", "pi", "a: 1")
	c.gives(nil, "scheduler.device_types.aliases.add", "panda", "omap")
	c.gives(nil, "scheduler.device_types.aliases.add", "panda", "omap") // once more
	c.gives([]any{"omap"}, "scheduler.device_types.aliases.list", "panda")
	c.refused(404, "Device-type 'omap' was not found.", "scheduler.device_types.show", "omap")
	c.refused(404, "Alias 'panda' was not found.", "scheduler.aliases.show", "panda")
	c.gives(nil, "scheduler.aliases.delete", "omap")
	c.gives([]any{}, "scheduler.aliases.list")
	c.gives(xmlrpc.Struct{{Name: "omap", Value: []any{}}}, "scheduler.get_device_type_by_alias", "omap")
	c.refused(400, "Invalid health 'fine'", "scheduler.device_types.devices", "panda", "fine")
	for health, want := range map[any]string{nil: "[[{hostname p1} {health Looping} {state Idle}]]", "LOOPING": "[[{hostname p1} {health Looping} {state Idle}]]", "good": "[]"} {
		if got := fmt.Sprint(c.must("scheduler.device_types.devices", "panda", health)); got != want {
			c.t.Errorf("devices of panda, %v: got %s, want %s", health, got, want)
		}
	}
	line := func(name string, devices int64, installed, template bool) string {
		return fmt.Sprint(xmlrpc.Struct{{Name: "name", Value: name}, {Name: "devices", Value: devices}, {Name: "installed", Value: installed}, {Name: "template", Value: template}})
	}
	if got := fmt.Sprint(c.must("scheduler.device_types.list")); got != "["+line("beagle", 0, true, false)+" "+line("panda", 1, true, false)+"]" {
		c.t.Errorf("device types: %s", got)
	}
	if got := fmt.Sprint(c.must("scheduler.device_types.list", true)); !strings.Contains(got, line("qemu", 0, false, true)) || strings.Contains(got, "{name base") {
		c.t.Errorf("device types and templates: %s", got)
	}
}

// Workers, accounts and groups are looked at and changed by their own.
func TestUpdatesOfWorkersAndPeople(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.gives(nil, "scheduler.workers.add", "w1", "on the desk")
	worker := func(want map[string]any) {
		t.Helper()
		s := c.must("scheduler.workers.show", "w1")
		for name, w := range want {
			if got := c.member(s, name); fmt.Sprint(got) != fmt.Sprint(w) {
				t.Errorf("w1: %s is %v, want %v", name, got, w)
			}
		}
	}
	worker(map[string]any{"hostname": "w1", "description": "on the desk", "state": "Offline", "health": "Active", "devices": []any{}, "job_limit": 0, "version": nil,
		"default_config": true, "default_env": true, "default_env_dut": true})
	c.gives(nil, "scheduler.workers.update", "w1")
	c.gives(nil, "scheduler.workers.update", "w1", nil, nil, "4")
	for _, limit := range []any{int64(-1), "many", 1.5, []any{}} {
		c.refused(400, "Invalid job limit", "scheduler.workers.update", "w1", "changed", nil, limit)
	}
	c.refused(400, "Invalid health: Active", "scheduler.workers.update", "w1", "changed", "Active")
	c.refused(404, "Worker 'w9' was not found.", "scheduler.workers.update", "w9", nil, "ACTIVE")
	c.refused(404, "Worker 'w9' was not found.", "scheduler.workers.show", "w9")
	worker(map[string]any{"description": "on the desk", "job_limit": 4, "health": "Active"})
	c.gives(nil, "scheduler.workers.update", "w1", "", "RETIRED", int64(0))
	worker(map[string]any{"description": nil, "job_limit": 0, "health": "Retired"})
	c.gives([]any{}, "scheduler.workers.list")
	for _, f := range []struct{ method, file, text, lacks string }{
		{"config", "dispatcher.yaml", "dispatcher_ip: 192.0.2.1\n", "Worker 'w1' does not have a dispatcher configuration"},
		{"env", "env.yaml", "overrides: {A: b}\n", "Worker 'w1' does not have an env file"},
		{"env_dut", "env-dut.yaml", "purge: true\n", "Worker 'w1' does not have an env-dut file"},
	} {
		get, set := "scheduler.workers.get_"+f.method, "scheduler.workers.set_"+f.method
		c.refused(404, f.lacks, get, "w1")
		c.refused(404, "Worker 'w9' was not found.", get, "w9")
		c.refused(400, "Invalid YAML syntax in "+f.file, set, "w1", "a: [")
		c.refused(400, "Invalid worker name", set, "..", f.text)
		c.refused(404, "Worker 'w9' was not found.", set, "w9", f.text)
		c.gives(true, set, "w1", f.text)
		c.gives([]byte(f.text), get, "w1")
		c.gives(true, set, "w1", []byte(""))
		c.refused(404, f.lacks, get, "w1")
	}
	c.gives(nil, "scheduler.workers.delete", "w1")

	c.gives(nil, "auth.users.add", "ann", "Ann", nil, "ann@example.com", true, true)
	c.gives(nil, "auth.users.groups.add", "ann", "kernel")
	c.gives(nil, "auth.groups.perms.add", "kernel", "lava_scheduler_app", "device", "submit_to_device")
	c.gives(nil, "auth.users.perms.add", "ann", "lava_scheduler_app", "worker", "change_worker")
	user := func(want map[string]any) {
		t.Helper()
		s := c.must("auth.users.show", "ann")
		for name, w := range want {
			if got := c.member(s, name); fmt.Sprint(got) != fmt.Sprint(w) {
				t.Errorf("ann: %s is %v, want %v", name, got, w)
			}
		}
	}
	user(map[string]any{"username": "ann", "first_name": "Ann", "last_name": "", "email": "ann@example.com", "is_active": true, "is_staff": true, "is_superuser": false,
		"groups": []any{"kernel"}, "permissions": []any{"lava_scheduler_app.worker.change_worker"}, "last_login": nil})
	c.gives(nil, "auth.users.update", "ann", nil, "Lee", nil, nil, false)
	user(map[string]any{"first_name": "Ann", "last_name": "Lee", "email": "ann@example.com", "is_active": true, "is_staff": false})
	c.refused(404, "User 'bob' was not found.", "auth.users.update", "bob", "Bob")
	for _, m := range []string{"show", "delete", "groups.list", "perms.list"} {
		c.refused(404, "User 'bob' was not found.", "auth.users."+m, "bob")
	}
	c.refused(404, "User 'bob' was not found.", "auth.users.groups.add", "bob", "made")
	c.refused(404, "User 'bob' was not found.", "auth.users.groups.delete", "bob", "kernel")
	c.refused(404, "User 'bob' was not found.", "auth.users.perms.add", "bob", "auth", "user", "add_user")
	c.refused(404, "Group 'made' was not found.", "auth.users.groups.delete", "ann", "made")
	for _, m := range []string{"show", "delete", "perms.list"} {
		c.refused(404, "Group 'made' was not found.", "auth.groups."+m, "made")
	}
	c.refused(404, "Group 'made' was not found.", "auth.groups.perms.add", "made", "auth", "user", "add_user")
	c.refused(404, "Invalid permission 'fly_user'", "auth.groups.perms.add", "kernel", "auth", "user", "fly_user")
	c.refused(404, "Invalid app.model 'auth.cow'", "auth.groups.perms.add", "kernel", "auth", "cow", "add_cow")
	c.gives([]any{"kernel"}, "auth.groups.list")
	g := c.must("auth.groups.show", "kernel")
	if users, perms := c.member(g, "users"), c.member(g, "permissions"); fmt.Sprint(users, perms) != "[ann] [lava_scheduler_app.device.submit_to_device]" {
		t.Errorf("kernel: users %v, permissions %v", users, perms)
	}
	c.gives(nil, "auth.groups.perms.delete", "kernel", "lava_scheduler_app", "device", "submit_to_device")
	c.gives([]any{}, "auth.groups.perms.list", "kernel")
	c.gives(nil, "auth.users.groups.delete", "ann", "kernel")
	c.gives([]any{}, "auth.users.groups.list", "ann")
	c.gives(nil, "auth.groups.delete", "kernel")
	c.gives(nil, "auth.users.delete", "ann")
	c.gives([]any{}, "auth.groups.list")
}

// Who has no name is asked for one where a name might do, and sees what an open lab shows.
func TestNobody(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.gives(nil, "scheduler.device_types.add", "panda", nil, true, false, nil, nil)
	c.gives(nil, "scheduler.devices.add", "p1", "panda", c.worker())
	j := tell(t, c)
	nobody := c
	nobody.far = true
	const unnamed = "Authentication with user and token required for this API."
	ask := func(code int, text string, methods map[string][]any) {
		t.Helper()
		for m, args := range methods {
			nobody.refused(code, text, m, args...)
		}
	}
	ask(401, unnamed, map[string][]any{"scheduler.jobs.submit": {"a: 1"}, "scheduler.cancel_job": {int64(1)}, "scheduler.devices.update": {"p1"}, "auth.users.list": nil, "results.run_query": {"q"},
		"results.get_testjob_results_yaml": {int64(j.over)}, "scheduler.workers.add": {"w"}, "system.user_can_view_jobs": {[]any{}}, "scheduler.remote_artifact_tokens.list": nil,
		// The lab is closed, so these need a name too.
		"scheduler.devices.list": nil, "scheduler.all_jobs": nil, "scheduler.device_types.list": nil, "scheduler.workers.list": nil, "scheduler.tags.list": nil})
	nobody.refused(403, fmt.Sprintf("Job '%d' not available to user 'AnonymousUser'.", j.over), "scheduler.jobs.show", int64(j.over))
	nobody.gives(nil, "system.whoami")
	nobody.gives("2026.07", "system.version")
	nobody.refused(-32601, "No such method: 'a'", "a")
	nobody.refused(-32603, "missing 1 required positional argument", "scheduler.cancel_job")
	if err := c.api.Call(t.Context(), api.Caller{User: "local"}, "permissions.open", api.OpenRequest{Open: true}, nil); err != nil {
		t.Fatal(err)
	}
	if got := nobody.member(nobody.must("scheduler.jobs.show", int64(j.over)), "state"); got != "Finished" {
		t.Errorf("a public job in an open lab: %v", got)
	}
	nobody.gives([]any{"w1"}, "scheduler.workers.list")
	if got, _ := nobody.must("scheduler.jobs.queue").([]any); len(got) != 3 {
		t.Errorf("queue in an open lab: %v, want three public jobs", got)
	}
	nobody.gives([]any{true, []byte("[]")}, "scheduler.jobs.logs", int64(j.silent))
	ask(401, unnamed, map[string][]any{"scheduler.jobs.cancel": {int64(j.waits)}, "results.get_testjob_metadata": {int64(j.over)}, "scheduler.devices.perms_list": {"p1"}})
}

// Documents that are XML and no call are told so, as what is no XML at all.
func TestDocuments(t *testing.T) {
	t.Parallel()
	c := start(t)
	call := func(inner string) string {
		return "<?xml version='1.0' encoding='utf-8'?><!-- a --><methodCall><methodName>system.methodHelp</methodName>" + inner + "</methodCall>"
	}
	value := func(inner string) string { return call("<params><param><value>" + inner + "</value></param></params>") }
	for document, want := range map[string]string{
		value("x"): "<string></string>", value("<string>x</string>"): "<string></string>", value(" <string>close</string> "): "close()",
		call(""):                   "<int>-32603</int>", // one argument is missing
		call("<params/>"):          "<int>-32603</int>",
		call("<other/>"):           "<int>-32600</int>",
		call("text"):               "<int>-32600</int>",
		call("<params>x</params>"): "<int>-32600</int>", call("<params><value/></params>"): "<int>-32600</int>", call("<params><param/></params>"): "<int>-32600</int>",
		call("<params><param><value/><value/></param></params>"): "<int>-32600</int>", call("<params/><params/>"): "<int>-32600</int>",
		value("<cow/>"): "<int>-32600</int>", value("<int>x</int>"): "<int>-32600</int>", value("<int>99999999999999999999</int>"): "<int>-32600</int>", value("<boolean>yes</boolean>"): "<int>-32600</int>",
		value("<double>NaN</double>"): "<int>-32600</int>", value("<base64>!</base64>"): "<int>-32600</int>", value("<dateTime.iso8601>noon</dateTime.iso8601>"): "<int>-32600</int>",
		value("<array/>"): "<int>-32600</int>", value("<array><data><int>1</int></data></array>"): "<int>-32600</int>", value("<struct><name>a</name></struct>"): "<int>-32600</int>",
		value("<struct><member><name>a</name></member></struct>"): "<int>-32600</int>", value("x<int>1</int>"): "<int>-32600</int>",
		value("x") + "<more/>": "<int>-32600</int>", "<methodCall/>": "<int>-32600</int>", "<methodCall><methodName> </methodName></methodCall>": "<int>-32600</int>",
		"<methodCall>": "<int>-32603</int>", value("&cow;"): "<int>-32603</int>", value("<int>1</nt>"): "<int>-32603</int>",
		value("<i8>1</i8>"): "<int>400</int>", value("<nil/>"): "<string></string>", value("<double>1e3</double>"): "a double, expected a string", value("<dateTime.iso8601>20261123T12:00:00</dateTime.iso8601>"): "a time, expected a string",
		"<?xml version='1.0' encoding='ebcdic'?><methodCall/>":                                              "<int>-32603</int>",
		"<?xml version='1.0' encoding='iso-8859-1'?><methodCall><methodName>\xe9</methodName></methodCall>": "No such method: 'é'",
	} {
		reply := c.post("POST", document)
		body, err := io.ReadAll(reply.Body)
		if err != nil || reply.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s:\n got %d %s (%v)\nwant %s", document, reply.StatusCode, body, err, want)
		}
	}
}
