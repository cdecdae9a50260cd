package api

import (
	"context"
	"sort"

	"strata/events"
	"strata/projections"
)

// addPast adds jobs that are over, from ClickHouse. Where that is away the answer says so and holds
// what is current.
func (a *api) addPast(ctx context.Context, out *Jobs, in JobsRequest) {
	if a.history.DB == nil {
		out.Away = away(errNoHistory).Error()
		return
	}
	f := projections.JobFilter{User: in.User, Limit: in.Limit, Rejected: true, States: []string{StateFinished}}
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
	sort.Slice(out.Jobs, func(i, j int) bool { return out.Jobs[i].Job > out.Jobs[j].Job })
}

// viewPast shows a job of the tables.
func viewPast(p projections.Job) Job {
	j := Job{
		Job: events.JobID(p.Job), Display: p.Display, State: p.State, Health: events.JobHealth(p.Health), User: events.UserName(p.User),
		Name: p.Name, DeviceType: events.DeviceTypeName(p.DeviceType), Device: events.DeviceName(p.Device),
		Worker: events.WorkerName(p.Worker), Priority: int(p.Priority), HealthCheck: p.HealthCheck, Submitted: p.SubmittedAt,
		Started: p.StartedAt, Ended: p.EndedAt, ErrorType: events.ErrorType(p.ErrorType), Error: p.Error,
		Lines: p.Lines, Missing: p.MissingLines, Cases: p.Cases, Complete: p.Complete, Metadata: p.Metadata,
	}
	if p.Rejected {
		j.State = StateRejected
	}
	for _, t := range p.Tags {
		j.Tags = append(j.Tags, events.TagName(t))
	}
	return j
}
