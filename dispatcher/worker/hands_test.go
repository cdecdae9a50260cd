package worker_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/dispatcher/hands"
	"strata/dispatcher/worker"
	"strata/events/access"
	"strata/schemas/order"
)

// by is a person's session at the worker.
type by struct {
	l   *testLab
	id  string
	sub *nats.Subscription
	at  uint64 // number of the last message
}

// hand begins a session on a device under a lease.
func (l *testLab) hand(t *testing.T, h order.Hands) *by {
	t.Helper()
	b := &by{l: l, id: fmt.Sprint(h.Device, "-", h.Do, "-", h.Lease)}
	sub, err := l.Log.Conn().SubscribeSync(access.HandsSubject(name) + "." + b.id)
	if err != nil {
		t.Fatal(err)
	}
	b.sub = sub
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	b.send(t, h)
	return b
}

func (b *by) send(t *testing.T, h order.Hands) {
	t.Helper()
	h.Version, h.Session = order.Version, b.id
	body, err := json.Marshal(h)
	if err == nil {
		err = b.l.Log.Conn().Publish(access.HandsSubject(name), body)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// until reads what the session says up to what is wanted, and returns all of it.
func (b *by) until(t *testing.T, what string, wanted func(order.HandsSaid, string) bool) (text string, last order.HandsSaid) {
	t.Helper()
	for {
		m, err := b.sub.NextMsg(time.Minute)
		if err != nil {
			t.Fatalf("session %s, waiting for %s: %v; so far %q", b.id, what, err, text)
		}
		var said order.HandsSaid
		if err := json.Unmarshal(m.Data, &said); err != nil {
			t.Fatal(err)
		}
		if b.at++; said.Number != b.at {
			t.Fatalf("session %s: message %d came where %d was due", b.id, said.Number, b.at)
		}
		text += said.Text + said.Line + "\n"
		if wanted(said, text) {
			return text, said
		}
		if said.Ended {
			t.Fatalf("session %s ended with %q before %s; it said %q", b.id, said.Error, what, text)
		}
	}
}

func (b *by) ended(t *testing.T) (text, reason string) {
	t.Helper()
	text, last := b.until(t, "its end", func(m order.HandsSaid, _ string) bool { return m.Ended })
	return text, last.Error
}

func (b *by) shows(t *testing.T, want string) {
	t.Helper()
	b.until(t, want, func(_ order.HandsSaid, text string) bool { return strings.Contains(text, want) })
}

// present waits until the worker listens: it has told its leases.
func (l *testLab) present(t *testing.T) {
	t.Helper()
	l.awaitWhere(t, "the worker's holding report", func(r order.Report) bool { return r.Claim == order.Holding })
	ready := l.hand(t, order.Hands{Do: order.DoPower, Device: "probe", Lease: 1, Power: "on"})
	for {
		m, err := ready.sub.NextMsg(50 * time.Millisecond)
		if err == nil {
			if strings.Contains(string(m.Data), `"ended":true`) {
				return
			}
			continue
		}
		ready.send(t, order.Hands{Do: order.DoPower, Device: "probe", Lease: 1, Power: "on"}) // it was not listening yet
	}
}

const echoes = `commands: {connect: "sh -c 'echo hello; while read -r x; do echo got $x; done'", power_off: "sh -c 'echo clack'", hard_reset: "sh -c 'echo stuck; exit 3'"}`

// People switch, watch and check a device by hand, and each use says what came of it.
func TestHands(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	l.present(t)
	on := func(do order.HandsDo, lease uint64) order.Hands {
		return order.Hands{Do: do, Device: "b1", Lease: lease, Config: echoes}
	}
	off := on(order.DoPower, 5)
	off.Power = "off"
	if text, why := l.hand(t, off).ended(t); why != "" || !strings.Contains(text, ">> clack") {
		t.Errorf("power off said %q and ended with %q", text, why)
	}
	reset := on(order.DoPower, 6)
	reset.Power = "reset"
	if _, why := l.hand(t, reset).ended(t); !strings.Contains(why, "Unable to reboot") || !strings.Contains(why, "stuck") {
		t.Errorf("a stuck switch gives %q", why)
	}
	if _, why := l.hand(t, on(order.DoConsole, 4)).ended(t); why != "lease 4 is over: the worker has seen 6 for this device" {
		t.Errorf("an old lease gives %q", why)
	}
	console := l.hand(t, on(order.DoConsole, 7))
	console.shows(t, "hello")
	console.send(t, order.Hands{Do: order.DoType, Text: "names\n"})
	console.shows(t, "got names")
	if _, why := l.hand(t, on(order.DoConsole, 8)).ended(t); why != "device b1 is in use already: console" {
		t.Errorf("a second console gives %q", why)
	}
	off.Lease = 8
	if _, why := l.hand(t, off).ended(t); why != "" {
		t.Errorf("power off beside the console ends with %q", why)
	}
	console.send(t, order.Hands{Do: order.DoEnd})
	if _, why := console.ended(t); why != "the person left" {
		t.Errorf("the console ended with %q", why)
	}
	check := on(order.DoCheck, 9)
	var step hands.Step
	_, last := l.hand(t, check).until(t, "a step that fails", func(m order.HandsSaid, _ string) bool {
		return m.Step != nil && json.Unmarshal(m.Step, &step) == nil && !step.OK
	})
	if step.Name != "hard_reset" || !strings.Contains(step.Says, "stuck") {
		t.Errorf("the check's last step is %s", last.Step)
	}
}

// A job and a person never have a device at once: the job that has it is named, and the one that is given
// it under a higher lease begins when the person's session has ended.
func TestHandsAndJobs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	l.present(t)
	gate := filepath.Join(t.TempDir(), "gate")
	console := l.hand(t, order.Hands{Do: order.DoConsole, Device: "b1", Lease: 5, Config: echoes})
	console.shows(t, "hello")
	l.send(t, start(1, 6, "b1"), "await "+gate)
	if _, why := console.ended(t); why != "the device was given away under lease 6" {
		t.Errorf("the console ended with %q", why)
	}
	l.await(t, order.Started, 1, 6)
	if _, why := l.hand(t, order.Hands{Do: order.DoPower, Power: "off", Device: "b1", Lease: 7, Config: echoes}).ended(t); why != "job 1 has the device" {
		t.Errorf("power off during a job gives %q", why)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l.await(t, order.Finished, 1, 6)
	if _, why := l.hand(t, order.Hands{Do: order.DoPower, Power: "off", Device: "b1", Lease: 7, Config: echoes}).ended(t); why != "" {
		t.Errorf("power off after the job gives %q", why)
	}
	// What a job is given below it, it does not get.
	l.send(t, start(2, 6, "b1"))
	if r := l.await(t, order.Refused, 2, 6); !strings.Contains(r.Reason, "has seen 7") {
		t.Errorf("a job with a lower lease is refused with %q", r.Reason)
	}
}

// A session that nobody asks for any more ends by itself, and so does one whose worker stops.
func TestHandsAbandoned(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := newClock()
	stop := l.work(t, func(d *worker.Deps) { d.Now, d.After = c.Now, c.After })
	l.present(t)
	console := l.hand(t, order.Hands{Do: order.DoConsole, Device: "b1", Lease: 5, Config: echoes})
	console.shows(t, "hello")
	c.advance(order.HandsGone * time.Second)
	if _, why := console.ended(t); why != "nobody has asked for the session for 45 s" {
		t.Errorf("the console ended with %q", why)
	}
	mark := t.TempDir() // nobody else's console has it
	noisy := l.hand(t, order.Hands{Do: order.DoConsole, Device: "b2", Lease: 5, Config: "commands: {connect: 'yes é" + mark + "'}"})
	noisy.shows(t, "é"+mark+"\r\n")
	stop()
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range entries {
		if text, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(text), "yes\x00é"+mark) {
			t.Errorf("the worker has ended and left its console, %s", path)
		}
	}
}
