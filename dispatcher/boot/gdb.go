package boot

import (
	"context"
	"fmt"
	"strings"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/container"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// acceptsGDB wants the set of commands that the block names.
func acceptsGDB(device, block pipeline.Data) (string, error) {
	refusal, err := when("gdb", blockHas("commands"))(device, block)
	if refusal == "" && err == nil && !device.Get("actions", "boot", "methods", "gdb").Has(block.Get("commands").Text()) {
		refusal = "'" + block.Get("commands").Text() + "' is not in the device's boot method gdb"
	}
	return refusal, err
}

// gdb loads an image into a microcontroller with gdb and lets it run.
//
// gdb is a console of its own beside the device's: its prompt is waited for after each command of the
// dictionary's set, and the last thing typed is continue. The device's serial port is connected
// before, so that nothing of what the program prints is lost.
func gdb(pipeline.Data) pipeline.Action {
	return group("boot-gdb", "load an image with gdb and run it",
		func(*pipeline.Step, *pipeline.Session) []pipeline.Action {
			return []pipeline.Action{&gdbRun{Retry: pipeline.Retry{Basic: group("boot-gdb-retry", "load an image with gdb and run it",
				func(_ *pipeline.Step, s *pipeline.Session) []pipeline.Action {
					var actions []pipeline.Action
					if switched(s) {
						actions = append(actions, reset())
					}
					return append(actions, usb.WaitSerial(), connect{})
				})}}}
		})
}

// gdbRun is boot-gdb-retry: what it does after its children is to run gdb.
type gdbRun struct {
	pipeline.Retry
	gdb  *connection.Connection
	name string // of the container, if gdb runs in one
}

// set returns the commands that the block names.
func (*gdbRun) set(s *pipeline.Session) pipeline.Data {
	return s.Device.Get("actions", "boot", "methods", "gdb", s.Block().Get("commands").Text())
}

// Validate checks the dictionary.
func (a *gdbRun) Validate(_ context.Context, s *pipeline.Session) error {
	name := s.Block().Get("commands").Text()
	set := a.set(s)
	if set.Kind() != pipeline.Mapping || name == "parameters" {
		s.Invalid("'%s' is not available: the device's boot method gdb has no such set of commands", name)
		return nil
	}
	command := parametersOf(s, "gdb").Get("command").Text()
	if command == "" {
		s.Invalid("gdb: the device dictionary names no command")
		return nil
	}
	if !set.Get("commands").True() {
		s.Invalid("gdb: 'commands' of set '%s' is empty", name)
	}
	if set.Get("docker", "use").True() {
		_, err := container.Find(s)
		return err
	}
	return tool(command)
}

// Run resets, connects to the serial port, and has gdb load and continue. gdb stays until cleanup:
// its end would stop the processor.
func (a *gdbRun) Run(ctx context.Context, s *pipeline.Session) error {
	if err := s.RunChildren(ctx); err != nil {
		return err
	}
	argv, err := a.command(s)
	if err != nil {
		return err
	}
	s.Log.Info("Starting gdb: %s", pipeline.ReprList(argv))
	a.gdb, err = connection.Start(connection.Settings{Command: argv, Env: s.Env(), Log: s.Log})
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	s.SetPrompts(a.gdb, []string{`\(gdb\) `})
	if _, err := s.Wait(ctx, a.gdb); err != nil {
		return err
	}
	images := downloads(s)
	for _, line := range a.set(s).Get("commands").Texts() {
		if err := s.SendLine(ctx, a.gdb, named(line, images, true)); err != nil {
			return err
		}
		if _, err := s.Wait(ctx, a.gdb); err != nil {
			return err
		}
	}
	pause := parametersOf(s, "gdb").Get("wait_before_continue").Float(0)
	if err := pipeline.Sleep(ctx, time.Duration(pause*float64(time.Second))); err != nil {
		return err
	}
	return s.SendLine(ctx, a.gdb, "continue")
}

// command returns the command line of gdb, within its container or not.
func (a *gdbRun) command(s *pipeline.Session) ([]string, error) {
	set, images := a.set(s), downloads(s)
	argv := []string{parametersOf(s, "gdb").Get("command").Text()}
	for _, text := range set.Get("arguments").Texts() {
		argv = append(argv, named(text, images, true))
	}
	docker := set.Get("docker")
	if !docker.Get("use").True() {
		return argv, nil
	}
	engine, err := container.Find(s)
	if err != nil {
		return nil, err
	}
	a.name = container.Name(s, "lava")
	run := []string{engine, "run", "--rm", "--interactive", "--tty", "--hostname", "lava", "--name", a.name}
	for _, image := range images {
		run = append(run, "--mount", fmt.Sprintf("type=bind,source=%s,destination=%s", image.Path, image.Path))
	}
	for _, device := range docker.Get("devices").Texts() {
		if !strings.Contains(device, ":") {
			run = append(run, "--device", device)
		}
	}
	return append(append(run, docker.Get("container").Text()), argv...), nil
}

// Cleanup ends gdb.
func (a *gdbRun) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if a.name != "" {
		container.Stop(ctx, s, a.name)
		a.name = ""
	}
	if a.gdb == nil {
		return nil
	}
	c := a.gdb
	a.gdb = nil
	return c.Close()
}
