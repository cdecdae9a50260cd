package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/schemas/multinode"
)

// askAgain is when a member asks again that has heard nothing: the answer, or the service, was lost.
const askAgain = 20 * time.Second

// Bus asks a group over the bus.
type Bus struct {
	Conn  *nats.Conn // under the job's credential
	Inbox string     // prefix of subjects on which the job may listen
}

// Ask publishes the request until it is answered. It is stored at most once in the mind of who
// answers: every copy has the same number.
func (b Bus) Ask(ctx context.Context, group string, r multinode.Request) (multinode.Answer, error) {
	subject, err := multinode.Subject(group)
	if err != nil {
		return multinode.Answer{}, err
	}
	js, err := jetstream.New(b.Conn)
	if err != nil {
		return multinode.Answer{}, err
	}
	r.Reply = b.Inbox + ".multinode." + r.Number
	answers, err := b.Conn.SubscribeSync(r.Reply)
	if err != nil {
		return multinode.Answer{}, fmt.Errorf("listen for the group's answer: %w", err)
	}
	defer func() { _ = answers.Unsubscribe() }() // the connection may be closed already
	body, err := json.Marshal(r)
	if err != nil {
		return multinode.Answer{}, err
	}
	if len(body) > multinode.MaxBytes {
		return multinode.Answer{}, errors.New("Message was too long to send!")
	}
	for {
		turn, cancel := context.WithTimeout(ctx, askAgain)
		_, err := js.Publish(turn, subject, body)
		if err == nil {
			var a multinode.Answer
			if a, err = await(turn, answers, r.Number); err == nil {
				cancel()
				return a, nil
			}
		}
		cancel()
		if ctx.Err() != nil {
			return multinode.Answer{}, ctx.Err()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			// Refused or not connected: it would come back at once.
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return multinode.Answer{}, errors.Join(ctx.Err(), err)
			}
		}
	}
}

// await returns the answer to a request.
func await(ctx context.Context, from *nats.Subscription, number string) (multinode.Answer, error) {
	for {
		m, err := from.NextMsgWithContext(ctx)
		if err != nil {
			return multinode.Answer{}, err
		}
		var a multinode.Answer
		if err := json.Unmarshal(m.Data, &a); err == nil && a.Number == number && a.Version == multinode.Version {
			return a, nil
		}
	}
}
