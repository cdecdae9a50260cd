package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"strata/events"
)

// Log hands over the lines of a job's log, each with its number, from in.From on. With in.Follow it
// goes on until the job's output is complete, over interruptions too: it asks again from where it
// was. With in.Whole the numbers begin anew with each attempt.
// Each line comes once and in order, whatever breaks off in between. A gap in the numbers is of lines that never came.
func (c Client) Log(ctx context.Context, in LogRequest, each func(line uint64, r events.Record) error) error {
	from, tries := in, 0
	for {
		err := c.Stream(ctx, "jobs.log", in, func(m *nats.Msg) error {
			first, err := strconv.ParseUint(m.Header.Get(events.HeaderFirstLine), 10, 64)
			if err != nil {
				return fmt.Errorf("log of job %d: frame without a first line: %w", in.Job, err)
			}
			if of, err := strconv.ParseUint(m.Header.Get(events.HeaderJob), 10, 64); err == nil && events.JobID(of) != in.Job {
				in.Job, in.From = events.JobID(of), 0 // a further attempt
			}
			for body := m.Data; len(body) > 0; first++ {
				text, rest, _ := bytes.Cut(body, []byte("\n"))
				body = rest
				// Frames are sent whole: the first one may begin before the line that was asked for.
				if first < in.From {
					continue
				}
				var r events.Record
				if err := json.Unmarshal(text, &r); err != nil {
					return fmt.Errorf("log of job %d, line %d: %w", in.Job, first, err)
				}
				if err := each(first, r); err != nil {
					return err
				}
				in.From, in.Resumed = first+1, in.Whole
			}
			return nil
		})
		// Who reads only what there is asks again by himself.
		if !in.Follow || !interrupted(err) && !unwell(err) || ctx.Err() != nil {
			return err
		}
		// Something came since the last try, so the lab is well enough to be patient with.
		if in != from {
			from, tries = in, 0
		}
		if tries++; unwell(err) && tries > triesUnwell {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
		if err := c.await(ctx); err != nil {
			return err
		}
	}
}

// triesUnwell is how often in a row a follower asks again where the lab says that it cannot read: some
// twenty seconds or more.
const triesUnwell = 100

// unwell reports whether the lab answered that it cannot, as it does while its broker starts again or has
// a full disk. Whoever follows a log has seen a part of it and wants the rest.
func unwell(err error) bool { return HasCode(err, Failed) || HasCode(err, Away) }

// interrupted reports whether asking again may help.
func interrupted(err error) bool {
	return errors.Is(err, ErrInterrupted) || errors.Is(err, ErrNoAPI) || errors.Is(err, nats.ErrConnectionReconnecting)
}

// await returns once the api answers, or ctx ends.
// It asks status, which is never refused for asking too often.
func (c Client) await(ctx context.Context) error {
	for {
		err := c.Call(ctx, "status", none{}, nil)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}
