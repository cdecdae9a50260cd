package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
)

// Inside asks the api in its own process. The doors that people's programs come in by (HTTP) share verbs,
// rights and errors with the bus this way, and no message goes out and back for it. It works from
// [Deps.Ready] until [Run] returns; after that each question has an error.
// It is a value: doors keep copies, some of them closed. Questions are answered on the goroutine that asks, without a
// place among the turns of the bus: the doors bound their callers by limits of their own (services/api/door).
type Inside struct {
	a      *api
	closed bool
}

// Closed returns the same for a door whose callers have no name without a token, even on this machine.
func (i Inside) Closed() Inside {
	i.closed = true
	return i
}

// Anonymous returns who comes without a token: on this machine itself (direct) the machine's own user, unless
// the door is closed; else somebody without a name.
// direct says that the request came over loopback and through no proxy, which the door has to know: see services/api/door.
func (i Inside) Anonymous(direct bool) Caller {
	if direct && !i.closed {
		return Caller{User: lab.Local}
	}
	return Caller{}
}

// Caller is who asks through a door of this process, which has made sure of that.
type Caller struct {
	User      events.UserName // "" is somebody without a name, who sees what everybody may
	Trace     string          // W3C traceparent of the request, or ""
	From      string          // the door and the address that the request came from, such as "http 192.0.2.7"
	Scopes    []events.Scope  // that the caller's token is limited to; none: not limited
	Token     events.TokenID  // that the caller came with; "": by other means
	ActingFor events.UserName // who acts as the user; "": the user does
	Session   bool            // the token is a browser's session
}

func (c Caller) caller() caller {
	who := caller{token: events.EscapeToken(string(c.User)), trace: c.Trace, from: c.From}
	return who.as(lab.Login{User: c.User, Token: c.Token, Scopes: c.Scopes, ActingFor: c.ActingFor})
}

// Call asks one verb and decodes the answer into out, which may be nil. What the api refuses comes
// back as an *[Error], as from [Client.Call].
// Request and answer go through JSON as they do on the bus: so no door sees a field that the others do not, and nobody
// gets hold of what the state keeps.
func (i Inside) Call(ctx context.Context, who Caller, verb string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request %s: %w", verb, err)
	}
	// As on the bus, so that a door waits no longer than a client there would.
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if body, err = i.a.readable(ctx, who.caller(), body); err != nil {
		return refused(i.a.toldTo(who.caller(), err))
	}
	answer, err := i.a.ask(ctx, who.caller(), verb, body)
	if err != nil {
		return refused(err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode reply to %s: %w", verb, err)
	}
	return nil
}

// Piece is one message of a flow.
// The header is nil for flows that need none. Both must not be changed or kept after each has returned.
type Piece struct {
	Header map[string]string // such as events.HeaderFirstLine of a log
	Body   []byte
}

// Stream opens a flow and hands over its messages, in order, until it ends or each has an error. Nothing
// more is read while each works.
// There is no window and no heartbeat: each is called on the caller's own goroutine, and a slow one slows nobody else. An
// error of each comes back as it is; a credential that is worth nothing any more ends the flow with [Denied].
func (i Inside) Stream(ctx context.Context, who Caller, verb string, in any, each func(Piece) error) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request %s: %w", verb, err)
	}
	if body, err = i.a.readable(ctx, who.caller(), body); err != nil {
		return refused(i.a.toldTo(who.caller(), err))
	}
	open, ok := flows()[verb]
	if !ok {
		return refuse(Invalid, "the api has no flow %q", verb)
	}
	i.a.catchUp(ctx) // as in ask
	if err := i.a.admit(who.caller(), verb); err != nil {
		return err
	}
	produce, err := open(i.a, who.caller(), body)
	if err != nil {
		return refused(i.a.toldTo(who.caller(), err))
	}
	ctx, done := i.While(ctx, who)
	defer done()
	var enough error // of the caller's own, which it knows by its value
	err = produce(ctx, func(m message) error {
		// Looked at before each message: a producer with much in hand would go on for a while after its ctx has ended.
		if errors.Is(context.Cause(ctx), errCut) {
			return errCut
		}
		enough = each(Piece{m.header, m.body})
		return enough
	})
	switch {
	case enough != nil:
		return enough
	case errors.Is(context.Cause(ctx), errCut):
		return refuse(Denied, "%s", errCut)
	case err == nil:
		return nil
	}
	return refused(i.a.toldTo(who.caller(), err))
}

