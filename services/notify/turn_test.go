package notify

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// process runs the service on a connection of its own. cut takes the connection away; ended has what Run returned.
func (l bench) process(ctx context.Context) (cut func(), ended chan error) {
	l.t.Helper()
	conn := l.Connect(l.t)
	d := Deps{Log: l.Open(l.t, conn).As(events.NotifyService), Now: time.Now, Logger: slog.New(slog.NewTextHandler(l.t.Output(), nil)),
		Allow: []string{"127.0.0.0/8"}, Pause: time.Millisecond, Grace: eventtest.Patience}
	ended = make(chan error, 1)
	go func() { ended <- Run(ctx, d) }()
	return conn.Close, ended
}

// turns is a lab whose turns are kept so long for who says nothing.
func turns(t *testing.T, ttl time.Duration) bench {
	t.Helper()
	return bench{eventtest.StartWith(t, eventtest.Options{Settings: func(s *stream.Settings) { s.TurnTTL = ttl }}), t}
}

// wait waits for the end of a process.
func (l bench) wait(ended chan error) error {
	l.t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(eventtest.Patience):
		l.t.Fatal("a process does not end")
	}
	return nil
}

// Two processes of one lab tell of each job once, and while one of them stops the other goes on.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	l := turns(t, 20*time.Second) // nobody loses it on a machine that is slow
	r := newReceiver(t, nil)
	const jobs = 24
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop, stopped := context.WithCancel(ctx)
	defer stopped()
	_, one := l.process(stop)
	_, two := l.process(ctx)
	var ids []events.JobID
	for n := range jobs {
		id := l.submit(callback(r.URL+"/{ID}", ""))
		ids = append(ids, id)
		l.finish(id, complete())
		if n == jobs/2 {
			l.sent(ids[0], 1) // one of them is at work
			stopped()
		}
	}
	if err := l.wait(one); err != nil {
		t.Errorf("the process that was stopped: %v", err)
	}
	for _, id := range ids {
		l.sent(id, 1)
	}
	cancel()
	if err := l.wait(two); err != nil {
		t.Errorf("the process that went on: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	came := map[string]int{}
	for _, g := range r.all {
		came[g.path]++
	}
	for _, id := range ids {
		if n := came[fmt.Sprintf("/%d", id)]; n != 1 {
			t.Errorf("job %d was told of %d times, want once", id, n)
		}
	}
}

// A process that is stopped while a receiver thinks waits for the answer and records it.
func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	answer := make(chan struct{})
	r := newReceiver(t, func(int, *http.Request) int { <-answer; return 200 })
	ctx, cancel := context.WithCancel(t.Context())
	_, ended := l.process(ctx)
	id := l.submit(callback(r.URL, ""))
	l.finish(id, complete())
	r.next(t)
	cancel()
	close(answer)
	if err := l.wait(ended); err != nil {
		t.Errorf("stop: %v", err)
	}
	if e := l.sent(id, 1); e.Attempts != 1 {
		t.Errorf("recorded as %+v, want one attempt", e)
	}
	l.serve()
	next := l.submit(callback(r.URL, ""))
	l.finish(next, complete())
	l.sent(next, 1)
	if r.next(t); len(r.came) != 0 {
		t.Errorf("%d more callbacks came of two jobs, want 2 in all", len(r.came))
	}
}

// A process that is cut off from the broker in the middle of an attempt gives it up, and the next one makes it again under
// the number that it had.
func TestCutOffInTheMiddle(t *testing.T) {
	t.Parallel()
	l := turns(t, 4*time.Second)
	gone := make(chan struct{})
	r := newReceiver(t, func(n int, q *http.Request) int {
		if n == 1 {
			<-q.Context().Done()
			close(gone)
		}
		return 200
	})
	cut, ended := l.process(t.Context())
	id := l.submit(callback(r.URL, ""))
	l.finish(id, complete())
	first := r.next(t)
	cut()
	l.serve()
	second := r.next(t)
	select {
	case <-gone:
	case <-time.After(eventtest.Patience):
		t.Error("the first attempt goes on beside the second")
	}
	if a, b := first.header.Get(HeaderDelivery), second.header.Get(HeaderDelivery); a != b || a == "" {
		t.Errorf("the two attempts are called %q and %q, want one name", a, b)
	}
	l.sent(id, 1)
	if err := l.wait(ended); err == nil {
		t.Error("the process without a broker has ended as if it had been stopped")
	}
}

// What became of a delivery is the last fact about it.
func TestSettled(t *testing.T) {
	list := func(facts ...events.Event) (out []stream.Recorded) {
		for _, e := range facts {
			out = append(out, stream.Recorded{Event: e})
		}
		return out
	}
	plan := events.NotificationPlanned{Deliveries: []events.Delivery{{N: 1}, {N: 2}}}
	sent, failed, again := events.NotificationSent{N: 2}, events.NotificationFailed{N: 2}, events.NotificationReplayed{Deliveries: []int{1, 2}}
	for _, tt := range []struct {
		told []stream.Recorded
		want bool
	}{
		{nil, false}, {list(plan), false}, {list(plan, sent), true}, {list(plan, failed), true}, {list(plan, events.NotificationSent{N: 1}), false},
		{list(plan, failed, again), false}, {list(plan, sent, again, failed), true},
		{list(plan, sent, events.NotificationReplayed{Deliveries: []int{1}}), true},
	} {
		if got := settled(tt.told, 2); got != tt.want {
			t.Errorf("after %d facts, the last of them %T: settled %v, want %v", len(tt.told), tt.told, got, tt.want)
		}
	}
}
