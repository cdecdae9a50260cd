package main

import (
	"context"
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
// Only a token that does not tell its user by itself costs a question to the lab.
func (a *app) client() (api.Client, func(), error) {
	conn, err := a.dial("strata")
	if err != nil {
		return api.Client{}, nil, err
	}
	c := api.Client{Conn: conn, User: access.Local}
	if hasUser(conn.ConnectedUrl()) {
		return c, conn.Close, nil // services may do what the administrator may
	}
	token := conn.Opts.Token
	c.Caller, _ = access.Bearer(token)
	if user, ok := access.ClaimedUser(token); ok || token == "" {
		c.User = user
		return c, conn.Close, nil
	}
	// Only the lab knows whose token it is.
	var me api.Me
	if err := c.Call(context.Background(), "whoami", nil, &me); err != nil {
		conn.Close()
		return api.Client{}, nil, explain(err)
	}
	c.User, c.Acting = me.User, me.ActingFor != ""
	return c, conn.Close, nil
}

// submitTo returns the subject that a user publishes definitions on.
// Names may hold what a subject cannot (dots, @): they are escaped as everywhere on the bus.
func submitTo(user events.UserName) string { return "submit." + events.EscapeToken(string(user)) }

// parseJob reads a job's number as people write it: "42", or "#42".
// Anything else is a misuse (status 2), whatever the lab has.
func parseJob(text string) (events.JobID, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "#"), 10, 64)
	if err != nil || n == 0 {
		return 0, misuse("%q is not a job number: write it like 42", text)
	}
	return events.JobID(n), nil
}

// jobOf reads a job's number as lists show it: "42", or "41.2" for a part of a multinode job, which the
// lab is asked for.
// The number of a part is an integer that only the lab can tell. What it calls malformed is a misuse
// here, as a number is that cannot be read.
func (a *app) jobOf(ctx context.Context, text string) (events.JobID, error) {
	whole, _, part := strings.Cut(text, ".")
	if number, err := parseJob(whole); err != nil || !part {
		return number, err // what is no number in any lab needs none to say so
	}
	c, done, err := a.client()
	if err != nil {
		return 0, err
	}
	defer done()
	var j api.Job
	err = c.Call(ctx, "jobs.show", map[string]string{"job": text}, &j)
	if api.HasCode(err, api.Invalid) {
		return 0, misuse("%v", err)
	}
	return j.Job, explain(err)
}

// explain adds to an error what a person can do about it.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, api.ErrNoAPI):
		return fmt.Errorf("%w (`strata up` runs it; beside others, `strata serve api` does)", err)
	case errors.Is(err, nats.ErrNoResponders):
		// The library's own words, "no responders", tell nobody what to do.
		return fmt.Errorf("nobody on the bus takes this: is a lab's `strata up` running there?")
	}
	return err
}
