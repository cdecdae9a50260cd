package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

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
