package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"strata/events"
	"strata/events/lab"
)

// device decides over a device of an import.
// An error refuses the object, and nothing of it is recorded. Only settings that the source gave are
// looked at: see [merge.setting].
func (m *merge) device() error {
	if err := checkName("device", m.o.Name, maxNameBytes); err != nil {
		return err
	}
	if err := checkText(m.left["dictionary"]); err != nil {
		return fmt.Errorf("dictionary: %w", err)
	}
	d := m.s.Device(events.DeviceName(m.o.Name))
	if m.fresh = d == nil; m.fresh {
		return m.newDevice()
	}
	m.base = d.Imported
	delete(m.left, "new_health")
	if theirs, ok := m.given("device_type"); ok {
		if kind := m.s.Resolve(events.DeviceTypeName(theirs)); kind != d.Type {
			// There is no fact for it: dictionary, checks and history are of the one type.
			m.kept = append(m.kept, SettingChange{m.o.Kind, m.o.Name, "device_type", string(d.Type), theirs,
				"a device keeps its type; `strata devices remove` it first"})
		}
	}
	if err := m.deviceWorker(d); err != nil {
		return err
	}
	if text := m.setting("dictionary", d.Dictionary, ""); text != d.Dictionary {
		m.record(events.DeviceConfigured{Device: d.Name, Dictionary: text, By: m.by, Comment: m.in.Reason})
	}
	m.deviceTags(d)
	if e := m.described(d); e.Description != d.Description || e.Hardware != d.Hardware || e.Owner != d.Owner || e.OwnerGroup != d.OwnerGroup {
		m.record(e)
	}
	if err := m.deviceHealth(d); err != nil {
		return err
	}
	if err := m.deviceCheck(d); err != nil {
		return err
	}
	return m.permissions(events.Device, d.Permissions)
}

// newDevice adds a device with all that the source knows of it.
// There is nothing here to keep, so all is taken, in one order of facts: type and tags before the
// device.
func (m *merge) newDevice() error {
	name := events.DeviceName(m.o.Name)
	d := &lab.Device{Name: name}
	kind := m.s.Resolve(events.DeviceTypeName(m.o.Settings["device_type"]))
	if err := checkName("device_type", string(kind), maxTypeBytes); err != nil {
		return err
	}
	delete(m.left, "device_type")
	if m.s.DeviceType(kind) == nil && !m.added[events.Entity{Kind: events.DeviceType, ID: string(kind)}] && !m.in.DryRun {
		m.record(events.DeviceTypeAdded{DeviceType: kind, By: m.by})
	}
	// The worker is asked for as a setting, so that the next import knows where it hung.
	add := events.DeviceAdded{Device: name, DeviceType: kind, Worker: events.WorkerName(m.setting("worker", "", "")), By: m.by}
	if !m.in.DryRun { // the workers of the import are not there then
		if err := knownWorker(m.s, add.Worker); err != nil {
			return err
		}
	}
	for _, t := range m.names("tags", nil) {
		if err := checkName("tag", t, maxNameBytes); err != nil {
			return err
		}
		if m.s.Tag(events.TagName(t)) == nil && !m.added[events.Entity{Kind: events.Tag, ID: t}] {
			m.record(events.TagAdded{Tag: events.TagName(t), By: m.by})
		}
		add.Tags = append(add.Tags, events.TagName(t))
	}
	described := m.described(d)
	add.Description = described.Description

	// health is what a source tells of a device that it sees to; new_health only where this lab
	// begins with it.
	health, known := m.given("health")
	if whenNew, ok := m.given("new_health"); !known {
		health, known = whenNew, ok
	} else {
		m.remember("health", digest(health))
	}
	word, reason, _ := strings.Cut(health, "\n")
	if add.Health = events.DeviceHealth(word); !known {
		add.Health = events.Unknown
	}
	if err := (DeviceRequest{Health: add.Health, Description: add.Description}).check(); err != nil {
		return err
	}
	m.record(add)
	// DeviceAdded has no room for a reason.
	if reason != "" {
		m.record(events.DeviceHealthSet{Device: name, Health: add.Health, Reason: reason, By: m.by})
	}
	if text := m.setting("dictionary", "", ""); text != "" {
		m.record(events.DeviceConfigured{Device: name, Dictionary: text, By: m.by, Comment: m.in.Reason})
	}
	if described.Hardware != "" || described.Owner != "" || described.OwnerGroup != "" {
		m.record(described)
	}
	m.summary = fmt.Sprintf("%s, %s", kind, add.Health)
	if err := m.deviceCheck(d); err != nil {
		return err
	}
	return m.permissions(events.Device, nil)
}

