package lava_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"strata/services/cmd/lava"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	own := folder(t, map[string]string{"soc.jinja2": "{# ours #}\n", "bad.jinja2": "\xff"})
	shipped := folder(t, map[string]string{"soc.jinja2": "{# shipped #}\n", "board.jinja2": "{% extends 'soc.jinja2' %}\n", "README": "x"})
	devices := folder(t, map[string]string{
		"b-01.jinja2": "{% set sync_to_lava = {'device_type': 'kind', 'worker': 'w1', 'aliases': ['k1', 'k2'], 'tags': ['usb'], 'physical_owner': 'alice'," +
			" 'physical_group': 'arm', 'group_device_permissions': [['submit_to_device', 'kernel'], ('view_device', 'all')]} %}{% extends 'board.jinja2' %}\n",
		"b-02.jinja2":   "{% extends 'board.jinja2' %}\n",
		"loose.jinja2":  "hostname: {{ 'x' }}\n",
		".hidden":       "",
		"empty.jinja2":  " \n",
		"notes.txt":     "x",
		"other.jinja2":  "{% extends 'other.jinja2' %}\n",
		"b-03.jinja2":   "{% set sync_to_lava = {'device_type': 'kind', 'aliases': ['k2', 'k3']} %}{% extends 'soc.jinja2' %}\n",
		"broken.jinja2": "{% extends 'board.jinja2' %}\n{% if %}\n",
	})
	checks := folder(t, map[string]string{"board.yaml": "job_name: b\n", "board.yml": "job_name: never read\n", "soc.yml": "job_name: s\n", "lonely.yaml": "job_name: l\n"})
	c, err := lava.Files{DeviceTypes: []string{own, shipped}, Devices: devices, HealthChecks: checks, Worker: "w0"}.Read()
	if err != nil {
		t.Fatal(err)
	}
	const new = "Maintenance\nimported"
	got := byName(c)
	want := map[string]map[string]string{
		"devicetype soc":   {"template": "{# ours #}\n", "health_check": "job_name: s\n"},
		"devicetype board": {"template": "{% extends 'soc.jinja2' %}\n", "health_check": "job_name: b\n"},
		"devicetype kind":  {"aliases": "k1\nk2\nk3", "health_check": "job_name: b\n"},
		"devicetype other": {},
		"worker w0":        {}, "worker w1": {},
		"device b-02":  {"device_type": "board", "worker": "w0", "new_health": new, "dictionary": "{% extends 'board.jinja2' %}\n"},
		"device other": {"device_type": "other", "worker": "w0", "new_health": new, "dictionary": "{% extends 'other.jinja2' %}\n"},
	}
	for name, settings := range want {
		if !reflect.DeepEqual(got[name], settings) {
			t.Errorf("%s:\n got %q\nwant %q", name, got[name], settings)
		}
	}
	b := got["device b-01"]
	if b["device_type"] != "kind" || b["worker"] != "w1" || b["tags"] != "usb" || b["owner"] != "alice" || b["owner_group"] != "arm" ||
		b["permissions"] != "kernel:submit_to_device\nall:view_device" || b["new_health"] != new {
		t.Errorf("b-01 with sync_to_lava: %q", b)
	}
	said := fmt.Sprint(c.Unread, c.NotTaken)
	for _, want := range []string{"bad.jinja2 is not text in UTF-8", "empty.jinja2 is empty", "{device loose it extends no template", "{device broken it extends no template",
		"{devicetype lonely health_check lonely no device extends", "{devicetype kind health_check soc devices of the type extend several templates"} {
		if !strings.Contains(said, want) {
			t.Errorf("it is not said %q: %s", want, said)
		}
	}
	if len(got) != len(want)+2 {
		t.Errorf("read %d things, want %d: %v", len(got), len(want)+2, got)
	}
}

func TestFilesRefuses(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]lava.Files{
		"no such file or directory": {Devices: "/nowhere/at/all"},
		"has no *.jinja2 files":     {DeviceTypes: []string{t.TempDir()}},
		"has no *.yaml or *.yml":    {HealthChecks: t.TempDir()},
	} {
		if _, err := f.Read(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error with %q", f, err, want)
		}
	}
}

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
