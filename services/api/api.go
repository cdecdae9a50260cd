package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
	"strata/events/stream"
	"strata/services/api/logbook"
	"strata/services/api/quota"
	"strata/services/api/turns"
)

// Deps is what the api is given.
// Everything is read only once [Run] has begun; nothing of it may change afterwards. cmd/strata fills it in, and the
// tests of the doors do with an embedded broker.
type Deps struct {
	Log     *stream.Log // that of the writer api: see stream.Log.As
	Now     func() time.Time
	Logger  *slog.Logger
	Key     access.Key    // makes the tokens of workers
	History History       // zero: there is no ClickHouse
	Version string        // of the binary, as status tells it
	Refuse  func() string // why the lab takes no submissions at the moment, or ""; nil never does
	// Called once, on a goroutine that Run waits for at its end.
	Ready   func(Inside) // called once requests are answered; may be nil
	Metrics *Metrics     // counts how jobs fare; may be nil
	Rate    quota.Rate   // of each caller on the bus; zero bounds nothing
	Logs    string       // directory for copies of logs that are looked at; "" is one that goes with the process
	// Directory vouches for users without a password of their own, such as an LDAP server does: its error is
	// [ErrUnknownToken] where name or password is wrong. nil: there is none.
	Directory func(ctx context.Context, user, password string) (Vouched, error)
}

// callers is how many callers on the bus are remembered for their rates.
// Beyond it the one who has been quiet longest is forgotten, and begins with a full allowance when it comes again.
const callers = 16 << 10

// api is the running service.
type api struct {
	// Of the writer api: facts of other services it could not append.
	log      *stream.Log
	watching *stream.Watching // of jobs' output, by everybody who follows one
	conn     *nats.Conn
	rates    *quota.Quota // of callers on the bus
	flows    openFlows    // of the same
	now      func() time.Time
	logger   *slog.Logger
	key      access.Key
	history  History
	version  string
	refuse   func() string

	directory func(ctx context.Context, user, password string) (Vouched, error)
	tries     tries
	hashing   chan struct{} // room for passwords that are being hashed
	bearers   bearers       // who has streams open over HTTP; guarded by mu

	rightsTold atomic.Uint64 // how often facts have told of rights: see [api.stillSees]

	// Only the goroutine of the log's driver folds facts, and the request whose turn it is anticipates its own; both hold mu
	// for writing. Whoever reads holds it as long as it looks at anything of the state: the fold changes entities in place.
	mu      sync.RWMutex
	state   *lab.State
	fresh   fresh  // what the tables may not have yet; guarded by mu
	told    told   // of which jobs facts have told lately; guarded by mu
	ownLast uint64 // last fact that this process has recorded; guarded by mu
	// Those of the next lines without "guarded by mu" have locks of their own, which are only ever taken after mu.
	tallies tallies                             // how many jobs meet what lists ask for
	firsts  firsts                              // which jobs are further attempts
	texts   *bounded[JobTexts]                  // of jobs that lists show
	rows    *bounded[knownRow]                  // the same jobs, by their facts
	metrics *Metrics                            // nil counts nothing
	started time.Time                           // when this process began
	waited  map[events.DeviceTypeName]keptWaits // guarded by mu
	changed chan struct{}                       // closed, and made anew, when facts have been folded
	// A channel and not a mutex: who waits for it gives up when its caller does.
	turn    chan struct{}              // room for the one request that records
	uses    chan use                   // uses of tokens that are to be recorded
	travels chan struct{}              // room for requests about the past
	inHand  map[events.DeviceName]bool // devices that somebody may hold; guarded by mu
	sharing map[held]int               // sessions of each hold that are here; guarded by mu

	answers  *answers           // of the tables, that are kept
	evidence *bounded[evidence] // lines that judgements stand on

	books          *logbook.Shelf // copies of logs, for those who look into them
	booksTemporary string         // directory that goes with the process, or ""
}

