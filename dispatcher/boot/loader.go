package boot

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
)

// loader is a boot loader that a device stops at.
type loader struct {
	method  string // as constants and boot methods name it: "u-boot"
	section string // where the device has its parameters: "boot", or "deploy" for fastboot via U-Boot
}

// of returns the boot loader that a boot block speaks of.
func of(block pipeline.Data) loader {
	method := block.Get("method").Text()
	if method == "bootloader" || method == "uuu" {
		method = block.Get("bootloader").TextOr("u-boot")
	}
	return loader{method: method, section: "boot"}
}

// entry returns the device's dictionary of the loader.
func (l loader) entry(s *pipeline.Session) pipeline.Data {
	return s.Device.Get("actions", l.section, "methods", l.method)
}

// parameters returns the loader's parameters.
func (l loader) parameters(s *pipeline.Session) pipeline.Data { return l.entry(s).Get("parameters") }

// errorMessages returns the patterns of what the loader prints when it fails.
func (l loader) errorMessages(s *pipeline.Session) []string {
	return s.Device.Get("constants", l.method, "error-messages").Texts()
}

// sendLine types a line with the end that the loader takes: firmware wants a carriage return, unless
// its line_separator is unix. iPXE polls its console, and loses characters that come meanwhile.
func (l loader) sendLine(ctx context.Context, s *pipeline.Session, c *connection.Connection, line string) error {
	if l.method == "ipxe" {
		return closedIsLab(c.SendEchoed(ctx, line, s.Step.CharDelay))
	}
	if l.method != "uefi" && l.method != "uefi-menu" || lineSeparator(s, l) == "unix" {
		return s.SendLine(ctx, c, line)
	}
	return closedIsLab(c.SendLineEnding(ctx, line, "\r\n", s.Step.CharDelay))
}

// wait waits for the console's prompts. iPXE ends its lines after 80 characters, be it in the middle of
// an error message or of the echo before the prompt.
func wait(ctx context.Context, s *pipeline.Session, c *connection.Connection, method string) (connection.Match, error) {
	if method != "ipxe" {
		return s.Wait(ctx, c)
	}
	return s.WaitAs(ctx, c, wrapped(c.Prompts))
}

// wrapped returns patterns that match texts with a line end anywhere in them. What is more than a text
// stays as it is.
func wrapped(patterns []string) []string {
	out := slices.Clone(patterns)
	for i, p := range patterns {
		if regexp.QuoteMeta(p) == p {
			out[i] = strings.Join(strings.Split(p, ""), `(?:\r?\n)?`)
		}
	}
	return out
}

// lineSeparator returns "unix", "dos" or "": the block's, or that of the device's method. Some
// dictionaries have one among the method's parameters, where LAVA never looked; their devices have
// always been typed at with CR LF.
func lineSeparator(s *pipeline.Session, l loader) string {
	return first(s.Block().Get("line_separator").Text(), l.entry(s).Get("line_separator").Text())
}

// atPrompt says that the loader stands at its prompt, and that nobody need wait for it.
const atPrompt pipeline.Key[bool] = "interrupt/interrupt/at_bootloader_prompt"

// interrupt is bootloader-interrupt: it stops the boot loader before it starts a system.
type interrupt struct {
	loader loader

	needed          bool
	prompt, counter string // what the loader asks for commands with, and what it counts down with
	text            string
	controls        []string // letters
	newline         bool
}

// Name returns the action's name.
func (*interrupt) Name() string { return "bootloader-interrupt" }

// Description says what the action does.
func (*interrupt) Description() string { return "stop the boot loader before it boots by itself" }

// TimeoutClass blames the lab: a board that shows no boot loader has no power, or no console.
func (*interrupt) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// Validate reads how to stop the loader. The constants must be there even where the device's
// method has its own, as LAVA's dictionaries have them.
func (a *interrupt) Validate(_ context.Context, s *pipeline.Session) error {
	if !s.Device.Get("actions", "boot", "connections").Has("serial") && a.loader.section == "boot" {
		s.Invalid("Device is not configured to interrupt bootloaders over a serial connection")
		return nil
	}
	parameters := a.loader.parameters(s)
	if a.prompt = parameters.Get("bootloader_prompt").Text(); a.prompt == "" {
		s.Invalid("Missing bootloader prompt for device")
	}
	a.needed = parameters.Get("needs_interrupt").Bool(true)
	counter, err := s.DeviceConstant("interrupt-prompt", a.loader.method)
	if err != nil {
		return err
	}
	a.counter = parameters.Get("interrupt_prompt").TextOr(counter.Text())
	constants := s.Device.Get("constants", a.loader.method)
	if a.loader.method != "ipxe" { // iPXE is stopped with a control character only
		char, err := s.DeviceConstant("interrupt-character", a.loader.method)
		if err != nil {
			return err
		}
		a.text = parameters.Get("interrupt_char").TextOr(char.Text())
	}
	a.controls = constants.Get("interrupt_ctrl_list").Texts()
	if own, ok := parameters.Lookup("interrupt_ctrl_list"); ok && !own.IsNull() {
		a.controls = own.Texts()
	}
	a.newline = constants.Get("interrupt-newline").Bool(true)
	return nil
}

// Run waits for the countdown and stops it, or waits for the prompt of a loader that stops itself.
func (a *interrupt) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	if !a.needed {
		s.SetPrompts(c, []string{a.prompt})
		if _, err := s.Wait(ctx, c); err != nil {
			return err
		}
		pipeline.Put(s, atPrompt, true)
		return nil
	}
	s.Log.Debug("Changing prompt to '%s'", a.counter)
	pipeline.Put(s, atPrompt, false)
	s.SetPrompts(c, []string{a.counter})
	if _, err := s.Wait(ctx, c); err != nil {
		return err
	}
	if len(a.controls) > 0 {
		for _, letter := range a.controls {
			if letter == "" {
				continue
			}
			if err := closedIsLab(c.SendControl(ctx, letter[0])); err != nil {
				return err
			}
		}
		return nil
	}
	if a.newline {
		// No character delay: the countdown does not wait.
		return closedIsLab(c.SendLine(ctx, a.text, 0))
	}
	return closedIsLab(c.Send(ctx, a.text, 0))
}

// console returns the connection that an action types on.
func console(s *pipeline.Session) (*connection.Connection, error) {
	if c := s.Console(); c != nil {
		return c, nil
	}
	return nil, pipeline.Blamef(pipeline.Infrastructure, "%s started without a connection already in use", s.Step.Name())
}
