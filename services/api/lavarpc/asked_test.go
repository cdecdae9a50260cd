package lavarpc_test

import (
	"errors"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api/xmlrpc"
)

// A real LAVA was asked the same: its words, and whether it looks at the permission first or at what is asked for.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.gives(nil, "auth.users.add", "ann")
	c.gives(nil, "scheduler.device_types.add", "panda", nil, true, false, nil, nil)
	c.gives(nil, "scheduler.devices.add", "p1", "panda", c.worker())
	c.gives(nil, "scheduler.tags.add", "usb")
	none := []any{}
	const lacks = "User 'ann' is missing permission lava_scheduler_app."
	clients := map[string]client{"": c, "ann": c.as("ann")}
	for _, tt := range []struct {
		who    string
		code   int
		text   string
		method string
		args   []any
	}{
		{"", 404, "Job '0' was not found.", "scheduler.jobs.show", []any{int64(0)}},
		{"", 400, "Bad request: TestJob id was not specified.", "scheduler.jobs.cancel", []any{""}},
		{"", 400, "Bad request: TestJob id was not specified.", "results.get_testjob_results_yaml", []any{int64(0)}},
		{"", 400, "Bad request: TestJob id was not specified.", "results.get_testjob_metadata", []any{none}},
		{"", 404, "Specified job not found.", "results.get_testjob_suites_list_csv", []any{"999"}},
		{"", 400, "Bad request: Hostname was not specified.", "scheduler.get_device_status", []any{""}},
		{"", 400, "Bad request: Device hostname was not specified.", "scheduler.get_device_config", []any{""}},
		{"", 404, "Specified device was not found.", "scheduler.get_device_config", []any{"x"}},
		{"", 404, "No devices found with hostname or device type name x, visible by the user", "scheduler.validate_pipeline_devices", []any{"x"}},
		{"", 400, "Bad request: count must not be negative.", "scheduler.get_recent_jobs_for_device", []any{"p1", int64(-1)}},
		{"", 400, "Invalid worker name", "scheduler.workers.get_config", []any{""}},
		{"", 400, "Invalid worker name", "scheduler.workers.get_env", []any{"../x"}},
		{"", 400, "Invalid worker name", "scheduler.workers.set_env_dut", []any{"a/b", ""}},
		{"", 400, "please use existing group name", "system.assign_perm_device", []any{"change_device", "p1", "x"}},
		{"", 404, "Device 'x' was not found.", "scheduler.devices.tags.delete", []any{"x", "usb"}},
		{"", 404, "Device 'x' was not found.", "scheduler.put_into_maintenance_mode", []any{"x", "why"}},
		{"", 404, "Username x not found", "system.user_can_view_jobs", []any{none, "x"}},
		{"", -32603, "missing 2 required positional arguments: 'type_name' and 'worker_name'", "scheduler.devices.add", []any{"p2"}},
		{"", -32603, "'description', 'display', 'owners_only', 'health_frequency', and 'health_denominator'", "scheduler.device_types.add", []any{"x"}},
		{"", 400, "Decoding job submission failed: ", "scheduler.validate_yaml", []any{"a: ["}},
		{"", 400, "Invalid YAML submission: expected a dictionary", "scheduler.validate_yaml", []any{""}},
		{"ann", 403, lacks + "delete_alias .", "scheduler.aliases.delete", []any{"x"}},
		{"ann", 403, lacks + "add_alias .", "scheduler.device_types.aliases.add", []any{"panda", "x"}},
		{"ann", 403, "No 'admin' permissions for device-type 'panda'.", "scheduler.device_types.aliases.delete", []any{"panda", "x"}},
		{"ann", 403, "No 'admin' permissions for device-type 'panda'.", "scheduler.device_types.update", []any{"panda", nil, nil, nil, nil, nil, nil}},
		{"ann", 403, lacks + "add_tag .", "scheduler.devices.tags.add", []any{"p1", "usb"}},
		{"ann", 403, lacks + "change_devicetype .", "system.assign_perm_device_type", []any{"fly", "panda", "x"}},
		{"ann", 403, lacks + "change_worker .", "scheduler.workers.update", []any{"nowhere"}},
		{"ann", 403, "User 'ann' needs admin permission on device p1.", "scheduler.devices.update", []any{"p1"}},
		{"ann", 403, "Permission denied for user to put p1 into maintenance mode.", "scheduler.put_into_maintenance_mode", []any{"p1", "why"}},
		{"ann", 403, "Permission denied for user to put p1 into online mode.", "scheduler.put_into_online_mode", []any{"p1", "why"}},
		{"ann", 403, "Permission denied for user to store the configuration for p1 on disk.", "scheduler.import_device_dictionary", []any{"p1", dictionary}},
		{"ann", 403, "forbidden", "scheduler.devices.perms_add", []any{"p1", "x", "fly"}},
	} {
		clients[tt.who].refused(tt.code, tt.text, tt.method, tt.args...)
	}
	c.gives(true, "scheduler.devices.set_dictionary", "p1", dictionary)
	clients["ann"].refused(403, "Permission denied for user to retrieve device dictionary for 'p1'.", "scheduler.export_device_dictionary", "p1")
	c.refused(400, "Job Context '[' is not valid: ", "scheduler.devices.get_dictionary", "p1", true, "[")
	c.refused(400, "Job context '[' is not valid. ", "scheduler.get_device_config", "p1", "[")
	caps := c.must("system.getCapabilities")
	if got := c.member(c.member(caps, "faults_interop"), "specVersion"); got != int64(20010516) {
		t.Errorf("faults_interop: version %v", got)
	}
	calls := []any{xmlrpc.Struct{}, xmlrpc.Struct{{Name: "methodName", Value: "a"}}, xmlrpc.Struct{{Name: "methodName", Value: int64(1)}, {Name: "params", Value: none}},
		xmlrpc.Struct{{Name: "methodName", Value: "a"}, {Name: "params", Value: "x"}},
		xmlrpc.Struct{{Name: "methodName", Value: "system.version"}, {Name: "params", Value: none}, {Name: "x", Value: int64(1)}}}
	answers, _ := c.must("system.multicall", calls).([]any)
	for i, want := range []string{"methodName not specified", "params not specified", "methodName must be a string", "params must be an array", "specified additional arguments ['x']"} {
		if got := c.member(answers[i], "faultString"); got != "system.multicall "+want {
			t.Errorf("multicall %v: got %v, want %s", calls[i], got, want)
		}
	}
}

