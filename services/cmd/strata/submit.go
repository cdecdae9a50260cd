package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// maxDefinition is the size of a definition that the lab takes.
const maxDefinition = 1 << 20

// Scripts read the number: "job N submitted" on standard output, or with --json one api.Job a file. Of
// several files the first that cannot be published ends it; those before it are submitted.
func (a *app) submitCommand() *cobra.Command {
	var follow, failOnTest bool
	var levels []string
	cmd := &cobra.Command{
		Use:   "submit FILE…",
		Short: "Submit a job, and follow it",
		Long: `Publish job definitions onto the bus; "-" reads one from standard input. The number that the bus
gives a definition is the job's number, and it is printed at once. A definition that the lab
refuses is reported with the place and the reason.

With --follow the job's log is shown as it arrives (--level picks lines, as in "strata logs"), and
the exit status says how it ended: 0 only when the job is Complete. Failed test cases do not make a
job Incomplete; --fail-on-test makes the exit status 1 for them too. The parts of a multinode job are
shown together, each line with the part's number and role, and all of them count; without --follow their
numbers are listed, with which every command can be asked of one of them, such as "strata logs 41.2".
Interrupting the command does not end the job; "strata cancel" does.`,
		Example: `  strata submit job.yaml
  strata submit job.yaml --follow --fail-on-test
  generate-job | strata submit -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if failOnTest && !follow {
				return misuse("--fail-on-test needs --follow: without it nobody waits for the tests")
			}
			if follow && len(files) > 1 {
				return misuse("--follow takes one definition, %d were given", len(files))
			}
			wanted, err := parseLevels(levels)
			if err != nil {
				return err
			}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			refused := false
			for _, file := range files {
				job, err := a.submit(cmd.Context(), c, file)
				if err != nil {
					return explain(err)
				}
				// The context's end is told whatever the error: whoever presses Ctrl-C has to know
				// that the job goes on.
				if follow {
					err := a.follow(cmd.Context(), c, job, followed{wanted, failOnTest})
					if cmd.Context().Err() != nil {
						fmt.Fprintf(a.err, "strata: job %[1]d goes on: `strata logs %[1]d -f` follows it, `strata cancel %[1]d` ends it\n", job)
					}
					return explain(err)
				}
				accepted, err := a.accepted(cmd.Context(), c, job)
				if err != nil {
					return explain(err)
				}
				// A definition that the lab refuses does not keep the next ones from being submitted;
				// the status is 1 then.
				refused = refused || !accepted
			}
			if refused {
				return errQuiet
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show the log as it arrives, and wait for the end")
	cmd.Flags().StringSliceVar(&levels, "level", nil, "with --follow: only lines of these levels, with commas between them")
	cmd.Flags().BoolVar(&failOnTest, "fail-on-test", false, "exit with 1 when a test case failed")
	return cmd
}

// submit publishes one definition and returns its number.
// One byte more than allowed is read, so that it can be refused by its size.
func (a *app) submit(ctx context.Context, c api.Client, file string) (events.JobID, error) {
	var body []byte
	var err error
	if file == "-" {
		body, err = io.ReadAll(io.LimitReader(a.input(), maxDefinition+1))
	} else {
		body, err = os.ReadFile(file)
	}
	if err != nil {
		return 0, fmt.Errorf("read job definition: %w", err)
	}
	if len(body) > maxDefinition {
		return 0, fmt.Errorf("job definition %s has %d bytes, allowed are %d", file, len(body), maxDefinition)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return 0, fmt.Errorf("job definition %s is empty", file)
	}
	return publish(ctx, c, body)
}

// publish puts a definition onto the bus. It is sent again with the same id while the broker does
// not answer, so that it becomes one job however often it is sent.
// Six attempts of five seconds each lie well within the hour for which the broker knows an id.
func publish(ctx context.Context, c api.Client, body []byte) (events.JobID, error) {
	if c.User == "" {
		return 0, errors.New("submit: sign in first; give a token with --token or STRATA_TOKEN")
	}
	id := uuid.NewString()
	if c.Acting {
		var got api.Receipt
		if err := c.Call(ctx, "jobs.submit", api.SubmitRequest{Definition: string(body), ID: id}, &got); err != nil {
			return 0, fmt.Errorf("submit: %w", err)
		}
		return got.Job, nil
	}
	m := nats.NewMsg(submitTo(c.User))
	m.Data = body
	m.Header.Set(nats.MsgIdHdr, string(c.User)+"/"+id)
	for try := 1; ; try++ {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		reply, err := c.Conn.RequestMsgWithContext(attempt, m)
		cancel()
		if err != nil {
			if why := refuses(ctx, c); why != "" {
				return 0, fmt.Errorf("submit: the lab takes no definitions: %s", why)
			}
			if errors.Is(c.Conn.LastError(), nats.ErrPermissionViolation) {
				return 0, fmt.Errorf("submit: the token of %s may not submit (`strata tokens` lists what it is for)", c.User)
			}
			if ctx.Err() == nil && try < 6 && errors.Is(err, context.DeadlineExceeded) {
				continue
			}
			return 0, fmt.Errorf("submit: %w", err)
		}
		var ack struct {
			Seq   uint64 `json:"seq"`
			Error *struct {
				Description string `json:"description"`
			} `json:"error"`
		}
		if err := json.Unmarshal(reply.Data, &ack); err != nil {
			return 0, fmt.Errorf("submit: read the bus's receipt: %w", err)
		}
		if ack.Error != nil {
			if why := refuses(ctx, c); why != "" {
				return 0, fmt.Errorf("submit: the lab takes no definitions: %s", why)
			}
			return 0, fmt.Errorf("submit: the bus refused the definition: %s", ack.Error.Description)
		}
		return events.JobID(ack.Seq), nil
	}
}

// refuses asks the lab why it takes no submissions, after it has not taken one. A disk that is full to
// the last byte lets the bus say nothing of use.
func refuses(ctx context.Context, c api.Client) string {
	var s api.Status
	if c.Call(ctx, "status", nil, &s) != nil {
		return "" // then the first error says more than this one
	}
	return s.Refuses
}

// accepted prints a job's number, and why it was refused where it was. It does not wait long for
// the lab's judgement: the number alone is the receipt.
// That the api does not answer is no failure here: the bus has the definition, and the number is
// known.
func (a *app) accepted(ctx context.Context, c api.Client, job events.JobID) (bool, error) {
	var j api.Job
	err := c.Call(ctx, "jobs.show", api.JobRequest{Job: job}, &j)
	if err != nil {
		j = api.Job{Job: job, Display: job.String(), State: "Submitted", Why: "the bus has it; " + err.Error()}
	}
	if a.json {
		return j.State != api.StateRejected, a.printJSON(j)
	}
	if j.State == api.StateRejected {
		a.printRejection(j)
		return false, nil
	}
	if len(j.Parts) == 0 {
		_, err = fmt.Fprintf(a.out, "job %s submitted\n", or(j.Display))
		return true, err
	}
	if _, err := fmt.Fprintf(a.out, "job %d submitted, a group of %d:\n", j.Job, len(j.Parts)); err != nil {
		return true, err
	}
	return true, a.printParts(j.Parts)
}

// printRejection says why a definition was refused, a line for each problem.
// On standard error: standard output is for numbers of jobs.
func (a *app) printRejection(j api.Job) {
	fmt.Fprintf(a.err, "%s %s\n", a.paint(a.err, red, fmt.Sprintf("job %d was rejected:", j.Job)), j.Error)
	if next := remedy(j.Error); next != "" {
		defer fmt.Fprintf(a.err, "  %s\n", next)
	}
	if len(j.Problems) == 1 && j.Problems[0].Line > 0 && j.Problems[0].Message == j.Error {
		fmt.Fprintf(a.err, "  at line %d, column %d\n", j.Problems[0].Line, j.Problems[0].Column)
		return
	}
	for _, p := range j.Problems {
		place := ""
		if p.Line > 0 {
			place = fmt.Sprintf("line %d, column %d: ", p.Line, p.Column)
		}
		path := ""
		if p.Path != "" && !strings.Contains(p.Message, p.Path) {
			path = " (" + p.Path + ")"
		}
		fmt.Fprintf(a.err, "  %s%s%s\n", place, p.Message, path)
	}
}

// remedy says what to do about a refusal whose words, which LAVA's users know, do not say it.
// The words are those of LAVA's own refusals, on which clients match; they stay as they are.
func remedy(refusal string) string {
	for _, r := range []struct{ begins, next string }{
		{"Device type '", "`strata device-types` lists this lab's; `strata devices add` adds a device with its type"},
		{"Device tag '", "`strata devices` lists this lab's tags; `strata devices tag DEVICE TAG` gives a device one"},
		{"No devices of type", "`strata devices` shows the devices, their health and their tags"},
	} {
		if strings.HasPrefix(refusal, r.begins) {
			return r.next
		}
	}
	return ""
}
