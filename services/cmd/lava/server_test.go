package lava_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"strata/services/cmd/lava"
	"strata/services/cmd/lava/lavatest"
)

// aLab is a LAVA server with a device of each kind that a test looks at.
func aLab() *lavatest.Lab {
	return &lavatest.Lab{
		User: "admin", Token: "secret",
		Lists: map[string][]lavatest.Row{
			"devicetypes": {
				lavatest.Kind("board", lavatest.Row{"architecture": "arm", "aliases": []string{"b2", "b1"}, "cpu_model": "A8", "bits": 32,
					"cores": []int{1}, "description": "a board", "health_denominator": "jobs", "health_frequency": 5, "display": false}),
				lavatest.Kind("qemu", lavatest.Row{"disable_health_check": true}),
			},
			"tags":    {{"id": 7, "name": "usb", "description": "a stick"}, {"id": 9, "name": "kvm", "description": nil}},
			"workers": {{"hostname": "w.example.com", "health": "Maintenance", "state": "Online", "description": "rack 1", "job_limit": 3, "version": "2026.07", "token": "do-not-take"}},
			"devices": {
				lavatest.Board("bbb-01", "board", "w.example.com", "Bad", lavatest.Row{"physical_owner": 3, "device_version": "rev C",
					"description": "left", "tags": []int{9, 7, 99}, "last_health_report_job": 41}),
				lavatest.Board("q-01", "qemu", "w.example.com", "Good", lavatest.Row{"physical_group": 4}),
				lavatest.Board("q-02", "qemu", "", "Retired", lavatest.Row{"worker_host": nil}),
			},
			"permissions/devices":     {{"id": 1, "group": "kernel", "permission": "submit_to_device", "device": "bbb-01"}},
			"permissions/devicetypes": {{"id": 1, "group": "kernel", "permission": "view_devicetype", "devicetype": "board"}},
		},
		Files: map[string]string{
			"devices/bbb-01/dictionary/":        "{% extends 'board.jinja2' %}\n",
			"devices/q-01/dictionary/":          "{% extends 'qemu.jinja2' %}\n",
			"devices/q-02/dictionary/":          "{% extends 'qemu.jinja2' %}\n{# retired #}\n",
			"devicetypes/board/template/":       "{% extends 'soc.jinja2' %}\n",
			"devicetypes/qemu/template/":        "hostname: q\n",
			"devicetypes/board/health_check/":   "job_name: check\n",
			"workers/w.example.com/env/":        "purge: true\n",
			"jobs/41/":                          `{"id": 41, "submit_time": "2026-11-20T10:00:00.5Z"}`,
			"workers/w.example.com/not-served/": "",
		},
		Calls: map[string]string{
			"scheduler.device_types.get_template soc":         "{%- include \"parts.jinja2\" %}\n",
			"scheduler.device_types.get_template parts":       "a: 1\n",
			"scheduler.workers.get_env_dut w.example.com":     "overrides: {A: b}\n",
			"scheduler.device_types.get_template not-of-them": "",
		},
		Pages: map[string]string{
			"bbb-01": lavatest.Page(`<a href="mailto:x">alice</a>`, "Good → Bad (<a href=\"/job/41\">it &amp; all</a> (twice))", "Bad → Good (fixed)"),
			"q-01":   lavatest.Page("...", "Good → Bad (of another time)"),
		},
		Counts: map[string]int{"bbb-01": 12},
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"%s", "%s/", "%s/RPC2", "%s/api/v0.2/"} {
		url := aLab().Start(t)
		c, err := lava.Server{URL: fmt.Sprintf(form, url), Token: "secret"}.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := byName(c)
		want := map[string]map[string]string{
			"devicetype board": {"description": "a board", "architecture": "arm", "aliases": "b2\nb1", "hidden": "true", "health_frequency": "5",
				"health_denominator": "jobs", "health_disabled": "false", "template": "{% extends 'soc.jinja2' %}\n",
				"health_check": "job_name: check\n", "permissions": "kernel:view_devicetype"},
			"devicetype qemu": {"description": "", "architecture": "", "aliases": "", "hidden": "false", "health_frequency": "24",
				"health_denominator": "hours", "health_disabled": "true", "template": "hostname: q\n", "permissions": ""},
			"devicetype soc":   {"template": "{%- include \"parts.jinja2\" %}\n"},
			"devicetype parts": {"template": "a: 1\n"},
			"tag usb":          {"description": "a stick"},
			"tag kvm":          {"description": ""},
			"worker w.example.com": {"description": "rack 1", "health": "Maintenance", "job_limit": "3", "env": "purge: true\n", "dispatcher": "",
				"env_dut": "overrides: {A: b}\n"},
			"device bbb-01": {"device_type": "board", "worker": "w.example.com", "description": "left", "hardware": "rev C", "owner": "alice",
				"owner_group": "", "tags": "kvm\nusb", "dictionary": "{% extends 'board.jinja2' %}\n", "health": "Bad\nit & all (twice)",
				"last_check": "2026-11-20T10:00:00.5Z", "jobs_since": "12", "permissions": "kernel:submit_to_device"},
			"device q-01": {"device_type": "qemu", "worker": "w.example.com", "description": "", "hardware": "", "owner": "", "tags": "",
				"dictionary": "{% extends 'qemu.jinja2' %}\n", "health": "Good", "permissions": ""},
			"device q-02": {"device_type": "qemu", "worker": "", "description": "", "hardware": "", "owner": "", "owner_group": "", "tags": "",
				"dictionary": "{% extends 'qemu.jinja2' %}\n{# retired #}\n", "health": "Retired", "permissions": ""},
		}
		for name, settings := range want {
			if !reflect.DeepEqual(got[name], settings) {
				t.Errorf("%s:\n got %q\nwant %q", name, got[name], settings)
			}
		}
		if len(got) != len(want) {
			t.Errorf("read %d things, want %d: %v", len(got), len(want), got)
		}
		var left []string
		for _, n := range c.NotTaken {
			left = append(left, n.Name+" "+n.Setting+" "+n.Value)
		}
		for _, want := range []string{"board cpu_model A8", "board bits 32", "board cores [1]", "bbb-01 tag 99", "q-01 owner_group 4"} {
			if !strings.Contains(strings.Join(left, "\n"), want) {
				t.Errorf("it is not said that %q was not taken: %q", want, left)
			}
		}
		if text := fmt.Sprint(c); strings.Contains(text, "do-not-take") || strings.Contains(text, "secret") || len(c.Unread) > 0 {
			t.Errorf("what was read has a token in it, or misses something: %v", c)
		}
	}
}

