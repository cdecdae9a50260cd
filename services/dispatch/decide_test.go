package dispatch

import (
	"reflect"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/order"
)

// TestTimes: whatever a worker's clock says, a job begins after it was scheduled, ends after it began,
// and both before they are recorded.
func TestTimes(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	now := noon.Add(time.Hour)
	tests := []struct {
		name, says string
		want       time.Time
	}{
		{"right", "2026-11-22T12:30:00Z", noon.Add(30 * time.Minute)},
		{"never set", "1970-01-01T00:00:00Z", noon.Add(time.Minute)},
		{"before the start", "2026-11-22T12:00:30Z", noon.Add(time.Minute)},
		{"ahead", "2026-11-22T13:00:01Z", now},
		{"far ahead", "9999-01-01T00:00:00Z", now},
		{"no time", "yesterday", now},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := &lab.Run{ScheduledAt: noon, StartedAt: noon.Add(time.Minute)}
			if got := at(order.Report{At: tt.says}, run, now); !got.Equal(tt.want) {
				t.Errorf("at(%s) = %s, want %s", tt.says, got, tt.want)
			}
		})
	}
}

// TestDecide goes through workers that come and go, at times measured from the start of the process.
func TestDecide(t *testing.T) {
	begin := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	after := func(d time.Duration) time.Time { return begin.Add(d) }
	registered := events.WorkerRegistered{Worker: "w1"}
	online := events.WorkerWentOnline{Worker: "w1", At: begin}
	scheduled := []events.Event{events.JobSubmitted{Job: 42, JobTimeout: 60},
		events.JobScheduled{Job: 42, Device: "q1", Worker: "w1", Lease: 5}}
	lost := func(at time.Time, health events.JobHealth, away string) events.Event {
		return events.JobFinished{Job: 42, Device: "q1", Worker: "w1", Lease: 5, At: at, Health: health, Lost: true,
			ErrorType: events.InfrastructureError, Error: "worker w1 has been away for " + away + " and did not come back"}
	}
	type heard struct {
		at      time.Time
		session string // of the presence; empty: no sign
		refuses string
		holding string // session of a holding report; empty: none
		stale   bool   // it holds a lease that is over
		ahead   int    // versions of orders that it speaks beyond ours
	}
	tests := []struct {
		name  string
		given []events.Event
		heard []heard
		now   time.Time
		want  []events.Event
		wake  time.Time
	}{
		{"nobody has come yet", []events.Event{registered}, nil, after(time.Hour), nil, time.Time{}},
		{"there, but has not told its leases", []events.Event{registered}, []heard{{at: begin, session: "s1"}}, after(time.Second), nil, time.Time{}},
		{"told its leases in an earlier session", []events.Event{registered}, []heard{{at: begin, session: "s2", holding: "s1"}}, after(time.Second), nil, time.Time{}},
		{"comes", []events.Event{registered}, []heard{{at: begin, session: "s1", holding: "s1"}}, after(time.Second),
			[]events.Event{events.WorkerWentOnline{Worker: "w1", Version: "1.0", At: after(time.Second)}}, after(15 * time.Second)},
		{"has a lease that is over", []events.Event{registered}, []heard{{at: begin, session: "s1", holding: "s1", stale: true}}, after(time.Second), nil, time.Time{}},
		{"was online and has a lease that is over", []events.Event{registered, online}, []heard{{at: begin, session: "s1", holding: "s1", stale: true}}, after(time.Second),
			[]events.Event{events.WorkerWentOffline{Worker: "w1", At: after(time.Second), Reason: "ends jobs whose lease is over"}}, after(15 * time.Second)},
		{"takes nothing", []events.Event{registered, online}, []heard{{at: begin, session: "s1", holding: "s1", refuses: "disk is full"}}, after(time.Second),
			[]events.Event{events.WorkerWentOffline{Worker: "w1", At: after(time.Second), Reason: "disk is full"}}, after(15 * time.Second)},
		{"speaks a later version of orders", []events.Event{registered}, []heard{{at: begin, session: "s1", holding: "s1", ahead: 1}}, after(time.Second),
			[]events.Event{events.WorkerWentOffline{Worker: "w1", At: after(time.Second), Reason: order.Misfit(order.Version + 1)}}, after(15 * time.Second)},
		{"speaks an earlier version, and has been told", []events.Event{registered, events.WorkerWentOffline{Worker: "w1", Reason: order.Misfit(order.Oldest - 1)}},
			[]heard{{at: begin, session: "s1", holding: "s1", ahead: order.Oldest - 1 - order.Version}}, after(time.Second), nil, time.Time{}},
		{"removed with a job", append([]events.Event{registered}, append(scheduled, events.WorkerRemoved{Worker: "w1"})...), nil, after(time.Second),
			[]events.Event{events.JobFinished{Job: 42, Device: "q1", Worker: "w1", Lease: 5, At: after(time.Second), Health: events.Incomplete, Lost: true,
				ErrorType: events.InfrastructureError, Error: "worker w1 was removed from the lab"}}, time.Time{}},
		{"was online before this process began", []events.Event{registered, online}, nil, after(14 * time.Second), nil, after(15 * time.Second)},
		{"does not show itself", []events.Event{registered, online}, nil, after(15 * time.Second),
			[]events.Event{events.WorkerWentOffline{Worker: "w1", At: after(15 * time.Second), Reason: "no sign for 15s"}}, time.Time{}},
		{"away, its job waits for it", append([]events.Event{registered}, scheduled...), []heard{{at: begin, session: "s1"}}, after(time.Minute), nil, after(10 * time.Minute)},
		{"away too long", append([]events.Event{registered}, scheduled...), []heard{{at: begin, session: "s1"}}, after(10 * time.Minute),
			[]events.Event{lost(after(10*time.Minute), events.Incomplete, "10m0s")}, time.Time{}},
		{"away too long, job was to end", append([]events.Event{registered}, append(scheduled, events.JobCancelRequested{Job: 42})...), nil, after(11 * time.Minute),
			[]events.Event{lost(after(11*time.Minute), events.Canceled, "11m0s")}, time.Time{}},
		{"there for long", append([]events.Event{registered, online}, scheduled...), []heard{{at: after(time.Hour), session: "s1", holding: "s1"}}, after(time.Hour), nil, after(time.Hour + 15*time.Second)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newState(begin)
			for i, e := range tt.given {
				s.evolve(stream.Recorded{Seq: uint64(i + 1), Time: begin, Event: e})
			}
			for _, h := range tt.heard {
				s.sign("w1", order.Presence{Version: order.Version + h.ahead, Session: h.session, Refuses: h.refuses}, h.at)
				if h.holding == "" {
					continue
				}
				r := order.Report{Claim: order.Holding, Session: h.holding, Build: "1.0", Held: []order.Held{{Job: 42, Lease: 5, Runs: true}}}
				if h.stale {
					r.Held = append(r.Held, order.Held{Job: 41, Lease: 3, Runs: true})
				}
				if s.lab.Job(42) == nil {
					r.Held = r.Held[1:]
				}
				s.note("w1", r, h.at)
			}
			p := s.decide(tt.now, limits{lostAfter: 10 * time.Minute, presenceTTL: 15 * time.Second})
			var got []events.Event
			for _, d := range p.facts {
				got = append(got, d.Event)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("decide:\n got %+v\nwant %+v", got, tt.want)
			}
			if !p.wake.Equal(tt.wake) {
				t.Errorf("decide: wakes at %s, want %s", p.wake, tt.wake)
			}
		})
	}
}

