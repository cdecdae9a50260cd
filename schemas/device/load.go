package device

import (
	"errors"
	"fmt"
	"strings"

	"strata/schemas/job"
	"strata/schemas/yaml"
)

// MaxBytes is the size up to which a dictionary or a rendered configuration is taken.
const MaxBytes = 256 << 10

// ErrTemplate says that a text is a Jinja2 dictionary where a rendered configuration is wanted.
var ErrTemplate = errors.New("the text is a Jinja2 dictionary: it has to be rendered with the templates of its device type")

// Load reads a rendered device configuration; the context has no use here. Errors are a
// *yaml.Error, a *Problem, or [ErrTemplate]; [Templates.Load] takes dictionaries too.
func Load(text []byte, _ *yaml.Node) (*Device, error) {
	if IsTemplate(text) {
		return nil, fmt.Errorf("load device configuration: %w", ErrTemplate)
	}
	root, err := yaml.ParseWithin(text, yaml.Limits{Bytes: MaxBytes})
	if err != nil {
		return nil, fmt.Errorf("load device configuration: %w", err)
	}
	d, err := read(root)
	if err != nil {
		return nil, fmt.Errorf("load device configuration: %w", err)
	}
	return d, nil
}

// keys are what may stand at the top level, as in LAVA's device schema.
// A key that is not here is refused, by which a slip in a template is found; what a method reads
// stands further down and is free.
var keys = map[string]bool{
	"hostname": true, "devicetype": true, "character_delays": true, "commands": true, "constants": true,
	"fastboot_auto_detection": true, "adb_serial_number": true, "fastboot_serial_number": true, "fastboot_options": true,
	"fastboot_via_uboot": true, "device_info": true, "static_info": true, "storage_info": true, "environment": true,
	"flash_cmds_order": true, "parameters": true, "board_id": true, "board_qdl_id": true, "usb_vendor_id": true,
	"usb_product_id": true, "usb_sleep": true, "usb_filesystem_label": true, "usb_serial_driver": true, "actions": true,
	"timeouts": true, "available_architectures": true, "uuu_usb_otg_path": true, "uuu_usb_otg_path_command": true,
	"uuu_corrupt_boot_media_command": true,
}

// read decodes a parsed configuration. Methods and constants are left as they are: each method reads
// its own.
// The first fault is the one told: a device without a valid configuration takes no jobs, and one
// sentence says why.
func read(root *yaml.Node) (*Device, error) {
	if !root.Is(yaml.Map) {
		return nil, problem(root, "", "expected a mapping of the device's keys, found a %s", root.Kind)
	}
	for _, p := range root.Pairs {
		if p.Key.Kind != yaml.String || !keys[p.Key.Text] {
			return nil, problem(p.Key, p.Key.Print(), "unknown key")
		}
	}
	d := &Device{Root: root}
	var err error
	for _, m := range []struct {
		key string
		to  **yaml.Node
	}{{"environment", &d.Environment}, {"constants", &d.Constants}, {"parameters", &d.Parameters}} {
		if *m.to, err = mapping(root, m.key, m.key); err != nil {
			return nil, err
		}
	}
	d.Hostname, d.Type = root.Get("hostname").TextOr(""), root.Get("devicetype").TextOr("")
	if err := d.readCommands(); err != nil {
		return nil, err
	}
	if err := d.readTimeouts(); err != nil {
		return nil, err
	}
	if err := d.readDelays(); err != nil {
		return nil, err
	}
	return d, d.check()
}

// mapping returns the mapping under key, nil where there is none or it is empty.
func mapping(n *yaml.Node, key, path string) (*yaml.Node, error) {
	v := n.Get(key)
	if v.Empty() {
		return nil, nil
	}
	if !v.Is(yaml.Map) {
		return nil, problem(v, path, "expected a mapping, found a %s", v.Kind)
	}
	return v, nil
}

// commandLines reads a command: a non-empty text or a list of such. Null is no command.
// An empty text is refused: a shell would run it and succeed.
func commandLines(n *yaml.Node, path string) ([]string, error) {
	switch {
	case n.Empty():
		return nil, nil
	case n.Is(yaml.String) && n.Text != "":
		return []string{n.Text}, nil
	case n.Is(yaml.List) && len(n.Items) > 0:
		for _, item := range n.Items {
			if !item.Is(yaml.String) || item.Text == "" {
				return nil, problem(item, path, "expected a command, found %s", item.Repr())
			}
		}
		return n.Texts(), nil
	}
	return nil, problem(n, path, "expected a command or a list of commands, found %s", n.Repr())
}