// Run answers requests until ctx ends; then it returns nil.
// Any other end is an error: a fact that this binary cannot read, or a place for copies of logs that cannot be opened.
// It waits for all requests and flows that it has begun.
func Run(ctx context.Context, d Deps) error {
	a := &api{
		log: d.Log, watching: stream.NewWatching(d.Log), conn: d.Log.Conn(), rates: quota.New(d.Rate, callers), now: d.Now, logger: d.Logger, key: d.Key,
		history: d.History, version: d.Version, refuse: d.Refuse, state: lab.New(), fresh: newFresh(0), told: told{}, texts: newBounded[JobTexts](16 << 20), rows: newBounded[knownRow](8 << 20), metrics: d.Metrics, started: d.Now(), waited: map[events.DeviceTypeName]keptWaits{}, changed: make(chan struct{}),
		turn: make(chan struct{}, 1), uses: make(chan use, 64), directory: d.Directory, hashing: make(chan struct{}, hashesAtOnce), bearers: bearers{}, travels: make(chan struct{}, travels), inHand: map[events.DeviceName]bool{}, sharing: map[held]int{},
	}
	a.answers, a.evidence = newAnswers(), newBounded[evidence](1<<20)
	// Its own, so that requests end too where the driver ends by an error.
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	if err := a.openBooks(ctx, d.Logs); err != nil {
		cancel()
		return err
	}
	defer a.closeBooks()
	// The order counts: first everybody is told to stop, then waited for, and only then the copies of logs go that they read.
	defer group.Wait()
	defer cancel()

	// Requests are taken only once the fold stands where the log ends: an answer from an old state
	// would deny jobs that exist.
	ready := make(chan struct{})
	var once sync.Once
	group.Add(1)
	go func() {
		defer group.Done()
		select {
		case <-ready:
			// Only now: what these record has to be decided on a state that is whole.
			group.Go(func() { a.endHolds(ctx) })
			a.countActions(ctx, &group)
			group.Go(func() { a.recordUses(ctx) })
			a.answer(ctx, &group, func() {
				if d.Ready != nil {
					d.Ready(Inside{a: a})
				}
			})
		case <-ctx.Done():
		}
	}()
	// Closing the channel wakes everybody in await at once, whatever each of them waits for; a fact that wakes one for nothing
	// costs it one look at the state.
	act := func(time.Time) (time.Time, error) {
		a.mu.Lock()
		close(a.changed)
		a.changed = make(chan struct{})
		a.mu.Unlock()
		once.Do(func() { close(ready) })
		return time.Time{}, nil
	}
	return a.log.Run(ctx, stream.Driver{Name: "api", Fold: a.fold, Act: act, Checkpoint: a.checkpoint()})
}

// fold takes a fact into the state.
// It runs on the driver's goroutine, for facts of every writer and, a second time, for those that record has anticipated.
func (a *api) fold(r stream.Recorded) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.state.Evolve(r.Seq, r.Time, r.Event)
	if tellsRights(r.Event) {
		a.rightsTold.Add(1)
	}
	a.fresh.note(r, c)
	a.told.note(r, c)
	a.cutBearers(r.Event)
	if gone, ok := r.Event.(events.JobRemoved); ok {
		a.texts.forget(gone.Job)
		a.rows.forget(gone.Job)
		a.evidence.forget(gone.Job)
	}
	// What is replayed at a start was counted by the process before; Prometheus would see it as a burst.
	if !r.Time.Before(a.started) {
		a.metrics.note(a.state, r, c.Job)
	}
	switch e := r.Event.(type) {
	case events.DeviceHeld:
		a.inHand[e.Device] = true
	case events.JobRemoved:
		// An erased log must not live on in a copy, not even for those who read in it at the moment.
		a.books.Forget(e.Job)
	case events.JobFilesErased: // the copy of its log has their bytes
		a.books.Forget(e.Job)
	}
}

// read calls f with the state, which f must not keep anything of.
// f must not block, and must not call read again: a writer that waits between the two would stop both for ever.
func (a *api) read(f func(s *lab.State)) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	f(a.state)
}

