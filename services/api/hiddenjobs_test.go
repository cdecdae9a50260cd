package api_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/eventtest"
	"strata/services/api"
)

// absent is a job's number that no job of these tests has.
const absent events.JobID = 9999

// unchecked is a definition that lies on the bus.
const unchecked = "that nobody has checked"

// naming is how each verb names a job. A verb that is missing here and in namingNone fails the test: whoever adds
// one says which it is.
func naming(job any) map[string]any {
	m := func(more ...any) map[string]any {
		out := map[string]any{"job": job}
		for i := 0; i < len(more); i += 2 {
			out[more[i].(string)] = more[i+1]
		}
		return out
	}
	list := []any{job}
	ask := map[string]any{
		"rights":      map[string]any{"of": []string{fmt.Sprintf("job/%v", job)}},
		"jobs.show":   m(),
		"jobs.row":    m(),
		"jobs.cases":  m(),
		"jobs.why":    m(),
		"jobs.cancel": m("reason", "mine now"), "jobs.priority": m("priority", 90), "jobs.annotate": m("comment", "bad"),
		"jobs.results": m("whole", true), "jobs.files": m(), "jobs.inputs": m(), "jobs.pin": m(), "jobs.favour": m(),
		"jobs.console":   m("do", "take"),
		"jobs.find":      map[string]any{"terms": []any{map[string]any{"field": "id", "op": "exact", "values": []string{fmt.Sprint(job)}}}},
		"notices.list":   m(),
		"notices.replay": m(), "queries.similar": m("fields", []string{"health"}),
		"log.lines": m(), "log.outline": m(), "log.search": m("text", "x"), "logs.diff": m(),
		"jobs.log": m(), "results.export": m("format", "csv"), "files.get": m("name", "x"),
		"events": map[string]any{"entity": fmt.Sprintf("job/%v", job)},
		"at":     map[string]any{"seq": 1, "verb": "jobs.show", "request": m()},
	}
	if _, number := job.(events.JobID); number { // these take nothing but numbers
		ask["jobs.remove"] = map[string]any{"jobs": list}
		ask["jobs.texts"] = map[string]any{"jobs": list}
		ask["jobs.compare"] = map[string]any{"before": job, "after": job}
		ask["search"] = map[string]any{"text": "hello", "jobs": list}
	}
	return ask
}

// namingNone are the verbs that name no job. Those of queries and charts name rows, and take any.
func namingNone() []string {
	return strings.Fields(`status health whoami import people.import audit.list search queue.list policy.show policy.set jobs.list jobs.favoured jobs.submit
		users.list users.show users.add users.set users.remove users.act groups.list groups.show groups.add groups.set groups.join groups.leave groups.remove
		tokens.list tokens.issue tokens.describe tokens.revoke remote-tokens.list remote-tokens.set remote-tokens.remove
		permissions.list permissions.grant permissions.revoke permissions.open
		devices.list devices.show devices.add devices.configure devices.move devices.tag devices.untag devices.health devices.remove devices.describe
		devices.import devices.config devices.type devices.release devices.render devices.check devices.preview devices.hands
		device-types.list device-types.show device-types.configure device-types.availability device-types.remove device-types.import device-types.config
		cases.history cases.find issues.list issues.add issues.remove tags.list tags.add tags.remove
		queries.list queries.show queries.save queries.copy queries.archive queries.run queries.custom queries.refresh queries.omit queries.include
		queries.export queries.refresh-all charts.list charts.show charts.save charts.remove charts.query charts.drop charts.order charts.view charts.omit
		charts.include charts.data charts.custom charts.export charts.draw reservations.list reservations.add reservations.end
		workers.list workers.show workers.register workers.token workers.invite workers.enroll workers.configure workers.config workers.health workers.remove
		sql`)
}

