package worker

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"strata/schemas/order"
)

// TestOutbox shows that reports keep their order over restarts, and that numbers always grow.
func TestOutbox(t *testing.T) {
	dir := t.TempDir()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	box := open(t, dir)
	box.add(noon, order.Report{Claim: order.Taken, Job: 1, Lease: 7})
	box.add(noon, order.Report{Claim: order.Started, Job: 1, Lease: 7})
	box = open(t, dir)
	box.add(noon.Add(-time.Hour), order.Report{Claim: order.Finished, Job: 1, Lease: 7, Verdict: &order.Verdict{}}) // the clock went back
	var last uint64
	for _, want := range []order.Claim{order.Taken, order.Started, order.Finished} {
		number, r := front(t, box)
		if r.Claim != want || r.Number != number || number <= last {
			t.Errorf("front: got %s, number %d (%d in it), want %s with a number above %d", r.Claim, number, r.Number, want, last)
		}
		last = number
		if err := box.drop(number); err != nil {
			t.Fatal(err)
		}
	}
	if number, _, err := box.front(); number != 0 || err != nil {
		t.Errorf("front of an empty box: got %d, error %v", number, err)
	}
}

// TestOutboxWithoutDisk shows that a report is sent though the disk does not take it.
func TestOutboxWithoutDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports")
	box := open(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	box.add(time.Unix(1, 0), order.Report{Claim: order.Started, Job: 1, Lease: 7})
	number, r := front(t, box)
	if r.Claim != order.Started || r.Job != 1 {
		t.Errorf("front: got %+v, want the report", r)
	}
	if err := box.drop(number); err != nil {
		t.Errorf("drop: %v", err)
	}
	if number, _, _ := box.front(); number != 0 {
		t.Errorf("front after drop: got report %d, want none", number)
	}
}

func open(t *testing.T, dir string) *outbox {
	t.Helper()
	box, err := openOutbox(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func front(t *testing.T, box *outbox) (uint64, order.Report) {
	t.Helper()
	number, body, err := box.front()
	if err != nil {
		t.Fatal(err)
	}
	r, err := order.DecodeReport(body)
	if err != nil {
		t.Fatal(err)
	}
	return number, r
}
