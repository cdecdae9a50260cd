package worker_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/exports"
	"strata/dispatcher/worker"
	"strata/schemas/order"
)

// TestServesJobsFiles fetches what a job left for devices, also from a worker that was started again
// under it, and finds it gone with the job.
func TestServesJobsFiles(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	serving := func(d *worker.Deps) {
		d.Exports = exports.Settings{TFTP: "127.0.0.1:0", Web: "127.0.0.1:0"}
	}
	stop := l.work(t, serving)
	gate := filepath.Join(l.dir, "gate")
	o := start(42, 7, "q1")
	o.Version = order.Version
	o.Work = &order.Work{Display: "42", Credential: "any",
		Definition: order.Text{Inline: "serve hello\nawait " + gate}, Dispatcher: order.Text{Inline: "prefix: lab2-\n"}}
	l.publish(t, o)
	l.await(t, order.Started, 42, 7)
	eventually(t, "the job says where its files are", func() bool { return len(l.lines(t, 42)) > 0 })
	place := strings.Fields(l.lines(t, 42)[0]) // TFTP server, name there, URL
	if place[1] != "lab2-42/hello" || !strings.HasSuffix(place[2], "/tmp/42-7/hello") {
		t.Errorf("places %q", place)
	}
	if got, err := exports.Fetch(place[0], place[1], 100); err != nil || string(got) != "for the device" {
		t.Errorf("TFTP: %q, %v", got, err)
	}
	if got := get(t, place[2]); got != "200 for the device" {
		t.Errorf("HTTP: %q", got)
	}
	stop()
	l.work(t, serving)
	eventually(t, "a worker that was started again serves the files", func() bool { return get(t, place[2]) == "200 for the device" })
	touch(t, gate)
	l.await(t, order.Finished, 42, 7)
	eventually(t, "the files are gone", func() bool {
		return !exists(filepath.Join(l.dir, "exports", "tftp", "lab2-42")) && strings.HasPrefix(get(t, place[2]), "404")
	})
}

// get returns status and body.
func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return resp.Status[:3] + " " + string(body)
}
