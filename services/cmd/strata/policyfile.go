package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/schemas/yaml"
)

// This file reads a policy as people keep it in a file, and writes one so.

// policyReader walks a policy file and keeps its first fault.
// Reading goes on behind a fault, as most of it is cheap and nothing is done with it.
type policyReader struct {
	file string
	err  error
}

// readPolicyFile returns what a policy file says.
// Unknown and doubled keys are refused with their line. What a key may be worth (a weight above 0, a
// percentage) is the api's to say: both ways of setting a policy have to hear the same.
func readPolicyFile(file, text string) (p events.SchedulingPolicySet, err error) {
	root, err := yaml.ParseUnique([]byte(text))
	if err != nil {
		var bad *yaml.Error
		if errors.As(err, &bad) {
			return p, fmt.Errorf("%s:%d: %s", file, bad.Line, bad.Message)
		}
		return p, fmt.Errorf("%s: %w", file, err)
	}
	r := &policyReader{file: file}
	r.section(root, "the file", map[string]func(*yaml.Node){
		"fair_share": func(n *yaml.Node) {
			f := &events.FairShare{HalfLife: 7 * 24 * 3600, DefaultWeight: 1}
			p.FairShare = f
			r.section(n, "fair_share", map[string]func(*yaml.Node){
				"half_life":      r.length(&f.HalfLife),
				"default_weight": r.number(&f.DefaultWeight),
				"users": r.named("users", func(name string, v *yaml.Node) {
					w := events.UserWeight{User: events.UserName(name)}
					r.number(&w.Weight)(v)
					f.Users = append(f.Users, w)
				}),
				"groups": r.named("groups", func(name string, v *yaml.Node) {
					w := events.GroupWeight{Group: events.GroupName(name)}
					r.number(&w.Weight)(v)
					f.Groups = append(f.Groups, w)
				}),
			})
		},
		"caps": func(n *yaml.Node) { p.Caps = r.caps(n) },
		"aging": func(n *yaml.Node) {
			p.Aging = &events.Aging{Bound: 100}
			r.section(n, "aging", map[string]func(*yaml.Node){
				"within": r.length(&p.Aging.Within), "bound": r.number(&p.Aging.Bound)})
		},
		"rare_tags": func(n *yaml.Node) {
			p.RareTags = &events.RareTags{Percent: 25, LendAfter: 24 * 3600}
			r.section(n, "rare_tags", map[string]func(*yaml.Node){
				"percent": r.number(&p.RareTags.Percent), "lend_after": r.length(&p.RareTags.LendAfter),
				"tags": r.list(func(t string) { p.RareTags.Tags = append(p.RareTags.Tags, events.TagName(t)) })})
		},
		"groups": r.named("groups", func(name string, v *yaml.Node) {
			g := events.GroupUsers{Group: events.GroupName(name)}
			r.list(func(u string) { g.Users = append(g.Users, events.UserName(u)) })(v)
			p.Groups = append(p.Groups, g)
		}),
	})
	return p, r.err
}

func (r *policyReader) caps(n *yaml.Node) *events.Caps {
	c := &events.Caps{}
	r.section(n, "caps", map[string]func(*yaml.Node){
		"default": r.number(&c.Default),
		"users": r.named("users", func(name string, v *yaml.Node) {
			u := events.UserCap{User: events.UserName(name)}
			r.number(&u.Devices)(v)
			c.Users = append(c.Users, u)
		}),
		"groups": r.named("groups", func(name string, v *yaml.Node) {
			g := events.GroupCap{Group: events.GroupName(name)}
			r.number(&g.Devices)(v)
			c.Groups = append(c.Groups, g)
		}),
	})
	return c
}

func (r *policyReader) fail(n *yaml.Node, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s:%d: %s", r.file, n.Line, fmt.Sprintf(format, args...))
	}
}

// section hands each key of a mapping to whoever knows it. An empty section says nothing.
// Keys come in any order, so no section may rest on another.
func (r *policyReader) section(n *yaml.Node, name string, known map[string]func(*yaml.Node)) {
	if n.Empty() {
		return
	}
	r.each(n, name, func(key *yaml.Node, v *yaml.Node) {
		f, ok := known[key.Print()]
		if !ok {
			r.fail(key, "unknown key %s: %s has %s", key.Print(), name, strings.Join(sortedKeys(known), ", "))
			return
		}
		f(v)
	})
}

func (r *policyReader) each(n *yaml.Node, name string, f func(key, value *yaml.Node)) {
	if !n.Is(yaml.Map) {
		r.fail(n, "%s: expected a mapping, found a %s", name, n.Kind)
		return
	}
	for _, p := range n.Pairs {
		f(p.Key, p.Value)
	}
}

// named reads a mapping whose keys are names.
func (r *policyReader) named(name string, f func(name string, v *yaml.Node)) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Empty() {
			return
		}
		r.each(n, name, func(key, v *yaml.Node) { f(key.Print(), v) })
	}
}

