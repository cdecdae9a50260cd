package overlay

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
)

// The overlay says where files of tests are taken, the log keeps the secret, and the door is open as long as
// the job runs and no longer.
func TestDoor(t *testing.T) {
	t.Parallel()
	j := newJob(t, `actions:
- deploy: {to: x, os: oe}
- test: {definitions: [{from: inline, name: smoke, path: s.yaml, repository: {metadata: {format: x, name: s}}}]}
`)
	j.services = pipeline.Services{Files: &pipeline.FileDoor{Host: "127.0.0.1", Address: "10.0.2.2"}}
	put := func(path string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, path, strings.NewReader("abc"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			answer.Body.Close()
		}
		return err
	}
	var host, token string
	var port int
	looked := false
	j.looked = func() { looked = true }
	plan, err := j.plan()
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var limit int64
	if _, err := fmt.Sscanf(j.read(t, "lava-7/door"), "limit %d\nnetwork %s %d %s\n", &limit, &host, &port, &token); err != nil || host != "192.0.2.1" || limit != 16<<20 || !looked {
		t.Fatalf("door: %q, %v; want it at the configured address", j.read(t, "lava-7/door"), err)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/%s/1/raw/3/-", port, token)
	if err := put(url); err != nil {
		t.Errorf("while the job runs: %v", err)
	}
	if err := plan.Cleanup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := put(url); err == nil {
		t.Error("a file is taken when the job is over")
	}
	if said := j.text(); strings.Contains(said, token) || !strings.Contains(said, "A file of 3 bytes came when the tests were over, and is not kept") {
		t.Errorf("the log has the secret, or does not say what became of the file:\n%s", said)
	}
}

// Where no door can be opened the console has to do.
func TestNoDoor(t *testing.T) {
	t.Parallel()
	j := newJob(t, `actions:
- deploy: {to: x, os: oe}
- test: {definitions: [{from: inline, name: smoke, path: s.yaml, repository: {metadata: {format: x, name: s}}}]}
`)
	j.services = pipeline.Services{Files: &pipeline.FileDoor{Host: "192.0.2.77"}} // no address of this machine
	if err := j.run(t); err != nil {
		t.Fatal(err)
	}
	if got := j.read(t, "lava-7/door"); got != "limit 16777216\n" {
		t.Errorf("door: %q", got)
	}
	if !strings.Contains(j.text(), "Files of tests come over the console only") {
		t.Errorf("nothing is said of it:\n%s", j.text())
	}
}
