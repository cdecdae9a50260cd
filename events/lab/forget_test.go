package lab

import (
	"fmt"
	"testing"
	"time"

	"strata/events"
)

// TestAgedOut forgets the sequences of a job that waits and of one that is over, as their facts were archived:
// what is told of them then is the first fact of their subjects.
func TestAgedOut(t *testing.T) {
	s := New()
	fold(s, submit(1), submit(2), events.JobWithdrawn{Job: 2})
	if _, past := s.Past(2); !past {
		t.Fatal("job 2 is not past")
	}
	for _, id := range []string{"1", "2"} {
		about := events.Entity{Kind: events.Job, ID: id}
		if s.Seq(about) == 0 {
			t.Errorf("job %s has no sequence before", id)
		}
		if s.AgedOut(about); s.Seq(about) != 0 {
			t.Errorf("job %s expects %d after its facts have aged out, want 0", id, s.Seq(about))
		}
	}
}

// TestReservationsLeaveNothing makes and ends many reservations: nothing may be left of them, in memory or in a
// checkpoint, and a fact that comes twice brings none back.
func TestReservationsLeaveNothing(t *testing.T) {
	s := New()
	for n := uint64(1); n <= 1000; n++ {
		made := events.ReservationMade{Reservation: events.ReservationID(n), DeviceType: "qemu", User: "ci", From: noon, Until: noon.Add(time.Hour)}
		ended := events.ReservationEnded{Reservation: made.Reservation}
		s.Anticipate(2*n-1, noon, made)
		s.Anticipate(2*n, noon, ended)
		s.Evolve(2*n-1, noon, made)
		s.Evolve(2*n, noon, ended)
	}
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.gone) > 0 || len(s.rules.reservations) > 0 || len(data) > 1000 {
		t.Errorf("after 1000 reservations that were ended: %d ends remembered, %d reservations, a checkpoint of %d bytes, want none",
			len(s.gone), len(s.rules.reservations), len(data))
	}
	if next := s.NextReservation(); next != 1001 {
		t.Errorf("next reservation: %d, want 1001", next)
	}
}

// TestRemovedDeviceIsForgotten removes devices that wait for a health check: the index from checks to devices
// is to hold none of them.
func TestRemovedDeviceIsForgotten(t *testing.T) {
	s := New()
	seq := uint64(0)
	for n := range 100 {
		name := events.DeviceName(fmt.Sprint("q", n))
		for _, e := range []events.Event{
			events.DeviceAdded{Device: name, DeviceType: "qemu"},
			events.HealthCheckRequested{Device: name, Job: events.JobID(n + 1)},
			events.DeviceRemoved{Device: name},
		} {
			seq++
			s.Evolve(seq, noon, e)
		}
	}
	if len(s.checks) > 0 {
		t.Errorf("%d checks are waited for by devices that are gone, want none", len(s.checks))
	}
}
