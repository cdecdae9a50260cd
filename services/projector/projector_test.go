package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/projections"
	"strata/projections/engine"
)

// The engine is killed again and again, the service started anew again and again, while facts and
// output come in: in the end the tables have each once.
func TestKillsLoseAndDoubleNothing(t *testing.T) {
	v := startEngine(t)
	broker := eventtest.Start(t)
	db := openDB(t, v.DSN())
	stop := run(t, broker, v.DSN(), nil)
	const rounds, jobs = 6, 20
	var lab uint64
	for round := range rounds {
		for i := range jobs {
			job := events.JobID(round*jobs + i + 1)
			lab = broker.Append(t,
				events.JobSubmitted{Job: job, Display: job.String(), User: "alice", Name: "kill", DeviceType: "qemu"},
				events.JobWithdrawn{Job: job, Reason: "test"})[1].Seq
			output(t, broker, job, 10)
			if i != jobs/2 {
				continue
			}
			if round%2 == 0 {
				if pid := v.PID(); pid != 0 {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
						t.Fatal(err)
					}
				}
			} else {
				stop()
				stop = run(t, broker, v.DSN(), nil)
			}
		}
	}
	awaitPosition(t, db, stream.Lab, lab)
	awaitPosition(t, db, stream.Output, rounds*jobs)
	stop()
	got := sql(t, db, "SELECT (SELECT count() FROM events), (SELECT count() FROM jobs WHERE state = 'Finished'), (SELECT count() FROM job_transitions), (SELECT count() FROM log_lines), (SELECT uniqExact(job, line) FROM log_lines)")
	if want := fmt.Sprintf("[[%d %d %d %d %d]]", 2*rounds*jobs, rounds*jobs, 2*rounds*jobs, 10*rounds*jobs, 10*rounds*jobs); got != want {
		t.Errorf("events, jobs, transitions, lines, different lines = %s; want %s", got, want)
	}
}

// Without ClickHouse the service waits, and catches up alone once it is there.
func TestWaitsForClickHouse(t *testing.T) {
	v := startEngine(t)
	broker := eventtest.Start(t)
	db := openDB(t, v.DSN())
	metrics := NewMetrics()
	if err := syscall.Kill(v.PID(), syscall.SIGSTOP); err != nil { // it does not answer, and is not gone
		t.Fatal(err)
	}
	pid := v.PID()
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	stop := run(t, broker, v.DSN(), metrics)
	defer stop()
	lab := broker.Append(t, events.JobSubmitted{Job: 1, Display: "1", User: "alice", Name: "wait", DeviceType: "qemu"})[0].Seq
	if err := db.Ping(t.Context()); !errors.Is(err, projections.ErrAway) {
		t.Errorf("Ping of an engine that stands still: %v; want ErrAway", err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitPosition(t, db, stream.Lab, lab)
	if got := sql(t, db, "SELECT name, state FROM jobs"); got != "[[wait Submitted]]" {
		t.Errorf("jobs = %s", got)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)
	await(t, "the metrics tell the position", func() bool {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "strata_projector_position" && m.GetLabel()[0].GetValue() == stream.Lab {
					return m.GetGauge().GetValue() == float64(lab)
				}
			}
		}
		return false
	})
}

// Two at once: the newer one projects, the older one stands by, and no row is there twice.
func TestTwoProjectors(t *testing.T) {
	v := startEngine(t)
	broker := eventtest.Start(t)
	db := openDB(t, v.DSN())
	var lab uint64
	for i := range 5 {
		defer run(t, broker, v.DSN(), nil)()
		for range 10 {
			lab = broker.Append(t, events.TagAdded{Tag: events.TagName(fmt.Sprint("t", i)), By: "admin"})[0].Seq
		}
	}
	awaitPosition(t, db, stream.Lab, lab)
	if got, want := sql(t, db, "SELECT count(), uniqExact(seq) FROM events"), fmt.Sprintf("[[%d %d]]", lab, lab); got != want {
		t.Errorf("events, different events = %s; want %s", got, want)
	}
}

// The newer of two is gone for good: the older one goes on, with nobody to start it again.
func TestStandsByForAProjectorThatDied(t *testing.T) {
	v := startEngine(t)
	broker := eventtest.Start(t)
	db := openDB(t, v.DSN())
	tagged := func(tag string) uint64 {
		return broker.Append(t, events.TagAdded{Tag: events.TagName(tag), By: "admin"})[0].Seq
	}
	defer run(t, broker, v.DSN(), nil)()
	awaitPosition(t, db, stream.Lab, tagged("older"))
	stop := run(t, broker, v.DSN(), nil)
	awaitPosition(t, db, stream.Lab, tagged("newer"))
	stop()
	last := tagged("alone")
	awaitPosition(t, db, stream.Lab, last)
	if got, want := sql(t, db, "SELECT count(), uniqExact(seq) FROM events"), fmt.Sprintf("[[%d %d]]", last, last); got != want {
		t.Errorf("events, different events = %s; want %s", got, want)
	}
}

func TestIdlesWithoutClickHouse(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, Deps{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Errorf("Run without a DSN: %v", err)
	}
}

func TestRefusesABadDSN(t *testing.T) {
	if err := Run(t.Context(), Deps{DSN: "nonsense", Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("Run with the DSN nonsense was taken")
	}
}

// run starts the service; the function that it returns ends it and waits.
func run(t *testing.T, b *eventtest.Broker, dsn string, m *Metrics) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Deps{Log: b.Log, DSN: dsn, Logger: slog.New(slog.DiscardHandler), Metrics: m, Age: time.Millisecond, StandBy: time.Second})
	}()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func startEngine(t *testing.T) *engine.Supervisor {
	t.Helper()
	if _, err := engine.Library(); err != nil {
		if os.Getenv("STRATA_REQUIRE_CLICKHOUSE") == "1" {
			t.Fatal("STRATA_REQUIRE_CLICKHOUSE=1, and:", err)
		}
		t.Skip("SKIPPED for want of ClickHouse:", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	v, err := engine.Start(ctx, engine.Settings{Command: []string{os.Args[0], "engine-child"}, Path: t.TempDir(), Database: "strata"})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); v.Wait() })
	return v
}

func openDB(t *testing.T, dsn string) *projections.DB {
	t.Helper()
	db, err := projections.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// output publishes lines of a job as one frame.
func output(t *testing.T, b *eventtest.Broker, job events.JobID, lines int) {
	t.Helper()
	records := make([]events.Record, lines)
	for i := range records {
		records[i] = events.Record{Time: time.Unix(int64(i), 0).UTC(), Level: events.Target, Message: fmt.Appendf(nil, `"line %d"`, i)}
	}
	f, err := events.NewFrame(job, 1, 0, records)
	if err != nil {
		t.Fatal(err)
	}
	msg := &nats.Msg{Subject: events.OutputSubject(job), Header: nats.Header(f.Header()), Data: f.Body}
	if _, err := b.Log.JetStream().PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

func sql(t *testing.T, db *projections.DB, statement string) string {
	t.Helper()
	table, err := db.SQL(t.Context(), statement, projections.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return fmt.Sprint(table.Rows)
}

func awaitPosition(t *testing.T, db *projections.DB, name string, seq uint64) {
	t.Helper()
	await(t, fmt.Sprintf("the tables have %s up to %d", name, seq), func() bool {
		at, err := db.Position(t.Context(), name)
		return err == nil && at >= seq
	})
}

// await polls until done, within a deadline that only a hang exceeds.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal("waited in vain until", what)
		case <-tick.C:
		}
	}
}
