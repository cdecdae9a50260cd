package protocol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/dispatcher/pipeline"
	"strata/schemas/multinode"
)

const multinodeName = "lava-multinode"

const (
	// joinWithin is how long a group may take to come together.
	joinWithin = 90 * time.Second
	// replyWithin is how long a call may take where nobody has said anything else.
	replyWithin = 30 * time.Second
)

// Multinode is a job's place in its group.
type Multinode struct {
	settings pipeline.Data // protocols.lava-multinode of the job
	ask      Ask
	client   string // the job's number
	role     string
	members  []multinode.Member
	wait     time.Duration // for calls that name no time themselves
	number   int           // of the last request
	joined   bool
}

func newMultinode(settings pipeline.Data, ask Ask) *Multinode {
	return &Multinode{settings: settings, ask: ask, role: settings.Get("role").Text(), wait: replyWithin}
}

// In returns the job's place in its group, nil where the job has none.
func In(s *pipeline.Session) *Multinode {
	m, _ := s.Protocol(multinodeName).(*Multinode)
	return m
}

// Name returns lava-multinode.
func (*Multinode) Name() string { return multinodeName }

// Role is the job's role.
func (m *Multinode) Role() string { return m.role }

// Members are the group's jobs and their roles, in the order in which their definitions name them, and
// behind them those that joined without having a device.
func (m *Multinode) Members() []multinode.Member { return m.members }

// Validate checks the job's place: the parts of a group get it when they are split and scheduled.
func (m *Multinode) Validate(s *pipeline.Session) error {
	m.client = s.ID
	if m.ask == nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Missing coordinator configuration: a multinode job runs in a lab, with the others of its group")
	}
	if _, err := multinode.Subject(m.settings.Get("target_group").Text()); err != nil {
		return pipeline.Blamef(pipeline.Job, "protocols.lava-multinode.target_group: %w", err)
	}
	switch {
	case m.role == "":
		return pipeline.Blamef(pipeline.Job, "protocols.lava-multinode has no role")
	case m.settings.Get("group_size").Int(0) < 1:
		return pipeline.Blamef(pipeline.Job, "protocols.lava-multinode.group_size is %s, want a number of at least 1", m.settings.Get("group_size").Python())
	case m.delayed() && m.settings.Get("expect_role").Text() == m.role:
		return pipeline.Blamef(pipeline.Job, "expect_role must not match the role declared by lava_start")
	}
	return nil
}

// delayed says that the job's actions wait for another role's sign.
func (m *Multinode) delayed() bool {
	return m.settings.Get("request").Text() == "lava-start" && !m.settings.Get("expect_role").IsNull()
}

// Start joins the group and waits for it to be complete, and for the sign to start where the job asks
// for one.
func (m *Multinode) Start(ctx context.Context, s *pipeline.Session) error {
	s.Log.Debug("Initialising group %s", m.settings.Get("target_group").Text())
	limit, err := m.timeout()
	if err != nil {
		return err
	}
	start := joinWithin
	if m.delayed() && limit > 0 {
		start = limit
	}
	join := multinode.Request{Op: multinode.Join, Size: m.settings.Get("group_size").Int(0)}
	a, err := m.call(ctx, join, start)
	if err != nil {
		return err
	}
	if a.Outcome != multinode.Done {
		return pipeline.Blamef(pipeline.MultinodeTimeout, "the group did not come together: %s", a.Reason)
	}
	m.joined, m.members = true, m.inOrder(a.Members)
	s.Log.Debug("lava-multinode protocol initialised")
	if !m.delayed() {
		return nil
	}
	of := m.settings.Get("expect_role").Text()
	s.Log.Debug("Delaying start: waiting for the role %s to send lava_start", of)
	a, err = m.call(ctx, multinode.Request{Op: multinode.WaitAll, ID: "lava_start", Of: of}, start)
	if err == nil && a.Outcome != multinode.Done {
		err = pipeline.Blamef(pipeline.MultinodeTimeout, "the sign to start did not come: %s", a.Reason)
	}
	return err
}

// inOrder puts members in the order of the definition, which is the same on all devices.
func (m *Multinode) inOrder(joined []multinode.Member) []multinode.Member {
	var all []multinode.Member
	for _, p := range m.settings.Get("roles").Pairs() {
		all = append(all, multinode.Member{Client: p.Key, Role: p.Value.Text()})
	}
	for _, x := range joined {
		if !slices.ContainsFunc(all, func(y multinode.Member) bool { return x.Client == y.Client }) {
			all = append(all, x)
		}
	}
	return all
}

