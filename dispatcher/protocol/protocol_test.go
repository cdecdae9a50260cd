package protocol

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
	"strata/schemas/multinode"
)

// place is a job in a group, whose actions are one block that asks for something.
type place struct {
	settings string // of protocols.lava-multinode, beside the group's name
	requests string // of the block
	answer   multinode.Answer
	silent   bool

	asked  []string
	took   []time.Duration // that each question was given
	stored []pipeline.Pair // under the id "x"
	log    strings.Builder
}

// run validates the job, lets it join its group and runs it.
func (p *place) run(t *testing.T) error {
	t.Helper()
	job, err := pipeline.ReadYAML([]byte(fmt.Sprintf(`
timeouts: {job: {hours: 5}, action: {hours: 4}, connection: {minutes: 1}}
protocols: {lava-multinode: {target_group: g1, role: client, group_size: 2%s}}
actions: [{test: {namespace: n, protocols: {lava-multinode: [%s]}}}]`, p.settings, p.requests)))
	if err != nil {
		t.Fatal(err)
	}
	device, err := pipeline.ReadYAML([]byte("{constants: {failure_retry: 1}, actions: {boot: {methods: {}}}}"))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pipeline.Parse(pipeline.Inputs{
		ID: "7", Job: job, Device: device, Dir: filepath.Join(t.TempDir(), "7"), Now: time.Now, Protocols: Of(job, p.ask),
		Log: output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
			fmt.Fprintf(&p.log, "%s\n", r.Message)
			return nil
		}}),
		Methods: pipeline.Methods{
			Test: []pipeline.Method{{Name: "x", Accepts: always, Action: func(pipeline.Data) pipeline.Action { return asker{p} }, Test: func(pipeline.Data) pipeline.TestInfo { return pipeline.TestInfo{} }}},
			Finalize: func() pipeline.Action {
				return pipeline.Basic{Title: "finalize", Fill: func(*pipeline.Step, *pipeline.Session) error { return nil }}
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Validate(t.Context()); err != nil {
		return err
	}
	if err = plan.Agree(t.Context()); err == nil {
		err = plan.Run(t.Context())
	}
	if failed := plan.Cleanup(context.Background()); failed != nil {
		t.Error(failed)
	}
	return err
}

func always(_, _ pipeline.Data) (string, error) { return "", nil }

// ask is the group.
func (p *place) ask(ctx context.Context, group string, r multinode.Request) (multinode.Answer, error) {
	if group != "g1" || r.Client != "7" || r.Role != "client" || r.Version != multinode.Version {
		return multinode.Answer{}, fmt.Errorf("asked of %s: %+v", group, r)
	}
	p.asked = append(p.asked, strings.TrimSpace(fmt.Sprint(r.Op, " ", r.ID, " ", r.Of, r.Message)))
	deadline, _ := ctx.Deadline()
	p.took = append(p.took, time.Until(deadline).Round(time.Second))
	switch {
	case r.Op == multinode.Join:
		return multinode.Answer{Outcome: multinode.Done, Members: []multinode.Member{{Client: "7", Role: "client"}, {Client: "9", Role: "guest"}}}, nil
	case p.silent:
		<-ctx.Done()
		return multinode.Answer{}, ctx.Err()
	case p.answer.Outcome == "":
		p.answer.Outcome = multinode.Done
	}
	return p.answer, nil
}

// asker is the action for which the block's requests are made.
type asker struct{ p *place }

func (asker) Name() string { return "asker" }

func (a asker) Run(_ context.Context, s *pipeline.Session) error {
	a.p.stored, _ = pipeline.Get(s, pipeline.ProtocolData(multinodeName, "x"))
	for _, m := range In(s).Members() {
		s.Log.Debug("member %s is %s", m.Client, m.Role)
	}
	return nil
}

func TestRequests(t *testing.T) {
	t.Parallel()
	sent := func(messages ...multinode.Sent) multinode.Answer { return multinode.Answer{Messages: messages} }
	one := func(client, key, value string) multinode.Sent {
		return multinode.Sent{Client: client, Message: []multinode.Pair{{Key: key, Value: value}}}
	}
	for _, tt := range []struct {
		name, requests string
		answer         multinode.Answer
		silent         bool
		asked          []string // between joining and leaving
		stored         string
		class          pipeline.Class
		text           string
	}{
		{name: "send", requests: "{action: asker, request: lava-send, messageID: x, message: {a: 1, b: two words}}", asked: []string{"send x [{a 1} {b two words}]"}, stored: "[]"},
		{name: "wait", requests: "{action: asker, request: lava-wait, messageID: x, message: {ip: $ip, other: plain}}", answer: sent(one("8", "ip", "10.0.0.1")),
			asked: []string{"wait x []"}, stored: "[{ip 10.0.0.1}]"},
		{name: "the key counts, not what stands behind the dollar", requests: "{action: asker, request: lava-wait, messageID: x, message: {ip: $address}}",
			answer: sent(one("8", "ip", "10.0.0.1")), stored: "[{ip 10.0.0.1}]"},
		{name: "wait for all of a role, later senders too", requests: "{action: asker, request: lava-wait-all, messageID: x, role: server, message: {ip: $ip, port: $port}}",
			answer: sent(one("8", "ip", "10.0.0.1"), one("9", "port", "80")), asked: []string{"wait-all x server[]"}, stored: "[{ip 10.0.0.1} {port 80}]"},
		{name: "no values wanted", requests: "{action: asker, request: lava-wait, messageID: x, message: {ip: plain, n: 1}}", answer: sent(one("8", "ip", "1")), stored: "[]"},
		{name: "none of them sent", requests: "{action: asker, request: lava-wait, messageID: x, message: {ip: $ip}}", answer: sent(one("8", "mac", "1")),
			class: pipeline.Job, text: "Unable to identify replaceable values in the parameters: {'ip': '$ip'}"},
		{name: "sync", requests: "{action: asker, request: lava-sync, messageID: x}", asked: []string{"sync x []"}, stored: "[]"},
		{name: "of another action", requests: "{action: other, request: lava-sync, messageID: x}", asked: []string{}, stored: "[]"},
		{name: "two", requests: "{action: asker, request: lava-sync, messageID: x}, {action: asker, request: lava-send, messageID: y}", asked: []string{"sync x []", "send y []"}, stored: "[]"},
		{name: "no request", requests: "{action: asker, messageID: x}", asked: []string{}, class: pipeline.Job, text: "Missing request"},
		{name: "no id", requests: "{action: asker, request: lava-sync}", asked: []string{}, class: pipeline.Job, text: "Missing messageID"},
		{name: "unknown", requests: "{action: asker, request: aggregate, messageID: x}", asked: []string{}, class: pipeline.Test, text: "Unrecognised API call in request 'aggregate'"},
		{name: "timeout that is none", requests: "{action: asker, request: lava-sync, messageID: x, timeout: soon}", asked: []string{}, class: pipeline.Job, text: "timeout of the request lava-sync"},
		{name: "refused", requests: "{action: asker, request: lava-sync, messageID: x}", answer: multinode.Answer{Outcome: multinode.Refused, Reason: "no group"},
			class: pipeline.MultinodeTimeout, text: "lava-sync x: no group"},
		{name: "no answer", requests: "{action: asker, request: lava-sync, messageID: x, timeout: {minutes: 3}}", silent: true, class: pipeline.MultinodeTimeout, text: "protocol lava-multinode timed out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &place{requests: tt.requests, answer: tt.answer, silent: tt.silent}
			var err error
			synctest.Test(t, func(t *testing.T) { err = p.run(t) })
			if pipeline.ClassOf(err) != tt.class || err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v of class %q, want %q of %q", err, pipeline.ClassOf(err), tt.text, tt.class)
			}
			if got := p.asked; len(got) < 2 || got[0] != "join  []" || got[len(got)-1] != "leave  []" {
				t.Fatalf("asked %q, want it to join first and to leave in the end", got)
			}
			if got := p.asked[1 : len(p.asked)-1]; tt.asked != nil && strings.Join(got, "|") != strings.Join(tt.asked, "|") {
				t.Errorf("asked %q, want %q", got, tt.asked)
			}
			var stored []string
			for _, pair := range p.stored {
				stored = append(stored, fmt.Sprintf("{%s %s}", pair.Key, pair.Value.Text()))
			}
			if got := "[" + strings.Join(stored, " ") + "]"; tt.stored != "" && got != tt.stored {
				t.Errorf("stored %s, want %s", got, tt.stored)
			}
		})
	}
}