// 1.0, "1" and true are no whole numbers here: a file that means something else is better refused.
func (r *policyReader) number(into *int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, ok := n.AsInt()
		if !ok || !n.Is(yaml.Int) || int64(int(v)) != v { // AsInt takes true for 1, as Python does
			r.fail(n, "expected a whole number, found %s", n.Print())
			return
		}
		*into = int(v)
	}
}

// A plain number in a file is seconds, too.
func (r *policyReader) length(into *events.Seconds) func(*yaml.Node) {
	return func(n *yaml.Node) {
		d, err := parseLength(n.Print())
		if err != nil {
			r.fail(n, "%v", err)
		}
		*into = d
	}
}

func (r *policyReader) list(f func(string)) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if !n.Is(yaml.List) {
			r.fail(n, "expected a list, found a %s", n.Kind)
			return
		}
		for _, item := range n.Items {
			f(item.Print())
		}
	}
}

// parseLength reads a length of time as people write it: "90s", "6h", "1h30m", "7d", "2w", or a number
// of seconds.
// Months and years are not there: they have no one length.
func parseLength(text string) (events.Seconds, error) {
	wrong := fmt.Errorf("%q is no length of time: write it like 90s, 30m, 6h, 7d or 2w", text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return events.Seconds(n), nil
	}
	for unit, seconds := range map[string]int64{"d": 24 * 3600, "w": 7 * 24 * 3600} {
		if digits, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseInt(digits, 10, 64)
			if err != nil || n < 0 || n > 1_000_000 {
				return 0, wrong
			}
			return events.Seconds(n * seconds), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, wrong
	}
	return events.Seconds(d / time.Second), nil
}

// printLength writes a length of time as parseLength reads it.
// The largest unit that divides it: 24h are 1d, 90m stay 90m.
func printLength(s events.Seconds) string {
	for _, unit := range []struct {
		seconds events.Seconds
		letter  string
	}{{24 * 3600, "d"}, {3600, "h"}, {60, "m"}} {
		if s > 0 && s%unit.seconds == 0 {
			return fmt.Sprint(int64(s/unit.seconds)) + unit.letter
		}
	}
	return fmt.Sprint(int64(s)) + "s"
}

// writePolicy writes a policy as a file that readPolicyFile reads.
// What reads it again gets the same policy, except that a section of defaults is written out.
func writePolicy(p events.SchedulingPolicySet) (string, error) {
	root := yaml.Mapping()
	if f := p.FairShare; f != nil {
		users, groups := yaml.Mapping(), yaml.Mapping()
		for _, u := range f.Users {
			users = users.With(string(u.User), yaml.Number(int64(u.Weight)))
		}
		for _, g := range f.Groups {
			groups = groups.With(string(g.Group), yaml.Number(int64(g.Weight)))
		}
		root = root.With("fair_share", filled(yaml.Mapping().With("half_life", yaml.Text(printLength(f.HalfLife))).
			With("default_weight", yaml.Number(int64(f.DefaultWeight))), users, groups))
	}
	if c := p.Caps; c != nil {
		users, groups := yaml.Mapping(), yaml.Mapping()
		for _, u := range c.Users {
			users = users.With(string(u.User), yaml.Number(int64(u.Devices)))
		}
		for _, g := range c.Groups {
			groups = groups.With(string(g.Group), yaml.Number(int64(g.Devices)))
		}
		root = root.With("caps", filled(yaml.Mapping().With("default", yaml.Number(int64(c.Default))), users, groups))
	}
	if a := p.Aging; a != nil {
		root = root.With("aging", yaml.Mapping().With("within", yaml.Text(printLength(a.Within))).With("bound", yaml.Number(int64(a.Bound))))
	}
	if t := p.RareTags; t != nil {
		n := yaml.Mapping().With("percent", yaml.Number(int64(t.Percent))).With("lend_after", yaml.Text(printLength(t.LendAfter)))
		if len(t.Tags) > 0 {
			n = n.With("tags", yaml.Texts(plainNames(t.Tags)))
		}
		root = root.With("rare_tags", n)
	}
	if len(p.Groups) > 0 {
		groups := yaml.Mapping()
		for _, g := range p.Groups {
			groups = groups.With(string(g.Group), yaml.Texts(plainNames(g.Users)))
		}
		root = root.With("groups", groups)
	}
	text, err := yaml.Write(root)
	return string(text), err
}

// filled adds users and groups to a section where there are any.
func filled(section, users, groups *yaml.Node) *yaml.Node {
	if len(users.Pairs) > 0 {
		section = section.With("users", users)
	}
	if len(groups.Pairs) > 0 {
		section = section.With("groups", groups)
	}
	return section
}

func plainNames[T ~string](names []T) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return out
}
