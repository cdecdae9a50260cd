package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/lab"
	"strata/services/api"
)

// insideOf runs an api that counts, and returns the way that doors ask it.
func insideOf(t *testing.T, b *eventtest.Broker, now time.Time, m *api.Metrics) api.Inside {
	t.Helper()
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan api.Inside, 1), make(chan error, 1)
	go func() {
		done <- api.Run(ctx, api.Deps{Log: b.Log, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler), Key: key,
			Metrics: m, Ready: func(in api.Inside) { ready <- in }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("api: %v", err)
		}
	})
	select {
	case in := <-ready:
		return in
	case <-time.After(eventtest.Patience):
		t.Fatal("the api does not answer")
	}
	return api.Inside{}
}

// idOfKey is what a user's key is called in the bucket.
func idOfKey(user, key string) string {
	name := sha256.Sum256([]byte(user + "\x00" + key))
	return hex.EncodeToString(name[:])
}

// A try that broke off hours ago, behind the back of who remembers keys, is found again although the bus has
// forgotten its message id.
func TestSubmitOnceAfterABreak(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	in := insideOf(t, b, noon, nil)
	who := api.Caller{User: "alice"}
	text := []byte("job_name: x\n")
	// This makes the bucket.
	if first, err := in.SubmitOnce(t.Context(), who, text, "other"); err != nil || first != 1 {
		t.Fatalf("submit: got %d, %v, want job 1", first, err)
	}
	digest, id := sha256.Sum256(text), idOfKey("alice", "k")
	entry, err := json.Marshal(map[string]any{"digest": hex.EncodeToString(digest[:]), "after": 1, "at": noon.Add(-3 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := b.Log.JetStream().KeyValue(t.Context(), "SUBMISSION_KEYS")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Put(t.Context(), id, entry); err != nil {
		t.Fatal(err)
	}
	m := nats.NewMsg("submit.alice")
	m.Data = text
	m.Header.Set(jetstream.MsgIDHeader, "alice/key-"+id)
	if _, err := b.Log.JetStream().PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if job, err := in.SubmitOnce(t.Context(), who, text, "k"); err != nil || job != 2 {
			t.Errorf("submit again: got %d, %v, want job 2", job, err)
		}
	}
	if _, err := in.SubmitOnce(t.Context(), who, []byte("job_name: y\n"), "k"); !api.HasCode(err, api.Conflict) {
		t.Errorf("another definition: got %v, want a conflict", err)
	}
	if job, err := in.SubmitOnce(t.Context(), api.Caller{User: "bob"}, text, "k"); err != nil || job != 3 {
		t.Errorf("the key of another user: got %d, %v, want job 3", job, err)
	}
}

// TestNobodyTakesAnId publishes under the ids that the lab's doors used to have for alice's submissions, before she does: her
// job is her own all the same.
func TestNobodyTakesAnId(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	in := insideOf(t, b, noon, nil)
	who := api.Caller{User: "alice"}
	const key = "build 17"
	for _, id := range []string{"alice/key-" + idOfKey("alice", key), "alice/17"} {
		m := nats.NewMsg("submit.bob")
		m.Data = []byte("job_name: bob's\n")
		m.Header.Set(nats.MsgIdHdr, id)
		if _, err := b.Log.JetStream().PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	text := []byte("job_name: alice's\n")
	once, err := in.SubmitOnce(t.Context(), who, text, key)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := in.Submit(t.Context(), who, text, "17")
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range []events.JobID{once, plain} {
		if got, err := b.Log.SubmissionText(t.Context(), uint64(job)); err != nil || string(got) != string(text) {
			t.Errorf("alice was told job %d, which is %q, %v; want her own", job, got, err)
		}
	}
	if again, err := in.Submit(t.Context(), who, text, "17"); err != nil || again != plain {
		t.Errorf("the same id again: job %d, %v; want job %d", again, err, plain)
	}
}

// Waits, runs, actions and failures are counted by type and device.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	m := api.NewMetrics()
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	in := insideOf(t, b, time.Unix(0, 0), m) // what came before it would not be counted
	job := publish(t, b, "x")
	e := submitted(job)
	e.At = noon.Add(-90 * time.Second)
	b.Append(t, e, events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5},
		events.JobStarted{Job: job, Device: "q1", Worker: "w1", Lease: 5, At: noon})
	// Results are of another stream: without the job before them, or once it is over, they count without its type.
	until(t, "the start is counted", func() bool { return len(counted(t, registry)) == 1 })
	took := func(seconds string) map[string]string { return map[string]string{"duration": seconds} }
	b.Append(t, events.ResultsRecorded{Job: job, Lease: 5, Lines: 3, Cases: []events.Case{
		{Suite: "lava", Name: "http-download", Result: events.Pass, At: noon, Metadata: took("1.5")},
		{Suite: "lava", Name: "0_smoke", Result: events.Pass, At: noon, Metadata: took("9")},
		{Suite: "0_smoke", Name: "uname", Result: events.Pass, At: noon, Metadata: took("9")}}})
	until(t, "the action is counted", func() bool { return len(counted(t, registry)) == 2 })
	b.Append(t, events.JobFinished{Job: job, Device: "q1", Worker: "w1", Lease: 5, Health: events.Incomplete, ErrorType: events.InfrastructureError,
		At: noon.Add(time.Minute), LinesKnown: true})
	want := map[string]float64{"strata_job_queue_seconds": 90, "strata_job_run_seconds": 60, "strata_action_seconds": 1.5, "strata_job_failures_total": 1}
	until(t, "all is counted", func() bool { return len(counted(t, registry)) == len(want) })
	for name, value := range counted(t, registry) {
		if value != want[name] {
			t.Errorf("%s is %v, want %v", name, value, want[name])
		}
	}

	// Of a device that is hidden only its own numbers go, of a type all that name it; whoever may see them has them still.
	shown := func(user events.UserName) map[string]float64 {
		return counted(t, in.Shown(api.Caller{User: user}, registry))
	}
	b.Append(t, events.UserAdded{User: "ann"}, events.UserAdded{User: "bob"}, events.GroupAdded{Group: "kernel"}, events.GroupJoined{Group: "kernel", User: "ann"},
		events.DeviceTypeAdded{DeviceType: "qemu"}, events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1"})
	hide := func(kind events.Kind, name, permission string) {
		b.Append(t, events.PermissionsSet{Kind: kind, Name: name, Permissions: []events.Permission{{Group: "kernel", Permission: permission}}})
		until(t, name+" is hidden", func() bool { return !in.Can(api.Caller{User: "bob"}, lab.View, events.Entity{Kind: kind, ID: name}) })
	}
	hide(events.Device, "q1", "view_device")
	delete(want, "strata_job_failures_total")
	if got := shown("bob"); !maps.Equal(got, want) {
		t.Errorf("where the device is hidden bob sees %v, want %v", got, want)
	}
	hide(events.DeviceType, "qemu", "view_devicetype")
	if got := shown("bob"); len(got) > 0 {
		t.Errorf("where the type is hidden bob sees %v", got)
	}
	if got := shown("ann"); len(got) != 4 {
		t.Errorf("ann, who may see both, sees %v", got)
	}
}

// TestRoomOfAUser fills up what a user may have saved: one more is refused with what to do about it, what is there can be
// changed still, and others are not concerned.
func TestRoomOfAUser(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	in := insideOf(t, b, noon, nil)
	facts := []events.Event{events.UserAdded{User: "ann"}, events.UserAdded{User: "bob"}}
	for i := range 100 {
		facts = append(facts, events.RemoteTokenSet{User: "ann", Name: fmt.Sprint("r", i), Sealed: "s", By: "ann"})
	}
	for i := range 500 {
		facts = append(facts, events.QuerySaved{Query: events.QueryID(i + 1), Owner: "ann", Name: fmt.Sprint("q", i), Entity: "testjob", Limit: 200, By: "ann"},
			events.ChartSaved{Chart: events.ChartID(i + 1), Owner: "ann", Name: fmt.Sprint("c", i), By: "ann"})
	}
	b.Append(t, facts...)
	until(t, "the last chart is read", func() bool {
		return in.Call(t.Context(), api.Caller{User: "ann"}, "charts.show", api.ChartRef{Chart: 500}, nil) == nil
	})
	query := func(name string) any { return api.QuerySave{QueryRef: api.QueryRef{Name: name}, Entity: "testjob"} }
	chart := func(name string) any { return api.ChartSave{ChartRef: api.ChartRef{Name: name}} }
	remote := func(name string) any { return api.RemoteToken{Name: name, Value: "v"} }
	for _, tt := range []struct {
		user events.UserName
		verb string
		in   any
		want string // of the refusal; "" for none
	}{
		{"ann", "queries.save", query("one-more"), "ann has 500 queries, more are not allowed: archive or change one"},
		{"ann", "queries.copy", api.QueryCopy{QueryRef: api.QueryRef{Name: "q1"}, As: "one-more"}, "ann has 500 queries, more are not allowed: archive or change one"},
		{"ann", "queries.save", query("q1"), ""},
		{"bob", "queries.save", query("first"), ""},
		{"ann", "queries.archive", api.QueryRef{Name: "q1"}, ""},
		{"ann", "queries.save", query("one-more"), ""},
		{"ann", "charts.save", chart("one-more"), "ann has 500 charts, more are not allowed: remove or change one"},
		{"ann", "charts.save", chart("c1"), ""},
		{"bob", "charts.save", chart("first"), ""},
		{"ann", "charts.remove", api.ChartRef{Name: "c1"}, ""},
		{"ann", "charts.save", chart("one-more"), ""},
		{"ann", "remote-tokens.set", remote("one-more"), "ann has 100 remote tokens, more are not allowed: remove one"},
		{"ann", "remote-tokens.set", remote("r1"), ""},
		{"bob", "remote-tokens.set", remote("first"), ""},
	} {
		err := in.Call(t.Context(), api.Caller{User: tt.user}, tt.verb, tt.in, nil)
		if tt.want == "" && err != nil || tt.want != "" && (!api.HasCode(err, api.Conflict) || err.Error() != tt.want) {
			t.Errorf("%s by %s with %+v: got %v; want %q", tt.verb, tt.user, tt.in, err, tt.want)
		}
	}
}

// until asks again and again until something holds, for as long as tests are patient.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(eventtest.Patience)
	for tick := time.Tick(10 * time.Millisecond); !holds(); {
		select {
		case <-tick:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// counted sums up what a registry has of jobs.
func counted(t *testing.T, registry prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, f := range families {
		for _, one := range f.Metric {
			sums[f.GetName()] += one.GetHistogram().GetSampleSum() + one.GetCounter().GetValue()
		}
	}
	return sums
}