// timeout returns the definition's time for calls, 0 where it says none.
func (m *Multinode) timeout() (time.Duration, error) {
	d := m.settings.Get("timeout")
	if d.IsNull() {
		return 0, nil
	}
	limit, err := pipeline.Duration(d)
	if err != nil {
		return 0, pipeline.Blamef(pipeline.Job, "protocols.lava-multinode.timeout: %w", err)
	}
	return limit, nil
}

// Finish leaves the group: who waits for this job is told so.
func (m *Multinode) Finish(ctx context.Context, s *pipeline.Session) {
	if !m.joined {
		return
	}
	m.joined = false
	// Nothing hangs on it: the lab knows when the job is over.
	if _, err := m.call(ctx, multinode.Request{Op: multinode.Leave}, 5*time.Second); err != nil {
		s.Log.Debug("the group was not told of the end: %s", err)
		return
	}
	s.Log.Debug("lava-multinode protocol finalised.")
}

// call asks the group, no longer than the limit. Time that is up is a fault of class MultinodeTimeout.
func (m *Multinode) call(ctx context.Context, r multinode.Request, limit time.Duration) (multinode.Answer, error) {
	m.number++
	r.Version, r.Client, r.Role, r.Number = multinode.Version, m.client, m.role, strconv.Itoa(m.number)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := m.ask(limited, m.settings.Get("target_group").Text(), r)
	switch {
	case err == nil:
		return a, nil
	case ctx.Err() != nil:
		return a, ctx.Err()
	case limited.Err() != nil:
		return a, pipeline.Blamef(pipeline.MultinodeTimeout, "protocol lava-multinode timed out")
	}
	var fault *pipeline.Fault
	if errors.As(err, &fault) {
		return a, err
	}
	return a, pipeline.Blamef(pipeline.Infrastructure, "ask the multinode group: %w", err)
}

// Word is what a request is called on the console, such as "SEND".
type Word string

// The requests that a device can make.
const (
	Send    Word = "SEND"
	Wait    Word = "WAIT"
	WaitAll Word = "WAIT_ALL"
	Sync    Word = "SYNC"
)

// Call makes a call for the device. args are what stood behind the word. It returns what the group
// answered; an error of class MultinodeTimeout where it did not in time, and of class Test where
// the arguments are wrong.
func (m *Multinode) Call(ctx context.Context, s *pipeline.Session, word Word, args string) (multinode.Answer, error) {
	r, err := parse(word, args)
	if err != nil {
		return multinode.Answer{}, err
	}
	if r.Op == multinode.Send {
		s.Log.Debug("%d key value pair(s) to be sent.", len(r.Message))
	}
	limit, err := m.timeout()
	if err != nil {
		return multinode.Answer{}, err
	}
	if limit == 0 {
		limit = m.wait
	}
	s.Log.Debug("Setting poll timeout of %d seconds", int(limit/time.Second))
	return m.call(ctx, r, limit)
}

// parse reads the arguments of a call. A sent value may hold blanks: a pair ends where the next begins.
func parse(word Word, args string) (multinode.Request, error) {
	fields := strings.Fields(args)
	if len(fields) == 0 {
		return multinode.Request{}, pipeline.Blamef(pipeline.Test, "LAVA_%s needs a message id", word)
	}
	r := multinode.Request{ID: fields[0]}
	switch word {
	case Send:
		r.Op = multinode.Send
		for _, f := range fields[1:] {
			k, v, pair := strings.Cut(f, "=")
			switch {
			case pair && k != "":
				r.Message = append(r.Message, multinode.Pair{Key: k, Value: v})
			case len(r.Message) > 0:
				r.Message[len(r.Message)-1].Value += " " + f
			}
		}
		return r, nil
	case Wait:
		r.Op = multinode.Wait
	case Sync:
		r.Op = multinode.Sync
	case WaitAll:
		r.Op = multinode.WaitAll
		if len(fields) == 2 {
			r.Of = fields[1]
			return r, nil
		}
	default:
		return r, pipeline.Blamef(pipeline.Test, "Unrecognised API call LAVA_%s", word)
	}
	if len(fields) != 1 {
		return r, pipeline.Blamef(pipeline.Test, "LAVA_%s takes one message id, not %q", word, args)
	}
	return r, nil
}

// Complete is the line that a waiting device is told: what it waited for, or that it is not to be had.
func Complete(word Word, a multinode.Answer) string {
	line := "<LAVA_" + string(word) + "_COMPLETE"
	if a.Outcome != multinode.Done {
		return line + " nack>"
	}
	for _, sent := range a.Messages {
		for _, p := range sent.Message {
			line += fmt.Sprintf(" %s:%s=%s", sent.Client, p.Key, p.Value)
		}
	}
	return line + ">"
}
