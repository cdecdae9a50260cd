package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// The status is 0 only where the command of the dictionary ended with 0.
func (a *app) devicePower() *cobra.Command {
	uses := map[string]events.HandsUse{"on": events.UsePowerOn, "off": events.UsePowerOff, "reset": events.UseReset}
	return &cobra.Command{
		Use:   "power DEVICE on|off|reset",
		Short: "Switch a device's power",
		Long: `Switch the power of a device with the command of its dictionary: power_on, power_off or hard_reset. Its
worker runs the command, as it does for a job, and what it prints is shown. No job is given the device
meanwhile; while a job has it, its power is that job's, and the job is named. Whoever may change the
device, or has it reserved now, may switch it.`,
		Example:   "  strata devices power bbb01 off\n  strata devices power bbb01 reset",
		Args:      cobra.ExactArgs(2),
		ValidArgs: []string{"on", "off", "reset"},
		RunE: func(cmd *cobra.Command, args []string) error {
			use, ok := uses[args[1]]
			if !ok {
				return misuse("%q is nothing that power can do: allowed are on, off, reset", args[1])
			}
			in := api.HandsRequest{Device: events.DeviceName(args[0]), Use: use}
			err := a.hands(cmd.Context(), in, func(_ api.Client, m api.HandsMessage) error {
				if m.Line == "" {
					return nil
				}
				_, err := fmt.Fprintln(a.out, m.Line)
				return err
			})
			if err == nil && !a.json {
				a.say("device %s: %s is done", args[0], use)
			}
			return err
		},
	}
}

