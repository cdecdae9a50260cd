package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/stream"
	"strata/schemas/job"
)

// enqueue puts deliveries that were planned into the queues of their destinations. Of one that somebody wants sent again
// only its number is known: what it is stands in the job's plans.
// It is the loop's, right after the fold; an error is of the log.
func (s *service) enqueue(ctx context.Context) error {
	// In order, and each is taken out only once it stands in its queue: an error leaves the rest for
	// the next look.
	for len(s.s.fresh) > 0 {
		p := s.s.fresh[0]
		if p.Delivery.Kind == "" {
			told, err := s.Log.Load(ctx, events.Entity{Kind: events.Notification, ID: p.Job.String()})
			if err != nil {
				return err
			}
			if !p.find(told) { // there is no such delivery
				delete(s.s.pending, deliveryKey{p.Job, p.Delivery.N})
				s.s.fresh = s.s.fresh[1:]
				continue
			}
		}
		s.queues.push(p)
		s.s.fresh = s.s.fresh[1:]
	}
	s.s.fresh = nil
	return nil
}

// find fills a delivery from the job's plans.
// False is a number that nobody has planned, such as of a replay by hand.
func (p *pending) find(told []stream.Recorded) bool {
	for _, r := range told {
		e, ok := r.Event.(events.NotificationPlanned)
		if !ok {
			continue
		}
		for _, d := range e.Deliveries {
			if d.N == p.Delivery.N {
				p.Moment, p.Last, p.Before, p.Delivery = e.Moment, e.Last, e.Before, d
				return true
			}
		}
	}
	return false
}

// deliver starts an attempt at each delivery that may go.
// It never waits. Attempts run on goroutines of their own, at most atOnce for each destination, and
// leave what came of them in ended.
func (s *service) deliver(now time.Time) {
	for {
		list := s.queues.take(now)
		if len(list) == 0 {
			return
		}
		for _, p := range list {
			// By the pointer: a replay puts another one in its place.
			if s.s.pending[deliveryKey{p.Job, p.Delivery.N}] != p { // it has been sent, or given up
				s.queues.done(p)
				continue
			}
			p.attempts++
			copied := *p // the loop's own is written to by the fold
			s.group.Go(func() {
				answer, err := s.attempt(s.sending, copied)
				s.ended.Lock()
				s.ended.list = append(s.ended.list, outcomeOf{p, answer, err})
				s.ended.Unlock()
				select {
				case s.wake <- struct{}{}:
				default: // it is awake
				}
			})
		}
	}
}

// settle records what became of attempts, or has them made again.
// An error is of the log: what could not be recorded stays in unrecorded and is tried with the next
// look.
func (s *service) settle(ctx context.Context, now time.Time) error {
	s.ended.Lock()
	list := s.ended.list
	s.ended.list = nil
	s.ended.Unlock()
	for _, o := range list {
		s.queues.done(o.p)
		var wrong permanent
		var asked later
		switch {
		case o.err == nil:
			s.Logger.Info("notification sent", "job", o.p.Job, "delivery", o.p.Delivery.N, "attempts", o.p.attempts)
		case s.sending.Err() != nil:
			continue // stopped on the way: who has the turn next tries again
		case errors.Is(o.err, errSettled):
			continue
		// A dead letter stays in the log and can be replayed.
		case errors.As(o.err, &wrong) || errors.Is(o.err, errErased) || now.After(o.p.Since.Add(s.GiveUp)):
			s.Logger.Warn("notification given up", "job", o.p.Job, "delivery", o.p.Delivery.N, "attempts", o.p.attempts, "error", o.err)
		default:
			pause := pauseAfter(s.Pause, o.p.attempts)
			// What a receiver asks for by Retry-After is heeded where it is longer than the usual
			// pause.
			if errors.As(o.err, &asked) {
				pause = max(pause, asked.after)
			}
			o.p.due = now.Add(pause)
			s.queues.again(o.p)
			s.Logger.Info("notification is tried again", "job", o.p.Job, "delivery", o.p.Delivery.N, "attempts", o.p.attempts, "pause", pause, "error", o.err)
			continue
		}
		s.unrecorded = append(s.unrecorded, o)
	}
	return s.record(ctx)
}

