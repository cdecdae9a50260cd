package lavarpc_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/services/api"
	"strata/services/api/door"
	"strata/services/api/lavarpc"
	"strata/services/api/xmlrpc"
)

// noon is the clock of the lab.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// client calls methods of a lab without tables.
type client struct {
	t      *testing.T
	url    string
	header string // Authorization; "" is the machine's own user
	api    api.Inside
	broker *eventtest.Broker
	far    bool // asks as from another machine, where nobody has a name without a token
}

func start(t *testing.T) client {
	t.Helper()
	b := eventtest.Start(t)
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan api.Inside, 1), make(chan error, 1)
	now, quiet := func() time.Time { return noon }, slog.New(slog.DiscardHandler)
	go func() {
		done <- api.Run(ctx, api.Deps{Log: b.Log.As("api"), Now: now, Logger: quiet, Key: key, Ready: func(in api.Inside) { ready <- in }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("api: %v", err)
		}
	})
	var in api.Inside
	select {
	case in = <-ready:
	case <-time.After(eventtest.Patience):
		t.Fatal("the api does not answer")
	}
	d := door.New(door.Settings{Logger: quiet, Now: time.Now, Body: 1 << 20})
	d.Open(lavarpc.Handler(lavarpc.Deps{API: in, Door: d, Now: now, Logger: quiet, EventSocket: "tcp://*:5500"}))
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	return client{t: t, url: server.URL + "/RPC2", api: in, broker: b}
}

// post sends a request as it is.
func (c client) post(method, body string) *http.Response {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.header != "" {
		r.Header.Set("Authorization", c.header)
	}
	if c.far {
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
	}
	reply, err := http.DefaultTransport.RoundTrip(r) // which follows no redirection
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { reply.Body.Close() })
	return reply
}

// call calls a method.
func (c client) call(method string, params ...any) (any, error) {
	c.t.Helper()
	document, err := xmlrpc.EncodeCall(xmlrpc.Call{Method: method, Params: params})
	if err != nil {
		c.t.Fatal(err)
	}
	reply := c.post(http.MethodPost, string(document))
	body, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: status %d, error %v: %s", method, reply.StatusCode, err, body)
	}
	return xmlrpc.DecodeResponse(body)
}

// must calls a method that has to succeed.
func (c client) must(method string, params ...any) any {
	c.t.Helper()
	v, err := c.call(method, params...)
	if err != nil {
		c.t.Fatalf("%s%v: %v", method, params, err)
	}
	return v
}

// refused calls a method that has to fail.
func (c client) refused(code int, text, method string, params ...any) {
	c.t.Helper()
	v, err := c.call(method, params...)
	var f *xmlrpc.Fault
	if !errors.As(err, &f) || f.Code != code || !strings.Contains(f.String, text) {
		c.t.Errorf("%s%v: got %v, error %v; want fault %d with %q", method, params, v, err, code, text)
	}
}

// gives calls a method that has to answer so.
func (c client) gives(want any, method string, params ...any) {
	c.t.Helper()
	if got := c.must(method, params...); !reflect.DeepEqual(got, want) {
		c.t.Errorf("%s%v: got %#v, want %#v", method, params, got, want)
	}
}

// member returns a member of a struct.
func (c client) member(v any, name string) any {
	c.t.Helper()
	s, ok := v.(xmlrpc.Struct)
	if !ok {
		c.t.Fatalf("%#v is no struct with a %s", v, name)
	}
	m, ok := s.Get(name)
	if !ok {
		c.t.Errorf("%v has no %s", s, name)
	}
	return m
}

// as returns a client of a user with a token.
func (c client) as(user string) client {
	c.t.Helper()
	var issued api.Token
	if err := c.api.Call(c.t.Context(), api.Caller{User: "local"}, "tokens.issue", api.TokenRequest{User: events.UserName(user)}, &issued); err != nil {
		c.t.Fatal(err)
	}
	c.header = basic(user + ":" + issued.Value)
	return c
}

func basic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

