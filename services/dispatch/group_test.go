package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/yaml"
)

// TestCascade plays the ends of a group's parts: 41 is the server, 42 a client, 43 a guest of the server.
func TestCascade(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	part := func(id events.JobID, role string, essential bool) events.Event {
		m := &events.Membership{Group: "g", Parent: 41, Role: role, Size: 3, Essential: essential}
		if role == "guest" {
			m.Guest, m.HostRole = true, "server"
		}
		return events.JobSubmitted{Job: id, Display: fmt.Sprintf("41.%d", id-41), JobTimeout: 60, Part: m}
	}
	run := func(id events.JobID) []events.Event {
		device := events.DeviceName("d" + id.String())
		if id == 43 {
			device = ""
		}
		return []events.Event{events.JobScheduled{Job: id, Device: device, Worker: "w1", Lease: 5},
			events.JobStarted{Job: id, Device: device, Worker: "w1", Lease: 5, At: noon}}
	}
	end := func(id events.JobID, h events.JobHealth) events.Event {
		return events.JobFinished{Job: id, Worker: "w1", Lease: 5, Health: h, At: noon}
	}
	for _, c := range []struct {
		name      string
		essential events.JobID
		facts     []events.Event
		want      string
	}{
		{"all run", 41, nil, ""},
		{"one fails, none is essential", 0, []events.Event{end(42, events.Incomplete)}, ""},
		{"an essential one completes", 42, []events.Event{end(42, events.Complete)}, ""},
		{"an essential one fails", 42, []events.Event{end(42, events.Incomplete)},
			"41: the essential job 41.1 of its group has failed; 43: the essential job 41.1 of its group has failed"},
		{"a person cancels one", 0, []events.Event{events.JobCancelRequested{Job: 42, By: "alice"}},
			"41: canceled with job 41.1 of its group; 43: canceled with job 41.1 of its group"},
		{"cascades end at those who ended", 0, []events.Event{end(41, events.Complete), events.JobCancelRequested{Job: 42, By: "alice"}},
			"43: canceled with job 41.1 of its group"},
		{"a cascade is not one of its own", 0, []events.Event{events.JobCancelCascaded{Job: 42, From: 41, Reason: "x"}}, ""},
		{"an essential one is canceled by a cascade", 42, []events.Event{events.JobCancelCascaded{Job: 42, From: 41, Reason: "x"}},
			"41: the essential job 41.1 of its group is canceled; 43: the essential job 41.1 of its group is canceled"},
		{"the host has failed", 0, []events.Event{end(41, events.Incomplete)}, "43: the job 41.0, on whose device it runs, is over"},
		{"the host is through, a little before its guest", 0, []events.Event{end(41, events.Complete)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newState(noon)
			seq := uint64(0)
			fold := func(e events.Event) {
				seq++
				s.evolve(stream.Recorded{Seq: seq, Time: noon, Event: e})
			}
			for i, role := range []string{"server", "client", "guest"} {
				id := events.JobID(41 + i)
				fold(part(id, role, id == c.essential))
			}
			for id := events.JobID(41); id <= 43; id++ {
				for _, e := range run(id) {
					fold(e)
				}
			}
			for _, e := range c.facts {
				fold(e)
			}
			got := cascaded(s.cascade())
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			for _, e := range s.cascade() { // asked again before they are recorded: the same
				fold(e)
			}
			if again := cascaded(s.cascade()); again != "" {
				t.Errorf("once they are recorded: got %q, want none", again)
			}
		})
	}
}

// TestGuestThatNeverBegan ends a guest whose host is over before its own worker has begun it: in LAVA nobody is
// told of it any more, and it stays Scheduled, or Canceling, for ever.
func TestGuestThatNeverBegan(t *testing.T) {
	host := &lab.Job{ID: 41, Display: "41.0", State: lab.Finished, End: &lab.End{Health: events.Complete}, Part: &events.Membership{Group: "g", Role: "server"}}
	guest := &lab.Job{ID: 42, Display: "41.1", State: lab.Scheduled, Part: &events.Membership{Group: "g", Role: "guest", Guest: true, HostRole: "server"}}
	if got, want := cascaded(Cascade([]*lab.Job{host, guest})), "42: the job 41.0, on whose device it runs, is over"; got != want {
		t.Errorf("a guest that has not begun: %q, want %q", got, want)
	}
	guest.Cancel = &lab.Cancel{From: 41}
	if got := cascaded(Cascade([]*lab.Job{host, guest})); got != "" {
		t.Errorf("a guest that is to end already: %q, want nothing", got)
	}
}

func cascaded(facts []events.Event) string {
	var all []string
	for _, e := range facts {
		f := e.(events.JobCancelCascaded)
		all = append(all, f.Job.String()+": "+f.Reason)
	}
	return strings.Join(all, "; ")
}

// A guest may log in to its host's device, and not switch it or open its console.
func TestGuestConfig(t *testing.T) {
	host, err := yaml.Parse([]byte(`
hostname: q1
devicetype: qemu
constants: {kernel-start-message: Linux version, posix: {lava_test_sh_cmd: /bin/sh}}
commands: {connect: telnet a 1, hard_reset: pdu off}
timeouts: {actions: {}}
actions:
  deploy: {connections: {serial: null}, methods: {ssh: {host: null}}, parameters: {x: 1}}
  boot: {connections: {ssh: null}, methods: {ssh: null}}
`))
	if err != nil {
		t.Fatal(err)
	}
	guest := guestConfig(host)
	if got := strings.Join(guest.Keys(), " "); got != "hostname devicetype constants timeouts actions" {
		t.Errorf("its keys are %q", got)
	}
	if got := guest.Get("constants", "kernel-start-message"); !got.Is(yaml.String) || got.Text != "" {
		t.Errorf("its kernel-start-message is %s, want an empty text", got.Print())
	}
	if got := strings.Join(guest.Get("actions", "deploy").Keys(), " "); got != "connections methods" {
		t.Errorf("its deploy has %q", got)
	}
	if guest.Get("constants", "posix", "lava_test_sh_cmd").TextOr("") != "/bin/sh" || !guest.Get("actions", "boot", "methods").Has("ssh") {
		t.Errorf("it lacks what it needs: %s", guest.Print())
	}
}
