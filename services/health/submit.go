package health

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/lab"
)

// publish puts a health check onto the bus and returns its number. Published again for the same
// fact, within the stream's window of message ids, it is the same job.
func publish(ctx context.Context, js jetstream.JetStream, r request) (events.JobID, error) {
	m := nats.NewMsg("submit." + events.EscapeToken(string(lab.LavaHealth)))
	m.Data = []byte(r.definition)
	m.Header.Set(events.HeaderPinDevice, string(r.device))
	ack, err := js.PublishMsg(ctx, m, jetstream.WithMsgID(messageID(r)))
	if err != nil {
		return 0, fmt.Errorf("publish the health check of %s: %w", r.device, err)
	}
	return events.JobID(ack.Sequence), nil
}

// messageID is the publication's key: the device and the fact that made the check due.
func messageID(r request) string {
	return fmt.Sprintf("%s/%s-%d", lab.LavaHealth, r.device, r.due)
}
