package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events/access"
)

// post is an order to publish, and what is remembered once the broker has it; an error before means that it
// is sent again.
type post struct {
	outgoing
	lease lease // zero: nothing is remembered
	sent  sent
}

// delivery is orders on their way to the broker. There is one at a time, so that orders keep their order; the
// driver's goroutine goes on meanwhile, because both of them mostly wait for a disk.
type delivery struct {
	posts []post
	done  chan error
}

// deliver begins to publish orders. The delivery before was collected.
func (s *service) deliver(posts []post) {
	if len(posts) == 0 {
		return
	}
	d := &delivery{posts, make(chan error, 1)}
	s.onWay = d
	s.aside.Go(func() {
		err := s.publish(posts)
		d.done <- err
		if err != nil {
			s.hears.wake() // nobody else would ask for another try
		}
	})
}

// collect waits for the delivery that is under way, if any, and notes what the broker has. After an error
// what could not be published waits again; the broker drops what it has twice.
func (s *service) collect() error {
	d := s.onWay
	if d == nil {
		return nil
	}
	s.onWay = nil
	if err := <-d.done; err != nil {
		var again []outgoing
		for _, p := range d.posts {
			if p.lease == (lease{}) {
				again = append(again, p.outgoing)
			}
		}
		s.state.outgoing = append(again, s.state.outgoing...)
		return err
	}
	for _, p := range d.posts {
		// A job that is over meanwhile was forgotten, and is to stay so.
		if s.state.lab.Job(p.lease.job) != nil {
			s.state.noteSent(p.lease, p.sent)
		}
		s.Logger.Info("order sent", "order", p.order.Kind, "job", p.order.Job,
			"lease", strconv.FormatUint(p.order.Lease, 10), "worker", p.worker)
	}
	return nil
}

// publish sends orders. Their keys keep the broker from taking one twice within its window.
func (s *service) publish(posts []post) error {
	msgs := make([]*nats.Msg, len(posts))
	for i, p := range posts {
		body, err := json.Marshal(p.order)
		if err != nil {
			return fmt.Errorf("order %s: %w", p.key, err)
		}
		msgs[i] = nats.NewMsg(access.WorkSubject(p.worker))
		msgs[i].Data = body
		msgs[i].Header.Set(jetstream.MsgIDHeader, p.key)
	}
	ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
	defer cancel()
	if err := s.Log.PublishTogether(ctx, msgs); err != nil {
		return fmt.Errorf("send %d orders, the first to worker %s: %w", len(posts), posts[0].worker, err)
	}
	return nil
}

// acknowledge lets reports go whose facts are recorded, or that led to none.
func (s *service) acknowledge(reports []heardReport) {
	s.aside.Go(func() {
		for _, h := range reports {
			if err := h.ack(); err != nil {
				s.Logger.Warn("report not acknowledged, will come again", "worker", h.worker, "error", err)
			}
		}
	})
}
