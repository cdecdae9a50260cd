package main

import (
	"regexp"
	"strings"
	"testing"

	"strata/services/api"
)

// TestWhyCommand asks of jobs in a lab whose only device is out of service.
func TestWhyCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--listen-sql", "", "--worker", "w1")
	dict := write(t, w.dir, "quick.yaml", quickDevice)
	w.must(t, "devices", "add", "q1", "--type", "quick", "--worker", "w1", "--dict", dict, "--health", "Maintenance")
	job := write(t, w.dir, "job.yaml", quickJob)
	number := regexp.MustCompile(`\d+`)
	first, second := number.FindString(w.must(t, "submit", job)), number.FindString(w.must(t, "submit", job))
	text := w.must(t, "why", second)
	for _, want := range []string{"the one device that fits: Bad, in Maintenance or Retired; 1 job stands before it", "q1: is Maintenance",
		"place: 2, behind " + first, "start: not to be said"} {
		if !strings.Contains(text, want) {
			t.Errorf("strata why: no %q in\n%s", want, text)
		}
	}
	var why api.Why
	w.ask(t, &why, "why", second)
	if why.Place != 2 || len(why.Candidates) != 1 || why.Candidates[0].Health != "Maintenance" {
		t.Errorf("strata why --json: got %+v", why)
	}
	w.must(t, "cancel", second)
	eventually(t, "the job has left the queue", func() bool {
		_, text := w.strata(t, "why", second)
		return strings.Contains(text, "it waits no more: finished canceled")
	})
	if status, text := w.strata(t, "why", "99"); status == exitOK || !strings.Contains(text, "99") {
		t.Errorf("strata why 99: status %d, %s", status, text)
	}
}