// Jobs as LAVA tells of them: who sees a personal one, when one began that never ran, what was never handed out.
func TestJobAnswers(t *testing.T) {
	t.Parallel()
	c := start(t)
	const minimal = "job_name: a\ndevice_type: panda\nvisibility: personal\ntimeouts: {job: {minutes: 9}, action: {minutes: 2}}\nactions: []\n"
	c.gives(nil, "scheduler.device_types.add", "panda", nil, true, false, nil, nil)
	job := func(v events.Visibility) events.JobID {
		id := c.broker.Submit(t, "ann", minimal)
		c.broker.Append(t, events.JobSubmitted{Job: id, Display: id.String(), User: "ann", Name: "a", DeviceType: "panda", At: noon, Visibility: v,
			Source: events.Source{Sequence: uint64(id)}})
		return id
	}
	personal, grouped, public := job(events.Visibility{}), job(events.Visibility{Groups: []events.GroupName{"kernel", "boards"}}), job(events.Visibility{Public: true})
	for id, want := range map[events.JobID]string{personal: "Group (ann)", grouped: "Group (boards, kernel)", public: "Public"} {
		if got := c.member(c.must("scheduler.jobs.show", int64(id)), "visibility"); got != want {
			t.Errorf("job %d: visibility %v, want %s", id, got, want)
		}
	}
	c.refused(404, "has not started yet", "scheduler.jobs.configuration", int64(public))
	if got := c.member(c.must("scheduler.job_details", int64(public)), "queue_timeout"); got != nil {
		t.Errorf("job %d, whose definition sets none: queue_timeout %v, want nil", public, got)
	}
	patient := c.broker.Submit(t, "ann", minimal)
	c.broker.Append(t, events.JobSubmitted{Job: patient, Display: patient.String(), User: "ann", Name: "a", DeviceType: "panda", At: noon, QueueTimeout: 90,
		Source: events.Source{Sequence: uint64(patient)}}, events.JobWithdrawn{Job: patient, Reason: "canceled by ann", By: "ann"})
	if got := c.member(c.must("scheduler.job_details", int64(patient)), "queue_timeout"); got != int64(90) {
		t.Errorf("job %d: queue_timeout %v, want 90", patient, got)
	}
	lines, _ := c.must("scheduler.jobs.list", "submitted", nil, int64(-5), int64(1), int64(0), true).([]any)
	if len(lines) != 1 || c.member(lines[0], "start_time") != nil || c.member(lines[0], "end_time") != nil {
		t.Errorf("list: got %v, want one job without times", lines)
	}
	c.gives([]any{}, "scheduler.jobs.queue", []any{})
	if all, _ := c.must("scheduler.jobs.queue", nil).([]any); len(all) != 3 {
		t.Errorf("queue: got %d jobs, want 3", len(all))
	}

	c.broker.Append(t, events.JobWithdrawn{Job: public, Reason: "canceled by ann", By: "ann"})
	s := c.must("scheduler.jobs.show", int64(public))
	if begin, end := c.member(s, "start_time"), c.member(s, "end_time"); begin != end || end == nil {
		t.Errorf("a job that never ran: began %v, ended %v", begin, end)
	}
	c.gives([]any{nil, nil, nil, nil, nil}, "scheduler.jobs.configuration", int64(public))
	c.gives("\"name\",\"job\",\"id\"\n", "results.get_testjob_suites_list_csv", int64(public))
	c.refused(404, "Specified test suite not found.", "results.get_testsuite_results_yaml", int64(public), "")
	if help, _ := c.must("system.methodHelp", "scheduler.device_types.aliases.add").(string); !strings.Contains(help, "lava_scheduler_app.add_alias") {
		t.Errorf("help: got %q", help)
	}
	c.gives(nil, "auth.users.add", "bob")
	c.as("bob").gives(true, "scheduler.jobs.cancel", int64(public)) // it is over
	c.as("bob").refused(403, "Permission denied.", "scheduler.jobs.cancel", int64(grouped))
}

