// Package zmtp is a ZeroMQ PUB socket: it speaks ZMTP 3.0 (rfc.zeromq.org/spec/23) with the NULL
// mechanism to any number of SUB sockets.
//
// It is our own because a slow subscriber must cost nobody else anything, which the libraries at hand
// for Go do not give: each subscriber has a queue of its own, and what does not fit is lost to him, as
// ZeroMQ's publishers do at their high-water mark.
package zmtp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of what one subscriber may cost.
const (
	queued = 1000 // messages that wait for him, ZeroMQ's default high-water mark
	// ZMTP bounds frames by 2^63 bytes; a topic has some 30.
	maxFrame       = 4096 // bytes of what he may say at once: a prefix
	maxPrefixes    = 256
	greetWithin    = 30 * time.Second
	writeWithin    = 30 * time.Second
	maxSubscribers = 1000
)

// Publisher sends messages to all who have subscribed to a prefix of their first frame.
// The zero value with Now is ready. Subscribers come and go while messages are published.
type Publisher struct {
	Now func() time.Time // for deadlines of connections

	mu          sync.Mutex
	subscribers map[*subscriber]struct{}
	lost        atomic.Uint64
}

// Lost is how many messages were lost to subscribers who did not read, each counted for itself.
func (p *Publisher) Lost() uint64 { return p.lost.Load() }

// Subscribers is how many are connected and have greeted.
// Those who have not finished the greeting are not among them, and get nothing.
func (p *Publisher) Subscribers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.subscribers)
}

// Publish sends a message of one frame or more to who wants it. It never waits.
// The lock is held over all subscribers and nothing in it waits: a full queue loses the message. Each
// subscriber gets what it gets in the order of the calls.
func (p *Publisher) Publish(frames ...[]byte) {
	if len(frames) == 0 {
		return
	}
	var wire []byte // made once for all, and only where somebody wants it
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.subscribers {
		if !s.wants(frames[0]) {
			continue
		}
		if wire == nil {
			wire = encode(frames)
		}
		select {
		case s.queue <- wire:
		default:
			p.lost.Add(1)
		}
	}
}

// Serve takes subscribers from l until it is closed, and then ends their connections; it returns nil
// then. It is called once.
// Closing the listener is how it is stopped; connections end with it.
func (p *Publisher) Serve(l net.Listener) error {
	var serving sync.WaitGroup
	defer serving.Wait()
	done := make(chan struct{})
	defer close(done)
	places := make(chan struct{}, maxSubscribers)
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("take subscribers: %w", err)
		}
		select {
		case places <- struct{}{}:
		default:
			_ = c.Close() // who comes too much tries again, as ZeroMQ's sockets do
			continue
		}
		serving.Go(func() {
			defer func() { <-places }()
			p.serve(c, done)
		})
	}
}

// serve speaks with one subscriber until he leaves, is too slow, or done is closed.
// Closing the connection ends the reader too, hence the order of what is deferred: close, then wait.
func (p *Publisher) serve(c net.Conn, done <-chan struct{}) {
	s := &subscriber{conn: c, queue: make(chan []byte, queued)}
	over := make(chan struct{})
	var reading sync.WaitGroup
	defer reading.Wait()
	defer c.Close()
	in, err := p.greet(c)
	if err != nil {
		return // a stranger; a subscriber comes again
	}
	p.enter(s)
	defer p.leave(s)
	reading.Go(func() {
		defer close(over)
		s.listen(in)
	})
	for {
		select {
		case m := <-s.queue:
			// A subscriber that takes nothing for so long is dropped, and connects again by itself.
			if c.SetWriteDeadline(p.Now().Add(writeWithin)) != nil {
				return
			}
			if _, err := c.Write(m); err != nil {
				return
			}
		case <-over:
			return
		case <-done:
			return
		}
	}
}

// From now on messages count for it, though it wants none before its first prefix has come.
func (p *Publisher) enter(s *subscriber) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.subscribers == nil {
		p.subscribers = map[*subscriber]struct{}{}
	}
	p.subscribers[s] = struct{}{}
}

func (p *Publisher) leave(s *subscriber) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.subscribers, s)
}

// subscriber is the far side of one connection.
// queue holds whole messages: a subscriber never gets a part of one.
type subscriber struct {
	conn  net.Conn
	queue chan []byte // messages as they go over the wire

	mu       sync.Mutex
	prefixes [][]byte // what he wants; he may say one twice, and then has to take it back twice
}

// The empty prefix begins every topic: who subscribes to it gets everything.
func (s *subscriber) wants(topic []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.prefixes, func(p []byte) bool { return bytes.HasPrefix(topic, p) })
}

// listen reads what he wants, until he leaves or says what no subscriber says.
func (s *subscriber) listen(in *bufio.Reader) {
	for {
		flags, body, err := readFrame(in)
		if err != nil {
			return
		}
		// ZMTP 3.1 has SUBSCRIBE as a command, which a socket sends only to one that greets with 3.1; 3.0
		// has a message of one frame that begins with 1 or 0.
		if flags&(flagCommand|flagMore) != 0 || len(body) == 0 {
			continue // commands of later versions, and messages that are none of a subscriber's
		}
		if !s.prefix(body[0], body[1:]) {
			return
		}
	}
}

