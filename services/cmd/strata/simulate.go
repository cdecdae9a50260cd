package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
	"strata/services/cmd/simulation"
)

// simulated is what the flags of `strata simulate` say.
type simulated struct {
	lab    simulation.Synthetic
	facts  string // file with recorded facts, "-" for standard input
	past   bool   // facts come from the lab
	policy string
	start  string
	users  []string
	prios  []string
	kills  []string
	more   []string
	drain  bool
	rule   string // by which devices are given
	asked  int    // every n-th job that waits is asked for its start
}

// With --json one simulation.Report is printed: equal calls print equal bytes, so that reports can be
// compared with diff.
func (a *app) simulateCommand() *cobra.Command {
	in := simulated{lab: simulation.Default()}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Try a policy or a lab by a virtual clock",
		Long: `Let a lab live by a virtual clock, months in seconds, and say how long jobs waited, how much devices
were used and how the device time was shared. The decisions are made by the same code as in a lab.

The lab is made up from a seed, or it is yours: --facts takes what "strata events --from 1 --json"
prints, --past asks the running lab for it. Then the same jobs come at the same times and take as
long as they took; --policy, --more and --kill change what is tried. --rule lava gives devices as LAVA
does, to see what that would make of the same jobs; --estimates says how true "strata why" is. A lab that is made up has
Zipf-like shares of types and users, days and nights, log-normal durations, failures and health checks.

Equal calls print equal bytes; how long the machine took for it is told on standard error.`,
		Example: `  strata simulate --devices 100 --jobs 100000 --days 365 --seed 7
  strata simulate --load 1.2 --users alice=1,bob=1 --policy policy.yaml
  strata simulate --past --more qemu=4
  strata events --from 1 --json > facts.ndjson && strata simulate --facts facts.ndjson --kill worker1@36h+8h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.simulate(cmd, in) },
	}
	f := cmd.Flags()
	f.StringVar(&in.facts, "facts", "", "take recorded facts from this file; - is standard input")
	f.BoolVar(&in.past, "past", false, "take the facts of the running lab")
	f.StringVar(&in.policy, "policy", "", "scheduling policy to try, a file as `strata policy set` takes it")
	f.StringSliceVar(&in.kills, "kill", nil, "end a worker's machine: WORKER@AFTER, or WORKER@AFTER+BACK, such as w1@36h+8h")
	f.StringSliceVar(&in.more, "more", nil, "devices beside those of the facts: TYPE=N")
	f.StringVar(&in.rule, "rule", "strata", "who gives the devices: strata, or lava, where parts of a multinode job hold theirs while they wait")
	f.IntVar(&in.asked, "estimates", 0, "hold the estimate of every n-th job that has to wait to its start; 0 is none")
	f.BoolVar(&in.drain, "drain", false, "go on after the last submission until no job waits")
	f.Uint64Var(&in.lab.Seed, "seed", in.lab.Seed, "what a made-up lab grows from")
	f.StringVar(&in.start, "start", in.lab.Start.Format(time.DateOnly), "first day")
	f.Float64Var(&in.lab.Days, "days", in.lab.Days, "over which jobs come")
	f.IntVar(&in.lab.Devices, "devices", in.lab.Devices, "how many")
	f.IntVar(&in.lab.Types, "types", in.lab.Types, "device types")
	f.IntVar(&in.lab.Workers, "workers", in.lab.Workers, "named w1, w2 and so on")
	f.IntVar(&in.lab.Limit, "job-limit", 0, "devices that a worker holds at once; 0 is no limit")
	f.IntVar(&in.lab.Jobs, "jobs", 0, "of users; 0 is as many as make the load")
	f.Float64Var(&in.lab.Load, "load", in.lab.Load, "part of all device time that jobs ask for; jobs take as long as it needs where --jobs is given")
	f.DurationVar(&in.lab.Median, "median", in.lab.Median, "how long jobs take where --jobs is not given")
	f.Float64Var(&in.lab.Spread, "spread", in.lab.Spread, "sigma of the durations of jobs of one name")
	f.StringSliceVar(&in.users, "users", nil, "who submits, NAME=SHARE (default ten users)")
	f.StringSliceVar(&in.prios, "priorities", nil, "of the jobs, PRIORITY=SHARE (default 0=1,50=7,100=2)")
	f.Float64Var(&in.lab.Tagged, "tagged", in.lab.Tagged, `part of the devices with the tag "rare"`)
	f.Float64Var(&in.lab.Asking, "asking", in.lab.Asking, "part of the jobs that ask for that tag")
	f.Float64Var(&in.lab.Gangs, "multinode", in.lab.Gangs, "part of the submissions that are multinode")
	f.Float64Var(&in.lab.Failing, "failing", in.lab.Failing, "part of the jobs that fail")
	f.Float64Var(&in.lab.Infra, "infra", in.lab.Infra, "part of the jobs that end with an error of the lab")
	f.IntVar(&in.lab.CheckHours, "check-hours", in.lab.CheckHours, "hours between the health checks of a device; 0 is none")
	f.IntVar(&in.lab.Retries, "retries", in.lab.Retries, "further attempts after an error of the lab: 0 or 1")
	cmd.MarkFlagsMutuallyExclusive("facts", "past")
	return cmd
}

// foreign lists the flags that mean nothing for a lab that was recorded, or for one that is made up.
// A flag that would be passed over in silence is refused: nobody should believe a figure that it has
// not changed.
func foreign(recorded bool) (flags []string, reason string) {
	if !recorded {
		return []string{"more"}, "a lab is made up; --devices says how many it has"
	}
	return []string{"seed", "start", "days", "devices", "types", "workers", "job-limit", "jobs", "load", "median", "spread", "users",
		"priorities", "tagged", "asking", "multinode", "failing", "infra", "retries", "check-hours"}, "the lab is that of the recorded facts"
}

func (a *app) simulate(cmd *cobra.Command, in simulated) error {
	recorded := in.facts != "" || in.past
	wrong, reason := foreign(recorded)
	for _, name := range wrong {
		if cmd.Flags().Changed(name) {
			return misuse("--%s: %s", name, reason)
		}
	}
	switch {
	case in.rule != "strata" && in.rule != "lava":
		return misuse("--rule %q: strata or lava", in.rule)
	case in.rule == "lava" && in.policy != "":
		return misuse("--rule lava knows no --policy")
	case in.asked < 0:
		return misuse("--estimates %d: 0 for none, or every n-th job that waits", in.asked)
	}
	var policy *events.SchedulingPolicySet
	if in.policy != "" {
		text, err := a.readText(in.policy)
		if err != nil {
			return err
		}
		p, err := readPolicyFile(in.policy, text)
		if err != nil {
			return err
		}
		if err := api.CheckPolicy(p); err != nil {
			return fmt.Errorf("%s: %w", in.policy, err)
		}
		policy = &p
	}
	// A small lab has fewer types and workers than one of the usual size.
	if !cmd.Flags().Changed("types") {
		in.lab.Types = max(1, min(in.lab.Types, in.lab.Devices))
	}
	if !cmd.Flags().Changed("workers") {
		in.lab.Workers = max(1, min(in.lab.Workers, in.lab.Devices))
	}
	build := in.madeUp
	if recorded {
		facts, done, err := a.openFacts(cmd.Context(), in)
		if err != nil {
			return err
		}
		defer done()
		build = func(p *events.SchedulingPolicySet) (simulation.Scenario, error) { return in.again(facts, p) }
	}
	sc, err := build(policy)
	if err != nil {
		return err
	}
	began := a.now()
	r, err := simulation.New(sc).Run()
	if err != nil {
		return err
	}
	a.say("%d decisions and %d facts in %s", r.Decisions, r.Facts, a.now().Sub(began).Round(10*time.Millisecond))
	if a.json {
		return a.printJSON(r)
	}
	return a.printSimulation(r)
}

// madeUp is the lab that the flags describe.
// Days and shares are floats: half a day is a good test.
func (in simulated) madeUp(policy *events.SchedulingPolicySet) (sc simulation.Scenario, err error) {
	in.lab.Policy, in.lab.Drain, in.lab.LAVA, in.lab.Estimates = policy, in.drain, in.rule == "lava", in.asked
	if in.lab.Start, err = time.Parse(time.DateOnly, in.start); err != nil {
		return sc, misuse("--start %q: a day such as 2026-01-05", in.start)
	}
	if in.lab.Deaths, err = deaths(in.kills, in.lab.Start); err != nil {
		return sc, err
	}
	if len(in.users) > 0 {
		in.lab.Users = nil
	}
	for _, u := range in.users {
		name, share, err := weighed("users", u)
		if err != nil {
			return sc, err
		}
		in.lab.Users = append(in.lab.Users, simulation.User{Name: events.UserName(name), Share: share})
	}
	if len(in.prios) > 0 {
		in.lab.Priorities = nil
	}
	for _, p := range in.prios {
		name, share, err := weighed("priorities", p)
		if err != nil {
			return sc, err
		}
		priority, err := strconv.Atoi(name)
		if err != nil || priority < 0 || priority > 100 {
			return sc, misuse("--priorities %q: a priority is a number from 0 to 100", p)
		}
		in.lab.Priorities = append(in.lab.Priorities, simulation.Weighted[int]{Value: priority, Weight: share})
	}
	// Whatever it refuses was said by flags, so it is a misuse.
	if sc, err = in.lab.Scenario(); err != nil {
		return sc, usageError{err}
	}
	for _, d := range in.lab.Deaths {
		n, err := strconv.Atoi(strings.TrimPrefix(string(d.Worker), "w"))
		if err != nil || n < 1 || n > in.lab.Workers {
			return sc, misuse("--kill %s: the workers are w1 to w%d", d.Worker, in.lab.Workers)
		}
	}
	return sc, nil
}

// again is the recorded lab, changed as the flags say.
// Facts are read once, from the first on; errors name the line.
func (in simulated) again(facts io.Reader, policy *events.SchedulingPolicySet) (sc simulation.Scenario, err error) {
	rec, err := simulation.Read(facts)
	if err != nil {
		return sc, err
	}
	c := simulation.Changes{Policy: policy, Drain: in.drain, LAVA: in.rule == "lava", Estimates: in.asked,
		More: map[events.DeviceTypeName]int{}}
	for _, m := range in.more {
		typ, n, _ := strings.Cut(m, "=")
		count, err := strconv.Atoi(n)
		if err != nil || typ == "" || count < 1 {
			return sc, misuse("--more %q: TYPE=N, such as qemu=4", m)
		}
		c.More[events.DeviceTypeName(typ)] += count
	}
	if c.Deaths, err = deaths(in.kills, rec.Start()); err != nil {
		return sc, err
	}
	return rec.Scenario(c)
}

// weighed reads NAME=SHARE; the share is 1 where none is given.
// Shares need not add up to anything: each is taken of their sum.
func weighed(flag, text string) (name string, share float64, err error) {
	name, number, given := strings.Cut(text, "=")
	share = 1
	if given {
		share, err = strconv.ParseFloat(number, 64)
	}
	if err != nil || name == "" || !(share > 0) {
		return "", 0, misuse("--%s %q: NAME=SHARE with a share above 0", flag, text)
	}
	return name, share, nil
}

// deaths reads WORKER@AFTER+BACK, times counted from the start of the simulation.
// Without BACK the machine stays away to the end.
func deaths(kills []string, start time.Time) (all []simulation.Death, err error) {
	for _, k := range kills {
		name, when, _ := strings.Cut(k, "@")
		after, back, returns := strings.Cut(when, "+")
		d := simulation.Death{Worker: events.WorkerName(name)}
		gone, err := time.ParseDuration(after)
		d.At = start.Add(gone)
		if returns && err == nil {
			var away time.Duration
			away, err = time.ParseDuration(back)
			d.Back = d.At.Add(away)
			gone = min(gone, away)
		}
		if err != nil || name == "" || gone < 0 {
			return nil, misuse("--kill %q: WORKER@AFTER or WORKER@AFTER+BACK, such as w1@36h+8h", k)
		}
		all = append(all, d)
	}
	return all, nil
}

// openFacts opens the recorded facts: a file, standard input, or those of the lab.
// They stream through a pipe: a lab's facts need not fit into memory twice.
func (a *app) openFacts(ctx context.Context, in simulated) (io.Reader, func(), error) {
	switch {
	case in.facts == "-":
		return a.input(), func() {}, nil
	case in.facts != "":
		f, err := os.Open(in.facts)
		if err != nil {
			return nil, nil, err
		}
		return f, func() { _ = f.Close() }, nil
	}
	c, done, err := a.client()
	if err != nil {
		return nil, nil, err
	}
	r, w := io.Pipe()
	go func() { // ends with the reader, or with the lab's last fact
		err := c.Stream(ctx, "events", api.EventsRequest{From: 1}, func(m *nats.Msg) error {
			_, err := w.Write(append(m.Data, '\n'))
			return err
		})
		_ = w.CloseWithError(explain(err))
	}()
	return r, func() { _ = r.Close(); done() }, nil
}
