package lava

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"strata/events"
)

// deviceType is a row of REST's devicetypes.
// Pointers are null where nobody has filled the field in. Bits and CoreCount are
// only shown, hence of any type.
type deviceType struct {
	Name         string   `json:"name"`
	Architecture *string  `json:"architecture"`
	Processor    *string  `json:"processor"`
	CPUModel     *string  `json:"cpu_model"`
	Aliases      []string `json:"aliases"`
	Bits         any      `json:"bits"`
	Cores        []any    `json:"cores"`
	CoreCount    any      `json:"core_count"`
	Description  *string  `json:"description"`
	Frequency    int      `json:"health_frequency"`
	Disabled     bool     `json:"disable_health_check"`
	Denominator  string   `json:"health_denominator"`
	Display      bool     `json:"display"`
}

// Each setting is given even where it is empty: what was emptied there since the last import is
// emptied here.
func (r *reading) readTypes(ctx context.Context) error {
	rows, err := all(ctx, r, "devicetypes/", func(t deviceType) string { return t.Name })
	if err != nil {
		return fmt.Errorf("read device types: %w", err)
	}
	const nowhere = "Strata has no place for it"
	for _, t := range rows {
		r.kinds[t.Name] = t
		o := r.c.object(events.DeviceType, t.Name)
		for setting, value := range map[string]string{
			"description": deref(t.Description), "architecture": deref(t.Architecture), "aliases": strings.Join(t.Aliases, "\n"),
			"hidden": strconv.FormatBool(!t.Display), "health_frequency": strconv.Itoa(t.Frequency),
			"health_denominator": t.Denominator, "health_disabled": strconv.FormatBool(t.Disabled),
		} {
			o.Settings[setting] = value
		}
		r.c.notTaken(events.DeviceType, t.Name, "processor", deref(t.Processor), nowhere)
		r.c.notTaken(events.DeviceType, t.Name, "cpu_model", deref(t.CPUModel), nowhere)
		for setting, value := range map[string]any{"bits": t.Bits, "core_count": t.CoreCount} {
			if value != nil {
				r.c.notTaken(events.DeviceType, t.Name, setting, fmt.Sprint(value), nowhere)
			}
		}
		if len(t.Cores) > 0 {
			r.c.notTaken(events.DeviceType, t.Name, "cores", fmt.Sprint(t.Cores), nowhere)
		}
	}
	return nil
}

// worker is a row of REST's workers; its token is left where it is.
type worker struct {
	Hostname    string  `json:"hostname"`
	Health      string  `json:"health"`
	Description *string `json:"description"`
	JobLimit    int     `json:"job_limit"`
}

func (r *reading) readWorkers(ctx context.Context) error {
	rows, err := all(ctx, r, "workers/", func(w worker) string { return w.Hostname })
	if err != nil {
		return fmt.Errorf("read workers: %w", err)
	}
	for _, w := range rows {
		o := r.c.object(events.Worker, w.Hostname)
		o.Settings["description"], o.Settings["health"] = deref(w.Description), w.Health
		o.Settings["job_limit"] = strconv.Itoa(w.JobLimit)
		// LAVA answers 400 where the worker has no such file, which is errAbsent.
		for setting, path := range map[string]string{"env": "env", "dispatcher": "config"} {
			body, err := r.fetch(ctx, "/api/v0.2/workers/"+url.PathEscape(w.Hostname)+"/"+path+"/")
			r.file(o.Settings, w.Hostname, setting, string(body), err)
		}
		text, err := r.call(ctx, "scheduler.workers.get_env_dut", w.Hostname) // REST has no door for it
		r.file(o.Settings, w.Hostname, "env_dut", text, err)
	}
	return nil
}

// file takes a worker's file; none at all is an empty one.
// A file that could not be read leaves the setting out: an empty one would erase the lab's.
func (r *reading) file(settings map[string]string, worker, setting, text string, err error) {
	if err != nil && !errors.Is(err, errAbsent) {
		r.c.unread(events.Worker, worker, "its %s cannot be read: %v", setting, err)
		return
	}
	settings[setting] = text
}

// board is a row of REST's devices.
type board struct {
	Hostname    string  `json:"hostname"`
	DeviceType  string  `json:"device_type"`
	Version     *string `json:"device_version"`
	Owner       *int    `json:"physical_owner"`
	Group       *int    `json:"physical_group"`
	Description *string `json:"description"`
	Tags        []int   `json:"tags"`
	Health      string  `json:"health"`
	LastCheck   *int    `json:"last_health_report_job"`
	Worker      *string `json:"worker_host"`
}

