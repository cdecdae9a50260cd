package hands

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
)

// Step is one of a check, as it ended.
type Step struct {
	Name string `json:"step"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`           // what was done and what came of it, a sentence
	Saw  string `json:"saw,omitempty"`  // the last lines of the console, where they explain it
	Hint string `json:"hint,omitempty"` // where to look, of a step that failed
}

// Patience says how long a check waits. Zero values are the defaults.
type Patience struct {
	Silence time.Duration // for the first byte after power came; 30 s
	Prompt  time.Duration // for what the console should show; 60 s
	Prompts []string      // to wait for instead of what the dictionary names: regular expressions
}

// settled is how long a console command has to live to count as connected: one whose other end is
// not there ends within moments.
const settled = time.Second

// check is a check under way.
type check struct {
	Board
	Patience
	told    func(Step)
	console *connection.Connection
	seen    strings.Builder // what the console has shown, at most the last keep bytes
}

// keep is how much of the console is remembered.
const keep = 4 << 10

// failure is a step that did not go well.
type failure struct{ says, saw, hint string }

// Error returns what happened.
func (f *failure) Error() string { return f.says }

// Check goes through a board: the programs of its commands, the console, each power command, the first
// signs of life, the prompt. It tells each step as it ends and stops at the first that fails, whose
// sentence it returns as error. In the end the board is without power, if it can be switched off.
func Check(ctx context.Context, b Board, p Patience, told func(Step)) error {
	c := &check{Board: b, Patience: p, told: told}
	if c.Silence == 0 {
		c.Silence = 30 * time.Second
	}
	if c.Prompt == 0 {
		c.Prompt = time.Minute
	}
	err := c.all(ctx)
	if c.console != nil {
		_ = c.console.Close() // the check is over, however the command ends
	}
	if b.has("power_off") { // also of a check that was stopped: the board is left as a job leaves it
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
		defer cancel()
		if off := b.run(last, power.Off()); off != nil && err == nil {
			err = c.step("power off at the end", func() (string, error) { return "", off })
		}
	}
	return err
}

// all goes through the steps.
func (c *check) all(ctx context.Context) error {
	if err := c.step("programs", func() (string, error) { return c.programs() }); err != nil {
		return err
	}
	if err := c.step("console", func() (string, error) { return c.connected(ctx) }); err != nil {
		return err
	}
	last := "" // the command after which the board has power
	for _, k := range []struct {
		key    string
		action pipeline.Action
		power  bool
	}{
		{"power_off", power.Off(), false},
		{"pre_os_command", power.PreOS(), false},
		{"power_on", power.On(), true},
		{"hard_reset", power.Reset(), true},
	} {
		if !c.has(k.key) {
			continue
		}
		if k.power {
			last = k.key
			c.forget(ctx) // what comes now comes from this command
		}
		if err := c.step(k.key, func() (string, error) { return c.command(ctx, k.key, k.action) }); err != nil {
			return err
		}
	}
	if err := c.step("output", func() (string, error) { return c.output(ctx, last) }); err != nil {
		return err
	}
	return c.step("prompt", func() (string, error) { return c.prompt(ctx) })
}

// step does one step and tells of it.
func (c *check) step(name string, do func() (string, error)) error {
	says, err := do()
	s := Step{Name: name, OK: err == nil, Says: says}
	if err != nil {
		s.Says = err.Error()
		var f *failure
		if errors.As(err, &f) {
			s.Saw, s.Hint = f.saw, f.hint
		}
		err = fmt.Errorf("%s: %w", name, err)
	}
	c.told(s)
	return err
}

