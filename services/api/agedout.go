package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"strata/events"
	"strata/projections"
	"strata/projections/query"
)

// AgedOut says that a question reached back to jobs whose rows have left the tables by the lab's rules.
// Without it a page would say "no lines" of a log that is merely older than the retention, and people would believe it.
type AgedOut struct {
	projections.AgedOut
	Rule string `json:"rule,omitempty"` // such as "retention.logs = 90d"
	Hint string `json:"hint"`           // the same in words, and what has the rows still
}

// agedOut says what a question about these jobs, or about all, can no longer find. That nothing was
// found is the answer in any case: what goes wrong here is only logged.
// what is "logs" or "results", as the keys under retention are called; no jobs means all that the viewer sees. nil: nothing
// has aged out, or it could not be found out.
func (a *api) agedOut(ctx context.Context, v projections.Viewer, what string, jobs []events.JobID, since time.Time) *AgedOut {
	found, err := a.history.DB.AgedOut(ctx, v, what, jobs, since)
	if err != nil {
		a.logger.Warn("ask what has aged out", "err", err)
	}
	if err != nil || found == nil {
		return nil
	}
	out := &AgedOut{AgedOut: *found, Rule: "retention." + what}
	// The rule is the one of now; rows may have left by another one before.
	after, still := a.history.Retention.Logs, "the archive has them: strata logs JOB"
	if what == "results" {
		after, still = a.history.Retention.Results, "strata results JOB has them still"
	}
	if after > 0 {
		out.Rule += " = " + days(after)
	}
	out.Hint = fmt.Sprintf("the %s of %d jobs that ended until %s have aged out of the tables (%s); %s", what, found.Jobs, found.Through.Format(time.DateOnly), out.Rule, still)
	return out
}

// days writes a length of time as the configuration has it.
// Only whole days have a short form there; other lengths are written as Go does.
func days(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.String()
}

// warnAged adds to the last page of a query over results that older ones have left the tables.
// It asks the tables, and only where the page is the last one.
func (a *api) warnAged(ctx context.Context, who caller, q query.Query, out *QueryResult) {
	conditions := slices.Clone(q.Conditions)
	for _, c := range q.Clauses {
		conditions = append(conditions, c.Conditions...)
	}
	ofJobs := func(c events.QueryCondition) bool { return c.Table == string(events.JobQuery) }
	// Not on a page with more behind it, whose reader is not at the end, nor for a query that asks about jobs alone,
	// whose rows stay.
	if out.More || q.Entity == events.JobQuery && !slices.ContainsFunc(conditions, func(c events.QueryCondition) bool { return !ofJobs(c) }) {
		return
	}
	if aged := a.agedOut(ctx, a.sight(who), "results", nil, time.Time{}); aged != nil {
		out.Warnings = append(out.Warnings, aged.Hint)
	}
}
