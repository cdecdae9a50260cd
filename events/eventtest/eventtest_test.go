package eventtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

func TestScenarioThereAndBack(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, eventtest.Scenario(t, filepath.Join("testdata", "lab.txt"))...)
	want := `1 worker/w1 worker.registered {"worker":"w1","by":"alice"}
2 device/q1 device.added {"device":"q1","device_type":"qemu","worker":"w1","health":"Good","by":"alice"}
3 job/1 job.scheduled {"job":1,"device":"q1","worker":"w1","lease":2}
`
	if got := eventtest.Story(t, b.Log, stream.Lab); got != want {
		t.Errorf("story\n%s\nwant\n%s", got, want)
	}
}

func TestScenarioNamesTheLine(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"\nmoon.landed {}", `:2: decode "moon.landed": unknown event`},
		{`tag.added {"tag":7}`, ":1: decode tag.added.v1"},
		{`tag.added {"tag":"a","by":"b","colour":"red"}`, ":1: tag.added has no field colour"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "scenario.txt")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		failed := &failing{TB: t}
		finished := make(chan struct{})
		go func() { defer close(finished); eventtest.Scenario(failed, path) }()
		<-finished
		if !strings.Contains(failed.said, tt.want) {
			t.Errorf("scenario %q: said %q, want %q in it", tt.text, failed.said, tt.want)
		}
	}
}

func TestAwait(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	got := make(chan events.TagAdded)
	go func() {
		got <- eventtest.Await(t, b.Log, func(e events.TagAdded) bool { return e.Tag == "b" })
	}()
	b.Append(t, events.TagAdded{Tag: "a"}, events.TagRemoved{Tag: "b"}, events.TagAdded{Tag: "b", Description: "found"})
	if e := <-got; e.Description != "found" {
		t.Errorf("awaited %+v", e)
	}
	b.Append(t, events.ResultsRecorded{Job: 1, Lines: 3})
	if e := eventtest.Await[events.ResultsRecorded](t, b.Log, nil); e.Lines != 3 {
		t.Errorf("awaited %+v of RESULTS", e)
	}
}

// A broker on TCP is found at the same address after a restart, with all that was acknowledged.
func TestRestartKeepsAddressAndFacts(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	b := eventtest.StartWith(t, eventtest.Options{TCP: true, FirstJob: 100, Now: func() time.Time { return noon }})
	b.Append(t, events.TagAdded{Tag: "a"})
	job := b.Submit(t, "alice", "job_name: x")
	b.Restart(t)
	nc, err := nats.Connect(b.URL, nats.Timeout(eventtest.Patience))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	l := b.Open(t, nc)
	if facts := eventtest.Facts(t, l, stream.Lab); len(facts) != 1 || !facts[0].Time.Equal(noon) {
		t.Errorf("after the restart: %+v", facts)
	}
	if text, err := l.SubmissionText(t.Context(), uint64(job)); job != 100 || err != nil || string(text) != "job_name: x" {
		t.Errorf("submission %d after the restart: %q, %v", job, text, err)
	}
}

// failing stands for a test that is ended.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
