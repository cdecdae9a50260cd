package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/services/api"
)

// managed are the commands of `lava-server manage`: what an administrator of LAVA looks for.
const managed = "aliases device-tags device-types devices groups jobs maintenance refresh_queries drop_materialized_views site sync tokens users workers " +
	"authorize_superuser addldapuser mergeldapuser linaro_ldapuserlist check_uniqueness copy-logs testjob_exporter transition_exporter wait lava-scheduler lava-publisher"

// TestAdministrationTable walks the table of docs/compatibility.md that answers LAVA's administration commands: none
// is left out, and what is to be typed instead is taken and explains itself.
func TestAdministrationTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(workspace(t), "docs", "compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n## Administration commands\n")
	if !found {
		t.Fatal("docs/compatibility.md has no section Administration commands")
	}
	w := newWorld(t)
	var answered []string
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || !strings.Contains(cells[0], "`") {
			continue
		}
		asked, state := spans(cells[0])[0], strings.TrimSpace(cells[1])
		for _, word := range strings.FieldsFunc(asked, func(r rune) bool { return r == ' ' || r == ',' }) {
			if slices.Contains(strings.Fields(managed), word) {
				answered = append(answered, word)
			}
		}
		typed := spans(cells[2])
		if len(typed) == 0 && state != "not yet" || !slices.Contains([]string{"works", "partly", "not yet", "refused"}, state) {
			t.Errorf("%s: is %q, and nothing is to be typed", asked, state)
		}
		for _, command := range typed {
			words := shellWords(command)
			if words[0] != "strata" {
				t.Errorf("%s: %q is no command of strata", asked, command)
				continue
			}
			cmd := checkFlags(t, asked, words[1:])
			if cmd == nil {
				continue
			}
			if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%s: %s: %v", asked, command, err)
			}
			help := append(strings.Fields(cmd.CommandPath())[1:], "--help")
			if status, said := w.strata(t, help...); status != exitOK || !strings.Contains(said, "Usage:") {
				t.Errorf("%s: strata %s: status %d, said %q", asked, strings.Join(help, " "), status, said)
			}
		}
	}
	for _, name := range strings.Fields(managed) {
		if !slices.Contains(answered, name) {
			t.Errorf("lava-server manage %s is not answered", name)
		}
	}
}

// TestAdministration does in a lab what administrators of LAVA do with tags, copies of devices, unused types and
// maintenance.
func TestAdministration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--worker", "w1")
	file := w.quickDevices(t, 2)
	w.must(t, "tags", "add", "kvm", "--description", "fast")
	w.must(t, "devices", "tag", "q0", "kvm")
	if text := w.must(t, "tags"); !strings.Contains(text, "kvm") || !strings.Contains(text, "q0") || !strings.Contains(text, "fast") {
		t.Errorf("tags: %q", text)
	}
	w.must(t, "devices", "describe", "q0", "--description", "left", "--physical-user", "alice")
	w.must(t, "devices", "describe", "q0", "--hardware", "C3")
	if status, text := w.strata(t, "devices", "describe", "q0"); status != exitMisuse || !strings.Contains(text, "name --description") {
		t.Errorf("describe without a word: %d %q", status, text)
	}
	if text := w.must(t, "queue", "--device-type", "quick"); !strings.Contains(text, "no job waits for a device of type quick") {
		t.Errorf("an empty queue says %q", text)
	}
	w.must(t, "devices", "add", "q9", "--type", "quick", "--health", "maintenance")
	if d := w.device(t, "q9"); d.Health != "Maintenance" {
		t.Errorf("q9 was added in maintenance and is %s", d.Health)
	}
	w.must(t, "devices", "remove", "q9")
	w.must(t, "devices", "copy", "q0", "q2", "--worker", "w1", "--copy-with-tags")
	if d := w.device(t, "q0"); d.Description != "left" || d.Owner != "alice" || d.Hardware != "C3" {
		t.Errorf("q0 is described as %+v", d)
	}
	if d := w.device(t, "q2"); d.Health != "Maintenance" || d.Dictionary != quickDevice || fmt.Sprint(d.Tags) != "[kvm]" || d.DeviceType != "quick" {
		t.Errorf("the copy is %+v", d)
	}
	w.must(t, "tags", "remove", "kvm")
	if d := w.device(t, "q2"); len(d.Tags) != 0 {
		t.Errorf("q2 carries %v after the tag was removed", d.Tags)
	}
	w.must(t, "device-types", "configure", "nobody")
	var unused []string
	w.ask(t, &unused, "device-types", "prune")
	if fmt.Sprint(unused) != "[nobody]" {
		t.Errorf("pruned %v, want [nobody]", unused)
	}

	healths := func() (all string) {
		for _, name := range []string{"q0", "q1", "q2"} {
			all += string(w.device(t, name).Health) + " "
		}
		return strings.TrimSpace(all)
	}
	w.must(t, "devices", "health", "q1", "Bad")
	if text := w.must(t, "maintenance", "--dry-run"); !strings.Contains(text, "q0") || strings.Contains(text, "q2") || healths() != "Good Bad Maintenance" {
		t.Errorf("a dry run says %q and leaves %s", text, healths())
	}
	if status, text := w.strata(t, "maintenance", "--worker", "w1,w2"); status != exitFailed || !strings.Contains(text, "no worker w2") || healths() != "Good Bad Maintenance" {
		t.Errorf("maintenance of a worker that is none: status %d, %q, leaves %s", status, text, healths())
	}
	w.must(t, "workers", "register", "w2")
	if w.must(t, "maintenance", "--worker", "w2"); healths() != "Good Bad Maintenance" {
		t.Errorf("maintenance of another worker leaves %s", healths())
	}
	w.must(t, "devices", "configure", "q0", write(t, w.dir, "long.yaml", strings.Replace(quickDevice, "echo hello", "sleep 1000", 1)))
	var job api.Job
	w.ask(t, &job, "submit", file)
	eventually(t, "the job runs", func() bool { return w.device(t, "q0").State == "Running" })
	if w.must(t, "maintenance", "--reason", "new switch"); healths() != "Maintenance Maintenance Maintenance" {
		t.Errorf("maintenance leaves %s", healths())
	}
	if d := w.device(t, "q0"); d.State != "Running" || d.HealthReason != "new switch [was Good]" {
		t.Errorf("q0 is %s: %s", d.State, d.HealthReason)
	}
	if w.must(t, "maintenance", "--back"); healths() != "Unknown Bad Maintenance" {
		t.Errorf("back from maintenance: %s", healths())
	}
	w.must(t, "maintenance", "--force")
	eventually(t, "the job is canceled", func() bool {
		var j api.Job
		w.ask(t, &j, "show", job.Job.String())
		return j.Health == "Canceled"
	})
}