// maxReason bounds the text of a fact.
const maxReason = 500

// record appends what became of deliveries, many at once.
// The facts go in the order in which the attempts ended. They are appended without a condition.
func (s *service) record(ctx context.Context) error {
	for len(s.unrecorded) > 0 {
		some := s.unrecorded[:min(len(s.unrecorded), stream.MaxBatch)]
		drafts := make([]stream.Draft, len(some))
		for i, o := range some {
			drafts[i] = stream.Draft{Trace: o.p.trace, Event: events.NotificationSent{Job: o.p.Job, N: o.p.Delivery.N, Attempts: o.p.attempts, Answer: o.answer}}
			if o.err != nil {
				reason := o.err.Error()
				drafts[i].Event = events.NotificationFailed{Job: o.p.Job, N: o.p.Delivery.N, Attempts: o.p.attempts, Reason: reason[:min(len(reason), maxReason)]}
			}
		}
		// Without a condition: the attempt has been made, whatever else the log says of it.
		if _, err := s.Log.Append(ctx, drafts, nil); err != nil {
			if ctx.Err() == nil {
				s.Logger.Warn("notify records again", "error", err)
			}
			return err
		}
		s.unrecorded = s.unrecorded[len(some):]
	}
	return nil
}

// errSettled says that the log has what became of a delivery; the fact is on its way here.
var errSettled = errors.New("the delivery has been sent or given up")

// settled says whether the last fact of a delivery is one that ends it.
func settled(told []stream.Recorded, n int) bool {
	over := false
	for _, r := range told {
		switch e := r.Event.(type) {
		case events.NotificationSent:
			over = over || e.N == n
		case events.NotificationFailed:
			over = over || e.N == n
		case events.NotificationReplayed:
			over = over && !slices.Contains(e.Deliveries, n)
		}
	}
	return over
}

// attempt tries to deliver once. It returns what the receiver said. It asks the log first: a process that has lost
// its turn may have recorded its last success after the fold of this one had begun.
// It runs beside the loop and must touch nothing of it: p is a copy, and of the state only the lab
// is read, under its lock.
func (s *service) attempt(ctx context.Context, p pending) (answer string, err error) {
	told, err := s.Log.Load(ctx, events.Entity{Kind: events.Notification, ID: p.Job.String()})
	if err != nil {
		return "", err
	}
	if settled(told, p.Delivery.N) {
		return "", errSettled
	}
	sub, n, err := s.subject(ctx, p)
	if err != nil {
		return "", err
	}
	d := p.Delivery
	id := fmt.Sprintf("%d.%d", p.Job, d.N)
	switch d.Kind {
	case events.DeliverCallback:
		// The text cannot change, but a newer release may read it otherwise.
		if d.Entry >= len(n.Callbacks) {
			return "", permanent{errors.New("the definition has no such callback")}
		}
		return s.call(ctx, sub, n.Callbacks[d.Entry], id)
	case events.DeliverIRC:
		nick, server := cutLast(d.To)
		within, cancel := context.WithTimeout(ctx, s.Timeout)
		defer cancel()
		return s.IRC.send(within, s.guard, remark{nick, server, sub.remark(s.URL, loud(n))})
	}
	to := d.To
	if d.Entry < 0 || d.Entry < len(n.Recipients) && n.Recipients[d.Entry].User != "" { // else the definition says the address
		to = cmp.Or(s.mailOf(events.UserName(to)), to)
	}
	if to == "" {
		return "", permanent{errors.New("the user has no mail address: `strata users set` and notify.mail_domain give users one")}
	}
	text, err := s.letterText(ctx, sub, n)
	if err != nil {
		return "", err
	}
	within, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	return s.Mail.send(within, letter{to: to, subject: sub.subjectLine(), text: text, delivery: id, at: s.Now()})
}

// cutLast divides nick@server.
func cutLast(to string) (nick, server string) {
	if i := strings.LastIndexByte(to, '@'); i >= 0 {
		return to[:i], to[i+1:]
	}
	return to, ""
}

