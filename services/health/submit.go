package health

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// The checkpoint with the secret behind the message ids of checks.
const (
	secretName   = "health-secret"
	secretFormat = "health-secret.v1" // random characters
)

// openSecret returns the lab's secret for message ids, made at the first start of all. It lies with
// the checkpoints, so that any host derives the same ids and no user can. Two services that start
// at once in a new lab may make one each; a crash at that moment can cost a doubled check.
func openSecret(ctx context.Context, log *stream.Log) ([]byte, error) {
	if format, seq, secret, err := log.LoadCheckpoint(ctx, secretName); err != nil || seq > 0 {
		if err == nil && format != secretFormat {
			err = fmt.Errorf("format %q is not known, want %q", format, secretFormat)
		}
		return secret, err
	}
	if err := log.SaveCheckpoint(ctx, secretName, secretFormat, 1, []byte(rand.Text())); err != nil {
		return nil, err
	}
	_, _, secret, err := log.LoadCheckpoint(ctx, secretName) // another service may have been later
	return secret, err
}

// publish puts a health check onto the bus and returns its number. Published again for the same
// fact, within the stream's window of message ids, it is the same job. A message of somebody else
// under the same id is not taken for the check.
func publish(ctx context.Context, log *stream.Log, secret []byte, r request) (events.JobID, error) {
	m := nats.NewMsg("submit." + events.EscapeToken(string(lab.LavaHealth)))
	m.Data = []byte(r.definition)
	m.Header.Set(events.HeaderPinDevice, string(r.device))
	id := messageID(secret, r)
	for {
		ack, err := log.JetStream().PublishMsg(ctx, m, jetstream.WithMsgID(id))
		if err != nil {
			return 0, fmt.Errorf("publish the health check of %s: %w", r.device, err)
		}
		if !ack.Duplicate {
			return events.JobID(ack.Sequence), nil
		}
		there, err := log.Submission(ctx, ack.Sequence)
		if err != nil {
			return 0, fmt.Errorf("read the health check of %s: %w", r.device, err)
		}
		if there.User == lab.LavaHealth && there.Header.Get(events.HeaderPinDevice) == string(r.device) {
			return there.Job, nil
		}
		id = string(lab.LavaHealth) + "/" + rand.Text()
	}
}

// messageID is the publication's key: the device and the fact that made the check due. The table of
// ids is the stream's, and every user may write to it: who could guess the id of a check could
// publish it first, and the check would be lost as a double.
func messageID(secret []byte, r request) string {
	h := hmac.New(sha256.New, secret)
	fmt.Fprintf(h, "%s/%d", r.device, r.due)
	return fmt.Sprintf("%s/%x", lab.LavaHealth, h.Sum(nil))
}
