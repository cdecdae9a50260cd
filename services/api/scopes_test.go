package api_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/schemas/order"
	"strata/services/api"
)

// changing is a request of each verb that changes something, or has a device do something, which a superuser may make in
// [bench]. What is not here only looks.
func changing(job events.JobID, name string) map[string]any {
	pinned := map[string]any{"job": job}
	query, chart := map[string]any{"name": "mine"}, map[string]any{"name": "mine"}
	device := api.DeviceRequest{Device: "q1", Health: events.Good, Tag: "usb", Dictionary: "a: 1", Worker: "w1"}
	user, group := api.UserRequest{User: "alice"}, api.GroupRequest{Group: "kernel", User: "alice", Permissions: &[]string{}}
	with := func(m map[string]any, more ...any) map[string]any {
		out := map[string]any{}
		for k, v := range m {
			out[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			out[more[i].(string)] = more[i+1]
		}
		return out
	}
	worker, health := api.WorkerRequest{Worker: "w1", Description: word("x"), Force: true, Rotate: true}, api.WorkerRequest{Worker: "w1", Health: events.WorkerActive}
	imported := api.ImportRequest{Files: []api.ImportFile{{Name: "new", Text: "a: 1\n"}}}
	return map[string]any{
		"users.add": api.UserRequest{User: "new"}, "users.set": api.UserRequest{User: "alice", Email: word("a@example.com")}, "users.remove": user,
		"users.act": api.ActRequest{User: "alice", Reason: "x"}, "groups.add": api.GroupRequest{Group: "new"},
		"groups.set": api.GroupRequest{Group: "kernel", Permissions: &[]string{"add_device"}}, "groups.join": group, "groups.leave": group, "groups.remove": group,
		"tokens.issue": api.TokenRequest{}, "tokens.describe": api.TokenRequest{Token: events.TokenID(name), Description: "x"}, "tokens.revoke": api.TokenRequest{Token: events.TokenID(name)},
		"remote-tokens.list": struct{}{}, "remote-tokens.set": api.RemoteToken{Name: "x", Value: "y"}, "remote-tokens.remove": api.RemoteToken{Name: "x"},
		"permissions.grant": api.PermissionRequest{Group: "kernel", Permission: "add_device"}, "permissions.revoke": api.PermissionRequest{Group: "kernel", Permission: "add_device"},
		"permissions.open": api.OpenRequest{Open: true},
		"jobs.submit":      api.SubmitRequest{Definition: "job_name: x\n"}, "jobs.cancel": pinned, "jobs.priority": with(pinned, "priority", 3), "jobs.remove": map[string]any{"jobs": []events.JobID{job}},
		"jobs.pin": pinned, "jobs.favour": pinned, "jobs.console": with(pinned, "do", order.InputTake), "jobs.annotate": with(pinned, "comment", "x"),
		"devices.add": api.DeviceRequest{Device: "q2", DeviceType: "qemu"}, "devices.configure": device, "devices.move": device, "devices.tag": device, "devices.untag": device,
		"devices.health": device, "devices.remove": device, "devices.describe": api.DescribeRequest{Device: "q1", Description: word("x")},
		"devices.type": api.TypeRequest{Device: "q1", Session: "s", Text: "x"}, "devices.release": device, "devices.check": api.CheckDictionary{Dictionary: "a: 1"},
		"devices.preview": api.PreviewRequest{Device: "q1", Dictionary: "a: 1"}, "devices.hands": api.HandsRequest{Device: "q1", Use: events.UsePowerOff},
		"devices.import": imported, "device-types.import": imported, "device-types.configure": api.DeviceType{DeviceType: "qemu", Description: "x"}, "device-types.remove": api.DeviceType{DeviceType: "bench"},
		"import": api.LabImportRequest{Source: "lava", Objects: []api.LabObject{{Kind: events.Tag, Name: "new"}}}, "people.import": api.PeopleImportRequest{Users: []api.ImportedUser{{User: "new"}}},
		"issues.add": events.KnownIssueAdded{Title: "x", Case: "a/b"}, "issues.remove": map[string]any{"issue": 1},
		"notices.replay": pinned, "tags.add": api.TagRequest{Tag: "new"}, "tags.remove": api.TagRequest{Tag: "usb"}, "policy.set": map[string]any{},
		"queries.save": with(query, "name", "new", "entity", "testjob", "address", "testjob__health__exact__Complete"), "queries.copy": with(query, "as", "copied"),
		"queries.archive": query, "queries.refresh": query, "queries.omit": with(query, "item", "42"), "queries.include": with(query, "item", "42"), "queries.refresh-all": struct{}{},
		"charts.save": with(chart, "name", "new"), "charts.remove": chart, "charts.query": with(chart, "query", query), "charts.drop": with(chart, "number", 1),
		"charts.order": with(chart, "numbers", []int{}), "charts.view": with(chart, "number", 1), "charts.omit": with(chart, "number", 1, "item", "42"), "charts.include": with(chart, "number", 1, "item", "42"),
		"reservations.add": api.ReservationRequest{Devices: []events.DeviceName{"q1"}, Until: noon.AddDate(0, 0, 1), Reason: "x"}, "reservations.end": api.ReservationRequest{Reservation: 1},
		"workers.register": api.WorkerRequest{Worker: "new"}, "workers.token": worker, "workers.invite": api.InviteRequest{}, "workers.configure": worker, "workers.config": api.ConfigRequest{Name: "w1"},
		"workers.health": health, "workers.remove": worker,
		"workers.enroll": api.EnrollRequest{Word: "none", Worker: "new"},
	}
}

// looking are the verbs that change nothing.
func looking() []string {
	return strings.Fields(`status health whoami rights users.list users.show groups.list groups.show tokens.list permissions.list
		jobs.list jobs.find jobs.row jobs.texts jobs.cases jobs.show jobs.results jobs.files jobs.why jobs.inputs jobs.compare jobs.favoured
		devices.list devices.show devices.config devices.render device-types.list device-types.show device-types.availability device-types.config
		audit.list cases.history cases.find issues.list notices.list search log.lines log.outline logs.diff tags.list queue.list policy.show
		queries.list queries.show queries.run queries.custom queries.similar charts.list charts.show charts.data charts.custom reservations.list
		workers.list workers.show jobs.log log.search events at sql results.export files.get queries.export charts.export charts.draw`)
}

// TestTokenToLook has a superuser's token that is for looking ask every verb: nothing comes of those that change something.
func TestTokenToLook(t *testing.T) {
	t.Parallel()
	b, admin, _ := withTables(t)
	boardOn(t, b, admin)
	call(t, admin, "users.add", api.UserRequest{User: "alice"}, nil)
	call(t, admin, "groups.add", api.GroupRequest{Group: "kernel"}, nil)
	call(t, admin, "tags.add", api.TagRequest{Tag: "usb"}, nil)
	call(t, admin, "queries.save", map[string]any{"name": "mine", "entity": "testjob", "address": "testjob__health__exact__Complete"}, nil)
	call(t, admin, "charts.save", map[string]any{"name": "mine"}, nil)
	call(t, admin, "charts.query", map[string]any{"name": "mine", "query": map[string]any{"name": "mine"}}, nil)
	call(t, admin, "reservations.add", api.ReservationRequest{Devices: []events.DeviceName{"q1"}, User: "local", Until: noon.AddDate(0, 0, 2), Reason: "x"}, nil)
	id := publish(t, b, "job_name: x\n")
	mine := submitted(id)
	mine.User = "local"
	b.Append(t, mine)
	var token api.Token
	call(t, admin, "tokens.issue", api.TokenRequest{Scopes: []events.Scope{events.ScopeView}}, &token)
	looker := asToken(t, b, token.Value)
	answer(t, b, func(h order.Hands) []order.HandsSaid {
		t.Errorf("the worker is to %s", h.Do)
		return []order.HandsSaid{{Ended: true}}
	})
	call(t, looker, "whoami", struct{}{}, nil) // the token's use is recorded by this
	requests := changing(id, string(token.Token))
	for _, verb := range slices.Concat(api.Verbs(), api.Flows()) {
		if _, changes := requests[verb]; changes == slices.Contains(looking(), verb) {
			t.Errorf("%s: say in this test whether it changes something", verb)
		}
	}
	before := changes(t, b)
	for verb, in := range requests {
		var err error
		if slices.Contains(api.Flows(), verb) {
			err = looker.Stream(t.Context(), verb, in, func(*nats.Msg) error { return nil })
		} else {
			err = looker.Call(t.Context(), verb, in, nil)
		}
		// Of what is imported each thing is answered for itself.
		if !api.HasCode(err, api.Denied) && !strings.HasSuffix(verb, "import") {
			t.Errorf("%s with a token to look: got %v, want it denied", verb, err)
		}
	}
	if after := changes(t, b); !slices.Equal(after, before) {
		t.Errorf("facts of a token to look: %v", after[len(before):])
	}
}

// changes are the names of all facts but the uses of tokens.
func changes(t *testing.T, b *eventtest.Broker) (names []string) {
	t.Helper()
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		if _, use := r.Event.(events.TokenUsed); !use {
			names = append(names, fmt.Sprintf("%d %s", r.Seq, events.Name(r.Event)))
		}
	}
	return names
}

