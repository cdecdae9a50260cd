package projections

import (
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// The view notifications tells of each delivery where it goes, without the person, and what has become of it.
func TestNotifications(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	broker.Append(t, events.JobSubmitted{Job: 1, User: "alice"}, events.JobSubmitted{Job: 2, User: "alice"})
	facts := broker.Append(t,
		events.NotificationPlanned{Job: 1, Moment: events.MomentFinished, Last: 9, Complete: true, Deliveries: []events.Delivery{
			{N: 1, Kind: events.DeliverCallback, To: "https://ci.example.com:8443"}, {N: 2, Kind: events.DeliverMail, To: "bob@b@example.com"},
			{N: 3, Kind: events.DeliverIRC, Entry: 1, To: "#lab@irc.example.com"}, {N: 4, Kind: events.DeliverMail, Entry: 2}}},
		events.NotificationSent{Job: 1, N: 1, Attempts: 2, Answer: "200 OK"},
		events.NotificationFailed{Job: 1, N: 2, Attempts: 3, Reason: "no such box"},
		events.NotificationFailed{Job: 1, N: 3, Attempts: 1, Reason: "it is down"},
		events.NotificationReplayed{Job: 1, Deliveries: []int{2, 3, 7}, By: "alice"},
		events.NotificationSent{Job: 1, N: 3, Attempts: 4, Answer: "taken"},
		events.NotificationPlanned{Job: 2, Moment: events.MomentRunning, Deliveries: []events.Delivery{{N: 1, Kind: events.DeliverCallback, To: "http://x"}}},
		events.JobRemoved{Job: 2, By: "alice"},
		events.NotificationFailed{Job: 2, N: 1, Attempts: 1, Reason: "the job's definition was removed"})
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, facts[8].Seq)
	stop()
	const question = `SELECT arrayStringConcat(groupArray(concat_ws(' ', n, moment, kind, destination, state, attempts, answer, replays, output_complete, last_job)), '; ')
		FROM (SELECT * FROM notifications ORDER BY job, n)`
	want := "1 finished callback https://ci.example.com:8443 sent 2 200 OK 0 true 9; 2 finished email example.com waiting 3 no such box 1 true 9; " +
		"3 finished irc irc.example.com sent 5 taken 1 true 9; 4 finished email  waiting 0  0 true 9"
	if got := text(t, db, question); got != want {
		t.Errorf("notifications:\n got %s\nwant %s", got, want)
	}
	if got := text(t, db, "SELECT toString(count()) FROM notification_steps WHERE job = 2"); got != "0" {
		t.Errorf("%s rows are left of a job that was erased", got)
	}
}
