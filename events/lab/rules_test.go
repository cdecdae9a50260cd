package lab

import (
	"testing"
	"time"

	"strata/events"
)

// TestAfterJob is the table of job-driven transitions of health, row by row.
func TestAfterJob(t *testing.T) {
	const (
		check = true
		job   = false
	)
	tests := []struct {
		check  bool
		before events.DeviceHealth
		end    events.JobHealth
		class  events.ErrorType
		after  events.DeviceHealth
		reason string // "" where nothing is said
	}{
		{check, events.Good, events.Complete, "", events.Good, "health-check [42] completed"},
		{check, events.Unknown, events.Complete, "", events.Good, "health-check [42] completed"},
		{check, events.Bad, events.Complete, "", events.Good, "health-check [42] completed"},
		{check, events.Good, events.Incomplete, events.JobError, events.Bad, "health-check [42] failed"},
		{check, events.Unknown, events.Incomplete, events.InfrastructureError, events.Bad, "health-check [42] failed"},
		{check, events.Bad, events.Incomplete, "", events.Bad, "health-check [42] failed"},
		{check, events.Good, events.Canceled, "", events.Bad, "health-check [42] canceled"},
		{check, events.Unknown, events.Canceled, "", events.Bad, "health-check [42] canceled"},
		{check, events.Bad, events.Canceled, "", events.Bad, "health-check [42] canceled"},
		{check, events.Looping, events.Incomplete, events.BugError, events.Looping, "Looping health-check [42] failed"},
		{check, events.Looping, events.Complete, "", events.Looping, ""},
		{check, events.Looping, events.Canceled, "", events.Looping, ""},
		{check, events.Maintenance, events.Incomplete, "", events.Maintenance, ""},
		{check, events.Maintenance, events.Complete, "", events.Maintenance, ""},
		{check, events.Retired, events.Complete, "", events.Retired, ""},
		{job, events.Good, events.Incomplete, events.BugError, events.Unknown, "Infrastructure error after [42]"},
		{job, events.Good, events.Incomplete, events.ConfigurationError, events.Unknown, "Infrastructure error after [42]"},
		{job, events.Good, events.Incomplete, events.InfrastructureError, events.Unknown, "Infrastructure error after [42]"},
		{job, events.Unknown, events.Canceled, events.InfrastructureError, events.Unknown, "Infrastructure error after [42]"},
		{job, events.Good, events.Incomplete, events.JobError, events.Good, ""},
		{job, events.Good, events.Incomplete, events.TestError, events.Good, ""},
		{job, events.Good, events.Incomplete, events.MultinodeTimeout, events.Good, ""},
		{job, events.Good, events.Incomplete, events.UnknownError, events.Good, ""},
		{job, events.Good, events.Canceled, events.CanceledError, events.Good, ""},
		{job, events.Good, events.Complete, "", events.Good, ""},
		// What a person set stays.
		{job, events.Maintenance, events.Incomplete, events.InfrastructureError, events.Maintenance, ""},
		{job, events.Retired, events.Incomplete, events.BugError, events.Retired, ""},
		{job, events.Looping, events.Incomplete, events.InfrastructureError, events.Looping, ""},
		{job, events.Bad, events.Incomplete, events.InfrastructureError, events.Bad, ""},
	}
	for _, tt := range tests {
		d := &Device{Name: "q1", Health: tt.before}
		j := &Job{ID: 42, HealthCheck: tt.check, State: Finished, End: &End{Health: tt.end, ErrorType: tt.class}}
		to, reason, said := AfterJob(d, j)
		if to != tt.after || reason != tt.reason || said != (tt.reason != "") {
			t.Errorf("%s, check %v, %s %q: %s %q %v, want %s %q", tt.before, tt.check, tt.end, tt.class,
				to, reason, said, tt.after, tt.reason)
		}
	}
}