// TestHiddenIsMissing asks every verb that names a job for jobs that a stranger may not see, and for one that there is
// not: the answers are the same, byte for byte, but for the number.
func TestHiddenIsMissing(t *testing.T) {
	t.Parallel()
	b, admin, db := withTables(t)
	ids := hiddenJobs(t, b, admin)
	tablesRead(t, b, db)
	var token api.Token
	call(t, admin, "tokens.issue", api.TokenRequest{User: "carol", Scopes: []events.Scope{events.ScopeView}}, &token)
	strangers := map[string]api.Client{"carol": asUser(t, b, "carol"), "a token to look": asToken(t, b, token.Value), "nobody": asUser(t, b, "")}

	flows := api.Flows()
	for _, verb := range slices.Concat(api.Verbs(), flows) {
		if _, names := naming(absent)[verb]; !names && !slices.Contains(namingNone(), verb) {
			t.Errorf("%s is new: say in this test how it names a job, or that it does not", verb)
		}
	}
	for who, c := range strangers {
		missing := map[string]string{}
		for verb, ask := range naming(absent) {
			missing[verb] = anyNumber(said(t, c, verb, ask), absent)
		}
		missingPart := map[string]string{}
		for verb, ask := range naming("9999.77") {
			missingPart[verb] = anyNumber(said(t, c, verb, ask), absent)
		}
		for what, hidden := range ids {
			for verb, ask := range naming(hidden) {
				if what == unchecked && !slices.Contains([]string{"jobs.show", "jobs.cancel", "jobs.log", "jobs.row"}, verb) {
					continue // each waits a while for somebody to look at it
				}
				if got := anyNumber(said(t, c, verb, ask), hidden); got != missing[verb] {
					t.Errorf("%s by %s, %s:\n got %s\nof a job that there is not %s", verb, who, what, got, missing[verb])
				}
			}
			if what != "that waits" && what != "of a group" {
				continue
			}
			for verb, ask := range naming(hidden.String() + ".77") {
				if got := anyNumber(said(t, c, verb, ask), hidden); got != missingPart[verb] {
					t.Errorf("%s by %s, a part of the one %s:\n got %s\nof a job that there is not %s", verb, who, what, got, missingPart[verb])
				}
			}
		}
	}
	for what, id := range ids {
		if err := admin.Call(t.Context(), "jobs.show", api.JobRequest{Job: id}, nil); err != nil {
			t.Errorf("%s for who may see it: %v", what, err)
		}
	}
	if err := admin.Call(t.Context(), "jobs.show", api.JobRequest{Job: absent}, nil); err == nil || !strings.Contains(err.Error(), "the newest is") {
		t.Errorf("a job that there is not, for a superuser: %v; want the newest number said", err)
	}
}

// TestHiddenInDevices looks at a device that runs a private job, as somebody who may see the device.
func TestHiddenInDevices(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	ids := hiddenJobs(t, b, admin)
	running := ids["that runs"]
	b.Append(t, events.WorkerRegistered{Worker: "w1"}, events.DeviceHealthChanged{Device: "q1", From: events.Good, To: events.Bad, Job: running, Reason: fmt.Sprintf("job [%d] broke it, not %d0", running, running)})
	call(t, admin, "reservations.add", api.ReservationRequest{Devices: []events.DeviceName{"q1"}, Until: noon.Add(time.Hour), Reason: "fan"}, nil)
	own := publish(t, b, "x")
	e := submitted(own)
	e.User = "carol"
	b.Append(t, e)
	questions := func(c api.Client) map[string]string {
		return map[string]string{
			"devices.show": said(t, c, "devices.show", api.DeviceRequest{Device: "q1"}), "devices.list": said(t, c, "devices.list", struct{}{}),
			"workers.show": said(t, c, "workers.show", api.WorkerRequest{Worker: "w1"}), "reservations.list": said(t, c, "reservations.list", struct{}{}),
			"jobs.why": said(t, c, "jobs.why", api.JobRequest{Job: own}), "events": said(t, c, "events", api.EventsRequest{Entity: "device/q1"}),
			"audit.list": said(t, c, "audit.list", api.AuditRequest{Entity: "device/q1"}),
		}
	}
	shows := regexp.MustCompile(fmt.Sprintf(`"(job|jobs|cause|reason)":\[?"?[^"]*\b%d\b`, running))
	for question, text := range questions(asUser(t, b, "carol")) {
		if shows.MatchString(text) {
			t.Errorf("%s shows carol the number of job %d, which she may not see:\n%s", question, running, text)
		}
		if strings.Contains(text, `"code":`) {
			t.Errorf("%s by carol: %s; want an answer", question, text)
		}
	}
	for question, text := range questions(asUser(t, b, "alice")) {
		if question != "audit.list" && question != "reservations.list" && question != "jobs.why" && question != "workers.show" && !shows.MatchString(text) {
			t.Errorf("%s does not show alice her own job %d:\n%s", question, running, text)
		}
	}
}

