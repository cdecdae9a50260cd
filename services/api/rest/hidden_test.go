package rest_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"strata/events"
)

// TestHiddenIsMissing asks every address of v1 that names a job for a private one and for one that there is not: a
// stranger is answered the same, but for the number. LAVA's own addresses are asked elsewhere: they have LAVA's statuses.
func TestHiddenIsMissing(t *testing.T) {
	t.Parallel()
	l := start(t)
	stranger := []string{"Authorization", "Token " + l.token("carol")}
	private := func(e *events.JobSubmitted) { e.Visibility = events.Visibility{} }
	hidden := map[string]events.JobID{"that waits": l.publish("job_name: x\n", private), "that is over": l.finished("job_name: x\n", private)}
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(l.wants("GET", "/api/v0.2/openapi.json", nil, 200).body), &doc); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for path, methods := range doc.Paths {
		if !strings.HasPrefix(path, "/api/v1/jobs/{id}") {
			continue
		}
		for method := range methods {
			said := func(job events.JobID) string {
				a := l.ask(strings.ToUpper(method), strings.ReplaceAll(path, "{id}", job.String()), nil, stranger...)
				return fmt.Sprintf("%d %s %s", a.status, a.header.Get("Content-Type"), regexp.MustCompile(`\b`+job.String()+`\b`).ReplaceAllString(a.body, "N"))
			}
			missing := said(9999)
			if !strings.HasPrefix(missing, "404 ") || !strings.Contains(missing, `"not-found"`) {
				t.Errorf("%s %s of a job that there is not: %s, want not-found", method, path, missing)
			}
			for what, job := range hidden {
				if got := said(job); got != missing {
					t.Errorf("%s %s of one %s:\n got %s\nwant %s", method, path, what, got, missing)
				}
			}
			asked++
		}
	}
	if asked < 3 {
		t.Errorf("%d addresses of v1 name a job, want those for it, why it waits and its history", asked)
	}
	// The log has addresses of its own, and v0.2 answers 404 too, with LAVA's body.
	for _, job := range hidden {
		if a := l.ask("GET", fmt.Sprintf("/api/v0.2/jobs/%d/", job), nil, stranger...); a.status != 404 {
			t.Errorf("v0.2 of a hidden job: %d %s, want 404", a.status, a.body)
		}
	}
}
