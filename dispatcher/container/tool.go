package container

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// Tool runs a program that talks to the device over USB, such as fastboot: on the worker, or in the
// container that the block's `docker` names, which then sees the device's USB nodes and the files.
// A container lives for one command, because the device changes its node with each restart.
type Tool struct {
	Argv   []string
	Serial string   // of the USB device that the program needs; "" for none
	Files  []string // of the worker; the container sees them under the same names
}

// Run runs the program and returns what it printed. A failure has the class of the step's commands.
func (t Tool) Run(ctx context.Context, s *pipeline.Session) (string, error) {
	argv, err := t.command(ctx, s)
	if err != nil {
		return "", err
	}
	return s.CommandOutput(ctx, false, argv...)
}

// Try is Run for a program that may fail.
func (t Tool) Try(ctx context.Context, s *pipeline.Session) (string, error) {
	argv, err := t.command(ctx, s)
	if err != nil {
		return "", err
	}
	return s.CommandOutput(ctx, true, argv...)
}

// nodeWait is how long the device's node may take to appear.
const nodeWait = 60 * time.Second

// command returns the words that run the program.
func (t Tool) command(ctx context.Context, s *pipeline.Session) ([]string, error) {
	docker := s.Block().Get("docker")
	if !docker.True() {
		return t.Argv, nil
	}
	engine, err := Find(s)
	if err != nil {
		return nil, err
	}
	if err := Once(ctx, s, docker, ""); err != nil {
		return nil, err
	}
	image, _ := ImageOf(docker)
	// No name is used twice: a container that is being removed still has its own.
	argv := []string{engine, "run", "--rm", "--init", "--name", Name(s, "lava") + "-" + uuid.NewString()[:8]}
	seen := map[string]bool{}
	for _, file := range t.Files {
		if dir := filepath.Dir(file); !seen[dir] {
			seen[dir] = true
			argv = append(argv, "--mount=type=bind,source="+dir+",destination="+dir)
		}
	}
	for _, device := range docker.Get("devices").Texts() {
		if !strings.Contains(device, ":") {
			argv = append(argv, "--device="+device)
		}
	}
	if t.Serial != "" {
		node, err := t.node(ctx, s)
		if err != nil {
			return nil, err
		}
		argv = append(argv, "--device="+node)
	}
	return append(append(argv, image), t.Argv...), nil
}

// node returns the device's node below /dev/bus/usb.
func (t Tool) node(ctx context.Context, s *pipeline.Session) (string, error) {
	limited, cancel := context.WithTimeout(ctx, nodeWait)
	defer cancel()
	d, err := usb.Of(s).Wait(limited, usb.Query{"SUBSYSTEM": "usb", "ID_SERIAL_SHORT": t.Serial})
	if err != nil && ctx.Err() == nil {
		return "", pipeline.Blamef(pipeline.Infrastructure, "no USB device with serial number %s came within %s", t.Serial, nodeWait)
	}
	return d.Node, err
}
