package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
	dictionaries "strata/schemas/device"
	"strata/schemas/order"
)

// HandsRequest asks for a device by hand: verb devices.hands, a flow of [HandsMessage].
// Errors: [Denied] for who may neither change the device nor has it reserved, [Conflict] where a job
// or somebody else has it, [Away] where its worker is offline or says nothing.
type HandsRequest struct {
	Device     events.DeviceName `json:"device"`
	Use        events.HandsUse   `json:"use"`
	Connection string            `json:"connection,omitempty"` // of console: a name in commands.connections; empty: the main one
	Prompts    []string          `json:"prompts,omitempty"`    // of check: patterns to wait for instead of the dictionary's
	Silence    int               `json:"silence,omitempty"`    // of check: seconds to wait for the first byte; 0: 30
	Patience   int               `json:"patience,omitempty"`   // of check: seconds to wait for a prompt; 0: 60
}

// HandsMessage is a message of such a flow; each has one of these.
type HandsMessage struct {
	// Job has the device: its console can only be read, as the target lines of that job's log. The flow ends.
	Job        events.JobID `json:"job,omitempty"`
	JobDisplay string       `json:"job_display,omitempty"`

	Session string `json:"session,omitempty"` // the session has begun; devices.type types in it
	Text    string `json:"text,omitempty"`    // of the console
	// It stands before the text that follows the gap.
	Lost uint64     `json:"lost,omitempty"` // bytes of the console were lost here: this reader was too slow for it
	Line string     `json:"line,omitempty"` // what a command printed, or what was called
	Step *HandsStep `json:"step,omitempty"` // of a check, once it has ended
}

// HandsStep is a step of a check.
// Says and Hint are for people, OK is for programs.
type HandsStep struct {
	Name string `json:"step"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`           // what was done and what came of it, a sentence
	Saw  string `json:"saw,omitempty"`  // the last lines of the console
	Hint string `json:"hint,omitempty"` // where to look, of a step that failed
}

// TypeRequest types on the console of a session of the caller's.
type TypeRequest struct {
	Device  events.DeviceName `json:"device"`
	Session string            `json:"session"`
	Text    string            `json:"text"` // at most 4 KiB
}

// maxTyped is the most that is typed at once.
// A pasted line fits. Whoever has more cuts it into pieces, so that a slow console is not swamped.
const maxTyped = 4 << 10

// The times of a session.
const (
	workerAnswers = 15 * time.Second // to say that the session has begun
	// The worker says something at each keep at the latest, and a console with nothing to say is not
	// silence.
	workerSilent = time.Minute // without a sign of the worker the session is over
	keepEvery    = 10 * time.Second
	endWithin    = 5 * time.Second // what is left is said
)

// handsBacklog is how many of a session's messages may wait for its reader; then they are lost.
// The loss is seen by the bytes that the next message counts, and told in Lost.
const handsBacklog = 64

// errEnded says that the session is over, and well.
var errEnded = errors.New("the session has ended")

// openHands checks a wish for a device by hand.
func (a *api) openHands(who caller, body []byte) (producer, error) {
	in, err := decode[HandsRequest](body)
	if err != nil {
		return nil, err
	}
	switch in.Use {
	case events.UseConsole, events.UsePowerOn, events.UsePowerOff, events.UseReset, events.UseCheck:
	default:
		return nil, &Error{Code: Invalid, Field: "use", Message: fmt.Sprintf("use is %q, allowed are console, power on, power off, reset, check", string(in.Use))}
	}
	// Five minutes are more than any board takes to its prompt, and the device is nobody else's
	// meanwhile.
	if in.Silence < 0 || in.Silence > 300 || in.Patience < 0 || in.Patience > 300 {
		return nil, refuse(Invalid, "silence is %d and patience %d seconds, allowed are 0 to 300", in.Silence, in.Patience)
	}
	return func(ctx context.Context, emit func(message) error) error {
		return a.hands(ctx, who, in, func(m HandsMessage) error {
			body, err := json.Marshal(m)
			if err != nil {
				return err
			}
			return emit(message{body: body})
		})
	}, nil
}

