package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

func (a *app) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Show or set how the queue is ordered",
		Long: `Say how the lab orders its queue: fair shares of users and groups, caps on the devices that they
hold, aging of jobs that wait for long, and devices with rare tags kept for the jobs that need them.
Nothing of it is on until it is set: then jobs start by priority and in order of submission, as in LAVA.
docs/scheduling.md explains each rule.`,
		Example: "  strata policy show\n  strata policy set policy.yaml",
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(a.policyShow(), a.policySet())
	return cmd
}

// --json prints one api.Policy, with the users' device time as a field.
func (a *app) policyShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show the policy, and what users have had",
		Long: `Show the policy as a file that "strata policy set" takes, and below it, as comments, the device time
that each user has had of late, whoever is next first.`,
		Example: "  strata policy show > policy.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var p api.Policy
			return a.ask(cmd, "policy.show", struct{}{}, &p, func() error { return a.printPolicy(p) })
		},
	}
}

// Comments carry what is not policy, so that the whole output is a file for "policy set".
func (a *app) printPolicy(p api.Policy) error {
	text, err := writePolicy(p.SchedulingPolicySet)
	if err != nil {
		return err
	}
	if p.At == nil {
		text = "# no policy was set: by priority, then in order of submission\n" + text
	} else {
		text = fmt.Sprintf("# set by %s, %s\n", or(string(p.By)), p.At.Local().Format("2006-01-02 15:04")) + text
	}
	for _, u := range p.Users {
		of := ""
		if u.Group != "" {
			of = " of " + string(u.Group)
		}
		text += fmt.Sprintf("# %s%s: %s of devices, holds %d\n", u.User, of, time.Duration(u.Seconds)*time.Second, u.Held)
	}
	_, err = fmt.Fprint(a.out, text)
	return err
}

// policyWords are the flags that change a policy.
// [policyFlags.apply] has the same words by part; a flag that is missing here would not count as a
// change.
const policyWords = "fair-share group-share default-weight half-life cap user-cap group-cap aging bound rare-tags rare-tag lend-after group off"

// policyFlags are changes of a policy on the command line.
type policyFlags struct {
	shares, groupShares, caps, groupCaps, groups, off, rare []string
	halfLife, within, lend                                  string
	weight, bound, cap, percent                             int
}

func (a *app) policySet() *cobra.Command { return a.policySetWith(&policyFlags{}) }

// policySetWith is the command with its flags in in.
// Tests read the flags back out of in.
func (a *app) policySetWith(in *policyFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set [FILE]",
		Short: "Set the policy, from a file or by flags",
		Long: `Set the policy. A file replaces all of it ("-" is standard input; "strata policy show" writes one). Flags
change the policy as it is: what they do not name stays, and --off takes a part away. It holds from the
next decision on; jobs that run are left alone.`,
		Example: "  strata policy set policy.yaml\n  strata policy set --fair-share alice=2,bob=1 --half-life 7d\n" +
			"  strata policy set --aging 6h --bound 90\n  strata policy set --cap 10 --user-cap ci=40\n  strata policy set --rare-tags 20 --lend-after 12h\n  strata policy set --off aging,caps",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.setPolicy(cmd, args, *in)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&in.shares, "fair-share", nil, "weights of users, such as alice=2,bob=1")
	f.StringSliceVar(&in.groupShares, "group-share", nil, "weights of groups")
	f.IntVar(&in.weight, "default-weight", 1, "weight of who is not named")
	f.StringVar(&in.halfLife, "half-life", "7d", "use of that long ago counts half")
	f.StringSliceVar(&in.groups, "group", nil, "users of a group, such as kernel=alice+bob")
	f.IntVar(&in.cap, "cap", 0, "devices that a user's jobs hold at most; 0: no limit")
	f.StringSliceVar(&in.caps, "user-cap", nil, "caps of users, such as ci=40")
	f.StringSliceVar(&in.groupCaps, "group-cap", nil, "caps of groups, of all their users together")
	f.StringVar(&in.within, "aging", "", "a job of priority 0 is to start within this, such as 6h")
	f.IntVar(&in.bound, "bound", 100, "the priority that waiting raises a job to at most")
	f.IntVar(&in.percent, "rare-tags", 25, "keep devices with tags that at most so many percent of a type carry")
	f.StringSliceVar(&in.rare, "rare-tag", nil, "a tag that is rare wherever it is")
	f.StringVar(&in.lend, "lend-after", "24h", "lend such devices once nobody has asked for the tag for so long; 0: never")
	f.StringSliceVar(&in.off, "off", nil, "parts to take away: fair-share, caps, aging, rare-tags, groups, all")
	return cmd
}

