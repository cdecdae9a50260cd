package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// TestImport moves a small LAVA lab's folders into a lab, changes them, and looks at what is kept.
func TestImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--listen-sql", "", "--worker", "w1")
	types, devices := filepath.Join(w.dir, "device-types"), filepath.Join(w.dir, "devices")
	for _, dir := range []string{types, devices} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, types, "board.jinja2", "{% extends 'soc.jinja2' %}\n{% set console_device = 'ttyO0' %}\n")
	write(t, types, "soc.jinja2", "{% extends 'u-boot.jinja2' %}\n{# of ours #}\n")
	write(t, types, "wrong.jinja2", "a: 1\n{% if %}\n")
	write(t, types, "child.jinja2", "{% extends 'wrong.jinja2' %}\n")
	write(t, types, "orphan.jinja2", "{# a board #}\n{% extends 'nowhere.jinja2' %}\n")
	write(t, types, "circle.jinja2", "{% extends 'circle.jinja2' %}\n")
	write(t, types, "binary.jinja2", "\xff\xfe")
	write(t, types, "README", "no template")

	// A dry run says the same as the run, and changes nothing.
	for _, args := range [][]string{{"--dry-run"}, nil} {
		status, text := w.strata(t, append([]string{"device-types", "import", types}, args...)...)
		for _, want := range []string{
			"added    " + filepath.Join(types, "board.jinja2"), "added    " + filepath.Join(types, "soc.jinja2"),
			"wrong.jinja2:2: want a value, found %}", "child.jinja2: it extends wrong.jinja2, which is refused",
			"orphan.jinja2:2: it extends nowhere.jinja2, which is neither in the folder nor in the lab",
			"circle.jinja2: it extends itself", "binary.jinja2 is not text in UTF-8",
			"7 files: 2 added, 0 changed, 0 same, 5 refused",
		} {
			if status != exitFailed || !strings.Contains(text, want) {
				t.Errorf("import %v: status %d, no %q in\n%s", args, status, want, text)
			}
		}
	}
	for _, name := range []string{"wrong", "child", "orphan", "circle", "binary"} {
		if err := os.Remove(filepath.Join(types, name+".jinja2")); err != nil {
			t.Fatal(err)
		}
	}
	if text := w.must(t, "device-types", "import", types); !strings.Contains(text, "2 files: 0 added, 0 changed, 2 same, 0 refused") {
		t.Errorf("import again: %s", text)
	}

	write(t, devices, "bbb-01.jinja2", "{% extends 'board.jinja2' %}\n{% set power_off_command = 'off' %}\n{% set connection_command = 'telnet a 1' %}\n")
	write(t, devices, "q-01.jinja2", "{% set sync_to_lava = {'device_type': 'qemu', 'worker': 'w9'} %}\n{% extends 'qemu.jinja2' %}\n")
	write(t, devices, "bad-01.jinja2", "{% extends 'board.jinja2' %}\n{{ nothing.here }}{% set x = nothing.here.at.all %}\n")
	write(t, devices, "bad-02.jinja2", "{% extends 'ssh.jinja2' %}\n{% set ssh_host = 'h' %}\n{% set power_on_command = 'on' %}\n")
	write(t, devices, "far-01.jinja2", "{% extends 'nowhere.jinja2' %}\n")
	write(t, devices, "far-02.jinja2", "{% extends 'nowhere.jinja2' %}\n")
	write(t, devices, "loose-01.jinja2", "{% set a = 1 %}\nhostname: loose\n")
	status, text := w.strata(t, "devices", "import", devices, "--worker", "w1", "--reason", "move from LAVA")
	for _, want := range []string{
		"bbb-01.jinja2 (type board)", "q-01.jinja2 (type qemu)", "bad-01.jinja2:2: 'nothing' is undefined",
		"When primary connection is used", "so its device type is not known: add it with `strata devices add loose-01 --type TYPE",
		"refused  nowhere.jinja2: extended by far-01, far-02, and not in the lab", "import the device types first (`strata device-types import DIR`)",
		"7 files: 2 added, 0 changed, 0 same, 5 refused",
	} {
		if status != exitFailed || !strings.Contains(text, want) {
			t.Errorf("import devices: status %d, no %q in\n%s", status, want, text)
		}
	}
	var d api.Device
	w.ask(t, &d, "devices", "show", "bbb-01")
	if d.DeviceType != "board" || d.Worker != "w1" || d.Version != 1 || d.Health == events.Bad {
		t.Errorf("bbb-01: %+v", d)
	}
	if status, text := w.strata(t, "devices", "import", devices, "--worker", "nowhere"); status != exitFailed || !strings.Contains(text, "there is no worker nowhere") {
		t.Errorf("import onto an unknown worker: %d, %s", status, text)
	}
	versions(t, w, devices, types)
}

