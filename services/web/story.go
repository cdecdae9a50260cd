package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"strata/events"
)

// step is one thing that happened to a device, a worker or a device type, for people.
// Seq orders steps of several things; Thing is empty on the page of the thing itself. Job is 0 where none has to do with it.
type step struct {
	Seq            uint64
	At             time.Time
	What           string // in words; "" where it is a change of health alone
	From, Health   string // of a change of health
	By, Why        string
	Job            uint64
	Thing, ThingTo string // what it happened to, where that is not plain
}

// told is what facts about devices and workers hold, all kinds together.
// Facts of different kinds use the same names for the same things, so one struct reads them all; what a kind lacks stays empty.
type told struct {
	By, Reason, Comment, Worker, Tag, From, To, Health, Use, Outcome, Description, Version string
	Job                                                                                    uint64
	CheckDue                                                                               bool `json:"check_due"`
}

// words say what a fact of a kind is, from what it holds. Kinds that are not here belong to the machinery.
// A function and no variable, as the house has no mutable globals; it is asked once a page.
func words() map[string]func(told) string {
	plain := func(text string) func(told) string { return func(told) string { return text } }
	return map[string]func(told) string{
		events.Name(events.DeviceAdded{}):      plain("added to the lab"),
		events.Name(events.DeviceConfigured{}): plain("new dictionary"),
		events.Name(events.DeviceDescribed{}):  plain("described anew"),
		events.Name(events.DeviceMoved{}): func(t told) string {
			if t.Worker == "" {
				return "taken from its worker"
			}
			return "moved to " + t.Worker
		},
		events.Name(events.DeviceTagged{}):         func(t told) string { return "tagged " + t.Tag },
		events.Name(events.DeviceUntagged{}):       func(t told) string { return "tag " + t.Tag + " taken off" },
		events.Name(events.DeviceHealthSet{}):      plain(""),
		events.Name(events.DeviceHealthChanged{}):  plain(""),
		events.Name(events.HealthCheckRequested{}): plain("health check asked for"),
		events.Name(events.DeviceHeld{}):           func(t told) string { return "in hand: " + t.Use },
		events.Name(events.DeviceLetGo{}):          plain("let go"),
		events.Name(events.WorkerRegistered{}):     plain("registered"),
		events.Name(events.WorkerConfigured{}):     plain("new settings"),
		events.Name(events.WorkerHealthSet{}):      plain(""),
		events.Name(events.WorkerTokenRotated{}):   plain("new token"),
		events.Name(events.WorkerWentOnline{}):     plain("came online"),
		events.Name(events.WorkerWentOffline{}):    plain("went offline"),
		events.Name(events.DeviceTypeAdded{}):      plain("added to the lab"),
		events.Name(events.DeviceTypeConfigured{}): plain("new settings"),
	}
}

// tell makes a story of facts, the newest first. The same thing said again, such as a hold that goes on, is left out.
// A fact that cannot be read is left out: one odd fact must not take a page away.
func tell(facts []fact) []step {
	known := words()
	var all []step // the oldest first, until the end
	for _, f := range facts {
		say := known[f.Name]
		var t told
		if say == nil || json.Unmarshal(f.Data, &t) != nil {
			continue
		}
		// A person sets a health, the lab changes it: one fact says health, the other from and to.
		s := step{Seq: f.Seq, At: f.Time, What: say(t), By: t.By, Job: t.Job, From: t.From, Health: t.Health, Why: t.Reason}
		if t.To != "" {
			s.Health = t.To
		}
		// Why something was done stands under several names, by kind.
		for _, more := range []string{t.Comment, t.Outcome} {
			if more != "" && more != "done" {
				s.Why = more
			}
		}
		if s.What != "" {
			s.Health = "" // such as that of a device that was added: no change
		}
		// The envelope's actor: who asked for it, where the fact itself does not say.
		if s.By == "" {
			s.By = f.Actor
		}
		// A hold is recorded again every few seconds while it lasts.
		if n := len(all); n > 0 && s.What != "" && strings.HasPrefix(s.What, "in hand") && all[n-1].What == s.What && all[n-1].By == s.By {
			continue
		}
		all = append(all, s)
	}
	slices.Reverse(all)
	return all
}