func TestTransport(t *testing.T) {
	t.Parallel()
	c := start(t)
	hello := "<methodCall><methodName>system.whoami</methodName></methodCall>"
	tests := []struct {
		name, method, header, body string
		status                     int
		want                       string
	}{
		{"a browser", "GET", "", "", 302, ""},
		{"an empty body", "POST", "", "", 302, ""},
		{"without a credential", "POST", "", hello, 200, "<string>local</string>"},
		{"three words", "POST", "Basic a b", hello, 400, "Invalid HTTP_AUTHORIZATION header"},
		{"one word", "POST", "Basic", hello, 400, "Invalid HTTP_AUTHORIZATION header"},
		{"another scheme", "POST", "Digest abc", hello, 400, "Unsupported HTTP_AUTHORIZATION header, only Basic scheme is supported"},
		{"the scheme in small letters", "POST", "basic abc", hello, 400, "Unsupported"},
		{"no base64", "POST", "Basic !!!!", hello, 400, "Corrupted HTTP_AUTHORIZATION header, bad base64 encoding"},
		{"no UTF-8", "POST", basic("\xff:\xff"), hello, 400, "Corrupted HTTP_AUTHORIZATION header, bad base64 encoding"},
		{"no colon", "POST", basic("ann"), hello, 400, "Corrupted HTTP_AUTHORIZATION header, no user:pass"},
		{"a wrong token", "POST", basic("ann:wrong"), hello, 401, "Invalid token"},
		{"no XML", "POST", "", "hello", 200, "Unable to decode request"},
		{"another document", "POST", "", "<html/>", 200, "<int>-32600</int>"},
		{"a document type", "POST", "", "<!DOCTYPE a>" + hello, 200, "<int>-32603</int>"},
		{"too much", "POST", "", strings.Repeat("x", 2<<20), 413, "too large"},
	}
	for _, tt := range tests {
		c.header = tt.header
		reply := c.post(tt.method, tt.body)
		body, err := io.ReadAll(reply.Body)
		if err != nil || reply.StatusCode != tt.status || !bytes.Contains(body, []byte(tt.want)) {
			t.Errorf("%s: got status %d, %s (error %v), want %d with %q", tt.name, reply.StatusCode, body, err, tt.status, tt.want)
		}
		switch reply.StatusCode {
		case 200:
			if got := reply.Header.Get("Content-Type"); got != "application/xml; charset=utf-8" || reply.ContentLength != int64(len(body)) {
				t.Errorf("%s: got type %q and length %d of %d", tt.name, got, reply.ContentLength, len(body))
			}
		case 401:
			if got := reply.Header.Get("WWW-Authenticate"); got != `Basic realm="XML-RPC Authentication token"` {
				t.Errorf("%s: got WWW-Authenticate %q", tt.name, got)
			}
		}
	}
}

func TestSystem(t *testing.T) {
	t.Parallel()
	c := start(t)
	names, ok := c.must("system.listMethods").([]any)
	if !ok || len(names) != 134 {
		t.Errorf("there are %d methods, want LAVA's 134", len(names))
	}
	for _, name := range names {
		if help, _ := c.must("system.methodHelp", name).(string); len(help) < 30 || strings.Contains(help, "TODO") {
			t.Errorf("help of %v: got %q", name, help)
		}
		c.gives("undef", "system.methodSignature", name)
	}
	c.gives("", "system.methodHelp", "no.method")
	c.gives("", "system.methodSignature", "no.method")
	c.gives("2026.07", "system.version")
	c.gives(int64(2), "system.api_version")
	c.gives(nil, "close")
	c.gives("tcp://*:5500", "scheduler.get_publisher_event_socket")
	if got := c.member(c.must("system.master_config"), "EVENT_NOTIFICATION"); got != true {
		t.Errorf("master_config: got EVENT_NOTIFICATION %v", got)
	}
	c.refused(-32601, "No such method: 'a.b'", "a.b")
	c.refused(-32603, "version() takes 1 positional arguments but 2 were given", "system.version", int64(1))
	c.refused(-32603, "missing 1 required positional argument: 'job_id'", "scheduler.jobs.show")
	c.refused(400, "hostname is an array, expected a string", "scheduler.devices.show", []any{})
	c.refused(404, "Job '7' was not found.", "scheduler.jobs.show", "7")
	c.refused(404, "Job 'x' was not found.", "scheduler.jobs.show", "x")

	one := func(name any, params any) xmlrpc.Struct {
		return xmlrpc.Struct{{Name: "methodName", Value: name}, {Name: "params", Value: params}}
	}
	got, _ := c.must("system.multicall", []any{one("system.version", []any{}), one("a.b", []any{}), one("system.multicall", []any{[]any{}}),
		"x", one(int64(1), []any{}), append(one("system.version", []any{}), xmlrpc.Member{Name: "more"}), one("system.version", nil)}).([]any)
	if len(got) != 7 || !reflect.DeepEqual(got[0], []any{"2026.07"}) {
		t.Fatalf("multicall: got %v", got)
	}
	for i, code := range []int64{-32601, -32602, -32602, -32602, -32602, -32602} {
		if f := c.member(got[i+1], "faultCode"); f != code {
			t.Errorf("multicall, call %d: got fault %v, want %d", i+1, f, code)
		}
	}
	c.refused(-32602, "expected a list", "system.multicall", "x")
}

