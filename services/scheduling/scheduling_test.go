package scheduling

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/lab"
	"strata/events/stream"
)

// TestTwoSchedulers runs two schedulers on one broker, each on a connection of its own, until they
// have often been in each other's way; then the log must show that nothing was given twice.
func TestTwoSchedulers(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, flat(worker("w1", 3), worker("w2", 0))...)
	for i := range 8 {
		b.Append(t, device(events.DeviceName(fmt.Sprint("q", i)), "qemu", []events.WorkerName{"w1", "w2"}[i%2])...)
	}
	metrics := [2]*Metrics{new(Metrics), new(Metrics)}
	for i, m := range metrics {
		start(t, b.Open(t, b.Connect(t)), fmt.Sprint("scheduler-", i), m)
	}
	p := newPlayer(t, b)
	const wanted = 10
	var jobs events.JobID
	deadline := time.Now().Add(2 * time.Minute)
	for metrics[0].Conflicts.Load()+metrics[1].Conflicts.Load() < wanted {
		if time.Now().After(deadline) {
			t.Fatalf("%d conflicts after %d jobs, want %d", metrics[0].Conflicts.Load()+metrics[1].Conflicts.Load(), jobs, wanted)
		}
		for range 12 {
			jobs++
			b.Append(t, job(jobs))
		}
		p.awaitFinished(t, jobs)
	}
	checkHistory(t, eventtest.Facts(t, b.Log, stream.Lab), jobs)
	t.Logf("%d jobs, conflicts %d and %d, batches %d and %d", jobs, metrics[0].Conflicts.Load(),
		metrics[1].Conflicts.Load(), metrics[0].Batches.Load(), metrics[1].Batches.Load())
}

// TestConflict has the fact that wins recorded between the fold and the batch of a scheduler.
func TestConflict(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	sc := newScheduler(b, "late")
	read := func() { readAll(t, b, sc) }
	b.Append(t, flat(worker("w1", 0), device("q1", "qemu", "w1"), device("q2", "qemu", "w1"))...)
	b.Append(t, job(1), job(2))
	read()
	rival := newScheduler(b, "first")
	readAll(t, b, rival)
	for _, s := range []*scheduler{rival, sc} {
		if _, err := s.act(t.Context(), noon); err != nil {
			t.Fatalf("act: %v", err)
		}
	}
	if got := sc.Metrics.Conflicts.Load(); got != 1 {
		t.Fatalf("%d conflicts, want 1", got)
	}
	if got := sc.Metrics.Scheduled.Load(); got != 0 {
		t.Errorf("%d jobs scheduled by the one who was late, want none", got)
	}
	read()
	b.Append(t, events.DeviceAdded{Device: "q3", DeviceType: "qemu", Worker: "w1", Health: events.Good},
		events.DeviceConfigured{Device: "q3", Dictionary: "x"}, job(3))
	read()
	if _, err := sc.act(t.Context(), noon); err != nil {
		t.Fatalf("act: %v", err)
	}
	if got := sc.Metrics.Scheduled.Load(); got != 1 {
		t.Errorf("%d jobs scheduled after reading on, want 1", got)
	}
	checkHistory(t, eventtest.Facts(t, b.Log, stream.Lab), 0)
}

// A device that a person takes away between fold and batch is not given.
func TestConflictWithAPerson(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	sc := newScheduler(b, "s")
	b.Append(t, flat(worker("w1", 0), device("q1", "qemu", "w1"))...)
	b.Append(t, job(1))
	readAll(t, b, sc)
	b.Append(t, health("q1", events.Maintenance))
	for range 2 {
		if _, err := sc.act(t.Context(), noon); err != nil {
			t.Fatalf("act: %v", err)
		}
		readAll(t, b, sc)
	}
	if j := sc.s.lab.Job(1); j.State != lab.Submitted || sc.Metrics.Conflicts.Load() != 1 {
		t.Errorf("job is %s after %d conflicts, want Submitted after 1", j.State, sc.Metrics.Conflicts.Load())
	}
}

