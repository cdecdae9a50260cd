package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

func (a *app) reservationsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reservations",
		Short: "List reservations, set devices aside",
		Long: `List the devices that are set aside for a time: for a user or a group, whose jobs alone run there
meanwhile, or for nobody, which is a maintenance window. Jobs of others that could run into it are
not started; those that run when it is made go on, and are listed.`,
		Example: "  strata reservations\n  strata reservations add qemu01 --user alice --for 2h\n  strata reservations end 3",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []api.Reservation
			return a.ask(cmd, "reservations.list", struct{}{}, &all, func() error {
				if len(all) == 0 {
					a.say("nothing is reserved; `strata reservations add` sets devices aside")
				}
				var rows [][]string
				for _, r := range all {
					rows = append(rows, []string{r.Reservation.String(), holderPhrase(r), reservedPhrase(r),
						r.From.Local().Format("2006-01-02 15:04"), r.Until.Local().Format("2006-01-02 15:04"), or(r.Reason)})
				}
				return a.table([]string{"NUMBER", "FOR", "DEVICES", "FROM", "UNTIL", "REASON"}, rows)
			})
		},
	}
	cmd.AddCommand(a.reservationAdd(), a.reservationEnd())
	return cmd
}

// Who is named in none of both fields is nobody: a maintenance window.
func holderPhrase(r api.Reservation) string {
	switch {
	case r.User != "":
		return string(r.User)
	case r.Group != "":
		return "group " + string(r.Group)
	}
	return "maintenance"
}

// reservedPhrase names the devices, or what they have in common.
// A rule covers devices that come later too, so its number is that of now.
func reservedPhrase(r api.Reservation) string {
	if len(r.Devices) > 0 {
		return join(r.Devices)
	}
	what := "all " + string(r.DeviceType)
	if len(r.Tags) > 0 {
		what += " with " + join(r.Tags)
	}
	return fmt.Sprintf("%s (%d)", what, len(r.Covers))
}

// --json prints one api.Reservation; .jobs are those that run on its devices, which are not ended by
// it.
func (a *app) reservationAdd() *cobra.Command {
	var in api.ReservationRequest
	var user, group, typ, from, until, length string
	var tags []string
	cmd := &cobra.Command{
		Use:   "add [DEVICE...]",
		Short: "Set devices aside for somebody, or for maintenance",
		Long: `Set devices aside: these, or those of a type with all of some tags. --count chooses so many of them
now; without it all count, as they come and go. --user or --group says whose jobs run there; with
neither it is a maintenance window, in which nothing runs, health checks included.`,
		Example: "  strata reservations add qemu01 qemu02 --user alice --from 'tomorrow 09:00' --for 3h --reason 'bring-up'\n" +
			"  strata reservations add --device-type bbb --tag hdmi --count 2 --group kernel --until '2027-01-15 18:00'\n" +
			"  strata reservations add --device-type bbb --from 22:00 --for 1h --reason 'new power switch'",
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, d := range args {
				in.Devices = append(in.Devices, events.DeviceName(d))
			}
			for _, t := range tags {
				in.Tags = append(in.Tags, events.TagName(t))
			}
			for _, f := range []string{"user", "group", "device-type"} { // an empty variable of a script would make it a maintenance window
				if cmd.Flags().Changed(f) && cmd.Flags().Lookup(f).Value.String() == "" {
					return misuse("--%s is empty: name one, or leave the flag out", f)
				}
			}
			in.DeviceType, in.User, in.Group = events.DeviceTypeName(typ), events.UserName(user), events.GroupName(group)
			if err := setTimes(&in, from, until, length, a.now()); err != nil {
				return err
			}
			var r api.Reservation
			return a.ask(cmd, "reservations.add", in, &r, func() error {
				fmt.Fprintf(a.out, "reservation %d: %s for %s until %s\n", r.Reservation, reservedPhrase(r), holderPhrase(r),
					r.Until.Local().Format("2006-01-02 15:04"))
				for _, j := range r.Jobs {
					a.say("job %d of %s runs on %s, until %s at the latest; `strata cancel %d` ends it",
						j.Job, j.User, j.Device, j.Until.Local().Format("2006-01-02 15:04"), j.Job)
				}
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&typ, "device-type", "", "devices of this type, instead of names")
	f.StringSliceVar(&tags, "tag", nil, "only those with this tag; with all, where there are several")
	f.IntVar(&in.Count, "count", 0, "only so many of them, chosen now; 0: all")
	f.StringVar(&user, "user", "", "who holds them")
	f.StringVar(&group, "group", "", "the group of the policy whose users hold them")
	f.StringVar(&from, "from", "", "when it begins, such as 22:00, 'tomorrow 09:00', '2027-01-15 18:00', 'in 2h'; default: now")
	f.StringVar(&until, "until", "", "when it ends, written so too")
	f.StringVar(&length, "for", "", "how long it is, instead of --until: 90m, 3h, 2d")
	f.StringVar(&in.Reason, "reason", "", "why")
	return cmd
}

// setTimes fills a request's times from the flags.
// That the end is behind the beginning is the api's to check, as other clients ask too.
func setTimes(in *api.ReservationRequest, from, until, length string, now time.Time) error {
	in.From = now
	if from != "" {
		at, ok := parseFuture(from, now)
		if !ok {
			return misuse("--from %q: write it like 22:00, 'tomorrow 09:00', '2027-01-15 18:00' or 'in 2h'", from)
		}
		in.From = at
	}
	switch {
	case until == "" && length == "":
		return misuse("say when it ends: by --until, or by --for")
	case until != "" && length != "":
		return misuse("say when it ends by --until or by --for, not by both")
	case length != "":
		d, err := parseLength(length)
		if err != nil {
			return misuse("--for: %v", err)
		}
		in.Until = in.From.Add(time.Duration(d) * time.Second)
	default:
		at, ok := parseFuture(until, now)
		if !ok {
			return misuse("--until %q: write it like 22:00, 'tomorrow 09:00', '2027-01-15 18:00' or 'in 2h'", until)
		}
		in.Until = at
	}
	return nil
}

// parseFuture reads a moment that is mostly still to come. A time without a day is that of today, or of
// tomorrow where it is past.
// Units are those of [parseLength]. A date without a clock time is the midnight that it begins with.
func parseFuture(text string, now time.Time) (time.Time, bool) {
	if text == "now" {
		return now, true
	}
	if length, ok := strings.CutPrefix(text, "in "); ok {
		d, err := parseLength(strings.ReplaceAll(length, " ", ""))
		return now.Add(time.Duration(d) * time.Second), err == nil
	}
	if clock, ok := strings.CutPrefix(text, "tomorrow "); ok {
		return parseTime("today "+clock, now.AddDate(0, 0, 1))
	}
	at, ok := parseTime(text, now)
	if ok && !at.After(now) && len(text) <= len("15:04:05") && !strings.HasSuffix(text, " ago") {
		at = at.AddDate(0, 0, 1)
	}
	return at, ok
}

func (a *app) reservationEnd() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "end NUMBER",
		Short:   "End a reservation before its time",
		Long:    "End a reservation before its time, or one that has not begun: its devices are everybody's at once.",
		Example: "  strata reservations end 3 --reason 'done already'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || n == 0 {
				return misuse("%q is not a reservation's number: write it like 3", args[0])
			}
			in := api.ReservationRequest{Reservation: events.ReservationID(n), Reason: reason}
			return a.ask(cmd, "reservations.end", in, &struct{}{}, func() error {
				_, err := fmt.Fprintf(a.out, "reservation %d ended\n", n)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}
