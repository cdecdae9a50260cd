package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
)

// ConfigRequest asks for the versions that a device's dictionary, or the settings of a device type or
// worker, have had.
// Texts are asked for by number, since a device may have had hundreds of versions of up to 256 KiB.
type ConfigRequest struct {
	Name  string `json:"name"`
	Texts []int  `json:"texts,omitempty"` // numbers of the versions whose texts are wanted
}

// Config answers ConfigRequest.
type Config struct {
	Name     string          `json:"name"`
	Versions []ConfigVersion `json:"versions"` // oldest first, those that the log still holds
}

// ConfigVersion is one version of a configuration.
type ConfigVersion struct {
	Version int             `json:"version"` // from 1
	Seq     uint64          `json:"seq"`     // of its fact in LAB
	Time    time.Time       `json:"time"`
	By      events.UserName `json:"by"`
	Comment string          `json:"comment,omitempty"`
	Bytes   int             `json:"bytes"`
	Text    string          `json:"text,omitempty"` // of those asked for
}

// deviceVersions answers with the versions of a device's dictionary.
// The facts of the log are the history; there is no other place where versions are kept. [NotFound] is told of a device
// that there is not, of one that the caller may not see, and of a version that the log does not hold.
func (a *api) deviceVersions(ctx context.Context, who caller, in ConfigRequest) (Config, error) {
	// A device whose dictionary was never set has version 0 and no versions.
	last := -1
	a.read(func(s *lab.State) {
		if d := s.Device(events.DeviceName(in.Name)); d != nil && who.can(s, lab.View, events.Entity{Kind: events.Device, ID: in.Name}) {
			last = d.Version
		}
	})
	if last < 0 {
		return Config{}, refuse(NotFound, "there is no device %s", in.Name)
	}
	facts, err := a.log.Load(ctx, events.Entity{Kind: events.Device, ID: in.Name})
	if err != nil {
		return Config{}, err
	}
	out := Config{Name: in.Name, Versions: []ConfigVersion{}}
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.DeviceConfigured:
			out.Versions = append(out.Versions, ConfigVersion{Seq: r.Seq, Time: r.Time, By: e.By, Comment: e.Comment, Text: e.Dictionary})
		case events.DeviceRemoved:
			out.Versions = out.Versions[:0] // another device had the name
		}
	}
	return out.numbered(max(last, len(out.Versions)), in.Texts)
}

// deviceTypeVersions answers with the versions of a device type's settings.
func (a *api) deviceTypeVersions(ctx context.Context, who caller, in ConfigRequest) (Config, error) {
	known := false
	a.read(func(s *lab.State) {
		if kind := s.Resolve(events.DeviceTypeName(in.Name)); s.DeviceType(kind) != nil && seesType(s, who, kind) {
			known, in.Name = true, string(kind)
		}
	})
	if !known {
		return Config{}, refuse(NotFound, "there is no device type %s", in.Name)
	}
	facts, err := a.log.Load(ctx, events.Entity{Kind: events.DeviceType, ID: in.Name})
	if err != nil {
		return Config{}, err
	}
	out := Config{Name: in.Name, Versions: []ConfigVersion{}}
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.DeviceTypeConfigured:
			out.Versions = append(out.Versions, ConfigVersion{Seq: r.Seq, Time: r.Time, By: e.By, Comment: e.Comment, Text: settingsText(e)})
		case events.DeviceTypeRemoved:
			out.Versions = out.Versions[:0]
		}
	}
	return out.numbered(len(out.Versions), in.Texts)
}

// workerVersions answers with the versions of a worker's settings, to those who may change the worker: there
// may be secrets in its files.
// The pages of a worker's settings and `strata workers config` ask it.
func (a *api) workerVersions(ctx context.Context, who caller, in ConfigRequest) (Config, error) {
	last := 0
	var denied error
	a.read(func(s *lab.State) {
		var w *lab.Worker
		if w, denied = theWorker(s, who, events.WorkerName(in.Name)); w != nil {
			last = w.Configured
		}
	})
	if denied != nil {
		return Config{}, denied
	}
	facts, err := a.log.Load(ctx, events.Entity{Kind: events.Worker, ID: in.Name})
	if err != nil {
		return Config{}, err
	}
	out := Config{Name: in.Name, Versions: []ConfigVersion{}}
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.WorkerConfigured:
			out.Versions = append(out.Versions, ConfigVersion{Seq: r.Seq, Time: r.Time, By: e.By, Comment: e.Comment, Text: workerText(e)})
		case events.WorkerRemoved:
			out.Versions = out.Versions[:0] // another worker had the name
		}
	}
	return out.numbered(max(last, len(out.Versions)), in.Texts)
}

// workerText writes the settings of a worker as one text, in which versions can be compared.
func workerText(e events.WorkerConfigured) string {
	var b strings.Builder
	if e.Description != "" {
		fmt.Fprintf(&b, "description: %s\n", e.Description)
	}
	fmt.Fprintf(&b, "job_limit: %d\n", e.JobLimit)
	for _, part := range []struct{ file, text string }{{"dispatcher.yaml", e.Dispatcher}, {"env.yaml", e.Env}, {"env-dut.yaml", e.EnvDUT}} {
		if part.text != "" {
			fmt.Fprintf(&b, "--- %s\n%s\n", part.file, strings.TrimSuffix(part.text, "\n"))
		}
	}
	return b.String()
}

// numbered gives the versions their numbers, the newest the last, and takes the texts away that nobody asked
// for.
// last is the number of the newest one: the fold counts on where old facts have left the log, so the first one that is
// here need not be 1.
func (c Config) numbered(last int, texts []int) (Config, error) {
	first := last - len(c.Versions) + 1
	// Before anything is cut away, so that one wrong number gives no half answer.
	for _, n := range texts {
		if n < first || n > last {
			return Config{}, refuse(NotFound, "%s has no version %d: %s", c.Name, n, c.has(first, last))
		}
	}
	for i := range c.Versions {
		v := &c.Versions[i]
		v.Version, v.Bytes = first+i, len(v.Text)
		if !slices.Contains(texts, v.Version) {
			v.Text = ""
		}
	}
	return c, nil
}

// has says which versions there are, for an error.
func (c Config) has(first, last int) string {
	if len(c.Versions) == 0 {
		return "it has none yet"
	}
	return fmt.Sprintf("there are %d to %d", first, last)
}

// settingsText writes the settings of a device type as one text, in which versions can be compared.
// It is made for comparing and shown as it is: names are those of `strata device-types configure`, and what is not set is
// left out. Nothing reads it back.
func settingsText(e events.DeviceTypeConfigured) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	line("description", e.Description)
	line("architecture", e.Architecture)
	line("aliases", strings.Join(e.Aliases, ", "))
	if e.Hidden {
		line("hidden", "true")
	}
	line("health_frequency", fmt.Sprintf("%d %s", e.HealthFrequency, e.HealthDenominator))
	if e.HealthDisabled {
		line("health_disabled", "true")
	}
	for _, part := range []struct{ name, text string }{{"template", e.Template}, {"health_check", e.HealthCheck}} {
		if part.text != "" {
			fmt.Fprintf(&b, "--- %s\n%s\n", part.name, strings.TrimSuffix(part.text, "\n"))
		}
	}
	return b.String()
}
