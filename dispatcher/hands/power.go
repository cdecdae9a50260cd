package hands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
	"strata/events"
	"strata/schemas/python"
)

// Board is a device in somebody's hands.
type Board struct {
	Device pipeline.Data // its rendered dictionary
	Env    []string      // of its commands, as in os.Environ
	Now    func() time.Time
	// Say is told, in order, of each line that a command prints or that tells of it.
	Say func(text string)
}

// Switch is what can be done to a device's power.
type Switch string

// What can be done to a device's power.
const (
	On    Switch = "on"    // pre_power_command and power_on
	Off   Switch = "off"   // power_off
	Reset Switch = "reset" // hard_reset
)

// command is the key of the dictionary that a switch needs, and the dispatcher's own action for it.
func (s Switch) command() (key string, action pipeline.Action, err error) {
	switch s {
	case On:
		return "power_on", power.On(), nil
	case Off:
		return "power_off", power.Off(), nil
	case Reset:
		return "hard_reset", power.Reset(), nil
	}
	return "", nil, fmt.Errorf("power is %q, allowed are on, off, reset", string(s))
}

// Power switches the device's power. The error names the command that failed and what it printed, or the
// one that the dictionary lacks.
func Power(ctx context.Context, b Board, s Switch) error {
	key, action, err := s.command()
	if err != nil {
		return err
	}
	if !b.has(key) {
		return fmt.Errorf("the device's dictionary has no commands.%s%s", key, b.others())
	}
	return b.run(ctx, action)
}

// has says that the dictionary has a command.
func (b Board) has(key string) bool { return b.Device.Get("commands", key).True() }

// others lists the commands of the dictionary, as the end of a sentence that misses one.
func (b Board) others() string {
	var keys []string
	for _, p := range b.Device.Get("commands").Pairs() {
		keys = append(keys, p.Key)
	}
	if len(keys) == 0 {
		return ": it has no commands at all"
	}
	return ": it has " + strings.Join(keys, ", ")
}

// said keeps the last lines that commands printed, for an error that they explain.
type said struct {
	board Board
	lines []string
}

// printed begins the records with what a command prints; the others tell of the command itself.
const printed = ">> "

// write takes a record of the log.
func (w *said) write(r events.Record) error {
	var text string
	if json.Unmarshal(r.Message, &text) != nil {
		return nil // a result, which nobody waits for here
	}
	if line, ok := strings.CutPrefix(text, printed); ok {
		w.lines = append(w.lines, line)
		w.lines = w.lines[max(len(w.lines)-3, 0):]
	} else if r.Level == events.Error || !strings.HasPrefix(text, "Calling: ") && !strings.HasPrefix(text, "Returned ") {
		return nil // the pipeline's own words: the error says it
	}
	w.board.Say(text)
	return nil
}

// run runs one action of the dispatcher on the device, with the times that the dictionary gives it.
func (b Board) run(ctx context.Context, a pipeline.Action) error {
	dir, err := os.MkdirTemp("", "strata-hands-")
	if err != nil {
		return fmt.Errorf("make a scratch directory: %w", err)
	}
	defer os.RemoveAll(dir)
	job, err := pipeline.ReadYAML([]byte("{timeouts: {job: {minutes: 5}, action: {minutes: 2}}, actions: [{command: {}}]}"))
	if err != nil {
		return err
	}
	log := &said{board: b}
	plan, err := pipeline.Parse(pipeline.Inputs{
		ID: "0", Dir: dir, Now: b.Now, Env: b.Env, Job: job, Device: b.Device,
		Log: output.New(output.Settings{Now: b.Now, Write: log.write}),
		Methods: pipeline.Methods{
			Command:  func(pipeline.Data) pipeline.Action { return a },
			Finalize: func() pipeline.Action { return pipeline.Basic{Title: "finalize"} },
		},
	})
	if err == nil {
		err = plan.Run(ctx)
	}
	if err != nil && len(log.lines) > 0 {
		err = fmt.Errorf("%w: it said %s", err, python.Quote(strings.Join(log.lines, " / ")))
	}
	return err
}

// errNoConsole says that the dictionary names no console.
var errNoConsole = errors.New("the device's dictionary has no commands.connect, and no entry of commands.connections is tagged primary")
