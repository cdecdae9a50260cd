package rest_test

import (
	"fmt"
	"testing"
	"time"

	"strata/events"
)

// A job that the lab tries again is one job in lists and counts, under its first number and as its last attempt stands,
// whether the fold or the tables tell of it.
func TestRetriedJobIsOne(t *testing.T) {
	t.Parallel()
	l := start(t)
	other := l.finished(minimal, nil)
	first := l.publish(minimal, func(e *events.JobSubmitted) { e.Retries = 1 })
	run := func(id events.JobID, device events.DeviceName, fails bool) {
		lease := events.Lease(id)
		end := events.JobFinished{Job: id, Device: device, Worker: "w", Lease: lease, Health: events.Complete, At: noon.Add(time.Minute), LinesKnown: true}
		if fails {
			end.Health, end.ErrorType, end.Error = events.Incomplete, events.InfrastructureError, "no power"
		}
		l.Append(t, events.JobScheduled{Job: id, Device: device, Worker: "w", Lease: lease},
			events.JobStarted{Job: id, Device: device, Worker: "w", Lease: lease, At: noon}, end)
	}
	sees := func(when string, want map[string]string) {
		t.Helper()
		for query, want := range want {
			ids, page := l.list("/api/v0.2/jobs/?"+query, "id")
			if got := fmt.Sprint(ids); got != want || page.Count != len(ids) {
				t.Errorf("%s: jobs/?%s: got %s of %d, want %s", when, query, got, page.Count, want)
			}
		}
	}
	none, one, both := "[]", fmt.Sprintf("[%d]", first), fmt.Sprintf("[%d %d]", first, other)
	byNumber := fmt.Sprintf("id=%d", first)

	run(first, "q1", true)
	running := map[string]string{"": both, "state=Running": one, "state=Finished": fmt.Sprintf("[%d]", other), "health=Incomplete": none, byNumber: one,
		"state__in=Submitted,Scheduled": none, "state__in=Running,Finished": both}
	sees("a further attempt is due", running)
	second := l.publish(minimal, func(e *events.JobSubmitted) { e.Attempt = &events.Attempt{Of: first, N: 2} })
	l.Append(t, events.JobRetried{Job: first, As: second, Attempt: 2})
	sees("it waits", running)
	run(second, "q2", false)
	over := map[string]string{"": both, "state=Running": none, "state=Finished": both, "health=Complete": both, "health=Incomplete": none, byNumber: one,
		"actual_device=q2": one, "actual_device=q1": none, fmt.Sprintf("id__in=%d,%d", first, other): both}
	sees("it is over", over)
	_, page := l.list("/api/v0.2/jobs/?"+byNumber, "id")
	row := page.Results[0]
	if row["state"] != "Finished" || row["health"] != "Complete" || row["actual_device"] != "q2" {
		t.Errorf("the job: %v", row)
	}
	// Long afterwards only the tables know them.
	l.until("the tables have the jobs", func() bool {
		told, err := l.db.FirstAttempts(t.Context(), 1, []uint64{min(uint64(second), uint64(other)), max(uint64(second), uint64(other))})
		if err != nil {
			t.Fatal(err)
		}
		return len(told) == 1 && told[uint64(second)] == uint64(first)
	})
	sees("the tables have it", over)
}