// TestRefusalHeardByAnother: a dispatch that only reads of a refusal waits like the one that heard it,
// and both wait longer where it happens again.
func TestRefusalHeardByAnother(t *testing.T) {
	begin := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s, seq, now := newState(begin), uint64(0), begin
	fold := func(e events.Event) {
		seq++
		s.evolve(stream.Recorded{Seq: seq, Time: now, Event: e})
	}
	online := func(after time.Duration, sign bool) bool {
		now = now.Add(after)
		if sign {
			s.sign("w1", order.Presence{Version: order.Version, Session: "s1"}, now)
		}
		p := s.decide(now, limits{lostAfter: 10 * time.Minute, presenceTTL: time.Hour})
		for _, d := range p.facts {
			if _, ok := d.Event.(events.WorkerWentOnline); !ok {
				t.Errorf("decide: %+v, want at most that the worker came", d.Event)
			}
			fold(d.Event)
		}
		return len(p.facts) > 0
	}
	refuse := func() {
		fold(events.WorkerWentOffline{Worker: "w1", At: now, Reason: "refused an order: disk is full"})
	}
	fold(events.WorkerRegistered{Worker: "w1"})
	s.sign("w1", order.Presence{Version: order.Version, Session: "s1"}, now)
	s.note("w1", order.Report{Claim: order.Holding, Session: "s1", Build: "1.0"}, now)
	if !online(0, true) {
		t.Fatal("not online at first")
	}
	refuse()
	for i, step := range []struct {
		after  time.Duration
		sign   bool
		online bool
	}{
		{time.Second, false, false}, {time.Second, true, true}, // the first time its next sign is enough
		{9 * time.Second, true, false}, {time.Second, true, true},
		{19 * time.Second, true, false}, {time.Second, false, true},
	} {
		if got := online(step.after, step.sign); got != step.online {
			t.Errorf("step %d, %s after the last: online %v, want %v", i, now.Sub(begin), got, step.online)
		}
		if step.online {
			refuse()
		}
	}
	fold(events.JobSubmitted{Job: 42, JobTimeout: 60})
	fold(events.JobScheduled{Job: 42, Device: "q1", Worker: "w1", Lease: 5})
	fold(events.JobStarted{Job: 42, Device: "q1", Worker: "w1", Lease: 5})
	if !online(40*time.Second, true) {
		t.Error("not online after the longest pause")
	}
	refuse()
	if !online(time.Second, true) {
		t.Error("not online at its next sign, although it had started a job since")
	}
}