// An entity whose facts were archived and purged expects 0, after one conflict.
func TestAgedOut(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	sc := newScheduler(b, "s")
	b.Append(t, flat(worker("w1", 0), device("q1", "qemu", "w1"))...)
	b.Append(t, job(1))
	readAll(t, b, sc)
	s, err := b.Log.JetStream().Stream(t.Context(), stream.Lab)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := sc.act(t.Context(), noon); err != nil {
			t.Fatalf("act: %v", err)
		}
	}
	if got := sc.Metrics.Scheduled.Load(); got != 1 || sc.Metrics.Conflicts.Load() != 1 {
		t.Errorf("%d scheduled after %d conflicts, want 1 after 1", got, sc.Metrics.Conflicts.Load())
	}
}

// TestRestart stops a scheduler, lets things happen, and starts it from its checkpoint.
func TestRestart(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, flat(worker("w1", 0), device("q1", "qemu", "w1"))...)
	first := new(Metrics)
	stop := start(t, b.Log, "one", first)
	p := newPlayer(t, b)
	longAgo := func(e *events.JobSubmitted) { e.At = time.Unix(0, 0) }
	b.Append(t, job(1), job(2, tags("ssd")), job(3, waitAtMost(3600), longAgo))
	p.awaitFinished(t, 3, 2)
	stop()
	f, seq, data, err := b.Log.LoadCheckpoint(t.Context(), "scheduling")
	if err != nil || f != format || seq == 0 {
		t.Fatalf("checkpoint %q at %d (%v), want %q", f, seq, err, format)
	}
	restored := newScheduler(b, "two")
	if err := restored.load(f, data); err != nil {
		t.Fatal(err)
	}
	if got := len(restored.s.queued); got != 1 {
		t.Errorf("%d jobs queued in the checkpoint, want 1", got)
	}
	b.Append(t, events.DeviceTagged{Device: "q1", Tag: "ssd"}, job(4))
	second := new(Metrics)
	stop = start(t, b.Log, "two", second)
	p.awaitFinished(t, 4)
	stop() // it counts a moment after the log has the fact
	if got := second.Scheduled.Load(); got != 2 {
		t.Errorf("%d jobs scheduled after the restart, want 2", got)
	}
	if s, w := first.Scheduled.Load(), first.Withdrawn.Load(); s != 1 || w != 1 {
		t.Errorf("%d jobs scheduled and %d withdrawn before the restart, want 1 and 1", s, w)
	}
	checkHistory(t, eventtest.Facts(t, b.Log, stream.Lab), 0)
}

