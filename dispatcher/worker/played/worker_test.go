package played_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/dispatcher/worker/played"
	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/schemas/order"
)

const name events.WorkerName = "sim.example.com"

// lab stands for the other side of the bus.
type lab struct {
	*eventtest.Broker
	reports jetstream.Consumer
}

func newLab(t *testing.T, script string) *lab {
	t.Helper()
	l := &lab{Broker: eventtest.StartWith(t, eventtest.Options{TCP: true})}
	js := l.Log.JetStream()
	_, err := js.CreateConsumer(t.Context(), stream.Work, jetstream.ConsumerConfig{Durable: events.EscapeToken(string(name)),
		FilterSubject: access.WorkSubject(name), AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	if l.reports, err = js.CreateConsumer(t.Context(), stream.Reports, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	s, err := played.Parse([]byte(script))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := played.Run(ctx, played.Deps{Name: name, Servers: l.URL, Token: "any", Build: "test", Script: s,
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now, After: time.After}); err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return l
}

func (l *lab) send(t *testing.T, o order.Order) {
	t.Helper()
	o.Version = order.Version
	if o.Kind == order.Start {
		o.Work = &order.Work{Credential: "any"}
	}
	body, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Log.JetStream().Publish(t.Context(), access.WorkSubject(name), body); err != nil {
		t.Fatal(err)
	}
}

// await returns the next report, which has to be of a claim and about a job.
func (l *lab) await(t *testing.T, claim order.Claim, job uint64) order.Report {
	t.Helper()
	m, err := l.reports.Next(jetstream.FetchMaxWait(time.Minute))
	if err != nil {
		t.Fatalf("wait for report %s of job %d: %v", claim, job, err)
	}
	if err := m.Ack(); err != nil {
		t.Fatal(err)
	}
	r, err := order.DecodeReport(m.Data())
	if err != nil || r.Claim != claim || r.Job != job {
		t.Fatalf("report: got %s of job %d (%v), want %s of job %d", r.Claim, r.Job, err, claim, job)
	}
	return r
}

func TestAJobIsPlayed(t *testing.T) {
	t.Parallel()
	l := newLab(t, `
devices: [good, bad, stuck]
jobs:
- name: passes
  devices: [good]
  console:
  - {say: hello, times: 2}
  - {noise: 3}
  - result: {case: boot, measurement: 3, units: s}
- {name: fails, devices: [bad], end: fail, error_type: Infrastructure, error: the console is silent}
- {name: hangs, devices: [stuck], end: hang, console: [{say: stuck here}]}
`)
	l.await(t, order.Holding, 0)
	l.send(t, order.Order{Kind: order.Start, Job: 1, Lease: 5, Device: "good"})
	l.await(t, order.Taken, 1)
	l.await(t, order.Started, 1)
	if r := l.await(t, order.Finished, 1); r.Verdict.Result != "pass" || r.Verdict.Lines != 7 {
		t.Errorf("verdict: got %+v, want pass and seven lines: two said, three of noise, two results", r.Verdict)
	}
	l.await(t, order.SpoolEmpty, 1)
	lines := strings.Join(l.output(t, 1), "")
	if strings.Count(lines, "hello") != 2 || !strings.Contains(lines, `"case":"boot"`) || !strings.Contains(lines, `"case":"job"`) {
		t.Errorf("output of the job:\n%s", lines)
	}

	l.send(t, order.Order{Kind: order.Start, Job: 2, Lease: 6, Device: "bad"})
	l.await(t, order.Taken, 2)
	l.await(t, order.Started, 2)
	if r := l.await(t, order.Finished, 2); r.Verdict.ErrorType != "Infrastructure" || r.Verdict.Error != "the console is silent" {
		t.Errorf("verdict: got %+v, want the script's error", r.Verdict)
	}
	l.await(t, order.SpoolEmpty, 2)

	l.send(t, order.Order{Kind: order.Start, Job: 3, Lease: 7, Device: "stuck"})
	l.await(t, order.Taken, 3)
	l.await(t, order.Started, 3)
	l.send(t, order.Order{Kind: order.Tell})
	if r := l.await(t, order.Holding, 0); len(r.Held) != 1 || r.Held[0].Job != 3 || !r.Held[0].Runs {
		t.Errorf("held: got %+v, want job 3, which runs", r.Held)
	}
	l.send(t, order.Order{Kind: order.Cancel, Job: 3, Lease: 7, Device: "stuck", Reason: "canceled by ann"})
	if r := l.await(t, order.Finished, 3); r.Verdict.ErrorType != "Canceled" || r.Verdict.Error != "canceled by ann" {
		t.Errorf("verdict: got %+v, want that ann canceled it", r.Verdict)
	}
}

// TestLeases holds the rules of a real worker: nothing twice, nothing lower, and what is not known is not started later.
func TestLeases(t *testing.T) {
	t.Parallel()
	l := newLab(t, "devices: 1\njobs: [{name: hangs, end: hang}]")
	l.await(t, order.Holding, 0)
	l.send(t, order.Order{Kind: order.Start, Job: 1, Lease: 5, Device: "sim-1"})
	l.await(t, order.Taken, 1)
	l.await(t, order.Started, 1)
	l.send(t, order.Order{Kind: order.Start, Job: 1, Lease: 5, Device: "sim-1"})
	l.await(t, order.Started, 1)
	l.send(t, order.Order{Kind: order.Start, Job: 2, Lease: 4, Device: "sim-1"})
	l.await(t, order.Refused, 2)
	l.send(t, order.Order{Kind: order.Check, Job: 3, Lease: 9, Device: "sim-1"})
	l.await(t, order.Unknown, 3)
	l.send(t, order.Order{Kind: order.Start, Job: 3, Lease: 9, Device: "sim-1"})
	l.await(t, order.Refused, 3)
	l.send(t, order.Order{Kind: order.Cancel, Job: 4, Lease: 10, Device: "sim-1"})
	if r := l.await(t, order.Finished, 4); r.Verdict.ErrorType != "Bug" {
		t.Errorf("cancel of an unknown job: got %+v, want a Bug", r.Verdict)
	}
}

// output returns the frames of a job.
func (l *lab) output(t *testing.T, job events.JobID) (frames []string) {
	t.Helper()
	s, err := l.Log.JetStream().Stream(t.Context(), stream.Output)
	if err != nil {
		t.Fatal(err)
	}
	last, err := s.GetLastMsgForSubject(t.Context(), events.OutputSubject(job))
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= last.Sequence; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject == events.OutputSubject(job) {
			frames = append(frames, string(m.Data))
		}
	}
	return frames
}
