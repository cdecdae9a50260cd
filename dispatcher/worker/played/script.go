package played

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/schemas/shape"
	"strata/schemas/yaml"
)

// Script says which devices there are and what jobs do on them.
type Script struct {
	Seed       uint64 // which job plays which script follows from it
	DeviceType events.DeviceTypeName
	Devices    []events.DeviceName
	Dictionary string // of each device, YAML or a template
	Jobs       []Play // at least one for each device
}

// Play is what a job may turn out to be.
type Play struct {
	Name    string
	Weight  int                 // how often it is drawn, beside the others; from 1
	Devices []events.DeviceName // on these only; empty is all
	Takes   Span                // the job lasts at least as long
	Console []Step
	End     End
	Class   events.ErrorType // of a job that fails
	Error   string           // the sentence of a job that fails
}

// End is how a job ends.
type End string

// The ends of a job. One that hangs ends when it is canceled, by a person or its lab.
const (
	Pass End = "pass"
	Fail End = "fail"
	Hang End = "hang"
)

// Step is something on a console.
type Step struct {
	After Span   // before it, or before each of its lines
	Say   string // a line of the device, as often as Times says
	Times int
	Noise int // so many lines as a kernel says them, in place of Say
	Case  *Case
}

// Case is the result of a test case.
type Case struct {
	Suite, Name, Result string
	Measurement         *float64
	Units               string
}

// Span is a time between two, both may be the same.
type Span struct{ From, To time.Duration }

// draw returns a time of the span.
func (s Span) draw(r *rand.Rand) time.Duration {
	if s.To <= s.From {
		return s.From
	}
	return s.From + time.Duration(r.Int64N(int64(s.To-s.From)+1))
}

// mostDevices is how many devices one worker plays; mostLines how many lines a step has.
const (
	mostDevices = 100_000
	mostLines   = 1_000_000
)

// dictionary is what a device has where the script has none: enough for a job that boots QEMU.
const dictionary = `available_architectures: [x86_64]
constants: {default-shell-prompt: 'lava-test: # '}
actions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}
`

// Plain returns the script of n devices, sim-1 to sim-n of the type sim, whose jobs pass at once, with
// a few lines and one result. The error says what n may be.
func Plain(n int) (Script, error) {
	if n < 1 || n > mostDevices {
		return Script{}, fmt.Errorf("%d devices: from 1 to %d are simulated by a worker", n, mostDevices)
	}
	return Script{Seed: 1, DeviceType: "sim", Devices: numbered("sim", n), Dictionary: dictionary, Jobs: []Play{{
		Name: "passes", Weight: 1, End: Pass, Console: []Step{
			{Say: "[    0.000000] Booting Linux on simulated CPU 0x0", Times: 1},
			{Say: "lava-test: # ", Times: 1},
			{Case: &Case{Suite: "0_simulated", Name: "boot", Result: "pass"}},
		}}}}, nil
}

func numbered(prefix string, n int) []events.DeviceName {
	names := make([]events.DeviceName, n)
	for i := range names {
		names[i] = events.DeviceName(prefix + "-" + strconv.Itoa(i+1))
	}
	return names
}

var spanned = regexp.MustCompile(`^[0-9.]+(ms|s|m|h)(\.\.[0-9.]+(ms|s|m|h))?$`)

