package projections

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

func TestProjectorFillsTheTables(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	lab := story(t, broker, 1)
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, lab)
	awaitPosition(t, db, stream.Output, 4)
	awaitPosition(t, db, stream.Results, 2)
	stop()

	want := map[string]string{
		"SELECT state, health, device, worker, lease, priority, name, metadata['branch'], complete, lines, cancel_by, error_type FROM jobs WHERE job = 1": "Finished Canceled qemu-01 w1 7 50 smoke next true 5 bob Canceled",
		"SELECT state, health, rejected, error FROM jobs WHERE job = 2":                                                                                   "Finished Incomplete true line 3, column 5: no such key",
		"SELECT groupArray(state) FROM (SELECT state FROM job_transitions WHERE job = 1 AND state != '' ORDER BY seq)":                                    "[Submitted Scheduled Running Finished]",
		"SELECT device_type, worker, state, job, health, tags, removed FROM devices":                                                                      "qemu w1 Idle 0 Bad [kvm] false",
		"SELECT groupArray(event) FROM (SELECT event FROM device_transitions ORDER BY seq)":                                                               "[device.added device.tagged device.tagged device.untagged device.configured device.reserved job.started device.released device.health-changed]",
		"SELECT worker, state, health, version, job_limit, removed FROM workers":                                                                          "w1 Online Maintenance v1.0 3 false",
		"SELECT suite, cases, passes, failures, skips, unknowns FROM test_suites ORDER BY first_seq, suite":                                               "0_smoke 3 1 1 0 1, lava 1 1 0 0 0",
		"SELECT suite, set, cases FROM test_sets":                                                                                                         "0_smoke net 1",
		"SELECT name, result, measurement, units, line, start_line, metadata['level'] FROM test_cases WHERE suite = 'lava'":                               "login-action pass 2.5 seconds 4 <nil> 1.2",
		"SELECT suite, name, value FROM measurements":                                                                                                     "lava login-action 2.5",
		"SELECT line, level, message, structured FROM log_lines WHERE job = 1 ORDER BY line":                                                              "0 target line 0 false, 1 target line 1 false, 2 target line 2 false, 3 target quote \"3\" false, 4 results {\"case\":\"x\"} true",
		"SELECT count(), countIf(body = '') FROM events":                                                                                                  fmt.Sprintf("%d 0", lab+2),
		"SELECT type, kind, entity, actor FROM events WHERE type = 'job.scheduled'":                                                                       "job.scheduled job 1 ",
	}
	for question, answer := range want {
		if got := text(t, db, question); got != answer {
			t.Errorf("%s\n got %s\nwant %s", question, got, answer)
		}
	}
}

// A projector that ends at any step of a batch, or in the middle of one, leaves tables that its
// successor completes: nothing is missing and nothing is there twice.
func TestProjectorIsExactlyOnceOverCrashes(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	whole := openTest(t)
	lab := uint64(0)
	for round := range 12 {
		lab = story(t, broker, events.JobID(round*10+1))
		ctx, crash := context.WithCancel(t.Context())
		var steps atomic.Int32
		p := NewProjector(Settings{DB: db, Log: broker.Log, Age: time.Millisecond, After: func(string) {
			if int(steps.Add(1)) == round+1 {
				crash()
			}
		}})
		if err := p.Run(ctx); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		crash()
	}
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, lab)
	awaitPosition(t, db, stream.Results, 24)
	awaitPosition(t, db, stream.Output, 48)
	stop()
	p := NewProjector(Settings{DB: whole, Log: broker.Log})
	if err := p.fill(t.Context(), whole, nil); err != nil {
		t.Fatal(err)
	}
	sameTables(t, db, whole)
}