func TestInventory(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.gives(nil, "scheduler.workers.add", "w1", "on the desk")
	c.refused(400, "worker already exists?", "scheduler.workers.add", "w1")
	c.gives(nil, "scheduler.workers.add", "old", "", true)
	c.gives([]any{"w1"}, "scheduler.workers.list")
	c.gives([]any{"old", "w1"}, "scheduler.workers.list", true)
	c.refused(400, "Invalid health: maintenance", "scheduler.workers.update", "w1", nil, "maintenance")
	c.refused(400, "Invalid job limit", "scheduler.workers.update", "w1", nil, nil, int64(-1))
	c.gives(nil, "scheduler.workers.update", "w1", "in the rack", "MAINTENANCE", int64(3))
	w := c.must("scheduler.workers.show", "w1")
	for name, want := range map[string]any{"description": "in the rack", "health": "Maintenance", "job_limit": int64(3), "default_env": true} {
		if got := c.member(w, name); got != want {
			t.Errorf("w1: %s is %v, want %v", name, got, want)
		}
	}
	if _, ok := c.member(w, "last_ping").(time.Time); !ok {
		t.Errorf("w1: last_ping is no time: %v", w)
	}
	c.refused(404, "Worker 'w1' does not have an env-dut file", "scheduler.workers.get_env_dut", "w1")
	c.refused(400, "Invalid YAML syntax in env.yaml", "scheduler.workers.set_env", "w1", "a: [")
	c.gives(true, "scheduler.workers.set_env", "w1", "purge: true\n")
	c.gives([]byte("purge: true\n"), "scheduler.workers.get_env", "w1")
	c.refused(404, "Worker 'w2' was not found.", "scheduler.workers.delete", "w2")
	c.gives(nil, "scheduler.workers.update", "w1", nil, "ACTIVE")

	c.gives(nil, "scheduler.device_types.add", "panda", "boards", true, false, int64(12), "jobs")
	c.refused(400, "already used", "scheduler.device_types.add", "panda", "", true, false, int64(12), "jobs")
	c.refused(404, "Device-type 'nope' was not found.", "scheduler.device_types.show", "nope")
	c.refused(404, "DeviceType 'nope' was not found.", "scheduler.devices.add", "p1", "nope", "w1")
	c.refused(404, "Worker 'nope' was not found.", "scheduler.devices.add", "p1", "panda", "nope")
	c.refused(400, "Invalid health", "scheduler.devices.add", "p1", "panda", "w1", nil, nil, true, "Good")
	c.gives(nil, "scheduler.devices.add", "p1", "panda", "w1", nil, nil, true, "GOOD", "the first")
	c.refused(400, "device already exists?", "scheduler.devices.add", "p1", "panda", "w1")
	c.gives([]any{[]any{"p1", "panda", "idle", nil, true}}, "scheduler.all_devices")
	// It is not retired, and its worker is away; a type without devices is not listed.
	c.gives(nil, "scheduler.device_types.add", "beagle", nil, true, false, nil, nil)
	c.gives([]any{xmlrpc.Struct{{Name: "name", Value: "panda"}, {Name: "busy", Value: int64(0)}, {Name: "idle", Value: int64(0)}, {Name: "offline", Value: int64(1)}}},
		"scheduler.all_device_types")
	c.refused(400, "Bad request: device was not specified.", "scheduler.get_recent_jobs_for_device", "")
	c.refused(400, "Bad request: device_type was not specified.", "scheduler.get_recent_jobs_for_device_type", "")
	c.refused(404, "Device 'p1' does not have a device dictionary", "scheduler.export_device_dictionary", "p1")
	c.refused(-32603, "there is no device nope", "scheduler.export_device_dictionary", "nope")
	c.refused(404, "does not have a configuration", "scheduler.devices.get_dictionary", "p1")
	c.gives(false, "scheduler.devices.set_dictionary", "p1", "{% extends 'none.jinja2' %}")
	c.gives([]byte("p1:\n  Invalid: Missing device dictionary\n"), "scheduler.validate_pipeline_devices")
	c.gives(true, "scheduler.devices.set_dictionary", "p1", dictionary)
	c.gives([]byte(dictionary), "scheduler.devices.get_dictionary", "p1")
	if got, _ := c.must("scheduler.devices.get_dictionary", "p1", true, "{arch: arm}").([]byte); !bytes.Contains(got, []byte("available_architectures: [arm]")) {
		t.Errorf("p1 rendered for arm: got %s", got)
	}
	c.gives([]byte("p1:\n  Valid: null\n"), "scheduler.validate_pipeline_devices", "panda")
	c.refused(404, "No devices found", "scheduler.validate_pipeline_devices", "nope")
	c.refused(400, "Reason was not specified", "scheduler.put_into_maintenance_mode", "p1", "")
	c.gives(nil, "scheduler.put_into_maintenance_mode", "p1", "broken")
	if got := c.member(c.must("scheduler.get_device_status", "p1"), "status"); got != "offline" {
		t.Errorf("p1 in maintenance: got status %v, want offline", got)
	}
	c.gives(nil, "scheduler.put_into_online_mode", "p1", "mended")
	c.refused(400, "Health 'good' is invalid", "scheduler.devices.update", "p1", nil, nil, nil, nil, "good")
	c.refused(404, "Unable to find worker 'nope'", "scheduler.devices.update", "p1", "nope")
	c.gives(nil, "scheduler.devices.update", "p1", nil, nil, nil, nil, "BAD", "the second")
	d := c.must("scheduler.devices.show", "p1")
	for name, want := range map[string]any{"health": "Bad", "description": "the second", "worker": "w1", "has_device_dict": true, "health_job": false} {
		if got := c.member(d, name); got != want {
			t.Errorf("p1: %s is %v, want %v", name, got, want)
		}
	}
	c.gives([]any{}, "scheduler.device_types.devices", "panda", "good")
	c.gives(nil, "scheduler.devices.tags.add", "p1", "usb")
	c.gives([]any{"usb"}, "scheduler.devices.tags.list", "p1")
	c.gives(xmlrpc.Struct{{Name: "name", Value: "usb"}, {Name: "description", Value: nil}, {Name: "devices", Value: []any{"p1"}}}, "scheduler.tags.show", "usb")
}