// described decides over what is said of a device.
func (m *merge) described(d *lab.Device) events.DeviceDescribed {
	return events.DeviceDescribed{
		Device:      d.Name,
		Description: m.setting("description", d.Description, ""),
		Hardware:    m.setting("hardware", d.Hardware, ""),
		Owner:       events.UserName(m.setting("owner", string(d.Owner), "")),
		OwnerGroup:  events.GroupName(m.setting("owner_group", string(d.OwnerGroup), "")),
		By:          m.by,
	}
}

// deviceWorker decides over where a device hangs. One that runs a job stays there until the next import.
// [merge.kept] says what has to be imported again once the device is idle.
func (m *merge) deviceWorker(d *lab.Device) error {
	// The base stays, so that the next import sees the change again.
	if theirs := m.o.Settings["worker"]; d.State != lab.DeviceIdle && m.left["worker"] != "" && theirs != string(d.Worker) {
		delete(m.left, "worker")
		m.remember("worker", m.base["worker"])
		m.kept = append(m.kept, SettingChange{m.o.Kind, m.o.Name, "worker", string(d.Worker), theirs, "it is " + holderOf(m.s, d) + "; import again afterwards"})
		return nil
	}
	to := events.WorkerName(m.setting("worker", string(d.Worker), ""))
	if to == d.Worker {
		return nil
	}
	if !m.in.DryRun {
		if err := knownWorker(m.s, to); err != nil {
			return err
		}
	}
	m.record(events.DeviceMoved{Device: d.Name, Worker: to, By: m.by})
	return nil
}

// deviceTags decides over the tags of a device.
// Tags are compared as a whole list: who took one away here keeps the list as it is here.
func (m *merge) deviceTags(d *lab.Device) {
	var ours []string
	for _, t := range d.Tags {
		ours = append(ours, string(t))
	}
	want := m.names("tags", ours)
	for _, t := range want {
		if slices.Contains(ours, t) {
			continue
		}
		if m.s.Tag(events.TagName(t)) == nil && !m.added[events.Entity{Kind: events.Tag, ID: t}] {
			m.record(events.TagAdded{Tag: events.TagName(t), By: m.by})
		}
		m.record(events.DeviceTagged{Device: d.Name, Tag: events.TagName(t), By: m.by})
	}
	for _, t := range ours {
		if !slices.Contains(want, t) {
			m.record(events.DeviceUntagged{Device: d.Name, Tag: events.TagName(t), By: m.by})
		}
	}
}

// deviceHealth decides over health and its reason. A reason alone that changed here is no news: each check
// that a device passes gives it another.
// The setting is the word, a line's end, and the reason. theirs that the last import took, and that
// changed here since, stays as it is here: the boards hang here now.
func (m *merge) deviceHealth(d *lab.Device) error {
	theirs, given := m.left["health"]
	ours := strings.TrimSuffix(string(d.Health)+"\n"+d.HealthReason, "\n")
	base := m.base["health"]
	word, reason, _ := strings.Cut(theirs, "\n")
	// The word is the same and only the reason differs: what is here is the newer one.
	if given && word == string(d.Health) && theirs != ours && base != digest(ours) && !m.in.Force {
		delete(m.left, "health")
		m.remember("health", base)
		return nil
	}
	if m.setting("health", ours, "") == ours {
		return nil
	}
	if err := (DeviceRequest{Health: events.DeviceHealth(word)}).check(); err != nil || word == "" {
		return fmt.Errorf("health is %q, allowed are Good, Unknown, Looping, Bad, Maintenance, Retired", word)
	}
	m.record(events.DeviceHealthSet{Device: d.Name, Health: events.DeviceHealth(word), Reason: reason, By: m.by})
	return nil
}

// deviceCheck decides over the last health check: the newer one counts, wherever it was.
// Without it all devices of a lab that moves would be due for a check at once.
func (m *merge) deviceCheck(d *lab.Device) error {
	text, _ := m.given("last_check")
	count, _ := m.given("jobs_since")
	at, err := settingTime("last_check", text)
	if err != nil {
		return err
	}
	jobs := 0
	if count != "" {
		if jobs, err = strconv.Atoi(count); err != nil || jobs < 0 {
			return fmt.Errorf("jobs_since is %q, want a number from 0", count)
		}
	}
	e := events.DeviceCheckCarried{Device: d.Name, At: at, JobsSince: jobs, AtOnce: d.FirstCheck, By: m.by}
	switch {
	case m.fresh:
		if e.AtOnce = m.in.ChecksAtOnce; !at.IsZero() || e.AtOnce > 0 {
			m.record(e)
		}
	case at.After(d.LastCheckAt):
		m.changes = append(m.changes, SettingChange{m.o.Kind, m.o.Name, "last_check", d.LastCheckAt.Format("2006-01-02 15:04"), at.Format("2006-01-02 15:04"), ""})
		m.record(e)
	}
	return nil
}