// TestServerOfPeople reads names of people from a server that tells them.
func TestServerOfPeople(t *testing.T) {
	t.Parallel()
	l := aLab()
	l.Lists["users"] = []lavatest.Row{{"id": 3, "username": "carol"}}
	l.Lists["groups"] = []lavatest.Row{{"id": 4, "name": "arm"}}
	c, err := lava.Server{URL: l.Start(t), Token: "secret"}.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := byName(c)
	if got["device bbb-01"]["owner"] != "carol" || got["device q-01"]["owner_group"] != "arm" {
		t.Errorf("owners: %q and %q, want carol and arm", got["device bbb-01"], got["device q-01"])
	}
}

// TestServerOfManyPages reads more devices than one page has, each once.
func TestServerOfManyPages(t *testing.T) {
	t.Parallel()
	l := aLab()
	const n = 1234
	l.Lists["devices"] = nil
	for i := range n {
		l.Lists["devices"] = append(l.Lists["devices"], lavatest.Board(fmt.Sprintf("q-%04d", i), "qemu", "w.example.com", "Good", nil))
	}
	c, err := lava.Server{URL: l.Start(t), Token: "secret"}.Read(t.Context())
	devices := 0
	for name := range byName(c) {
		if strings.HasPrefix(name, "device ") {
			devices++
		}
	}
	if err != nil || devices != n || len(c.Unread) != n { // none has a dictionary
		t.Errorf("read %d devices, %d without a dictionary, %v; want %d", devices, len(c.Unread), err, n)
	}
}