// form is what a file may say.
func form() shape.Shape {
	span := shape.Text{Pattern: spanned, Says: "a time such as 500ms, or a span such as 1s..2m"}
	text := shape.Text{Least: 1}
	names := shape.List{Of: text, Least: 1}
	count := shape.Number{Whole: true, Least: shape.AtLeast(1)}
	result := shape.Map{Keys: []shape.Key{
		shape.Required("case", text, "name of the test case"),
		shape.Optional("suite", text, "its suite"),
		shape.Optional("result", shape.Words{"pass", "fail", "skip", "unknown"}, "how it ended"),
		shape.Optional("measurement", shape.Number{}, "what it measured"),
		shape.Optional("units", text, "of what"),
	}}
	step := shape.Map{Keys: []shape.Key{
		shape.Optional("after", span, "the time before it, and before each of its lines"),
		shape.Optional("say", shape.Text{}, "a line of the console").OneOf("what"),
		shape.Optional("times", count, "how often it is said"),
		shape.Optional("noise", count, "lines as a kernel says them").OneOf("what"),
		shape.Optional("result", result, "the result of a test case").OneOf("what"),
	}}
	play := shape.Map{Keys: []shape.Key{
		shape.Required("name", text, "of this way for a job to go"),
		shape.Optional("weight", count, "how often it is drawn"),
		shape.Optional("devices", names, "on which devices only"),
		shape.Optional("takes", span, "how long the job lasts at least"),
		shape.Optional("console", shape.List{Of: step}, "what is said"),
		shape.Optional("end", shape.Words{string(Pass), string(Fail), string(Hang)}, "how it ends"),
		shape.Optional("error_type", shape.Words{"Job", "Test", "Infrastructure", "Configuration", "Bug"}, "of a job that fails"),
		shape.Optional("error", text, "of a job that fails"),
	}}
	return shape.Map{Keys: []shape.Key{
		shape.Optional("seed", shape.Number{Whole: true, Least: shape.AtLeast(0)}, "of what is drawn"),
		shape.Optional("device_type", text, "of the devices"),
		shape.Required("devices", shape.Either{count, names}, "how many, or their names"),
		shape.Optional("dictionary", text, "of each device"),
		shape.Required("jobs", shape.List{Of: play, Least: 1}, "what jobs do"),
	}}
}

// Parse reads a script. The error names the line and says what is allowed there.
func Parse(text []byte) (Script, error) {
	root, err := yaml.ParseUnique(text)
	if err != nil {
		return Script{}, err
	}
	if wrong := shape.Check(form(), shape.Strict, nil, root); len(wrong) > 0 {
		return Script{}, errors.New(wrong[0].String())
	}
	s := Script{Seed: 1, DeviceType: events.DeviceTypeName(root.Get("device_type").TextOr("sim")),
		Dictionary: root.Get("dictionary").TextOr(dictionary)}
	if n, ok := root.Get("seed").AsInt(); ok {
		s.Seed = uint64(n)
	}
	if n, ok := root.Get("devices").AsInt(); ok {
		if n > mostDevices {
			return Script{}, fault(root.Get("devices"), "devices is %d, at most %d are simulated by a worker", n, mostDevices)
		}
		s.Devices = numbered(string(s.DeviceType), int(n))
	} else {
		s.Devices = deviceNames(root.Get("devices"))
		named := map[events.DeviceName]bool{}
		for _, d := range s.Devices {
			if named[d] {
				return Script{}, fault(root.Get("devices"), "device %s is named twice", d)
			}
			named[d] = true
		}
	}
	for _, n := range root.Get("jobs").Items {
		p, err := parsePlay(n)
		if err != nil {
			return Script{}, err
		}
		for _, d := range p.Devices {
			if !slices.Contains(s.Devices, d) {
				return Script{}, fault(n.Get("devices"), "job %s: there is no device %s among the script's devices", p.Name, d)
			}
		}
		s.Jobs = append(s.Jobs, p)
	}
	for _, d := range s.Devices {
		if len(s.playsOf(d)) == 0 {
			return Script{}, fault(root.Get("jobs"), "no job is for device %s: name it in one, or leave devices out of one", d)
		}
	}
	return s, nil
}

func fault(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s: %s", n.Where(), fmt.Sprintf(format, args...))
}

func deviceNames(n *yaml.Node) (names []events.DeviceName) {
	for _, t := range n.Texts() {
		names = append(names, events.DeviceName(t))
	}
	return names
}

