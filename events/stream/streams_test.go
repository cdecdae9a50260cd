package stream_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

func TestStreamsAreAsDocumented(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	tests := []struct {
		name              string
		retention         jetstream.RetentionPolicy
		atomic, denyErase bool
	}{
		{stream.Submissions, jetstream.LimitsPolicy, true, false},
		{stream.Lab, jetstream.LimitsPolicy, true, true},
		{stream.Results, jetstream.LimitsPolicy, true, true},
		{stream.Output, jetstream.LimitsPolicy, false, false},
		{stream.Work, jetstream.WorkQueuePolicy, true, false},
		{stream.Reports, jetstream.WorkQueuePolicy, false, false},
		{stream.Sync, jetstream.LimitsPolicy, false, false},
	}
	for _, tt := range tests {
		st, err := b.Log.JetStream().Stream(t.Context(), tt.name)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		c := st.CachedInfo().Config
		if c.Retention != tt.retention || c.AllowAtomicPublish != tt.atomic || c.DenyDelete != tt.denyErase {
			t.Errorf("%s: retention %s, atomic %v, deny delete %v; want %s, %v, %v", tt.name,
				c.Retention, c.AllowAtomicPublish, c.DenyDelete, tt.retention, tt.atomic, tt.denyErase)
		}
		if c.MaxAge != 0 || c.DenyPurge || !c.AllowDirect || c.Storage != jetstream.FileStorage || c.Discard != jetstream.DiscardNew {
			t.Errorf("%s: max age %s, deny purge %v, direct %v, %s, %s; want 0s, false, true, file, new", tt.name,
				c.MaxAge, c.DenyPurge, c.AllowDirect, c.Storage, c.Discard)
		}
	}
	for _, name := range []string{stream.Checkpoints} {
		if _, err := b.Log.JetStream().ObjectStore(t.Context(), name); err != nil {
			t.Errorf("bucket %s: %v", name, err)
		}
	}
	kv, err := b.Log.JetStream().KeyValue(t.Context(), stream.Presence)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := kv.Status(t.Context()); err != nil || status.TTL() != 15*time.Second {
		t.Errorf("presence: TTL %v, %v; want 15s", status.TTL(), err)
	}
	if _, err := kv.Put(t.Context(), stream.PresenceKey("lab1.example.com"), nil); err != nil {
		t.Errorf("presence of a worker with a dotted name: %v", err)
	}
}

// Every entity's subject is one that a stream takes.
func TestEveryFactHasAStream(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	for _, facts := range [][]events.Event{
		{events.JobRemoved{Job: 1}, events.DeviceRemoved{Device: "a b"}, events.DeviceTypeRemoved{DeviceType: "x.y"},
			events.WorkerRemoved{Worker: "w.example.com"}, events.TagRemoved{Tag: "*"}, events.RoundDecided{}},
		{events.ResultsRecorded{Job: 1}},
	} {
		b.Append(t, facts...)
	}
}

