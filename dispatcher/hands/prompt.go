package hands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
)

// loader is what the dictionary says of a boot loader: what stops its countdown, and what it then asks with.
type loader struct {
	method   string
	counter  string // empty: it stops by itself
	source   string // of the counter in the dictionary
	prompt   string
	keys     string
	controls []string
	newline  bool
}

// loaders lists the boot methods of a device that name a prompt, in the order of its dictionary.
func loaders(device pipeline.Data) (all []loader) {
	for _, m := range device.Get("actions", "boot", "methods").Pairs() {
		parameters, constants := m.Value.Get("parameters"), device.Get("constants", m.Key)
		l := loader{method: m.Key, prompt: parameters.Get("bootloader_prompt").Text(),
			counter: constants.Get("interrupt-prompt").Text(), source: "constants." + m.Key + ".interrupt-prompt",
			keys:     parameters.Get("interrupt_char").TextOr(constants.Get("interrupt-character").Text()),
			controls: constants.Get("interrupt_ctrl_list").Texts(), newline: constants.Get("interrupt-newline").Bool(true)}
		if l.prompt == "" {
			continue
		}
		if own := parameters.Get("interrupt_prompt").Text(); own != "" {
			l.counter, l.source = own, "actions.boot.methods."+m.Key+".parameters.interrupt_prompt"
		}
		if own, ok := parameters.Lookup("interrupt_ctrl_list"); ok && !own.IsNull() {
			l.controls = own.Texts()
		}
		if !parameters.Get("needs_interrupt").Bool(true) || l.counter == "" {
			l.counter = ""
		}
		all = append(all, l)
	}
	return all
}

// first is what the loader shows first, and where the dictionary says so.
func (l loader) first() (pattern, source string) {
	if l.counter != "" {
		return l.counter, l.source
	}
	return l.prompt, "actions.boot.methods." + l.method + ".parameters.bootloader_prompt"
}

// prompt waits for what the dictionary, or the person, says that the console will show.
func (c *check) prompt(ctx context.Context) (string, error) {
	var patterns, wanted []string
	found := loaders(c.Device)
	for _, l := range found {
		pattern, source := l.first()
		patterns, wanted = append(patterns, pattern), append(wanted, fmt.Sprintf("%q (%s)", pattern, source))
	}
	if len(c.Prompts) > 0 {
		found, patterns, wanted = nil, c.Prompts, []string{fmt.Sprintf("%q", strings.Join(c.Prompts, `", "`))}
	}
	if len(patterns) == 0 {
		return "the dictionary names no prompt to wait for; the job's own prompts count", nil
	}
	m, err := c.expect(ctx, c.Prompt, patterns)
	if err != nil {
		return "", c.missed(err, "the console talks, but never showed "+strings.Join(wanted, " or "),
			"compare it with what was seen: the pattern is spelled otherwise, or the board stops before it; --prompt tries another")
	}
	if len(found) == 0 || found[m.Index].counter == "" {
		return fmt.Sprintf("the console showed %q", m.Text), nil
	}
	l := found[m.Index]
	if err := c.interrupt(ctx, l); err != nil {
		return "", fmt.Errorf("stop the countdown of %s: %w", l.method, err)
	}
	if _, err := c.expect(ctx, c.Prompt, []string{l.prompt}); err != nil {
		return "", c.missed(err, fmt.Sprintf("%s was stopped at %q, but never asked with %q (actions.boot.methods.%s.parameters.bootloader_prompt)", l.method, m.Text, l.prompt, l.method),
			"compare it with what was seen: another prompt, or the key of interrupt-character does not stop it")
	}
	return fmt.Sprintf("%s was stopped at %q and asks with %q", l.method, m.Text, l.prompt), nil
}

// missed says that a wait was in vain.
func (c *check) missed(err error, says, hint string) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{says: fmt.Sprintf("%s, within %s", says, c.Prompt), saw: c.tail(), hint: hint}
	case errors.Is(err, connection.ErrClosed):
		return &failure{says: "the console closed while waiting: " + says, saw: c.tail(), hint: "is somebody else on the console?"}
	}
	return err
}

// expect waits for one of the patterns in what the console has shown since the power came and shows on.
func (c *check) expect(ctx context.Context, limit time.Duration, patterns []string) (connection.Match, error) {
	var compiled []connection.Pattern
	for _, text := range patterns {
		p, err := connection.Compile(text, 0)
		if err != nil {
			return connection.Match{}, fmt.Errorf("pattern %q: %w", text, err)
		}
		compiled = append(compiled, p)
	}
	var match connection.Match
	enough := func() bool {
		index, text, rest, ok := connection.Find(c.seen.String(), compiled)
		if ok {
			match = connection.Match{Index: index, Text: text}
			c.seen.Reset()
			c.seen.WriteString(rest)
		}
		return ok
	}
	found := false
	if err := c.listen(ctx, limit, func() bool { found = enough(); return found }); err != nil {
		return match, err
	}
	if !found {
		return match, context.DeadlineExceeded
	}
	return match, nil
}

// interrupt types what stops a loader's countdown.
func (c *check) interrupt(ctx context.Context, l loader) error {
	for _, letter := range l.controls {
		if letter == "" {
			continue
		}
		if err := c.console.SendControl(ctx, letter[0]); err != nil {
			return err
		}
	}
	if len(l.controls) > 0 {
		return nil
	}
	keys := l.keys
	if l.newline {
		keys += "\n"
	}
	return c.console.Send(ctx, keys, 0)
}