// span is a time in which a device had one health.
// Health "" is a time before the device was in the lab.
type span struct {
	From, To time.Time
	Health   string
	Why      string
}

// healths cuts the time since a moment into spans of one health.
// Facts come the oldest first and reach back to the beginning, so the health at since is that of the last one before it.
func healths(facts []fact, since, now time.Time) []span {
	at := span{From: since} // grows until the health changes; no health: not in the lab yet
	var all []span
	for _, f := range facts {
		var t told
		switch f.Name {
		case events.Name(events.DeviceAdded{}), events.Name(events.DeviceHealthSet{}), events.Name(events.DeviceHealthChanged{}):
			if json.Unmarshal(f.Data, &t) != nil {
				continue
			}
		default:
			continue
		}
		health := t.Health
		if t.To != "" {
			health = t.To
		}
		// What was before since only says how it stood then.
		if f.Time.After(since) {
			at.To = f.Time
			all = append(all, at)
			at.From = f.Time
		}
		at.Health, at.Why = health, t.Reason
	}
	// A fact may be younger than the page: it was recorded while the page was made.
	if at.To = now; at.From.After(now) {
		at.To = at.From
	}
	return append(all, at)
}

// timeline draws spans as a bar. Words say the same below it, so it is hidden from screen readers.
// A span may be thinner than a pixel; it is drawn all the same, and the list below tells of it.
func timeline(spans []span) template.HTML {
	if len(spans) == 0 || !spans[len(spans)-1].To.After(spans[0].From) {
		return ""
	}
	// Attributes, not styles: the policy of the pages lets no style through that stands in them.
	whole := spans[len(spans)-1].To.Sub(spans[0].From).Seconds()
	tones := map[string]string{"Good": "good", "Bad": "bad", "Maintenance": "warn", "Looping": "busy", "Unknown": "unknown"}
	var b strings.Builder
	// A thousand units, whatever the width: preserveAspectRatio="none" stretches it, and nothing in it has a shape that would suffer.
	b.WriteString(`<svg class="timeline" viewBox="0 0 1000 28" preserveAspectRatio="none" aria-hidden="true">`)
	for _, s := range spans {
		x := s.From.Sub(spans[0].From).Seconds() / whole * 1000
		title := s.Health
		if title == "" {
			title = "not in the lab"
		}
		fmt.Fprintf(&b, `<rect x="%.2f" y="4" width="%.2f" height="20" class="%s"><title>%s, %s, %s</title></rect>`, x, s.To.Sub(s.From).Seconds()/whole*1000,
			tones[s.Health], template.HTMLEscapeString(title), length(s.To.Sub(s.From)), s.From.UTC().Format("2006-01-02 15:04 UTC"))
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// share is how much of the time a device had a health.
// Part is of the time that the device was in the lab.
type share struct {
	Health string
	Part   string // "93 %"
	For    string
}

// shares sums spans up, the largest first.
// Retired and every other health has its line; what never was is left out.
func shares(spans []span) (all []share) {
	sums, whole := map[string]time.Duration{}, time.Duration(0)
	for _, s := range spans {
		if s.Health != "" {
			sums[s.Health] += s.To.Sub(s.From)
			whole += s.To.Sub(s.From)
		}
	}
	for _, health := range []string{"Good", "Unknown", "Looping", "Maintenance", "Bad", "Retired"} {
		if d := sums[health]; d > 0 {
			all = append(all, share{health, fmt.Sprintf("%.0f %%", 100*d.Seconds()/whole.Seconds()), length(d)})
		}
	}
	return all
}
