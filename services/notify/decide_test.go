package notify

import (
	"reflect"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/job"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// told is the story of facts that were recorded a second apart, the last one at noon.
func told(facts ...events.Event) story {
	recorded := make([]stream.Recorded, len(facts))
	for i, e := range facts {
		recorded[i] = stream.Recorded{Seq: uint64(i + 1), Time: noon.Add(time.Duration(i-len(facts)+1) * time.Second), Event: e}
	}
	return tell(recorded)
}

func ran(end ...events.Event) []events.Event {
	return append([]events.Event{events.JobSubmitted{Job: 7, User: "alice", Name: "smoke", Retries: 1}, events.JobScheduled{Job: 7, Device: "q", Worker: "w", Lease: 3},
		events.JobStarted{Job: 7, Lease: 3}}, end...)
}

func ended(h events.JobHealth, t events.ErrorType) events.Event {
	return events.JobFinished{Job: 7, Lease: 3, Health: h, ErrorType: t}
}

// Who is told of what, and when.
func TestDecide(t *testing.T) {
	read := events.JobOutputComplete{Job: 7, Lease: 3}
	good := told(ran(ended(events.Complete, ""), read)...)
	bad := told(ran(ended(events.Incomplete, events.JobError), read)...)
	judged := func(v events.Verdict, n events.ChangeCounts) story {
		return told(ran(ended(events.Incomplete, events.JobError), read, events.JobJudged{Job: 7, Verdict: v, Counts: n})...)
	}
	withdrawn := told(events.JobSubmitted{Job: 7}, events.JobWithdrawn{Job: 7, Reason: "canceled by alice"})
	lost := told(ran(events.JobFinished{Job: 7, Lease: 3, Health: events.Incomplete, ErrorType: events.TestError, Lost: true})...)
	owes := told(ran(ended(events.Incomplete, events.InfrastructureError), read)...)
	running := told(ran()...)
	wasGood, wasBad := outcome{Job: 3, Health: events.Complete}, outcome{Job: 3, Health: events.Incomplete}
	yes := verdict{plan: true}
	tests := []struct {
		name   string
		kind   events.Moment
		n      *job.Notify
		before outcome
		first  story
		want   verdict
	}{
		{"nobody asks", "finished", nil, outcome{}, good, verdict{}},
		{"finished", "finished", &job.Notify{Status: "finished"}, outcome{}, good, yes},
		{"all, at the end", "finished", &job.Notify{Status: "all"}, outcome{}, bad, yes},
		{"all, at the start", "running", &job.Notify{Status: "all"}, outcome{}, running, yes},
		{"running, at the start", "running", &job.Notify{Status: "running"}, outcome{}, running, yes},
		{"running, at the end", "finished", &job.Notify{Status: "running"}, outcome{}, good, verdict{}},
		{"finished, at the start", "running", &job.Notify{Status: "finished"}, outcome{}, running, verdict{}},
		{"complete, and it is", "finished", &job.Notify{Status: "complete"}, outcome{}, good, yes},
		{"complete, and it is not", "finished", &job.Notify{Status: "complete"}, outcome{}, bad, verdict{}},
		{"incomplete, and it is", "finished", &job.Notify{Status: "incomplete"}, outcome{}, bad, yes},
		{"canceled, in the queue", "finished", &job.Notify{Status: "canceled"}, outcome{}, withdrawn, yes},
		{"output is still read", "finished", &job.Notify{Status: "finished"}, outcome{}, told(ran(ended(events.Complete, ""))...), verdict{wait: noon.Add(Patience)}},
		{"the worker is gone", "finished", &job.Notify{Status: "finished"}, outcome{}, lost, verdict{wait: noon.Add(PatienceLost)}},
		{"the end is not read yet", "finished", &job.Notify{Status: "finished"}, outcome{}, running, verdict{wait: noon.Add(again)}},
		{"it will be tried again", "finished", &job.Notify{Status: "finished"}, outcome{}, owes, verdict{wait: held}},
		{"a later attempt", "finished", &job.Notify{Status: "finished"}, outcome{}, told(events.JobSubmitted{Job: 7, Attempt: &events.Attempt{Of: 3, N: 2}}, events.JobWithdrawn{Job: 7}), verdict{}},
		{"a query is to be asked", "finished", &job.Notify{Status: "complete", Dependency: "x__y"}, outcome{}, good, verdict{plan: true, ask: true}},
		{"a query of all asks nothing", "finished", &job.Notify{Status: "all", Dependency: "x__y"}, outcome{}, good, yes},
		{"regression waits for judgement", "finished", &job.Notify{Status: "incomplete", Type: "regression"}, wasGood, bad, verdict{wait: noon.Add(Patience - time.Second)}},
		{"regression", "finished", &job.Notify{Status: "incomplete", Type: "regression"}, wasGood, judged(events.VerdictTest, events.ChangeCounts{}), yes},
		{"it failed before too", "finished", &job.Notify{Status: "incomplete", Type: "regression"}, wasBad, judged(events.VerdictTest, events.ChangeCounts{}), verdict{}},
		{"the first of its kind", "finished", &job.Notify{Status: "incomplete", Type: "regression"}, outcome{}, judged(events.VerdictTest, events.ChangeCounts{}), verdict{}},
		{"the lab's fault", "finished", &job.Notify{Status: "incomplete", Type: "regression"}, wasGood, judged(events.VerdictInfra, events.ChangeCounts{}), verdict{}},
		{"a case regressed", "finished", &job.Notify{Status: "incomplete", Type: "regression"}, wasBad, judged(events.VerdictTest, events.ChangeCounts{Regressions: 1}), yes},
		{"progression", "finished", &job.Notify{Status: "complete", Type: "progression"}, wasBad,
			told(ran(ended(events.Complete, ""), read, events.JobJudged{Job: 7, Verdict: events.VerdictPass})...), yes},
		{"no progression", "finished", &job.Notify{Status: "complete", Type: "progression"}, wasGood,
			told(ran(ended(events.Complete, ""), read, events.JobJudged{Job: 7, Verdict: events.VerdictPass})...), verdict{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := moment{Job: 7, Kind: tt.kind, Before: tt.before}
			if got := decide(m, tt.n, tt.first, tt.first, noon); got != tt.want {
				t.Errorf("decide: %+v, want %+v", got, tt.want)
			}
		})
	}
	late := decide(moment{Kind: "finished"}, &job.Notify{Status: "finished"}, lost, lost, noon.Add(PatienceLost))
	if !late.plan {
		t.Errorf("a minute after the worker was given up: %+v, want it told", late)
	}
}

// Whom a definition wants told, and under what address.
func TestReceivers(t *testing.T) {
	a := addresses{domain: "example.com", irc: "irc.example.com", owner: "olga", accounts: map[events.UserName]events.UserConfigured{
		"dora": {Email: "dora@desk.org", IRCHandle: "dd", IRCServer: "irc.desk.org"}, "bob": {}}}
	tests := []struct {
		name string
		n    job.Notify
		want []events.Delivery
	}{
		{"nobody: the submitter", job.Notify{}, []events.Delivery{{N: 3, Kind: "email", Entry: -1, To: "alice@example.com"}}},
		{"callbacks, without what may be secret", job.Notify{Callbacks: []job.Callback{{URL: "https://u:p@h:81/secret?t=1#x"}, {URL: "http://{ID}.h/"}, {URL: "nonsense"}}},
			[]events.Delivery{{N: 3, Kind: "callback", To: "https://h:81"}, {N: 4, Kind: "callback", Entry: 1, To: "http://{ID}.h"}, {N: 5, Kind: "callback", Entry: 2}}},
		{"people", job.Notify{Recipients: []job.Recipient{{Method: "email", User: "bob"}, {Method: "email", User: job.DeviceOwner}, {Method: "email", Email: " x@y.z "},
			{Method: "irc", Handle: "nick", Server: "s:1"}, {Method: "irc", User: "bob"}}},
			[]events.Delivery{{N: 3, Kind: "email", To: "bob@example.com"}, {N: 4, Kind: "email", Entry: 1, To: "olga@example.com"}, {N: 5, Kind: "email", Entry: 2, To: "x@y.z"},
				{N: 6, Kind: "irc", Entry: 3, To: "nick@s:1"}, {N: 7, Kind: "irc", Entry: 4, To: "bob@irc.example.com"}}},
		{"who has said where: the address stays out of the fact", job.Notify{Recipients: []job.Recipient{{Method: "email", User: "dora", Email: "x@y.z"},
			{Method: "irc", User: "dora"}, {Method: "irc", User: "dora", Handle: "nick", Server: "s:1"}}},
			[]events.Delivery{{N: 3, Kind: "email", To: "dora"}, {N: 4, Kind: "irc", Entry: 1, To: "dd@irc.desk.org"}, {N: 5, Kind: "irc", Entry: 2, To: "nick@s:1"}}},
	}
	for _, tt := range tests {
		if got := receivers(&tt.n, "alice", a, 2); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}

// Comparable jobs are those of the same name, type and chosen metadata; one that the lab has failed tells nothing, whether
// its error says so or the judgement.
func TestBefore(t *testing.T) {
	s := newState([]string{"branch"}, time.Hour)
	seq := uint64(0)
	fold := func(e events.Event) {
		seq++
		s.evolve(stream.Recorded{Seq: seq, Time: noon, Event: e})
	}
	run := func(id events.JobID, branch string, h events.JobHealth, typ events.ErrorType) outcome {
		fold(events.JobSubmitted{Job: id, Name: "a", DeviceType: "q", Metadata: map[string]string{"branch": branch}})
		fold(events.JobScheduled{Job: id, Worker: "w", Lease: events.Lease(id)})
		fold(events.JobFinished{Job: id, Lease: events.Lease(id), Health: h, ErrorType: typ})
		return s.waiting[momentKey{id, events.MomentFinished}].Before
	}
	steps := []struct {
		id     events.JobID
		branch string
		health events.JobHealth
		typ    events.ErrorType
		want   events.JobID
	}{
		{1, "main", events.Complete, "", 0},
		{2, "next", events.Complete, "", 0},
		{3, "main", events.Incomplete, events.InfrastructureError, 1},
		{4, "main", events.Canceled, events.CanceledError, 1},
		{5, "main", events.Incomplete, events.JobError, 1},
		{6, "main", events.Complete, "", 5},
	}
	for _, st := range steps {
		if got := run(st.id, st.branch, st.health, st.typ); got.Job != st.want {
			t.Errorf("before job %d: job %d, want %d", st.id, got.Job, st.want)
		}
	}
	fold(events.JobJudged{Job: 6, Verdict: events.VerdictInfra})
	if got := run(7, "main", events.Complete, ""); got.Job != 5 || got.Health != events.Incomplete {
		t.Errorf("before job 7: %+v, want job 5: the judgement has taken job 6 back", got)
	}
	data, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	back := newState([]string{"branch"}, time.Hour)
	if err := back.decode(format, data); err != nil || !reflect.DeepEqual(back.likes, s.likes) || len(back.waiting) != len(s.waiting) {
		t.Errorf("checkpoint: %v, %d moments; want %d and what jobs are compared with", err, len(back.waiting), len(s.waiting))
	}
}

// The words of LAVA before it had states, which clients still read.
func TestLegacy(t *testing.T) {
	cancel := events.JobCancelRequested{Job: 7, By: "bob", Reason: "wrong image"}
	tests := []struct {
		facts  []events.Event
		status int
		word   string
		state  lab.JobState
		health int
		stage  string
	}{
		{[]events.Event{events.JobSubmitted{Job: 7}}, 0, "submitted", lab.Submitted, 0, ""},
		{ran(), 1, "running", lab.Running, 0, ""},
		{ran(cancel), 5, "canceling", lab.Canceling, 0, "running"},
		{ran(cancel, ended(events.Incomplete, events.JobError)), 4, "canceled", lab.Finished, 3, "running"},
		{ran(ended(events.Complete, "")), 2, "complete", lab.Finished, 1, ""},
		{ran(ended(events.Incomplete, "")), 3, "incomplete", lab.Finished, 2, ""},
		{[]events.Event{events.JobSubmitted{Job: 7}, cancel, events.JobWithdrawn{Job: 7, Reason: "canceled by bob"}}, 4, "canceled", lab.Finished, 3, "queue"},
	}
	for _, tt := range tests {
		s := told(tt.facts...)
		status, word := s.legacy()
		health, _ := s.health()
		by, reason, stage := s.canceler()
		if status != tt.status || word != tt.word || s.job.State != tt.state || health != tt.health || stage != tt.stage {
			t.Errorf("after %d facts: %d %s %s %d stage %q, want %d %s %s %d %q", len(tt.facts), status, word, s.job.State, health, stage, tt.status, tt.word, tt.state, tt.health, tt.stage)
		}
		if stage != "" && (by != "bob" || reason != "wrong image") {
			t.Errorf("canceled by %q because %q, want bob and his reason", by, reason)
		}
	}
}