// LAVA's permissions on accounts and groups work for those who are no superusers, as far as nobody becomes more by it
// than they are.
func TestDelegatedPeople(t *testing.T) {
	t.Parallel()
	c := start(t)
	for _, name := range []string{"ann", "bob"} {
		c.gives(nil, "auth.users.add", name)
	}
	c.gives(nil, "auth.users.add", "root", nil, nil, nil, true, false, true)
	c.gives(nil, "auth.users.perms.add", "bob", "lava_scheduler_app", "device", "change_device")
	c.gives(nil, "auth.groups.add", "strong")
	c.gives(nil, "auth.groups.perms.add", "strong", "lava_scheduler_app", "device", "change_device")
	ann := c.as("ann")
	lacks := func(permission, method string, args ...any) {
		t.Helper()
		ann.refused(403, "User 'ann' is missing permission "+permission+" .", method, args...)
	}
	for _, tt := range []struct {
		permission string
		calls      [][]any // are refused without it, and answered with it
	}{
		{"add_group", [][]any{{"auth.groups.add", "boards"}}},
		{"view_group", [][]any{{"auth.groups.list"}, {"auth.groups.show", "boards"}}},
		{"change_group", [][]any{{"auth.groups.delete", "boards"}}},
		{"view_user", [][]any{{"auth.users.list"}, {"auth.users.show", "bob"}, {"auth.users.groups.list", "bob"}}},
		{"add_user", [][]any{{"auth.users.add", "carol", "Carol", nil, "carol@example.com"}}},
		{"change_user", [][]any{{"auth.users.update", "carol", nil, "Lee"}, {"auth.users.groups.add", "carol", "kernel"}, {"auth.users.groups.delete", "carol", "kernel"}, {"auth.users.delete", "carol"}}},
	} {
		_, model, _ := strings.Cut(tt.permission, "_")
		method := func(call []any) string { return call[0].(string) }
		for _, call := range tt.calls {
			if method(call) != "auth.groups.list" && method(call) != "auth.groups.show" { // who lists groups without it sees the own ones
				lacks("auth."+tt.permission, method(call), call[1:]...)
			}
		}
		c.gives(nil, "auth.users.perms.add", "ann", "auth", model, tt.permission)
		for _, call := range tt.calls {
			ann.must(method(call), call[1:]...)
		}
	}
	// What would make somebody more than they are stays with superusers. That a permission is missing would be untrue.
	for _, call := range [][]any{
		{"auth.users.add", "dave", nil, nil, nil, true, false, true},
		{"auth.users.add", "dave", nil, nil, nil, true, true},
		{"auth.users.update", "ann", nil, nil, nil, nil, nil, true},
		{"auth.users.update", "root", nil, nil, nil, false},
		{"auth.users.delete", "root"},
		{"auth.users.update", "bob", "Bobby"}, // who holds a permission
		{"auth.users.groups.add", "ann", "strong"},
		{"auth.groups.delete", "strong"},
		{"auth.users.perms.add", "bob", "lava_scheduler_app", "device", "delete_device"},
		{"auth.groups.perms.add", "strong", "lava_scheduler_app", "device", "delete_device"},
	} {
		_, err := ann.call(call[0].(string), call[1:]...)
		var f *xmlrpc.Fault
		if !errors.As(err, &f) || f.Code != 403 || strings.Contains(f.String, "missing permission") {
			t.Errorf("%v: got %v, want fault 403 that names no permission, for ann has them", call, err)
		}
	}
}

