package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"strata/dispatcher/worker"
	"strata/dispatcher/worker/played"
	"strata/events"
	"strata/services/api"
)

// readScript reads what --simulate names: a number of devices, or a file. Nothing gives nil.
// A mistake in the number is a misuse (2), a script that cannot be read or is wrong a failure (1).
func readScript(what string) (*played.Script, error) {
	if what == "" {
		return nil, nil
	}
	if n, err := strconv.Atoi(what); err == nil {
		s, err := played.Plain(n)
		if err != nil {
			return nil, misuse("--simulate %s: %w", what, err)
		}
		return &s, nil
	}
	text, err := os.ReadFile(what)
	if err != nil {
		return nil, fmt.Errorf("--simulate %s: neither a number of devices nor a file that can be read: %w", what, err)
	}
	s, err := played.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--simulate %s: %w", what, err)
	}
	return &s, nil
}

// registerDevices puts a script's devices into the lab. Those that are there stay as they are, but they
// have to be this worker's: jobs would go elsewhere else. Without a script, or unless wanted, it does nothing.
func (a *app) registerDevices(ctx context.Context, w events.WorkerName, s *played.Script, wanted bool) error {
	if s == nil || !wanted {
		return nil
	}
	client, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	var there []api.Device
	if err := client.Call(ctx, "devices.list", nil, &there); err != nil {
		return err
	}
	known := map[events.DeviceName]api.Device{}
	for _, d := range there {
		known[d.Device] = d
	}
	// All are looked at before one is added, so that a refusal leaves nothing behind.
	for _, name := range s.Devices {
		if d, ok := known[name]; ok && (d.Worker != w || d.DeviceType != s.DeviceType) {
			return fmt.Errorf("device %s is there already, of type %s on worker %s: give the simulated devices other names or another type", name, d.DeviceType, d.Worker)
		}
	}
	for _, name := range s.Devices {
		if _, ok := known[name]; ok {
			continue
		}
		if err := client.Call(ctx, "devices.add", api.DeviceRequest{Device: name, DeviceType: s.DeviceType, Worker: w,
			Dictionary: s.Dictionary, Health: events.Good, Description: "simulated"}, nil); err != nil {
			return fmt.Errorf("add simulated device %s: %w", name, err)
		}
	}
	return nil
}

// playDevices runs a worker whose devices are played, until ctx ends, in place of [app.work].
func (a *app) playDevices(ctx context.Context, w worker.Deps, s played.Script) error {
	return played.Run(ctx, played.Deps{Name: w.Name, Servers: w.Servers, Token: w.Token, Build: version, Script: s,
		Logger: w.Logger, Now: a.now, After: time.After})
}