// await waits until cond holds of the state, at most d; it reports whether it does.
// cond runs under the lock and so follows the rules of [api.read]. False says that d is over or the caller gone, never why.
func (a *api) await(ctx context.Context, d time.Duration, cond func(s *lab.State) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for {
		a.mu.RLock()
		// Both under one lock: a fact that came between would close a channel that nobody has yet.
		holds, changed := cond(a.state), a.changed
		a.mu.RUnlock()
		if holds {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// atMostBehind is how long a request waits for a state that is behind the log: milliseconds, nearly always. It is a part of the
// caller's [patience], so that an answer of what is known still comes where the log's reader hangs.
const atMostBehind = 10 * time.Second

// catchUp waits until the state holds every fact that was recorded before now, so that whoever
// wrote through another instance finds what he wrote. A log that is slow is waited for [atMostBehind].
func (a *api) catchUp(ctx context.Context) {
	// Where the broker does not say, the answer is of what is known: being late is better than refusing to tell.
	if last, err := a.log.Last(ctx, stream.Lab); err == nil {
		a.await(ctx, atMostBehind, func(s *lab.State) bool { return s.Through() >= last })
	}
}

// busTurns is how many requests of the bus are answered at the same time, and how many may wait. Requests of one
// user, whatever tokens they come with, hold a quarter of the places at most: three users with slow questions leave
// room for all others. What is beyond is refused with [Busy]: a client that waits longer than its patience has given up
// anyhow.
func busTurns() turns.Bounds {
	return turns.Bounds{Places: 64, Of: 16, Waiting: 1024, Bytes: 16 << 20, All: 128 << 20}
}

// answer takes requests until ctx ends. It calls ready once a request from anywhere reaches it.
func (a *api) answer(ctx context.Context, group *sync.WaitGroup, ready func()) {
	// Everything up to turns.Take runs on one goroutine of the NATS client, which all callers share: it must stay short.
	line := turns.New(busTurns())
	var begins sync.Mutex // held while a request begins
	stopped := false      // none does any more
	begin := func(who caller, verb string, m *nats.Msg) {
		of := string(who.user) // however many tokens they come with
		begins.Lock()
		defer begins.Unlock()
		if stopped {
			return // Run waits already for those that have begun
		}
		taken := line.Take(of, len(m.Data), func() {
			group.Go(func() { a.serve(ctx, who, verb, m, func() { line.End(of) }) })
		})
		if !taken {
			a.respond(m, failure(refuse(Busy, "too many of your requests wait: ask for less at a time")))
		}
	}
	// Several processes may run the service: the queue group gives each request to one of them.
	sub, err := a.conn.QueueSubscribe("api.>", "api", func(m *nats.Msg) {
		user, verb, ok := splitSubject(m.Subject)
		if !ok || strings.HasPrefix(verb, "flow.") {
			return // acknowledgements of flows have a listener of their own
		}
		// By the token of the subject, which the broker has checked, and before rights are looked at: a caller who is refused
		// anyhow must not cost more than one who is not.
		if v := a.rates.Take(user.token, a.now()); !v.OK && verb != "status" { // which asks whether the lab is there
			a.respond(m, failure(refuse(Busy, "you ask too often: try again in %d s", max(quota.Seconds(v.Wait), 1))))
			return
		}
		who, err := a.onBus(user.name, user.token, m.Header.Get(events.HeaderTrace))
		if err == nil {
			begin(who, verb, m)
			return
		}
		// The broker let its token in: another process has given it out a moment ago, or it was revoked.
		begins.Lock()
		defer begins.Unlock()
		if stopped {
			return
		}
		group.Go(func() {
			a.catchUp(ctx)
			who, err := a.onBus(user.name, user.token, m.Header.Get(events.HeaderTrace))
			if err != nil {
				a.respond(m, failure(err))
				return
			}
			begin(who, verb, m)
		})
	})
	if err == nil {
		// Until the broker knows of it, it tells who asks that nobody is there.
		err = a.conn.FlushTimeout(10 * time.Second)
	}
	if err != nil {
		if ctx.Err() == nil {
			a.logger.Error("cannot take requests", "err", err)
		}
		return
	}
	ready()
	<-ctx.Done()
	_ = sub.Unsubscribe() // fails only where the connection is gone
	// The function above may be on its way all the same: it has begun its request then, which Run waits for, or begins
	// none any more.
	begins.Lock()
	defer begins.Unlock()
	stopped = true
}

// serve answers one request. release gives its slot back: at the end, or when it opens a flow,
// which may last for hours.
// A flow goes on under ctx, the service's own; what is answered at once has a second less than the caller's patience, so that
// the caller hears why rather than nothing.
func (a *api) serve(ctx context.Context, who caller, verb string, m *nats.Msg, release func()) {
	released := false
	free := func() {
		if !released {
			released = true
			release()
		}
	}
	defer free()
	if m.Reply == "" {
		return // nobody would hear the answer
	}
	asked, cancel := context.WithTimeout(ctx, patience-time.Second)
	defer cancel()
	// Names of jobs are resolved and rights checked with the time of one answer also where a flow follows.
	body, err := a.readable(asked, who, m.Data)
	if err != nil {
		a.respond(m, failure(a.toldTo(who, err)))
		return
	}
	if open, ok := flows()[verb]; ok {
		a.catchUp(asked) // as in ask
		if err := a.admit(who, verb); err != nil {
			a.respond(m, failure(err))
			return
		}
		produce, err := open(a, who, body)
		if err != nil {
			a.respond(m, failure(a.toldTo(who, err)))
			return
		}
		if !a.flows.take(string(who.user)) {
			a.respond(m, failure(refuse(Busy, "%d of your flows are open, which is the most: end one, or follow all of your jobs by one flow of events", flowsOf)))
			return
		}
		defer a.flows.end(string(who.user))
		f, err := a.openFlow(who.token, m.Reply)
		if err != nil {
			a.respond(m, failure(err))
			return
		}
		free()
		f.run(ctx, func(ctx context.Context, emit func(message) error) error { return a.toldTo(who, produce(ctx, emit)) })
		return
	}
	body, err = a.ask(asked, who, verb, body)
	if err != nil {
		a.respond(m, failure(err))
		return
	}
	// RespondMsg fills in the subject.
	reply := nats.NewMsg("")
	reply.Data = body
	a.respond(m, reply)
}

// readable returns a request with its job's number, or why nobody can answer it.
// It is the only place where "41.2" becomes a number, so no verb sees another way to name a job.
func (a *api) readable(ctx context.Context, who caller, body []byte) ([]byte, error) {
	body, err := a.named(ctx, who, body)
	if err != nil {
		return nil, err
	}
	return body, checkReason(body)
}

// ask answers a request for one answer.
func (a *api) ask(ctx context.Context, who caller, verb string, body []byte) ([]byte, error) {
	handle, ok := verbs()[verb]
	if !ok {
		return nil, refuse(Invalid, "the api has no verb %q", verb)
	}
	// Before rights: a permission that was given a moment ago, through another process, counts.
	a.catchUp(ctx)
	if err := a.admit(who, verb); err != nil {
		return nil, err
	}
	out, err := a.answered(ctx, who, verb, handle, body)
	if err != nil {
		return nil, a.toldTo(who, err)
	}
	return out, nil
}

// respond sends an answer. One that cannot go is only logged: its caller notices that none comes.
func (a *api) respond(m, reply *nats.Msg) {
	if err := m.RespondMsg(reply); err != nil {
		a.logger.Warn("answer a request", "subject", m.Subject, "err", err)
	}
}

// failure returns the message that tells a caller of err.
func failure(err error) *nats.Msg {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: Failed, Message: err.Error()}
		// What took too long is nearly always a broker or ClickHouse that does not answer: worth asking again, unlike Failed.
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
			e.Code = Away
		}
	}
	e = e.Strangers()
	m := nats.NewMsg("")
	m.Header.Set(headerError, string(e.Code))
	m.Data, _ = json.Marshal(e) // strings always encode
	return m
}

// userToken is a caller's name, "" of somebody without one, and how it stands in a subject.
type userToken struct {
	name  string
	token string
}

// splitSubject cuts api.<user>.<verb>.
// The verb may have dots of its own. ok is false for what no client of ours sends; the broker's rights let nothing else pass.
func splitSubject(subject string) (user userToken, verb string, ok bool) {
	rest, ok := strings.CutPrefix(subject, "api.")
	token, verb, found := strings.Cut(rest, ".")
	name, err := events.UnescapeToken(token)
	if !ok || !found || err != nil {
		return userToken{}, "", false
	}
	return userToken{name, token}, verb, true
}

// decode reads a request. A field that the verb does not know is refused: it would be a wish that
// nobody fulfils.
// An empty body is the zero request, which plain NATS clients send for verbs without arguments. The error is [Invalid].
func decode[T any](body []byte) (T, error) {
	var in T
	if len(bytes.TrimSpace(body)) == 0 {
		return in, nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return in, refuse(Invalid, "read request: %v", err)
	}
	return in, nil
}
