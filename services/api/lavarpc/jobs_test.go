package lavarpc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
	"strata/services/api/xmlrpc"
)

// told are the jobs of a lab that calls are made about.
type told struct {
	over, silent, waits, runs, hidden, part events.JobID
	display                                 string // of the part
}

const definitionText = "job_name: a # why\ndevice_type: panda\n"

// tell gives a lab jobs in all states: one that is over, with three lines and two suites; one that never said a word; one
// that waits; one that has been running for half an hour; one of bob's own; and the second part of a group.
func tell(t *testing.T, c client) (j told) {
	t.Helper()
	submit := func(user events.UserName, change func(*events.JobSubmitted)) events.JobID {
		id := c.broker.Submit(t, user, definitionText)
		e := events.JobSubmitted{Job: id, Display: id.String(), User: user, Name: "a", DeviceType: "panda", At: noon.Add(-time.Hour), Visibility: events.Visibility{Public: true},
			Metadata: map[string]string{"build": "1", "branch": "next"}, Source: events.Source{Sequence: uint64(id)}}
		if change != nil {
			change(&e)
		}
		c.broker.Append(t, e)
		return id
	}
	start := func(id events.JobID) {
		c.broker.Append(t, events.JobScheduled{Job: id, Device: "p1", Worker: "w1", Lease: events.Lease(id)},
			events.DeviceReserved{Device: "p1", Job: id, Lease: events.Lease(id)}, events.JobStarted{Job: id, Device: "p1", Worker: "w1", Lease: events.Lease(id), At: noon.Add(-30 * time.Minute)})
	}
	end := func(id events.JobID) {
		c.broker.Append(t, events.JobFinished{Job: id, Device: "p1", Worker: "w1", Lease: events.Lease(id), Health: events.Complete, At: noon.Add(-10 * time.Minute), LinesKnown: true},
			events.DeviceReleased{Device: "p1", Job: id, Lease: events.Lease(id)})
	}
	j.over = submit("ann", nil)
	start(j.over)
	var body []byte
	for n := range 3 {
		line, err := json.Marshal(events.Record{Time: noon, Level: "info", Message: json.RawMessage(fmt.Sprintf(`"line %d"`, n))})
		if err != nil {
			t.Fatal(err)
		}
		body = append(append(body, line...), '\n')
	}
	frame := events.Frame{Job: j.over, Lease: events.Lease(j.over), Count: 3, Body: body}
	if _, err := stream.PublishFrame(t.Context(), c.broker.Log.JetStream(), frame); err != nil {
		t.Fatal(err)
	}
	seconds, line := 2.5, uint64(1)
	c.broker.Append(t, events.ResultsRecorded{Job: j.over, Lines: 3, Cases: []events.Case{
		{Suite: "lava", Name: "validate", Result: events.Pass, At: noon}, {Suite: "0_smoke", Name: "ping", Result: events.Fail, At: noon, StartLine: &line, EndLine: &line},
		{Suite: "0_smoke", Name: "boot-time", Result: events.Pass, At: noon, Measurement: &seconds, Units: "seconds"},
		{Suite: "0_smoke", Name: "ping", Result: events.Pass, At: noon}}})
	end(j.over)
	j.silent = submit("ann", nil)
	start(j.silent)
	end(j.silent)
	j.waits = submit("ann", nil)
	j.hidden = submit("bob", func(e *events.JobSubmitted) { e.Visibility = events.Visibility{} })
	group := submit("ann", func(e *events.JobSubmitted) {
		e.Display, e.Part = e.Display+".0", &events.Membership{Group: "g", Parent: e.Job, Role: "server", Size: 2}
	})
	j.part = submit("ann", func(e *events.JobSubmitted) {
		e.Display, e.Part = group.String()+".1", &events.Membership{Group: "g", Parent: group, Role: "client", Size: 2}
		e.Source = events.Source{Sequence: uint64(group)}
	})
	c.broker.Append(t, events.DefinitionSplit{Job: group, Group: "g", Parts: []events.JobID{group, j.part}})
	j.display = group.String() + ".1"
	j.runs = submit("ann", nil)
	start(j.runs)
	last, err := c.broker.Log.Last(t.Context(), stream.Lab)
	if err != nil {
		t.Fatal(err)
	}
	c.until("the api has read all facts", func() bool {
		var h api.LabHealth
		return c.api.Call(t.Context(), api.Caller{User: "local"}, "health", struct{}{}, &h) == nil && h.Sequence >= last
	})
	return j
}