// readCommands decodes `commands`: how the device is powered, reset and connected.
func (d *Device) readCommands() error {
	c, err := mapping(d.Root, "commands", "commands")
	if err != nil {
		return err
	}
	for _, one := range []struct {
		key string
		to  *[]string
	}{
		{"connect", &d.Commands.Connect}, {"hard_reset", &d.Commands.HardReset}, {"soft_reboot", &d.Commands.SoftReboot},
		{"power_on", &d.Commands.PowerOn}, {"power_off", &d.Commands.PowerOff}, {"pre_power_command", &d.Commands.PrePower},
		{"pre_os_command", &d.Commands.PreOS}, {"recovery_mode", &d.Commands.RecoveryMode}, {"recovery_exit", &d.Commands.RecoveryExit},
	} {
		if *one.to, err = commandLines(c.Get(one.key), "commands."+one.key); err != nil {
			return err
		}
	}
	// By Python's truth, as the dispatcher of LAVA looks at it: "no" in quotes is true.
	d.Commands.MustUseSerial = c.Get("must_use_connection").Truth()
	connections, err := mapping(c, "connections", "commands.connections")
	if err != nil {
		return err
	}
	for _, name := range connections.Keys() {
		n := connections.Get(name)
		connect, ok := n.Get("connect").AsText()
		if !ok {
			return problem(n, "commands.connections."+name, "expected a mapping with the key connect")
		}
		d.Commands.Connections = append(d.Commands.Connections, Connection{name, connect, n.Get("tags").Texts()})
	}
	users, err := mapping(c, "users", "commands.users")
	if err != nil || users == nil {
		return err
	}
	d.Commands.Users = map[string]UserCommand{}
	for _, name := range users.Keys() {
		path := "commands.users." + name
		do, err := commandLines(users.Get(name, "do"), path+".do")
		if err != nil {
			return err
		}
		if do == nil {
			return problem(users.Get(name), path, "expected a mapping with the key do")
		}
		undo, err := commandLines(users.Get(name, "undo"), path+".undo")
		if err != nil {
			return err
		}
		d.Commands.Users[name] = UserCommand{do, undo}
	}
	return nil
}

// readTimeouts decodes the device's defaults for named actions and their connections, which come
// before what a job says of an action and after its general timeouts.
func (d *Device) readTimeouts() error {
	t, err := mapping(d.Root, "timeouts", "timeouts")
	if err != nil {
		return err
	}
	for _, one := range []struct {
		key string
		to  *map[string]job.Timeout
	}{{"actions", &d.Timeouts}, {"connections", &d.ConnectionTimeouts}} {
		path := "timeouts." + one.key
		named, err := mapping(t, one.key, path)
		if err != nil {
			return err
		}
		if named == nil {
			continue
		}
		*one.to = make(map[string]job.Timeout, len(named.Pairs))
		for _, p := range named.Pairs {
			name := p.Key.Print()
			if !timeoutName(name) {
				return problem(p.Key, path+"."+name, "a name has only a–z and -")
			}
			// A template that leaves a timeout empty means the default.
			timeout := job.Timeout{Length: job.DefaultTimeout}
			if !p.Value.Empty() {
				if timeout, err = job.ReadTimeout(p.Value); err != nil {
					return problem(p.Value, path+"."+name, "%v", err)
				}
			}
			(*one.to)[name] = timeout
		}
	}
	return nil
}

// timeoutName says that a text may be the name of an action.
func timeoutName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == ""
}

// readDelays decodes `character_delays`, for consoles that lose characters when typed at full speed.
func (d *Device) readDelays() error {
	delays, err := mapping(d.Root, "character_delays", "character_delays")
	if err != nil {
		return err
	}
	for _, one := range []struct {
		key string
		to  *int64
	}{{"deploy", &d.Delays.Deploy}, {"boot", &d.Delays.Boot}, {"test", &d.Delays.Test}} {
		n := delays.Get(one.key)
		if n.Empty() {
			continue
		}
		ms, ok := n.AsInt()
		if !ok || ms < 0 {
			return problem(n, "character_delays."+one.key, "expected milliseconds, found %s", n.Repr())
		}
		*one.to = ms
	}
	return nil
}

// check applies the rules that span several keys, and the shapes that every method relies on.
// Messages that are LAVA's own are kept to the letter: clients match on them.
func (d *Device) check() error {
	actions, err := mapping(d.Root, "actions", "actions")
	if err != nil {
		return err
	}
	for _, kind := range []string{"deploy", "boot", "test"} {
		of, err := mapping(actions, kind, "actions."+kind)
		if err != nil {
			return err
		}
		if _, err := mapping(of, "methods", "actions."+kind+".methods"); err != nil {
			return err
		}
	}
	// Only a device that jobs reach by its primary ssh connection has further rules: it is nobody's to
	// power.
	if !actions.Get("deploy", "methods", "ssh", "host").Truth() {
		return nil
	}
	commands := d.Root.Get("commands")
	for _, key := range []string{"power_off", "power_on", "hard_reset"} {
		if commands.Has(key) {
			return problem(commands.Get(key), "commands."+key,
				"When primary connection is used, power control commands (power_off, power_on, hard_reset) should not be specified.")
		}
	}
	return nil
}