// Submit publishes a definition for the caller and returns its number. Calls with one id, which is of the
// caller's choosing, become one job for as long as the bus remembers ids; "" is an id of its own. What the
// lab thinks of the definition is asked with jobs.show.
// Errors: [Denied] without a name or the scope, [Invalid] for more than 1 MiB, [Away] where the lab or the broker takes
// none. After an error of the broker the definition may lie on the bus: the same id again makes no second job of it.
func (i Inside) Submit(ctx context.Context, who Caller, definition []byte, id string) (events.JobID, error) {
	return i.a.submit(ctx, who.caller(), definition, id)
}

// SubmitRequest hands over a definition: verb jobs.submit. On the bus it is for those who act as another, whom the
// broker does not let publish under that one's name; everybody else can as well publish the text alone.
type SubmitRequest struct {
	Definition string `json:"definition"`   // at most 1 MiB
	ID         string `json:"id,omitempty"` // of the caller's choosing: requests with one id are one job for an hour
}

// Receipt answers it.
type Receipt struct {
	Job events.JobID `json:"job"`
}

// submitJob is submit for the bus.
// Commands ask it of who acts as another; all others of them publish on the bus themselves.
func (a *api) submitJob(ctx context.Context, who caller, in SubmitRequest) (Receipt, error) {
	if strings.TrimSpace(in.Definition) == "" {
		return Receipt{}, &Error{Code: Invalid, Field: "definition", Message: "definition is empty"}
	}
	job, err := a.submit(ctx, who, []byte(in.Definition), in.ID)
	return Receipt{job}, err
}

// submit puts a definition of the caller's onto the bus.
func (a *api) submit(ctx context.Context, who caller, definition []byte, id string) (events.JobID, error) {
	if a.refuse != nil {
		if why := a.refuse(); why != "" {
			return 0, refuse(Away, "the lab takes no definitions: %s", why)
		}
	}
	if who.user == "" {
		return 0, refuse(Denied, "nobody may submit without a name")
	}
	if !lab.Covers(who.scopes, lab.Submit, events.Job) {
		return 0, refuse(Denied, "the token is not for submitting: it may be used for %s", scopesText(who.scopes))
	}
	// No verb of that name: it asks whether the account is active.
	if err := a.admit(who, "submit"); err != nil {
		return 0, err
	}
	// Before the text is read: a definition of the largest size takes a while to parse.
	if len(definition) > maxDefinition {
		return 0, refuse(Invalid, "job definition has %d bytes, allowed are %d", len(definition), maxDefinition)
	}
	if id == "" {
		id = uuid.NewString()
	}
	// Whoever acts as another submits in the other's name, and the job would be handed the other's
	// secrets.
	if who.acting {
		if err := a.discreet(who.user, definition); err != nil {
			return 0, err
		}
	}
	// What a user publishes under its own name says neither by which door nor who acts; this subject is services' alone.
	m := nats.NewMsg("submit." + events.EscapeToken(string(events.DoorUser)))
	m.Data = definition
	m.Header.Set(nats.MsgIdHdr, a.messageID(who.user, id))
	m.Header.Set(events.HeaderUser, string(who.user))
	m.Header.Set(events.HeaderSubmitted, who.from)
	if who.trace != "" {
		m.Header.Set(events.HeaderTrace, who.trace)
	}
	// The sequence that the stream gives is the job's number, and the answer the receipt.
	ack, err := a.log.JetStream().PublishMsg(ctx, m)
	if err != nil {
		return 0, refused(fmt.Errorf("submit: %w", err))
	}
	return events.JobID(ack.Sequence), nil
}

