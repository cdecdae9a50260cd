package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/projections"
	"strata/services/api"
)

// It is asked by pages, as a search may take longer than a caller waits: .next of the api.SearchAnswer
// that --json prints is what --after takes. The status is 0 for no hit too.
func (a *app) searchCommand() *cobra.Command {
	var in api.SearchRequest
	var phrase, substring, regex bool
	var jobs, devices, types, levels []string
	var since, until string
	cmd := &cobra.Command{
		Use:   "search TEXT",
		Short: "Search the logs of all jobs",
		Long: `Search the logs of all jobs that you may see, the newest job first.

The text is a number of words, all of which stand in a line, in any order. A word is a run of letters
and digits; parts of words, and what else there is, are found by --substring, words in their order
by --phrase, and RE2 expressions by --regex. Terminal sequences are no part of a line here, and the
kernel's time at the head of a line has no words.

Each line comes with its place, job#line, which "strata logs JOB --from LINE" takes up. --since and
--until take how long ago (90m, 36h, 7d) or a time, as --at does: 2026-11-23T14:05, "yesterday 10:00".

A search that would take too long stops and says where; --after goes on there.`,
		Example: `  strata search 'Kernel panic'
  strata search --phrase 'link is down' --device-type bbb --since 7d -C 3
  strata search --regex 'usb \d-\d: .*error -71' --level target --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Text = args[0]
			var err error
			if in.Kind, err = searchKind(phrase, substring, regex); err != nil {
				return err
			}
			for _, j := range jobs {
				job, err := a.jobOf(cmd.Context(), j)
				if err != nil {
					return err
				}
				in.Jobs = append(in.Jobs, job)
			}
			for _, d := range devices {
				in.Devices = append(in.Devices, events.DeviceName(d))
			}
			for _, t := range types {
				in.DeviceTypes = append(in.DeviceTypes, events.DeviceTypeName(t))
			}
			if in.Levels, err = parseLevels(levels); err != nil {
				return err
			}
			if in.Since, err = a.moment("--since", since); err != nil {
				return err
			}
			if in.Until, err = a.moment("--until", until); err != nil {
				return err
			}
			var page api.SearchAnswer
			return a.ask(cmd, "search", in, &page, func() error { a.printHits(page, in.Context); return nil })
		},
	}
	f := cmd.Flags()
	f.BoolVar(&phrase, "phrase", false, "the text stands in the line as it is, beginning and ending at words")
	f.BoolVar(&substring, "substring", false, "the text stands in the line as it is, wherever")
	f.BoolVar(&regex, "regex", false, "the text is an RE2 expression")
	f.BoolVarP(&in.IgnoreCase, "ignore-case", "i", false, "capitals and small letters are the same")
	f.StringSliceVar(&jobs, "job", nil, "only in these jobs, with commas between them")
	f.StringSliceVar(&devices, "device", nil, "only of jobs that ran on these devices")
	f.StringSliceVar(&types, "device-type", nil, "only of jobs that asked for these device types")
	f.StringSliceVar(&levels, "level", nil, "only lines of these levels, as `strata logs` has them")
	f.StringVar(&since, "since", "", "only lines from then on")
	f.StringVar(&until, "until", "", "only lines before then")
	f.IntVarP(&in.Context, "context", "C", 0, "show so many lines around each, up to 20")
	f.IntVarP(&in.Limit, "limit", "n", 0, "show so many lines, up to 1000 (default 50)")
	f.StringVar(&in.After, "after", "", "go on behind this place: the `next` of the page before")
	f.Float64Var(&in.Seconds, "seconds", 0, "search so long at most, up to 20 (default 5)")
	return cmd
}

// searchKind reads the flags that say how the text is meant.
// The flags exclude one another here and not by cobra, whose sentence names none of the three
// meanings.
func searchKind(phrase, substring, regex bool) (projections.SearchKind, error) {
	kind, given := projections.Words, 0
	for _, f := range []struct {
		set  bool
		kind projections.SearchKind
	}{{phrase, projections.Phrase}, {substring, projections.Substring}, {regex, projections.Regex}} {
		if f.set {
			kind = f.kind
			given++
		}
	}
	if given > 1 {
		return "", misuse("--phrase, --substring and --regex: give one of them")
	}
	return kind, nil
}

// moment reads a time as people write it, or how long ago it was; "" is the zero time.
// Without "ago", unlike --at: a length of time alone is taken, as search is about what was lately.
func (a *app) moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, parse := range []func(string, time.Time) (time.Time, bool){parseTime, parseAgo} {
		if t, ok := parse(strings.TrimSpace(text), a.now()); ok {
			return t, nil
		}
	}
	return time.Time{}, misuse("%s %q: allowed are how long ago, like 90m, 36h or 7d, and %s", flag, text, moments)
}

// printHits writes a page for people.
// Lines around a hit have "-" behind their place, as of grep.
// What is said of the page as a whole goes to standard error, so that a pipe gets lines of logs alone.
func (a *app) printHits(page api.SearchAnswer, context int) {
	for i, h := range page.Hits {
		if context > 0 && i > 0 {
			fmt.Fprintln(a.out, "--")
		}
		for _, l := range h.Before {
			a.printHitLine(l, "-")
		}
		a.printHitLine(h.Line, ":")
		for _, l := range h.After {
			a.printHitLine(l, "-")
		}
	}
	switch {
	case page.Stopped != "" && page.Next == "":
		a.say("stopped early, out of %s, before anything was searched; narrow the search with --job, --device, --since", page.Stopped)
	case page.Stopped != "":
		a.say("stopped early, out of %s: older jobs have not been searched; go on with --after '%s'", page.Stopped, page.Next)
	case page.Next != "":
		a.say("there is more; go on with --after '%s'", page.Next)
	case len(page.Hits) == 0:
		a.say("no such line; a word must be whole (--substring finds parts) and in the same case (-i takes any), and logs come into the tables within a second or two")
	}
	// A search that finds nothing may just be about logs that retention has erased.
	if page.AgedOut != nil {
		a.say("%s", page.AgedOut.Hint)
	}
}

// printHitLine writes one line with its place; mark tells lines that were found from those around.
func (a *app) printHitLine(l projections.Line, mark string) {
	place := projections.Place{Job: events.JobID(l.Job), Line: l.Line}
	fmt.Fprintf(a.out, "%s%s %s\n", place, mark, plain(l.Message))
}
