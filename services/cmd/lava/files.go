package lava

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"strata/events"
	"strata/schemas/device"
	"strata/schemas/jinja"
)

// Files names the folders of a LAVA server's configuration; "" is none. Of templates that several folders
// have, the first one's counts, as LAVA's own folder stands before the shipped one.
type Files struct {
	DeviceTypes  []string // *.jinja2
	Devices      string   // *.jinja2
	HealthChecks string   // *.yaml and *.yml, named after templates
	Worker       string   // that devices hang on which say nothing of one
}

// fileBytes is the most that a file of a configuration may have.
// The api refuses templates and dictionaries above the same size.
const fileBytes = 256 << 10

// untouched is the health of devices whose own is not known: nothing is powered on that people took out.
const untouched = "Maintenance\nimported"

// Read reads the folders. A file that cannot be read is named in the Config; a folder is an error.
// Health checks come last: which template a check belongs to is known once the devices have been read.
func (f Files) Read() (*Config, error) {
	c := &Config{}
	for _, dir := range f.DeviceTypes {
		err := c.readFolder(dir, events.DeviceType, []string{suffix}, func(name, text string) {
			// The first folder wins.
			if !c.has(events.DeviceType, name) {
				c.object(events.DeviceType, name).Settings["template"] = text
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if f.Devices != "" {
		if err := c.readFolder(f.Devices, events.Device, []string{suffix}, func(name, text string) { f.device(c, name, text) }); err != nil {
			return nil, err
		}
	}
	if f.HealthChecks == "" {
		return c, nil
	}
	checks, used := map[string]string{}, map[string]bool{}
	err := c.readFolder(f.HealthChecks, "health check", []string{".yaml", ".yml"}, func(name, text string) {
		if _, there := checks[name]; !there { // .yaml is read first, as LAVA does
			checks[name] = text
		}
	})
	if err != nil {
		return nil, err
	}
	c.healthChecks(func(template string) string {
		used[template] = true
		return checks[template]
	})
	for name := range checks {
		if !used[name] {
			c.notTaken(events.DeviceType, name, "health_check", name, "no device extends a template of that name, and no device type has it")
		}
	}
	slices.SortFunc(c.NotTaken, func(a, b NotTaken) int { return strings.Compare(a.Name+a.Setting, b.Name+b.Setting) })
	return c, nil
}

// device takes a dictionary, and what it says for LAVA's sync.
func (f Files) device(c *Config, name, text string) {
	o := c.object(events.Device, name)
	o.Settings["dictionary"], o.Settings["new_health"] = text, untouched
	if f.Worker != "" {
		o.Settings["worker"] = f.Worker
	}
	kind, ok := device.TypeOf([]byte(text))
	if !ok {
		c.unread(events.Device, name, "it extends no template, or several, and sync_to_lava names no device type: add it with `strata devices add %s --type TYPE --dict FILE`", name)
		// The device is the last object: names of files in one folder differ, so it was made above.
		c.Objects = c.Objects[:len(c.Objects)-1]
		return
	}
	o.Settings["device_type"] = kind
	if template, err := jinja.Parse(name+suffix, text); err == nil {
		if v, set := template.Assigned("sync_to_lava"); set {
			if d, is := v.(*jinja.Dict); is {
				c.sync(o.Settings, kind, d)
			}
		}
	}
	if w := o.Settings["worker"]; w != "" {
		c.object(events.Worker, w)
	}
}

// sync takes what a dictionary says of its device for LAVA's sync.
// A key of another type than LAVA documents is passed over: one bad word shall not cost the device.
// Keys that are missing leave the setting out, which leaves the lab's own alone; an empty list of tags
// or permissions empties the lab's, as LAVA's sync removes what is not listed.
func (c *Config) sync(settings map[string]string, kind string, d *jinja.Dict) {
	text := func(key string) string {
		v, _ := d.Get(key)
		s, _ := v.(string)
		return s
	}
	list := func(key string) (names []string) {
		v, _ := d.Get(key)
		for _, item := range items(v) {
			if s, is := item.(string); is {
				names = append(names, s)
			}
		}
		return names
	}
	for key, setting := range map[string]string{"worker": "worker", "physical_owner": "owner", "physical_group": "owner_group"} {
		if s := text(key); s != "" {
			settings[setting] = s
		}
	}
	if _, said := d.Get("tags"); said {
		settings["tags"] = strings.Join(list("tags"), "\n")
	}
	if aliases := list("aliases"); len(aliases) > 0 {
		o := c.object(events.DeviceType, kind)
		var all []string
		if before := o.Settings["aliases"]; before != "" {
			all = strings.Split(before, "\n")
		}
		for _, a := range aliases {
			if !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
		o.Settings["aliases"] = strings.Join(all, "\n")
	}
	if v, said := d.Get("group_device_permissions"); said {
		var all []string
		for _, item := range items(v) {
			// LAVA writes [codename, group], the api's settings are group:codename.
			if pair := items(item); len(pair) == 2 {
				all = append(all, fmt.Sprintf("%v:%v", pair[1], pair[0]))
			}
		}
		settings["permissions"] = strings.Join(all, "\n")
	}
}

// items returns what stands in a list or tuple of a template.
func items(v any) []any {
	switch v := v.(type) {
	case jinja.List:
		return v
	case jinja.Tuple:
		return v
	}
	return nil
}

// readFolder hands over the files of a folder with one of the endings, in the order of the endings and
// names.
// A folder without any such file is an error: a mistaken path would otherwise pass for a lab without
// devices.
func (c *Config) readFolder(dir string, kind events.Kind, endings []string, each func(name, text string)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the folder: %w", err)
	}
	found := 0
	for _, ending := range endings {
		for _, e := range entries {
			name, ok := strings.CutSuffix(e.Name(), ending)
			if !ok || name == "" || strings.HasPrefix(name, ".") {
				continue
			}
			found++
			text, err := readFile(filepath.Join(dir, e.Name()))
			if err != nil {
				c.unread(kind, name, "%v", err)
				continue
			}
			each(name, text)
		}
	}
	if found == 0 {
		return fmt.Errorf("%s has no *%s files", dir, strings.Join(endings, " or *"))
	}
	return nil
}

// readFile reads a regular file, or a link to one, of a size that may be a configuration.
// A named pipe would hold the import up for ever, hence regular files alone. The limit is on what is
// read, not on what stat says, as files in /proc have the size 0.
func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileBytes+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > fileBytes:
		return "", fmt.Errorf("%s has %d bytes, allowed are %d", path, info.Size(), fileBytes)
	case strings.ToValidUTF8(string(text), "") != string(text):
		return "", fmt.Errorf("%s is not text in UTF-8", path)
	case strings.TrimSpace(string(text)) == "":
		return "", fmt.Errorf("%s is empty", path)
	}
	return string(text), nil
}
