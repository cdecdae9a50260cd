package deploy

import (
	"context"
	"path/filepath"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/schemas/yaml"
)

// flasher runs commands of the device's dictionary, which write the downloads to the board.
func flasher(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{Title: "deploy-flasher-retry", About: "write images with the device's own commands, again if it fails",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			return step.Add(pipeline.Basic{Title: "deploy-flasher", About: "write images with the device's own commands",
				Broken: pipeline.Infrastructure, Fill: fillFlasher, Check: validateFlasher, Do: runFlasher})
		}}}
}

func fillFlasher(step *pipeline.Step, s *pipeline.Session) error {
	where, err := place(step, s)
	if err != nil {
		return err
	}
	if err := add(step, testOverlay(s)); err != nil {
		return err
	}
	list, err := pairs(step.Block.Get("images"), "images")
	if err != nil {
		return err
	}
	for _, p := range list {
		if !p.Value.Get("download").Bool(true) {
			continue // the commands are given the URL, and fetch it themselves
		}
		if err := step.Add(where.get(p.Key, p.Value)); err != nil {
			return err
		}
	}
	pipeline.Put(s, flasherDir, where.dir)
	return add(step, environment(s))
}

// flasherDir is where the commands run.
const flasherDir pipeline.Key[string] = "deploy-flasher/directory"

func validateFlasher(_ context.Context, s *pipeline.Session) error {
	commands := s.Device.Get("actions", "deploy", "methods", "flasher", "commands")
	if commands.Kind() != pipeline.List || len(commands.Items()) == 0 {
		return pipeline.Blamef(pipeline.Configuration, "actions.deploy.methods.flasher.commands of the device must be a list of commands")
	}
	return nil
}

// runFlasher downloads, fills the commands in and runs them in the directory of the downloads.
func runFlasher(ctx context.Context, s *pipeline.Session) error {
	if err := s.RunChildren(ctx); err != nil {
		return err
	}
	dir, _ := pipeline.Get(s, flasherDir)
	// Paths are relative, so that a command in a container needs only this one directory.
	var fill []string
	for _, p := range s.Block().Get("images").Pairs() {
		value := p.Value.Get("url").Text()
		if file, ok := pipeline.Get(s, pipeline.Artefact(p.Key)); ok {
			value = file
			if below, err := filepath.Rel(dir, file); err == nil {
				value = below
			}
		}
		fill = append(fill, "{"+strings.ToUpper(p.Key)+"}", value)
	}
	for _, name := range []string{"hard_reset", "soft_reboot", "pre_os_command", "pre_power_command", "power_on", "power_off"} {
		placeholder := "{" + strings.TrimSuffix(strings.ToUpper(name), "_COMMAND") + "_COMMAND}"
		fill = append(fill, placeholder, asText(s.Device.Get("commands", name)))
	}
	for _, name := range []string{"device_info", "static_info"} {
		text, err := yaml.Write(s.Device.Get(name).YAML())
		if err != nil {
			return err
		}
		fill = append(fill, "{"+strings.ToUpper(name)+"}", string(text))
	}
	replace := strings.NewReplacer(fill...)
	for _, command := range s.Device.Get("actions", "deploy", "methods", "flasher", "commands").Texts() {
		argv, err := pipeline.Words(replace.Replace(command))
		if err != nil {
			return pipeline.Blamef(pipeline.Configuration, "flasher command '%s': %w", command, err)
		}
		// A program that a relative path names lies beside the downloads.
		if err := s.Command(ctx, append([]string{"env", "--chdir=" + dir}, argv...)...); err != nil {
			if ctx.Err() != nil {
				return err
			}
			return pipeline.Blamef(pipeline.Infrastructure, "Unable to flash the device: '%s' failed", command)
		}
	}
	return nil
}

// asText prints a device command as Python would: a text as it is, a list in brackets.
func asText(d pipeline.Data) string {
	if d.Kind() == pipeline.List {
		return d.Python()
	}
	return d.Text()
}