// subject reads what a delivery is about.
// It reads the job's facts anew, so each attempt tells what is known when it goes.
func (s *service) subject(ctx context.Context, p pending) (subject, *job.Notify, error) {
	sub := subject{moment: p.Moment, baseline: p.Before}
	var err error
	if sub.first, err = s.load(ctx, p.Job, p.Moment); err != nil {
		return sub, nil, err
	}
	sub.mail = s.mailOf(sub.first.job.User)
	sub.last = sub.first
	if p.Last != 0 {
		if sub.last, err = s.load(ctx, p.Last, p.Moment); err != nil {
			return sub, nil, err
		}
	}
	if sub.text, sub.def, err = s.definition(ctx, sub.first); err != nil {
		return sub, nil, err
	}
	n := sub.def.Notification()
	if n == nil {
		return sub, nil, permanent{errors.New("the definition asks for no notification")}
	}
	// Going through the log for it is worth while only where somebody wanted the end.
	if by, _, _ := sub.last.canceler(); by != "" {
		sub.action, err = s.action(ctx, sub.last)
	}
	return sub, n, err
}

// letterText writes the text of a mail.
// Results are read only for a verbose mail of a job that is over.
func (s *service) letterText(ctx context.Context, sub subject, n *job.Notify) (string, error) {
	var cases []numbered
	var compared string
	if loud(n) == "verbose" && sub.last.over() && sub.moment == events.MomentFinished {
		var err error
		if cases, err = s.cases(ctx, sub.last.job.ID); err != nil {
			return "", err
		}
		if compared, err = s.compare(ctx, sub, n, cases); err != nil {
			return "", err
		}
	}
	return sub.write(s.URL, loud(n), cases, compared), nil
}

// call sends a callback.
// Log and results are read from the log anew for each attempt: what has come since the last one goes
// too.
func (s *service) call(ctx context.Context, sub subject, c job.Callback, id string) (string, error) {
	token, err := s.token(sub.first.job.User, c.Token)
	if err != nil {
		return "", err
	}
	in := call{url: sub.fill(c.URL), callback: c, token: token, delivery: id}
	if c.Method == "POST" {
		part := content{withs: c}
		if c.Logs() {
			// LAVA's body has no log where there is none, rather than an empty one.
			spoke, err := s.spoke(ctx, sub.last)
			if err != nil {
				return "", err
			}
			if spoke {
				part.log = func(w io.Writer) error { return s.writeLog(ctx, sub.last, w) }
			}
		}
		if c.Results() {
			cases, err := s.cases(ctx, sub.last.job.ID)
			if err != nil {
				return "", err
			}
			if part.results, err = suites(sub.last.job.ID, cases); err != nil {
				return "", err
			}
		}
		write := writeForm
		if c.ContentType == "json" {
			write = writeJSON
		}
		list := sub.pairs()
		if in.token != "" {
			list = append(list, pair{"token", in.token}) // LAVA's receivers find it here too
			in.secret = true
		}
		in.body = func(w io.Writer) error { return write(w, list, part) }
	}
	return s.caller.send(ctx, in)
}

// token is what a definition's token stands for, as LAVA has it: the submitter's API token of that description,
// else its secret of that name, else one of the lab's file, else itself. This is one of the two places where
// secrets are opened; the other is a job's order.
// An error is permanent where the lab's key does not open it.
func (s *service) token(user events.UserName, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	sealed, place := "", ""
	s.mu.RLock()
	// One without a sealed value has nothing to open.
	if t := s.s.lab.TokenNamed(user, name); t != nil && t.Sealed != "" {
		sealed, place = t.Sealed, access.Place(user, "token", string(t.Token))
	} else if r := s.s.lab.RemoteNamed(user, name); r != "" {
		sealed, place = r, access.Place(user, "remote", name)
	}
	s.mu.RUnlock()
	if sealed != "" {
		value, err := s.Key.Open(sealed, place)
		if err != nil {
			return "", permanent{fmt.Errorf("the token that the job names cannot be opened: it was kept with another key of the lab")}
		}
		return value, nil
	}
	if s.Tokens != nil {
		if token, known := s.Tokens(user, name); known {
			return token, nil
		}
	}
	return name, nil
}
