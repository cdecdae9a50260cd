package api

import (
	"context"
	"sort"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
)

// addPast adds jobs that are over, from ClickHouse. Where that is away the answer says so and holds
// what is current.
// What goes wrong is told in Away, never as an error: the list of what is current stands.
// It may leave more in out than was asked for; its caller cuts.
func (a *api) addPast(ctx context.Context, who caller, out *Jobs, in JobsRequest) {
	if a.history.DB == nil {
		out.Away = away(errNoHistory).Error()
		return
	}
	a.tablesCatchUp(ctx)
	f := projections.JobFilter{Viewer: a.sight(who), User: in.User, Limit: in.Limit, Rejected: true, States: []string{StateFinished}}
	var past []projections.Job
	// A name is that of a device or of a device type; whoever asks need not say which.
	filters := []projections.JobFilter{f}
	if in.Device != "" {
		byType, byDevice := f, f
		byType.DeviceType, byDevice.Device = events.DeviceTypeName(in.Device), events.DeviceName(in.Device)
		filters = []projections.JobFilter{byType, byDevice}
	}
	for _, f := range filters {
		jobs, err := a.history.DB.Jobs(ctx, f)
		if err != nil {
			out.Away = away(err).Error()
			a.logger.Warn("list finished jobs", "err", err)
			return
		}
		past = append(past, jobs...)
	}
	// Tables lag behind the fold: of a job that both know, the fold knows better.
	known := map[events.JobID]bool{}
	for _, j := range out.Jobs {
		known[j.Job] = true
	}
	for _, p := range past {
		if id := events.JobID(p.Job); !known[id] {
			known[id] = true
			out.Jobs = append(out.Jobs, viewPast(p))
		}
	}
	for _, j := range out.Jobs {
		for i := range out.Jobs {
			if j.RetriedAs != 0 && out.Jobs[i].Job == j.RetriedAs {
				out.Jobs[i].RetryOf = j.Job // the tables know the chain from its first end alone
			}
		}
	}
	if in.Whole {
		out.Jobs = a.foldAttempts(ctx, who, in, out.Jobs)
	}
	sort.Slice(out.Jobs, func(i, j int) bool { return out.Jobs[i].Job > out.Jobs[j].Job })
}

// tablesLag is how long a list waits for the tables; they are a second behind the log at most, unless
// they are being made anew.
const tablesLag = 2 * time.Second

// tablesCatchUp waits until the tables have what the fold knew when it was asked. The fold forgets a
// job that is over; a list made before the tables have it would deny a job that ended a moment ago.
// Where they do not come that far within [tablesLag] the question is asked all the same, and answers
// what they have.
func (a *api) tablesCatchUp(ctx context.Context) {
	var through uint64
	a.read(func(s *lab.State) { through = s.Through() })
	a.awaitTables(ctx, stream.Lab, through, tablesLag)
}

// awaitTables waits until the tables have read a stream up to a sequence, at most so long, and reports whether they have.
func (a *api) awaitTables(ctx context.Context, name string, want uint64, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		at, err := a.position(ctx, name, want)
		switch {
		case err != nil: // it is told by the question itself
			return false
		case at >= want:
			return true
		case pause(ctx) != nil:
			return false
		}
	}
}

// viewPast shows a job of the tables.
// What only facts know (why it waits, its group, its judgement) is not in it.
func viewPast(p projections.Job) Job {
	j := Job{
		Job: events.JobID(p.Job), Display: p.Display, State: p.State, Health: events.JobHealth(p.Health), User: events.UserName(p.User),
		Name: p.Name, DeviceType: events.DeviceTypeName(p.DeviceType), Device: events.DeviceName(p.Device),
		Worker: events.WorkerName(p.Worker), Priority: int(p.Priority), HealthCheck: p.HealthCheck, Submitted: p.SubmittedAt,
		Started: p.StartedAt, Ended: p.EndedAt, ErrorType: events.ErrorType(p.ErrorType), Error: p.Error,
		Lines: p.Lines, Missing: p.MissingLines, Cases: p.Cases, Complete: p.Complete, Metadata: p.Metadata,
		RetriedAs: events.JobID(p.RetriedAs),
	}
	if p.Rejected {
		j.State = StateRejected
	}
	for _, t := range p.Tags {
		j.Tags = append(j.Tags, events.TagName(t))
	}
	return j
}
