package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/projections"
	"strata/services/api"
)

// hiding is a lab with devices q1 and, for the group kernel alone, q2 of one type, and a type that is for kernel too. alice
// is of the group, carol is not.
func hiding(t *testing.T, admin api.Client) {
	t.Helper()
	for _, user := range []events.UserName{"alice", "carol"} {
		call(t, admin, "users.add", api.UserRequest{User: user}, nil)
	}
	call(t, admin, "groups.add", api.GroupRequest{Group: "kernel"}, nil)
	call(t, admin, "groups.join", api.GroupRequest{Group: "kernel", User: "alice"}, nil)
	call(t, admin, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	const dictionary = "commands: {connect: telnet board}\n"
	for device, kind := range map[events.DeviceName]events.DeviceTypeName{"q1": "qemu", "q2": "qemu", "s1": "secret"} {
		call(t, admin, "devices.add", api.DeviceRequest{Device: device, DeviceType: kind, Worker: "w1", Dictionary: dictionary, Health: events.Good}, nil)
	}
	call(t, admin, "permissions.grant", api.PermissionRequest{Kind: events.Device, Name: "q2", Group: "kernel", Permission: "view_device"}, nil)
	call(t, admin, "permissions.grant", api.PermissionRequest{Kind: events.DeviceType, Name: "secret", Group: "kernel", Permission: "view_devicetype"}, nil)
}

// TestHiddenAttempt retries a public job on a device that carol may not see: as one with its attempts it is none for her, by
// whatever question, and nothing but the number of the further attempt is told beside the first one.
func TestHiddenAttempt(t *testing.T) {
	t.Parallel()
	b, admin, db := withTables(t)
	hiding(t, admin)
	first, second := publish(t, b, "job_name: x\n"), publish(t, b, "job_name: x\n")
	e := once(first)
	e.Visibility.Public = true
	b.Append(t, e)
	attemptOn(t, b, first, "q1", "no power")
	again := e
	again.Job, again.Display, again.Attempt = second, second.String(), &events.Attempt{Of: first, N: 2, Avoid: []events.DeviceName{"q1"}}
	b.Append(t, again, events.JobRetried{Job: first, As: second, Attempt: 2})
	attemptOn(t, b, second, "q2", "")
	tablesRead(t, b, db)
	carol, alice := asUser(t, b, "carol"), asUser(t, b, "alice")
	whole := map[string]any{"job": first, "whole": true}
	for verb, in := range map[string]any{"jobs.show": whole, "jobs.row": whole, "jobs.cases": whole, "jobs.results": whole, "jobs.files": whole,
		"jobs.log": whole, "results.export": map[string]any{"job": first, "whole": true, "format": "csv"}} {
		if got, want := said(t, carol, verb, in), fmt.Sprintf("there is no job %d that carol may see", first); !strings.HasPrefix(got, want) {
			t.Errorf("%s of the whole by carol: %s, want %q", verb, got, want)
		}
		if got := said(t, alice, verb, in); strings.Contains(got, "there is no job") {
			t.Errorf("%s of the whole by alice: %s", verb, got)
		}
	}
	resumed := map[string]any{"job": first, "whole": true, "resumed": true, "from": 1, "follow": true}
	if got := said(t, carol, "jobs.log", resumed); !strings.Contains(got, "more") || strings.Contains(got, "on q2") {
		t.Errorf("the log of the whole, followed by carol: %s; want the first attempt's alone", got)
	}
	for verb, in := range map[string]any{"jobs.list": api.JobsRequest{All: true, Whole: true}, "jobs.find": api.FindJobs{Whole: true}} {
		if got := said(t, carol, verb, in); strings.Contains(got, fmt.Sprintf(`"job":%d,`, first)) || strings.Contains(got, "q2") {
			t.Errorf("%s by carol shows the whole:\n%s", verb, got)
		}
		if got := said(t, alice, verb, in); !strings.Contains(got, fmt.Sprintf(`"job":%d,`, first)) || !strings.Contains(got, "q2") {
			t.Errorf("%s by alice does not show the whole:\n%s", verb, got)
		}
	}
	if got := said(t, carol, "jobs.show", api.JobRequest{Job: first}); !strings.Contains(got, "no power") || strings.Contains(got, "q2") {
		t.Errorf("the first attempt by carol: %s; want it without the other's device", got)
	}
}

// TestHiddenPart has a group with a part on a type that carol may not see: that part is as one that there is not.
func TestHiddenPart(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	hiding(t, admin)
	first, second := submitted(publish(t, b, "x")), submitted(publish(t, b, "x"))
	for i, e := range []*events.JobSubmitted{&first, &second} {
		e.Display, e.Visibility.Public = fmt.Sprintf("%d.%d", first.Job, i), true
		e.Part = &events.Membership{Group: "g", Parent: first.Job, Role: "a", Size: 2}
	}
	second.DeviceType, second.Part.Role = "secret", "b"
	b.Append(t, first, second, events.DefinitionSplit{Job: first.Job, Group: "g", Parts: []events.JobID{first.Job, second.Job}})
	for user, parts := range map[events.UserName]int{"alice": 2, "carol": 1} {
		var j api.Job
		call(t, asUser(t, b, user), "jobs.show", api.JobRequest{Job: first.Job}, &j)
		if len(j.Parts) != parts {
			t.Errorf("parts that %s sees: %+v, want %d", user, j.Parts, parts)
		}
	}
	carol := asUser(t, b, "carol")
	for _, verb := range []string{"jobs.show", "jobs.log", "jobs.cancel", "events"} {
		ask := func(part int) string {
			name := fmt.Sprintf("%d.%d", first.Job, part)
			in := any(map[string]any{"job": name})
			if verb == "events" {
				in = map[string]any{"entity": "job/" + name}
			}
			return strings.ReplaceAll(said(t, carol, verb, in), name, "P")
		}
		if hidden, missing := ask(1), ask(7); hidden != missing {
			t.Errorf("%s of the hidden part: %s\nof one that there is not: %s", verb, hidden, missing)
		}
	}
}

// TestHiddenDevice asks every verb that names a device for one that carol may not see and for one that there is not.
func TestHiddenDevice(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	hiding(t, admin)
	hidden := submitted(publish(t, b, "x")) // alice's alone, on q2
	b.Append(t, hidden, events.JobScheduled{Job: hidden.Job, Device: "q2", Worker: "w1", Lease: 7}, events.DeviceReserved{Device: "q2", Job: hidden.Job, Lease: 7})
	carol := asUser(t, b, "carol")
	for verb, in := range map[string]func(name string) any{
		"devices.show":   func(n string) any { return map[string]any{"device": n} },
		"devices.config": func(n string) any { return api.ConfigRequest{Name: n, Texts: []int{1}} },
		"devices.render": func(n string) any { return map[string]any{"device": n} },
		"devices.type":   func(n string) any { return map[string]any{"device": n, "session": "s", "text": "x"} },
		"devices.health": func(n string) any { return map[string]any{"device": n, "health": "Bad"} },
		"devices.hands":  func(n string) any { return map[string]any{"device": n, "use": events.UseConsole} },
		"devices.release": func(n string) any {
			return map[string]any{"device": n}
		},
	} {
		if got, missing := said(t, carol, verb, in("q2")), said(t, carol, verb, in("q9")); strings.ReplaceAll(got, "q2", "D") != strings.ReplaceAll(missing, "q9", "D") {
			t.Errorf("%s of the hidden device: %s\nof one that there is not: %s", verb, got, missing)
		}
	}
	if got, missing := said(t, carol, "device-types.config", api.ConfigRequest{Name: "secret"}), said(t, carol, "device-types.config", api.ConfigRequest{Name: "none"}); strings.ReplaceAll(got, "secret", "none") != missing {
		t.Errorf("the versions of a hidden type: %s\nof one that there is not: %s", got, missing)
	}
	waits := submitted(publish(t, b, "x"))
	waits.User = "carol"
	b.Append(t, waits)
	for verb, in := range map[string]any{"jobs.why": api.JobRequest{Job: waits.Job}, "jobs.show": api.JobRequest{Job: waits.Job}} {
		if got := said(t, carol, verb, in); strings.Contains(got, "q2") || strings.Contains(got, "2 devices") {
			t.Errorf("%s tells carol of the hidden device: %s", verb, got)
		}
	}
	for user, want := range map[events.UserName]int{"alice": 1, "carol": 0} {
		var a api.Availability
		call(t, asUser(t, b, user), "device-types.availability", api.AvailabilityRequest{DeviceType: "qemu"}, &a)
		if a.Busy != want {
			t.Errorf("busy devices for %s: %d, want %d", user, a.Busy, want)
		}
	}
}

// TestHandsOnAnothersJob has carol use a device that she may see, and has reserved, while a job of alice's runs there.
func TestHandsOnAnothersJob(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	hiding(t, admin)
	job := publish(t, b, "x") + 4000 // a number that stands in no other text
	e := submitted(job)
	b.Append(t, events.WorkerWentOnline{Worker: "w1", At: noon}, e, events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 7},
		events.DeviceReserved{Device: "q1", Job: job, Lease: 7}, events.JobStarted{Job: job, Device: "q1", Worker: "w1", Lease: 7, At: noon})
	call(t, admin, "reservations.add", api.ReservationRequest{Devices: []events.DeviceName{"q1"}, User: "carol", Until: noon.Add(time.Hour), Reason: "fan"}, nil)
	carol := asUser(t, b, "carol")
	for verb, in := range map[string]any{"devices.hands": api.HandsRequest{Device: "q1", Use: events.UseConsole}, "devices.release": api.DeviceRequest{Device: "q1"},
		"devices.type": api.TypeRequest{Device: "q1", Session: "s", Text: "x"}} {
		if got := said(t, carol, verb, in); strings.Contains(got, job.String()) || !strings.Contains(got, "conflict") {
			t.Errorf("%s by carol: %s; want the job without its number", verb, got)
		}
	}
}