// programs looks for the program of each command.
func (c *check) programs() (string, error) {
	n := 0
	var look func(path string, d pipeline.Data) error
	look = func(path string, d pipeline.Data) error {
		for _, p := range d.Pairs() {
			if p.Key == "tags" {
				continue
			}
			if err := look(path+"."+p.Key, p.Value); err != nil {
				return err
			}
		}
		if path == "commands.soft_reboot" {
			return nil // typed on the console
		}
		for _, text := range d.Texts() {
			argv, err := pipeline.Words(text)
			if err != nil {
				return &failure{says: fmt.Sprintf("%s: %q: %v", path, text, err), hint: "close the quote in the dictionary"}
			}
			if len(argv) == 0 {
				continue
			}
			if _, err := exec.LookPath(argv[0]); err != nil {
				return &failure{says: fmt.Sprintf("%s names the program %s, which is not on this worker", path, argv[0]),
					hint: "install it on the worker, or give its whole path"}
			}
			n++
		}
		return nil
	}
	if err := look("commands", c.Device.Get("commands")); err != nil {
		return "", err
	}
	return fmt.Sprintf("the programs of %d commands are there", n), nil
}

// connected opens the console and sees whether it stays.
func (c *check) connected(ctx context.Context) (string, error) {
	console, command, err := c.connect("")
	if err != nil {
		return "", &failure{says: err.Error(), hint: "give the device a commands.connect that reaches its serial console from the worker"}
	}
	c.console = console
	if err := c.listen(ctx, settled, func() bool { return false }); errors.Is(err, connection.ErrClosed) {
		return "", &failure{says: fmt.Sprintf("the console command %q ended at once", command), saw: c.tail(),
			hint: "try it by hand on the worker: the address, the port, the device file and its permissions are usual"}
	} else if err != nil {
		return "", err
	}
	return fmt.Sprintf("%q is connected", command), nil
}

// command runs one power command.
func (c *check) command(ctx context.Context, key string, a pipeline.Action) (string, error) {
	began := c.Now()
	if err := c.run(ctx, a); err != nil {
		return "", &failure{says: fmt.Sprintf("commands.%s failed: %v", key, err),
			hint: "the console was reached, so the board's serial line is not the cause: try this command by hand on the worker"}
	}
	return fmt.Sprintf("commands.%s took %s", key, c.Now().Sub(began).Round(time.Millisecond)), nil
}

// output waits for the first sign of life.
func (c *check) output(ctx context.Context, after string) (string, error) {
	if after == "" {
		after = "nothing, for the dictionary has neither power_on nor hard_reset"
	}
	err := c.listen(ctx, c.Silence, func() bool { return c.seen.Len() > 0 })
	switch {
	case errors.Is(err, connection.ErrClosed):
		return "", &failure{says: "the console closed after the power came", saw: c.tail(), hint: "does the console hang on the board's own power?"}
	case err != nil:
		return "", err
	case c.seen.Len() == 0:
		return "", &failure{says: fmt.Sprintf("nothing came on the console within %s after %s", c.Silence, after),
			hint: "power and console answer, so look between them: the serial cable, its RX and TX, the port's speed, whether the console is this board's, whether the board boots at all"}
	}
	return "the console talks", nil
}

// listen reads the console for so long, or until it is enough.
func (c *check) listen(ctx context.Context, limit time.Duration, enough func() bool) error {
	if enough() {
		return nil
	}
	done, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop := errors.New("enough")
	err := c.console.Relay(done, nil, func(text []byte) error {
		c.keepText(string(text))
		if enough() {
			return stop
		}
		return nil
	})
	if errors.Is(err, stop) || done.Err() != nil && ctx.Err() == nil && !errors.Is(err, connection.ErrClosed) {
		return nil
	}
	return err
}

// forget drops what the console said before.
func (c *check) forget(ctx context.Context) {
	_ = c.listen(ctx, 50*time.Millisecond, func() bool { return false }) // its end shows at the next look
	c.seen.Reset()
}

func (c *check) keepText(text string) {
	whole := c.seen.String() + text
	c.seen.Reset()
	c.seen.WriteString(whole[max(len(whole)-keep, 0):])
}

// tail is the end of what the console has shown, without what would act on a terminal.
func (c *check) tail() string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return -1
		}
		return r
	}, c.seen.String())
	var lines []string
	for line := range strings.Lines(clean) {
		if line = strings.TrimRight(line, " \n"); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(len(lines)-12, 0):], "\n")
}