// Half of a batch arrived: the same range goes again, to every table, under the same name.
func TestProjectorCompletesHalfABatch(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	lab := story(t, broker, 1)
	claim, err := claimTables(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range projected() {
		last, err := broker.Log.Last(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		r := &builder{db: db, models: models(), jobs: map[events.JobID]*coverage{}, stored: func() uint64 { return 0 }}
		b := newBatch(name)
		if err := broker.Log.ReadMessages(t.Context(), name, 1, last, func(m stream.Message) error { return r.add(t.Context(), b, m) }); err != nil {
			t.Fatal(err)
		}
		ledger, _, err := claim.ledger(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := ledger.note(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := db.insert(t.Context(), models()[:3], b); err != nil { // of OUTPUT everything
			t.Fatal(err)
		}
	}
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, lab)
	awaitPosition(t, db, stream.Results, 2)
	awaitPosition(t, db, stream.Output, 4)
	stop()
	whole := openTest(t)
	if err := NewProjector(Settings{DB: whole, Log: broker.Log}).fill(t.Context(), whole, nil); err != nil {
		t.Fatal(err)
	}
	sameTables(t, db, whole)
}

func TestProjectorIsSuperseded(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	first := NewProjector(Settings{DB: db, Log: broker.Log, Age: time.Millisecond})
	ended := make(chan error, 1)
	go func() { ended <- first.Run(t.Context()) }()
	lab := story(t, broker, 1)
	awaitPosition(t, db, stream.Lab, lab)
	_, stop := project(t, broker, db)
	defer stop()
	// Claims are made at different moments; the first one stops at its next batch after them.
	for job := events.JobID(2); ; job++ {
		lab = story(t, broker, job*10+1)
		awaitPosition(t, db, stream.Lab, lab)
		select {
		case err := <-ended:
			if !errors.Is(err, ErrSuperseded) {
				t.Errorf("the first projector ended with %v; want ErrSuperseded", err)
			}
			if got, want := text(t, db, "SELECT count() FROM events WHERE stream = 'LAB'"), fmt.Sprint(lab); got != want {
				t.Errorf("%s events; want %s", got, want)
			}
			return
		default:
		}
	}
}

// Two projectors that start at the same moment do not take the tables from each other: one of them goes on.
func TestProjectorsStartTogether(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	for round := range 10 {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		for range 2 {
			p := NewProjector(Settings{DB: db, Log: broker.Log, Age: time.Millisecond})
			go func() { ended <- p.Run(ctx) }()
		}
		lab := story(t, broker, events.JobID(round*10+1))
		awaitPosition(t, db, stream.Lab, lab)
		awaitPosition(t, db, stream.Results, uint64(2*round+2))
		awaitPosition(t, db, stream.Output, uint64(4*round+4))
		stop()
		for range 2 {
			if err := <-ended; err != nil && !errors.Is(err, ErrSuperseded) {
				t.Errorf("round %d: %v", round, err)
			}
		}
	}
}

func TestRebuildEqualsOriginal(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	p, stop := project(t, broker, db)
	defer stop()
	lab := uint64(0)
	for i := range 5 {
		lab = story(t, broker, events.JobID(i*10+1))
		awaitPosition(t, db, stream.Lab, lab) // a batch each, unlike in the rebuild
	}
	awaitPosition(t, db, stream.Results, 10)
	awaitPosition(t, db, stream.Output, 20)
	before := contents(t, db)
	if err := p.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := contents(t, db); !reflect.DeepEqual(before, after) {
		differ(t, before, after)
	}
	// The projector goes on with the new tables.
	lab = story(t, broker, 91)
	awaitPosition(t, db, stream.Lab, lab)
	if got := text(t, db, "SELECT count() FROM jobs WHERE state = 'Finished' AND NOT rejected"); got != "6" {
		t.Errorf("after the rebuild %s jobs are finished; want 6", got)
	}
}

// Tables that another release made are rebuilt when the projector starts, with all that they had.
func TestOutdatedTablesAreRebuilt(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	lab := story(t, broker, 1)
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, lab)
	stop()
	for _, statement := range []string{"ALTER TABLE measurements DROP COLUMN units",
		"INSERT INTO migrations (name, sha256, at) VALUES ('0055_measurements', 'other', now64(6) + 1)"} {
		if err := db.exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Migrate(t.Context()); !errors.Is(err, ErrOutdated) {
		t.Fatalf("Migrate of outdated tables: %v; want ErrOutdated", err)
	}
	_, stop = project(t, broker, db)
	defer stop()
	lab = story(t, broker, 11)
	awaitPosition(t, db, stream.Lab, lab)
	awaitPosition(t, db, stream.Results, 4)
	if got := text(t, db, "SELECT count(), min(units), max(units) FROM measurements"); got != "2 seconds seconds" {
		t.Errorf("measurements after the rebuild: %s; want two, with units", got)
	}
}

// Two processes of a new release start on tables of the old one: the later one rebuilds, and the
// other, in the middle of a batch, gives way without a row in the new tables.
func TestOneOfTwoRebuilds(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	lab := story(t, broker, 1)
	if err := db.exec(t.Context(), "INSERT INTO migrations (name, sha256, at) VALUES ('0055_measurements', 'other', now64(6) + 1)"); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	noted, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	first := NewProjector(Settings{DB: db, Log: broker.Log, After: func(step string) {
		if step == "noted" {
			once.Do(func() { close(noted) })
			<-release
		}
	}})
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	go func() { ended <- first.Run(ctx) }()
	select {
	case <-noted:
	case <-ctx.Done():
		t.Fatal("the first projector did not begin")
	}
	_, stop := project(t, broker, db)
	defer stop()
	awaitPosition(t, db, stream.Lab, lab)
	close(release)
	if err := <-ended; !errors.Is(err, ErrSuperseded) {
		t.Errorf("the first projector: %v; want ErrSuperseded", err)
	}
	if got, want := text(t, db, "SELECT count(), uniqExact(seq) FROM events WHERE stream = 'LAB'"), fmt.Sprint(lab, " ", lab); got != want {
		t.Errorf("events, different events: %s; want %s", got, want)
	}
}

// A process that died in the middle of the swap left no tables under their name.
func TestMigrateFinishesASwap(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	lab := story(t, broker, 1)
	next, err := db.in(nextName(db.database))
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	server, err := db.in("default")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	t.Cleanup(func() {
		server, _ := db.in("default")
		_ = server.exec(context.WithoutCancel(t.Context()), "DROP DATABASE IF EXISTS "+quoteName(oldName(db.database))+" SYNC")
		server.Close()
	})
	if err := next.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := NewProjector(Settings{DB: next, Log: broker.Log}).fill(t.Context(), next, nil); err != nil {
		t.Fatal(err)
	}
	if err := server.exec(t.Context(), "RENAME DATABASE "+quoteName(db.database)+" TO "+quoteName(oldName(db.database))); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Position(t.Context(), stream.Lab); !errors.Is(err, ErrAway) {
		t.Errorf("in the middle of the swap: %v; want ErrAway", err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at, err := db.Position(t.Context(), stream.Lab); err != nil || at != lab {
		t.Errorf("after the swap the tables are at %d, %v; want %d", at, err, lab)
	}
	if got := text(t, db, "SELECT count() FROM jobs"); got != "2" {
		t.Errorf("after the swap there are %s jobs; want 2", got)
	}
}

func TestTablesOfAnotherLogAreRefused(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	long := eventtest.Start(t)
	lab := story(t, long, 1)
	_, stop := project(t, long, db)
	awaitPosition(t, db, stream.Lab, lab)
	stop()
	err := NewProjector(Settings{DB: db, Log: eventtest.Start(t).Log}).Run(t.Context())
	if !errors.Is(err, ErrAhead) {
		t.Errorf("Run on an empty log: %v; want ErrAhead", err)
	}
}

// Frames may come twice, overlap, and come late: the table has each line once, as first sent.
func TestProjectorKeepsLinesOnce(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	send := func(first, count uint64) { frame(t, broker, 7, first, count, "") }
	send(0, 3)
	send(2, 4) // line 2 again
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Output, 2)
	send(9, 2) // 6, 7 and 8 are missing
	awaitPosition(t, db, stream.Output, 3)
	stop()
	if got := text(t, db, "SELECT groupArray(line) FROM (SELECT line FROM log_lines WHERE job = 7 ORDER BY line)"); got != "[0 1 2 3 4 5 9 10]" {
		t.Errorf("lines %s", got)
	}
	send(4, 7) // the spool fills the gap, and more
	_, stop = project(t, broker, db)
	defer stop()
	awaitPosition(t, db, stream.Output, 4)
	if got := text(t, db, "SELECT groupArray(line) FROM (SELECT line FROM log_lines WHERE job = 7 ORDER BY line)"); got != "[0 1 2 3 4 5 6 7 8 9 10]" {
		t.Errorf("lines %s", got)
	}
}

// What a worker sends may be wrong, and must not keep all that comes behind it out of the tables.
func TestProjectorSurvivesStrangeOutput(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	lines := []string{
		`{"dt":"9999-12-31T23:59:59Z","lvl":"target","msg":"far"}`,
		`{"dt":"0000-01-01T00:00:00Z","lvl":"target","msg":"long ago"}`,
		`{"dt":"2400-01-01T00:00:00Z","lvl":"weather","ns":"` + strings.Repeat("n", 30_000) + `","msg":null}`,
		"{\"dt\":\"2026-11-22T12:00:00Z\",\"lvl\":\"target\",\"msg\":\"\xff\xfe \u0000\"}",
		`{"dt":"2026-11-22T12:00:00Z","lvl":"target","msg":7}`,
		`{"dt":"yesterday","lvl":"target","msg":"x"}`,
		`not JSON`,
	}
	frame(t, broker, 42, 0, uint64(len(lines)), strings.Join(lines, "\n")+"\n")
	frame(t, broker, 42, uint64(len(lines)), 1, `{"dt":"2026-11-22T12:00:00Z","lvl":"target","msg":"behind"}`+"\n")
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	broker.Append(t, events.JobStarted{Job: 42, Worker: "w1", At: far})
	broker.Append(t, events.ResultsRecorded{Job: 42, Lines: 1, Cases: []events.Case{
		{Suite: strings.Repeat("s", 1000), Name: strings.Repeat("c", 60_000), Result: events.Pass, At: far},
		{Suite: "0", Name: "zero", Result: "weather", Metadata: map[string]string{"": "\x00"}},
	}})
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Output, 2)
	awaitPosition(t, db, stream.Results, 1)
	awaitPosition(t, db, stream.Lab, 1)
	stop()
	for question, answer := range map[string]string{
		"SELECT count(), uniqExact(line), max(time) < '2300-01-01' FROM log_lines":       "8 8 1",
		"SELECT message, toYear(time) FROM log_lines WHERE line IN (0, 1) ORDER BY line": "far 2262, long ago 1970",
		"SELECT count(), max(time) < '2300-01-01' FROM test_cases":                       "2 1",
		"SELECT toYear(started_at) FROM jobs":                                            "2262",
	} {
		if got := text(t, db, question); got != answer {
			t.Errorf("%s\n got %s\nwant %s", question, got, answer)
		}
	}
}

// story records the life of a job, of the definition rejected after it, and of what they need, and
// returns the last sequence in LAB.
func story(t *testing.T, b *eventtest.Broker, job events.JobID) uint64 {
	t.Helper()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	seconds, line := 2.5, uint64(3)
	var facts []events.Event
	if job == 1 {
		facts = append(facts,
			events.WorkerRegistered{Worker: "w1", By: "admin"},
			events.WorkerConfigured{Worker: "w1", JobLimit: 3, By: "admin"},
			events.WorkerWentOnline{Worker: "w1", Version: "v1.0", At: at},
			events.WorkerHealthSet{Worker: "w1", Health: events.WorkerMaintenance, By: "admin"},
			events.DeviceAdded{Device: "qemu-01", DeviceType: "qemu", Worker: "w1", Health: events.Good, Tags: []events.TagName{"old"}, By: "admin"},
			events.DeviceTagged{Device: "qemu-01", Tag: "kvm", By: "admin"},
			events.DeviceTagged{Device: "qemu-01", Tag: "gone", By: "admin"},
			events.DeviceUntagged{Device: "qemu-01", Tag: "old", By: "admin"},
			events.TagRemoved{Tag: "gone", By: "admin"},
			events.DeviceConfigured{Device: "qemu-01", Dictionary: "{% extends 'qemu' %}", By: "admin"},
			events.QueryRefreshed{Query: 1, Items: []events.QueryItem{{Job: 1, Suite: "lava", Seq: 2}}, By: "admin"},
		)
	}
	facts = append(facts,
		events.JobSubmitted{Job: job, Display: job.String(), User: "alice", Name: "smoke", At: at, DeviceType: "qemu",
			Tags: []events.TagName{"kvm"}, Metadata: map[string]string{"branch": "next", "a": "b"}, JobTimeout: 600},
		events.JobPrioritySet{Job: job, Priority: 50, By: "alice"},
		events.RoundDecided{Scheduler: "s", Scheduled: 1},
		events.JobScheduled{Job: job, Device: "qemu-01", Worker: "w1", Lease: 7},
		events.DeviceReserved{Device: "qemu-01", Job: job, Lease: 7},
		events.JobStarted{Job: job, Device: "qemu-01", Worker: "w1", Lease: 7, At: at.Add(time.Second)},
		events.JobCancelRequested{Job: job, By: "bob", Reason: "enough"},
		events.JobFinished{Job: job, Device: "qemu-01", Worker: "w1", Lease: 7, Health: events.Canceled, ErrorType: events.CanceledError, At: at.Add(time.Minute)},
		events.DeviceReleased{Device: "qemu-01", Job: job, Lease: 7},
		events.DeviceHealthChanged{Device: "qemu-01", From: events.Good, To: events.Bad, Reason: "test", Job: job},
		events.JobOutputComplete{Job: job, Lease: 7, Lines: 5, Cases: 4},
		events.JobJudged{Job: job, Verdict: events.VerdictTest, Rules: 1, Changes: []events.CaseChange{{Suite: "0_smoke", Name: "b", Change: events.Regression}}},
		events.JobRejected{Job: job + 1, User: "bob", At: at, Message: "invalid definition",
			Problems: []events.Problem{{Message: "no such key", Line: 3, Column: 5}}},
	)
	if job == 1 {
		facts = append(facts, events.JobPinned{Job: 1, Pinned: true, By: "admin"}, events.JobRemoved{Job: 2, LogsOnly: true, By: "admin"},
			events.NotificationPlanned{Job: 1, Moment: events.MomentFinished, Deliveries: []events.Delivery{{N: 1, Kind: events.DeliverCallback, To: "http://ci"}}},
			events.NotificationSent{Job: 1, N: 1, Attempts: 1, Answer: "200 OK"}, events.JobFilesErased{Job: 1, Files: 1, Bytes: 3})
	}
	recorded := b.Append(t, facts...)
	b.Append(t,
		events.ResultsRecorded{Job: job, Lease: 7, Lines: 4, Cases: []events.Case{
			{Suite: "0_smoke", Name: "a", Result: events.Pass, At: at, Line: 2, StartLine: &line, EndLine: &line},
			{Suite: "0_smoke", Set: "net", Name: "b", Result: events.Fail, At: at.Add(time.Second), Line: 3},
			{Suite: "0_smoke", Name: "c", Result: "odd", At: at, Line: 3},
		}, Files: []events.File{{Suite: "0_smoke", Name: "trace.dat", Bytes: 3, At: at}}},
		events.ResultsRecorded{Job: job, Lease: 7, FirstLine: 4, Lines: 1, Cases: []events.Case{
			{Suite: "lava", Name: "login-action", Result: events.Pass, Measurement: &seconds, Units: "seconds", At: at, Line: 4,
				Metadata: map[string]string{"level": "1.2", "case": "login-action"}},
		}},
	)
	frame(t, b, job, 0, 2, "")
	frame(t, b, job, 2, 1, "")
	frame(t, b, job, 3, 1, `{"dt":"2026-11-22T10:00:03Z","lvl":"target","msg":"quote \"3\""}`)
	frame(t, b, job, 4, 1, `{"dt":"2026-11-22T10:00:04Z","lvl":"results","msg":{"case":"x"}}`)
	return recorded[len(recorded)-1].Seq
}

// frame publishes count lines of a job's output; body replaces the usual ones.
func frame(t testing.TB, b *eventtest.Broker, job events.JobID, first, count uint64, body string) {
	t.Helper()
	if body == "" {
		for i := range count {
			body += fmt.Sprintf(`{"dt":"2026-11-22T10:00:0%dZ","lvl":"target","msg":"line %d"}`+"\n", (first+i)%10, first+i)
		}
	}
	f := events.Frame{Job: job, Lease: 7, First: first, Count: count, Body: []byte(body)}
	header := nats.Header(f.Header())
	header.Del(events.HeaderMsgID) // the broker would drop doubles itself
	if _, err := b.Log.JetStream().PublishMsg(t.Context(), &nats.Msg{Subject: events.OutputSubject(job), Header: header, Data: f.Body}); err != nil {
		t.Fatal(err)
	}
}

// project runs a projector; stop ends it and waits.
func project(t testing.TB, b *eventtest.Broker, db *DB) (p *Projector, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p = NewProjector(Settings{DB: db, Log: b.Log, Age: time.Millisecond})
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	var once atomic.Bool
	stop = func() {
		cancel()
		if once.CompareAndSwap(false, true) {
			if err := <-ended; err != nil {
				t.Errorf("projector: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	return p, stop
}

// awaitPosition waits until the tables have a stream up to seq.
func awaitPosition(t testing.TB, db *DB, name string, seq uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		at, err := db.Position(ctx, name)
		if err == nil && at >= seq {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("tables are at %d of %s (%v); waited for %d", at, name, err, seq)
		case <-tick.C:
		}
	}
}

// text returns the rows of a question as text: values parted by spaces, rows by commas.
func text(t testing.TB, db *DB, question string) string {
	t.Helper()
	var lines []string
	err := db.ask(t.Context(), question, func(rows driver.Rows) error {
		kinds := rows.ColumnTypes()
		values := make([]any, len(kinds))
		for i, k := range kinds {
			values[i] = reflect.New(k.ScanType()).Interface()
		}
		if err := rows.Scan(values...); err != nil {
			return err
		}
		parts := make([]string, len(values))
		for i, v := range values {
			value := reflect.ValueOf(v).Elem()
			if value.Kind() == reflect.Pointer && !value.IsNil() {
				value = value.Elem()
			}
			parts[i] = fmt.Sprint(value.Interface())
		}
		lines = append(lines, strings.Join(parts, " "))
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return strings.Join(lines, ", ")
}

// contents returns every table and view with rows, row for row, merged as readers see them.
func contents(t testing.TB, db *DB) map[string][]string {
	t.Helper()
	type table struct {
		Name   string `ch:"name"`
		Engine string `ch:"engine"`
	}
	// What aged out of a database is told by that database alone, not by the log.
	tables, err := all[table](t.Context(), db, `SELECT name, engine FROM system.tables WHERE database = {database:String}
		AND name NOT LIKE 'projector%' AND name NOT IN ('migrations', 'aged', 'aged_refreshes')`,
		clickhouse.Named("database", db.database))
	if err != nil {
		t.Fatal(err)
	}
	if len(tables) < 15 {
		t.Fatalf("database %s has %d tables only", db.database, len(tables))
	}
	rows := map[string][]string{}
	for _, table := range tables {
		final := ""
		if strings.HasPrefix(table.Engine, "Aggregating") || strings.HasPrefix(table.Engine, "Replacing") {
			final = " FINAL"
		}
		rows[table.Name] = strings.Split(text(t, db, "SELECT toString(tuple(*)) FROM "+table.Name+final+" ORDER BY ALL"), "), (")
		slices.Sort(rows[table.Name])
		if len(rows[table.Name]) == 0 || rows[table.Name][0] == "" {
			t.Errorf("table %s is empty: it compares to anything", table.Name)
		}
	}
	return rows
}

func sameTables(t testing.TB, a, b *DB) {
	t.Helper()
	if x, y := contents(t, a), contents(t, b); !reflect.DeepEqual(x, y) {
		differ(t, x, y)
	}
}

func differ(t testing.TB, x, y map[string][]string) {
	t.Helper()
	for name := range x {
		if !slices.Equal(x[name], y[name]) {
			t.Errorf("table %s differs: %d and %d rows\n%.2000q\n%.2000q", name, len(x[name]), len(y[name]), x[name], y[name])
		}
	}
}