// prefix adds or takes away what he wants; it reports false where he wants too much.
// Taking back what was never said is nothing, as in libzmq.
func (s *subscriber) prefix(word byte, prefix []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch word {
	case 1:
		if len(s.prefixes) == maxPrefixes {
			return false
		}
		s.prefixes = append(s.prefixes, bytes.Clone(prefix))
	case 0:
		if i := slices.IndexFunc(s.prefixes, func(p []byte) bool { return bytes.Equal(p, prefix) }); i >= 0 {
			s.prefixes = slices.Delete(s.prefixes, i, i+1)
		}
	}
	return true
}

// Flags of a frame.
const (
	flagMore, flagLong, flagCommand = 1, 2, 4
)

// encode returns a message as it goes over the wire.
// More is set on all frames but the last: five of them are one of LAVA's events.
func encode(frames [][]byte) []byte {
	var out []byte
	for i, f := range frames {
		flags := byte(0)
		if i < len(frames)-1 {
			flags |= flagMore
		}
		out = appendFrame(out, flags, f)
	}
	return out
}

// RFC 23: a short frame has a size of one byte, up to 255; a long one 8 bytes in network order.
func appendFrame(out []byte, flags byte, body []byte) []byte {
	if len(body) > 255 {
		out = binary.BigEndian.AppendUint64(append(out, flags|flagLong), uint64(len(body)))
	} else {
		out = append(out, flags, byte(len(body)))
	}
	return append(out, body...)
}

// readFrame reads a frame of at most [maxFrame] bytes.
// Errors are final: after them nobody knows where the next frame begins.
func readFrame(in *bufio.Reader) (flags byte, body []byte, err error) {
	if flags, err = in.ReadByte(); err != nil {
		return 0, nil, err
	}
	size := make([]byte, 1, 8)
	if flags&flagLong != 0 {
		size = size[:8]
	}
	if _, err := io.ReadFull(in, size); err != nil {
		return 0, nil, err
	}
	n := uint64(0)
	for _, b := range size {
		n = n<<8 | uint64(b)
	}
	// Before memory is taken for it: the size is the stranger's word.
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes, at most %d are taken", n, maxFrame)
	}
	body = make([]byte, n)
	_, err = io.ReadFull(in, body)
	return flags, body, err
}

// greeting is what both sides say first: signature, version 3.0, mechanism NULL, not a server.
// RFC 23, "greeting": 10 bytes signature (FF, 8 of padding, 7F), version 3 and 0, the mechanism in 20
// bytes filled up with zeros, as-server 0, 31 bytes of zeros: 64 in all.
func greeting() []byte {
	g := make([]byte, 64)
	g[0], g[9], g[10] = 0xff, 0x7f, 3
	copy(g[12:], "NULL")
	return g
}

// greet says who we are and hears whether the far side is a SUB socket that we can speak with.
// We send before we read, so that neither side waits for the other. The deadline is taken away again
// at the end: a subscriber may be silent for ever.
func (p *Publisher) greet(c net.Conn) (*bufio.Reader, error) {
	if err := c.SetDeadline(p.Now().Add(greetWithin)); err != nil {
		return nil, err
	}
	if _, err := c.Write(greeting()); err != nil {
		return nil, err
	}
	in := bufio.NewReader(c)
	theirs := make([]byte, 64)
	if _, err := io.ReadFull(in, theirs); err != nil {
		return nil, err
	}
	// Bit 0 of the tenth byte tells a ZMTP greeting from the long frame of version 1. Newer minor versions
	// fall back to 3.0 by our greeting; PLAIN and CURVE do not speak with NULL.
	if theirs[0] != 0xff || theirs[9]&1 == 0 || theirs[10] < 3 || string(bytes.TrimRight(theirs[12:32], "\x00")) != "NULL" {
		return nil, errors.New("not a ZeroMQ socket of version 3 without security")
	}
	// RFC 23, "null-command": READY with Socket-Type. libzmq sends Identity only from some types; an empty
	// one is the same as none.
	ready := appendProperty([]byte("\x05READY"), "Socket-Type", "PUB")
	if _, err := c.Write(appendFrame(nil, flagCommand, appendProperty(ready, "Identity", ""))); err != nil {
		return nil, err
	}
	flags, body, err := readFrame(in)
	if err != nil {
		return nil, err
	}
	if kind := socketType(body); flags&flagCommand == 0 || kind != "SUB" && kind != "XSUB" {
		return nil, fmt.Errorf("a socket of type %q, only SUB can read a PUB", kind)
	}
	return in, c.SetDeadline(time.Time{})
}

// The name has a size of one byte, the value one of four in network order.
func appendProperty(out []byte, name, value string) []byte {
	out = append(append(out, byte(len(name))), name...)
	return append(binary.BigEndian.AppendUint32(out, uint32(len(value))), value...)
}

// socketType returns the property Socket-Type of a READY command, "" where there is none.
func socketType(command []byte) string {
	rest, ok := bytes.CutPrefix(command, []byte("\x05READY"))
	if !ok {
		return ""
	}
	for len(rest) > 0 {
		n := int(rest[0])
		if len(rest) < 1+n+4 {
			return ""
		}
		name := string(rest[1 : 1+n])
		size := binary.BigEndian.Uint32(rest[1+n:])
		rest = rest[1+n+4:]
		if uint64(size) > uint64(len(rest)) {
			return ""
		}
		// Names of properties have no case by RFC 23.
		if strings.EqualFold(name, "Socket-Type") {
			return string(rest[:size])
		}
		rest = rest[size:]
	}
	return ""
}
