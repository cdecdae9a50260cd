package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"strata/dispatcher/hands"
	"strata/dispatcher/pipeline"
	"strata/events/access"
	"strata/schemas/order"
)

const (
	typedAhead  = 64                    // pieces of input that wait for the console; more are dropped
	heardAhead  = 256                   // orders by hand that wait to be looked at
	sayEvery    = 20 * time.Millisecond // console text is gathered for so long
	sayAtOnce   = 32 << 10              // bytes of one message
	sayAtMost   = 256 << 10             // bytes that wait to be sent; of more the oldest are dropped
	handsAtMost = 10 * time.Minute      // a power command or a check takes no longer
)

// manual holds the sessions of people that use devices by hand. The supervisor asks it whether a board is
// free, and lets it begin sessions; all else happens beside the supervisor.
type manual struct {
	Deps
	ctx   context.Context
	freed chan struct{} // told when a session has ended; holds one
	work  sync.WaitGroup

	mu       sync.Mutex
	sessions map[string]*manualSession // by their tokens
}

// manualSession is one use of a board.
type manualSession struct {
	order.Hands
	board string
	end   context.CancelCauseFunc
	typed chan string
	kept  chan struct{} // the person is still there; holds one
	say   *speaker
}

// Why sessions end that are not done.
var (
	errLeft    = errors.New("the person left")
	errOver    = errors.New("the worker knows nothing of the session any more")
	errSilence = fmt.Errorf("nobody has asked for the session for %d s", order.HandsGone)
)

func newManual(ctx context.Context, d Deps) *manual {
	return &manual{Deps: d, ctx: ctx, freed: make(chan struct{}, 1), sessions: map[string]*manualSession{}}
}

// uses tells whether somebody has the board in hand.
func (m *manual) uses(board string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		if s.board == board {
			return true
		}
	}
	return false
}

// supersede ends the sessions of a board that a higher lease has been given.
func (m *manual) supersede(board string, lease uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		if s.board == board && s.Lease < lease {
			s.end(fmt.Errorf("the device was given away under lease %d", lease))
		}
	}
}

// find returns a session, nil where it is over or never was.
func (m *manual) find(session string) *manualSession {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[session]
}

// begin starts a session whose lease is on disk. It is called by the supervisor, and does not wait.
func (m *manual) begin(h order.Hands, say *speaker) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := board(h.Device, 0)
	for _, other := range m.sessions {
		if other.board == b && (other.Do == order.DoConsole) == (h.Do == order.DoConsole) {
			return fmt.Errorf("device %s is in use already: %s", h.Device, other.Do)
		}
	}
	ctx, end := context.WithCancelCause(m.ctx)
	s := &manualSession{Hands: h, board: b, end: end, typed: make(chan string, typedAhead), kept: make(chan struct{}, 1), say: say}
	m.sessions[h.Session] = s
	m.work.Go(func() {
		defer end(nil)
		say.work.Go(func() { say.run(ctx) })
		m.work.Go(func() { m.watch(ctx, s) })
		err := m.do(ctx, s, say)
		end(nil)
		say.work.Wait()
		m.mu.Lock()
		delete(m.sessions, h.Session)
		m.mu.Unlock()
		// The end is told once the board is free here: who hears it gives the device away.
		say.ended(err)
		m.Logger.Info("hands off a device", "device", h.Device, "use", h.Do, "lease", h.Lease, "error", err)
		select {
		case m.freed <- struct{}{}:
		default:
		}
	})
	m.Logger.Info("hands on a device", "device", h.Device, "use", h.Do, "lease", h.Lease)
	return nil
}