// How long the group may take is what the request says, and for all later ones too; a start that is
// delayed waits for as long as the definition says.
func TestTimes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, settings, requests string
		want                     string
	}{
		{"nothing said", "", "{action: asker, request: lava-sync, messageID: x}", "join  [] 1m30s|sync x [] 30s"},
		{"said once", "", "{action: asker, request: lava-sync, messageID: x, timeout: {minutes: 5}}, {action: asker, request: lava-sync, messageID: y}",
			"join  [] 1m30s|sync x [] 5m0s|sync y [] 5m0s"},
		{"seconds", "", "{action: asker, request: lava-sync, messageID: x, timeout: 7}", "join  [] 1m30s|sync x [] 7s"},
		{"delayed", ", request: lava-start, expect_role: server, timeout: {minutes: 10}", "", "join  [] 10m0s|wait-all lava_start server[] 10m0s"},
		{"delayed for no time of its own", ", request: lava-start, expect_role: server", "", "join  [] 1m30s|wait-all lava_start server[] 1m30s"},
		{"not delayed without a role", ", request: lava-start", "", "join  [] 1m30s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &place{settings: tt.settings, requests: tt.requests}
			synctest.Test(t, func(t *testing.T) {
				if err := p.run(t); err != nil {
					t.Error(err)
				}
			})
			var got []string
			for i, asked := range p.asked[:max(len(p.asked)-1, 0)] {
				got = append(got, fmt.Sprint(asked, " ", p.took[i]))
			}
			if strings.Join(got, "|") != tt.want {
				t.Errorf("asked\n%s, want\n%s", strings.Join(got, "|"), tt.want)
			}
		})
	}
}

