package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/services/api"
)

// moments says how a moment may be written.
const moments = "a fact's sequence in LAB such as 8812, 2026-01-31T10:00:00Z, 2026-01-31, '2026-01-31 10:00', 10:00, 'yesterday 10:00', or '90s ago' (s, m, h, d, w)"

// atFlag gives a command the flag --at.
func atFlag(cmd *cobra.Command, at *string) {
	cmd.Flags().Var((*atMoment)(at), "at", "as it was then: "+moments)
}

// atMoment is the flag's value. It may be left out but not be empty: an empty variable of a script would ask
// for now instead.
type atMoment string

func (m *atMoment) String() string { return string(*m) }
func (m *atMoment) Type() string   { return "string" }
func (m *atMoment) Set(text string) error {
	if strings.TrimSpace(text) == "" {
		return fmt.Errorf("allowed are %s", moments)
	}
	*m = atMoment(text)
	return nil
}

// askAt is ask of the lab as it was; at "" is now.
// With a moment the answer comes as a flow: reading a long log may take longer than a caller waits for
// a plain answer.
func (a *app) askAt(cmd *cobra.Command, at, verb string, in, out any, human func() error) error {
	if at == "" {
		return a.ask(cmd, verb, in, out, human)
	}
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	if err := a.callAt(cmd.Context(), c, at, verb, in, out); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(out)
	}
	return human()
}

// callAt asks a verb of the lab as it was, or as it is where at is "".
func (a *app) callAt(ctx context.Context, c api.Client, at, verb string, in, out any) error {
	if at == "" {
		return explain(c.Call(ctx, verb, in, out))
	}
	request, err := parseMoment(at, a.now())
	if err != nil {
		return err
	}
	request.Verb = verb
	if request.Request, err = json.Marshal(in); err != nil {
		return fmt.Errorf("encode request %s: %w", verb, err)
	}
	err = c.Stream(ctx, "at", request, func(m *nats.Msg) error {
		// Said each time, on standard error: a moment between two facts means the one before, which
		// may be much older.
		if written, err := time.Parse(time.RFC3339Nano, m.Header.Get(api.HeaderAtTime)); err == nil {
			a.say("as of fact %s, written %s", m.Header.Get(api.HeaderAtSeq), written.In(a.now().Location()).Format("2006-01-02 15:04:05 MST"))
		}
		return json.Unmarshal(m.Data, out)
	})
	return explain(err)
}

// parseMoment reads a moment as people write it; times without a zone are of now's.
func parseMoment(text string, now time.Time) (api.AtRequest, error) {
	text = strings.TrimSpace(text)
	// A number alone is a sequence, so a year alone is one too: 2026 is fact 2026.
	if seq, err := strconv.ParseUint(text, 10, 64); err == nil && seq > 0 {
		return api.AtRequest{Seq: seq}, nil
	}
	at, ok := parseTime(text, now)
	switch {
	case !ok:
		return api.AtRequest{}, misuse("--at %q: allowed are %s", text, moments)
	// The api would answer with the lab as it is, and a slip in the year would go unseen.
	case at.After(now):
		return api.AtRequest{}, misuse("--at %q is %s, which is still to come", text, at.Format(time.RFC3339))
	}
	return api.AtRequest{Time: &at}, nil
}

// A clock time is of the day of now, whether that is past or not; [parseFuture] moves it on.
func parseTime(text string, now time.Time) (time.Time, bool) {
	if ago, ok := strings.CutSuffix(text, " ago"); ok {
		return parseAgo(ago, now)
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, true
	}
	day, clock := now, text
	// By the calendar, not by 24 hours: on the day of a clock change they differ.
	for word, back := range map[string]int{"today": 0, "yesterday": 1} {
		if rest, ok := strings.CutPrefix(text, word+" "); ok {
			day, clock = now.AddDate(0, 0, -back), strings.TrimSpace(rest)
		}
	}
	for _, form := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(form, clock); err == nil {
			return time.Date(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location()), true
		}
	}
	for _, form := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseAgo reads a length of time such as "90s", "1h30m", "2 h" or "3d" before now.
func parseAgo(text string, now time.Time) (time.Time, bool) {
	text = strings.ReplaceAll(text, " ", "")
	for unit, days := range map[string]int{"d": 1, "w": 7} {
		// The bound is a century in days: what is further back is a slip.
		if n, err := strconv.Atoi(strings.TrimSuffix(text, unit)); err == nil && strings.HasSuffix(text, unit) && n >= 0 && n < 40_000 {
			return now.AddDate(0, 0, -n*days), true // a day has not always 24 hours
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, false
	}
	return now.Add(-d), true
}