// dictionary is a device's that hangs on the job's context.
const dictionary = `{% set arch = arch|default('none') %}
available_architectures: [{{ arch }}]
actions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}
`

func TestNames(t *testing.T) {
	t.Parallel()
	c := start(t)
	for _, name := range []string{"panda", "beagle"} {
		c.gives(nil, "scheduler.device_types.add", name, nil, true, false, nil, nil)
	}
	c.gives(nil, "scheduler.aliases.add", "omap", "panda")
	c.refused(404, "Alias with name 'omap' already exists.", "scheduler.aliases.add", "omap", "beagle")
	c.refused(404, "DeviceType with name 'beagle' already exists.", "scheduler.aliases.add", "beagle", "panda")
	c.refused(400, "Bad request. DeviceType does not exist", "scheduler.aliases.add", "y", "x")
	c.gives(xmlrpc.Struct{{Name: "oma", Value: []any{"panda"}}}, "scheduler.get_device_type_by_alias", "oma")
	c.gives(nil, "scheduler.device_types.aliases.add", "beagle", "omap") // taken over
	c.gives(xmlrpc.Struct{{Name: "name", Value: "omap"}, {Name: "device_type", Value: "beagle"}}, "scheduler.aliases.show", "omap")
	c.refused(404, "Alias 'omap' was not found.", "scheduler.device_types.aliases.delete", "panda", "omap")
	c.gives(nil, "scheduler.device_types.aliases.delete", "beagle", "omap")
	c.gives([]any{}, "scheduler.aliases.list")
	c.refused(404, "Alias 'omap' was not found.", "scheduler.aliases.delete", "omap")

	c.gives(nil, "scheduler.tags.add", "usb", "has a port")
	c.refused(400, "tag already exists?", "scheduler.tags.add", "usb")
	c.gives([]any{xmlrpc.Struct{{Name: "name", Value: "usb"}, {Name: "description", Value: "has a port"}}}, "scheduler.tags.list")
	c.gives(nil, "scheduler.tags.delete", "usb")
	c.refused(404, "Tag 'usb' was not found.", "scheduler.tags.show", "usb")

	c.gives(nil, "scheduler.device_types.update", "panda", "boards", false, nil, int64(7), "hours", true)
	s := c.must("scheduler.device_types.show", "panda")
	for name, want := range map[string]any{"description": "boards", "display": false, "health_frequency": int64(7), "health_disabled": true, "default_template": true} {
		if got := c.member(s, name); got != want {
			t.Errorf("panda: %s is %v, want %v", name, got, want)
		}
	}
	c.refused(400, "expected hours or jobs", "scheduler.device_types.update", "panda", nil, nil, nil, nil, "days", nil)
	c.refused(404, "was not found", "scheduler.device_types.get_health_check", "panda")
	c.refused(404, "was not found", "scheduler.device_types.get_template", "panda")
	c.gives(nil, "scheduler.device_types.set_template", "panda", "a: 1")
	c.gives([]byte("a: 1"), "scheduler.device_types.get_template", "panda")
	c.gives(xmlrpc.Struct{}, "scheduler.pending_jobs_by_device_type") // it has no devices
	c.gives(xmlrpc.Struct{{Name: "beagle", Value: int64(0)}, {Name: "panda", Value: int64(0)}}, "scheduler.pending_jobs_by_device_type", true)
}

