package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
)

// Client asks a lab's api over the bus.
// It holds no state: copies may be used side by side, and a connection that is made anew underneath goes on serving it.
type Client struct {
	Conn *nats.Conn
	User events.UserName // whom the connection stands for; the broker refuses any other
	// Caller stands for the user in subjects where that is not the user's name: see access.Bearer.
	Caller string
	// Acting says that somebody else acts as the user: a definition is then handed to the verb jobs.submit, as the
	// broker takes none of such a caller on submit.<user>.
	Acting bool
}

// patience is how long a client waits for a sign of the api: an answer, or a message of a flow.
// The service bounds its own work by it less a second, and a quiet flow says that it lives every [heartbeat].
const patience = 30 * time.Second

// ErrNoAPI says that nobody answers requests on this lab's bus.
var ErrNoAPI = errors.New("the lab's api service does not answer: is it running?")

// ErrInterrupted says that a flow broke off; the caller asks again from where it was.
var ErrInterrupted = errors.New("the stream broke off")

// Call asks one verb and decodes the reply into out, which may be nil. What the api refuses comes
// back as an *[Error].
// The other errors are [ErrNoAPI], where nobody answers within [patience], and those of the connection. A verb that
// changes something may have done so although no answer came.
func (c Client) Call(ctx context.Context, verb string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request %s: %w", verb, err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	msg, err := c.Conn.RequestWithContext(ctx, c.subject(verb), body)
	switch {
	// The caller's own deadline counts as nobody's answer, too: it cannot be told apart.
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", verb, ErrNoAPI)
	case err != nil:
		return fmt.Errorf("%s: %w", verb, err)
	}
	if err := refusal(msg); err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(msg.Data, out); err != nil {
		return fmt.Errorf("decode reply to %s: %w", verb, err)
	}
	return nil
}

// Stream opens a flow and hands over its messages, in order, until it ends. The next message is
// fetched while each works, never more than the flow's window.
// Every message has been seen by each once, or the error says that the flow broke off: [ErrInterrupted], an *[Error] of
// the service, ctx's, or each's own as it is.
func (c Client) Stream(ctx context.Context, verb string, in any, each func(*nats.Msg) error) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request %s: %w", verb, err)
	}
	inbox := c.Conn.NewInbox()
	sub, err := c.Conn.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("%s: listen for the reply: %w", verb, err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone, and that is then known
	if err := c.Conn.PublishRequest(c.subject(verb), inbox, body); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	acks := "" // where this flow hears its caller, once it has spoken
	for n := uint64(1); ; n++ {
		msg, err := next(ctx, sub)
		switch {
		case errors.Is(err, nats.ErrNoResponders), n == 1 && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return fmt.Errorf("%s: %w", verb, ErrNoAPI)
		case err != nil && ctx.Err() != nil:
			if acks != "" {
				_ = c.Conn.Publish(acks, []byte(stopFlow)) // it would end by itself a minute later
			}
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("%s: %w", verb, ErrInterrupted)
		}
		acks = msg.Reply
		if err := refusal(msg); err != nil {
			return err
		}
		if msg.Header.Get(headerEnd) != "" {
			return nil
		}
		// The bus may lose messages to a client that does not read, and it does not repeat: a gap must not look like the end.
		if got := msg.Header.Get(headerNumber); got != fmt.Sprint(n) {
			return fmt.Errorf("%s: message %s came where %d was due: %w", verb, got, n, ErrInterrupted)
		}
		// An empty message is a sign of life in a quiet flow.
		if len(msg.Data) > 0 {
			if err := each(msg); err != nil {
				_ = c.Conn.Publish(msg.Reply, []byte(stopFlow)) // it would end by itself a minute later
				return err
			}
		}
		// After each: the acknowledgement says that there is room for another message, not that this one has come.
		if err := c.Conn.Publish(msg.Reply, []byte(fmt.Sprint(n))); err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
	}
}

// next waits for a message, not longer than a live flow ever stays silent.
func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

// subject returns the subject of a verb for this user.
func (c Client) subject(verb string) string {
	caller := c.Caller
	if caller == "" {
		caller = events.EscapeToken(string(c.User))
	}
	return "api." + caller + "." + verb
}

// refusal returns the error that a message carries, or nil.
// A code that this client does not know is kept as it is, so that an older client can show a newer lab's error.
func refusal(msg *nats.Msg) error {
	code := msg.Header.Get(headerError)
	if code == "" {
		return nil
	}
	e := &Error{Code: Code(code)}
	if err := json.Unmarshal(msg.Data, e); err != nil {
		e.Message = string(msg.Data)
	}
	return e
}

// pause waits a moment before something is asked again.
// 200 ms: short to people, and long enough for a broker that starts.
func pause(ctx context.Context) error {
	t := time.NewTimer(200 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