// messageID is the id under which the bus knows a submission with an id of its user's choosing. Such ids can be guessed,
// and the bus has one table of them for all: whoever published one of another's first, though it were refused for that, would
// have the other told of that submission in place of its own. So nobody but the lab can tell what this one will be.
func (a *api) messageID(user events.UserName, id string) string {
	return string(user) + "/" + a.key.Mark("submission "+string(user)+"\x00"+id)
}

// maxDefinition is the size of a definition that the lab takes.
const maxDefinition = 1 << 20

// refused returns err as what a caller is told.
// A caller that has gone away, and a credential that is none, stay as they are: doors look for them by value.
func refused(err error) error {
	var e *Error
	if errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknownToken) {
		return err
	}
	code := Failed
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrConnectionClosed) {
		code = Away
	}
	return &Error{Code: code, Message: err.Error()}
}

// ErrUnknownToken says that a token is none of this lab, or worth nothing any more.
var ErrUnknownToken = errors.New("unknown token")

// Authenticate returns whom a token stands for: a user's token, or the administrator's credential. Its error is
// [ErrUnknownToken]. From says by which door and from where it came, such as "http 192.0.2.7"; uses of tokens
// are recorded with that.
// It looks a digest up in the state, so doors call it with each request; of a secret that it does not know it makes sure by
// the log.
func (i Inside) Authenticate(token, from string) (Caller, error) {
	if p, err := i.a.key.Verify(token); err == nil {
		shut := true
		// A worker's or a job's credential is signed by the same key and is for the bus alone.
		i.a.read(func(s *lab.State) { shut = p.Role != access.Person || p.User != lab.Local || !s.Superuser(p.User) })
		if shut {
			return Caller{}, ErrUnknownToken
		}
		return Caller{User: p.User, From: from}, nil
	}
	login, known := i.a.login(func(s *lab.State) (lab.Login, bool) { return s.Authenticate(access.Digest(token), i.a.now()) })
	if !known {
		return Caller{}, ErrUnknownToken
	}
	i.a.used(login, from)
	return Caller{User: login.User, From: from, Scopes: login.Scopes, Token: login.Token, ActingFor: login.ActingFor}, nil
}

// login looks a secret up, and again once the state holds what was recorded before now: it may have been given out a moment ago
// through another process.
func (a *api) login(look func(s *lab.State) (lab.Login, bool)) (login lab.Login, known bool) {
	a.read(func(s *lab.State) { login, known = look(s) })
	if !known {
		ctx, cancel := context.WithTimeout(context.Background(), atMostBehind)
		defer cancel()
		a.catchUp(ctx)
		a.read(func(s *lab.State) { login, known = look(s) })
	}
	return login, known
}

// Permitted says that a caller has one of LAVA's permissions on everything, such as "add_device"; superusers
// have all.
func (i Inside) Permitted(who Caller, permission string) (yes bool) {
	i.a.read(func(s *lab.State) {
		yes = lab.Covers(who.Scopes, lab.Administer, "") && s.Permitted(who.User, permission)
	})
	return yes
}

// Can says whether a caller may do something with an entity: see [lab.State.Can].
// Of jobs it knows those in the state alone; the verbs look further.
func (i Inside) Can(who Caller, verb lab.Verb, object events.Entity) (yes bool) {
	i.a.read(func(s *lab.State) { yes = who.caller().can(s, verb, object) })
	return yes
}

// Superuser says that a caller may do everything.
func (i Inside) Superuser(who Caller) (yes bool) {
	i.a.read(func(s *lab.State) { yes = who.caller().superuser(s) })
	return yes
}

// Staff says that a caller may see to others' groups and permissions, as LAVA's staff may.
func (i Inside) Staff(who Caller) (yes bool) {
	i.a.read(func(s *lab.State) {
		yes = lab.Covers(who.Scopes, lab.Administer, "") && s.Staff(who.User)
	})
	return yes
}
