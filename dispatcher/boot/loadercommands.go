package boot

import (
	"context"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
)

// loaderCommands is bootloader-commands: it types at the boot loader what bootloader-overlay
// prepared.
type loaderCommands struct {
	loader loader
	// noFinal leaves the device at what the last line does, waiting for nothing.
	noFinal bool
	// final, if set, is what to wait for after the last line instead of the constant.
	final func(s *pipeline.Session) string
}

// Name returns the action's name.
func (*loaderCommands) Name() string { return "bootloader-commands" }

// Description says what the action does.
func (*loaderCommands) Description() string { return "type commands at the boot loader" }

// TimeoutClass blames the lab.
func (*loaderCommands) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// Run types the lines, each when the loader asks for one.
func (a *loaderCommands) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	prompt := a.loader.parameters(s).Get("bootloader_prompt").Text()
	errors := a.loader.errorMessages(s)
	s.SetPrompts(c, append([]string{prompt}, errors...))
	if at, _ := pipeline.Get(s, atPrompt); !at {
		if err := a.wait(ctx, s, c, errors); err != nil {
			return err
		}
		if err := settle(ctx, c); err != nil {
			return err
		}
	}
	pipeline.Put(s, atPrompt, false) // from here on commands are under way
	lines, _ := pipeline.Get(s, a.loader.commandsKey())
	for i, line := range lines {
		if err := a.loader.sendLine(ctx, s, c, line); err != nil {
			return err
		}
		if i+1 == len(lines) {
			break
		}
		if err := a.wait(ctx, s, c, errors); err != nil {
			return err
		}
	}
	final := a.finalMessage(s)
	if final == "" {
		return nil
	}
	s.SetPrompts(c, append([]string{final}, errors...))
	return a.wait(ctx, s, c, errors)
}

// quiet is how long nothing may come before a prompt counts as the last one.
const quiet = 200 * time.Millisecond

// settle reads on until the console is quiet. Where a character and a newline stop a countdown, the
// newline makes a second prompt: taking that for the answer to the first line would put every line
// one prompt ahead, and boards lose what is typed while they are busy.
func settle(ctx context.Context, c *connection.Connection) error {
	for {
		came, err := c.Drain(ctx, quiet, "")
		if err != nil {
			return closedIsLab(err)
		}
		if !came {
			return nil
		}
	}
}

// finalMessage returns the pattern of what shows that the last line did its work, "" for none.
func (a *loaderCommands) finalMessage(s *pipeline.Session) string {
	switch {
	case a.noFinal:
		return ""
	case a.final != nil:
		return a.final(s)
	}
	if own := s.Block().Get("parameters", "bootloader-final-message"); !own.IsNull() {
		return own.Text()
	}
	return s.Device.Get("constants", a.loader.method, "final-message").Text()
}

// wait waits for the first of the console's prompts. Any other is a message of the loader that
// says why it cannot go on.
func (a *loaderCommands) wait(ctx context.Context, s *pipeline.Session, c *connection.Connection, errors []string) error {
	m, err := wait(ctx, s, c, a.loader.method)
	if err != nil {
		return err
	}
	if m.Index > 0 {
		return pipeline.Blamef(pipeline.Infrastructure, "matched a bootloader error message: '%s' (%d)", errors[m.Index-1], m.Index)
	}
	return nil
}

// altbank is bootloader-commands-altbank: it has U-Boot start its copy in the other flash bank.
type altbank struct{ loader loader }

// Name returns the action's name.
func (altbank) Name() string { return "bootloader-commands-altbank" }

// Description says what the action does.
func (altbank) Description() string { return "start the boot loader of the other flash bank" }

// TimeoutClass blames the lab.
func (altbank) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// Run types the command at the prompt; the loader that starts then is waited for by whoever is next.
func (a altbank) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	parameters := a.loader.parameters(s)
	s.SetPrompts(c, []string{parameters.Get("bootloader_prompt").Text()})
	if at, _ := pipeline.Get(s, atPrompt); !at {
		if _, err := s.Wait(ctx, c); err != nil {
			return err
		}
	}
	pipeline.Put(s, atPrompt, false)
	return s.SendLine(ctx, c, parameters.Get("uboot_altbank_cmd").TextOr("reset"))
}