// versions changes what TestImport has imported, and asks who changed what.
func versions(t *testing.T, w *world, devices, types string) {
	t.Helper()
	file := write(t, devices, "bbb-01.jinja2", "{% extends 'board.jinja2' %}\n{% set power_off_command = 'off 3' %}\n{% set connection_command = 'telnet a 1' %}\n")
	w.must(t, "devices", "configure", "bbb-01", file, "--reason", "new socket")
	var c api.Config
	w.ask(t, &c, "devices", "config", "bbb-01")
	if len(c.Versions) != 2 || c.Versions[0].Comment != "move from LAVA" || c.Versions[1].Comment != "new socket" ||
		c.Versions[1].By != "local" || c.Versions[1].Version != 2 || c.Versions[1].Seq <= c.Versions[0].Seq {
		t.Errorf("versions of bbb-01: %+v", c.Versions)
	}
	want := "--- bbb-01 version 1\n+++ bbb-01 version 2\n@@ -1,3 +1,3 @@\n {% extends 'board.jinja2' %}\n-{% set power_off_command = 'off' %}\n" +
		"+{% set power_off_command = 'off 3' %}\n {% set connection_command = 'telnet a 1' %}\n"
	for _, args := range [][]string{nil, {"1"}, {"1", "2"}} {
		if got := w.must(t, append([]string{"devices", "config", "bbb-01", "--diff"}, args...)...); got != want {
			t.Errorf("diff %q:\n%s\nwant\n%s", args, got, want)
		}
	}
	if got := w.must(t, "devices", "config", "bbb-01", "--version", "1"); !strings.Contains(got, "= 'off' %}") {
		t.Errorf("version 1: %s", got)
	}
	if got := w.must(t, "devices", "config", "bbb-01"); strings.Index(got, "new socket") > strings.Index(got, "move from LAVA") {
		t.Errorf("the newest version does not come first:\n%s", got)
	}
	if status, text := w.strata(t, "devices", "config", "bbb-01", "--version", "3"); status != exitFailed || !strings.Contains(text, "bbb-01 has no version 3: there are 1 to 2") {
		t.Errorf("version 3: %d, %s", status, text)
	}
	// A dictionary that does not render is refused, with its line, and the old one stays.
	bad := write(t, devices, "new.jinja2", "{% extends 'board.jinja2' %}\n\n{% set x = a.b.c %}\n")
	if status, text := w.strata(t, "devices", "configure", "bbb-01", bad); status != exitFailed || !strings.Contains(text, "bbb-01.jinja2:3: 'a' is undefined") {
		t.Errorf("configure with a fault: %d, %s", status, text)
	}
	// A type that changes keeps its other settings; its devices are looked at again.
	w.must(t, "device-types", "configure", "board", "--template", filepath.Join(types, "board.jinja2"), "--description", "a board", "--health-hours", "12")
	write(t, types, "board.jinja2", "{% extends 'soc.jinja2' %}\n{% set hostnam = missing.thing.here %}\n")
	text := w.must(t, "device-types", "import", types)
	if !strings.Contains(text, "changed  "+filepath.Join(types, "board.jinja2")) || !strings.Contains(text, "breaks   device bbb-01 has no valid configuration with these: ") ||
		!strings.Contains(text, "board.jinja2:2: 'missing' is undefined") {
		t.Errorf("import of a template that breaks a device:\n%s", text)
	}
	eventually(t, "bbb-01 is Bad", func() bool {
		var d api.Device
		w.ask(t, &d, "devices", "show", "bbb-01")
		return d.Health == events.Bad && strings.Contains(d.HealthReason, "Invalid device configuration")
	})
	got := w.must(t, "device-types", "config", "board", "--diff")
	if !strings.Contains(got, "-{% set console_device = 'ttyO0' %}\n+{% set hostnam = missing.thing.here %}\n") ||
		!strings.Contains(got, " health_frequency: 12 hours\n") {
		t.Errorf("diff of board:\n%s", got)
	}
	if got := w.must(t, "device-types", "config", "board", "--version", "3"); !strings.HasPrefix(got, "description: a board\nhealth_frequency: 12 hours\n--- template\n") {
		t.Errorf("version 3 of board:\n%s", got)
	}
	// What no flag names stays: a type that lost its template to its health check would break its devices.
	noted := w.must(t, "device-types", "configure", "board", "--health-check", write(t, w.dir, "check.yaml", "job_name: check\nvisibility: public\ndevice_type: other\n"))
	if !strings.Contains(noted, "note: the health check's device_type is other, which is passed over") {
		t.Errorf("a check that names another type: said %q", noted)
	}
	shown := w.must(t, "device-types", "show", "board")
	for _, want := range []string{"device type:   board\n", "health checks: every 12 hours\n", "\nhealth check:\njob_name: check\n", "\ntemplate:\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("device-types show: no %q in\n%s", want, shown)
		}
	}
	w.must(t, "device-types", "configure", "board", "--description", "")
	var board api.DeviceType
	w.ask(t, &board, "device-types", "show", "board")
	if board.HealthFrequency != 12 || !strings.HasPrefix(board.HealthCheck, "job_name: check\n") || !strings.Contains(board.Template, "missing.thing") || board.Description != "" {
		t.Errorf("board, configured flag by flag: %+v", board)
	}
}