// LAVA wants the permission to add tags or aliases beside the right to change the device or type, and before it.
func TestTwoRights(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.gives(nil, "auth.users.add", "ann")
	c.gives(nil, "auth.users.groups.add", "ann", "boards")
	c.gives(nil, "scheduler.device_types.add", "panda", nil, true, false, nil, nil)
	c.gives(nil, "scheduler.devices.add", "p1", "panda", c.worker())
	c.gives(nil, "scheduler.devices.perms_add", "p1", "boards", "change_device")
	c.gives(nil, "scheduler.device_types.perms_add", "panda", "boards", "change_devicetype")
	ann := c.as("ann")
	const lacks = "User 'ann' is missing permission lava_scheduler_app."
	ann.refused(403, lacks+"add_tag .", "scheduler.devices.tags.add", "p1", "usb")
	ann.refused(403, lacks+"add_tag .", "scheduler.devices.tags.add", "nowhere", "usb")
	ann.refused(403, lacks+"add_alias .", "scheduler.device_types.aliases.add", "panda", "omap")
	c.gives([]any{}, "scheduler.devices.tags.list", "p1")
	c.gives([]any{}, "scheduler.device_types.aliases.list", "panda")
	for _, model := range []string{"tag", "alias"} {
		c.gives(nil, "auth.users.perms.add", "ann", "lava_scheduler_app", model, "add_"+model)
	}
	ann.gives(nil, "scheduler.devices.tags.add", "p1", "usb")
	ann.gives(nil, "scheduler.device_types.aliases.add", "panda", "omap")
	// One who may only add aliases is not told that just this is missing.
	c.gives(nil, "auth.users.add", "bob")
	c.gives(nil, "auth.users.perms.add", "bob", "lava_scheduler_app", "alias", "add_alias")
	_, err := c.as("bob").call("scheduler.aliases.add", "omap5", "panda")
	var f *xmlrpc.Fault
	if !errors.As(err, &f) || f.Code != 403 || strings.Contains(f.String, "missing permission") {
		t.Errorf("aliases.add with add_alias alone: got %v, want fault 403 that says what it takes", err)
	}
}
