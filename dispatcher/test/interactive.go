package test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/feedback"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/protocol"
	"strata/schemas/multinode"
	"strata/schemas/python"
)

// newInteractive returns lava-test-interactive-retry: commands typed at a console that need not be
// a shell's.
func newInteractive(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{Title: "lava-test-interactive-retry", About: "Retry wrapper for lava-test-interactive",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error { return step.Add(&interactive{}) }}}
}

// interactive is lava-test-interactive.
type interactive struct {
	expected map[int]*expectation // by place in the block, where the job has a list
}

// Name returns the action's name.
func (*interactive) Name() string { return "lava-test-interactive" }

// Description says what the action does.
func (*interactive) Description() string { return "type commands and look for what they print" }

// TimeoutClass is that of tests, which a job may skip.
func (*interactive) TimeoutClass() pipeline.Class { return pipeline.TestTimeout }

// Validate checks the scripts.
func (*interactive) Validate(_ context.Context, s *pipeline.Session) error {
	checkNamed(s)
	for _, script := range s.Block().Get("interactive").Items() {
		name := script.Get("name").Text()
		if name == "" {
			s.Invalid("an interactive script has no 'name'")
		}
		if len(script.Get("prompts").Texts()) == 0 {
			s.Invalid("the interactive script '%s' has no 'prompts'", name)
		}
		for _, item := range script.Get("script").Items() {
			for _, f := range item.Get("failures").Items() {
				if class := f.Get("exception").Text(); class != "" && exceptionClass(class) == "" {
					s.Invalid("exception '%s' of the interactive script '%s' is none of InfrastructureError, JobError, TestError", class, name)
				}
			}
		}
	}
	return nil
}

// exceptionClass returns the class that a failure's `exception` names, "" for none.
func exceptionClass(name string) pipeline.Class {
	switch name {
	case "InfrastructureError":
		return pipeline.Infrastructure
	case "JobError":
		return pipeline.Job
	case "TestError":
		return pipeline.Test
	}
	return ""
}

// Run plays the scripts.
func (a *interactive) Run(ctx context.Context, s *pipeline.Session) error {
	a.expected = nil
	if s.Step.SkipTimeout {
		s.Log.Info("The timeout has 'skip' enabled. If this test action block times out, the job will continue at the next action block.")
	}
	if other := s.Block().Get("connection-namespace"); !other.IsNull() {
		s.Log.Debug("Using connection namespace: %s", other.Text())
	} else {
		s.Log.Debug("Using namespace: %s", s.Namespace())
	}
	c := s.Console()
	if c == nil {
		return pipeline.Blamef(pipeline.Infrastructure, "No connection to the DUT")
	}
	ip, err := s.DispatcherIP("")
	if err != nil {
		return err
	}
	known, _ := pipeline.Get(s, pipeline.Substitutions)
	fill := pipeline.Of(append([]pipeline.Pair(nil), known...)).
		With("{SERVER_IP}", pipeline.Of(ip)).With("{JOB_ID}", pipeline.Of(s.ID))
	hear, err := feedback.Limit(s.Job)
	if err != nil {
		return err
	}
	defer keepNamed(s, a.places(s))
	for i, script := range s.Block().Get("interactive").Items() {
		p := &player{s: s, c: c, script: script, fill: fill, expect: a.list(s, i), hear: hear,
			suite: strconv.Itoa(s.Block().Get("stage").Int(0)) + "_" + script.Get("name").Text()}
		if err := p.play(ctx); err != nil {
			return err
		}
		fill = p.fill
	}
	return nil
}

// places lists the suites of the block; all work in the downloads of the job.
func (*interactive) places(s *pipeline.Session) (places []place) {
	for _, script := range s.Block().Get("interactive").Items() {
		name := script.Get("name").Text()
		places = append(places, place{strconv.Itoa(s.Block().Get("stage").Int(0)) + "_" + name, name, downloads(s)})
	}
	return places
}