// TestImportCorpus moves LAVA's own folders: all types and dictionaries that the corpus has.
func TestImportCorpus(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("STRATA_CORPUS")
	if dir == "" {
		dir = "../../../../shared"
	}
	folders, _ := filepath.Glob(filepath.Join(dir, "corpus", "device*"))
	if len(folders) != 2 {
		t.Skipf("SKIPPED: no device types and devices in %s/corpus; set STRATA_CORPUS", dir)
	}
	w := newWorld(t)
	w.up(t, "--listen-sql", "", "--worker", "w1")
	for _, step := range []struct{ verb, folder string }{{"device-types", "device-types"}, {"devices", "devices"}} {
		folder := filepath.Join(dir, "corpus", step.folder)
		files, _ := filepath.Glob(filepath.Join(folder, "*.jinja2"))
		if text := w.must(t, step.verb, "import", folder); !strings.Contains(text, fmt.Sprintf("%d files: %d added,", len(files), len(files))) {
			t.Errorf("import of %d files of %s:\n%s", len(files), folder, text)
		}
		if text := w.must(t, step.verb, "import", folder); !strings.Contains(text, fmt.Sprintf("%d same, 0 refused", len(files))) {
			t.Errorf("import of %s again:\n%s", folder, text)
		}
	}
}

// Requests are cut by what goes over the bus, in which some characters are six bytes.
func TestSizeOfRequests(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"plain", strings.Repeat("\t", 1000), strings.Repeat(`\`, 1000), strings.Repeat("\x01\u2028<&>\n\"", 1000)} {
		files := []api.ImportFile{{Name: "a", Text: text}, {Name: "b", Text: text}}
		body, err := json.Marshal(api.ImportRequest{Files: files})
		if err != nil {
			t.Fatal(err)
		}
		if got := size(files); got > len(body) || got < len(body)-200 {
			t.Errorf("size of %.20q…: %d, and the request has %d bytes", text, got, len(body))
		}
		if got := portions(files, size(files)-1); len(got) != 2 {
			t.Errorf("two files in requests of a byte less than both: %d requests, want 2", len(got))
		}
	}
}