// Members stand in the order of the definition, and behind them who joined without a device.
func TestMembers(t *testing.T) {
	t.Parallel()
	p := &place{settings: ", roles: {'8': server, '7': client}"}
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\"member 8 is server\"\n\"member 7 is client\"\n\"member 9 is guest\"\n", "Initialising group g1", "protocol finalised"} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, p.log.String())
		}
	}
}

// A job that has no right place in a group is refused before anything is asked; one whose start nobody
// allows does not begin.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings string
		answer   multinode.Answer
		class    pipeline.Class
		text     string
	}{
		{", target_group: 'a.b'", multinode.Answer{}, pipeline.Job, "protocols.lava-multinode.target_group"},
		{", role: ''", multinode.Answer{}, pipeline.Job, "protocols.lava-multinode has no role"},
		{", group_size: 0", multinode.Answer{}, pipeline.Job, "group_size is 0"},
		{", group_size: many", multinode.Answer{}, pipeline.Job, "group_size is 'many'"},
		{", request: lava-start, expect_role: client", multinode.Answer{}, pipeline.Job, "expect_role must not match the role declared by lava_start"},
		{", timeout: soon", multinode.Answer{}, pipeline.Job, "protocols.lava-multinode.timeout"},
		{", request: lava-start, expect_role: server", multinode.Answer{Outcome: multinode.Gone, Reason: "job 8 is over"}, pipeline.MultinodeTimeout, "the sign to start did not come: job 8 is over"},
	} {
		t.Run(tt.settings, func(t *testing.T) {
			t.Parallel()
			p := &place{settings: tt.settings, answer: tt.answer}
			err := p.run(t)
			if pipeline.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v of class %q, want %q of %q", err, pipeline.ClassOf(err), tt.text, tt.class)
			}
		})
	}
	var fault *pipeline.Fault
	if err := newMultinode(pipeline.Data{}, nil).Validate(&pipeline.Session{}); !errors.As(err, &fault) || fault.Class != pipeline.Infrastructure {
		t.Errorf("without anybody to ask: %v, want a fault of the lab", err)
	}
}
