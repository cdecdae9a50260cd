package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/schemas/results"
	"strata/services/api"
)

// completing is how long a shell's Tab may ask the lab; after that it offers nothing.
const completing = 2 * time.Second

// offer is what the shell completes a word with: the words, each with a tab and a note.
type offer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// words completes with fixed words.
func words(all ...string) offer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// arguments completes each argument by its own offer; an argument beyond them by nothing.
// A command without it offers names of files, which is the shell's own default.
func arguments(each ...offer) offer {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(each) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return each[len(args)](cmd, args, begun)
	}
}

// file completes with the names of files.
func file(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// asking completes with what the lab says to one verb. A lab that does not answer offers nothing.
func asking[T any](a *app, verb string, in any, list func(T) []string) offer {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		if a.settle() != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, done, err := a.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer done()
		ctx, cancel := context.WithTimeout(cmd.Context(), completing)
		defer cancel()
		var out T
		if c.Call(ctx, verb, in, &out) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return list(out), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// someJobs completes with numbers of jobs: the newest, or those that are not over.
func (a *app) someJobs(all bool) offer {
	return asking(a, "jobs.list", api.JobsRequest{All: all, Limit: 20}, func(out api.Jobs) (numbers []string) {
		for _, j := range out.Jobs {
			numbers = append(numbers, fmt.Sprintf("%s\t%s", j.Display, strings.TrimSpace(status(j)+" "+j.Name)))
		}
		return numbers
	})
}

func (a *app) someDevices() offer {
	return asking(a, "devices.list", struct{}{}, func(all []api.Device) (names []string) {
		for _, d := range all {
			names = append(names, fmt.Sprintf("%s\t%s, %s", d.Device, d.DeviceType, d.Health))
		}
		return names
	})
}

func (a *app) someWorkers() offer {
	return asking(a, "workers.list", struct{}{}, func(all []api.Worker) (names []string) {
		for _, w := range all {
			names = append(names, fmt.Sprintf("%s\t%s", w.Worker, w.State))
		}
		return names
	})
}

// completions gives commands what a shell completes their arguments and flags with.
// They are set here and not in the commands since some stand under several paths. A path that is not
// there any more is passed over without a word.
func (a *app) completions(root *cobra.Command) {
	set := func(path string, o offer) {
		if c, _, err := root.Find(strings.Fields(path)); err == nil && c != root {
			c.ValidArgs, c.ValidArgsFunction = nil, o
		}
	}
	newest, device, worker := a.someJobs(true), a.someDevices(), a.someWorkers()
	for _, path := range []string{"show", "logs", "results", "jobs bundle"} {
		set(path, arguments(newest))
	}
	set("cancel", a.someJobs(false))
	set("priority", arguments(a.someJobs(false)))
	set("why", arguments(a.someJobs(false)))
	for _, path := range []string{"devices show", "devices remove", "devices tag", "devices untag", "devices config"} {
		set(path, arguments(device))
	}
	set("devices health", arguments(device, words("Good", "Unknown", "Looping", "Bad", "Maintenance", "Retired")))
	set("devices configure", arguments(device, file))
	set("devices move", arguments(device, worker))
	for _, path := range []string{"workers show", "workers token", "workers config", "workers configure", "workers remove"} {
		set(path, arguments(worker))
	}
	set("workers health", arguments(worker, words("Active", "Maintenance", "Retired")))

	flag := func(path, name string, o offer) {
		if c, _, err := root.Find(strings.Fields(path)); err == nil && c.Flag(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, o) // fails only where it is given twice
		}
	}
	levels := words(string(events.Target), string(events.Results), string(events.Input), string(events.Feedback), string(events.Debug),
		string(events.Info), string(events.Warning), string(events.Error), string(events.Exception), string(events.EventText), string(events.FileData))
	flag("logs", "level", levels)
	flag("results", "format", words(results.Formats()...))
	flag("submit", "level", levels)
	flag("jobs", "state", words(jobStates...))
	flag("jobs", "device", device)
	flag("devices import", "worker", worker)
	_ = root.RegisterFlagCompletionFunc("color", words("auto", "always", "never"))
}
