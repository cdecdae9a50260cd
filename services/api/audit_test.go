package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/services/api"
)

// TestAudit finds out who did what, from where, and who may know.
func TestAudit(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "alice", Password: word("correct horse")}, nil)
	call(t, p.admin, "users.add", api.UserRequest{User: "bob"}, nil)
	call(t, p.admin, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu"}, nil)
	p.broker.Append(t, events.WorkerWentOnline{Worker: "w1"}) // nobody asked for that
	s := p.signIn(t, "alice", "correct horse")
	who, err := p.Session(s.Value, elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Call(t.Context(), who, "tokens.issue", api.TokenRequest{Description: "ci"}, nil); err != nil {
		t.Fatal(err)
	}
	audit := func(c api.Client, in api.AuditRequest) string {
		t.Helper()
		var out api.Audit
		call(t, c, "audit.list", in, &out)
		var lines []string
		for _, f := range out.Facts {
			lines = append(lines, fmt.Sprintf("%s %s %s", f.Actor, f.Name, f.Entity))
		}
		return strings.Join(lines, "; ")
	}
	if got := audit(p.admin, api.AuditRequest{}); !strings.HasPrefix(got, "alice token.issued user/alice; alice session.started user/alice; local ") || strings.Contains(got, "worker") ||
		!strings.HasSuffix(got, "local user.added user/alice") {
		t.Errorf("everything, newest first: %s", got)
	}
	var out api.Audit
	call(t, p.admin, "audit.list", api.AuditRequest{User: "alice", From: "198.51.100.9"}, &out)
	if len(out.Facts) != 1 || !strings.Contains(out.Facts[0].From, elsewhere+" token "+string(who.Token)) {
		t.Errorf("alice's from elsewhere: got %+v, want her token, with the session that she asked in", out.Facts)
	}
	for name, tt := range map[string]struct {
		in   api.AuditRequest
		want string
	}{
		"to a device": {api.AuditRequest{Entity: "device/q1"}, "local device.added device/q1"},
		"one":         {api.AuditRequest{User: "alice", Limit: 1}, "alice token.issued user/alice"},
		"to come":     {api.AuditRequest{Since: time.Now().Add(time.Hour)}, ""},
		"long ago":    {api.AuditRequest{Until: time.Now().Add(-time.Hour)}, ""},
		"by nobody":   {api.AuditRequest{User: "carol"}, ""},
	} {
		if got := audit(p.admin, tt.in); got != tt.want && !(name == "to a device" && strings.HasSuffix(got, tt.want)) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	alice := asUser(t, p.broker, "alice")
	if got := audit(alice, api.AuditRequest{}); got != "alice token.issued user/alice; alice session.started user/alice" {
		t.Errorf("alice asks: got %q, want what she did herself", got)
	}
	forbidden(t, alice, "audit.list", api.AuditRequest{User: "local"}, "staff may")
	if err := p.admin.Call(t.Context(), "audit.list", api.AuditRequest{Limit: 1001}, nil); !api.HasCode(err, api.Invalid) {
		t.Errorf("more than may be asked for: %v", err)
	}
	if err := p.admin.Call(t.Context(), "audit.list", api.AuditRequest{Entity: "moon/1"}, nil); !api.HasCode(err, api.Invalid) {
		t.Errorf("what there is not: %v", err)
	}
}
