package lab

import (
	"reflect"
	"testing"
	"time"

	"strata/events"
)

// A delivery is listed until it has arrived; a dead letter until it is sent again and arrives.
func TestNotices(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	s := New()
	story := []struct {
		fact events.Event
		want []Notice
	}{
		{events.NotificationPlanned{Job: 1, Moment: events.MomentFinished, Deliveries: []events.Delivery{{N: 1, Kind: events.DeliverCallback, To: "http://a"}, {N: 2, Kind: events.DeliverMail, To: "b@c"}}},
			[]Notice{{Job: 1, N: 1, Moment: "finished", Kind: "callback", To: "http://a", At: at}, {Job: 1, N: 2, Moment: "finished", Kind: "email", To: "b@c", At: at}}},
		{events.NotificationSent{Job: 1, N: 2}, []Notice{{Job: 1, N: 1, Moment: "finished", Kind: "callback", To: "http://a", At: at}}},
		{events.NotificationFailed{Job: 1, N: 1, Attempts: 3, Reason: "404"},
			[]Notice{{Job: 1, N: 1, Moment: "finished", Kind: "callback", To: "http://a", At: at, Dead: true, Attempts: 3, Reason: "404"}}},
		{events.NotificationReplayed{Job: 1, Deliveries: []int{1, 7}}, []Notice{{Job: 1, N: 1, Moment: "finished", Kind: "callback", To: "http://a", At: at}}},
		{events.NotificationSent{Job: 1, N: 1}, []Notice{}},
	}
	for i, step := range story {
		s.Evolve(uint64(i+1), at, step.fact)
		if got := s.Notices(); !reflect.DeepEqual(got, step.want) {
			t.Errorf("after %s: %+v, want %+v", events.Name(step.fact), got, step.want)
		}
		data, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(Format, data)
		if err != nil || !reflect.DeepEqual(back.Notices(), step.want) {
			t.Errorf("after %s and a checkpoint: %+v (%v), want %+v", events.Name(step.fact), back.Notices(), err, step.want)
		}
	}
}

// The state does not grow with a receiver that is gone for good.
func TestDeadLettersAreBounded(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	s := New()
	for i := range maxDead + 1 {
		id := events.JobID(i + 1)
		s.Evolve(uint64(2*i+1), at.Add(time.Duration(i)), events.NotificationPlanned{Job: id, Deliveries: []events.Delivery{{N: 1}}})
		s.Evolve(uint64(2*i+2), at.Add(time.Duration(i)), events.NotificationFailed{Job: id, N: 1})
	}
	got := s.Notices()
	if len(got) != maxDead*9/10 || got[0].Job != maxDead/10+2 {
		t.Errorf("%d dead letters from job %d on, want %d from %d on", len(got), got[0].Job, maxDead*9/10, maxDead/10+2)
	}
}
