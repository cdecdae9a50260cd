package jobproc

import (
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"

	"strata/dispatcher/connection"
	"strata/events"
	"strata/events/access"
	"strata/schemas/order"
)

// hear lets people who take over the console of the job type on its keyboard. Who may do so the lab has decided.
func (s *sender) hear(job events.JobID, k *connection.Keyboard) error {
	_, err := s.conn.Subscribe(access.InputSubject(job), func(m *nats.Msg) {
		var said order.InputSaid
		if err := obey(m.Data, k); err != nil {
			said.Error = err.Error()
		}
		answer, err := json.Marshal(said)
		if err == nil {
			err = m.Respond(answer)
		}
		if err != nil {
			s.publisher.Logger.Warn("answer who types", "job", job, "error", err)
		}
	})
	if err != nil {
		return fmt.Errorf("listen to who types on the console: %w", err)
	}
	return nil
}

// obey does one thing.
func obey(data []byte, k *connection.Keyboard) error {
	in, err := order.DecodeInput(data)
	if err != nil {
		return err
	}
	switch in.Do {
	case order.InputTake:
		return k.Take(in.Session, in.User)
	case order.InputType:
		return k.Type(in.Session, in.Text)
	case order.InputKeep:
		return k.Keep(in.Session)
	}
	return k.Give(in.Session)
}