// TestGroupsAreTheirMembers asks for the facts of a group.
func TestGroupsAreTheirMembers(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	hiding(t, admin)
	for user, want := range map[events.UserName]bool{"alice": true, "carol": false, access.Local: true} {
		got := said(t, asUser(t, b, user), "events", api.EventsRequest{Entity: "group/kernel"})
		if strings.Contains(got, "alice") != want {
			t.Errorf("facts of the group, by %s: %s; want them %v", user, got, want)
		}
		all := said(t, asUser(t, b, user), "events", api.EventsRequest{From: 1})
		if strings.Contains(all, "group/kernel") != want {
			t.Errorf("all facts, by %s: the group is among them %v, want %v", user, !want, want)
		}
	}
}

// TestStreamsEndWithRights has carol follow the log of a job, and its facts, until she has left the group that may see it.
func TestStreamsEndWithRights(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	hiding(t, admin)
	call(t, admin, "groups.join", api.GroupRequest{Group: "kernel", User: "carol"}, nil)
	job := publish(t, b, "x")
	e := submitted(job)
	e.Visibility.Groups = []events.GroupName{"kernel"}
	b.Append(t, e, events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5}, events.JobStarted{Job: job, Device: "q1", Worker: "w1", Lease: 5, At: noon})
	frame(t, b, job, 0, "before")
	carol := asUser(t, b, "carol")
	type heard struct {
		texts []string
		err   error
	}
	follow := func(verb string, in any, begun chan<- bool) <-chan heard {
		out := make(chan heard, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
			defer cancel()
			var h heard
			h.err = carol.Stream(ctx, verb, in, func(m *nats.Msg) error {
				if h.texts = append(h.texts, string(m.Data)); len(h.texts) == 1 {
					close(begun)
				}
				return nil
			})
			out <- h
		}()
		return out
	}
	logBegun, factsBegun := make(chan bool), make(chan bool)
	log := follow("jobs.log", api.LogRequest{Job: job, Follow: true}, logBegun)
	facts := follow("events", api.EventsRequest{Entity: "job/" + job.String(), Follow: true}, factsBegun)
	<-logBegun
	<-factsBegun
	call(t, admin, "groups.leave", api.GroupRequest{Group: "kernel", User: "carol"}, nil)
	frame(t, b, job, 1, "after")
	b.Append(t, events.JobPrioritySet{Job: job, Priority: 3})
	for what, stream := range map[string]<-chan heard{"the log": log, "the facts": facts} {
		h := <-stream
		if !api.HasCode(h.err, api.NotFound) || strings.Contains(strings.Join(h.texts, "\n"), "after") {
			t.Errorf("%s that carol followed ended with %v after %q; want not-found", what, h.err, h.texts)
		}
	}
}

