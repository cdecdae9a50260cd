package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/services/api"
)

// TestStaffsTokenIsBounded: what staff may do with groups, a token that is only to look at things may not, though its user is staff
// or a superuser.
func TestStaffsTokenIsBounded(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	yes := true
	call(t, admin, "users.add", api.UserRequest{User: "stan", Staff: &yes}, nil)
	call(t, admin, "users.add", api.UserRequest{User: "root", Superuser: &yes}, nil)
	call(t, admin, "groups.add", api.GroupRequest{Group: "plain"}, nil)
	for _, user := range []events.UserName{"stan", "root"} {
		call(t, admin, "groups.join", api.GroupRequest{Group: "plain", User: user}, nil)
		for _, scope := range []events.Scope{events.ScopeView, events.ScopeSubmit, events.ScopeChange} {
			var token api.Token
			call(t, admin, "tokens.issue", api.TokenRequest{User: user, Scopes: []events.Scope{scope}}, &token)
			limited := asToken(t, b, token.Value)
			forbidden(t, limited, "groups.join", api.GroupRequest{Group: "plain", User: "root"}, "may")
			forbidden(t, limited, "groups.leave", api.GroupRequest{Group: "plain", User: user}, "may")
			call(t, limited, "groups.list", struct{}{}, nil)
		}
		var token api.Token
		call(t, admin, "tokens.issue", api.TokenRequest{User: user, Scopes: []events.Scope{events.ScopeAdminister}}, &token)
		call(t, asToken(t, b, token.Value), "groups.leave", api.GroupRequest{Group: "plain", User: user}, nil)
	}
}

