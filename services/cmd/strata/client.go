package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/services/api"
)

// client connects to the lab and returns what asks its api. The caller closes it.
func (a *app) client() (api.Client, func(), error) {
	conn, err := a.dial("strata")
	if err != nil {
		return api.Client{}, nil, err
	}
	// Until people have tokens of their own, whoever is let in is local.
	return api.Client{Conn: conn, User: access.Local}, conn.Close, nil
}

// submitTo returns the subject that a user publishes definitions on.
func submitTo(user events.UserName) string { return "submit." + events.EscapeToken(string(user)) }

// parseJob reads a job's number as people write it: "42", or "#42".
func parseJob(text string) (events.JobID, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "#"), 10, 64)
	if err != nil || n == 0 {
		return 0, misuse("%q is not a job number: write it like 42", text)
	}
	return events.JobID(n), nil
}

// jobOf reads a job's number as lists show it: "42", or "40.1" for a part of a multinode job, which the
// lab is asked for.
func (a *app) jobOf(ctx context.Context, text string) (events.JobID, error) {
	whole, _, part := strings.Cut(text, ".")
	job, err := parseJob(whole)
	if err != nil || !part {
		return job, err
	}
	c, done, err := a.client()
	if err != nil {
		return 0, err
	}
	defer done()
	parts, err := partsOf(ctx, c, job)
	if err != nil {
		return 0, explain(err)
	}
	for _, id := range parts {
		var j api.Job
		if err := c.Call(ctx, "jobs.show", api.JobRequest{Job: id}, &j); err != nil {
			return 0, explain(err)
		}
		if j.Display == strings.TrimPrefix(text, "#") {
			return id, nil
		}
	}
	return 0, fmt.Errorf("there is no job %s", text)
}

// partsOf returns the jobs that a submission was split into, in order; none where it is one job.
func partsOf(ctx context.Context, c api.Client, job events.JobID) ([]events.JobID, error) {
	var parts []events.JobID
	in := api.EventsRequest{Entity: events.Entity{Kind: events.Job, ID: job.String()}.String()}
	err := c.Stream(ctx, "events", in, func(m *nats.Msg) error {
		var f struct {
			Data events.DefinitionSplit `json:"data"`
		}
		if err := json.Unmarshal(m.Data, &f); err != nil {
			return nil // another fact, whose fields have other shapes
		}
		if len(f.Data.Parts) > 0 {
			parts = f.Data.Parts
		}
		return nil
	})
	return parts, err
}

// explain adds to an error what a person can do about it.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, api.ErrNoAPI):
		return fmt.Errorf("%w (`strata up` runs it; beside others, `strata serve api` does)", err)
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("nobody on the bus takes this: is a lab's `strata up` running there?")
	}
	return err
}