// list returns the job's list of expected cases for a script, nil where it has none.
func (a *interactive) list(s *pipeline.Session, i int) *expectation {
	if a.expected == nil {
		a.expected = map[int]*expectation{}
		for i, script := range s.Block().Get("interactive").Items() {
			if !script.Get("expected").IsNull() {
				a.expected[i] = expect(script.Get("expected").Texts())
			}
		}
	}
	return a.expected[i]
}

// Cleanup reports the expected cases of scripts that did not come to their end.
func (a *interactive) Cleanup(_ context.Context, s *pipeline.Session) error {
	for i, script := range s.Block().Get("interactive").Items() {
		if e := a.list(s, i); e != nil && !e.done {
			e.report(s, strconv.Itoa(s.Block().Get("stage").Int(0))+"_"+script.Get("name").Text(), "")
		}
	}
	return nil
}

// player plays one script.
type player struct {
	s      *pipeline.Session
	c      *connection.Connection
	script pipeline.Data
	suite  string
	fill   pipeline.Data // what stands for {placeholders} in commands
	expect *expectation
	hear   time.Duration // how long another console is listened to
}

// play types the script's commands. Its own result says only whether it came to its end.
func (p *player) play(ctx context.Context) error {
	start := p.s.Now()
	var err error
	for _, item := range p.script.Get("script").Items() {
		if err = p.item(ctx, item); err != nil {
			break
		}
	}
	if err == nil && p.expect != nil {
		p.expect.report(p.s, p.suite, "")
	}
	verdict := "pass"
	if err != nil {
		verdict = "fail"
	}
	p.s.Log.Result(output.Fields{
		{Key: "definition", Value: "lava"}, {Key: "case", Value: p.suite}, {Key: "result", Value: verdict},
		{Key: "duration", Value: pipeline.Seconds(p.s.Now().Sub(start))}})
	return err
}

// item plays one item of the script.
func (p *player) item(ctx context.Context, item pipeline.Data) error {
	switch {
	case item.Has("delay"):
		p.s.Log.Info("Waiting for %d seconds", item.Get("delay").Int(0))
		t := time.NewTimer(time.Duration(item.Get("delay").Float(0) * float64(time.Second)))
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	case item.Has("lava-send"):
		return p.ask(ctx, protocol.Send, item.Get("lava-send").Text())
	case item.Has("lava-wait"):
		return p.ask(ctx, protocol.Wait, item.Get("lava-wait").Text())
	case item.Has("lava-wait-all"):
		// The role is named: "ready role=server".
		return p.ask(ctx, protocol.WaitAll, strings.Replace(item.Get("lava-wait-all").Text(), " role=", " ", 1))
	case item.Has("lava-sync"):
		return p.ask(ctx, protocol.Sync, item.Get("lava-sync").Text())
	case item.Has("command"):
		return p.command(ctx, item)
	}
	return nil
}

// ask asks the multinode group. What a message brings fills the placeholders of later commands.
func (p *player) ask(ctx context.Context, word protocol.Word, args string) error {
	group := protocol.In(p.s)
	if group == nil {
		return pipeline.Blamef(pipeline.Job, "lava-%s in an interactive script needs a multinode job",
			strings.ReplaceAll(strings.ToLower(string(word)), "_", "-"))
	}
	a, err := group.Call(ctx, p.s, word, args)
	if err != nil {
		return err
	}
	if a.Outcome != multinode.Done {
		return pipeline.Blamef(pipeline.Test, "LAVA_%s %s: %s", word, args, a.Reason)
	}
	for _, sent := range a.Messages {
		for _, pair := range sent.Message {
			p.fill = p.fill.With("{"+pair.Key+"}", pipeline.Of(pair.Value))
		}
	}
	return nil
}

// placeholders replaces {name} by what is known under that name.
func (p *player) placeholders(text string) string {
	for _, pair := range p.fill.Pairs() {
		text = strings.ReplaceAll(text, pair.Key, pair.Value.Text())
	}
	return text
}