// setPolicy sends the policy of a file, or the one that holds with the changes of the flags.
func (a *app) setPolicy(cmd *cobra.Command, args []string, in policyFlags) error {
	var p events.SchedulingPolicySet
	changes := slices.ContainsFunc(strings.Fields(policyWords), cmd.Flags().Changed)
	switch {
	case len(args) == 1 && changes:
		return misuse("either a file or flags: the file is the whole policy")
	case len(args) == 1:
		text, err := a.readText(args[0])
		if err != nil {
			return err
		}
		if strings.TrimSpace(text) == "" { // of a pipe that broke: what takes the whole policy away has to say so
			return fmt.Errorf("%s is empty: {} is a policy that sets nothing", args[0])
		}
		if p, err = readPolicyFile(args[0], text); err != nil {
			return err
		}
	case !changes:
		return misuse("name a file, or what to change by flags")
	// Flags change what holds now. Two people who do so at the same moment: the later one's whole
	// policy counts.
	default:
		c, done, err := a.client()
		if err != nil {
			return err
		}
		defer done()
		var now api.Policy
		if err := c.Call(cmd.Context(), "policy.show", struct{}{}, &now); err != nil {
			return explain(err)
		}
		p = now.SchedulingPolicySet
		if err := in.apply(&p, cmd.Flags().Changed); err != nil {
			return err
		}
	}
	var out api.Policy
	return a.ask(cmd, "policy.set", p, &out, func() error { return a.printPolicy(out) })
}

// apply changes a policy as the flags that were given say.
// Parts are taken away first, so that --off caps --cap 5 begins anew.
func (in policyFlags) apply(p *events.SchedulingPolicySet, given func(string) bool) error {
	for _, part := range in.off {
		off := map[string]func(){
			"fair-share": func() { p.FairShare = nil }, "caps": func() { p.Caps = nil }, "aging": func() { p.Aging = nil },
			"rare-tags": func() { p.RareTags = nil }, "groups": func() { p.Groups = nil },
			"all": func() { *p = events.SchedulingPolicySet{} },
		}
		if off[part] == nil {
			return misuse("--off %q: allowed are %s", part, strings.Join(sortedKeys(off), ", "))
		}
		off[part]()
	}
	for _, step := range []struct {
		flags string
		set   func(*events.SchedulingPolicySet, func(string) bool) error
	}{
		{"fair-share group-share default-weight half-life", in.setShares}, {"cap user-cap group-cap", in.setCaps},
		{"aging bound", in.setAging}, {"rare-tags rare-tag lend-after", in.setRare}, {"group", in.setGroups},
	} {
		if slices.ContainsFunc(strings.Fields(step.flags), given) {
			if err := step.set(p, given); err != nil {
				return err
			}
		}
	}
	return nil
}

// A user that is named anew gets the new weight; all others keep theirs. Bounds are the api's.
func (in policyFlags) setShares(p *events.SchedulingPolicySet, given func(string) bool) (err error) {
	f := events.FairShare{DefaultWeight: 1}
	if p.FairShare != nil {
		f = *p.FairShare
	}
	if p.FairShare == nil || given("half-life") {
		if f.HalfLife, err = parseLength(in.halfLife); err != nil {
			return misuse("--half-life: %v", err)
		}
	}
	if given("default-weight") {
		f.DefaultWeight = in.weight
	}
	err = pairs("--fair-share", in.shares, func(name string, n int) {
		f.Users = put(f.Users, events.UserWeight{User: events.UserName(name), Weight: n}, func(u events.UserWeight) string { return string(u.User) })
	})
	if err == nil {
		err = pairs("--group-share", in.groupShares, func(name string, n int) {
			f.Groups = put(f.Groups, events.GroupWeight{Group: events.GroupName(name), Weight: n}, func(g events.GroupWeight) string { return string(g.Group) })
		})
	}
	p.FairShare = &f
	return err
}