// until waits for something.
func (c client) until(what string, holds func() bool) {
	c.t.Helper()
	ctx, stop := context.WithTimeout(c.t.Context(), eventtest.Patience)
	defer stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// A job's log by lines and by bytes: none at all is another answer than none within.
func TestLogs(t *testing.T) {
	t.Parallel()
	c := start(t)
	j := tell(t, c)
	id, silent, waits := int64(j.over), int64(j.silent), int64(j.waits)
	line := func(n int) string {
		return fmt.Sprintf("- {\"dt\": \"2026-11-22T12:00:00.000000+00:00\", \"lvl\": \"info\", \"msg\": \"line %d\"}\n", n)
	}
	all := line(0) + line(1) + line(2)
	c.until("the log is there", func() bool {
		text, err := c.call("scheduler.job_output", id)
		return err == nil && string(text.([]byte)) == all
	})
	for _, tt := range []struct {
		args     []any
		finished bool
		want     string
	}{
		{[]any{id}, true, all},
		{[]any{fmt.Sprint(id)}, true, all},
		{[]any{id, nil, nil}, true, all},
		{[]any{id, int64(1)}, true, line(1) + line(2)},
		{[]any{id, int64(1), int64(2)}, true, line(1)},
		{[]any{id, "1", "2"}, true, line(1)},
		{[]any{id, int64(-5), int64(1)}, true, line(0)},
		{[]any{id, int64(0), int64(99)}, true, all},
		{[]any{id, int64(0), int64(0)}, true, ""},
		{[]any{id, int64(2), int64(1)}, true, ""},
		{[]any{id, int64(3)}, true, ""},
		{[]any{id, int64(99), int64(100)}, true, ""},
		{[]any{silent}, true, "[]"},
		{[]any{silent, int64(7)}, true, "[]"},
		{[]any{silent, int64(0), int64(0)}, true, "[]"},
		{[]any{waits}, false, "[]"},
		{[]any{j.display, int64(3), int64(9)}, false, "[]"},
	} {
		c.gives([]any{tt.finished, []byte(tt.want)}, "scheduler.jobs.logs", tt.args...)
	}
	c.refused(400, "start is a double, expected an integer", "scheduler.jobs.logs", id, 1.5)
	for offset, want := range map[int64]string{0: all, -3: all, 5: all[5:], int64(len(all)): "", 1 << 40: ""} {
		c.gives([]byte(want), "scheduler.job_output", id, offset)
	}
	c.refused(404, "Job output not found.", "scheduler.job_output", waits)
	c.refused(404, "Job output not found.", "scheduler.job_output", silent, int64(9))
}

// Jobs are named by numbers and as people write them, and are told of to those who may see them.
func TestJobsOf(t *testing.T) {
	t.Parallel()
	c := start(t)
	for _, user := range []string{"ann", "bob"} {
		c.gives(nil, "auth.users.add", user, nil, nil, user+"@example.com")
	}
	c.gives(nil, "scheduler.device_types.add", "panda", nil, true, false, nil, nil)
	c.gives(nil, "scheduler.devices.add", "p1", "panda", c.worker())
	c.gives(true, "scheduler.devices.set_dictionary", "p1", dictionary)
	c.gives(true, "scheduler.workers.set_config", "w1", "dispatcher_ip: 192.0.2.1\n")
	j := tell(t, c)
	ann, hidden := c.as("ann"), int64(j.hidden)
	noJob, notHers := fmt.Sprintf("Job '%d' was not found.", 999), fmt.Sprintf("Job '%d' not available to user 'ann'.", hidden)
	for _, method := range []string{"show", "definition", "configuration", "logs", "resubmit"} {
		ann.refused(404, noJob, "scheduler.jobs."+method, int64(999))
		ann.refused(403, notHers, "scheduler.jobs."+method, hidden)
	}
	for _, method := range []string{"job_details", "job_state", "job_health", "job_output", "resubmit_job"} {
		ann.refused(404, noJob, "scheduler."+method, "999")
		ann.refused(403, notHers, "scheduler."+method, fmt.Sprint(hidden))
	}
	ann.refused(403, "Permission denied.", "scheduler.jobs.cancel", hidden)
	ann.refused(404, noJob, "scheduler.cancel_job", int64(999))
	ann.gives(xmlrpc.Struct{{Name: j.over.String(), Value: true}, {Name: j.hidden.String(), Value: false}, {Name: j.display, Value: true}},
		"system.user_can_view_jobs", []any{int64(j.over), j.hidden.String(), int64(999), "x", j.display})
	c.gives(xmlrpc.Struct{{Name: j.hidden.String(), Value: true}}, "system.user_can_view_jobs", []any{hidden}, "bob")
	c.gives(false, "system.user_can_view_bundles", []any{"/x"})

	part := int64(j.part)
	c.gives(xmlrpc.Struct{{Name: "job_id", Value: part}, {Name: "job_state", Value: "Submitted"}, {Name: "sub_id", Value: j.display}}, "scheduler.job_state", j.display)
	c.gives(xmlrpc.Struct{{Name: "job_id", Value: part}, {Name: "job_health", Value: "Unknown"}, {Name: "sub_id", Value: j.display}}, "scheduler.job_health", part)
	c.gives(xmlrpc.Struct{{Name: "job_id", Value: int64(j.runs)}, {Name: "job_state", Value: "Running"}}, "scheduler.job_state", int64(j.runs))
	for _, named := range []any{part, j.display, " " + j.display + " "} {
		s := c.must("scheduler.jobs.show", named)
		if id, state := c.member(s, "id"), c.member(s, "state"); id != j.display || state != "Submitted" {
			t.Errorf("show %q: id %v, state %v, want %s, Submitted", named, id, state, j.display)
		}
	}
	d := ann.must("scheduler.job_details", j.display)
	for name, want := range map[string]any{"id": part, "sub_id": j.display, "status": "Submitted", "is_pipeline": true, "submitter_username": "ann", "submitter_email": "ann@example.com",
		"absolute_url": "/scheduler/job/" + j.part.String(), "start_time": nil, "end_time": nil, "requested_device_type_id": "panda", "actual_device_id": nil, "target_group": "g"} {
		if got := c.member(d, name); got != want {
			t.Errorf("job_details %s: %s is %v, want %v", j.display, name, got, want)
		}
	}
	d = ann.must("scheduler.job_details", int64(j.over))
	for name, want := range map[string]any{"id": int64(j.over), "sub_id": "", "status": "Complete", "state": "Finished", "health": "Complete", "actual_device_id": "p1",
		"start_time": noon.Add(-30 * time.Minute), "end_time": noon.Add(-10 * time.Minute), "original_definition": definitionText, "multinode_definition": ""} {
		if got := c.member(d, name); got != want {
			t.Errorf("job_details %d: %s is %v, want %v", j.over, name, got, want)
		}
	}
	c.gives([]any{definitionText, "available_architectures: [none]\nactions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}", "dispatcher_ip: 192.0.2.1\n", nil, nil},
		"scheduler.jobs.configuration", int64(j.over))
	c.gives(definitionText, "scheduler.jobs.definition", int64(j.over))

	c.listsOf(j)
	ann.gives(true, "scheduler.jobs.cancel", j.display)
	ann.gives(true, "scheduler.cancel_job", int64(j.over)) // it is over
}

// listsOf holds lists of jobs and devices that need no tables.
func (c client) listsOf(j told) {
	c.t.Helper()
	ids := func(list any) (out []string) {
		rows, _ := list.([]any)
		for _, r := range rows {
			if s, ok := r.(xmlrpc.Struct); ok {
				out = append(out, fmt.Sprint(c.member(s, "id")))
			} else {
				out = append(out, fmt.Sprint(r.([]any)[0]))
			}
		}
		return out
	}
	first := strings.TrimSuffix(j.display, "1") + "0"
	for _, tt := range []struct {
		method string
		args   []any
		want   []string
	}{
		{"scheduler.jobs.list", []any{"running"}, []string{j.runs.String()}},
		{"scheduler.jobs.list", []any{"RUNNING", "UNKNOWN", nil, nil, nil, nil, nil}, []string{j.runs.String()}},
		{"scheduler.jobs.list", []any{"running", nil, int64(0), int64(25), int64(0), false, int64(20)}, []string{j.runs.String()}},
		{"scheduler.jobs.list", []any{"running", nil, int64(0), int64(25), int64(0), false, int64(40)}, nil},
		{"scheduler.jobs.list", []any{"running", nil, int64(1), int64(25), int64(0), false, int64(20)}, nil},
		{"scheduler.jobs.list", []any{"running", nil, int64(0), int64(25), int64(60)}, nil}, // it has not ended
		{"scheduler.jobs.list", []any{"submitted", nil, int64(0), int64(2)}, []string{j.display, first}},
		{"scheduler.jobs.list", []any{"submitted", nil, "1", "2"}, []string{first, j.hidden.String()}},
		{"scheduler.jobs.list", []any{"submitted", nil, int64(0), int64(0)}, nil},
		{"scheduler.jobs.queue", []any{[]any{"panda"}, int64(2), int64(500)}, []string{j.hidden.String(), j.waits.String()}},
		{"scheduler.jobs.queue", []any{[]any{"beagle"}}, nil},
		{"scheduler.all_jobs", nil, []string{j.runs.String(), j.part.String(), strings.TrimSuffix(first, ".0"), j.hidden.String(), j.waits.String()}},
	} {
		if got := ids(c.must(tt.method, tt.args...)); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			c.t.Errorf("%s%v: jobs %v, want %v", tt.method, tt.args, got, tt.want)
		}
	}
	c.refused(400, "Invalid state 'gone'", "scheduler.jobs.list", "gone")
	c.refused(400, "Invalid health 'fine'", "scheduler.jobs.list", nil, "fine")
	c.refused(400, "expected numbers from 0", "scheduler.jobs.list", nil, nil, int64(0), int64(-1))
	c.refused(400, "since is an integer, expected a number of minutes", "scheduler.jobs.list", nil, nil, int64(0), int64(1), int64(-1))
	rows, _ := c.must("scheduler.all_jobs").([]any)
	if want := []any{int64(j.runs), "a", "running", xmlrpc.Struct{{Name: "hostname", Value: "p1"}}, xmlrpc.Struct{{Name: "name", Value: "panda"}}, ""}; fmt.Sprint(rows[0]) != fmt.Sprint(want) {
		c.t.Errorf("all_jobs: got %v, want %v", rows[0], want)
	}
	c.gives([]any{[]any{"p1", "panda", "running", int64(j.runs), true}}, "scheduler.all_devices")
	lines, _ := c.must("scheduler.devices.list", true).([]any)
	if len(lines) != 1 || c.member(lines[0], "current_job") != int64(j.runs) || c.member(lines[0], "state") != "Running" {
		c.t.Errorf("devices.list: %v", lines)
	}
}

