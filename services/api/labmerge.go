package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/jinja"
)

// merge decides over one object of an import: it compares what the source says with what the lab has and
// with what the last import took.
// The rule is that of a three-way merge, setting by setting: base is the common ancestor.
type merge struct {
	in      LabImportRequest
	by      events.UserName
	o       LabObject
	s       *lab.State
	added   map[events.Entity]bool // by objects before this one
	fresh   bool                   // the lab does not have the object
	base    map[string]string      // digests of what the last import took
	left    map[string]string      // settings that nobody has asked for yet
	summary string                 // of a new object, for the report

	// What the next import will compare with: digests by setting.
	taken   map[string]string
	facts   []events.Event
	changes []SettingChange
	kept    []SettingChange
	refused []InvalidObject
	invalid []InvalidObject
}

// given returns a setting that the source knows.
func (m *merge) given(name string) (string, bool) {
	v, ok := m.left[name]
	delete(m.left, name)
	return v, ok
}

// setting returns the value that a setting is to have. ours is what it is here; empty is what it is where
// nobody has said anything.
// It must be asked once for each setting: what is left over at the end is refused as unknown. A text
// that is theirs and ours alike counts as taken, so that a later change there comes over.
func (m *merge) setting(name, ours, empty string) string {
	theirs, given := m.given(name)
	base := m.base[name]
	if !given {
		m.remember(name, base)
		return ours
	}
	// Never imported, and as it is at first: nobody here has had an opinion.
	untouched := base == digest(ours) || base == "" && ours == empty
	switch {
	case theirs == ours:
	case m.fresh:
	case untouched || m.in.Force:
		m.changes = append(m.changes, SettingChange{m.o.Kind, m.o.Name, name, brief(ours), brief(theirs), ""})
	default:
		m.keep(name, ours, theirs, base)
		return ours
	}
	m.remember(name, digest(theirs))
	return theirs
}

// keep notes that a setting stays as it is here.
// The old base stays: as long as here and there differ, each import tells it again.
func (m *merge) keep(name, ours, theirs, base string) {
	why := "changed here since the last import"
	switch {
	case base == "":
		why = "it was here before the import"
	case base != digest(theirs):
		why = "changed here and there since the last import"
	}
	m.kept = append(m.kept, SettingChange{m.o.Kind, m.o.Name, name, brief(ours), brief(theirs), why})
	m.remember(name, base)
}

// remember has the next import know that a value was taken; an empty digest is none.
func (m *merge) remember(name, digest string) {
	if digest != "" {
		m.taken[name] = digest
	}
}

func (m *merge) record(facts ...events.Event) { m.facts = append(m.facts, facts...) }

// number is setting for a number from 0.
func (m *merge) number(name string, ours, empty int) (int, error) {
	text := m.setting(name, strconv.Itoa(ours), strconv.Itoa(empty))
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is %q, want a number from 0", name, text)
	}
	return n, nil
}

// truth is setting for true and false.
func (m *merge) truth(name string, ours bool) (bool, error) {
	text := m.setting(name, strconv.FormatBool(ours), "false")
	yes, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%s is %q, want true or false", name, text)
	}
	return yes, nil
}

// names is setting for names in any order.
// Both sides are put in order first: another order is no change.
func (m *merge) names(name string, ours []string) []string {
	if theirs, ok := m.left[name]; ok {
		m.left[name] = joined(lines(theirs))
	}
	return lines(m.setting(name, joined(ours), ""))
}

// lines cuts a setting of several names.
func lines(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(s string) bool { return s == "" })
}

// joined writes names a line each, in order.
func joined(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	return strings.Join(slices.Compact(names), "\n")
}

// permissions decides over the permissions that groups have.
// Groups and codenames are taken as they are: a group that is not here has no users, and so grants
// nothing.
func (m *merge) permissions(kind events.Kind, here []events.Permission) error {
	var ours []string
	for _, p := range here {
		ours = append(ours, string(p.Group)+":"+p.Permission)
	}
	want := m.names("permissions", ours)
	if joined(want) == joined(ours) {
		return nil
	}
	e := events.PermissionsSet{Kind: kind, Name: m.o.Name, By: m.by}
	for _, p := range want {
		// Names of groups may have colons, codenames have none.
		i := strings.LastIndex(p, ":")
		if i <= 0 || i == len(p)-1 {
			return fmt.Errorf("permission is %q, want group:codename", p)
		}
		e.Permissions = append(e.Permissions, events.Permission{Group: events.GroupName(p[:i]), Permission: p[i+1:]})
	}
	m.record(e)
	return nil
}

