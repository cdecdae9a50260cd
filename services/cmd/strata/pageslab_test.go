package main

import (
	"strings"
	"testing"
	"time"

	"strata/services/api"
	"strata/services/web/browser"
)

// labVisits are the overview, the queue, reservations and notifications.
func labVisits() []visit {
	return []visit{
		{route: "GET /scheduler", at: "/scheduler/", task: "see what each device type does", shows: []string{"devices online", "panda", "qemu"}},
		{route: "GET /scheduler/running", at: "/scheduler/running", task: "see how busy each type is", shows: []string{"panda", "one every 24 hours"}},
		{route: "GET /scheduler/queue", at: "/scheduler/queue", task: "see why jobs wait", shows: []string{"smoke on panda", "the one device that fits: busy"},
			live: func(t *testing.T, l *pageLab) {
				l.world.must(t, "submit", write(t, l.files, "late.yaml", replaced(seenJob, "smoke on KIND", "came last", "KIND", "panda")))
			}, news: "came last"},
		{route: "GET /scheduler/queue", at: "/scheduler/queue?device_type=qemu", task: "see that nothing waits for a type", shows: []string{"No job waits for qemu"}},
		{route: "GET /scheduler/reservations", at: "/scheduler/reservations", task: "see what is set aside", shows: []string{"No device is set aside", "Set devices aside"}},
		{route: "GET /scheduler/reservations", at: "/scheduler/reservations", as: "nobody", task: "see no form", fails: 403, shows: []string{"Sign in"}},
		{route: "POST /scheduler/reservations", at: "/scheduler/reservations?device=qemu-02", task: "set a device aside", do: func(t *testing.T, l *pageLab, p *browser.Page) {
			p.Fill("#devices", "nothing")
			p.Fill("#until", time.Now().UTC().Add(48*time.Hour).Format("2006-01-02T15:04"))
			p.Click(browser.Button("Set aside"))
			p.See("there is no device nothing")
			p.Complaints() // the browser says that the answer was a 400
			p.Fill("#devices", "qemu-02")
			p.Fill("#user", "alice")
			p.Fill("#reason", "bring-up of a driver")
			p.Click(browser.Button("Set aside"))
		}, shows: []string{"The devices are set aside.", "bring-up of a driver", "alice"}, then: func(t *testing.T, l *pageLab) {
			l.recorded(t, "reservation/1", "reservation.made", "bring-up of a driver", `"qemu-02"`)
		}},
		{route: "POST /scheduler/reservations/{number}/end", at: "/scheduler/reservations", task: "give it back", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click(browser.Button("End"))
		}, shows: []string{"The reservation is over.", "No device is set aside"}, then: func(t *testing.T, l *pageLab) {
			l.recorded(t, "reservation/1", "reservation.ended")
		}},
		{route: "GET /notifications", at: "/notifications", task: "see what has not arrived", given: undelivered, shows: []string{"dead", "sends no mail"}},
		{route: "POST /notifications", at: "/notifications?dead", task: "have it sent again", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click(browser.Button("Send dead letters again"))
		}, shows: []string{"1 delivery on the way again."}, then: func(t *testing.T, l *pageLab) {
			l.recorded(t, "notification/"+l.notified, "notification.replayed")
		}},
	}
}

// reportVisits are the reports.
func reportVisits() []visit {
	return []visit{
		{route: "GET /scheduler/reports", at: "/scheduler/reports", task: "see how many jobs passed", shows: []string{"Test jobs by day", "Health checks by week", "Failures today"}},
		{route: "GET /scheduler/reports", at: "/scheduler/reports", as: "nobody", task: "be told to sign in", fails: 403, shows: []string{"sign in to see"}},
		{route: "GET /scheduler/reports/device/{name}", at: "/scheduler/reports/device/beagle-1", task: "see how it did", shows: []string{"Report of beagle-1", "Longest running jobs"}},
		{route: "GET /scheduler/reports/device_type/{name}", at: "/scheduler/reports/device_type/panda", task: "see how they did", shows: []string{"Report of panda", "smoke on panda"}},
		{route: "GET /scheduler/reports/failures", at: "/scheduler/reports/failures?start=-1&end=0&device_type=beagle", task: "see what failed alike", shows: []string{"What failed alike", "no console since power on", "beagle-1"}},
		{route: "GET /scheduler/reports/failures", at: "/scheduler/reports/failures?start=soon", task: "be told what days are", fails: 400, shows: []string{"allowed are days from now"}},
		{route: "GET /scheduler/reports/utilisation", at: "/scheduler/reports/utilisation", task: "see how busy devices were", shows: []string{"panda-1", "Waiting for a device", "Nine of ten"}},
	}
}

// undelivered submits a job whose mail the lab cannot send, and waits until it has given up.
func undelivered(t *testing.T, l *pageLab) {
	t.Helper()
	text := replaced(seenJob, "KIND", "qemu", "actions:", "notify: {criteria: {status: finished}, recipients: [{to: {method: email, email: ann@example.com}}]}\nactions:")
	var j api.Job
	l.world.must(t, "devices", "health", "qemu-02", "Good")
	l.world.ask(t, &j, "submit", write(t, l.files, "notifies.yaml", text))
	l.notified = j.Job.String()
	l.recorded(t, "notification/"+l.notified, "notification.failed")
}

// replaced returns a text with some words in place of others.
func replaced(text string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(text)
}
