package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/stream"
	"strata/schemas/order"
)

// reportsAtOnce is how many reports may be on their way to being settled; workers' further ones
// wait on the bus.
const reportsAtOnce = 500

// hears is what came from workers and waits for the driver's goroutine.
type hears struct {
	wakes chan struct{}

	mu      sync.Mutex
	reports []heardReport
	signs   []heardSign
}

// heardReport is a report that has to be acknowledged once it is settled.
type heardReport struct {
	order.Report
	worker events.WorkerName
	seq    uint64 // in REPORTS
	ack    func() error
}

// heardSign is a sign of life.
type heardSign struct {
	worker   events.WorkerName
	presence order.Presence
}

// newHears returns an empty ear; its wakes are the driver's.
func newHears() *hears { return &hears{wakes: make(chan struct{}, 1)} }

// take returns what was heard since the last take.
func (h *hears) take() ([]heardReport, []heardSign) {
	h.mu.Lock()
	defer h.mu.Unlock()
	reports, signs := h.reports, h.signs
	h.reports, h.signs = nil, nil
	return reports, signs
}

// add keeps a report or a sign for the driver. It never blocks: the consumer's limit bounds reports,
// the number of workers the signs.
func (h *hears) add(report *heardReport, sign *heardSign) {
	h.mu.Lock()
	if report != nil {
		h.reports = append(h.reports, *report)
	}
	if sign != nil {
		h.signs = append(h.signs, *sign)
	}
	h.mu.Unlock()
	h.wake()
}

// wake asks the driver to act.
func (h *hears) wake() {
	select {
	case h.wakes <- struct{}{}:
	default:
	}
}

// hearReports reads REPORTS until ctx ends. All processes of dispatch share one consumer: each report
// goes to one of them, and to another if that one dies before it is settled.
func (s *service) hearReports(ctx context.Context) error {
	return s.keepHearing(ctx, "reports", func(ctx context.Context) error {
		c, err := s.Log.JetStream().CreateOrUpdateConsumer(ctx, stream.Reports, jetstream.ConsumerConfig{
			Durable: "dispatch", Description: "claims of workers", AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: redeliverAfter, MaxAckPending: reportsAtOnce,
		})
		if err != nil {
			return err
		}
		for ctx.Err() == nil {
			if err := s.hearSome(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// hearSome takes the reports that come within a time.
func (s *service) hearSome(ctx context.Context, c jetstream.Consumer) error {
	pull, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	batch, err := c.Fetch(64, jetstream.FetchContext(pull))
	if err != nil {
		return err
	}
	for m := range batch.Messages() {
		if err := s.hearReport(m); err != nil {
			return err
		}
	}
	if pull.Err() != nil {
		return nil // nothing came
	}
	return batch.Error()
}

// hearReport takes one report. Whose it is, its subject tells, which only that worker may write.
func (s *service) hearReport(m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	token, _ := strings.CutPrefix(m.Subject(), "report.")
	worker, err := events.UnescapeToken(token)
	var r order.Report
	if err == nil {
		r, err = order.DecodeReport(m.Data())
	}
	if err != nil {
		s.Logger.Warn("report cannot be read", "subject", m.Subject(), "sequence", meta.Sequence.Stream, "error", err)
		// It would come again for ever, and be as unreadable.
		return m.Term()
	}
	s.hears.add(&heardReport{r, events.WorkerName(worker), meta.Sequence.Stream, m.Ack}, nil)
	return nil
}

// hearPresence watches the workers' signs of life until ctx ends.
func (s *service) hearPresence(ctx context.Context) error {
	return s.keepHearing(ctx, "presence", func(ctx context.Context) error {
		kv, err := s.Log.JetStream().KeyValue(ctx, stream.Presence)
		if err != nil {
			return err
		}
		watch, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
		if err != nil {
			return err
		}
		defer watch.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case entry, open := <-watch.Updates():
				if !open {
					return errors.New("the watch ended")
				}
				if entry != nil { // nil says that all there was has come
					s.hearSign(entry)
				}
			}
		}
	})
}

// hearSign takes one sign of life. Its own time does not matter, only that it came: clocks differ.
func (s *service) hearSign(entry jetstream.KeyValueEntry) {
	worker, err := events.UnescapeToken(entry.Key())
	var p order.Presence
	if err == nil {
		err = json.Unmarshal(entry.Value(), &p)
	}
	if err != nil {
		s.Logger.Warn("presence cannot be read", "key", entry.Key(), "error", err)
		return
	}
	s.hears.add(nil, &heardSign{events.WorkerName(worker), p})
}

// keepHearing calls hear again until ctx ends: a broker that goes away comes back.
func (s *service) keepHearing(ctx context.Context, what string, hear func(context.Context) error) error {
	for {
		err := hear(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.Logger.Warn("hearing begins again", "of", what, "error", fmt.Sprint(err))
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return nil
		}
	}
}
