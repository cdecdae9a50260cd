package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"strata/events"
	"strata/projections/query"
)

// SimilarRequest asks for the query that finds jobs like one in some fields.
// As LAVA's form has them, with their table before them or without.
type SimilarRequest struct {
	Job    events.JobID `json:"job"`
	Fields []string     `json:"fields"` // of testjob, such as submitter; metadata.KEY for a key of its metadata
}

// similarJobs answers with a query for jobs that have the same in the fields as the given one. Fields
// that it has nothing in, false and 0 are left out; of a time the day is meant.
// It is the page "similar jobs": the query is run, or saved, by who asks for it. [Invalid] names a
// field in which jobs cannot be alike.
func (a *api) similarJobs(ctx context.Context, who caller, in SimilarRequest) (QueryCustom, error) {
	out := QueryCustom{Entity: events.JobQuery}
	if len(in.Fields) == 0 {
		return out, &Error{Code: Invalid, Field: "fields", Message: "fields is empty: say in what the jobs are to be alike"}
	}
	j, err := a.showJob(ctx, who, JobRequest{Job: in.Job})
	if err != nil {
		return out, err
	}
	for _, field := range in.Fields {
		c := events.QueryCondition{Table: query.Jobs, Field: strings.TrimPrefix(field, query.Jobs+"."), Operator: "exact"}
		if key, ok := strings.CutPrefix(field, query.Metadata+"."); ok {
			c.Table, c.Field = query.Metadata, key
			c.Value = j.Metadata[key]
		} else if err := likeJob(&c, j); err != nil {
			return out, err
		}
		// A condition on nothing would find jobs that have nothing there, which nobody means by
		// alike.
		if c.Value != "" {
			out.Conditions = append(out.Conditions, c)
		}
	}
	q, _, err := out.parse()
	if err != nil {
		return out, err
	}
	// Whoever can follow an address needs no list.
	if address, ok := query.Address(q); ok {
		out.Address, out.Conditions = address, nil
	}
	return out, nil
}

// likeJob fills in what a job has in a condition's field, in the words of conditions.
func likeJob(c *events.QueryCondition, j Job) error {
	day := func(at *time.Time) {
		// To a condition a time is a text, which contains its day.
		if at != nil {
			c.Operator, c.Value = "icontains", at.UTC().Format("2006-01-02")
		}
	}
	switch c.Field {
	case "submitter":
		c.Value = string(j.User)
	case "submit_time":
		day(&j.Submitted)
	case "start_time":
		day(j.Started)
	case "end_time":
		day(j.Ended)
	case "state":
		c.Value = j.State
	case "health":
		if c.Value = string(j.Health); c.Value == "" {
			c.Value = "Unknown"
		}
	case "actual_device":
		if j.Started != nil || j.Lease != 0 { // a job that waits has at most one that it asks for
			c.Value = string(j.Device)
		}
	case "requested_device_type":
		c.Value = string(j.DeviceType)
	case "health_check":
		if j.HealthCheck {
			c.Value = "True"
		}
	case "priority":
		// Conditions have LAVA's words for these; Low is 0 there, which a job has that says nothing.
		if c.Value = map[int]string{50: "Medium", 100: "High"}[j.Priority]; c.Value == "" && j.Priority != 0 {
			c.Value = fmt.Sprint(j.Priority)
		}
	case "description":
		c.Value = j.Name
	case "error_type":
		c.Value = string(j.ErrorType)
	case "worker":
		c.Value = string(j.Worker)
	default:
		return &Error{Code: Invalid, Field: "fields", Message: fmt.Sprintf("jobs cannot be alike in %q; they can in submitter, submit_time, start_time, "+
			"end_time, state, health, actual_device, requested_device_type, health_check, priority, description, error_type, worker, metadata.KEY", c.Field)}
	}
	return nil
}
