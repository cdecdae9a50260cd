package job

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"strata/schemas/python"
	"strata/schemas/yaml"
)

// Read parses a definition and decodes it without running the gate. The error of a text that is
// no YAML is a *yaml.Error, that of a value which cannot be decoded a *Problem.
// It is for what has passed a gate already, or never has to: a part, a health check, a job that is run
// with no lab.
func Read(text []byte) (*Definition, error) {
	root, err := yaml.ParseWithin(text, limits())
	if err != nil {
		return nil, fmt.Errorf("parse job definition: %w", err)
	}
	d, err := decode(root)
	if err == nil {
		d.Actions, err = readActions(root.Get("actions"))
	}
	if err != nil {
		return nil, fmt.Errorf("read job definition: %w", err)
	}
	return d, nil
}

// decode reads all of root but its actions.
func decode(root *yaml.Node) (*Definition, error) {
	if !root.Is(yaml.Map) {
		return nil, problemAt(root, nil, "expected a dictionary")
	}
	d := &Definition{
		Root:        root,
		Name:        root.Get("job_name").TextOr(""),
		DeviceType:  root.Get("device_type").TextOr(""),
		Device:      root.Get("device").TextOr(""),
		Worker:      root.Get("worker").TextOr(""),
		Context:     mapping(root, "context"),
		Metadata:    mapping(root, "metadata"),
		Secrets:     mapping(root, "secrets"),
		Environment: mapping(root, "environment"),
		Tags:        root.Get("tags").Texts(),
		Protocols:   mapping(root, "protocols"),
		Notify:      mapping(root, "notify"),
		Connection:  root.Get("connection").TextOr(""),
		HostRole:    root.Get("host_role").TextOr(""),
		Priority:    50,
	}
	var err error
	if p := root.Get("priority"); !p.Empty() {
		if d.Priority, err = readPriority(p); err != nil {
			return nil, err
		}
	}
	switch v := root.Get("visibility"); {
	case v.TextOr("") == "public":
		d.Visibility.Public = true
	case v.TextOr("") == "personal":
		d.Visibility.Personal = true
	default:
		// No visibility at all leaves all of it empty: only the submitter sees the job.
		d.Visibility.Groups = v.Get("group").Texts()
	}
	if d.Timeouts, err = readTimeouts(root.Get("timeouts")); err != nil {
		return nil, err
	}
	if err := d.readMultinode(); err != nil {
		return nil, err
	}
	return d, nil
}

// mapping returns the mapping under key, nil where there is none or something else stands there.
func mapping(n *yaml.Node, key string) *yaml.Node {
	if m := n.Get(key); m.Is(yaml.Map) {
		return m
	}
	return nil
}

// readPriority gives a priority as a number, however far out of the range; see CheckPriority.
func readPriority(p *yaml.Node) (int, error) {
	switch i, ok := p.AsInt(); {
	case ok:
		return int(i), nil
	case p.Is(yaml.Int) && p.Big.Sign() < 0:
		return math.MinInt, nil
	case p.Is(yaml.Int):
		return math.MaxInt, nil
	}
	switch p.TextOr("") {
	case "high":
		return 100, nil
	case "medium":
		return 50, nil
	case "low":
		return 0, nil
	}
	return 0, problemAt(p, []string{"'priority'"}, "not a valid value for dictionary value")
}

// readTimeouts decodes the block `timeouts`, nil included: it then gives none.
func readTimeouts(n *yaml.Node) (t Timeouts, err error) {
	path := []string{"'timeouts'"}
	for _, one := range []struct {
		key string
		to  **Timeout
	}{{"job", &t.Job}, {"action", &t.Action}, {"connection", &t.Connection}, {"queue", &t.Queue}} {
		if *one.to, err = optionalTimeout(n, one.key, path); err != nil {
			return t, err
		}
	}
	if t.Actions, err = namedTimeouts(n, "actions", path); err != nil {
		return t, err
	}
	t.Connections, err = namedTimeouts(n, "connections", path)
	return t, err
}

// optionalTimeout reads the duration under key, nil where there is none.
func optionalTimeout(n *yaml.Node, key string, path []string) (*Timeout, error) {
	if n.Get(key).Empty() {
		return nil, nil
	}
	t, err := ReadTimeout(n.Get(key))
	if err != nil {
		return nil, within(path, key, err)
	}
	return &t, nil
}

// namedTimeouts reads a mapping of names of actions to durations, nil where there is none.
func namedTimeouts(n *yaml.Node, key string, path []string) (map[string]Timeout, error) {
	named := n.Get(key)
	if named.Empty() {
		return nil, nil
	}
	if !named.Is(yaml.Map) {
		return nil, within(path, key, problemAt(named, nil, "expected a dictionary"))
	}
	timeouts := make(map[string]Timeout, len(named.Pairs))
	for _, p := range named.Pairs {
		t, err := ReadTimeout(p.Value)
		if err != nil {
			return nil, within(append(slices.Clone(path), python.Quote(key)), p.Key.Print(), err)
		}
		timeouts[p.Key.Print()] = t
	}
	return timeouts, nil
}