// parsePlay reads one job; its shape was checked.
func parsePlay(n *yaml.Node) (Play, error) {
	p := Play{Name: n.Get("name").TextOr(""), Weight: 1, Devices: deviceNames(n.Get("devices")), End: End(n.Get("end").TextOr(string(Pass))),
		Class: events.ErrorType(n.Get("error_type").TextOr("Job")), Error: n.Get("error").TextOr("the simulated job failed")}
	if p.End != Fail && (n.Has("error_type") || n.Has("error")) {
		return Play{}, fault(n, "job %s: error and error_type are of a job whose end is fail; its end is %s", p.Name, p.End)
	}
	if w, ok := n.Get("weight").AsInt(); ok {
		if w > mostLines {
			return Play{}, fault(n.Get("weight"), "weight is %d, at most %d", w, mostLines)
		}
		p.Weight = int(w)
	}
	var err error
	if p.Takes, err = parseSpan(n.Get("takes")); err != nil {
		return Play{}, err
	}
	said := n.Get("console")
	if said == nil {
		return p, nil
	}
	for _, item := range said.Items {
		step, err := parseStep(item)
		if err != nil {
			return Play{}, err
		}
		p.Console = append(p.Console, step)
	}
	return p, nil
}

func parseStep(n *yaml.Node) (Step, error) {
	s := Step{Say: n.Get("say").TextOr(""), Times: 1}
	var err error
	if s.After, err = parseSpan(n.Get("after")); err != nil {
		return s, err
	}
	for key, into := range map[string]*int{"times": &s.Times, "noise": &s.Noise} {
		if v, ok := n.Get(key).AsInt(); ok {
			if v > mostLines {
				return s, fault(n.Get(key), "%s is %d, at most %d", key, v, mostLines)
			}
			*into = int(v)
		}
	}
	if n.Has("times") && !n.Has("say") {
		return s, fault(n, "times goes with say")
	}
	if c := n.Get("result"); c != nil {
		s.Case = &Case{Suite: c.Get("suite").TextOr("0_simulated"), Name: c.Get("case").TextOr(""),
			Result: c.Get("result").TextOr("pass"), Units: c.Get("units").TextOr("")}
		if m := c.Get("measurement"); m != nil {
			v := m.Float
			if i, ok := m.AsInt(); ok {
				v = float64(i)
			}
			s.Case.Measurement = &v
		}
	}
	return s, nil
}

func parseSpan(n *yaml.Node) (Span, error) {
	if n.Empty() {
		return Span{}, nil
	}
	first, second, two := strings.Cut(n.TextOr(""), "..")
	from, err := time.ParseDuration(first)
	to := from
	if err == nil && two {
		to, err = time.ParseDuration(second)
	}
	if err != nil || to < from {
		return Span{}, fault(n, "%q is not a span of time: want the shorter time first, such as 1s..2m", n.Text)
	}
	return Span{from, to}, nil
}

// playsOf returns what a job may turn out to be on a device. A device that the script does not name has
// all that is for every device.
func (s Script) playsOf(d events.DeviceName) (plays []Play) {
	for _, p := range s.Jobs {
		if len(p.Devices) == 0 || slices.Contains(p.Devices, d) {
			plays = append(plays, p)
		}
	}
	return plays
}

// draw returns what a job is, and the source of all else that is drawn for it. The same seed and job
// give the same, whatever ran before.
func (s Script) draw(job uint64, d events.DeviceName) (Play, *rand.Rand) {
	// Without the lease: a start that the lab repeats under another lease is the same job.
	r := rand.New(rand.NewPCG(s.Seed, job))
	plays := s.playsOf(d)
	if len(plays) == 0 {
		plays = s.Jobs
	}
	sum := 0
	for _, p := range plays {
		sum += p.Weight
	}
	at := r.IntN(sum)
	for _, p := range plays {
		if at -= p.Weight; at < 0 {
			return p, r
		}
	}
	return plays[len(plays)-1], r
}