// TestFactsWithholdFiles: who may look at a worker and not change it reads no files of it in its facts either, for
// env.yaml may hold passwords of proxies; nor does staff read in the audit what jobs say that it may not see.
func TestFactsWithholdFiles(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	yes := true
	call(t, p.admin, "users.add", api.UserRequest{User: "alice"}, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "stan", Staff: &yes}, nil)
	call(t, p.admin, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	call(t, p.admin, "workers.configure", api.WorkerRequest{Worker: "w1", Env: word("purge: false\noverrides: {https_proxy: hush-hush}\n")}, nil)
	call(t, p.admin, "people.import", api.PeopleImportRequest{Workers: []api.ImportedWorker{{Worker: "w1", Token: strings.Repeat("k", 64)}}}, nil)
	call(t, p.admin, "groups.add", api.GroupRequest{Group: "secret"}, nil)
	call(t, p.admin, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Description: "hush-hush"}, nil)
	call(t, p.admin, "permissions.grant", api.PermissionRequest{Kind: events.DeviceType, Name: "qemu", Group: "secret", Permission: "view_devicetype"}, nil)
	facts := func(user events.UserName, entity string) (text string) {
		t.Helper()
		if err := p.Stream(t.Context(), api.Caller{User: user}, "events", api.EventsRequest{Entity: entity}, func(m api.Piece) error {
			text += string(m.Body)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return text
	}
	if got := facts("alice", "worker/w1"); !strings.Contains(got, "worker.configured") || strings.Contains(got, "hush-hush") || !strings.Contains(got, `"sha256":""`) {
		t.Errorf("facts of w1 for alice: %s; want them without its files", got)
	}
	if got := facts("local", "worker/w1"); !strings.Contains(got, "hush-hush") {
		t.Errorf("facts of w1 for a superuser: %s; want them with its files", got)
	}
	audit := func(user events.UserName) string {
		t.Helper()
		var out api.Audit
		call(t, asUser(t, p.broker, user), "audit.list", api.AuditRequest{Entity: "device/q1"}, &out)
		text, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := audit("stan"); !strings.Contains(got, "device.added") || strings.Contains(got, "hush-hush") {
		t.Errorf("audit of a hidden device for staff: %s; want who did it and nothing of the device", got)
	}
	if got := audit("local"); !strings.Contains(got, "hush-hush") {
		t.Errorf("audit of a hidden device for a superuser: %s; want the whole facts", got)
	}
}

// TestManySpellings tries wrong passwords under a name in other letters each time, which a directory takes for one name: they count
// for that one, from wherever they come.
func TestManySpellings(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	spelled := func(n int) events.UserName {
		name := []byte("administrator")
		for i := range name {
			if n>>i&1 == 1 {
				name[i] -= 'a' - 'A'
			}
		}
		return events.UserName(name)
	}
	var err error
	tries := 0
	for ; tries < 20 && !api.HasCode(err, api.Busy); tries++ {
		_, err = p.SignIn(t.Context(), spelled(tries), "wrong password", here)
	}
	if tries != 11 {
		t.Errorf("passwords for one name in many spellings: %d were looked at (%v), want 10", tries-1, err)
	}
}

// TestExpiredWordsAreForgotten: words that nobody used do not keep their giver from giving others once they have expired.
func TestExpiredWordsAreForgotten(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	var offered []events.Event
	now := time.Now().UTC()
	for i := range 200 {
		offered = append(offered, events.EnrolmentOffered{User: "local", Token: events.TokenID(fmt.Sprintf("%016x", i)), SHA256: fmt.Sprintf("%064x", i), Expires: now.Add(time.Hour), By: "local"})
	}
	p.broker.Append(t, events.UserAdded{User: "local", By: "local"})
	for part := offered; len(part) > 0; part = part[min(50, len(part)):] {
		p.broker.Append(t, part[:min(50, len(part))]...)
	}
	forbidden(t, p.admin, "workers.invite", api.InviteRequest{}, "200 words that nobody has used")
	p.turn(2 * time.Hour)
	for range 3 { // an append takes some of them away
		p.invite(t, api.InviteRequest{})
	}
	var left []api.Token
	call(t, p.admin, "tokens.list", api.TokenRequest{User: "local", Sessions: true}, &left)
	if len(left) != 3 {
		t.Errorf("words that are open: %d, want the three that are good", len(left))
	}
}

// TestLookingTokenChangesNothing: what its user owns and may do, a token that is only to look at things may not do: charts and
// queries, a device's power and console, a reservation.
func TestLookingTokenChangesNothing(t *testing.T) {
	t.Parallel()
	b, admin := bench(t)
	call(t, admin, "users.add", api.UserRequest{User: "alice"}, nil)
	call(t, admin, "groups.add", api.GroupRequest{Group: "owners"}, nil)
	call(t, admin, "groups.join", api.GroupRequest{Group: "owners", User: "alice"}, nil)
	call(t, admin, "permissions.grant", api.PermissionRequest{Kind: events.Device, Name: "q1", Group: "owners", Permission: "change_device"}, nil)
	alice := asUser(t, b, "alice")
	ref := api.ChartRef{Name: "boots"}
	call(t, alice, "charts.save", api.ChartSave{ChartRef: ref, Published: ptr(true)}, nil)
	query := api.QueryRef{Owner: "alice", Name: "jobs"}
	call(t, alice, "queries.save", api.QuerySave{QueryRef: query, Entity: "testjob", Live: ptr(true), Published: ptr(true)}, nil)
	var held api.Reservation
	call(t, alice, "reservations.add", api.ReservationRequest{Devices: []events.DeviceName{"q1"}, User: "alice", Until: noon.Add(time.Hour)}, &held)

	for _, scope := range []events.Scope{events.ScopeView, events.ScopeSubmit} {
		var token api.Token
		call(t, admin, "tokens.issue", api.TokenRequest{User: "alice", Scopes: []events.Scope{scope}}, &token)
		limited := asToken(t, b, token.Value)
		var c api.SavedChart
		if call(t, limited, "charts.show", ref, &c); c.Editable {
			t.Error("a chart is said to be this token's to change")
		}
		for _, tt := range []struct {
			verb string
			in   any
		}{
			{"charts.save", api.ChartSave{ChartRef: ref, Description: ptr("x")}},
			{"charts.save", api.ChartSave{ChartRef: api.ChartRef{Name: "another"}}},
			{"charts.query", api.ChartQuerySave{ChartRef: ref, Query: &query}},
			{"charts.remove", ref},
			{"queries.save", api.QuerySave{QueryRef: api.QueryRef{Name: "another"}, Entity: "testjob"}},
			{"queries.save", api.QuerySave{QueryRef: query, Description: ptr("x")}},
			{"queries.copy", api.QueryCopy{QueryRef: query, As: "copy"}},
			{"queries.archive", query},
			{"reservations.end", api.ReservationRequest{Reservation: held.Reservation}},
			{"devices.release", api.DeviceRequest{Device: "q1"}},
			{"devices.type", api.TypeRequest{Device: "q1", Session: "s", Text: "reboot\n"}},
		} {
			forbidden(t, limited, tt.verb, tt.in, "the token is not for that")
		}
		err := limited.Stream(t.Context(), "devices.hands", api.HandsRequest{Device: "q1", Use: events.UsePowerOff}, func(*nats.Msg) error { return nil })
		if !api.HasCode(err, api.Denied) {
			t.Errorf("a token to %s switches a device's power: %v, want it denied", scope, err)
		}
	}
	call(t, alice, "reservations.end", api.ReservationRequest{Reservation: held.Reservation}, nil)
	call(t, alice, "charts.remove", ref, nil)
}

// TestHiddenDevicesHaveNoVersions: whoever may not see a device, or its type, reads no dictionary or template in their histories,
// and is told the same as of things that there are not.
func TestHiddenDevicesHaveNoVersions(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	for _, user := range []events.UserName{"alice", "carol"} {
		call(t, admin, "users.add", api.UserRequest{User: user}, nil)
	}
	call(t, admin, "groups.add", api.GroupRequest{Group: "secret"}, nil)
	call(t, admin, "groups.join", api.GroupRequest{Group: "secret", User: "alice"}, nil)
	call(t, admin, "device-types.configure", api.DeviceType{DeviceType: "qemu", Template: "a: 1\n"}, nil)
	call(t, admin, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Dictionary: "commands: {connect: hush}\n"}, nil)
	call(t, admin, "permissions.grant", api.PermissionRequest{Kind: events.DeviceType, Name: "qemu", Group: "secret", Permission: "view_devicetype"}, nil)
	var c api.Config
	alice, carol := asUser(t, b, "alice"), asUser(t, b, "carol")
	for verb, name := range map[string]string{"devices.config": "q1", "device-types.config": "qemu"} {
		if call(t, alice, verb, api.ConfigRequest{Name: name, Texts: []int{1}}, &c); len(c.Versions) != 1 || c.Versions[0].Text == "" {
			t.Errorf("%s for who may see it: %+v, want its one text", verb, c)
		}
		hidden := carol.Call(t.Context(), verb, api.ConfigRequest{Name: name}, nil)
		absent := carol.Call(t.Context(), verb, api.ConfigRequest{Name: "nowhere"}, nil)
		if !api.HasCode(hidden, api.NotFound) || !api.HasCode(absent, api.NotFound) ||
			strings.ReplaceAll(hidden.Error(), name, "") != strings.ReplaceAll(absent.Error(), "nowhere", "") {
			t.Errorf("%s: %v for a hidden one, %v for none; want the same", verb, hidden, absent)
		}
	}
	for _, verb := range []string{"devices.render", "devices.release"} {
		hidden := carol.Call(t.Context(), verb, api.DeviceRequest{Device: "q1"}, nil)
		if verb == "devices.render" {
			hidden = carol.Call(t.Context(), verb, api.RenderRequest{Device: "q1"}, nil)
		}
		if !api.HasCode(hidden, api.NotFound) {
			t.Errorf("%s of a hidden device: %v, want it as one that there is not", verb, hidden)
		}
	}
}
