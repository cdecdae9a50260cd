package api_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/eventtest"
	"strata/services/api"
)

// TestFollowerOfAnUnwellLab follows a log whose lab says in the middle that it cannot read, as one does whose
// broker starts again: the follower asks for the rest, and loses and doubles nothing. Who does not follow
// is told at once.
func TestFollowerOfAnUnwellLab(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	conn := b.Connect(t)
	asked := 0
	_, err := conn.Subscribe("api.local.>", func(m *nats.Msg) {
		say := func(header nats.Header, body string) {
			_ = conn.PublishMsg(&nats.Msg{Subject: m.Reply, Header: header, Data: []byte(body)})
		}
		if m.Subject == "api.local.status" {
			say(nil, "{}")
			return
		}
		if m.Subject != "api.local.jobs.log" {
			return // an acknowledgement
		}
		line := func(n string) nats.Header {
			return nats.Header{"Strata-Number": {"1"}, events.HeaderJob: {"7"}, events.HeaderFirstLine: {n}}
		}
		switch asked++; asked {
		case 1:
			_ = conn.PublishMsg(&nats.Msg{Subject: m.Reply, Reply: "api.local.flow.x", Header: line("0"), Data: []byte(`{"lvl":"info","msg":"a"}`)})
			say(nats.Header{"Strata-Error": {"failed"}}, `{"message":"nats: server shutdown"}`)
		case 2:
			say(nats.Header{"Strata-Error": {"away"}}, `{"message":"nats: timeout"}`)
		default:
			_ = conn.PublishMsg(&nats.Msg{Subject: m.Reply, Reply: "api.local.flow.x", Header: line("1"), Data: []byte(`{"lvl":"info","msg":"b"}`)})
			say(nats.Header{"Strata-End": {"1"}}, "")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil { // else the other connection may ask before the broker knows of it
		t.Fatal(err)
	}
	c := api.Client{Conn: b.Connect(t), User: "local"}
	var lines []uint64
	read := func(n uint64, _ events.Record) error { lines = append(lines, n); return nil }
	if err := c.Log(t.Context(), api.LogRequest{Job: 7, Follow: true}, read); err != nil || len(lines) != 2 || lines[1] != 1 {
		t.Errorf("follow: lines %d, %v; want 0 and 1 once each", lines, err)
	}
	asked = 0
	if err := c.Log(t.Context(), api.LogRequest{Job: 7}, read); !api.HasCode(err, api.Failed) {
		t.Errorf("read without following: %v, want the lab's answer", err)
	}
}