func (r *reading) readDevices(ctx context.Context) error {
	rows, err := all(ctx, r, "devices/?all=true", func(b board) string { return b.Hostname })
	if err != nil {
		return fmt.Errorf("read devices: %w", err)
	}
	for _, b := range rows {
		s := r.c.object(events.Device, b.Hostname).Settings
		s["device_type"], s["worker"], s["description"], s["hardware"] = b.DeviceType, deref(b.Worker), deref(b.Description), deref(b.Version)
		if w := s["worker"]; w != "" {
			r.c.object(events.Worker, w) // one that the token's user may not see has devices all the same
		}
		var tags []string
		for _, id := range b.Tags {
			if name, known := r.tags[id]; known {
				tags = append(tags, name)
			} else {
				r.c.notTaken(events.Device, b.Hostname, "tag", strconv.Itoa(id), "the server does not tell its name")
			}
		}
		s["tags"] = strings.Join(tags, "\n")
		body, err := r.fetch(ctx, "/api/v0.2/devices/"+url.PathEscape(b.Hostname)+"/dictionary/?all=true") // all: of retired ones too
		switch {
		case err == nil:
			s["dictionary"] = string(body)
		case errors.Is(err, errAbsent):
			r.c.unread(events.Device, b.Hostname, "it has no dictionary")
		default:
			r.c.unread(events.Device, b.Hostname, "its dictionary cannot be read: %v", err)
		}
		page := r.page(ctx, b.Hostname)
		s["health"] = strings.TrimSuffix(b.Health+"\n"+page.reason(b.Health), "\n")
		r.owners(s, b, page)
		if b.LastCheck != nil {
			r.lastCheck(ctx, s, b)
		}
	}
	return nil
}

// owners takes who has a device on the desk. REST gives numbers, their names only newer servers; the page
// names whoever it is.
// An empty setting says that nobody has it; a setting that is left out leaves the lab's as it is, as
// the name is not known.
func (r *reading) owners(s map[string]string, b board, page devicePage) {
	for _, who := range []struct {
		setting string
		id      *int
		names   map[int]string
	}{{"owner", b.Owner, r.users}, {"owner_group", b.Group, r.groups}} {
		s[who.setting] = ""
		if who.id == nil {
			continue
		}
		name := who.names[*who.id]
		if name == "" {
			name = page.owner()
		}
		if name == "" {
			delete(s, who.setting)
			r.c.notTaken(events.Device, b.Hostname, who.setting, strconv.Itoa(*who.id), "the server does not tell the name")
			continue
		}
		s[who.setting] = name
	}
}

// lastCheck takes when the last health check was submitted, which LAVA counts from, and how many jobs ran
// since where those count.
// Without it every device of the new lab would be due for a check at once.
func (r *reading) lastCheck(ctx context.Context, s map[string]string, b board) {
	var job struct {
		Submitted time.Time `json:"submit_time"`
	}
	if err := r.get(ctx, fmt.Sprintf("jobs/%d/", *b.LastCheck), &job); err != nil || job.Submitted.IsZero() {
		r.c.notTaken(events.Device, b.Hostname, "last_check", fmt.Sprintf("job %d", *b.LastCheck), "the server does not tell when it was")
		return
	}
	s["last_check"] = job.Submitted.UTC().Format(time.RFC3339Nano)
	// Types whose checks go by hours need the time alone.
	if r.kinds[b.DeviceType].Denominator != string(events.Jobs) {
		return
	}
	query := url.Values{"actual_device__hostname": {b.Hostname}, "health_check": {"false"}, "limit": {"1"},
		"start_time__gt": {job.Submitted.UTC().Format(time.RFC3339Nano)}}
	var count struct {
		Count int `json:"count"`
	}
	if err := r.get(ctx, "jobs/?"+query.Encode(), &count); err != nil {
		r.note("count the jobs since a check", "device", b.Hostname, "err", err)
		return
	}
	s["jobs_since"] = strconv.Itoa(count.Count)
}

// devicePage is the page of a device: what only people are told. It is asked without rights, so of a device
// that not everybody sees there is none.
type devicePage string

// A page that cannot be read costs reasons and names, never the device.
func (r *reading) page(ctx context.Context, name string) devicePage {
	body, err := r.fetch(ctx, "/scheduler/device/"+url.PathEscape(name))
	if err != nil {
		r.note("a device's page cannot be read", "device", name, "err", err)
	}
	return devicePage(body)
}

// The log of a device's health has a row a change, the newest first: "Good → Bad (why)".
var (
	transition = regexp.MustCompile(`(?s)<td[^>]*>\s*(\w+) (?:→|&rarr;) (\w+)\s*(?:\((.*?)\))?\s*</td>`)
	access     = regexp.MustCompile(`(?s)Physical access.*?<dd>(.*?)</dd>`)
	anchor     = regexp.MustCompile(`(?s)<a[^>]*>(.*?)</a>`)
)

// reason is why the device has that health, as its log says; "" where it does not.
func (p devicePage) reason(health string) string {
	m := transition.FindStringSubmatch(string(p))
	if m == nil || m[2] != health {
		return "" // set without a word since
	}
	return strings.TrimSpace(html.UnescapeString(anchor.ReplaceAllString(m[3], "$1")))
}

// owner is the user or group with physical access.
func (p devicePage) owner() string {
	m := access.FindStringSubmatch(string(p))
	if m == nil {
		return ""
	}
	name := m[1]
	if a := anchor.FindStringSubmatch(name); a != nil {
		name = a[1]
	}
	if name = strings.TrimSpace(html.UnescapeString(name)); name == "..." || strings.ContainsAny(name, "<>\n") {
		return ""
	}
	return name
}