// TestLabNeedsNoAdministrator shuts out the administrator that every lab has: the lab asks itself in nobody's name.
func TestLabNeedsNoAdministrator(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	yes, no := true, false
	call(t, p.admin, "users.add", api.UserRequest{User: "root", Superuser: &yes}, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "alice"}, nil)
	call(t, p.admin, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	first, second := publish(t, p.broker, "x"), publish(t, p.broker, "x")
	p.broker.Append(t, once(first))
	attemptOn(t, p.broker, first, "q1", "no power")
	again := once(second)
	again.Attempt = &events.Attempt{Of: first, N: 2}
	p.broker.Append(t, again, events.JobRetried{Job: first, As: second, Attempt: 2})
	call(t, asUser(t, p.broker, "root"), "users.set", api.UserRequest{User: access.Local, Active: &no}, nil)
	forbidden(t, p.admin, "workers.list", struct{}{}, "not active")
	var row projections.SelectedJob
	call(t, asUser(t, p.broker, "alice"), "jobs.row", api.JobRequest{Job: first, Whole: true}, &row)
	if row.State != "Running" || row.RetriedAs != uint64(second) {
		t.Errorf("alice's job that is tried again: %+v, want it Running", row)
	}
	token, _, err := p.WorkerToken(t.Context(), "w1")
	if who, bad := p.key.Verify(token); err != nil || bad != nil || who.Worker != "w1" {
		t.Errorf("credential of w1: %+v, %v, %v", who, err, bad)
	}
	if _, _, err := p.WorkerToken(t.Context(), "w2"); !api.HasCode(err, api.NotFound) {
		t.Errorf("credential of a worker that there is not: %v, want not-found", err)
	}
}