// TestFirstPassword has an account without a password given one by its own tokens: by one that is limited it is not,
// because whoever signs in by the password is limited by nothing.
func TestFirstPassword(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	yes := true
	for _, user := range []api.UserRequest{{User: "carol"}, {User: "root", Superuser: &yes}} {
		call(t, p.admin, "users.add", user, nil)
		var limited, whole api.Token
		call(t, p.admin, "tokens.issue", api.TokenRequest{User: user.User, Scopes: []events.Scope{events.ScopeChange}}, &limited)
		call(t, p.admin, "tokens.issue", api.TokenRequest{User: user.User}, &whole)
		set := api.UserRequest{User: user.User, Password: word("correct horse")}
		forbidden(t, asToken(t, p.broker, limited.Value), "users.set", set, "may be used for change")
		if _, err := p.SignIn(t.Context(), user.User, "correct horse", here); !errors.Is(err, api.ErrUnknownToken) {
			t.Errorf("sign in as %s by a password that was refused: %v", user.User, err)
		}
		call(t, asToken(t, p.broker, limited.Value), "users.set", api.UserRequest{User: user.User, FirstName: word("Caro")}, nil)
		call(t, asToken(t, p.broker, whole.Value), "users.set", set, nil)
		p.signIn(t, user.User, "correct horse")
	}
}
