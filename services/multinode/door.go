package multinode

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	m "strata/schemas/multinode"
)

// The coordinator's protocol: one connection a request; eight hexadecimal digits with the length of a
// JSON text, then the text; the client closes its side, and hears one answer in the same framing. A
// client that hears "wait" asks again.

const (
	headerBytes = 8
	talkWithin  = time.Minute // from a connection's start to its end
	maxTalks    = 1000        // connections at once
)

// question is what a client of the coordinator's protocol asks. Other keys say how it talks.
type question struct {
	Request  string          `json:"request"`
	Client   string          `json:"client_name"`
	Group    string          `json:"group_name"`
	Size     int             `json:"group_size"`
	Role     string          `json:"role"`
	ID       string          `json:"messageID"`
	Message  json.RawMessage `json:"message"`
	WaitRole string          `json:"waitrole"`
}

// reply is what it hears.
type reply struct {
	Response string `json:"response"`
	Roles    any    `json:"roles,omitempty"`
	Message  any    `json:"message,omitempty"`
}

// serve answers clients until ctx ends.
func (s *service) serve(ctx context.Context, l net.Listener) {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	room := make(chan struct{}, maxTalks)
	var talks sync.WaitGroup
	defer talks.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				s.Logger.Warn("coordinator's port gives no connection, try again", "error", err)
				select {
				case <-time.After(time.Second):
					continue
				case <-ctx.Done():
				}
			}
			return
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			c.Close()
			return
		}
		talks.Go(func() {
			defer func() { <-room }()
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			if err := s.talk(ctx, c); err != nil {
				s.Logger.Info("coordinator's client not answered", "from", c.RemoteAddr(), "error", err)
			}
		})
	}
}

// talk answers one question. What cannot be read is not answered, as with LAVA.
func (s *service) talk(ctx context.Context, c net.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, talkWithin)
	defer cancel()
	if err := c.SetDeadline(s.Now().Add(talkWithin)); err != nil {
		return err
	}
	text, err := readFrame(c)
	if err != nil {
		return err
	}
	var q question
	if err := json.Unmarshal(text, &q); err != nil {
		return fmt.Errorf("question is no JSON: %w", err)
	}
	r, err := s.answerTo(ctx, q)
	if err != nil {
		s.Logger.Warn("coordinator's client refused", "from", c.RemoteAddr(), "group", q.Group, "client", q.Client, "request", q.Request, "error", err)
		r = reply{Response: "nack"}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = c.Write(fmt.Appendf(nil, "%08X%s", len(body), body))
	return err
}

// readFrame reads one text of at most [m.MaxBytes].
func readFrame(r io.Reader) ([]byte, error) {
	head := make([]byte, headerBytes)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("read length: %w", err)
	}
	size, err := hex.DecodeString(string(head))
	if err != nil {
		return nil, fmt.Errorf("length %q is no hexadecimal number", head)
	}
	n := int(size[0])<<24 | int(size[1])<<16 | int(size[2])<<8 | int(size[3])
	if n > m.MaxBytes {
		return nil, fmt.Errorf("question has %d bytes, at most %d are allowed", n, m.MaxBytes)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("read question: %w", err)
	}
	return bytes.TrimSpace(text), nil
}

// answerTo answers a question, storing it where it changes the group. An error becomes a "nack".
func (s *service) answerTo(ctx context.Context, q question) (reply, error) {
	if q.Client == "" || q.Group == "" || q.Role == "" {
		return reply{}, errors.New("client_name, group_name or role is missing")
	}
	r := m.Request{Version: m.Version, Number: uuid.NewString(), Client: q.Client, Role: q.Role, ID: q.ID, Polls: true}
	var err error
	switch q.Request {
	case "group_data":
		r.Op, r.Size = m.Join, q.Size
	case "clear_group":
		r.Op = m.Leave
	case "lava_send":
		r.Op = m.Send
		r.Message, err = pairs(q.Message)
	case "lava_wait":
		r.Op = m.Wait
	case "lava_wait_all":
		r.Op, r.Of = m.WaitAll, q.WaitRole
	case "lava_sync":
		r.Op = m.Sync
		r.Message, err = pairs(q.Message)
	default:
		return reply{}, fmt.Errorf("there is no request %q", q.Request)
	}
	if err != nil {
		return reply{}, err
	}
	if check, err := json.Marshal(r); err != nil {
		return reply{}, err
	} else if _, err := m.Decode(check); err != nil {
		return reply{}, err
	}
	if s.changes(q.Group, r) {
		seq, err := s.publish(ctx, q.Group, r)
		if err != nil {
			return reply{}, err
		}
		if err := s.await(ctx, seq); err != nil {
			return reply{}, err
		}
	}
	return s.say(ctx, q, r)
}

// changes says whether a question is more than another look.
func (s *service) changes(name string, r m.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[name]
	switch r.Op {
	case m.Join:
		return g == nil || g.member(r.Client) == nil
	case m.Leave:
		return g != nil && g.member(r.Client) != nil
	case m.Send:
		return g != nil
	case m.Sync:
		return g != nil && !g.comes(r.Client, r.ID)
	}
	return false
}

// say words what the group decides.
func (s *service) say(ctx context.Context, q question, r m.Request) (reply, error) {
	s.mu.Lock()
	g := s.groups[q.Group]
	if g == nil {
		g = newGroup()
	}
	a, decided := g.decide(r)
	s.mu.Unlock()
	switch {
	case r.Op == m.Leave:
		return reply{Response: "ack"}, nil
	case !decided:
		return reply{Response: "wait"}, nil
	case a.Outcome != m.Done:
		return reply{}, errors.New(a.Reason)
	}
	switch r.Op {
	case m.Join:
		roles := map[string]string{}
		for _, x := range a.Members {
			roles[x.Client] = x.Role
		}
		return reply{Response: "group_data", Roles: roles}, nil
	case m.Wait, m.WaitAll:
		all := map[string]map[string]string{}
		for _, sent := range a.Messages {
			all[sent.Client] = map[string]string{}
			for _, p := range sent.Message {
				all[sent.Client][p.Key] = p.Value
			}
		}
		return reply{Response: "ack", Message: all}, nil
	case m.Sync:
		// It has seen this meeting: the next question about the id is about the next one.
		r.Op, r.Number = m.Taken, uuid.NewString()
		seq, err := s.publish(ctx, q.Group, r)
		if err != nil {
			return reply{}, err
		}
		if err := s.await(ctx, seq); err != nil {
			return reply{}, err
		}
		if len(r.Message) == 0 {
			return reply{Response: "ack", Message: r.ID}, nil
		}
		own := map[string]string{}
		for _, p := range r.Message {
			own[p.Key] = p.Value
		}
		return reply{Response: "ack", Message: own}, nil
	}
	return reply{Response: "ack"}, nil
}

// pairs reads a message: a mapping of texts, in its order, or nothing. Other values become their JSON.
func pairs(text json.RawMessage) ([]m.Pair, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	first, err := d.Token()
	switch {
	case len(text) == 0, first == nil && err == nil:
		return nil, nil
	case first != json.Delim('{'):
		return nil, fmt.Errorf("message is %s, want a mapping", strings.TrimSpace(string(text)))
	}
	var all []m.Pair
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("read message: %w", err)
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("read message: %w", err)
		}
		p := m.Pair{Key: key.(string)}
		if t, ok := value.(string); ok {
			p.Value = t
		} else if j, err := json.Marshal(value); err == nil {
			p.Value = string(j)
		}
		all = append(all, p)
	}
	return all, nil
}
