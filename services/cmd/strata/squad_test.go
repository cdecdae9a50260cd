package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"strata/schemas/yaml"
	"strata/services/api/xmlrpc"
)

// squad asks what SQUAD and scripts of labs ask beside lavacli, of the lab that lavacli has left: job 3 is
// Complete, 6 canceled, qemu-01 idle.
func (l *goldenLab) squad(t *testing.T) {
	t.Helper()
	details, _ := l.rpc(t, "scheduler.job_details", "3").(xmlrpc.Struct)
	for name, want := range map[string]any{"status": "Complete", "is_pipeline": true, "multinode_definition": "", "submitter_username": "local",
		"id": int64(3), "state": "Finished", "health": "Complete", "absolute_url": "/scheduler/job/3"} {
		if got, ok := details.Get(name); !ok || got != want {
			t.Errorf("job_details: %s is %v, want %v", name, got, want)
		}
	}
	if text, _ := details.Get("definition"); !strings.Contains(fmt.Sprint(text), "peer qemu smoke") {
		t.Errorf("job_details: definition is %v", text)
	}
	for _, secret := range []string{"token", "password"} {
		if _, ok := details.Get(secret); ok {
			t.Errorf("job_details tells a %s", secret)
		}
	}
	device, _ := details.Get("actual_device_id")
	suites := records(t, l.rpc(t, "results.get_testjob_suites_list_yaml", int64(3)))
	if len(suites) != 2 || suites[0].Get("name").TextOr("") != "lava" || suites[1].Get("name").TextOr("") != "0_smoke" || suites[1].Get("job").TextOr("") != "3" {
		t.Errorf("suites of job 3: got %v, want lava and 0_smoke", suites)
	}
	all := 0
	for offset, n := 0, 2; n > 0; offset += n { // as SQUAD asks, with a smaller page
		page := records(t, l.rpc(t, "results.get_testsuite_results_yaml", int64(3), "0_smoke", int64(2), int64(offset)))
		n = len(page)
		all += n
	}
	if got := l.rpc(t, "results.get_testsuite_results_count", int64(3), "0_smoke"); all != 5 || got != int64(5) {
		t.Errorf("cases of 0_smoke: %d in pages, counted %v, want 5", all, got)
	}
	for _, tt := range []struct {
		method string
		params []any
		want   string // is in the answer as Go prints it
	}{
		{"scheduler.jobs.configuration", []any{"6"}, "[<nil> <nil> <nil> <nil> <nil>]"}, // it never ran
		{"scheduler.job_state", []any{"3"}, "{job_state Finished}"},
		{"scheduler.job_health", []any{int64(6)}, "{job_health Canceled}"},
		{"scheduler.job_output", []any{"3", int64(2)}, `{"dt": "20`},
		{"scheduler.all_jobs", nil, "[]"},
		{"scheduler.get_recent_jobs_for_device_type", []any{"qemu", int64(2)}, "{status Complete}"},
		{"scheduler.get_recent_jobs_for_device", []any{device, int64(1), true}, "{status Complete}"},
		{"scheduler.get_device_config", []any{"qemu-02"}, "methods"},
		{"scheduler.export_device_dictionary", []any{"qemu-02"}, "methods"},
		{"scheduler.pending_jobs_by_device_type", nil, "{qemu 0}"},
		{"scheduler.jobs.list", []any{nil, nil, int64(0), int64(5), int64(60), true, int64(0)}, "{actual_device qemu-"},
		{"scheduler.jobs.list", []any{"finished", "canceled"}, "{id 7}"},
		{"scheduler.jobs.list", []any{nil, nil, int64(0), int64(5), int64(0), false, int64(60)}, "[]"},
		{"system.user_can_view_jobs", []any{[]any{int64(3), int64(99)}}, "[{3 true}]"},
		{"results.get_testjob_results_csv", []any{"3"}, "boot-time"},
		{"results.get_testjob_metadata", []any{"3"}, "[]"},
		{"results.get_testjob_suites_list_csv", []any{"3"}, `"0_smoke","3",`},
		{"results.get_testcase_results_csv", []any{"3", "0_smoke", "uname"}, "uname"},
		{"results.get_testcase_results_yaml", []any{"3", "0_smoke", "nope"}, "[]"},
		{"results.make_custom_query", []any{"testjob", "testjob__health__exact__Complete"}, "{actual_device qemu-"},
		{"results.make_custom_query", []any{"testjob", "testjob__id__exact__3"}, "{is_public true} {queue_timeout <nil>} {failure_comment <nil>} {metadata []} {definition actions:"},
		{"results.make_custom_query", []any{"testcase", "testcase__name__exact__boot-time", int64(1)}, "{start_log_line "},
		{"results.make_custom_query", []any{"testsuite", "testsuite__name__exact__0_smoke", int64(1)}, "{name 0_smoke}"},
		{"results.make_custom_query", []any{"testcase", "testcase__name__exact__boot-time", int64(1)}, "{measurement 7.5}"},
	} {
		got := l.rpc(t, tt.method, tt.params...)
		if text, ok := got.([]byte); ok {
			got = string(text)
		}
		if !strings.Contains(fmt.Sprint(got), tt.want) {
			t.Errorf("%s%v: got %v, want %s in it", tt.method, tt.params, got, tt.want)
		}
	}
	for _, tt := range []struct {
		code   int
		method string
		params []any
		want   string
	}{
		{400, "scheduler.jobs.list", []any{"Flying"}, "Invalid state 'Flying'"},
		{404, "results.get_testsuite_results_yaml", []any{"3", "none"}, "Specified test suite not found."},
		{404, "results.get_testjob_results_yaml", []any{"99"}, "Specified job not found."},
		{400, "results.get_testjob_results_yaml", []any{nil}, "Bad request: TestJob id was not specified."},
		{404, "results.get_testcase_results_csv", []any{"3", "0_smoke", "nope"}, "Specified test case not found."},
		{400, "results.make_custom_query", []any{"testjob", "testjob__colour__exact__red"}, "colour"},
		{404, "results.run_query", []any{"none"}, "none"},
		{400, "scheduler.get_recent_jobs_for_device_type", []any{"qemu", int64(-1)}, "negative"},
		{-32603, "scheduler.get_recent_jobs_for_device_type", []any{"nope"}, "Internal Server Error"},
	} {
		v, err := l.call(t, tt.method, tt.params...)
		var f *xmlrpc.Fault
		if !errors.As(err, &f) || f.Code != tt.code || !strings.Contains(f.String, tt.want) {
			t.Errorf("%s%v: got %v, error %v; want fault %d with %q", tt.method, tt.params, v, err, tt.code, tt.want)
		}
	}
}

// records reads a YAML list.
func records(t *testing.T, text any) []*yaml.Node {
	t.Helper()
	root, err := yaml.Parse([]byte(fmt.Sprint(text)))
	if err != nil || !root.Is(yaml.List) {
		t.Fatalf("%v is no YAML list (error %v)", text, err)
	}
	return root.Items
}

// rpc calls a method that has to succeed.
func (l *goldenLab) rpc(t *testing.T, method string, params ...any) any {
	t.Helper()
	v, err := l.call(t, method, params...)
	if err != nil {
		t.Errorf("%s%v: %v", method, params, err)
	}
	return v
}

// call calls a method.
func (l *goldenLab) call(t *testing.T, method string, params ...any) (any, error) {
	t.Helper()
	document, err := xmlrpc.EncodeCall(xmlrpc.Call{Method: method, Params: params})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.url, bytes.NewReader(document)) // with the user in the address
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, error %v: %s", method, reply.StatusCode, err, body)
	}
	return xmlrpc.DecodeResponse(body)
}
