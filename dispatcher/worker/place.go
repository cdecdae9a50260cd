package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"strata/dispatcher/worker/jobproc"
	"strata/events/access"
	"strata/schemas/order"
)

// A worker is known to the lab by its name alone. Two processes of one name, on two machines that were set up
// from one image perhaps, would share the orders between them, and each would drive what the other holds. So a
// session begins with a claim of the name: the key in the bucket presence is written on the condition that it
// is not there, or is this worker's own of an earlier session.

// errNameTaken says that another process goes by this worker's name.
var errNameTaken = errors.New("another worker goes by this name")

// place is where a worker is at home: two processes at one place are one worker, started again.
type place struct {
	id   string // of the state directory, random
	host string // name of the machine; a copy of the directory elsewhere is another place
}

// openPlace reads the name of a state directory, and gives it one the first time.
func openPlace(dir string) (place, error) {
	host, err := os.Hostname()
	if err != nil {
		return place{}, fmt.Errorf("find this machine's name: %w", err)
	}
	file := filepath.Join(dir, "place")
	var id string
	err = jobproc.Read(file, &id)
	if err == nil && id == "" {
		err = errors.New("is empty; remove it to have another made")
	}
	if errors.Is(err, fs.ErrNotExist) {
		id = newSession()
		err = jobproc.Write(file, id)
	}
	if err != nil {
		return place{}, fmt.Errorf("name of state directory %s: %w", dir, err)
	}
	return place{id, host}, nil
}

// claim writes the first sign of a session and returns its sequence, which the next one follows. The error is
// errNameTaken, with a sentence on who has the name, while another worker shows itself under it.
func (l *link) claim(ctx context.Context, session string) (uint64, error) {
	ask, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	m, err := l.conn.RequestWithContext(ask, access.PresenceGet(l.Name), nil)
	if err != nil {
		return 0, fmt.Errorf("look for others of this name: %w", err)
	}
	var last uint64
	switch status := m.Header.Get("Status"); status {
	case "404": // nobody, or one who has not shown himself for as long as signs live
	case "":
		if last, err = strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64); err != nil {
			return 0, fmt.Errorf("look for others of this name: %w", err)
		}
		var p order.Presence
		if err := json.Unmarshal(m.Data, &p); err != nil {
			return 0, fmt.Errorf("look for others of this name: %w", err)
		}
		if other := (place{p.Place, p.Host}); other != l.here {
			return 0, fmt.Errorf("%w: %s shows itself from %s, this is %s with %s; stop one of them, or start this one with another --name that is registered",
				errNameTaken, l.Name, other, l.here.host, l.StateDir)
		}
	default:
		return 0, fmt.Errorf("look for others of this name: %s %s", status, m.Header.Get("Description"))
	}
	seq, err := l.show(ctx, session, last)
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return 0, fmt.Errorf("%w: %s was claimed at the same moment", errNameTaken, l.Name)
	}
	if err != nil {
		return 0, fmt.Errorf("claim the name %s: %w", l.Name, err)
	}
	return seq, nil
}

// String names a place for people.
func (p place) String() string {
	if p.host == "" {
		return "a process of an older release"
	}
	return "host " + p.host + ", state directory of the name " + p.id
}

// show writes a sign of life that has to follow the one of sequence last.
func (l *link) show(ctx context.Context, session string, last uint64) (uint64, error) {
	value, err := json.Marshal(order.Presence{Version: order.Version, Session: session, Build: l.Build,
		Refuses: l.shortOfSpace(), Place: l.here.id, Host: l.here.host})
	if err != nil {
		return 0, err
	}
	write, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	ack, err := l.js.Publish(write, access.PresenceSubject(l.Name), value, jetstream.WithExpectLastSequencePerSubject(last))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}
