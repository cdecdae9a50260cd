// Package lava reads what a LAVA server is configured as, for `strata import lava`: from its folders of files
// ([Files]) or through its interfaces ([Server]). It only reads, and asks nothing of a Strata lab.
//
// # What it promises
//
// A [Config] holds every device, device type, worker and tag that could be read, in the shape that the api's
// verb "import" takes, and says by name what could not be read and which fields have no place in Strata.
// Nothing in it is a secret: what proves who people and workers are is in [People], which [ReadPeople] reads from a dump.
//
// # Where the data comes from
//
// Files are those of a server's dispatcher-config: device-type templates, device dictionaries (with what
// they say for LAVA's sync, sync_to_lava) and health checks, which are named after the template that a
// dictionary extends. Interfaces are REST v0.2, XML-RPC for templates that are no device types and for
// env-dut.yaml, and the device's page for what neither tells: why its health is what it is, and who has
// physical access.
package lava

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"strata/events"
	"strata/schemas/device"
	"strata/services/api"
)

// Config is what a LAVA server is configured as.
type Config struct {
	Objects  []api.LabObject
	NotTaken []NotTaken          // fields that have a value and no place in Strata
	Unread   []api.InvalidObject // what could not be read, and what follows from it
}

// NotTaken is a field that was not taken.
type NotTaken struct {
	Kind    events.Kind `json:"kind"`
	Name    string      `json:"name"`
	Setting string      `json:"setting"`
	Value   string      `json:"value,omitempty"`
	Why     string      `json:"why"`
}

// object returns the object of that name, which is made where it is new.
// Settings is a map, so what callers put into the copy that they get is in the list too.
func (c *Config) object(kind events.Kind, name string) api.LabObject {
	for _, o := range c.Objects {
		if o.Kind == kind && o.Name == name {
			return o
		}
	}
	o := api.LabObject{Kind: kind, Name: name, Settings: map[string]string{}}
	c.Objects = append(c.Objects, o)
	return o
}

func (c *Config) has(kind events.Kind, name string) bool {
	return slices.ContainsFunc(c.Objects, func(o api.LabObject) bool { return o.Kind == kind && o.Name == name })
}

func (c *Config) unread(kind events.Kind, name, format string, args ...any) {
	c.Unread = append(c.Unread, api.InvalidObject{Kind: kind, Name: name, Why: fmt.Sprintf(format, args...)})
}

// An empty value is no loss, and is not told.
func (c *Config) notTaken(kind events.Kind, name, setting, value, why string) {
	if value != "" {
		c.NotTaken = append(c.NotTaken, NotTaken{kind, name, setting, value, why})
	}
}

// healthChecks gives each device type the check that LAVA runs on its devices: that of the template which
// their dictionaries extend, and where it has no devices, that of the template of its own name. read
// returns a template's check, "" where there is none.
// It asks the dictionaries and not the type, as LAVA's scheduler does: a check is a file that has the
// name of a template, which is the type's own only most of the time.
func (c *Config) healthChecks(read func(template string) string) {
	extended := map[string][]string{} // device type → templates that its devices extend
	for _, o := range c.Objects {
		if o.Kind != events.Device || o.Settings["dictionary"] == "" {
			continue
		}
		kind := o.Settings["device_type"]
		// Several extends, or none: LAVA finds no check for such a device.
		if template, ok := device.Extends([]byte(o.Settings["dictionary"])); ok && !slices.Contains(extended[kind], template) {
			extended[kind] = append(extended[kind], template)
		}
		if kind != "" {
			c.object(events.DeviceType, kind)
		}
	}
	for _, o := range c.Objects {
		if o.Kind != events.DeviceType {
			continue
		}
		templates := extended[o.Name]
		if len(templates) == 0 {
			templates = []string{o.Name}
		}
		// Which check is taken must not hang on the order of the devices: an import that is repeated
		// would change it to and fro.
		slices.Sort(templates)
		check, from := "", ""
		for _, t := range templates {
			text := read(t)
			switch {
			case text == "" || text == check:
			case check == "":
				check, from = text, t
			default:
				c.notTaken(events.DeviceType, o.Name, "health_check", t, "devices of the type extend several templates with checks; that of "+from+" is taken")
			}
		}
		if check != "" {
			o.Settings["health_check"] = check
		}
	}
}

// references finds the templates that a template needs: it may extend one and include others.
var references = regexp.MustCompile(`\{%[-+]?\s*(?:extends|include|import|from)\s+['"]([^'"]+)['"]`)

// needs returns the names of the templates that a text needs.
// Names that an expression computes are not seen.
func needs(text string) (names []string) {
	for _, m := range references.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// templateName is a template's name without its suffix, as device types are called.
func templateName(file string) string { return strings.TrimSuffix(file, suffix) }

// suffix ends the names of files with templates.
const suffix = ".jinja2"
