package access_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events/access"
	"strata/events/eventtest"
)

// subjects are all kinds of subjects that the lab has, each for several workers, jobs and users, so that what one
// may use stands beside what it may not.
func subjects() []string {
	out := []string{"scheduling", "lab", "issues", "policy", "$SYS.REQ.USER.AUTH", "$SYS.REQ.SERVER.PING.CONNZ", "$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES"}
	for _, w := range []string{"w1", "lab2=2Eexample=2Ecom", "w9", "w1.x"} {
		out = append(out, "report."+w, "work."+w, "worker."+w, "hands."+w, "hands."+w+".s1", "$KV.presence."+w, "$KV.orders."+w+".42-7.definition",
			"$JS.API.DIRECT.GET.KV_presence.$KV.presence."+w, "$JS.API.DIRECT.GET.KV_orders.$KV.orders."+w+".42-7.definition",
			"$JS.API.CONSUMER.INFO.WORK."+w, "$JS.API.CONSUMER.MSG.NEXT.WORK."+w, "$JS.API.CONSUMER.CREATE.WORK."+w, "$JS.API.CONSUMER.DELETE.WORK."+w,
			"$JS.API.CONSUMER.DURABLE.CREATE.WORK."+w, "$JS.ACK.WORK."+w+".1.1.1.1.0", "_INBOX_worker."+w+".x")
	}
	for _, j := range []string{"42", "43", "4", "42.x"} {
		out = append(out, "job."+j, "output."+j, "input."+j, "result."+j, "part."+j+".1", "_INBOX_job."+j+".7.x")
	}
	for _, g := range []string{"g=2E1", "g", "g2"} {
		out = append(out, "sync."+g)
	}
	for _, u := range []string{"alice", "bob", "local", "api", "lava-health", "="} {
		out = append(out, "submit."+u, "api."+u+".status", "api."+u+".users.set", "user."+u, "_INBOX_person."+u+".x")
	}
	for _, s := range []string{"LAB", "SUBMISSIONS", "OUTPUT", "RESULTS", "WORK", "REPORTS", "SYNC", "KV_orders", "KV_presence"} {
		out = append(out, "$JS.API.STREAM.INFO."+s, "$JS.API.STREAM.MSG.GET."+s, "$JS.API.DIRECT.GET."+s, "$JS.API.STREAM.DELETE."+s, "$JS.API.STREAM.PURGE."+s,
			"$JS.API.STREAM.UPDATE."+s, "$JS.API.CONSUMER.CREATE."+s, "$JS.API.CONSUMER.NAMES."+s)
	}
	return append(out, "device.q1", "devicetype.qemu", "group.kernel", "tag.x", "query.1", "chart.1", "notification.42", "_INBOX.x", "_INBOX_strata.x", "_INBOX_anonymous.x", "_INBOX_token.0000000000000000.x")
}

var violation = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]+)"`)