func TestPeople(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.gives(nil, "auth.users.add", "ann", "Ann", "Lee", "ann@example.com")
	c.refused(400, "user already exists?", "auth.users.add", "ann")
	c.gives(nil, "auth.users.groups.add", "ann", "kernel") // a new group
	c.gives([]any{"kernel"}, "auth.users.groups.list", "ann")
	c.gives(nil, "auth.groups.add", "boards")
	c.refused(400, "group already exists?", "auth.groups.add", "boards")
	c.gives(nil, "system.set_user_groups", "ann@example.com", []any{"boards", "nowhere"})
	c.gives([]any{"boards"}, "auth.users.groups.list", "ann")
	c.refused(400, "please use an existing user", "system.set_user_groups", "bob@example.com", []any{})
	c.refused(404, "Invalid app.model 'a.b'", "auth.users.perms.add", "ann", "a", "b", "c")
	c.refused(404, "Invalid permission 'fly_tag'", "auth.users.perms.add", "ann", "lava_scheduler_app", "tag", "fly_tag")

	ann := c.as("ann")
	ann.gives("ann", "system.whoami")
	ann.refused(403, "User 'ann' is missing permission lava_scheduler_app.add_tag .", "scheduler.tags.add", "usb")
	c.gives(nil, "auth.users.perms.add", "ann", "lava_scheduler_app", "tag", "add_tag")
	c.gives([]any{xmlrpc.Struct{{Name: "app", Value: "lava_scheduler_app"}, {Name: "model", Value: "tag"}, {Name: "codename", Value: "add_tag"}}},
		"auth.users.perms.list", "ann")
	ann.gives(nil, "scheduler.tags.add", "usb")
	c.gives(nil, "auth.users.perms.delete", "ann", "lava_scheduler_app", "tag", "add_tag")
	ann.refused(403, "missing permission", "scheduler.tags.add", "hdmi")
	ann.refused(403, "is missing permission auth.view_user .", "auth.users.list")
	ann.refused(403, "forbidden", "system.set_user_groups", "ann@example.com", []any{})

	c.gives(nil, "scheduler.device_types.add", "panda", nil, true, false, nil, nil)
	c.gives(nil, "scheduler.devices.add", "p1", "panda", c.worker())
	ann.refused(403, "User 'ann' needs admin permission on device p1.", "scheduler.devices.update", "p1", nil, nil, nil, nil, "GOOD")
	c.refused(404, "Group 'x' was not found.", "scheduler.devices.perms_add", "p1", "x", "change_device")
	c.gives(nil, "scheduler.devices.perms_add", "p1", "boards", "change_device")
	c.gives([]any{xmlrpc.Struct{{Name: "name", Value: "change_device"}, {Name: "group", Value: "boards"}}}, "scheduler.devices.perms_list", "p1")
	ann.refused(403, "forbidden", "scheduler.devices.perms_list", "p1")
	ann.gives(nil, "scheduler.devices.update", "p1", nil, nil, nil, nil, "GOOD")
	c.gives(nil, "system.revoke_perm_device", "change_device", "p1", "boards")
	ann.refused(403, "needs admin permission", "scheduler.devices.update", "p1", nil, nil, nil, nil, "BAD")

	ann.gives(xmlrpc.Struct{{Name: "panda", Value: false}}, "system.user_can_submit_to_types", []any{"panda", "nope"})
	c.gives(nil, "system.assign_perm_device_type", "submit_to_devicetype", "panda", "boards")
	ann.gives(xmlrpc.Struct{{Name: "panda", Value: true}}, "system.user_can_submit_to_types", []any{"panda"})
	ann.refused(401, "query other users", "system.user_can_submit_to_types", []any{}, "local")
	c.gives(xmlrpc.Struct{{Name: "panda", Value: []any{xmlrpc.Struct{{Name: "p1", Value: xmlrpc.Struct{
		{Name: "is_pipeline", Value: true}, {Name: "visible", Value: true}, {Name: "exclusive", Value: true}}}}}}},
		"system.user_can_view_devices", []any{"p1", "p2"}, "ann")

	ann.gives(nil, "scheduler.remote_artifact_tokens.add", "store", "s3cret")
	ann.refused(400, "already exists?", "scheduler.remote_artifact_tokens.add", "store", "other")
	ann.gives("s3cret", "scheduler.remote_artifact_tokens.show", "store")
	c.gives([]any{}, "scheduler.remote_artifact_tokens.list") // nobody else's
	ann.gives(nil, "scheduler.remote_artifact_tokens.delete", "store")
	ann.refused(404, "was not found", "scheduler.remote_artifact_tokens.show", "store")

	c.gives(nil, "auth.users.update", "ann", nil, nil, nil, false)
	ann.inactive()
}

