package hands

import (
	"context"
	"fmt"
	"time"

	"strata/dispatcher/boot"
	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// connect starts the command of the device's console: of the named connection, or of the main one
// where name is empty.
func (b Board) connect(name string) (c *connection.Connection, command string, err error) {
	command = boot.Console(b.Device)
	if name != "" {
		command = b.Device.Get("commands", "connections", name, "connect").Text()
		if command == "" {
			return nil, "", fmt.Errorf("the device's dictionary has no commands.connections.%s.connect", name)
		}
	}
	if command == "" {
		return nil, "", errNoConsole
	}
	argv, err := pipeline.Words(command)
	if err == nil && len(argv) == 0 {
		err = fmt.Errorf("it is empty")
	}
	if err != nil {
		return nil, command, fmt.Errorf("console command %q: %w", command, err)
	}
	quiet := output.New(output.Settings{Now: b.Now, Write: func(events.Record) error { return nil }})
	c, err = connection.Start(connection.Settings{Command: argv, Env: b.Env, Log: quiet})
	if err != nil {
		return nil, command, fmt.Errorf("console command %q: %w", command, err)
	}
	return c, command, nil
}

// Console joins a person's terminal to the device's console, until ctx ends or the console command does. The
// connection is that of a name in commands.connections, or the main one where name is empty.
func Console(ctx context.Context, b Board, name string, typed <-chan string, show func(text []byte) error) error {
	c, command, err := b.connect(name)
	if err != nil {
		return err
	}
	started := b.Now()
	err = c.Relay(ctx, typed, show)
	_ = c.Close() // the command was told to end; how it did says nothing
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("the console command %q ended after %s: %w", command, b.Now().Sub(started).Round(time.Second), err)
}