// refusals does something with each subject, and returns those at which the broker refused it.
func refusals(t *testing.T, nc *nats.Conn, heard <-chan string, what string, all []string, do func(string) error) map[string]bool {
	t.Helper()
	const last = "nobodys.subject"
	refused, ended := map[string]bool{}, make(chan bool)
	go func() {
		defer close(ended)
		deadline := time.After(2 * eventtest.Patience)
		for {
			select {
			case text := <-heard:
				m := violation.FindStringSubmatch(text)
				if m == nil || !strings.EqualFold(m[1], what) {
					continue
				}
				if m[2] == last {
					return
				}
				refused[m[2]] = true
			case <-deadline:
				t.Error("the broker does not refuse what is nobody's")
				return
			}
		}
	}()
	for _, s := range append(slices.Clone(all), last) {
		if err := do(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	<-ended
	return refused
}

// compare names each subject that was refused and should not have been, or the other way round.
func compare(t *testing.T, what string, all []string, refused map[string]bool, may []string) {
	t.Helper()
	for _, s := range all {
		if want := slices.Contains(may, s); want == refused[s] {
			t.Errorf("%s %s: let through %v, want %v", what, s, !refused[s], want)
		}
	}
	for _, s := range may {
		if !slices.Contains(all, s) {
			t.Errorf("%s is not among the subjects that were tried", s)
		}
	}
}

// TestEverySubject tries everybody at every subject of the lab, on a real broker: to publish there and to listen.
func TestEverySubject(t *testing.T) {
	t.Parallel()
	g := start(t)
	tokens := g.people(t)
	type tried struct {
		conn           func(*testing.T) (*nats.Conn, <-chan string)
		publish, hears []string
	}
	as := func(p access.Principal) func(*testing.T) (*nats.Conn, <-chan string) {
		return func(t *testing.T) (*nats.Conn, <-chan string) { return g.as(t, p) }
	}
	come := func(name string) func(*testing.T) (*nats.Conn, <-chan string) {
		return func(t *testing.T) (*nats.Conn, <-chan string) { return g.come(t, tokens[name]) }
	}
	worker := func(w string) []string {
		return []string{"report." + w, "hands." + w + ".s1", "$KV.presence." + w, "$JS.API.DIRECT.GET.KV_presence.$KV.presence." + w,
			"$JS.API.DIRECT.GET.KV_orders.$KV.orders." + w + ".42-7.definition", "$JS.API.CONSUMER.INFO.WORK." + w,
			"$JS.API.CONSUMER.MSG.NEXT.WORK." + w, "$JS.ACK.WORK." + w + ".1.1.1.1.0"}
	}
	// What is below w1's own subjects is w1's too, and nobody of that name can be beside it: the point is escaped.
	w1 := append(worker("w1"), "hands.w1.x", "hands.w1.x.s1", "$JS.API.DIRECT.GET.KV_orders.$KV.orders.w1.x.42-7.definition", "$JS.ACK.WORK.w1.x.1.1.1.1.0")
	all := subjects()
	for name, who := range map[string]tried{
		"worker":          {as(worker1), w1, []string{"hands.w1", "_INBOX_worker.w1.x", "_INBOX_worker.w1.x.x"}},
		"another worker":  {as(worker2), worker("lab2=2Eexample=2Ecom"), []string{"hands.lab2=2Eexample=2Ecom", "_INBOX_worker.lab2=2Eexample=2Ecom.x"}},
		"job":             {as(job42), []string{"output.42", "sync.g=2E1", "input.42.x"}, []string{"input.42", "_INBOX_job.42.7.x"}},
		"administrator":   {as(local), []string{"submit.local", "api.local.status", "api.local.users.set"}, []string{"_INBOX.x"}},
		"user":            {come("all"), []string{"submit.alice", "api.alice.status", "api.alice.users.set"}, []string{"_INBOX_person.alice.x"}},
		"token to view":   {come("view"), nil, nil},
		"token to submit": {come("submit"), []string{"submit.alice"}, nil},
		"acting":          {come("acting"), nil, nil},
		"nobody":          {come("nobody"), []string{"api.=.status", "api.=.users.set"}, []string{"_INBOX_anonymous.x"}},
	} {
		t.Run(name, func(t *testing.T) {
			nc, heard := who.conn(t)
			refused := refusals(t, nc, heard, "publish", all, func(s string) error { return nc.Publish(s, []byte("x")) })
			compare(t, "publish to", all, refused, who.publish)
			refused = refusals(t, nc, heard, "subscription", all, func(s string) error {
				_, err := nc.SubscribeSync(s)
				return err
			})
			compare(t, "listen to", all, refused, who.hears)
			// Whoever hears a wildcard above hears others.
			above := map[string]bool{">": true, "*.>": true}
			for _, s := range all {
				root, _, _ := strings.Cut(s, ".")
				above[root+".>"] = true
			}
			mine := map[string]string{"administrator": "_INBOX.>", "nobody": "_INBOX_anonymous.>"}[name]
			delete(above, mine)
			wide := slices.Sorted(maps.Keys(above))
			refused = refusals(t, nc, heard, "subscription", wide, func(s string) error {
				_, err := nc.SubscribeSync(s)
				return err
			})
			compare(t, "listen to", wide, refused, nil)
		})
	}
}