// command types a command and waits for what the script says may come.
func (p *player) command(ctx context.Context, item pipeline.Data) error {
	start := p.s.Now()
	text := ""
	if command := item.Get("command"); command.IsNull() {
		p.s.Log.Info("Sending nothing, waiting")
	} else {
		text = p.placeholders(command.Text())
		p.s.Log.Info("Sending %s", python.Quote(text))
		if err := p.s.SendLine(ctx, p.c, text); err != nil {
			return err
		}
	}
	// The echo holds the command's own words, which a pattern might take for an answer.
	if p.script.Get("echo").Text() == "discard" {
		p.s.Log.Debug("Ignoring echo")
		if _, err := p.expectText(ctx, []string{"\n"}); err != nil {
			return err
		}
	}
	outcome, err := p.wait(ctx, item)
	if err != nil && outcome == "" {
		return err // of the console; it says nothing of the case
	}
	name := item.Get("name").Text()
	switch {
	case name != "":
		p.caseResult(name, outcome, start)
	case outcome == "fail" && err == nil:
		return pipeline.Blamef(pipeline.Test, "Failed to run command '%s'", text)
	}
	return err
}

// caseResult logs the result of a named command.
func (p *player) caseResult(name, result string, start time.Time) {
	if p.expect != nil {
		result = p.expect.hold(p.s, name, result)
	}
	p.s.Log.Result(output.Fields{
		{Key: "definition", Value: p.suite}, {Key: "case", Value: name}, {Key: "result", Value: result},
		{Key: "duration", Value: pipeline.Seconds(p.s.Now().Sub(start))}})
}

// expectText waits for patterns. While nothing comes, the consoles of other namespaces are read.
func (p *player) expectText(ctx context.Context, patterns []string) (connection.Match, error) {
	for {
		limited, cancel := context.WithTimeout(ctx, min(p.s.Step.Timeout, p.s.Step.Connection))
		m, err := p.s.Expect(limited, p.c, patterns)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return m, err
		}
		listenToOthers(ctx, p.s, p.c, p.hear)
	}
}

// wait waits for a prompt, a failure or a success, in this order where two come at once. outcome is
// the case's result; an error beside it is one that the script asks for.
func (p *player) wait(ctx context.Context, item pipeline.Data) (outcome string, err error) {
	prompts := p.script.Get("prompts").Texts()
	failures, successes := item.Get("failures").Items(), item.Get("successes").Items()
	// The order is the priority of two that begin at one place.
	patterns := append([]string(nil), prompts...)
	for _, m := range append(append([]pipeline.Data(nil), failures...), successes...) {
		patterns = append(patterns, m.Get("message").Text())
	}
	p.s.Log.Debug("Waiting for '%s'", strings.Join(patterns, "', '"))
	m, err := p.expectText(ctx, patterns)
	if err != nil {
		return "", err
	}
	switch i := m.Index - len(prompts); {
	case i < 0 && len(successes) > 0:
		p.s.Log.Error("Matched a prompt (was expecting a success): '%s'", prompts[m.Index])
		return "fail", nil
	case i < 0:
		p.s.Log.Debug("Matched a prompt: '%s'", prompts[m.Index])
		return "pass", nil
	case i < len(failures):
		p.s.Log.Error("Matched a failure: '%s'", failures[i].Get("message").Text())
		if class := exceptionClass(failures[i].Get("exception").Text()); class != "" {
			return "fail", pipeline.Blame(class, errors.New(failures[i].Get("error").TextOr(m.Text)))
		}
		outcome = "fail"
	default:
		p.s.Log.Info("Matched a success: '%s'", successes[i-len(failures)].Get("message").Text())
		for _, g := range m.Groups {
			if _, number := strconv.Atoi(g.Name); number != nil && g.Valid {
				p.fill = p.fill.With(fmt.Sprintf("{%s}", g.Name), pipeline.Of(g.Text))
			}
		}
		outcome = "pass"
	}
	if !item.Get("wait_for_prompt").Bool(true) {
		return outcome, nil
	}
	p.s.Log.Debug("Waiting for a prompt: '%s'", strings.Join(prompts, "', '"))
	if _, err := p.expectText(ctx, prompts); err != nil {
		return "", err
	}
	return outcome, nil
}