// TestResumedLog comes back to a log of whose job there is a further attempt by then.
func TestResumedLog(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	first, second := publish(t, b, "x"), publish(t, b, "x")
	b.Append(t, once(first))
	attemptOn(t, b, first, "q1", "no power")
	again := once(second)
	again.Attempt = &events.Attempt{Of: first, N: 2}
	b.Append(t, again, events.JobRetried{Job: first, As: second, Attempt: 2})
	attemptOn(t, b, second, "q2", "")
	for _, follow := range []bool{false, true} {
		got := readLog(t, c, api.LogRequest{Job: first, From: 1, Whole: true, Resumed: true, Follow: follow})
		if want := "1:more 0:on q2 1:more"; strings.Join(got, " ") != want {
			t.Errorf("the rest, following %v: %q, want %q", follow, got, want)
		}
	}
}

// A client whose stream breaks off asks for the rest of the attempt that it was reading.
func TestClientResumes(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	conn := b.Connect(t)
	var asked []api.LogRequest
	_, err := conn.Subscribe("api.dave.>", func(m *nats.Msg) {
		say := func(header nats.Header, body string) {
			_ = conn.PublishMsg(&nats.Msg{Subject: m.Reply, Reply: "api.dave.flow.x", Header: header, Data: []byte(body)})
		}
		switch m.Subject {
		case "api.dave.status":
			say(nil, "{}")
		case "api.dave.jobs.log":
			var in api.LogRequest
			if err := json.Unmarshal(m.Data, &in); err != nil {
				t.Error(err)
			}
			if asked = append(asked, in); len(asked) > 1 {
				say(nats.Header{"Strata-End": {"1"}}, "")
				return
			}
			say(nats.Header{"Strata-Number": {"1"}, events.HeaderJob: {"7"}, events.HeaderFirstLine: {"0"}}, `{"lvl":"info","msg":"a"}`)
			say(nats.Header{"Strata-Error": {"away"}}, `{"message":"nats: timeout"}`)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil { // else the other connection may ask before the broker knows of it
		t.Fatal(err)
	}
	dave := api.Client{Conn: b.Connect(t), User: "dave"}
	if err := dave.Log(t.Context(), api.LogRequest{Job: 7, Follow: true, Whole: true}, func(uint64, events.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if want := (api.LogRequest{Job: 7, From: 1, Follow: true, Whole: true, Resumed: true}); len(asked) != 2 || asked[1] != want {
		t.Errorf("asked %+v, want %+v the second time", asked, want)
	}
}
