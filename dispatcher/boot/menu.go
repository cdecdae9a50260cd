package boot

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
)

// menu is how a firmware shows numbered choices: "[1] Boot Manager".
type menu struct {
	open, shut string // around the number
	class      string // characters of the number
	separator  string // between number and label
	label      string // characters of the label
}

// menuOf reads the menu of a boot method's parameters.
func menuOf(parameters pipeline.Data) (menu, error) {
	markup := parameters.Get("item_markup").Texts()
	if len(markup) != 2 {
		return menu{}, pipeline.Blamef(pipeline.Configuration, "item_markup is two texts, those around the number of an entry, not %s",
			parameters.Get("item_markup").Python())
	}
	m := menu{open: markup[0], shut: markup[1],
		class: parameters.Get("item_class").Text(), separator: parameters.Get("separator").Text(),
		label: parameters.Get("label_class").TextOr(`a-zA-Z0-9\s\:`)}
	if _, err := m.pattern(); err != nil {
		return m, pipeline.Blamef(pipeline.Configuration, "item_class or label_class: %w", err)
	}
	return m, nil
}

func (m menu) pattern() (*regexp.Regexp, error) {
	return regexp.Compile(regexp.QuoteMeta(m.open) + "([" + m.class + "]+)" + regexp.QuoteMeta(m.shut) +
		regexp.QuoteMeta(m.separator) + "([" + m.label + "]*)")
}

// number returns the number of the entry that has the label: the last one shown, since a menu may
// be on the screen twice. A label is compared as far as its characters are of the class.
func (m menu) number(screen, label string) (string, bool) {
	re, err := m.pattern()
	if err != nil {
		return "", false
	}
	known, err := regexp.Compile("^[" + m.label + "]*")
	if err != nil {
		return "", false
	}
	want := strings.TrimSpace(known.FindString(label))
	lines := strings.Split(screen, "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		for _, found := range re.FindAllStringSubmatch(line, -1) {
			if got := strings.TrimSpace(found[2]); got != "" && got == want {
				return found[1], true
			}
		}
	}
	return "", false
}

// menuStep is one entry of a way through menus: what to choose or type, and what shows that it is
// done.
type menuStep struct {
	items    []string // labels, the first that is there is chosen
	fallback string   // label to choose if none is
	enter    string   // text to type instead
	escape   bool     // leave the menu instead
	wait     string   // pattern
	typed    bool     // enter is set, be it empty
}

// menuSteps reads a list of `select` entries.
func menuSteps(list pipeline.Data) ([]menuStep, error) {
	if list.Kind() != pipeline.List {
		return nil, errors.New("a menu is a list of `select` entries")
	}
	var steps []menuStep
	for i, item := range list.Items() {
		entry := item.Get("select")
		for _, p := range entry.Pairs() {
			if !slices.Contains([]string{"items", "prompt", "enter", "escape", "wait", "fallback"}, p.Key) {
				return nil, fmt.Errorf("menu entry %d: '%s' is not known; items, enter, escape, wait and fallback are", i+1, p.Key)
			}
		}
		steps = append(steps, menuStep{
			items: entry.Get("items").Texts(), fallback: entry.Get("fallback").Text(),
			enter: entry.Get("enter").Text(), typed: entry.Has("enter"),
			escape: entry.Has("escape"), wait: entry.Get("wait").Text(),
		})
	}
	return steps, nil
}

// fill replaces placeholders in what is chosen and typed.
func (t substitutions) fillSteps(steps []menuStep) []menuStep {
	out := slices.Clone(steps)
	for i := range out {
		out[i].items = t.replace(out[i].items)
		out[i].enter = t.replace([]string{out[i].enter})[0]
		out[i].fallback = t.replace([]string{out[i].fallback})[0]
	}
	return out
}

// walker goes through menus.
type walker struct {
	menu   menu
	prompt string // what the first menu asks for a choice with
	steps  []menuStep
	boot   string // pattern of what shows that a system starts; "" for none
	end    string // of the line that a number is typed as
}

// menuEnd returns what ends a line that is typed at the menus of a method: a newline, unless a
// line_separator asks for CR LF. LAVA, where it has no effect there, types the newline as well.
func menuEnd(s *pipeline.Session, method string) string {
	if lineSeparator(s, loader{method, "boot"}) == "dos" {
		return "\r\n"
	}
	return "\n"
}

// walk goes through the menus from the prompt on.
func (w walker) walk(ctx context.Context, s *pipeline.Session, c *connection.Connection) error {
	screen := ""
	if w.prompt != "" {
		m, err := menuWait(ctx, s, c, w.prompt)
		if err != nil {
			return err
		}
		screen = m.Before
	}
	for _, step := range w.steps {
		if err := w.take(ctx, s, c, step, screen); err != nil {
			return err
		}
		if step.wait == "" {
			continue
		}
		m, err := menuWait(ctx, s, c, step.wait)
		if err != nil {
			return err
		}
		screen = m.Before
	}
	if w.boot == "" {
		return nil
	}
	_, err := menuWait(ctx, s, c, w.boot)
	return err
}

