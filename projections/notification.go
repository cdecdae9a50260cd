package projections

import (
	"strings"
	"time"

	"strata/events"
)

// notificationRow is a row of notification_steps.
type notificationRow struct {
	Job         uint64    `ch:"job"`
	N           uint32    `ch:"n"`
	Step        string    `ch:"step"`
	Moment      string    `ch:"moment"`
	Kind        string    `ch:"kind"`
	Destination string    `ch:"destination"`
	LastJob     uint64    `ch:"last_job"`
	Complete    bool      `ch:"complete"`
	Attempts    uint32    `ch:"attempts"`
	Answer      string    `ch:"answer"`
	Time        time.Time `ch:"time"`
	Seq         uint64    `ch:"seq"`
}

func notificationRows(f fact) []notificationRow {
	step := func(job events.JobID, n int, name string, attempts int, answer string) notificationRow {
		return notificationRow{Job: uint64(job), N: uint32(n), Step: name, Attempts: uint32(attempts), Answer: answer, Time: utc(f.Time), Seq: f.Seq}
	}
	var rows []notificationRow
	switch e := f.Event.(type) {
	case events.NotificationPlanned:
		for _, d := range e.Deliveries {
			r := step(e.Job, d.N, "planned", 0, "")
			r.Moment, r.Kind, r.Destination, r.LastJob, r.Complete = string(e.Moment), string(d.Kind), destination(d), uint64(e.Last), e.Complete
			rows = append(rows, r)
		}
	case events.NotificationSent:
		rows = append(rows, step(e.Job, e.N, "sent", e.Attempts, e.Answer))
	case events.NotificationFailed:
		rows = append(rows, step(e.Job, e.N, "failed", e.Attempts, e.Reason))
	case events.NotificationReplayed:
		for _, n := range e.Deliveries {
			rows = append(rows, step(e.Job, n, "replayed", 0, string(e.By)))
		}
	}
	return rows
}

// destination is where a delivery goes, without the person that it goes to.
func destination(d events.Delivery) string {
	if d.Kind == events.DeliverCallback {
		return d.To
	}
	return d.To[strings.LastIndex(d.To, "@")+1:]
}