// 0 for a user is no limit, whatever the default is.
func (in policyFlags) setCaps(p *events.SchedulingPolicySet, given func(string) bool) error {
	var c events.Caps
	if p.Caps != nil {
		c = *p.Caps
	}
	if given("cap") {
		c.Default = in.cap
	}
	err := pairs("--user-cap", in.caps, func(name string, n int) {
		c.Users = put(c.Users, events.UserCap{User: events.UserName(name), Devices: n}, func(u events.UserCap) string { return string(u.User) })
	})
	if err == nil {
		err = pairs("--group-cap", in.groupCaps, func(name string, n int) {
			c.Groups = put(c.Groups, events.GroupCap{Group: events.GroupName(name), Devices: n}, func(g events.GroupCap) string { return string(g.Group) })
		})
	}
	p.Caps = &c
	return err
}

func (in policyFlags) setAging(p *events.SchedulingPolicySet, given func(string) bool) (err error) {
	g := events.Aging{Bound: in.bound}
	if p.Aging != nil {
		g = *p.Aging
	}
	if given("bound") {
		g.Bound = in.bound
	}
	if given("aging") {
		if g.Within, err = parseLength(in.within); err != nil {
			return misuse("--aging: %v", err)
		}
	} else if p.Aging == nil {
		return misuse("--bound needs --aging: aging is off")
	}
	p.Aging = &g
	return nil
}

// Tags that are named are added to those that count as rare already; only --off rare-tags takes them
// away.
func (in policyFlags) setRare(p *events.SchedulingPolicySet, given func(string) bool) (err error) {
	t := events.RareTags{Percent: in.percent}
	if p.RareTags != nil {
		t = *p.RareTags
	}
	if given("rare-tags") {
		t.Percent = in.percent
	}
	if p.RareTags == nil || given("lend-after") {
		if t.LendAfter, err = parseLength(in.lend); err != nil {
			return misuse("--lend-after: %v", err)
		}
	}
	for _, name := range in.rare {
		t.Tags = put(t.Tags, events.TagName(name), func(n events.TagName) string { return string(n) })
	}
	p.RareTags = &t
	return nil
}

// A group that is named gets these users and no others: users are not added to it.
func (in policyFlags) setGroups(p *events.SchedulingPolicySet, _ func(string) bool) error {
	for _, text := range in.groups {
		name, users, ok := strings.Cut(text, "=")
		if !ok || name == "" || users == "" {
			return misuse("--group %q: write it like kernel=alice+bob", text)
		}
		g := events.GroupUsers{Group: events.GroupName(name)}
		for _, u := range strings.Split(users, "+") {
			g.Users = append(g.Users, events.UserName(u))
		}
		p.Groups = put(p.Groups, g, func(g events.GroupUsers) string { return string(g.Group) })
	}
	return nil
}

// pairs reads words such as alice=2.
// A word without "=" has no number and is refused: a cap that was forgotten must not become none.
func pairs(flag string, words []string, f func(name string, n int)) error {
	for _, w := range words {
		name, number, _ := strings.Cut(w, "=")
		n, err := strconv.Atoi(number)
		if err != nil || name == "" {
			return misuse("%s %q: write it like alice=2", flag, w)
		}
		f(name, n)
	}
	return nil
}

// put replaces the item of the same name in a copy of a list, or adds it.
// A copy, since the list may be the one that was read.
func put[T any](list []T, item T, name func(T) string) []T {
	list = slices.Clone(list)
	for i := range list {
		if name(list[i]) == name(item) {
			list[i] = item
			return list
		}
	}
	return append(list, item)
}
