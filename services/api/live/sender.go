package live

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"strata/services/api"
)

// sender writes server-sent events to one listener.
// The producer and the beat write to it, hence the lock; a write that hangs holds both up for
// [writeWithin].
type sender struct {
	w       http.ResponseWriter
	whole   bool // HTTP/1: the answer ends with its connection
	control *http.ResponseController
	now     func() time.Time

	mu    sync.Mutex
	begun bool      // the answer's head is out
	spoke bool      // since the last look
	until time.Time // the deadline that was set last
}

func newSender(w http.ResponseWriter, r *http.Request, now func() time.Time) *sender {
	return &sender{w: w, whole: r.ProtoMajor == 1, control: http.NewResponseController(w), now: now}
}

// send writes events; none only says that the stream is open. A listener that takes nothing for
// [writeWithin] is given up.
func (s *sender) send(text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(text) == 0 && s.begun {
		return nil
	}
	s.spoke = true
	return s.write(text)
}

// write needs the lock, which send and beat hold.
func (s *sender) write(text []byte) error {
	s.begin()
	// Setting it costs as much as a short write: once a second is often enough.
	if until := s.now().Add(writeWithin); until.Sub(s.until) > time.Second {
		if err := s.control.SetWriteDeadline(until); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		s.until = until
	}
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	return s.control.Flush()
}

// begin writes the answer's head, once. Proxies are asked not to keep events back.
func (s *sender) begin() {
	if s.begun {
		return
	}
	s.begun = true
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-transform") // a proxy that compresses keeps back what is short
	h.Set("X-Accel-Buffering", "no")
	if s.whole {
		// Chunks would make three writes of each, and wake the listener as often; the event "end" says that it is whole.
		h.Set("Transfer-Encoding", "identity")
	}
	s.w.WriteHeader(http.StatusOK)
}

// run calls produce, and says now and then that a quiet stream lives. It ends when the listener is gone.
// It returns produce's error, once the beat has ended too.
func (s *sender) run(ctx context.Context, produce func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var beating sync.WaitGroup
	defer beating.Wait()
	defer cancel()
	beating.Go(func() {
		// The first beat comes soon, and opens the answer where produce has said nothing.
		beat := time.NewTimer(opening)
		defer beat.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
				if s.beat() != nil {
					cancel()
				}
				beat.Reset(quiet)
			}
		}
	})
	return produce(ctx)
}

// beat writes a comment where nothing was sent since the last one.
// A comment is no event: clients pass over it, proxies count it.
func (s *sender) beat() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	spoke := s.spoke
	s.spoke = false
	if spoke {
		return nil
	}
	return s.write([]byte(": the stream lives\n\n"))
}

// end says how the stream ended: an event named "end" where there is no more, "error" where something
// failed. What failed before the first event is answered as any request.
func (s *sender) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, context.Canceled) {
		return // the listener is gone
	}
	if err == nil {
		_ = s.write([]byte("event: end\ndata: {}\n\n")) // he may have gone
		return
	}
	// Once the head is out a status can say nothing any more; the event does.
	said := refusalOf(err)
	if !s.begun {
		refuse(s.w, status(said.Code), errors.New(said.Message))
		return
	}
	data, _ := json.Marshal(said) // strings
	_ = s.write(append(append([]byte("event: error\ndata: "), data...), "\n\n"...))
}

// refusalOf is an error as its caller is told it: a job that he may not see is one that there is not.
func refusalOf(err error) *api.Error {
	var said *api.Error
	if !errors.As(err, &said) {
		return &api.Error{Code: api.Failed, Message: err.Error()}
	}
	return said.Strangers()
}

// status is how HTTP says what the api refused.
func status(c api.Code) int {
	switch c {
	case api.Invalid:
		return http.StatusBadRequest
	case api.NotFound:
		return http.StatusNotFound
	case api.Denied:
		return http.StatusForbidden
	case api.Conflict:
		return http.StatusConflict
	case api.Busy:
		return http.StatusTooManyRequests
	case api.Away:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
