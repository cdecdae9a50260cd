package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
	"strata/schemas/order"
)

// ConsoleRequest takes over the console of a job that runs, types on it, says that somebody is still there, and gives
// it back: verb jobs.console. Whoever may change the job may: what is typed is nothing that its definition could not
// have typed. The log records all of it; the job types nothing meanwhile, and its timeouts go on. A minute without
// a request gives the console back, and so do ten without a letter, and the end of the job's actions.
type ConsoleRequest struct {
	Job events.JobID  `json:"job"`
	Do  order.InputDo `json:"do"` // take, type, keep or give
	// A random word: of several who may change the job, only who has taken the console types on it.
	Session string `json:"session,omitempty"` // as take answered it
	Text    string `json:"text,omitempty"`    // of type: at most 4 KiB, as keys send it
}

// ConsoleSession answers it.
type ConsoleSession struct {
	Session string `json:"session"`
}

// consolePatience is how long a job's process may take to answer.
// The process only hands letters on, so it answers at once or not at all.
const consolePatience = 5 * time.Second

// jobConsole does one thing with the console of a job.
// Errors: [Conflict] where the job does not run, or its process refuses (somebody else has the console, nobody has, it was
// given back); [Away] where the process does not answer.
func (a *api) jobConsole(ctx context.Context, who caller, in ConsoleRequest) (ConsoleSession, error) {
	switch in.Do {
	case order.InputTake:
		// Whatever the caller has sent along: a session is the lab's to name.
		in.Session, in.Text = nuid.Next(), ""
	case order.InputType, order.InputKeep, order.InputGive:
		if in.Session == "" {
			return ConsoleSession{}, &Error{Code: Invalid, Field: "session", Message: "session is missing: take answers it"}
		}
	default:
		return ConsoleSession{}, &Error{Code: Invalid, Field: "do", Message: fmt.Sprintf("do is %q, allowed are take, type, keep and give", string(in.Do))}
	}
	if len(in.Text) > maxTyped {
		return ConsoleSession{}, &Error{Code: Invalid, Field: "text", Message: fmt.Sprintf("text is %d bytes, at most %d are typed at once", len(in.Text), maxTyped)}
	}
	if _, err := a.jobFacts(ctx, in.Job); err != nil {
		return ConsoleSession{}, err
	}
	if err := a.mayJob(who, lab.Change, in.Job); err != nil {
		return ConsoleSession{}, err
	}
	runs := false
	a.read(func(s *lab.State) {
		j := s.Job(in.Job)
		runs = j != nil && j.State == lab.Running
	})
	if !runs {
		return ConsoleSession{}, refuse(Conflict, "job %d does not run: only a running job has a console", in.Job)
	}
	user := string(who.user) // as the job's log names who types
	if who.acting {
		user = string(who.behind) + " as " + user
	}
	// The session carries who has it, or another who may change the job could type in his name.
	if err := a.askJob(ctx, in.Job, order.Input{Version: order.Version, Do: in.Do, Session: string(who.user) + "/" + in.Session, User: user, Text: in.Text}); err != nil {
		return ConsoleSession{}, err
	}
	return ConsoleSession{Session: in.Session}, nil
}

// askJob hands something to the process of a job and waits for its answer. It answers below the subject that it
// hears on, where it may speak.
func (a *api) askJob(ctx context.Context, job events.JobID, in order.Input) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode what is typed: %w", err)
	}
	subject := access.InputSubject(job)
	// Not an inbox: the job's credential lets it publish below its own subject and nowhere else, see [access.InputSubject].
	answer := subject + "." + nuid.Next()
	sub, err := a.conn.SubscribeSync(answer)
	if err != nil {
		return fmt.Errorf("listen to job %d: %w", job, err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone
	if err := a.conn.PublishRequest(subject, answer, body); err != nil {
		return fmt.Errorf("ask job %d: %w", job, err)
	}
	ctx, cancel := context.WithTimeout(ctx, consolePatience)
	defer cancel()
	m, err := sub.NextMsgWithContext(ctx)
	switch {
	case errors.Is(err, nats.ErrNoResponders) || err == nil && len(m.Data) == 0 && m.Header.Get("Status") == "503":
		return refuse(Away, "the process of job %d does not listen: it runs at a worker of LAVA or of an older release, is simulated, or has no connection at the moment", job)
	case err != nil:
		return refuse(Away, "the process of job %d does not answer", job)
	}
	var said order.InputSaid
	if err := json.Unmarshal(m.Data, &said); err != nil {
		return fmt.Errorf("read the answer of job %d: %w", job, err)
	}
	if said.Error != "" {
		return refuse(Conflict, "%s", said.Error)
	}
	return nil
}