// take makes one step.
func (w walker) take(ctx context.Context, s *pipeline.Session, c *connection.Connection, step menuStep, screen string) error {
	switch {
	case step.typed:
		if err := closedIsLab(c.Send(ctx, step.enter, s.Step.CharDelay)); err != nil {
			return err
		}
		return closedIsLab(c.SendControl(ctx, 'm'))
	case step.escape:
		return closedIsLab(c.SendControl(ctx, '['))
	case len(step.items) == 0 && step.fallback == "":
		return nil
	}
	for _, label := range append(slices.Clone(step.items), step.fallback) {
		if label == "" {
			continue
		}
		if number, ok := w.menu.number(screen, label); ok {
			s.Log.Info("Selecting option %s (%s)", number, label)
			return closedIsLab(c.SendLineEnding(ctx, number, w.end, s.Step.CharDelay))
		}
	}
	return pipeline.Blamef(pipeline.Job, "No selection was made")
}

// menuWait waits on a menu, which is as quick as the step's connection timeout says.
func menuWait(ctx context.Context, s *pipeline.Session, c *connection.Connection, pattern string) (connection.Match, error) {
	return menuWaitAny(ctx, s, c, []string{pattern})
}

// menuWaitAny is menuWait for several patterns.
func menuWaitAny(ctx context.Context, s *pipeline.Session, c *connection.Connection, patterns []string) (connection.Match, error) {
	s.SetPrompts(c, patterns)
	limited, cancel := context.WithTimeout(ctx, s.Step.Connection)
	defer cancel()
	m, err := s.Wait(limited, c)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return m, pipeline.Blamef(pipeline.Test, "ShellSession command timed out.")
	}
	return m, err
}

// menuConnect is menu-connect: a console on which a menu, and no shell, is expected.
type menuConnect struct{}

// Name returns the action's name.
func (menuConnect) Name() string { return "menu-connect" }

// Description says what the action does.
func (menuConnect) Description() string { return "connect to the device's console to use its menus" }

// TimeoutClass blames the lab.
func (menuConnect) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// Validate checks as connect-device does.
func (menuConnect) Validate(ctx context.Context, s *pipeline.Session) error {
	return connect{}.Validate(ctx, s)
}

// Run connects. A menu has no use for the comment character that makes a shell show its prompt.
func (menuConnect) Run(ctx context.Context, s *pipeline.Session) error {
	if err := (connect{}).Run(ctx, s); err != nil {
		return fmt.Errorf("%w", err)
	}
	return newMenuLine(ctx, s)
}

// menuReset is menu-reset: a shell is expected again where the menus were.
type menuReset struct{}

// Name returns the action's name.
func (menuReset) Name() string { return "menu-reset" }

// Description says what the action does.
func (menuReset) Description() string { return "expect a shell again where menus were" }

// TimeoutClass blames the lab.
func (menuReset) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// Run types a newline.
func (menuReset) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	c.CheckChar = "#"
	return newLine(ctx, s, c)
}

func newMenuLine(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	c.CheckChar = ""
	return newLine(ctx, s, c)
}

func newLine(ctx context.Context, s *pipeline.Session, c *connection.Connection) error {
	if prompts := s.Block().Get("prompts").Texts(); len(prompts) > 0 {
		s.SetPrompts(c, prompts)
	}
	return s.SendLine(ctx, c, "")
}

// menuInterrupt is uefi-menu-interrupt and uefi-shell-menu-interrupt: it stops the countdown to
// the default entry, so that the menu is shown.
type menuInterrupt struct{ name, method string }

// Name returns the action's name.
func (a menuInterrupt) Name() string { return a.name }

// Description says what the action does.
func (menuInterrupt) Description() string { return "stop the firmware's countdown, to get its menu" }

// TimeoutClass blames the lab.
func (menuInterrupt) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// parameters returns where the device says how: for GRUB with the menus of the firmware.
func (a menuInterrupt) parameters(s *pipeline.Session) pipeline.Data {
	method := a.method
	if method == "grub-efi" {
		method = "uefi-menu"
	}
	return s.Device.Get("actions", "boot", "methods", method, "parameters")
}

// Validate checks that the device says how.
func (a menuInterrupt) Validate(_ context.Context, s *pipeline.Session) error {
	for _, key := range []string{"interrupt_prompt", "interrupt_string"} {
		if !a.parameters(s).Has(key) {
			s.Invalid("Missing %s in the device's parameters for %s", key, s.Step.Name())
		}
	}
	return nil
}

// Run waits for the countdown and types.
func (a menuInterrupt) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	s.SetPrompts(c, []string{a.parameters(s).Get("interrupt_prompt").Text()})
	if _, err := s.Wait(ctx, c); err != nil {
		return err
	}
	return closedIsLab(c.Send(ctx, a.parameters(s).Get("interrupt_string").Text(), 0))
}
