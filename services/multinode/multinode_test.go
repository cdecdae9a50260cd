package multinode

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/dispatcher/protocol"
	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	m "strata/schemas/multinode"
)

const groupID = "7b0e8b2e-0000-4000-8000-000000000001"

// start runs the service until the test ends or stop is called, and returns the coordinator's address.
func start(t *testing.T, b *eventtest.Broker) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	log := b.Open(t, b.Connect(t))
	go func() {
		done <- Run(ctx, Deps{Log: log, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Listen: l})
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("multinode ended: %v", err)
		}
	}
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// bus is a member over the bus, coordinator one over LAVA's protocol.
func bus(t *testing.T, b *eventtest.Broker, client string) asker {
	t.Helper()
	p := protocol.Bus{Conn: b.Connect(t), Inbox: "_INBOX_job." + client + ".1"}
	return asker{t, p.Ask, client, "r" + client, new(int)}
}

func coordinator(t *testing.T, address, client string) asker {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	c := protocol.Coordinator{Host: host, Port: n, Delay: 5 * time.Millisecond}
	return asker{t, c.Ask, client, "r" + client, new(int)}
}

type asker struct {
	t      *testing.T
	ask    protocol.Ask
	client string
	role   string
	n      *int
}

// later asks and returns where the answer will come, in the words of told.
func (a asker) later(r m.Request) <-chan string {
	a.t.Helper()
	*a.n++
	r.Version, r.Client, r.Role, r.Number = 1, a.client, a.role, strconv.Itoa(*a.n)
	c := make(chan string, 1)
	go func() {
		ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
		defer cancel()
		got, err := a.ask(ctx, groupID, r)
		if err != nil {
			c <- "error: " + err.Error()
			return
		}
		got.Number = ""
		c <- told([]answer{{a.client, got}})
	}()
	return c
}

func (a asker) want(want string, r m.Request) {
	a.t.Helper()
	if got := <-a.later(r); got != want {
		a.t.Errorf("%s of %s: answered %q, want %q", r.Op, a.client, got, want)
	}
}

// Two jobs talk over the bus, by LAVA's protocol, and one each way.
func TestConversation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ first, second string }{{"bus", "bus"}, {"bus", "tcp"}, {"tcp", "tcp"}} {
		t.Run(c.first+"-"+c.second, func(t *testing.T) {
			t.Parallel()
			b := eventtest.Start(t)
			address, _ := start(t, b)
			join := func(kind, client string) asker {
				if kind == "bus" {
					return bus(t, b, client)
				}
				return coordinator(t, address, client)
			}
			one, two := join(c.first, "41"), join(c.second, "42")
			joined := one.later(m.Request{Op: m.Join, Size: 2})
			two.want("42 ack 41=r41 42=r42", m.Request{Op: m.Join, Size: 2})
			if got := <-joined; got != "41 ack 41=r41 42=r42" {
				t.Errorf("join: answered %q", got)
			}
			waits := two.later(m.Request{Op: m.Wait, ID: "ready"})
			one.want("41 ack", m.Request{Op: m.Send, ID: "ready", Message: []m.Pair{{Key: "ip", Value: "10.0.0.1"}, {Key: "note", Value: "a b"}}})
			if got := <-waits; got != "42 ack 41:ip=10.0.0.1 41:note=a b" {
				t.Errorf("wait: answered %q", got)
			}
			for range 3 { // an id can be met at again
				comes := one.later(m.Request{Op: m.Sync, ID: "both"})
				two.want("42 ack", m.Request{Op: m.Sync, ID: "both"})
				if got := <-comes; got != "41 ack" {
					t.Errorf("sync: answered %q", got)
				}
			}
			one.want("41 ack", m.Request{Op: m.Send, ID: "done", Message: []m.Pair{{Key: "k", Value: "v1"}}})
			all := one.later(m.Request{Op: m.WaitAll, ID: "done"})
			two.want("42 ack", m.Request{Op: m.Send, ID: "done", Message: []m.Pair{{Key: "k", Value: "v2"}}})
			if got := <-all; got != "41 ack 41:k=v1 42:k=v2" {
				t.Errorf("wait-all: answered %q", got)
			}
			if got := <-one.later(m.Request{Op: m.WaitAll, ID: "done", Of: "nope"}); got[:7] != "41 nack" {
				t.Errorf("unknown role: answered %q", got)
			}
			one.want("41 ack", m.Request{Op: m.Leave})
		})
	}
}

// The service dies while jobs wait, and another one goes on where it was.
func TestServiceStartsAgain(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	_, stop := start(t, b)
	one, two := bus(t, b, "41"), bus(t, b, "42")
	joined := one.later(m.Request{Op: m.Join, Size: 2})
	two.want("42 ack 41=r41 42=r42", m.Request{Op: m.Join, Size: 2})
	<-joined
	waits, comes := two.later(m.Request{Op: m.Wait, ID: "ready"}), one.later(m.Request{Op: m.Sync, ID: "s"})
	awaitStored(t, b, 4)
	stop()
	sends := one.later(m.Request{Op: m.Send, ID: "ready", Message: []m.Pair{{Key: "k", Value: "v"}}})
	start(t, b)
	if got := <-sends; got != "41 ack" {
		t.Errorf("send: answered %q", got)
	}
	if got := <-waits; got != "42 ack 41:k=v" {
		t.Errorf("wait: answered %q", got)
	}
	two.want("42 ack", m.Request{Op: m.Sync, ID: "s"})
	if got := <-comes; got != "41 ack" {
		t.Errorf("sync: answered %q", got)
	}
}

