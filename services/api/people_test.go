package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
)

// asUser asks as somebody whom the broker has let in by name, asToken as the bearer of a token.
func asUser(t *testing.T, b *eventtest.Broker, user events.UserName) api.Client {
	t.Helper()
	return api.Client{Conn: b.Connect(t), User: user}
}

func asToken(t *testing.T, b *eventtest.Broker, value string) api.Client {
	t.Helper()
	name, _ := access.Bearer(value)
	return api.Client{Conn: b.Connect(t), Caller: name}
}

// TestTokenOfAMomentAgo asks by tokens that another process has given out just before.
func TestTokenOfAMomentAgo(t *testing.T) {
	t.Parallel()
	b, _ := start(t)
	b.Append(t, events.UserAdded{User: "alice", By: "local"})
	for range 20 {
		value := access.NewSecret()
		c := asToken(t, b, value)
		b.Append(t, events.TokenIssued{User: "alice", Token: access.TokenID(value), SHA256: access.Digest(value), By: "local"})
		var me api.Me
		call(t, c, "whoami", struct{}{}, &me)
		if me.User != "alice" {
			t.Errorf("whoami: got %+v, want alice", me)
		}
	}
}

// TestPeopleStory walks through an account's life: added, given a token that is limited, put into a group, seen by
// that group only, acted as, revoked, removed.
func TestPeopleStory(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	text, yes := func(s string) *string { return &s }, true
	var u api.User
	call(t, admin, "users.add", api.UserRequest{User: "alice", Email: text("alice@example.com"), Password: text("correct horse")}, &u)
	if !u.Active || u.Superuser || !u.HasPassword || u.Email != "alice@example.com" {
		t.Errorf("add alice: got %+v, want an active account with a password and no rights", u)
	}
	call(t, admin, "groups.add", api.GroupRequest{Group: "kernel"}, nil)
	call(t, admin, "groups.join", api.GroupRequest{Group: "kernel", User: "alice"}, nil)

	var view, all api.Token
	call(t, admin, "tokens.issue", api.TokenRequest{User: "alice", Scopes: []events.Scope{events.ScopeView}, Description: "dashboard"}, &view)
	call(t, admin, "tokens.issue", api.TokenRequest{User: "alice", Description: "ci"}, &all)
	if len(all.Value) != 128 || strings.Trim(all.Value, "0123456789abcdefghijklmnopqrstuwxyz") != "" {
		t.Errorf("token of alice: %d characters, want LAVA's 128 of a-z without v and 0-9", len(all.Value))
	}
	looker, alice := asToken(t, b, view.Value), asToken(t, b, all.Value)
	var me api.Me
	call(t, looker, "whoami", struct{}{}, &me)
	if me.User != "alice" || len(me.Scopes) != 1 || me.Superuser || len(me.Groups) != 1 {
		t.Errorf("whoami with a token to view: got %+v, want alice of kernel, limited", me)
	}

	// What the token is for decides beside what the user may.
	call(t, admin, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu"}, nil)
	call(t, admin, "permissions.grant", api.PermissionRequest{Kind: events.Device, Name: "q1", Group: "kernel", Permission: "change_device"}, nil)
	sick := api.DeviceRequest{Device: "q1", Health: events.Maintenance, Reason: "fan"}
	forbidden(t, asUser(t, b, "bob"), "devices.health", sick, "may not change device q1")
	forbidden(t, looker, "devices.health", sick, "may be used for view")
	call(t, alice, "devices.health", sick, nil)
	forbidden(t, looker, "tokens.issue", api.TokenRequest{}, "view")

	// A hidden type is nobody else's.
	call(t, admin, "permissions.grant", api.PermissionRequest{Kind: events.DeviceType, Name: "qemu", Group: "kernel", Permission: "view_devicetype"}, nil)
	var devices []api.Device
	call(t, asUser(t, b, "bob"), "devices.list", struct{}{}, &devices)
	if len(devices) != 0 {
		t.Errorf("devices of a hidden type for bob: got %d, want none", len(devices))
	}
	call(t, alice, "devices.list", struct{}{}, &devices)
	if len(devices) != 1 {
		t.Errorf("devices of a hidden type for alice of its group: got %d, want 1", len(devices))
	}

	// Acting as somebody says so in every fact.
	forbidden(t, admin, "users.act", api.ActRequest{User: "alice"}, "reason is missing")
	var acting api.Token
	call(t, admin, "users.act", api.ActRequest{User: "alice", Reason: "ticket 7", Minutes: 5}, &acting)
	actor := asToken(t, b, acting.Value)
	call(t, actor, "devices.health", api.DeviceRequest{Device: "q1", Health: events.Good, Reason: "fan runs"}, nil)
	forbidden(t, actor, "tokens.issue", api.TokenRequest{}, "gives out no tokens")
	forbidden(t, actor, "users.set", api.UserRequest{User: "alice", Password: text("taken over")}, "may not")
	said := false
	for _, f := range eventtest.Facts(t, b.Log, stream.Lab) {
		if e, ok := f.Event.(events.DeviceHealthSet); ok && e.Reason == "fan runs" {
			said = f.Actor == "alice" && strings.Contains(f.From, "local acts as alice")
		}
		for _, secret := range []string{all.Value, view.Value, acting.Value, "correct horse"} {
			if body, _ := json.Marshal(f.Event); strings.Contains(string(body), secret) {
				t.Errorf("fact %s holds a secret", events.Name(f.Event))
			}
		}
	}
	if !said {
		t.Error("the fact of who acted as alice does not say so")
	}

	call(t, admin, "tokens.revoke", api.TokenRequest{Token: view.Token, Reason: "screen is gone"}, nil)
	forbidden(t, looker, "devices.list", struct{}{}, "not worth anything")
	call(t, admin, "users.set", api.UserRequest{User: "alice", Active: new(bool)}, nil)
	forbidden(t, alice, "devices.list", struct{}{}, "not worth anything")
	forbidden(t, asUser(t, b, "alice"), "devices.list", struct{}{}, "not active")
	call(t, admin, "users.set", api.UserRequest{User: "alice", Active: &yes}, nil)
	call(t, admin, "users.remove", api.UserRequest{User: "alice", Reason: "left"}, nil)
	var g api.Group
	call(t, admin, "groups.show", api.GroupRequest{Group: "kernel"}, &g)
	if len(g.Users) != 0 {
		t.Errorf("kernel after alice was removed: %v, want nobody", g.Users)
	}
}

// TestNobody: without a name there is nothing but the version, until the lab was declared open.
func TestNobody(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	nobody := asToken(t, b, "")
	call(t, admin, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu"}, nil)
	var s api.Status
	call(t, nobody, "status", struct{}{}, &s)
	if s.Devices != 0 || s.User != "" {
		t.Errorf("status for nobody: got %+v, want nothing of the lab", s)
	}
	for _, verb := range []string{"devices.list", "jobs.list", "users.list", "devices.add", "policy.set", "tokens.list"} {
		forbidden(t, nobody, verb, struct{}{}, "sign in first")
	}
	err := nobody.Stream(t.Context(), "events", struct{}{}, func(*nats.Msg) error { return nil })
	if !api.HasCode(err, api.Denied) {
		t.Errorf("events for nobody: got %v, want denied", err)
	}
	call(t, admin, "permissions.open", api.OpenRequest{Open: true, Reason: "open day"}, nil)
	var devices []api.Device
	call(t, nobody, "devices.list", struct{}{}, &devices)
	if len(devices) != 1 {
		t.Errorf("devices of an open lab for nobody: got %d, want 1", len(devices))
	}
	forbidden(t, nobody, "devices.add", api.DeviceRequest{Device: "q2", DeviceType: "qemu"}, "sign in first")
}

// TestAccountsAreGuarded: what an account may not do to itself and others.
func TestAccountsAreGuarded(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	yes := true
	call(t, admin, "users.add", api.UserRequest{User: "alice"}, nil)
	call(t, admin, "users.add", api.UserRequest{User: "stan", Staff: &yes}, nil)
	call(t, admin, "groups.add", api.GroupRequest{Group: "strong", Permissions: &[]string{"change_device"}}, nil)
	call(t, admin, "groups.add", api.GroupRequest{Group: "plain"}, nil)
	alice, stan := asUser(t, b, "alice"), asUser(t, b, "stan")
	for _, tt := range []struct {
		c    api.Client
		verb string
		in   any
		want string
	}{
		{alice, "users.list", struct{}{}, "may not see to accounts"},
		{alice, "users.show", api.UserRequest{User: "stan"}, "may not see to accounts"},
		{alice, "users.set", api.UserRequest{User: "alice", Superuser: &yes}, "may not see to accounts"},
		{alice, "users.set", api.UserRequest{User: "alice", Permissions: &[]string{"change_device"}}, "may not see to accounts"},
		{alice, "groups.join", api.GroupRequest{Group: "plain", User: "alice"}, "may not see to accounts"},
		{alice, "tokens.list", api.TokenRequest{User: "stan"}, "may not see to accounts"},
		{alice, "tokens.issue", api.TokenRequest{User: "local"}, "may not see to accounts"},
		{alice, "users.act", api.ActRequest{User: "stan", Reason: "x"}, "may not see to accounts"},
		{alice, "permissions.open", api.OpenRequest{Open: true}, "may not see to accounts"},
		{stan, "users.set", api.UserRequest{User: "stan", Superuser: &yes}, "may not see to accounts"},
		{stan, "groups.join", api.GroupRequest{Group: "strong", User: "stan"}, "superusers put people there"},
		{stan, "tokens.issue", api.TokenRequest{User: "alice"}, "may not see to accounts"},
		{admin, "users.act", api.ActRequest{User: "local", Reason: "x"}, "nobody acts as one"},
		{admin, "users.set", api.UserRequest{User: "local", Active: new(bool)}, "shut itself out"},
		{admin, "users.add", api.UserRequest{User: "api"}, "a name of the lab's own"},
		{admin, "users.add", api.UserRequest{User: "lava-health"}, "a name of the lab's own"},
		{admin, "users.add", api.UserRequest{User: "@3fa9"}, "a name of the lab's own"},
		{admin, "users.add", api.UserRequest{User: "a/b"}, "slash"},
		{admin, "users.add", api.UserRequest{User: "alice"}, "already"},
		{admin, "users.show", api.UserRequest{User: "nina"}, "no user nina"},
		{admin, "tokens.issue", api.TokenRequest{User: "alice", Scopes: []events.Scope{"fly"}}, "allowed are view, submit, change, administer"},
		{admin, "tokens.issue", api.TokenRequest{User: "alice", Value: "short"}, "20 to 1024"},
		{admin, "tokens.issue", api.TokenRequest{User: "alice", Expires: noon.Add(-time.Hour)}, "over already"},
		{admin, "permissions.grant", api.PermissionRequest{Kind: events.Device, Name: "q9", Group: "plain", Permission: "view_device"}, "no device q9"},
		{admin, "permissions.grant", api.PermissionRequest{Kind: events.Worker, Name: "w", Group: "plain", Permission: "submit_to_worker"}, "allowed on a worker are"},
	} {
		forbidden(t, tt.c, tt.verb, tt.in, tt.want)
	}
	call(t, stan, "groups.join", api.GroupRequest{Group: "plain", User: "stan"}, nil)
	call(t, alice, "remote-tokens.set", api.RemoteToken{Name: "artifacts", Value: "hush"}, nil)
	var remote []api.RemoteToken
	call(t, alice, "remote-tokens.list", struct{}{}, &remote)
	if len(remote) != 1 || remote[0].Value != "hush" {
		t.Errorf("remote tokens of alice: got %+v, want her own with its value", remote)
	}
}

// forbidden fails the test where a request is answered, or refused with other words.
func forbidden(t *testing.T, c api.Client, verb string, in any, want string) {
	t.Helper()
	if err := c.Call(t.Context(), verb, in, nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s %+v as %q: got %v, want it refused with %q", verb, in, c.User, err, want)
	}
}
