package submission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/stream"
)

// The one effect of this service outside the facts: texts of parts, in SUBMISSIONS. Each is keyed
// by its subject part.<P>.<n>, and the batch goes through only where no subject has a message, so
// doing it again does nothing.

// partSubject is where the text of a part stands.
// n is the part's number, from 0.
func partSubject(parent events.JobID, n int) string {
	return "part." + parent.String() + "." + strconv.Itoa(n)
}

// publishParts publishes the texts of a definition's parts, all or none, and returns their
// sequences. Where they are there already, it returns those they have.
// An error leaves open whether they are there; to ask again finds out.
func publishParts(ctx context.Context, l *stream.Log, r *request) ([]uint64, error) {
	last := len(r.parts) - 1
	batch := uuid.NewString()
	for i, p := range r.parts {
		m := nats.NewMsg(partSubject(r.job, p.N))
		m.Data = p.text
		// Only where no part is there yet: of two instances that split the same definition one
		// succeeds.
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
		m.Header.Set(events.HeaderCause, stream.Cause(stream.Submissions, uint64(r.job)))
		m.Header.Set(events.HeaderActor, string(r.user))
		if last > 0 { // an atomic batch (nats-server ADR-50); only its end is acknowledged
			m.Header.Set("Nats-Batch-Id", batch)
			m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		}
		if i < last {
			if err := l.Conn().PublishMsg(m); err != nil {
				return nil, fmt.Errorf("publish parts of job %d: %w", r.job, err)
			}
			continue
		}
		if last > 0 {
			m.Header.Set("Nats-Batch-Commit", "1")
		}
		end, err := publishOne(ctx, l.Conn(), m)
		if err != nil {
			return foundParts(ctx, l, r, err)
		}
		sequences := make([]uint64, len(r.parts))
		for i := range sequences {
			// A batch has sequences without a gap.
			sequences[i] = end - uint64(last-i)
		}
		return sequences, nil
	}
	return nil, fmt.Errorf("publish parts of job %d: it has none", r.job)
}

// publishOne sends a message to a stream and returns its sequence.
func publishOne(ctx context.Context, nc *nats.Conn, m *nats.Msg) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answer, err := nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return 0, err
	}
	// The stream's answer to a publication, as clients of JetStream read it.
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		Seq   uint64              `json:"seq"`
	}
	switch err := json.Unmarshal(answer.Data, &ack); {
	case err != nil:
		return 0, fmt.Errorf("acknowledgement %q: %w", answer.Data, err)
	case ack.Error != nil:
		return 0, ack.Error
	}
	return ack.Seq, nil
}

// foundParts returns the sequences of texts that are there already, after publishing them gave err.
func foundParts(ctx context.Context, l *stream.Log, r *request, err error) ([]uint64, error) {
	submissions, serr := l.JetStream().Stream(ctx, stream.Submissions)
	if serr != nil {
		return nil, fmt.Errorf("publish parts of job %d: %w", r.job, errors.Join(err, serr))
	}
	sequences := make([]uint64, len(r.parts))
	for i, p := range r.parts {
		m, gerr := submissions.GetLastMsgForSubject(ctx, partSubject(r.job, p.N))
		if gerr != nil {
			return nil, fmt.Errorf("publish parts of job %d: %w", r.job, errors.Join(err, gerr))
		}
		sequences[i] = m.Sequence
	}
	return sequences, nil
}