// deviceType decides over a device type of an import.
func (m *merge) deviceType() error {
	if err := checkName("device_type", m.o.Name, maxTypeBytes); err != nil {
		return err
	}
	name := events.DeviceTypeName(m.o.Name)
	was := events.DeviceTypeConfigured{DeviceType: name, HealthFrequency: 24, HealthDenominator: events.Hours}
	t := m.s.DeviceType(name)
	if t == nil {
		t = &lab.DeviceType{}
		m.fresh = true
		m.record(events.DeviceTypeAdded{DeviceType: name, By: m.by})
	} else {
		m.base = t.Imported
		was = events.DeviceTypeConfigured{DeviceType: name, Description: t.Description, Architecture: t.Architecture, Aliases: t.Aliases,
			Hidden: t.Hidden, HealthFrequency: t.HealthFrequency, HealthDenominator: t.HealthDenominator, HealthDisabled: t.HealthDisabled,
			HealthCheck: t.HealthCheck, Template: t.Template}
	}
	if text, ok := m.left["template"]; ok {
		_, err := jinja.Parse(m.o.Name+suffix, text)
		if err == nil {
			err = checkText(text)
		}
		if err != nil { // what else there is of the type is worth having
			delete(m.left, "template")
			m.remember("template", m.base["template"])
			m.invalid = append(m.invalid, InvalidObject{m.o.Kind, m.o.Name, "its template is not taken: " + err.Error()})
		}
	}
	e := was
	e.Description = m.setting("description", was.Description, "")
	e.Architecture = m.setting("architecture", was.Architecture, "")
	e.HealthDenominator = events.Denominator(m.setting("health_denominator", string(was.HealthDenominator), string(events.Hours)))
	e.HealthCheck = m.setting("health_check", was.HealthCheck, "")
	if _, err := checkHealthCheck(DeviceType{DeviceType: name, HealthCheck: e.HealthCheck}); err != nil && e.HealthCheck != was.HealthCheck {
		// Taken all the same: it is what the lab has had, and its devices were Bad there too.
		m.invalid = append(m.invalid, InvalidObject{m.o.Kind, m.o.Name, err.Error()})
	}
	e.Template = m.setting("template", was.Template, "")
	// Their order here is kept where only that differs.
	if aliases := m.names("aliases", was.Aliases); joined(aliases) != joined(was.Aliases) {
		e.Aliases = aliases
	}
	var errs [4]error
	e.Hidden, errs[0] = m.truth("hidden", was.Hidden)
	e.HealthDisabled, errs[1] = m.truth("health_disabled", was.HealthDisabled)
	e.HealthFrequency, errs[2] = m.number("health_frequency", was.HealthFrequency, 24)
	if e.HealthDenominator != events.Hours && e.HealthDenominator != events.Jobs {
		errs[3] = fmt.Errorf("health_denominator is %q, want hours or jobs", e.HealthDenominator)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if !reflect.DeepEqual(e, was) {
		e.By, e.Comment = m.by, m.in.Reason
		m.record(e)
	}
	return m.permissions(events.DeviceType, t.Permissions)
}

// tag decides over a tag of an import.
// A tag is added again to change what is said of it: see [events.TagAdded].
func (m *merge) tag() error {
	if err := checkName("tag", m.o.Name, maxNameBytes); err != nil {
		return err
	}
	name := events.TagName(m.o.Name)
	t := m.s.Tag(name)
	if m.fresh = t == nil; m.fresh {
		t = &lab.Tag{}
	}
	m.base = t.Imported
	if d := m.setting("description", t.Description, ""); m.fresh || d != t.Description {
		m.record(events.TagAdded{Tag: name, Description: d, By: m.by})
	}
	return nil
}

// worker decides over a worker of an import, which is registered where it is new. Its token comes
// by people.import.
func (m *merge) worker() error {
	if err := checkName("worker", m.o.Name, maxNameBytes); err != nil {
		return err
	}
	name := events.WorkerName(m.o.Name)
	w := m.s.Worker(name)
	if m.fresh = w == nil; m.fresh {
		w = &lab.Worker{Name: name, Health: events.WorkerActive}
		m.record(events.WorkerRegistered{Worker: name, By: m.by})
	}
	m.base = w.Imported
	was := events.WorkerConfigured{Worker: name, Description: w.Description, JobLimit: w.JobLimit, Dispatcher: w.Dispatcher,
		Env: w.Env, EnvDUT: w.EnvDUT}
	e := was
	e.Description = m.setting("description", was.Description, "")
	e.Dispatcher = m.setting("dispatcher", was.Dispatcher, "")
	e.Env = m.setting("env", was.Env, "")
	e.EnvDUT = m.setting("env_dut", was.EnvDUT, "")
	limit, err := m.number("job_limit", was.JobLimit, 0)
	if err != nil {
		return err
	}
	if e.JobLimit = limit; e != was {
		e.By = m.by
		m.record(e)
	}
	theirs, given := m.left["health"]
	theirs, reason, _ := strings.Cut(theirs, "\n")
	if given {
		m.left["health"] = theirs // a worker keeps no reason to compare with
	}
	word := m.setting("health", string(w.Health), string(events.WorkerActive))
	switch h := events.WorkerHealth(word); {
	case h != events.WorkerActive && h != events.WorkerMaintenance && h != events.WorkerRetired:
		return fmt.Errorf("health is %q, allowed are Active, Maintenance, Retired", word)
	case h != w.Health:
		m.record(events.WorkerHealthSet{Worker: name, Health: h, Reason: reason, By: m.by})
	}
	return m.permissions(events.Worker, w.Permissions)
}

// checkText refuses what no template or dictionary may be.
func checkText(text string) error {
	switch {
	case len(text) > maxDictionaryBytes:
		return fmt.Errorf("it has %d bytes, allowed are %d", len(text), maxDictionaryBytes)
	case !utf8.ValidString(text):
		return errors.New("it is not text in UTF-8")
	}
	return nil
}

// digest is what is kept of a value that an import took: enough to tell it from others.
// Eight bytes of SHA-256: it only has to tell the values of one setting apart.
func digest(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:8])
}

// brief shows a value in a report.
func brief(value string) string {
	value = strings.TrimSuffix(value, "\n")
	switch {
	case value == "":
		return "nothing"
	case len(value) > 120 || strings.Count(value, "\n") > 5:
		return fmt.Sprintf("%d bytes", len(value))
	}
	return strings.ReplaceAll(value, "\n", ", ")
}

// settingTime reads a time of a setting; "" is none.
func settingTime(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, fmt.Errorf("%s is %q, want a time such as 2026-01-31T10:00:00Z", name, text)
	}
	return at.UTC(), nil
}
