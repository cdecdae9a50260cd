package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/lab"
	"strata/events/stream"
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

// TestAuditOfOld asks who did what when the facts have been purged from the stream: they come from the archive. Without
// one, what is there still comes, and how far that reaches.
func TestAuditOfOld(t *testing.T) {
	t.Parallel()
	var kept []stream.Message
	b := eventtest.StartWith(t, eventtest.Options{Settings: func(s *stream.Settings) {
		s.Archive = &stream.Archive{Messages: func(_ context.Context, name, subject string, from, to uint64, each func(stream.Message) error) error {
			if name != stream.Lab || len(kept) == 0 || kept[len(kept)-1].Seq < to {
				return stream.ErrArchived
			}
			for _, m := range kept {
				if m.Seq >= from && m.Seq <= to && (subject == "" || m.Subject == subject) {
					if err := each(m); err != nil {
						return err
					}
				}
			}
			return nil
		}}
	}})
	serve(t, b)
	c := asUser(t, b, lab.Local)
	for i := range 12 {
		call(t, c, "tags.add", map[string]any{"tag": fmt.Sprintf("t%d", i)}, nil)
	}
	times := map[string]time.Time{}
	ask := func(in api.AuditRequest) (got []string, through time.Time) {
		t.Helper()
		var out api.Audit
		call(t, c, "audit.list", in, &out)
		for _, f := range out.Facts {
			got, times[f.Entity] = append(got, f.Entity), f.Time
		}
		return got, out.Through
	}
	before, _ := ask(api.AuditRequest{})
	if err := b.Log.ReadMessages(t.Context(), stream.Lab, 1, 100, func(m stream.Message) error {
		kept = append(kept, m)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	lab, err := b.Log.JetStream().Stream(t.Context(), stream.Lab)
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Purge(t.Context(), jetstream.WithPurgeSequence(kept[8].Seq)); err != nil {
		t.Fatal(err)
	}
	if after, _ := ask(api.AuditRequest{}); len(before) != 12 || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("everything after a purge:\n got %v\nwant %v", after, before)
	}
	if got, _ := ask(api.AuditRequest{Entity: "tag/t3"}); fmt.Sprint(got) != "[tag/t3]" {
		t.Errorf("one thing after a purge: %v, want tag/t3", got)
	}
	if got, _ := ask(api.AuditRequest{Until: times["tag/t5"]}); fmt.Sprint(got) != "[tag/t4 tag/t3 tag/t2 tag/t1 tag/t0]" {
		t.Errorf("until the sixth: %v, want the five before it", got)
	}
	kept = nil
	if got, through := ask(api.AuditRequest{}); fmt.Sprint(got) != "[tag/t11 tag/t10 tag/t9 tag/t8]" || !through.Equal(times["tag/t8"]) {
		t.Errorf("without the archive: %v through %v, want the four that the stream has, through %v", got, through, times["tag/t8"])
	}
}
