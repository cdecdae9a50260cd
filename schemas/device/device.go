package device

import (
	"fmt"
	"slices"
	"strings"

	"strata/schemas/job"
	"strata/schemas/yaml"
)

// Device is a rendered device configuration.
type Device struct {
	Root     *yaml.Node // the whole configuration, a mapping
	Hostname string     // "" where the text does not say
	Type     string     // devicetype, "" where the text does not say
	Commands Commands
	// Timeouts of the device for named actions and their connections; a nil map has none.
	Timeouts           map[string]job.Timeout
	ConnectionTimeouts map[string]job.Timeout
	Delays             Delays
	Environment        *yaml.Node // exported to the test shell; mapping or nil
	Constants          *yaml.Node // mapping or nil; see Constant
	Parameters         *yaml.Node // mapping or nil
}

// Commands are run on the worker. Each is a list, run in order; nil where the device has none.
type Commands struct {
	Connect       []string     // of the only console
	Connections   []Connection // the named consoles, instead of Connect
	HardReset     []string
	SoftReboot    []string
	PowerOn       []string
	PowerOff      []string
	PrePower      []string
	PreOS         []string
	RecoveryMode  []string
	RecoveryExit  []string
	Users         map[string]UserCommand // of the action `command`
	MustUseSerial bool                   // must_use_connection
}

// Connection is one named console of a device.
type Connection struct {
	Name    string
	Connect string   // the command, such as "telnet ser2net 7001"
	Tags    []string // "primary" marks the console that jobs use; also telnet, ssh, shell
}

// UserCommand is a command that jobs may call by name.
type UserCommand struct {
	Do   []string
	Undo []string // at the end of the job; nil for none
}

// Delays are pauses between two characters sent to the console, in milliseconds.
type Delays struct{ Deploy, Boot, Test int64 }

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Message string
	Path    string // such as "commands.power_on"; "" for the whole
	Line    int    // from 1; 0 where unknown
	Column  int
}

// Error returns the message with path and place.
func (p *Problem) Error() string {
	s := p.Message
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	if p.Line > 0 {
		s = fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, s)
	}
	return s
}

// problem makes a problem at the place of a node; path is written with dots, as people name settings.
func problem(at *yaml.Node, path, format string, args ...any) *Problem {
	p := &Problem{Message: fmt.Sprintf(format, args...), Path: path}
	if at != nil {
		p.Line, p.Column = at.Line, at.Column
	}
	return p
}

// Method returns the device's configuration of a deploy or boot method: actions.<kind>.methods.<name>.
// The node is nil where the device does not know the method, and often null where it needs no
// configuration.
func (d *Device) Method(kind job.Kind, name string) *yaml.Node {
	return d.Root.Get("actions", string(kind), "methods", name)
}

// Methods returns the names of the device's methods of a kind, in order.
func (d *Device) Methods(kind job.Kind) []string {
	return d.Root.Get("actions", string(kind), "methods").Keys()
}

// Constant follows keys into `constants`, and returns the text there or, where there is none, what
// is given.
// Numbers and booleans come as Python prints them. A key whose value is a list or a mapping counts as
// not there.
func (d *Device) Constant(otherwise string, keys ...string) string {
	n := d.Constants.Get(keys...)
	if n.Empty() || n.Kind >= yaml.List {
		return otherwise
	}
	return n.Print()
}

// Primary returns the command of the console that jobs use: the only one, or the first that is
// tagged primary. ok is false where the device has none.
// Tags win over the plain command: a dictionary that has both describes the same console twice.
func (d *Device) Primary() (c Connection, ok bool) {
	for _, c := range d.Commands.Connections {
		if slices.Contains(c.Tags, "primary") {
			return c, true
		}
	}
	if len(d.Commands.Connect) == 0 {
		return Connection{}, false
	}
	return Connection{Name: "connect", Connect: strings.Join(d.Commands.Connect, " "), Tags: []string{"primary"}}, true
}