// The status is 1 where a step failed, which is printed where it stands and not said again. With
// --json each message of the check is a line.
func (a *app) deviceCheck() *cobra.Command {
	var in api.HandsRequest
	var silence, patience time.Duration
	cmd := &cobra.Command{
		Use:   "check DEVICE",
		Short: "Check a board by hand, step by step",
		Long: `Check a board that is new or was mended: its dictionary renders and is valid, the programs of its
commands are on the worker, the console command connects and stays, each power command works, the
console talks once the power is on, and shows what the dictionary says it does (of a boot loader: its
countdown, and its prompt when that is stopped). The first step that fails ends the check, says what
was seen and where to look. In the end the board is without power.

It needs no job and no image. A health check proves what this cannot: that whole jobs pass.`,
		Example: "  strata devices check bbb01\n  strata devices check bbb01 --prompt 'login:' --wait 3m",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Device, in.Use = events.DeviceName(args[0]), events.UseCheck
			in.Silence, in.Patience = int(silence/time.Second), int(patience/time.Second)
			// The request has whole seconds; the api holds the same bounds.
			if in.Silence < 1 || in.Silence > 300 || in.Patience < 1 || in.Patience > 300 {
				return misuse("--silence is %s and --wait %s: allowed are 1s to 5m", silence, patience)
			}
			failed := false
			err := a.hands(cmd.Context(), in, func(_ api.Client, m api.HandsMessage) error {
				if m.Step == nil {
					return nil
				}
				failed = failed || !m.Step.OK
				return a.printStep(*m.Step)
			})
			if failed && err != nil {
				return errQuiet // the step has said it
			}
			if err == nil && !a.json {
				a.say("device %s is well as far as hands can tell; a health check tells the rest", in.Device)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&in.Prompts, "prompt", nil, "wait for this pattern instead of what the dictionary names; may be repeated")
	f.DurationVar(&silence, "silence", 30*time.Second, "how long the console may be silent after the power came")
	f.DurationVar(&patience, "wait", time.Minute, "how long to wait for a prompt")
	return cmd
}

// printStep shows a step of a check.
// Words of a fixed width, and not colour alone, say how it went: logs of scripts have no colours.
func (a *app) printStep(s api.HandsStep) error {
	mark, colour := "ok  ", green
	if !s.OK {
		mark, colour = "FAIL", red
	}
	text := fmt.Sprintf("%s %-15s %s\n", a.paint(a.out, colour, mark), s.Name, s.Says)
	for line := range strings.Lines(s.Saw) {
		text += "       seen: " + strings.TrimRight(line, "\n") + "\n"
	}
	if s.Hint != "" {
		text += "       look: " + s.Hint + "\n"
	}
	_, err := io.WriteString(a.out, text)
	return err
}

// Released again, a device that nobody has in hand is the api's to refuse.
func (a *app) deviceRelease() *cobra.Command {
	var in api.DeviceRequest
	cmd := &cobra.Command{
		Use:   "release DEVICE",
		Short: "Take a device out of somebody's hands",
		Long: `End the use of a device by hand, whoever began it: the console closes, a power command or a check
is stopped, and jobs may have the device again. A use whose terminal has gone ends by itself within a
minute, and one that the lab lost sight of within ten.`,
		Example: "  strata devices release bbb01 --reason 'needed for the nightly run'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Device = events.DeviceName(args[0])
			return a.changed(cmd, "devices.release", in, "released")
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why")
	return cmd
}

// hands asks for a device by hand and hands over what comes of it; with --json that is printed instead.
// Messages of a console are handed over with --json too: its session has to be run whatever is
// printed.
func (a *app) hands(ctx context.Context, in api.HandsRequest, each func(api.Client, api.HandsMessage) error) error {
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	return explain(c.Stream(ctx, "devices.hands", in, func(msg *nats.Msg) error {
		var m api.HandsMessage
		if err := json.Unmarshal(msg.Data, &m); err != nil {
			return fmt.Errorf("read what the lab says: %w", err)
		}
		if a.json {
			if err := a.printJSON(m); err != nil {
				return err
			}
		}
		if a.json && in.Use != events.UseConsole {
			return nil
		}
		return each(c, m)
	}))
}

func (a *app) deviceConsole() *cobra.Command {
	var in api.HandsRequest
	var stay time.Duration
	cmd := &cobra.Command{
		Use:   "console DEVICE",
		Short: "Use a device's console",
		Long: `Join this terminal to the console of a device, through the worker that it hangs on. Ctrl-] leaves. No
job is given the device meanwhile, and "strata devices power" works beside it in another terminal.

While a job runs on the device, its console can only be read: what it says is shown until the job is
over, and what is typed is refused with that job named.

Where the input is no terminal it is typed as it comes; --for says how long to stay after its end.`,
		Example: "  strata devices console bbb01\n  strata devices console bbb01 --connection uart1\n  echo version | strata devices console bbb01 --for 5s",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if stay < 0 {
				return misuse("--for %v: 0 or more", stay)
			}
			in.Device, in.Use = events.DeviceName(args[0]), events.UseConsole
			t := &terminalSession{app: a, device: in.Device, stay: stay}
			return t.run(cmd.Context(), in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Connection, "connection", "", "a console of the dictionary's commands.connections by its name, instead of the main one")
	f.DurationVar(&stay, "for", 0, "how long to stay after the end of the input (default: until the console ends)")
	return cmd
}

// Why a person leaves a console.
var (
	errLeft    = errors.New("left the console")
	errRefused = errors.New("input refused")
)

// leaveKey is Ctrl-].
// As of telnet and virsh: a console needs Ctrl-C, Ctrl-D and Ctrl-Z for itself.
const leaveKey = 0x1d

// typedAtOnce is the most that goes in one request, as the api has it.
// A paste of more goes in several requests.
const typedAtOnce = 4 << 10

// terminalSession is a person at a console.
type terminalSession struct {
	*app
	device events.DeviceName
	stay   time.Duration
	job    string // that has the device; empty: the console is the person's
}

// run shows the console until it ends or the person leaves.
// The terminal is given back its own mode before anything more is said, and whatever happens: a shell
// in raw mode is of no use.
func (t *terminalSession) run(ctx context.Context, in api.HandsRequest) error {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	restore := func() {}
	defer func() { restore() }()
	var job events.JobID
	err := t.hands(ctx, in, func(c api.Client, m api.HandsMessage) error {
		switch {
		case m.Job != 0:
			job, t.job = m.Job, m.JobDisplay
		case m.Session != "":
			t.say("console of %s; Ctrl-] leaves", t.device)
			// Only now: until the console is there, Ctrl-C has to end the command.
			restore = rawMode(t.in)
			go t.typeAll(ctx, leave, func(text string) error {
				return c.Call(ctx, "devices.type", api.TypeRequest{Device: t.device, Session: m.Session, Text: text}, nil)
			})
		case m.Lost > 0:
			t.say("%d bytes of the console were lost here", m.Lost)
		case !t.json:
			_, err := io.WriteString(t.out, m.Text)
			return err
		}
		return nil
	})
	if job != 0 && err == nil {
		err = t.watch(ctx, leave, job)
	}
	restore()
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errLeft):
		return nil
	case errors.Is(cause, errRefused):
		return errQuiet
	case cause != nil && !errors.Is(cause, context.Canceled):
		return explain(cause)
	}
	return err
}

// watch shows what the console says to the job that has the device.
// Typed input is read all the same, so that Ctrl-] leaves as ever, and a pipe is told at once that
// nobody takes what it says.
func (t *terminalSession) watch(ctx context.Context, leave context.CancelCauseFunc, job events.JobID) error {
	t.say("device %s runs job %s: its console can only be read until that is over", t.device, t.job)
	go t.typeAll(ctx, leave, func(text string) error {
		t.say("%s: job %s has the device, and what is typed here is refused", t.device, t.job)
		if !terminal(asFile(t.in)) {
			return errRefused
		}
		return nil
	})
	c, done, err := t.client()
	if err != nil {
		return err
	}
	defer done()
	err = c.Log(ctx, api.LogRequest{Job: job, Follow: true}, func(n uint64, r events.Record) error {
		if r.Level != events.Target {
			return nil
		}
		if t.json {
			return t.printRecord(n, r)
		}
		var line string
		if json.Unmarshal(r.Message, &line) != nil {
			line = string(r.Message)
		}
		_, err := fmt.Fprintln(t.out, line)
		return err
	})
	if err == nil {
		t.say("job %s is over; `strata devices console %s` again opens the console", t.job, t.device)
	}
	return explain(err)
}

// typeAll hands on what is typed, in order, until the person leaves. It outlives the command where the input
// says nothing: a read cannot be called back.
// In order, one request after the other: two at once could arrive the other way round.
func (t *terminalSession) typeAll(ctx context.Context, leave context.CancelCauseFunc, send func(string) error) {
	keys := make([]byte, typedAtOnce)
	for ctx.Err() == nil {
		n, err := t.in.Read(keys)
		text, _, left := bytes.Cut(keys[:n], []byte{leaveKey})
		if len(text) > 0 {
			if err := send(string(text)); err != nil {
				leave(err)
				return
			}
		}
		if left {
			leave(errLeft)
			return
		}
		if err != nil {
			break
		}
	}
	if t.stay <= 0 {
		return
	}
	timer := time.NewTimer(t.stay)
	defer timer.Stop()
	select {
	case <-timer.C:
		leave(errLeft)
	case <-ctx.Done():
	}
}

// asFile returns the input as a writer that [terminal] can look at, nil where it is no file.
func asFile(in io.Reader) io.Writer {
	if f, ok := in.(*os.File); ok {
		return f
	}
	return nil
}
