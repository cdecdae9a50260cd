package access_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	service "strata/services/access"
)

// guarded is a broker that asks the service, with two workers and two running jobs.
type guarded struct {
	*eventtest.Broker
	key access.Key
}

func start(t *testing.T) guarded {
	t.Helper()
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := key.Issuer()
	if err != nil {
		t.Fatal(err)
	}
	public, err := issuer.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	b := eventtest.StartWith(t, eventtest.Options{
		TCP:     true,
		Server:  eventtest.Callout(public, access.Account, access.ServiceUser, key.Password()),
		Connect: []nats.Option{nats.UserInfo(access.ServiceUser, key.Password()), nats.CustomInboxPrefix(access.ServiceInbox)},
	})
	for _, w := range []events.WorkerName{"w1", "lab2.example.com"} {
		b.Append(t, events.WorkerRegistered{Worker: w})
		_, err := b.Log.JetStream().CreateConsumer(t.Context(), stream.Work, jetstream.ConsumerConfig{
			Durable: events.EscapeToken(string(w)), FilterSubject: access.WorkSubject(w), AckPolicy: jetstream.AckExplicitPolicy})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.Append(t, running(42, 7)...)
	b.Append(t, running(43, 8)...)
	ready, done := make(chan struct{}), make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	system, err := nats.Connect(b.URL, append(service.SystemOptions(key), patient)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(system.Close)
	go func() {
		done <- service.Run(ctx, service.Deps{Log: b.Log, Key: key, Now: time.Now, Logger: slog.New(slog.DiscardHandler), System: system, Ready: func() { close(ready) }})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("access service: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatalf("access service ended: %v", err)
	}
	return guarded{b, key}
}

func running(job events.JobID, lease events.Lease) []events.Event {
	return []events.Event{
		events.JobSubmitted{Job: job, User: "alice", JobTimeout: 60},
		events.JobScheduled{Job: job, Device: events.DeviceName("d" + job.String()), Worker: "w1", Lease: lease},
	}
}

// patient is for every connection: the service answers each of them, and a client gives up after two seconds else.
var patient = nats.Timeout(eventtest.Patience)

// as connects as a principal; refused hears what the broker forbids.
func (g guarded) as(t *testing.T, p access.Principal) (nc *nats.Conn, refused <-chan string) {
	t.Helper()
	heard := make(chan string, 100)
	options := []nats.Option{patient, nats.CustomInboxPrefix(p.Inbox()), nats.MaxReconnects(0),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { heard <- err.Error() })}
	if p.User != "" || p.Role != access.Person {
		options = append(options, nats.Token(g.key.Token(p)))
	}
	nc, err := nats.Connect(g.URL, options...)
	if err != nil {
		t.Fatalf("connect as %s: %v", p, err)
	}
	t.Cleanup(nc.Close)
	return nc, heard
}

var (
	// Their tokens have the numbers of the facts that registered them.
	worker1 = access.Principal{Role: access.Worker, Worker: "w1", Serial: 1}
	worker2 = access.Principal{Role: access.Worker, Worker: "lab2.example.com", Serial: 2}
	job42   = access.Principal{Role: access.Job, Job: 42, Lease: 7, Worker: "w1", Group: "g.1"}
	local   = access.Principal{Role: access.Person, User: access.Local}
)

// TestWorkerReadsItsOwnOrders shows that a worker can do all that it has to.
func TestWorkerReadsItsOwnOrders(t *testing.T) {
	t.Parallel()
	g := start(t)
	for _, p := range []access.Principal{worker1, worker2} {
		if _, err := g.Log.JetStream().Publish(t.Context(), access.WorkSubject(p.Worker), []byte("for "+p.Worker)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []access.Principal{worker1, worker2} {
		nc, _ := g.as(t, p)
		js := jet(t, nc)
		c, err := js.Consumer(t.Context(), stream.Work, events.EscapeToken(string(p.Worker)))
		if err != nil {
			t.Fatalf("%s finds its consumer: %v", p, err)
		}
		m, err := c.Next(jetstream.FetchMaxWait(eventtest.Patience))
		if err != nil {
			t.Fatalf("%s pulls its order: %v", p, err)
		}
		if got, want := string(m.Data()), "for "+string(p.Worker); got != want {
			t.Errorf("%s pulled %q, want %q", p, got, want)
		}
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Errorf("%s acknowledges its order: %v", p, err)
		}
		if _, err := js.Publish(t.Context(), access.ReportSubject(p.Worker), []byte("{}")); err != nil {
			t.Errorf("%s reports: %v", p, err)
		}
		if _, err := js.Publish(t.Context(), access.PresenceSubject(p.Worker), []byte("{}")); err != nil {
			t.Errorf("%s shows its presence: %v", p, err)
		}
	}
}

// TestWorkerReadsItsOwnTexts shows that long texts of orders can be read by their worker only.
func TestWorkerReadsItsOwnTexts(t *testing.T) {
	t.Parallel()
	g := start(t)
	kv, err := g.Log.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	key := access.TextKey("w1", 42, 7, "definition")
	if _, err := kv.Put(t.Context(), key, []byte("long")); err != nil {
		t.Fatal(err)
	}
	nc, _ := g.as(t, worker1)
	m, err := nc.Request(access.DirectGet(key), nil, eventtest.Patience)
	if err != nil || string(m.Data) != "long" {
		t.Fatalf("w1 reads its text: got %v, error %v; want %q", m, err, "long")
	}
	nc, refused := g.as(t, worker2)
	if err := nc.Publish(access.DirectGet(key), nil); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, refused, "KV_orders")
}

// TestRefusedToPublish goes through what each principal must not say.
func TestRefusedToPublish(t *testing.T) {
	t.Parallel()
	g := start(t)
	tests := []struct {
		who      access.Principal
		subjects []string
	}{
		{worker1, []string{
			"report.lab2=2Eexample=2Ecom", "work.w1", "output.42", "job.42", "worker.w1", "submit.local", "$KV.presence.lab2=2Eexample=2Ecom",
			"$JS.API.DIRECT.GET.KV_presence.$KV.presence.lab2=2Eexample=2Ecom",
			"$JS.API.CONSUMER.MSG.NEXT.WORK.lab2=2Eexample=2Ecom", "$JS.API.CONSUMER.INFO.WORK.lab2=2Eexample=2Ecom",
			"$JS.API.CONSUMER.CREATE.WORK", "$JS.API.CONSUMER.CREATE.WORK.w1.work.w1", "$JS.API.CONSUMER.DURABLE.CREATE.WORK.w1",
			"$JS.API.STREAM.MSG.GET.LAB", "$JS.API.DIRECT.GET.SUBMISSIONS", "$JS.API.STREAM.PURGE.WORK",
			"$JS.ACK.WORK.lab2=2Eexample=2Ecom.1.1.1.1.0", "_INBOX_worker.lab2=2Eexample=2Ecom.x", "$SYS.REQ.USER.AUTH",
		}},
		{job42, []string{
			"output.43", "output.42.x", "report.w1", "job.42", "result.42", "sync.g2", "input.42", "submit.local", "api.local.jobs",
			"$JS.API.STREAM.MSG.GET.OUTPUT", "$JS.API.CONSUMER.MSG.NEXT.WORK.w1", "$KV.presence.w1",
		}},
		{local, []string{
			"submit.alice", "submit.api", "submit.lava-health", "part.1.1", "output.42", "job.42", "api.alice.jobs", "work.w1", "report.w1",
			"$JS.API.STREAM.INFO.LAB", "$JS.API.STREAM.DELETE.LAB",
		}},
	}
	for _, tt := range tests {
		nc, refused := g.as(t, tt.who)
		for _, s := range tt.subjects {
			if err := nc.Publish(s, []byte("x")); err != nil {
				t.Fatal(err)
			}
			wantRefusal(t, refused, s)
		}
	}
}

// TestRefusedToListen shows that nobody hears another's inbox, orders or output.
func TestRefusedToListen(t *testing.T) {
	t.Parallel()
	g := start(t)
	tests := []struct {
		who      access.Principal
		subjects []string
	}{
		{worker1, []string{"_INBOX.>", "_INBOX_worker.>", "_INBOX_worker.*.*", worker2.Inbox() + ".>", access.ServiceInbox + ".>", "work.w1", "work.>", "output.42", ">"}},
		{job42, []string{"_INBOX.>", "_INBOX_job.>", "_INBOX_job.42.>", "_INBOX_job.43.8.>", "input.43", "sync.g2", "output.42", "output.>"}},
		{local, []string{"_INBOX_worker.>", access.ServiceInbox + ".>", "work.>", "report.>", "submit.>", "$SYS.>", "$JS.>"}},
	}
	for _, tt := range tests {
		nc, refused := g.as(t, tt.who)
		for _, s := range tt.subjects {
			if _, err := nc.SubscribeSync(s); err != nil {
				t.Fatal(err)
			}
			wantRefusal(t, refused, s)
		}
	}
}

// TestJobSpeaksForItself shows a job's process doing what it may.
func TestJobSpeaksForItself(t *testing.T) {
	t.Parallel()
	g := start(t)
	nc, refused := g.as(t, job42)
	js := jet(t, nc)
	frame, err := events.NewFrame(42, 7, 0, []events.Record{{Level: events.Info, Message: []byte(`"hello"`)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.PublishFrame(t.Context(), js, frame); err != nil {
		t.Errorf("job 42 publishes a frame of its own: %v", err)
	}
	if _, err := js.Publish(t.Context(), "sync.g=2E1", []byte("{}")); err != nil {
		t.Errorf("job 42 speaks to its group: %v", err)
	}
	for _, s := range []string{"input.42"} {
		if _, err := nc.SubscribeSync(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.FlushTimeout(eventtest.Patience); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		t.Errorf("job 42 listens to its input: %s", err)
	default:
	}
}

// TestLocalSubmits shows that a bare NATS client can submit a job with the administrator's credential.
func TestLocalSubmits(t *testing.T) {
	t.Parallel()
	g := start(t)
	nc, err := nats.Connect(g.URL, nats.Token(g.key.Administrator()), patient)
	if err != nil {
		t.Fatalf("connect with the administrator's credential: %v", err)
	}
	defer nc.Close()
	m, err := nc.Request("submit.local", []byte("job_name: x"), eventtest.Patience)
	if err != nil || !strings.Contains(string(m.Data), `"seq":1`) {
		t.Errorf("submit as local: got %v, error %v; want an acknowledgement with sequence 1", m, err)
	}
}

// TestNotWelcome goes through the credentials that are refused.
func TestNotWelcome(t *testing.T) {
	t.Parallel()
	g := start(t)
	other, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	g.Append(t, events.JobFinished{Job: 43, Device: "d43", Worker: "w1", Lease: 8, Health: events.Complete},
		events.JobOutputComplete{Job: 43, Lease: 8})
	g.Append(t, events.JobReturned{Job: 42, Device: "d42", Worker: "w1", Lease: 7},
		events.JobScheduled{Job: 42, Device: "d42", Worker: "w1", Lease: 9})
	g.Append(t, running(44, 10)...)
	g.Append(t, events.JobReturned{Job: 44, Device: "d44", Worker: "w1", Lease: 10})
	next := job42
	next.Lease = 9
	nc, _ := g.as(t, next) // at once: the service may not have read that the job has another lease
	nc.Close()
	tests := []struct{ name, token string }{
		{"job that runs anew under a later lease", g.key.Token(job42)},
		{"job that went back to the queue", g.key.Token(access.Principal{Role: access.Job, Job: 44, Lease: 10, Worker: "w1"})},
		{"worker that is not registered", g.key.Token(access.Principal{Role: access.Worker, Worker: "w9"})},
		{"job that never was", g.key.Token(access.Principal{Role: access.Job, Job: 99, Lease: 1})},
		{"job whose output is complete", g.key.Token(access.Principal{Role: access.Job, Job: 43, Lease: 8})},
		{"another lab's key", other.Token(worker1)},
		{"no token of ours", "secret"},
		{"changed claims", "strata1_e30" + g.key.Token(worker1)[len("strata1_"):]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			eventually(t, func() bool { // the service reads what was recorded in a moment
				nc, err := nats.Connect(g.URL, nats.Token(tt.token), patient)
				if err == nil {
					nc.Close()
					return false
				}
				return errors.Is(err, nats.ErrAuthorization)
			})
		})
	}
}

// wantRefusal awaits the broker's word that a subject is forbidden.
func wantRefusal(t *testing.T, refused <-chan string, subject string) {
	t.Helper()
	select {
	case err := <-refused:
		if !strings.Contains(err, "ermissions violation") || !strings.Contains(strings.ToLower(err), strings.ToLower(subject)) {
			t.Errorf("subject %s: got %q, want a permissions violation that names it", subject, err)
		}
	case <-time.After(eventtest.Patience):
		t.Errorf("subject %s was not refused", subject)
	}
}

func jet(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, yes func() bool) {
	t.Helper()
	deadline := time.After(eventtest.Patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("did not come true within %s", eventtest.Patience)
		}
	}
}
