package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"strata/dispatcher/output"
)

// Validate checks the plan: `start: 0 validate` to the result of case "validate". Problems that
// actions record are collected, so that a user sees all of them at once; what the user did not
// cause (an unreachable server, a wrong dictionary) ends the check.
func (p *Plan) Validate(ctx context.Context) error {
	s := p.session
	start := s.Now()
	// Programs look for this line, so it keeps the name that it has in LAVA.
	s.Log.Info("lava-dispatcher, installed at version: %s", s.shared.version)
	s.Log.Info("start: 0 validate")
	s.Log.Info("Start time: %s (UTC)", start.UTC().Format("2006-01-02 15:04:05.000000+00:00"))
	ctx, cancel := context.WithDeadline(ctx, start.Add(p.Timeout))
	defer cancel()
	err := p.validate(ctx)
	err = s.expired(ctx, err, "job", Job, start)
	s.Log.Info("validate duration: %s", Seconds(s.Now().Sub(start)))
	verdict := "pass"
	if err != nil {
		verdict = "fail"
	}
	s.Log.Result(output.Fields{
		{Key: "definition", Value: "lava"}, {Key: "case", Value: "validate"}, {Key: "result", Value: verdict},
	})
	return err
}

func (p *Plan) validate(ctx context.Context) error {
	if err := p.namespaces(); err != nil {
		return err
	}
	if err := p.checkProtocols(); err != nil {
		return err
	}
	for _, step := range p.Steps {
		if step.Timeout > p.Timeout {
			p.session.Log.Warning("The timeout of %s %s (%s) is longer than that of the job (%s), which ends it first.",
				step.Level, step.Name(), Clock(step.Timeout), Clock(p.Timeout))
		}
		if err := p.session.at(step).validate(ctx); err != nil {
			return err
		}
	}
	if problems := p.session.shared.invalid; len(problems) > 0 {
		// The newline is part of the message that clients of LAVA match on.
		return Blamef(Job, "Invalid job data: %s\n", ReprList(problems))
	}
	return nil
}

// namespaces refuses names that would collide: "common" beside others, and the one that docker
// tests make for themselves.
func (p *Plan) namespaces() error {
	var names []string
	for _, step := range p.Steps {
		if step.Section != "finalize" && !slices.Contains(names, step.Namespace) {
			names = append(names, step.Namespace)
		}
	}
	if len(names) > 1 && slices.Contains(names, common) {
		return Blamef(Job, "'%s' is a reserved namespace: with several namespaces (%s) each block must name its own",
			common, strings.Join(names, ", "))
	}
	if slices.Contains(names, "docker-test-shell") {
		return Blamef(Job, "'docker-test-shell' is a reserved namespace")
	}
	return nil
}

// validate checks a step and then its children.
func (s *Session) validate(ctx context.Context) error {
	step := s.Step
	if name := step.Name(); name == "" || strings.ContainsAny(name, " _") {
		s.Invalid("action name %q must not be empty nor hold spaces or underscores", name)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if v, ok := step.Action.(Validator); ok {
		if err := s.validateOnce(ctx, v); err != nil {
			if ClassOf(err) != Job || ctx.Err() != nil {
				return fmt.Errorf("%w", err)
			}
			s.Invalid("%s %s: %s", step.Level, step.Name(), err)
		}
	}
	for _, child := range step.Children {
		if err := s.at(child).validate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// validateOnce asks one action. A panic is a bug of the action, and ends the job, not the process.
func (s *Session) validateOnce(ctx context.Context, v Validator) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = s.bug(s.Step.Name(), r)
		}
	}()
	return v.Validate(ctx, s)
}
