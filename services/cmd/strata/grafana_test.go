package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/schemas/yaml"
)

// Dashboards are written whole, with the lab's address, and nobody's changes are lost.
func TestGrafana(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "g")
	run := func(args ...string) (int, string, string) {
		var out, err bytes.Buffer
		a := &app{out: &out, err: &err, env: func(string) string { return "" }}
		status := a.run(t.Context(), append([]string{"grafana"}, args...))
		return status, out.String(), err.String()
	}
	read := func(name string) []byte {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	status, out, complaint := run(dir, "--sql", "lab.example.com:9123", "--path", "/srv/a '$place'")
	if status != exitOK || strings.Count(out, "\n") != 7 {
		t.Fatalf("status %d, %s%s; want 7 files", status, out, complaint)
	}
	for _, name := range []string{"lab", "queue", "device-health", "job", "test-history"} {
		var d struct {
			UID    string `json:"uid"`
			Panels []any  `json:"panels"`
		}
		if err := json.Unmarshal(read("dashboards/"+name+".json"), &d); err != nil || d.UID != "strata-"+name || len(d.Panels) == 0 {
			t.Errorf("%s: %v, %s with %d panels", name, err, d.UID, len(d.Panels))
		}
	}
	source := string(read("datasource.yaml"))
	if !strings.Contains(source, "host: 'lab.example.com'\n") || !strings.Contains(source, "port: 9123\n") {
		t.Errorf("the data source does not ask lab.example.com:9123:\n%s", source)
	}
	folder := read("dashboards.yaml")
	if _, err := yaml.Parse(folder); err != nil || !strings.Contains(string(folder), "path: '/srv/a ''$$place'''\n") {
		t.Errorf("the folder is not /srv/a '$place' (%v):\n%s", err, folder)
	}

	changed := filepath.Join(dir, "datasource.yaml")
	if err := os.WriteFile(changed, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "dashboards", "lab.json")); err != nil {
		t.Fatal(err)
	}
	if status, _, complaint := run(dir); status != exitFailed || !strings.Contains(complaint, "--force") || string(read("datasource.yaml")) != "mine" {
		t.Errorf("over a changed file: status %d, %s", status, complaint)
	}
	if _, err := os.Stat(filepath.Join(dir, "dashboards", "lab.json")); !os.IsNotExist(err) {
		t.Errorf("a refused set was written in part: %v", err)
	}
	if status, _, complaint := run(dir, "--force"); status != exitOK || !strings.Contains(string(read("datasource.yaml")), "port: 8123\n") {
		t.Errorf("by force: status %d, %s", status, complaint)
	}
	for _, bad := range []string{"lab", ":8123", "lab:", "lab:0", "lab:http", "lab:70000"} {
		if status, _, complaint := run(dir, "--sql", bad); status != exitMisuse || !strings.Contains(complaint, "host:port") {
			t.Errorf("--sql %q: status %d, %s", bad, status, complaint)
		}
	}
}
