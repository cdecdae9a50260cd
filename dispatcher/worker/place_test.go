package worker_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"strata/dispatcher/worker"
	"strata/schemas/order"
)

// TestTwoOfAName starts a second process under the name of a worker that runs a job, from another state
// directory. It is told why it is not let in and gets no order; the first goes on; and once that has stopped
// and its sign of life has expired, the second takes its place.
func TestTwoOfAName(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	stop := l.work(t, nil)
	l.send(t, start(42, 7, "q1"), "await go")
	l.await(t, order.Started, 42, 7)
	first := l.awaitWhere(t, "the first one's leases", func(r order.Report) bool { return r.Claim == order.Holding })

	log, elsewhere := new(lockedBuffer), t.TempDir()
	l.work(t, func(d *worker.Deps) {
		d.StateDir, d.Build, d.Logger = elsewhere, "second", slog.New(slog.NewTextHandler(log, nil))
	})
	eventually(t, "the second is told", func() bool { return strings.Contains(log.String(), "another worker goes by this name") })
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{string(name), host, elsewhere, "--name"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the second is told %q, want %q in it", log.String(), want)
		}
	}
	l.send(t, start(43, 8, "q2"), "say hello")
	l.await(t, order.Finished, 43, 8)
	touch(t, filepath.Join(l.jobDir(42, 7), "go"))
	if r := l.await(t, order.Finished, 42, 7); r.Verdict.Result != "pass" {
		t.Errorf("job 42: got %+v, want it to pass undisturbed", r.Verdict)
	}
	if exists(filepath.Join(elsewhere, "jobs", "43-8")) {
		t.Error("the second has taken an order")
	}
	l.mu.Lock()
	second := slices.ContainsFunc(l.reports, func(r order.Report) bool {
		return r.Build == "second" || r.Claim == order.Holding && r.Session != first.Session
	})
	l.mu.Unlock()
	if second {
		t.Errorf("the second has reported, or the first has lost its session:\n%s", l.story())
	}
	stop()
	l.awaitWhere(t, "the second comes once the first is gone", func(r order.Report) bool { return r.Claim == order.Holding && r.Build == "second" })
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