// TestCheckpointFormats loads what this release writes and what the one before did.
func TestCheckpointFormats(t *testing.T) {
	sc := &scheduler{s: newState(lab.New(), "s")}
	e := job(7)
	sc.s.evolve(stream.Recorded{Seq: 1, Trace: "00-a-b-01", Event: e})
	now, err := sc.save()
	if err != nil {
		t.Fatal(err)
	}
	v1 := `{"lab_format":"lab.v1","lab":{"through":1,"jobs":[{"id":7,"seq":1,"state":"Submitted"}]},"traces":{"7":"00-a-b-01"}}`
	for f, data := range map[string]string{format: string(now), formatV1: v1} {
		sc := &scheduler{}
		if err := sc.load(f, []byte(data)); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if e := sc.s.queued[7]; e == nil || e.trace != "00-a-b-01" || sc.s.lab.Through() != 1 {
			t.Errorf("%s: job 7 queued as %+v through %d, want it with its trace through 1", f, e, sc.s.lab.Through())
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	sc := &scheduler{s: newState(lab.New(), "s")}
	before := sc.s
	for _, c := range [][2]string{{"scheduling.v0", "{}"}, {format, "{"}, {formatV1, "{"},
		{formatV1, `{"lab_format":"lab.v0","lab":{}}`}, {format, "\x2a" + `{"lab_format":"lab.v0","own":{"traces":{}}}`}} {
		if err := sc.load(c[0], []byte(c[1])); err == nil || !strings.Contains(err.Error(), "checkpoint of scheduling") {
			t.Errorf("load %q %q: %v, want an error", c[0], c[1], err)
		}
	}
	if sc.s != before {
		t.Error("a checkpoint that was refused changed the state")
	}
}

// player plays dispatch and health: what is scheduled starts, ends and is released at once.
type player struct {
	finished chan events.JobID
	done     map[events.JobID]bool
}

func newPlayer(t *testing.T, b *eventtest.Broker) *player {
	p := &player{finished: make(chan events.JobID, 10_000), done: map[events.JobID]bool{}}
	log := b.Open(t, b.Connect(t))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := log.Follow(ctx, stream.Lab, 1, func(r stream.Recorded) error {
			switch e := r.Event.(type) {
			case events.JobScheduled:
				for _, f := range []events.Event{
					events.JobStarted{Job: e.Job, Device: e.Device, Worker: e.Worker, Lease: e.Lease, At: noon},
					events.JobFinished{Job: e.Job, Device: e.Device, Worker: e.Worker, Lease: e.Lease, Health: events.Complete, At: noon},
					events.JobOutputComplete{Job: e.Job, Lease: e.Lease},
					events.DeviceReleased{Device: e.Device, Job: e.Job, Lease: e.Lease},
				} {
					if _, err := log.Append(ctx, []stream.Draft{{Event: f}}, nil); err != nil {
						return err
					}
				}
				p.finished <- e.Job
			case events.JobWithdrawn:
				p.finished <- e.Job
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			t.Errorf("play dispatch: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return p
}

// awaitFinished waits until jobs 1 to last are over, but for some.
func (p *player) awaitFinished(t *testing.T, last events.JobID, but ...events.JobID) {
	t.Helper()
	deadline := time.After(eventtest.Patience)
	for len(p.done)+len(but) < int(last) {
		select {
		case id := <-p.finished:
			p.done[id] = true
		case <-deadline:
			t.Fatalf("%d of %d jobs over after %v", len(p.done), last, eventtest.Patience)
		}
	}
}

// checkHistory holds a log to what schedulers promise; the first jobs numbers are all scheduled.
func checkHistory(t *testing.T, facts []stream.Recorded, jobs events.JobID) {
	t.Helper()
	scheduled, holder, lease := map[events.JobID]bool{}, map[events.DeviceName]events.JobID{}, map[events.DeviceName]events.Lease{}
	held := map[events.WorkerName]int{}
	for i, r := range facts {
		switch e := r.Event.(type) {
		case events.JobScheduled:
			if scheduled[e.Job] {
				t.Errorf("job %d scheduled twice", e.Job)
			}
			scheduled[e.Job] = true
			if next, ok := facts[i+1].Event.(events.DeviceReserved); !ok || next.Job != e.Job || next.Lease != e.Lease {
				t.Errorf("job %d scheduled, then %+v, want its device reserved", e.Job, facts[i+1].Event)
			}
			if held[e.Worker]++; e.Worker == "w1" && held[e.Worker] > 3 {
				t.Errorf("w1 holds %d devices at %d, its limit is 3", held[e.Worker], r.Seq)
			}
		case events.DeviceReserved:
			if holder[e.Device] != 0 {
				t.Errorf("%s given to job %d while job %d holds it", e.Device, e.Job, holder[e.Device])
			}
			if e.Lease <= lease[e.Device] || uint64(e.Lease) >= r.Seq {
				t.Errorf("%s has lease %d at %d, after %d", e.Device, e.Lease, r.Seq, lease[e.Device])
			}
			holder[e.Device], lease[e.Device] = e.Job, e.Lease
		case events.DeviceReleased:
			held[map[bool]events.WorkerName{true: "w1", false: "w2"}[strings.ContainsAny(string(e.Device), "0246")]]--
			holder[e.Device] = 0
		}
	}
	for id := events.JobID(1); id <= jobs; id++ {
		if !scheduled[id] {
			t.Errorf("job %d never scheduled", id)
		}
	}
}

// start runs a scheduler until the test ends or the returned function is called.
func start(t *testing.T, log *stream.Log, name string, m *Metrics) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Deps{Log: log.As(events.SchedulingService), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Instance: name, Metrics: m})
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func newScheduler(b *eventtest.Broker, name string) *scheduler {
	return &scheduler{s: newState(lab.New(), name), Deps: Deps{Log: b.Log.As(events.SchedulingService), Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Instance: name, Metrics: new(Metrics)}}
}

// readAll folds what a scheduler that is not running has not read yet.
func readAll(t *testing.T, b *eventtest.Broker, sc *scheduler) {
	t.Helper()
	err := b.Log.ReadAll(t.Context(), stream.Lab, sc.s.lab.Through()+1, func(r stream.Recorded) error {
		sc.s.evolve(r)
		return nil
	})
	if err != nil {
		t.Fatalf("read the log: %v", err)
	}
}

func flat(lists ...[]events.Event) (all []events.Event) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