// awaitStored waits until the stream SYNC has had so many messages.
func awaitStored(t *testing.T, b *eventtest.Broker, n uint64) {
	t.Helper()
	c, err := b.Log.JetStream().OrderedConsumer(t.Context(), stream.Sync, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if meta, err := msg.Metadata(); err != nil {
			t.Fatal(err)
		} else if meta.Sequence.Stream >= n {
			return
		}
	}
}

// A job that is over sends nothing any more: who waits for it is told so. When all are over, nothing
// of the group is left.
func TestEnd(t *testing.T) {
	t.Parallel()
	b := eventtest.StartWith(t, eventtest.Options{FirstJob: 100})
	start(t, b)
	for i, id := range []events.JobID{41, 42} {
		b.Append(t, events.JobSubmitted{Job: id, Display: fmt.Sprintf("41.%d", i), User: "alice", Name: "mn", DeviceType: "qemu",
			JobTimeout: 60, Part: &events.Membership{Group: groupID, Parent: 41, Role: "r", Size: 2}})
	}
	one, two := bus(t, b, "41"), bus(t, b, "42")
	joined := one.later(m.Request{Op: m.Join, Size: 2})
	two.want("42 ack 41=r41 42=r42", m.Request{Op: m.Join, Size: 2})
	<-joined
	one.want("41 ack", m.Request{Op: m.Send, ID: "early"})
	waits := two.later(m.Request{Op: m.Wait, ID: "never"})
	b.Append(t, events.JobWithdrawn{Job: 41, Reason: "canceled by alice"})
	const over = " (Canceled: canceled by alice)"
	if got := <-waits; got != "42 gone (all other jobs of the group are over and none has sent never)" {
		t.Errorf("wait: answered %q", got)
	}
	two.want("42 gone (job 41 is over"+over+" and has not come to s)", m.Request{Op: m.Sync, ID: "s"})
	two.want("42 ack", m.Request{Op: m.Wait, ID: "early"})
	b.Append(t, events.JobWithdrawn{Job: 42, Reason: "canceled by alice"})
	awaitEmpty(t, b)
}

// awaitEmpty waits until nothing is left in SYNC.
func awaitEmpty(t *testing.T, b *eventtest.Broker) {
	t.Helper()
	st, err := b.Log.JetStream().Stream(t.Context(), stream.Sync)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		info, err := st.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Msgs == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages are left", info.State.Msgs)
		}
	}
}

// A member names where its answer goes; it must not have the service speak elsewhere.
func TestForeignReply(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	start(t, b)
	nc := b.Connect(t)
	work, err := nc.SubscribeSync("work.lab1")
	if err != nil {
		t.Fatal(err)
	}
	js := b.Log.JetStream()
	for _, text := range []string{
		`{"version":1,"op":"join","number":"1","client":"41","size":1,"reply":"work.lab1"}`,
		`{"version":1,"op":"join","number":"2","client":"41","size":1,"reply":"_INBOX_job.41.1.x"}`,
	} {
		if _, err := js.Publish(t.Context(), "sync."+groupID, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	bus(t, b, "41").want("41 ack 41=", m.Request{Op: m.Join, Size: 1})
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := work.Pending(); err != nil || n != 0 {
		t.Errorf("%d answers on work.lab1 (%v), want none", n, err)
	}
}

// What is no question is not answered, and who asks nonsense hears "nack"; neither ends the service.
func TestCoordinatorBadInput(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	address, _ := start(t, b)
	for _, c := range []struct{ name, send, want string }{
		{"no length", "hello world", ""},
		{"no JSON", "00000005hello", ""},
		{"too long", "7FFFFFFF{}", ""},
		{"empty", "00000002{}", "nack"},
		{"a typo", frame(`{"request":"lava-send","client_name":"1","group_name":"g","role":"r","messageID":"x"}`), "nack"},
		{"no such group", frame(`{"request":"lava_wait","client_name":"1","group_name":"g","role":"r","messageID":"x"}`), "nack"},
		{"another subject", frame(`{"request":"group_data","client_name":"1","group_name":"*","role":"r","group_size":1}`), "nack"},
		{"a list", frame(`{"request":"lava_send","client_name":"1","group_name":"g","role":"r","messageID":"x","message":[1]}`), "nack"},
		{"good", frame(`{"request":"group_data","client_name":"1","group_name":"g","role":"r","group_size":1}`), `{"response":"group_data","roles":{"1":"r"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, c.send); err != nil {
				t.Fatal(err)
			}
			// Who is not answered may have been cut off before.
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil && c.want != "" {
				t.Fatal(err)
			}
			got, err := io.ReadAll(conn)
			want := c.want
			if want == "nack" {
				want = `{"response":"nack"}`
			}
			if want != "" {
				want = frame(want)
			}
			// Who is not answered may see the connection reset: bytes that nobody read were under way.
			if err != nil && c.want != "" || string(got) != want {
				t.Errorf("answered %q (%v), want %q", got, err, want)
			}
		})
	}
}

func frame(text string) string { return fmt.Sprintf("%08X%s", len(text), text) }