// hands does what is asked of a device by hand, from taking it to letting it go.
// Whatever happens in between, the hold that it takes is let go of at its end, with what came of it.
func (a *api) hands(ctx context.Context, who caller, in HandsRequest, emit func(HandsMessage) error) error {
	job, config, env, err := a.board(who, in)
	if err != nil {
		return err
	}
	// The caller then reads the job's log with the rights on that, and nothing is taken.
	if job.Job != 0 {
		return emit(job)
	}
	if in.Use == events.UseCheck {
		var failed error
		// Nothing has been taken yet: a dictionary that does not render needs no board to be found
		// out.
		if config, failed, err = a.checkText(in.Device, emit); failed != nil || err != nil {
			return errors.Join(err, failed)
		}
	}
	h, err := a.hold(ctx, who, in.Device, in.Use)
	if err != nil {
		return err
	}
	err = a.session(ctx, who, in, &h, order.Hands{Config: config, Env: env}, emit)
	// A caller that goes away is the usual end of a console, and no fault.
	outcome := "done"
	if err != nil && ctx.Err() == nil {
		outcome = cut(err.Error(), 500)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if lost := a.letGo(last, who, h, outcome); lost != nil {
		a.logger.Warn("let go of a device", "device", in.Device, "err", lost) // its time ends by itself
	}
	return err
}

// board returns what the worker needs to know of a device, or the job that has it where only its console
// is asked for. A dictionary that does not render is returned as it is to a check, which says so.
// env is the worker's env.yaml, as a job's order has it. Rights on the device are checked here,
// before anything is taken, and again by hold.
func (a *api) board(who caller, in HandsRequest) (job HandsMessage, config, env string, err error) {
	a.read(func(s *lab.State) {
		d := s.Device(in.Device)
		if d != nil && d.Job != 0 && in.Use == events.UseConsole && who.can(s, lab.View, events.Entity{Kind: events.Job, ID: d.Job.String()}) {
			job = HandsMessage{Job: d.Job, JobDisplay: displayed(s, d.Job)}
			return
		}
		if d, err = a.mayHands(s, who, in.Device); err != nil {
			return
		}
		if err = reachable(s, d); err != nil {
			return
		}
		env = s.Worker(d.Worker).Env
		if in.Use == events.UseCheck {
			return // rendered as its first step
		}
		types := dictionaries.Templates{Text: s.Template}
		// Without a job there is no context to render with.
		text, bad := types.Render(string(d.Name), string(d.Type), []byte(d.Dictionary), nil)
		if bad != nil {
			err = refuse(Conflict, "configuration of device %s, version %d: %v", d.Name, d.Version, bad)
		}
		config = string(text)
	})
	return job, config, env, err
}

// checkText does the steps of a check that need no board: the dictionary renders, and what it renders to is valid.
// failed is what is wrong with the texts and was told as a step; err is a caller that is gone.
func (a *api) checkText(name events.DeviceName, emit func(HandsMessage) error) (config string, failed, err error) {
	var text []byte
	version := 0
	a.read(func(s *lab.State) {
		d := s.Device(name)
		if d == nil {
			err = refuse(NotFound, "there is no device %s", name)
			return
		}
		version = d.Version
		types := dictionaries.Templates{Text: s.Template}
		text, failed = types.Render(string(d.Name), string(d.Type), []byte(d.Dictionary), nil)
	})
	tell := func(step, well, hint string) error {
		s := HandsStep{Name: step, OK: failed == nil, Says: well}
		if failed != nil {
			s.Says, s.Hint = failed.Error(), hint
			failed = refuse(Failed, "%s: %v", step, failed)
		}
		return emit(HandsMessage{Step: &s})
	}
	if err == nil {
		err = tell("render", fmt.Sprintf("version %d of the dictionary renders", version), "mend the dictionary or the template of its type: `strata devices configure`, `strata device-types configure`")
	}
	if err != nil || failed != nil {
		return "", failed, err
	}
	_, failed = dictionaries.Load(text, nil)
	err = tell("validate", "what it renders to is a valid configuration", "`strata devices render` shows what the dictionary renders to")
	return string(text), failed, err
}

// session lets the worker do it, and hands on what it says until that is over or the caller is gone.
// The subscription stands before the order goes out, so that no word of the worker's is missed.
func (a *api) session(ctx context.Context, who caller, in HandsRequest, h *hold, o order.Hands, emit func(HandsMessage) error) error {
	o.Version, o.Session, o.Device, o.Lease = order.Version, nuid.Next(), string(h.device), uint64(h.lease)
	o.Connection, o.Prompts, o.Silence, o.Patience = in.Connection, in.Prompts, in.Silence, in.Patience
	switch in.Use {
	case events.UseConsole:
		o.Do = order.DoConsole
	case events.UseCheck:
		o.Do = order.DoCheck
	default:
		o.Do = order.DoPower
		o.Power = map[events.HandsUse]string{events.UsePowerOn: "on", events.UsePowerOff: "off", events.UseReset: "reset"}[in.Use]
	}
	said := make(chan *nats.Msg, handsBacklog)
	sub, err := a.conn.ChanSubscribe(access.HandsSubject(h.worker)+"."+o.Session, said)
	if err != nil {
		return fmt.Errorf("listen to worker %s: %w", h.worker, err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone
	if err := a.order(h.worker, o); err != nil {
		return err
	}
	r := relayed{api: a, who: who, hold: h, session: o.Session, emit: emit}
	err = r.run(ctx, said)
	if errors.Is(err, errEnded) {
		return nil
	}
	r.end(said)
	return err
}

// order sends a worker what is to be done by hand.
// The bus does not keep it: a worker that does not listen never learns of it, and the session ends
// by its silence.
// It returns once the message is in the client's buffer.
func (a *api) order(w events.WorkerName, o order.Hands) error {
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode order by hand: %w", err)
	}
	return a.conn.Publish(access.HandsSubject(w), body)
}

// relayed is a session as this side sees it.
// It is one goroutine's: the flow's producer.
type relayed struct {
	*api
	who     caller
	hold    *hold
	session string
	emit    func(HandsMessage) error

	number, at uint64 // of the last message; bytes of text up to its end
	over       bool   // the worker said so
}

// run hands on what the worker says. It returns errEnded when it is done, the worker's own reason as an
// error, or ctx's error when the caller is gone.
func (r *relayed) run(ctx context.Context, said <-chan *nats.Msg) error {
	keep := time.NewTicker(keepEvery)
	defer keep.Stop()
	silent := time.NewTimer(workerAnswers)
	defer silent.Stop()
	for {
		// Anybody with a right on the device may end the hold (devices.release): the session sees it
		// by the fact.
		r.mu.RLock()
		holds, changed := r.hold.holds(r.state), r.changed
		r.mu.RUnlock()
		if !holds {
			return refuse(Conflict, "somebody else has ended this use of device %s: `strata events device/%s` says who", r.hold.device, r.hold.device)
		}
		select {
		case m := <-said:
			silent.Reset(workerSilent)
			if err := r.hear(m.Data); err != nil {
				return err
			}
		case <-keep.C:
			var over error // such as the end of a reservation
			r.read(func(s *lab.State) { _, over = r.mayHands(s, r.who, r.hold.device) })
			if over != nil {
				return over
			}
			if err := r.order(r.hold.worker, order.Hands{Version: order.Version, Do: order.DoKeep, Session: r.session}); err != nil {
				return err
			}
			if err := r.goOn(ctx, r.who, r.hold); err != nil && ctx.Err() == nil {
				r.logger.Warn("hold of a device is not moved on", "device", r.hold.device, "err", err)
			}
		// Any fact: the loop's head looks whether the hold is still there.
		case <-changed:
		case <-silent.C:
			if r.number == 0 {
				return refuse(Away, "worker %s does not answer: its devices are simulated, or its release knows nothing of hands on devices", r.hold.worker)
			}
			return refuse(Away, "worker %s does not answer any more", r.hold.worker)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hear hands on one message.
// The first message begins the session for the caller, whatever is in it, unless it ends it at once.
func (r *relayed) hear(data []byte) error {
	var m order.HandsSaid
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("read what worker %s says: %w", r.hold.worker, err)
	}
	if r.number == 0 && !m.Ended {
		if err := r.emit(HandsMessage{Session: r.session}); err != nil {
			return err
		}
	}
	// At is where this text begins among all that the console has said in the session.
	if m.At > r.at {
		if err := r.emit(HandsMessage{Lost: m.At - r.at}); err != nil {
			return err
		}
	}
	r.number, r.at = m.Number, max(r.at, m.At+uint64(len(m.Text)))
	out := HandsMessage{Text: m.Text, Line: m.Line}
	if m.Step != nil {
		out.Step = &HandsStep{}
		if err := json.Unmarshal(m.Step, out.Step); err != nil {
			return fmt.Errorf("read what worker %s says: %w", r.hold.worker, err)
		}
	}
	if out != (HandsMessage{}) {
		if err := r.emit(out); err != nil {
			return err
		}
	}
	switch {
	case m.Ended && m.Error != "":
		r.over = true
		return refuse(Failed, "%s", m.Error)
	case m.Ended:
		return errEnded
	}
	return nil
}

// end tells the worker that the caller is gone, and waits a moment for it to let the board go: after that the
// device may be given to a job, and until the worker has let go it waits for the board itself.
func (r *relayed) end(said <-chan *nats.Msg) {
	if r.over {
		return
	}
	if err := r.order(r.hold.worker, order.Hands{Version: order.Version, Do: order.DoEnd, Session: r.session}); err != nil {
		return
	}
	late := time.NewTimer(endWithin)
	defer late.Stop()
	for {
		select {
		case m := <-said:
			var s order.HandsSaid
			if json.Unmarshal(m.Data, &s) == nil && s.Ended {
				return
			}
		case <-late.C:
			return
		}
	}
}

// typeOnConsole types on the console that the caller has in hand.
// It does not wait for the letters to arrive: what comes of them is seen in the session's flow. The
// worker refuses a session that is not of this device.
// `strata devices console` asks it for each piece of what is typed.
func (a *api) typeOnConsole(_ context.Context, who caller, in TypeRequest) (none, error) {
	if len(in.Text) > maxTyped {
		return none{}, refuse(Invalid, "text is %d bytes, at most %d are typed at once", len(in.Text), maxTyped)
	}
	var worker events.WorkerName
	var err error
	a.read(func(s *lab.State) {
		d := s.Device(in.Device)
		switch {
		case d == nil || !who.can(s, lab.View, events.Entity{Kind: events.Device, ID: string(d.Name)}) && (d.Hold == nil || d.Hold.By != who.user):
			err = refuse(NotFound, "there is no device %s", in.Device)
		case !lab.Covers(who.scopes, lab.Change, events.Device):
			err = notFor(who)
		case d.Job != 0 && seenJob(s, who, d.Job) != 0:
			err = refuse(Conflict, "device %s runs job %s: its console can only be read until that is over", d.Name, displayed(s, d.Job))
		case d.Hold == nil || d.Hold.By != who.user:
			err = refuse(Conflict, "%s does not have device %s in hand", who.user, in.Device)
		default:
			worker = d.Hold.On
		}
	})
	if err != nil {
		return none{}, err
	}
	return none{}, a.order(worker, order.Hands{Version: order.Version, Do: order.DoType, Session: in.Session, Device: string(in.Device), Text: in.Text})
}