// Results are told by job, suite and case, as YAML and CSV, to those who may see the job.
func TestResultsOf(t *testing.T) {
	t.Parallel()
	c := start(t)
	for _, user := range []string{"ann", "bob"} {
		c.gives(nil, "auth.users.add", user)
	}
	j := tell(t, c)
	id, hidden, ann := int64(j.over), int64(j.hidden), c.as("ann")
	for _, m := range []struct {
		name string
		more []any
	}{{"get_testjob_results_yaml", nil}, {"get_testjob_results_csv", nil}, {"get_testjob_metadata", nil}, {"get_testjob_suites_list_yaml", nil}, {"get_testjob_suites_list_csv", nil},
		{"get_testsuite_results_yaml", []any{"lava"}}, {"get_testsuite_results_csv", []any{"lava"}}, {"get_testsuite_results_count", []any{"lava"}},
		{"get_testcase_results_yaml", []any{"lava", "validate"}}, {"get_testcase_results_csv", []any{"lava", "validate"}}} {
		with := func(job any) []any { return append([]any{job}, m.more...) }
		ann.refused(401, fmt.Sprintf("Permission denied for user to job %d", hidden), "results."+m.name, with(hidden)...)
		ann.refused(404, "Specified job not found.", "results."+m.name, with("999")...)
		ann.refused(404, "Specified job not found.", "results."+m.name, with("x")...)
		ann.refused(400, "Bad request: TestJob id was not specified.", "results."+m.name, with("")...)
		if len(m.more) > 0 {
			ann.refused(404, "Specified test suite not found.", "results."+m.name, append([]any{id, "nope"}, m.more[1:]...)...)
		}
	}
	for _, tt := range []struct {
		method string
		args   []any
		want   []string // names of cases, in order
	}{
		{"get_testjob_results", []any{id}, []string{"validate", "ping", "boot-time", "ping"}},
		{"get_testjob_results", []any{fmt.Sprint(id)}, []string{"validate", "ping", "boot-time", "ping"}},
		{"get_testjob_results", []any{j.display}, nil},
		{"get_testsuite_results", []any{id, "0_smoke"}, []string{"ping", "boot-time", "ping"}},
		{"get_testsuite_results", []any{id, "0_smoke", int64(2)}, []string{"ping", "boot-time"}},
		{"get_testsuite_results", []any{id, "0_smoke", int64(500), int64(1)}, []string{"boot-time", "ping"}},
		{"get_testsuite_results", []any{id, "0_smoke", "1", "1"}, []string{"boot-time"}},
		{"get_testsuite_results", []any{id, "0_smoke", int64(500), int64(500)}, nil},
		{"get_testsuite_results", []any{id, "0_smoke", nil, int64(1)}, []string{"ping", "boot-time", "ping"}}, // without a limit it means nothing
		{"get_testcase_results", []any{id, "0_smoke", "ping"}, []string{"ping", "ping"}},
	} {
		yaml, _ := c.must("results."+tt.method+"_yaml", tt.args...).(string)
		csv, _ := c.must("results."+tt.method+"_csv", tt.args...).(string)
		var names, columns []string
		for _, l := range strings.Split(yaml, "\n") {
			if name, ok := strings.CutPrefix(strings.TrimPrefix(l, "- "), "name: "); ok {
				names = append(names, name)
			}
		}
		rows := strings.Split(strings.TrimSuffix(csv, "\n"), "\n")
		for _, r := range rows[1:] {
			columns = append(columns, strings.Trim(strings.Split(r, `","`)[11], `"`))
		}
		if fmt.Sprint(names) != fmt.Sprint(tt.want) || fmt.Sprint(columns) != fmt.Sprint(tt.want) {
			t.Errorf("%s%v: as YAML %v, as CSV %v, want %v", tt.method, tt.args, names, columns, tt.want)
		}
		if want := `"job","suite","result","measurement","unit","duration","timeout","logged","level","metadata","url","name","id","log_start_line","log_end_line"`; rows[0] != want {
			t.Errorf("%s%v: heading %s, want %s", tt.method, tt.args, rows[0], want)
		}
	}
	c.gives("[]\n", "results.get_testjob_results_yaml", int64(j.silent))
	c.gives("[]\n", "results.get_testcase_results_yaml", id, "0_smoke", "none")
	c.gives("[]\n", "results.get_testcase_results_yaml", id, "0_smoke", "")
	c.refused(404, "Specified test case not found.", "results.get_testcase_results_csv", id, "0_smoke", "none")
	c.refused(404, "Specified test case not found.", "results.get_testcase_results_csv", id, "0_smoke", "")
	c.refused(400, "expected numbers from 0", "results.get_testsuite_results_yaml", id, "0_smoke", int64(-1))
	c.gives(int64(3), "results.get_testsuite_results_count", id, "0_smoke")
	c.gives([]any{xmlrpc.Struct{{Name: "branch", Value: "next"}}, xmlrpc.Struct{{Name: "build", Value: "1"}}}, "results.get_testjob_metadata", id)
	suites, _ := c.must("results.get_testjob_suites_list_yaml", id).(string)
	if want := fmt.Sprintf("- id: '%s'\n  job: '%d'\n  name: lava\n", firstID(suites), id); !strings.HasPrefix(suites, want) || !strings.HasSuffix(suites, "  name: 0_smoke\n") {
		t.Errorf("suites as YAML: got %s", suites)
	}
	if csv, _ := c.must("results.get_testjob_suites_list_csv", id).(string); !strings.HasPrefix(csv, fmt.Sprintf("\"name\",\"job\",\"id\"\n\"lava\",\"%d\",\"%s\"\n\"0_smoke\",", id, firstID(suites))) {
		t.Errorf("suites as CSV: got %s", csv)
	}
}

// firstID is the first id of a list of suites.
func firstID(suites string) string {
	_, rest, _ := strings.Cut(suites, "id: '")
	id, _, _ := strings.Cut(rest, "'")
	return id
}