// ReadTimeout decodes a mapping of days, hours, minutes, seconds and skip, as job definitions,
// device configurations and protocols have it. Units add up; nothing, or zero, is
// [DefaultTimeout]. A length beyond a century is cut to a century.
func ReadTimeout(n *yaml.Node) (Timeout, error) {
	if !n.Is(yaml.Map) {
		return Timeout{}, problemAt(n, nil, "invalid timeout: expected a mapping such as {minutes: 5}")
	}
	t := Timeout{Skip: n.Get("skip").Truth()}
	// [time.Duration] ends after 292 years; sums of what a job says must not come near it.
	const century = 100 * 365 * 24 * 3600
	seconds := 0.0
	for _, unit := range []struct {
		key     string
		seconds float64
	}{{"days", 86400}, {"hours", 3600}, {"minutes", 60}, {"seconds", 1}} {
		v := n.Get(unit.key)
		switch i, ok := v.AsInt(); {
		case v == nil:
		case ok:
			seconds += float64(i) * unit.seconds
		case v.Is(yaml.Float):
			seconds += v.Float * unit.seconds
		default:
			return Timeout{}, problemAt(v, []string{python.Quote(unit.key)}, "expected int")
		}
	}
	t.Length = time.Duration(min(max(seconds, -century), century)) * time.Second
	if t.Length == 0 {
		t.Length = DefaultTimeout
	}
	return t, nil
}

// readActions decodes the list of actions. An item with several kinds gives one action for each, in
// the order of its keys, as the dispatcher of LAVA reads it.
func readActions(n *yaml.Node) ([]Action, error) {
	if n.Empty() {
		return nil, nil
	}
	if !n.Is(yaml.List) {
		return nil, problemAt(n, []string{"'actions'"}, "expected a list")
	}
	var actions []Action
	for i, item := range n.Items {
		path := []string{"'actions'", strconv.Itoa(i)}
		if !item.Is(yaml.Map) {
			return nil, problemAt(item, path, "expected a dictionary")
		}
		for _, p := range item.Pairs {
			a, err := readAction(Kind(p.Key.Print()), p.Value, append(slices.Clone(path), p.Key.Repr()))
			if err != nil {
				return nil, err
			}
			actions = append(actions, a)
		}
	}
	return actions, nil
}

// readAction decodes the keys that all kinds of action share; those of the method stay in Node.
func readAction(kind Kind, n *yaml.Node, path []string) (a Action, err error) {
	if !n.Is(yaml.Map) {
		return a, problemAt(n, path, "expected a dictionary")
	}
	a = Action{
		Kind: kind, Node: n,
		Namespace:           n.Get("namespace").TextOr("common"),
		ConnectionNamespace: n.Get("connection-namespace").TextOr(""),
		Roles:               n.Get("role").Texts(),
		Protocols:           mapping(n, "protocols"),
	}
	switch kind {
	case Deploy:
		a.Method = n.Get("to").TextOr("")
	case Boot:
		a.Method = n.Get("method").TextOr("")
	case Command:
		a.Method = n.Get("name").TextOr("")
	case Test:
		// A test with several of these keys is of the first.
		for _, key := range []string{Definitions, Interactive, Monitors, Services} {
			if n.Has(key) {
				a.Method = key
				break
			}
		}
	default:
		return a, problemAt(n, path, "extra keys not allowed")
	}
	if a.Timeout, err = optionalTimeout(n, "timeout", path); err != nil {
		return a, err
	}
	if a.Timeouts, err = namedTimeouts(n, "timeouts", path); err != nil {
		return a, err
	}
	interval := 0
	for _, one := range []struct {
		key string
		to  *int
	}{{"repeat", &a.Repeat}, {"failure_retry", &a.FailureRetry}, {"failure_retry_interval", &interval}} {
		v := n.Get(one.key)
		switch i, ok := v.AsInt(); {
		case v.Empty():
		case ok:
			*one.to = int(min(max(i, -1<<31), 1<<31-1))
		case v.Is(yaml.Float):
			// A float is cut, as Python's int() cuts one.
			*one.to = int(min(max(v.Float, -1<<31), 1<<31-1))
		default:
			return a, problemAt(v, append(slices.Clone(path), python.Quote(one.key)), "expected int for dictionary value")
		}
	}
	a.RetryInterval = time.Duration(interval) * time.Second
	return a, nil
}

// within puts path and key before the path of a problem.
func within(path []string, key string, err error) error {
	var p *Problem
	if !errors.As(err, &p) {
		return err
	}
	return problemAt(p.at, slices.Concat(path, []string{python.Quote(key)}, p.path), p.text)
}
