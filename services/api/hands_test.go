package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/schemas/order"
	"strata/services/api"
)

// bench is a lab with a device q1 on a worker w1 that the test plays.
func bench(t *testing.T) (*eventtest.Broker, api.Client) {
	t.Helper()
	b, c := start(t)
	boardOn(t, b, c)
	return b, c
}

// boardOn gives a lab the device and the worker.
func boardOn(t *testing.T, b *eventtest.Broker, c api.Client) {
	t.Helper()
	call(t, c, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	call(t, c, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "bench", Worker: "w1", Dictionary: "commands: {connect: telnet board}\n"}, nil)
	b.Append(t, events.WorkerWentOnline{Worker: "w1", At: noon})
}

// answer plays the worker: each session begins, and says what follows from its order.
func answer(t *testing.T, b *eventtest.Broker, says func(order.Hands) []order.HandsSaid) {
	t.Helper()
	conn := b.Connect(t)
	sub, err := conn.Subscribe(access.HandsSubject("w1"), func(m *nats.Msg) {
		h, err := order.DecodeHands(m.Data)
		if err != nil {
			t.Error(err)
			return
		}
		for _, said := range says(h) {
			body, err := json.Marshal(said)
			if err == nil {
				err = conn.Publish(access.HandsSubject("w1")+"."+h.Session, body)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
}

// hands runs a session and returns what came of it in words.
func hands(t *testing.T, c api.Client, in api.HandsRequest) (said string, err error) {
	t.Helper()
	err = c.Stream(t.Context(), "devices.hands", in, func(m *nats.Msg) error {
		var h api.HandsMessage
		if err := json.Unmarshal(m.Data, &h); err != nil {
			return err
		}
		switch {
		case h.Job != 0:
			said += fmt.Sprintf("job %s;", h.JobDisplay)
		case h.Session != "":
			said += "begun;"
		case h.Lost > 0:
			said += fmt.Sprintf("lost %d;", h.Lost)
		case h.Step != nil:
			said += fmt.Sprintf("%s %v;", h.Step.Name, h.Step.OK)
		default:
			said += h.Text + h.Line + ";"
		}
		return nil
	})
	return said, err
}

// Who may change a device, or has it reserved, uses it by hand; everybody else is told why not, by the name of
// who or what has it.
func TestHandsStory(t *testing.T) {
	t.Parallel()
	b, local := bench(t)
	alice := api.Client{Conn: local.Conn, User: "alice"}
	answer(t, b, func(h order.Hands) []order.HandsSaid {
		switch {
		case h.Do == order.DoPower && h.Power == "reset":
			return []order.HandsSaid{{Number: 1}, {Number: 2, Line: "clack"}, {Number: 3, Ended: true, Error: "the switch is stuck"}}
		case h.Do == order.DoPower:
			return []order.HandsSaid{{Number: 1}, {Number: 2, Line: "power " + h.Power}, {Number: 3, Ended: true}}
		case h.Do == order.DoConsole: // two messages of it were lost on the way
			return []order.HandsSaid{{Number: 1}, {Number: 2, Text: "one"}, {Number: 5, At: 10, Text: "two"}, {Number: 6, At: 13, Ended: true}}
		case h.Do == order.DoCheck:
			return []order.HandsSaid{{Number: 1}, {Number: 2, Step: json.RawMessage(`{"step":"console","ok":false,"says":"no"}`)}, {Number: 3, Ended: true, Error: "console: no"}}
		}
		return nil
	})
	ask := func(who api.Client, use events.HandsUse, want, says string) {
		t.Helper()
		said, err := hands(t, who, api.HandsRequest{Device: "q1", Use: use})
		if said != want || (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s of %s: said %q and ended with %v, want %q and %q", use, who.User, said, err, want, says)
		}
	}
	ask(local, events.UsePowerOff, "begun;power off;", "")
	ask(local, events.UseReset, "begun;clack;", "the switch is stuck")
	ask(local, events.UseConsole, "begun;one;lost 7;two;", "")
	ask(local, events.UseCheck, "render true;validate true;begun;console false;", "console: no")
	ask(local, "smash", "", "allowed are console, power on")
	ask(alice, events.UsePowerOff, "", "alice may not use device q1 by hand")
	call(t, local, "reservations.add", api.ReservationRequest{Devices: []events.DeviceName{"q1"}, User: "alice", From: noon, Until: noon.Add(time.Hour)}, nil)
	ask(alice, events.UsePowerOff, "begun;power off;", "")

	// One whose process has died is ended, and counts no more.
	last, err := b.Log.Last(t.Context(), stream.Lab)
	if err != nil {
		t.Fatal(err)
	}
	d := events.DeviceHeld{Device: "q1", Lease: events.Lease(last), Worker: "w1", Use: events.UseConsole, By: "bob", Until: noon.Add(time.Minute)}
	b.Append(t, d)
	ask(local, events.UsePowerOff, "", "device q1 is in the hands of bob (console) since")
	if err := local.Call(t.Context(), "devices.type", api.TypeRequest{Device: "q1", Session: "x", Text: "y"}, nil); err == nil || !strings.Contains(err.Error(), "local does not have device q1 in hand") {
		t.Errorf("typing at another's console: %v", err)
	}
	if err := local.Call(t.Context(), "devices.remove", api.DeviceRequest{Device: "q1"}, nil); err == nil || !strings.Contains(err.Error(), "in the hands of bob (console)") {
		t.Errorf("removing a device in somebody's hands: %v", err)
	}
	d.Until = noon
	b.Append(t, d)
	ask(local, events.UsePowerOff, "begun;power off;", "")

	// A job has it.
	b.Append(t, submitted(7))
	b.Append(t, events.DeviceReserved{Device: "q1", Job: 7, Lease: 2000}, events.JobScheduled{Job: 7, Device: "q1", Worker: "w1", Lease: 2000})
	ask(local, events.UsePowerOff, "", "device q1 runs job 7;")
	ask(local, events.UseConsole, "job 7;", "")
	ask(api.Client{Conn: local.Conn, User: "carol"}, events.UseConsole, "", "carol may not use device q1 by hand")
	if err := local.Call(t.Context(), "devices.type", api.TypeRequest{Device: "q1", Session: "x", Text: "y"}, nil); err == nil || !strings.Contains(err.Error(), "device q1 runs job 7: its console can only be read") {
		t.Errorf("typing at a job's console: %v", err)
	}

	var story []string
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		switch e := r.Event.(type) {
		case events.DeviceHeld:
			story = append(story, string(e.By)+" "+string(e.Use))
		case events.DeviceLetGo:
			story = append(story, e.Outcome)
		}
	}
	want := "local power off|done|local reset|the switch is stuck|local console|done|local check|console: no|alice power off|done|bob console|bob console|" +
		"its time is over, and nobody moved it on|local power off|done"
	if got := strings.Join(story, "|"); got != want {
		t.Errorf("the device's story is\n%s, want\n%s", got, want)
	}
}

// A person who goes away ends the session at the worker, and the device is free.
func TestHandsLeft(t *testing.T) {
	t.Parallel()
	b, local := bench(t)
	ended := make(chan struct{})
	answer(t, b, func(h order.Hands) []order.HandsSaid {
		switch h.Do {
		case order.DoConsole:
			return []order.HandsSaid{{Number: 1}}
		case order.DoEnd:
			close(ended)
			return []order.HandsSaid{{Number: 2, Ended: true, Error: "the person left"}}
		}
		return nil
	})
	ctx, leave := context.WithCancel(t.Context())
	err := local.Stream(ctx, "devices.hands", api.HandsRequest{Device: "q1", Use: events.UseConsole}, func(*nats.Msg) error {
		leave()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("leaving gives %v", err)
	}
	<-ended
	if e := eventtest.Await(t, b.Log, func(e events.DeviceLetGo) bool { return e.Device == "q1" }); e.Outcome != "done" || e.By != "" {
		t.Errorf("the hold ended as %+v, want it done", e)
	}
	var d api.Device
	call(t, local, "devices.show", api.DeviceRequest{Device: "q1"}, &d)
	if d.HeldBy != "" || d.State != "Idle" {
		t.Errorf("the device is %s, held by %q", d.State, d.HeldBy)
	}
}

// What keeps anybody from a device is said before anything is tried.
func TestHandsRefused(t *testing.T) {
	t.Parallel()
	b, c := bench(t)
	b.Append(t, events.WorkerWentOffline{Worker: "w1", At: noon})
	call(t, c, "devices.add", api.DeviceRequest{Device: "loose", DeviceType: "bench", Dictionary: "{}"}, nil)
	b.Append(t, events.DeviceAdded{Device: "bare", DeviceType: "bench", Worker: "w2"})
	for _, tt := range []struct {
		device events.DeviceName
		says   string
	}{
		{"q1", "worker w1, on which device q1 hangs, is offline"},
		{"loose", "device loose hangs on no worker"},
		{"bare", "worker w2, which is not in the lab"},
		{"none", "there is no device none"},
	} {
		said, err := hands(t, c, api.HandsRequest{Device: tt.device, Use: events.UsePowerOn})
		if said != "" || err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: said %q and ended with %v, want %q", tt.device, said, err, tt.says)
		}
	}
}
