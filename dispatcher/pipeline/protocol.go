package pipeline

import (
	"context"
	"errors"
)

// Protocol is what a job agrees with somebody else while it runs. The job's definition names it under
// `protocols`; a block's actions ask it for something by a `protocols` list of their own.
type Protocol interface {
	// Name is its key in definitions, such as "lava-multinode".
	Name() string
	// Validate checks what the definition says of it.
	Validate(s *Session) error
	// Start is called before the first action, Finish after the last, however the job ended.
	Start(ctx context.Context, s *Session) error
	Finish(ctx context.Context, s *Session)
	// Request does what an action's entry asks for, and leaves what came of it in the step's namespace.
	Request(ctx context.Context, s *Session, request Data) error
}

// ProtocolData is the key of what a protocol's call left under an id: the pairs of a message.
func ProtocolData(protocol, id string) Key[[]Pair] {
	return Key[[]Pair](protocol + "/" + protocol + "/" + id)
}

// Protocol returns the job's protocol of that name, nil where it has none.
func (s *Session) Protocol(name string) Protocol {
	for _, p := range s.shared.protocols {
		if p.Name() == name {
			return p
		}
	}
	return nil
}

// requests makes the calls that the step's block asks for when this action begins.
func (s *Session) requests(ctx context.Context) error {
	for _, p := range s.shared.protocols {
		for _, item := range s.Block().Get("protocols", p.Name()).Items() {
			if item.Get("action").Text() != s.Step.Name() {
				continue
			}
			s.Log.Info("Making protocol call for %s using %s", s.Step.Name(), p.Name())
			if err := p.Request(ctx, s, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// Agree starts the job's protocols, which may have to wait for others. A plan is run after it.
func (p *Plan) Agree(ctx context.Context) error {
	s := p.session
	s.shared.started, s.shared.job = true, ctx
	start := s.Now()
	ctx, cancel := context.WithDeadline(ctx, start.Add(p.Timeout))
	defer cancel()
	for _, protocol := range s.shared.protocols {
		if err := protocol.Start(ctx, s); err != nil {
			return s.expired(ctx, err, protocol.Name(), Job, start)
		}
	}
	return nil
}

// part ends the job's protocols, where they were started.
func (s *Session) part(ctx context.Context) {
	if !s.shared.started {
		return
	}
	for _, p := range s.shared.protocols {
		p.Finish(ctx, s)
	}
}

// checkProtocols refuses protocols that nobody speaks here, and asks the others.
func (p *Plan) checkProtocols() error {
	var problems []error
	for _, pair := range p.session.Job.Get("protocols").Pairs() {
		protocol := p.session.Protocol(pair.Key)
		if protocol == nil {
			problems = append(problems, Blamef(Job, "protocol %s is not supported by this version", pair.Key))
			continue
		}
		problems = append(problems, protocol.Validate(p.session))
	}
	return errors.Join(problems...)
}