// worker adds a worker and returns its name.
func (c client) worker() string {
	c.t.Helper()
	c.gives(nil, "scheduler.workers.add", "w1")
	return "w1"
}

// inactive holds that the client's token is worth nothing.
func (c client) inactive() {
	c.t.Helper()
	if reply := c.post(http.MethodPost, "<methodCall><methodName>system.whoami</methodName></methodCall>"); reply.StatusCode != http.StatusUnauthorized {
		c.t.Errorf("the token of an inactive user: got status %d, want 401", reply.StatusCode)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	c := start(t)
	job := "job_name: a\ndevice_type: panda\nvisibility: public\ntimeouts: {job: {minutes: 9}, action: {minutes: 2}}\nactions:\n- boot: {method: minimal, prompts: ['# ']}\n"
	c.gives(nil, "scheduler.validate_yaml", job)
	c.gives(xmlrpc.Struct{}, "scheduler.jobs.validate", job)
	c.refused(400, "extra keys not allowed @ data['x']", "scheduler.validate_yaml", job+"x: 1\n")
	for _, strict := range []bool{false, true} {
		got := c.must("scheduler.jobs.validate", strings.Replace(job, "visibility: public\n", "", 1), strict)
		if fmt.Sprint(got) != "[{path ['visibility']} {msg required key not provided}]" {
			t.Errorf("validate without visibility: got %v", got)
		}
	}
	c.refused(-32603, "", "scheduler.jobs.validate", "a: [")
}