// TestServerWithFaults asks servers that do not answer as one should, and takes what there is.
func TestServerWithFaults(t *testing.T) {
	t.Parallel()
	redirect := httptest.NewServer(http.RedirectHandler("https://elsewhere.example.com/", http.StatusMovedPermanently))
	t.Cleanup(redirect.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello") }))
	t.Cleanup(page.Close)
	good := aLab().Start(t)
	for _, tt := range []struct{ url, token, want string }{
		{"lava.example.com", "secret", "no address of a server"},
		{"ftp://lava.example.com", "secret", "no address of a server"},
		{good, "wrong", "403 Forbidden Invalid token."},
		{redirect.URL, "secret", "says to ask https://elsewhere.example.com instead"},
		{page.URL, "secret", "invalid character '<'"},
		{"http://127.0.0.1:1", "secret", "connection refused"},
	} {
		if _, err := (lava.Server{URL: tt.url, Token: tt.token}).Read(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("read %s: got %v, want an error with %q", tt.url, err, tt.want)
		}
	}
	l := aLab()
	delete(l.Lists, "permissions/devices")
	delete(l.Calls, "scheduler.device_types.get_template parts")
	delete(l.Files, "devices/q-01/dictionary/")
	delete(l.Files, "jobs/41/")
	delete(l.Pages, "bbb-01")
	c, err := lava.Server{URL: l.Start(t), Token: "secret"}.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	said := fmt.Sprint(c.Unread, c.NotTaken)
	for _, want := range []string{"{device * permissions: ", "{devicetype parts its template cannot be read: ", "{device q-01 it has no dictionary}",
		"{device bbb-01 last_check job 41 ", "{device bbb-01 owner 3 "} {
		if !strings.Contains(said, want) {
			t.Errorf("it is not said %q: %s", want, said)
		}
	}
	if s := byName(c)["device bbb-01"]; s["health"] != "Bad" {
		t.Errorf("without its page the health is %q, want it with no reason", s["health"])
	}
}

// TestServerRecorded reads answers that a real LAVA gave.
func TestServerRecorded(t *testing.T) {
	t.Parallel()
	corpus := os.Getenv("STRATA_CORPUS")
	if corpus == "" {
		corpus = "../../../../shared"
	}
	recorded := func(file string) string {
		text, err := os.ReadFile(filepath.Join(corpus, "golden", "rest", file))
		if err != nil {
			t.Skipf("SKIPPED: no recorded answers (%v); set STRATA_CORPUS", err)
		}
		_, body, _ := strings.Cut(string(text), "\n\n")
		return body
	}
	device := recorded("27-device.txt")
	base, err := os.ReadFile(filepath.Join(corpus, "corpus", "device-types", "base.jinja2"))
	if err != nil {
		t.Skipf("SKIPPED: no recorded templates (%v); set STRATA_CORPUS", err)
	}
	l := &lavatest.Lab{User: "admin", Token: "secret", Files: map[string]string{
		"devices/":                       `{"count":1,"next":null,"previous":null,"results":[` + device + `]}`,
		"devicetypes/":                   recorded("31-devicetypes.txt"),
		"devices/qemu-01/dictionary/":    recorded("28-device-dict.txt"),
		"devicetypes/qemu/template/":     recorded("33-dt-template.txt"),
		"devicetypes/qemu/health_check/": recorded("34-dt-hc.txt"),
		"tags/":                          recorded("40-tags.txt"),
		"permissions/devices/":           recorded("44-permissions-dev.txt"),
		"permissions/devicetypes/":       recorded("43-permissions-dt.txt"),
	}, Lists: map[string][]lavatest.Row{"workers": {}},
		Calls: map[string]string{"scheduler.device_types.get_template base": string(base)}}
	c, err := lava.Server{URL: l.Start(t), Token: "secret"}.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := byName(c)
	d, kind := got["device qemu-01"], got["devicetype qemu"]
	if d["health"] != "Unknown" || d["worker"] != "peer-worker" || !strings.Contains(d["dictionary"], "{% set memory = 256 %}") {
		t.Errorf("qemu-01: %q", d)
	}
	if kind["description"] != "golden type" || kind["health_disabled"] != "true" || !strings.Contains(kind["template"], "extends 'base.jinja2'") ||
		!strings.HasPrefix(kind["health_check"], "job_name: peer qemu smoke") {
		t.Errorf("qemu: %q", kind)
	}
	if got["devicetype base"]["template"] != string(base) || got["devicetype golden-type"] == nil || got["worker peer-worker"] == nil {
		t.Errorf("base, golden-type or the worker is missing: %d things", len(got))
	}
}

func byName(c *lava.Config) map[string]map[string]string {
	all := map[string]map[string]string{}
	if c == nil {
		return all
	}
	for _, o := range c.Objects {
		all[string(o.Kind)+" "+o.Name] = o.Settings
	}
	return all
}
