package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"strata/events/access"
	"strata/schemas/order"
)

// errTextGone says that the broker answered and has not the text: it was removed, or replaced.
var errTextGone = errors.New("the order's text is gone")

// fill replaces the references in an order by the texts that they name.
func (l *link) fill(ctx context.Context, o *order.Order) error {
	if o.Work == nil {
		return nil
	}
	w := o.Work
	for _, text := range []*order.Text{&w.Definition, &w.Device, &w.Dispatcher, &w.Env, &w.EnvDUT} {
		if text.Key == "" {
			continue
		}
		body, err := l.fetch(ctx, *text)
		if err != nil {
			return fmt.Errorf("fetch %s: %w", text.Key, err)
		}
		*text = order.Text{Inline: string(body)}
	}
	return nil
}

// fetch reads one value by direct get with the subject in the request's own subject, the only read
// that a worker has a right to.
func (l *link) fetch(ctx context.Context, text order.Text) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	m, err := l.conn.RequestWithContext(ctx, access.DirectGet(text.Key), nil)
	if err != nil {
		return nil, err
	}
	// A direct get answers with a status instead of an error: 404 where the key has gone.
	switch status := m.Header.Get("Status"); status {
	case "":
	case "404":
		return nil, fmt.Errorf("%w: the broker has no such key", errTextGone)
	default:
		return nil, fmt.Errorf("%s %s", status, m.Header.Get("Description"))
	}
	if sum := sha256.Sum256(m.Data); hex.EncodeToString(sum[:]) != text.SHA256 {
		return nil, fmt.Errorf("%w: its bytes are not those that the order names", errTextGone)
	}
	return m.Data, nil
}
