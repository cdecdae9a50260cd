package lab

import (
	"reflect"
	"testing"

	"strata/events"
)

func TestWorkerTransitions(t *testing.T) {
	facts := map[string]events.Event{
		"registered":      events.WorkerRegistered{Worker: "w1", Description: "again"},
		"configured":      events.WorkerConfigured{Worker: "w1", JobLimit: 3},
		"set Active":      events.WorkerHealthSet{Worker: "w1", Health: events.WorkerActive},
		"set Maintenance": events.WorkerHealthSet{Worker: "w1", Health: events.WorkerMaintenance},
		"set Retired":     events.WorkerHealthSet{Worker: "w1", Health: events.WorkerRetired},
		"online":          events.WorkerWentOnline{Worker: "w1", Version: "1.2"},
		"offline":         events.WorkerWentOffline{Worker: "w1"},
		"token rotated":   events.WorkerTokenRotated{Worker: "w1"},
		"token taken":     events.WorkerTokenTaken{Worker: "w1", SHA256: "00"},
		"removed":         events.WorkerRemoved{Worker: "w1"},
	}
	states := map[string][]string{
		"absent": {}, "Offline Active": {"registered"}, "Online Active": {"registered", "online"},
		"Offline Maintenance": {"registered", "set Maintenance"}, "Online Maintenance": {"registered", "set Maintenance", "online"},
		"Offline Retired": {"registered", "set Retired"}, "Online Retired": {"registered", "online", "set Retired"},
	}
	// The state after each fact; what is not listed changes nothing.
	of := func(state, health string) map[string]string {
		return map[string]string{
			"set Active": state + " Active", "set Maintenance": state + " Maintenance", "set Retired": state + " Retired",
			"online": "Online " + health, "offline": "Offline " + health, "removed": "absent",
		}
	}
	table := map[string]map[string]string{
		"absent":         {"registered": "Offline Active"},
		"Offline Active": of("Offline", "Active"), "Online Active": of("Online", "Active"),
		"Offline Maintenance": of("Offline", "Maintenance"), "Online Maintenance": of("Online", "Maintenance"),
		"Offline Retired": of("Offline", "Retired"), "Online Retired": of("Online", "Retired"),
	}
	where := func(s *State) string {
		w := s.Worker("w1")
		if w == nil {
			return "absent"
		}
		return string(w.State) + " " + string(w.Health)
	}
	for state, story := range states {
		for name, fact := range facts {
			s := New()
			for _, f := range story {
				fold(s, facts[f])
			}
			if got := where(s); got != state {
				t.Fatalf("story %v leads to %q, want %q", story, got, state)
			}
			fold(s, fact)
			want, listed := table[state][name]
			if !listed {
				want = state
			}
			if got := where(s); got != want {
				t.Errorf("%s after %q: %s, want %s", state, name, got, want)
			}
			if got := s.Seq(fact.About()); got != s.Through() {
				t.Errorf("%s after %q: sequence %d, want %d", state, name, got, s.Through())
			}
			if w := s.Worker("w1"); w.Usable() != (where(s) == "Online Active") {
				t.Errorf("%s: usable %v", where(s), w.Usable())
			}
		}
	}
	for _, entry := range events.Catalogue() {
		e := reflect.New(entry.Type).Elem().Interface().(events.Event)
		found := false
		for _, f := range facts {
			found = found || reflect.TypeOf(f) == entry.Type
		}
		if e.About().Kind == events.Worker && !found {
			t.Errorf("%s is about a worker and missing in the transition table", entry.Name)
		}
	}
}

