package api_test

import (
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/services/api"
)

// Deliveries are listed until they have arrived, those of one job for good, and go out again by request.
func TestNotices(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "x")
	b.Append(t, submitted(job), events.NotificationPlanned{Job: job, Moment: events.MomentFinished, Deliveries: []events.Delivery{
		{N: 1, Kind: events.DeliverCallback, To: "http://a"}, {N: 2, Kind: events.DeliverMail, To: "b@c"}, {N: 3, Kind: events.DeliverIRC, To: "n@s"}}},
		events.NotificationSent{Job: job, N: 1, Attempts: 2, Answer: "200 OK"}, events.NotificationFailed{Job: job, N: 2, Attempts: 9, Reason: "no such box"})
	list := func(in api.NoticesRequest) (states []string) {
		t.Helper()
		var all []api.Notice
		call(t, c, "notices.list", in, &all)
		for _, n := range all {
			states = append(states, n.To+" "+n.State+" "+n.Answer)
		}
		return states
	}
	want := func(in api.NoticesRequest, want ...string) {
		t.Helper()
		if got := list(in); len(got) != len(want) {
			t.Errorf("notices %+v: %q, want %q", in, got, want)
		} else {
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("notices %+v: %q, want %q", in, got[i], want[i])
				}
			}
		}
	}
	want(api.NoticesRequest{}, "b@c dead no such box", "n@s waiting ")
	want(api.NoticesRequest{Dead: true}, "b@c dead no such box")
	want(api.NoticesRequest{Job: job}, "http://a sent 200 OK", "b@c dead no such box", "n@s waiting ")
	var out api.ReplayAnswer
	call(t, c, "notices.replay", api.ReplayRequest{Dead: true}, &out)
	if len(out.Notices) != 1 || out.Notices[0].N != 2 {
		t.Errorf("replay of dead letters: %+v, want the mail", out)
	}
	eventtest.Await(t, b.Log, func(e events.NotificationReplayed) bool {
		return e.Job == job && len(e.Deliveries) == 1 && e.Deliveries[0] == 2
	})
	facts, err := b.Log.Load(t.Context(), events.Entity{Kind: events.Notification, ID: job.String()})
	if err != nil {
		t.Fatal(err)
	}
	if last := facts[len(facts)-1]; last.Actor != "local" || last.From == "" {
		t.Errorf("the fact of a replay is by %q from %q; want who asked, and from where", last.Actor, last.From)
	}
	want(api.NoticesRequest{Dead: true})
	call(t, c, "notices.replay", api.ReplayRequest{Job: job, Deliveries: []int{1}}, &out)
	want(api.NoticesRequest{Job: job}, "http://a waiting ", "b@c waiting ", "n@s waiting ")
	for _, in := range []api.ReplayRequest{{}, {Job: job, Dead: true}, {Job: job, Deliveries: []int{7}}} {
		if err := c.Call(t.Context(), "notices.replay", in, nil); !api.HasCode(err, api.Invalid) && !api.HasCode(err, api.NotFound) {
			t.Errorf("replay %+v: %v, want it refused", in, err)
		}
	}
}