// hiddenJobs gives a lab jobs of alice's that nobody else may see, one of each kind.
func hiddenJobs(t *testing.T, b *eventtest.Broker, admin api.Client) map[string]events.JobID {
	t.Helper()
	for _, user := range []events.UserName{"alice", "carol"} {
		call(t, admin, "users.add", api.UserRequest{User: user}, nil)
	}
	call(t, admin, "permissions.open", map[string]any{"open": true}, nil)
	call(t, admin, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu"}, nil)
	ids := map[string]events.JobID{}
	add := func(what string) events.JobSubmitted {
		ids[what] = publish(t, b, "job_name: smoke\n")
		return submitted(ids[what])
	}
	b.Append(t, add("that waits"))
	over := add("that is over")
	b.Append(t, over, events.JobScheduled{Job: over.Job, Device: "q1", Worker: "w1", Lease: 3}, events.DeviceReserved{Device: "q1", Job: over.Job, Lease: 3},
		events.JobStarted{Job: over.Job, Device: "q1", Worker: "w1", Lease: 3, At: noon},
		events.JobFinished{Job: over.Job, Device: "q1", Worker: "w1", Lease: 3, Health: events.Complete, At: noon, LinesKnown: true},
		events.DeviceReleased{Device: "q1", Job: over.Job, Lease: 3}, events.JobOutputComplete{Job: over.Job, Lease: 3})
	runs := add("that runs")
	b.Append(t, runs, events.JobScheduled{Job: runs.Job, Device: "q1", Worker: "w1", Lease: 4}, events.DeviceReserved{Device: "q1", Job: runs.Job, Lease: 4},
		events.JobStarted{Job: runs.Job, Device: "q1", Worker: "w1", Lease: 4, At: noon})
	refused := add("that was refused")
	b.Append(t, events.JobRejected{Job: refused.Job, User: "alice", At: noon, Message: "no"})
	group := add("of a group")
	second := add("of a group, its second part")
	group.Part, second.Part = &events.Membership{Group: "g", Parent: group.Job, Role: "a", Size: 2}, &events.Membership{Group: "g", Parent: group.Job, Role: "b", Size: 2}
	b.Append(t, group, second, events.DefinitionSplit{Job: group.Job, Group: "g", Parts: []events.JobID{group.Job, second.Job}})
	erased := add("that was erased")
	b.Append(t, erased, events.JobWithdrawn{Job: erased.Job, Reason: "x"}, events.JobRemoved{Job: erased.Job, By: "alice"})
	add(unchecked)
	return ids
}

// said returns all that a verb answers: the text, or an error with its header, or the messages of a flow.
func said(t *testing.T, c api.Client, verb string, in any) string {
	t.Helper()
	if slices.Contains(api.Flows(), verb) {
		var out strings.Builder
		err := c.Stream(t.Context(), verb, in, func(m *nats.Msg) error {
			fmt.Fprintf(&out, "%s\n", m.Data)
			return nil
		})
		if err != nil {
			text, _ := json.Marshal(err)
			fmt.Fprintf(&out, "%s %s", err, text)
		}
		return out.String()
	}
	var answer json.RawMessage
	err := c.Call(t.Context(), verb, in, &answer)
	if err != nil {
		text, _ := json.Marshal(err)
		return fmt.Sprintf("%s %s", err, text)
	}
	return string(answer)
}

// anyNumber replaces a job's number, so that answers about two jobs can be compared.
func anyNumber(text string, job events.JobID) string {
	return regexp.MustCompile(`\b`+job.String()+`\b`).ReplaceAllString(text, "N")
}