// Cascade follows LAVA's table of workers' changes, and each device once.
func TestCascade(t *testing.T) {
	type change = events.WorkerHealth
	tests := []struct {
		name    string
		changes []change
		health  events.DeviceHealth
		want    events.DeviceHealth // "" where nothing follows
		reason  string
	}{
		{"active again", []change{events.WorkerMaintenance, events.WorkerActive}, events.Good, events.Unknown, "worker going active"},
		{"active again, device Bad", []change{events.WorkerMaintenance, events.WorkerActive}, events.Bad, "", ""},
		{"active again, device in Maintenance", []change{events.WorkerActive}, events.Maintenance, "", ""},
		{"maintenance", []change{events.WorkerMaintenance}, events.Good, "", ""},
		{"retired", []change{events.WorkerRetired}, events.Good, events.Retired, "worker going retired"},
		{"retired, device in Maintenance", []change{events.WorkerRetired}, events.Maintenance, events.Retired, "worker going retired"},
		{"retired, device Looping", []change{events.WorkerRetired}, events.Looping, events.Retired, "worker going retired"},
		{"retired, device Bad", []change{events.WorkerRetired}, events.Bad, "", ""},
		{"retired, device Retired", []change{events.WorkerRetired}, events.Retired, "", ""},
		{"back from Retired before anybody looked", []change{events.WorkerRetired, events.WorkerActive}, events.Good, events.Retired, "worker going retired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New()
			fold(s, events.WorkerRegistered{Worker: "w1"}, events.DeviceAdded{Device: "q1", Worker: "w1", Health: tt.health},
				events.DeviceAdded{Device: "elsewhere", Health: tt.health})
			for _, h := range tt.changes {
				fold(s, events.WorkerHealthSet{Worker: "w1", Health: h})
			}
			fold(s, events.DeviceAdded{Device: "later", Worker: "w1", Health: tt.health},
				events.DeviceMoved{Device: "elsewhere", Worker: "w1"})
			w, d := s.Worker("w1"), s.Device("q1")
			to, reason, follows := Cascade(w, d)
			if to != tt.want || reason != tt.reason || follows != (tt.want != "") {
				t.Fatalf("cascade %q, %q, %v, want %q, %q", to, reason, follows, tt.want, tt.reason)
			}
			for _, name := range []events.DeviceName{"later", "elsewhere"} {
				if _, _, follows := Cascade(w, s.Device(name)); follows {
					t.Errorf("cascade reaches %s, which came to the worker after the change", name)
				}
			}
			if follows {
				fold(s, events.DeviceHealthChanged{Device: "q1", From: tt.health, To: to, Reason: reason})
			}
			fold(s, events.DeviceHealthSet{Device: "q1", Health: events.Good})
			if to, _, again := Cascade(w, d); again {
				t.Errorf("cascade to %s once more, though a person has set the health since", to)
			}
		})
	}
}

func TestDeviceTypes(t *testing.T) {
	s := New()
	fold(s,
		events.DeviceTypeAdded{DeviceType: "bbb"}, events.DeviceTypeAdded{DeviceType: "rpi"},
		events.DeviceTypeConfigured{DeviceType: "bbb", Aliases: []string{"am335x", "black"}},
		events.DeviceTypeConfigured{DeviceType: "rpi", Aliases: []string{"black"}, HealthCheck: "job", HealthFrequency: 3, HealthDenominator: events.Jobs},
		events.DeviceTypeConfigured{DeviceType: "unknown", HealthCheck: "job"})
	for name, want := range map[events.DeviceTypeName]events.DeviceTypeName{
		"bbb": "bbb", "am335x": "bbb", "black": "rpi", "nonesuch": "nonesuch"} {
		if got := s.Resolve(name); got != want {
			t.Errorf("resolve %q: %q, want %q", name, got, want)
		}
	}
	if got := s.DeviceType("bbb").Aliases; !reflect.DeepEqual(got, []string{"am335x"}) {
		t.Errorf("aliases of bbb: %v, want the one that did not move", got)
	}
	if s.DeviceType("unknown") != nil || s.DeviceType("unknown").Checks() {
		t.Error("a type that was never added is there, or has checks")
	}
	fold(s, events.DeviceTypeAdded{DeviceType: "qemu"}, events.DeviceTypeConfigured{DeviceType: "qemu", Template: "arch: arm"})
	if text, ok := s.Template("qemu.jinja2"); !ok || text != "arch: arm" {
		t.Errorf("template of qemu: %q, %v", text, ok)
	}
	if _, ok := s.Template("bbb.jinja2"); ok {
		t.Error("bbb has a template, want none")
	}
	if !s.DeviceType("rpi").Checks() || s.DeviceType("bbb").Checks() {
		t.Error("checks: want rpi only")
	}
	fold(s, events.DeviceTypeConfigured{DeviceType: "rpi", HealthCheck: "job", HealthDisabled: true, Hidden: true},
		events.DeviceTypeRemoved{DeviceType: "bbb"})
	if rpi := s.DeviceType("rpi"); rpi.Checks() || rpi.Shown() {
		t.Errorf("rpi checks %v, shown %v, want neither", rpi.Checks(), rpi.Shown())
	}
	for _, name := range []events.DeviceTypeName{"am335x", "black"} {
		if got := s.Resolve(name); got != name {
			t.Errorf("alias %q still leads to %q", name, got)
		}
	}
}