func TestOpenAgainChangesWhatCanBe(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	js := b.Log.JetStream()
	st, err := js.Stream(t.Context(), stream.Submissions)
	if err != nil {
		t.Fatal(err)
	}
	c := st.CachedInfo().Config
	c.Duplicates, c.AllowAtomicPublish, c.Subjects = time.Minute, false, []string{"submit.*", "older.*"}
	if _, err := js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	b.Open(t, b.Conn)
	if st, err = js.Stream(t.Context(), stream.Submissions); err != nil {
		t.Fatal(err)
	}
	c = st.CachedInfo().Config
	if c.Duplicates != stream.SubmissionWindow || !c.AllowAtomicPublish || strings.Join(c.Subjects, " ") != "submit.* older.* part.*.*" {
		t.Errorf("after Open: window %s, atomic %v, subjects %v", c.Duplicates, c.AllowAtomicPublish, c.Subjects)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	good := func(s *stream.Settings) {}
	tests := []struct {
		name   string
		before func(*jetstream.StreamConfig) // of LAB, made beforehand
		set    func(*stream.Settings)
		want   string
	}{
		{"memory storage", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, good, "open stream LAB: is kept in Memory, must be in File"},
		{"deny purge", func(c *jetstream.StreamConfig) { c.DenyPurge = true }, good, "denies purges"},
		{"max age", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, good, "drops messages after 1h0m0s"},
		{"work queue", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, good, "keeps messages by WorkQueue"},
		{"no clock", nil, func(s *stream.Settings) { s.Now = nil }, "Settings.Now is missing"},
		{"patience beyond the window", nil, func(s *stream.Settings) { s.Patience = time.Hour }, "must be below 2m0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := eventtest.Start(t)
			if tt.before != nil {
				if err := b.Log.JetStream().DeleteStream(t.Context(), stream.Lab); err != nil {
					t.Fatal(err)
				}
				c := jetstream.StreamConfig{Name: stream.Lab, Subjects: []string{"job.*"}}
				tt.before(&c)
				if _, err := b.Log.JetStream().CreateStream(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			s := stream.Settings{Now: time.Now, AllowLossyBroker: true}
			tt.set(&s)
			if _, err := stream.Open(t.Context(), b.Conn, s); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open: %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestFirstJobOnlyWhenMade(t *testing.T) {
	t.Parallel()
	b := eventtest.StartWith(t, eventtest.Options{FirstJob: 500})
	s := stream.Settings{Now: time.Now, AllowLossyBroker: true, FirstJob: 501}
	if _, err := stream.Open(t.Context(), b.Conn, s); err == nil || !strings.Contains(err.Error(), "gives number 500 next, and the first number is to be 501") {
		t.Errorf("open with a higher first job: %v", err)
	}
	b.Submit(t, "alice", "x")
	if _, err := stream.Open(t.Context(), b.Conn, s); err != nil {
		t.Errorf("open where the next job is the first one wanted: %v", err)
	}
}

// TestOpenWhileAway shows that a log opens once the broker is back that was away for longer than one question waits.
func TestOpenWhileAway(t *testing.T) {
	t.Parallel()
	b := eventtest.StartWith(t, eventtest.Options{TCP: true})
	b.Stop()
	opened := make(chan error, 1)
	go func() {
		_, err := stream.Open(t.Context(), b.Conn, stream.Settings{Now: time.Now, AllowLossyBroker: true, Patience: eventtest.Patience})
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("opened a log without a broker: %v", err)
	case <-time.After(6 * time.Second):
	}
	b.Restart(t)
	if err := <-opened; err != nil {
		t.Errorf("open: %v", err)
	}
}

func TestLossyBroker(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		always bool
		tell   bool // whether the broker can be asked
		allow  bool
		want   string // in the error; empty is none
	}{
		{"syncs", true, true, false, ""},
		{"does not", false, true, false, "sync_interval: always"},
		{"nobody says", true, false, false, "monitoring port"},
		{"does not, allowed", false, true, true, ""},
		{"nobody says, allowed", false, false, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := eventtest.Options{TCP: true, Server: eventtest.Accounts(tt.always), Connect: []nats.Option{nats.UserInfo("lab", "lab")}, Settings: func(s *stream.Settings) { s.AllowLossyBroker = true }}
			b := eventtest.StartWith(t, o)
			sys := b.Connect(t, nats.UserInfo("sys", "sys"))
			for how, ask := range map[string]func() (bool, error){
				"monitor": stream.SyncedByMonitor("http://" + b.Monitor()),
				"system":  stream.SyncedBySystem(sys),
			} {
				s := stream.Settings{Now: time.Now, AllowLossyBroker: tt.allow}
				if tt.tell {
					s.Synced = ask
				}
				_, err := stream.Open(t.Context(), b.Conn, s)
				switch {
				case tt.want == "" && err != nil:
					t.Errorf("%s: %v, want no error", how, err)
				case tt.want != "" && (!errors.Is(err, stream.ErrLossyBroker) || !strings.Contains(err.Error(), tt.want)):
					t.Errorf("%s: %v, want ErrLossyBroker with %q", how, err, tt.want)
				case tt.want != "" && !strings.Contains(err.Error(), "--allow-lossy-broker"):
					t.Errorf("%s: %v, which does not say what to do", how, err)
				}
			}
		})
	}
}

func TestWriterIsHeld(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	l := b.Log.As(events.SchedulingService)
	if _, err := l.AppendOne(t.Context(), stream.Draft{Event: tag("a")}, nil); err == nil || !strings.Contains(err.Error(), "only api may write it, this is scheduling") {
		t.Errorf("append another service's event: %v", err)
	}
	r, err := l.AppendOne(t.Context(), stream.Draft{Event: events.RoundDecided{}}, expectAll(0))
	if err != nil || r.Source != "services/scheduling" {
		t.Errorf("append its own: %+v, %v", r, err)
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	many := make([]stream.Draft, stream.MaxBatch+1)
	for i := range many {
		many[i] = stream.Draft{Event: tag(events.TagName(fmt.Sprint(i)))}
	}
	tests := []struct {
		name   string
		drafts []stream.Draft
		want   string
	}{
		{"too many", many, "append 101 facts: at most 100"},
		{"two streams", []stream.Draft{{Event: tag("a")}, {Event: events.ResultsRecorded{Job: 1}}}, "it stands in RESULTS"},
		{"line break in a header", []stream.Draft{{Event: tag("a"), Actor: "x\r\nce-type: y"}}, "control characters"},
	}
	for _, tt := range tests {
		if _, err := b.Log.Append(t.Context(), tt.drafts, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
	if none, err := b.Log.Append(t.Context(), nil, nil); none != nil || err != nil {
		t.Errorf("append nothing: %v, %v", none, err)
	}
	if got := eventtest.Story(t, b.Log, stream.Lab); got != "" {
		t.Errorf("refused facts are there:\n%s", got)
	}
	if got, err := b.Log.Append(t.Context(), many[:stream.MaxBatch], expectAll(0)); err != nil || got[99].Seq != 100 {
		t.Errorf("append as many as allowed: %v", err)
	}
}