func TestTakes(t *testing.T) {
	checked := func(d frequency) *DeviceType {
		return &DeviceType{Name: "qemu", HealthCheck: "job", HealthFrequency: d.n, HealthDenominator: d.of}
	}
	daily := checked(frequency{24, events.Hours})
	each3 := checked(frequency{3, events.Jobs})
	never := checked(frequency{9_999_999, events.Hours})
	disabled := *daily
	disabled.HealthDisabled = true
	good := Device{State: DeviceIdle, Version: 1, Health: events.Good, LastCheck: 1, LastCheckAt: noon.Add(-time.Hour)}
	with := func(change func(*Device)) Device { d := good; change(&d); return d }
	health := func(h events.DeviceHealth) Device { return with(func(d *Device) { d.Health = h }) }
	tests := []struct {
		name         string
		d            Device
		t            *DeviceType
		jobs, checks bool
		due          string
	}{
		{"good", good, daily, true, true, ""},
		{"no type", good, nil, true, true, ""},
		{"hidden", good, &DeviceType{Hidden: true}, false, false, ""},
		{"reserved", with(func(d *Device) { d.State = DeviceReserved }), daily, false, false, ""},
		{"running", with(func(d *Device) { d.State = DeviceRunning }), daily, false, false, ""},
		{"without a dictionary", with(func(d *Device) { d.Version = 0 }), daily, false, false, ""},
		{"unknown", health(events.Unknown), daily, false, true, "health is Unknown"},
		{"unknown, no check", health(events.Unknown), &DeviceType{}, true, true, ""},
		{"unknown, check disabled", health(events.Unknown), &disabled, true, true, ""},
		{"looping", health(events.Looping), daily, false, true, "health is Looping"},
		{"looping, check disabled", health(events.Looping), &disabled, false, true, ""},
		{"bad", health(events.Bad), daily, false, false, ""},
		{"maintenance", health(events.Maintenance), daily, false, false, ""},
		{"retired", health(events.Retired), daily, false, false, ""},
		{"never checked", with(func(d *Device) { d.LastCheck, d.LastCheckAt = 0, time.Time{} }), daily, false, true, "never checked"},
		{"checked in another lab", with(func(d *Device) { d.LastCheck = 0 }), daily, true, true, ""},
		{"checked in another lab, long ago", with(func(d *Device) { d.LastCheck, d.LastCheckAt = 0, noon.AddDate(0, 0, -2) }), daily, false, true, "24 h since the last check"},
		{"imported, waits for its turn", with(func(d *Device) { d.LastCheck, d.LastCheckAt, d.FirstCheck = 0, time.Time{}, 2 }), daily, true, true, "never checked"},
		{"imported, its turn has come", with(func(d *Device) { d.LastCheck, d.LastCheckAt, d.FirstCheck, d.Check.Job = 0, time.Time{}, 2, 9 }), daily, false, true, "never checked"},
		{"imported, unknown", with(func(d *Device) { d.Health, d.FirstCheck = events.Unknown, 2 }), daily, false, true, "health is Unknown"},
		{"a day is over", with(func(d *Device) { d.LastCheckAt = noon.Add(-25 * time.Hour) }), daily, false, true, "24 h since the last check"},
		{"a day to the second", with(func(d *Device) { d.LastCheckAt = noon.Add(-24 * time.Hour) }), daily, true, true, ""},
		{"more hours than a clock can count", with(func(d *Device) { d.LastCheckAt = noon.Add(-25 * time.Hour) }), never, true, true, ""},
		{"two jobs", with(func(d *Device) { d.JobsSince = 2; d.LastCheckAt = noon.AddDate(-1, 0, 0) }), each3, true, true, ""},
		{"three jobs", with(func(d *Device) { d.JobsSince = 3 }), each3, false, true, "3 jobs since the last check"},
		{"due at release", with(func(d *Device) { d.Check.Due = true }), daily, false, true, "due since the last job"},
		{"due at release, check taken away since", with(func(d *Device) { d.Check.Due = true }), &DeviceType{}, true, true, ""},
		{"check in the queue", with(func(d *Device) { d.Check.Job = 9 }), daily, false, true, ""},
	}
	for _, tt := range tests {
		if jobs, checks := Takes(&tt.d, tt.t, noon); jobs != tt.jobs || checks != tt.checks {
			t.Errorf("%s takes jobs %v, checks %v, want %v, %v", tt.name, jobs, checks, tt.jobs, tt.checks)
		}
		if reason, due := CheckDue(&tt.d, tt.t, noon); tt.d.State == DeviceIdle && tt.d.Version > 0 && tt.t.Shown() &&
			(reason != tt.due || due != (tt.due != "")) {
			t.Errorf("%s is due %q (%v), want %q", tt.name, reason, due, tt.due)
		}
	}
	if got, want := NextCheck(&good, daily), good.LastCheckAt.Add(24*time.Hour); !got.Equal(want) {
		t.Errorf("next check %v, want %v", got, want)
	}
	if got := NextCheck(&good, each3); !got.IsZero() {
		t.Errorf("next check %v for a type that counts jobs, want none", got)
	}
}

// frequency is a frequency of health checks.
type frequency struct {
	n  int
	of events.Denominator
}

func TestCan(t *testing.T) {
	s := New()
	public := submit(2)
	public.Visibility.Public = true
	fold(s, submit(1), public, submit(3), events.JobWithdrawn{Job: 3})
	job := func(id string) events.Entity { return events.Entity{Kind: events.Job, ID: id} }
	tests := []struct {
		user   events.UserName
		verb   Verb
		object events.Entity
		want   bool
	}{
		{Local, Administer, events.Entity{Kind: events.Worker, ID: "w1"}, true},
		{Local, Change, job("1"), true},
		{"alice", View, job("1"), true},
		{"alice", Change, job("1"), true},
		{"bob", View, job("1"), false},
		{"bob", View, job("2"), true},
		{"bob", Change, job("2"), false},
		{"alice", View, job("3"), true}, // past
		{"alice", View, job("99"), false},
		{"alice", View, job("x"), false},
		{"alice", View, events.Entity{Kind: events.Device, ID: "q1"}, true},
		{"alice", Submit, events.Entity{Kind: events.DeviceType, ID: "qemu"}, true},
		{"alice", Change, events.Entity{Kind: events.Device, ID: "q1"}, false},
		{"", View, events.Entity{Kind: events.Device, ID: "q1"}, false},
	}
	for _, tt := range tests {
		if got := s.Can(tt.user, tt.verb, tt.object); got != tt.want {
			t.Errorf("%q may %s %v: %v, want %v", tt.user, tt.verb, tt.object, got, tt.want)
		}
	}
}
