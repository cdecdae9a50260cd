package api_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/schemas/order"
	"strata/services/api"
)

// Who may change a job takes over its console while it runs; the job's process decides who has it.
func TestConsoleOfJob(t *testing.T) {
	t.Parallel()
	b, c := bench(t)
	job := b.Submit(t, access.Local, "x")
	take := func() (s api.ConsoleSession, err error) {
		return s, c.Call(t.Context(), "jobs.console", api.ConsoleRequest{Job: job, Do: order.InputTake}, &s)
	}
	b.Append(t, events.JobSubmitted{Job: job, Display: job.String(), User: access.Local, Name: "smoke", DeviceType: "bench", At: noon})
	if _, err := take(); !api.HasCode(err, api.Conflict) || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("take the console of a job that waits: %v", err)
	}
	b.Append(t, events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5}, events.JobStarted{Job: job, Device: "q1", Worker: "w1", Lease: 5, At: noon})
	if _, err := take(); !api.HasCode(err, api.Away) {
		t.Errorf("take the console of a job whose process does not listen: %v", err)
	}

	// The process of the job, with the rights that it has on the bus.
	heard := make(chan order.Input, 10)
	conn := b.Connect(t)
	_, err := conn.Subscribe(access.InputSubject(job), func(m *nats.Msg) {
		in, err := order.DecodeInput(m.Data)
		said := order.InputSaid{}
		if err != nil {
			said.Error = err.Error()
		} else if in.Text == "no" {
			said.Error = "bob has the console"
		}
		body, _ := json.Marshal(said) // a text
		if !slices.Contains((access.Principal{Role: access.Job, Job: job, Lease: 5}).Rights().Publish, access.InputSubject(job)+".>") || !strings.HasPrefix(m.Reply, access.InputSubject(job)+".") {
			t.Errorf("the answer goes to %s, where the job may not speak", m.Reply)
		}
		if err := m.Respond(body); err != nil {
			t.Error(err)
		}
		heard <- in
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	s, err := take()
	if err != nil || s.Session == "" {
		t.Fatalf("take: %+v, %v", s, err)
	}
	call(t, c, "jobs.console", api.ConsoleRequest{Job: job, Do: order.InputType, Session: s.Session, Text: "ls\r"}, nil)
	call(t, c, "jobs.console", api.ConsoleRequest{Job: job, Do: order.InputGive, Session: s.Session}, nil)
	for i, want := range []order.Input{{Do: order.InputTake}, {Do: order.InputType, Text: "ls\r"}, {Do: order.InputGive}} {
		got := <-heard
		if got.Do != want.Do || got.Text != want.Text || got.User != string(access.Local) || got.Session != string(access.Local)+"/"+s.Session {
			t.Errorf("request %d: the job heard %+v, want %+v", i, got, want)
		}
	}
	call(t, c, "users.add", api.UserRequest{User: "alice"}, nil)
	call(t, c, "groups.add", api.GroupRequest{Group: "bench"}, nil)
	call(t, c, "groups.join", api.GroupRequest{Group: "bench", User: "alice"}, nil)
	call(t, c, "permissions.grant", api.PermissionRequest{Kind: events.Device, Name: "q1", Group: "bench", Permission: "change_device"}, nil)
	var acting api.Token
	call(t, c, "users.act", api.ActRequest{User: "alice", Reason: "ticket 7"}, &acting)
	call(t, asToken(t, b, acting.Value), "jobs.console", api.ConsoleRequest{Job: job, Do: order.InputTake}, nil)
	if got := <-heard; got.User != "local as alice" || !strings.HasPrefix(got.Session, "alice/") {
		t.Errorf("who acts as alice takes the console: the job heard %+v, want who it is", got)
	}
	for _, tt := range []struct {
		in   api.ConsoleRequest
		code api.Code
		want string
	}{
		{api.ConsoleRequest{Job: job, Do: order.InputType, Session: "x", Text: "no"}, api.Conflict, "bob has the console"},
		{api.ConsoleRequest{Job: job, Do: "shout"}, api.Invalid, "allowed are take, type, keep and give"},
		{api.ConsoleRequest{Job: job, Do: order.InputKeep}, api.Invalid, "session is missing"},
		{api.ConsoleRequest{Job: job, Do: order.InputType, Session: "x", Text: strings.Repeat("x", 5000)}, api.Invalid, "at most 4096"},
		{api.ConsoleRequest{Job: 9999, Do: order.InputTake}, api.NotFound, "9999"},
	} {
		if err := c.Call(t.Context(), "jobs.console", tt.in, nil); !api.HasCode(err, tt.code) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+.60v: %v, want %s with %q", tt.in, err, tt.code, tt.want)
		}
	}
}
