package dispatcher_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"strata/dispatcher"
	"strata/dispatcher/output"
	"strata/events"
)

// A job that only runs a command which the device's dictionary allows.
func ExampleRun() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	log := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		var text string
		if json.Unmarshal(r.Message, &text) == nil && strings.HasPrefix(text, ">> ") {
			fmt.Println(r.Level, text)
		}
		return nil
	}})
	verdict := dispatcher.Run(context.Background(), dispatcher.Job{
		ID:         "42",
		Definition: []byte("timeouts: {job: {minutes: 1}}\nactions: [command: {name: hello}]"),
		Device:     []byte("constants: {failure_retry: 1}\ncommands: {users: {hello: {do: echo hello from the lab}}}"),
		Dir:        filepath.Join(dir, "42"), Env: os.Environ(), Log: log, Now: time.Now,
	})
	fmt.Println(verdict.Health)
	// Output:
	// debug >> hello from the lab
	// Complete
}