// watch ends a session that nobody keeps.
func (m *manual) watch(ctx context.Context, s *manualSession) {
	until := m.Now().Add(order.HandsGone * time.Second)
	for {
		select {
		case <-s.kept:
			until = m.Now().Add(order.HandsGone * time.Second)
		case <-m.After(max(until.Sub(m.Now()), time.Millisecond)):
			if !m.Now().Before(until) {
				s.end(errSilence)
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// do runs a session to its end.
func (m *manual) do(ctx context.Context, s *manualSession, say *speaker) error {
	device, err := pipeline.ReadYAML([]byte(s.Config))
	if err != nil {
		return fmt.Errorf("read the device's configuration: %w", err)
	}
	env, err := processEnv(s.Env, os.Environ())
	if err != nil {
		return err
	}
	b := hands.Board{Device: device, Env: env, Now: m.Now, Say: say.line}
	if s.Do == order.DoConsole {
		return hands.Console(ctx, b, s.Connection, s.typed, say.text)
	}
	short, cancel := context.WithTimeoutCause(ctx, handsAtMost, fmt.Errorf("it took more than %s", handsAtMost))
	defer cancel()
	if s.Do == order.DoPower {
		err = hands.Power(short, b, hands.Switch(s.Power))
	} else {
		p := hands.Patience{Silence: time.Duration(s.Silence) * time.Second, Prompt: time.Duration(s.Patience) * time.Second, Prompts: s.Prompts}
		err = hands.Check(short, b, p, say.step)
	}
	if err != nil && short.Err() != nil {
		return context.Cause(short)
	}
	return err
}

// serveHands hears what is to be done by hand while the link is in a session. Sessions with a person outlive
// a short loss of the connection: nobody keeps them alive then.
func (l *link) serveHands(ctx context.Context) error {
	heard := make(chan *nats.Msg, heardAhead)
	sub, err := l.conn.ChanSubscribe(access.HandsSubject(l.Name), heard)
	if err != nil {
		return fmt.Errorf("listen for orders by hand: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone
	for {
		select {
		case m := <-heard:
			l.handle(ctx, m.Data)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// handle does what one order by hand asks. It does not wait for any device.
func (l *link) handle(ctx context.Context, data []byte) {
	h, err := order.DecodeHands(data)
	if err != nil {
		l.Logger.Error("order by hand cannot be read", "error", err)
		if h.Session != "" {
			l.speaker(h.Session).ended(err)
		}
		return
	}
	s := l.super.manual.find(h.Session)
	switch h.Do {
	case order.DoPower, order.DoConsole, order.DoCheck:
		say := l.speaker(h.Session)
		if err := l.tell(ctx, ask{hands: &h, say: say}); err != nil {
			say.ended(err)
		}
		return
	}
	if s == nil || h.Device != "" && h.Device != s.Device {
		if h.Do == order.DoKeep { // who asks may have missed the end, or the worker was started again
			l.speaker(h.Session).ended(errOver)
		}
		return
	}
	switch h.Do {
	case order.DoType:
		select {
		case s.typed <- h.Text:
		default:
			l.Logger.Warn("input dropped", "device", s.Device, "bytes", len(h.Text))
		}
	case order.DoEnd:
		s.end(errLeft)
	case order.DoKeep:
		s.say.say(order.HandsSaid{}) // the worker is still there too
	}
	select {
	case s.kept <- struct{}{}: // who types is there too
	default:
	}
}

// takeHands lets a session begin, unless a job has the device or the lease is over.
func (s *supervisor) takeHands(h order.Hands, say *speaker) error {
	b := board(h.Device, 0)
	for _, j := range s.jobs {
		if j.board() == b && (j.lives() || j.Phase == taken) {
			return fmt.Errorf("job %d has the device", j.Job)
		}
	}
	if highest := s.leases.highest[b]; h.Lease < highest {
		return fmt.Errorf("lease %d is over: the worker has seen %d for this device", h.Lease, highest)
	}
	if err := s.leases.raise(b, h.Lease); err != nil {
		return fmt.Errorf("fence the device: %w", err)
	}
	return s.manual.begin(h, say)
}

// speaker tells of a session on the bus. What the console says is gathered for a moment; where more comes
// than the bus takes, the oldest is dropped, and the position of what follows tells so.
type speaker struct {
	conn    *nats.Conn
	subject string
	logger  *slog.Logger
	after   func(time.Duration) <-chan time.Time
	work    sync.WaitGroup
	more    chan struct{} // there is text; holds one

	mu      sync.Mutex
	number  uint64
	at      uint64 // bytes of console text that are said or dropped
	waiting []byte
}

// speaker returns what tells of a session.
func (l *link) speaker(session string) *speaker {
	return &speaker{conn: l.conn, subject: access.HandsSubject(l.Name) + "." + session, logger: l.Logger, after: l.After, more: make(chan struct{}, 1)}
}

// run says what has gathered until ctx ends; then the rest.
func (s *speaker) run(ctx context.Context) {
	s.say(order.HandsSaid{}) // it has begun
	for ctx.Err() == nil {
		select {
		case <-s.more:
		case <-ctx.Done():
		}
		select {
		case <-s.after(sayEvery):
		case <-ctx.Done():
		}
		s.mu.Lock()
		s.flush(sayAtOnce)
		s.mu.Unlock()
	}
}

// text takes what the console says.
func (s *speaker) text(text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, text...)
	if over := len(s.waiting) - sayAtMost; over > 0 {
		over = whole(s.waiting, over)
		s.waiting = append(s.waiting[:0], s.waiting[over:]...)
		s.at += uint64(over)
	}
	s.wake()
	return nil
}

// flush says at most so many of the bytes that wait; the lock is held.
func (s *speaker) flush(most int) {
	n := whole(s.waiting, min(len(s.waiting), most))
	if n == 0 {
		return
	}
	s.send(order.HandsSaid{At: s.at, Text: string(s.waiting[:n])})
	s.waiting = append(s.waiting[:0], s.waiting[n:]...)
	s.at += uint64(n)
	if len(s.waiting) > 0 {
		s.wake()
	}
}

// whole moves a place in a text to where no character is cut in two.
func whole(text []byte, at int) int {
	for at > 0 && at < len(text) && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}

// wake has run look.
func (s *speaker) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// line says what a command printed.
func (s *speaker) line(text string) { s.say(order.HandsSaid{Line: order.Sentence(text)}) }

// step says how a step of a check ended.
func (s *speaker) step(step hands.Step) {
	body, err := json.Marshal(step)
	if err != nil {
		s.logger.Error("step cannot be told", "error", err)
		return
	}
	s.say(order.HandsSaid{Step: body})
}

// ended says the rest of the text and that the session is over.
func (s *speaker) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush(sayAtMost)
	m := order.HandsSaid{At: s.at, Ended: true}
	if err != nil {
		m.Error = order.Sentence(err.Error())
	}
	s.send(m)
}

func (s *speaker) say(m order.HandsSaid) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.At = s.at
	s.send(m)
}

// send numbers a message and puts it on the bus; the lock is held.
func (s *speaker) send(m order.HandsSaid) {
	s.number++
	m.Number = s.number
	body, err := json.Marshal(m)
	if err == nil {
		err = s.conn.Publish(s.subject, body)
	}
	if err != nil {
		s.logger.Warn("session by hand cannot be told", "error", err)
	}
}
