package deploy

import (
	"context"
	"strings"

	"strata/dispatcher/pipeline"
)

// deviceEnv is deploy-device-env: the variables that the lab gives every device's shell.
type deviceEnv struct{}

// Name returns deploy-device-env.
func (deviceEnv) Name() string { return "deploy-device-env" }

// Description says what the action does.
func (deviceEnv) Description() string { return "deploy device environment" }

// Validate reads the variables. It is done here because the overlay, which runs earlier, and the
// boot method want them.
func (deviceEnv) Validate(_ context.Context, s *pipeline.Session) error {
	file, err := s.Constant("lava_test_shell_file", "posix")
	if err != nil {
		return err
	}
	if file.IsNull() {
		s.Invalid("Invalid deployment: lava_test_shell_file is not set, so there is no place for the device's environment")
		return nil
	}
	if strings.TrimSpace(s.EnvDUT) == "" {
		return nil
	}
	config, err := pipeline.ReadYAML([]byte(s.EnvDUT))
	if err != nil {
		return pipeline.Blamef(pipeline.Configuration, "read env-dut: %w", err)
	}
	pipeline.Put(s, pipeline.TargetEnv, targetEnv(config, s.Env()))
	pipeline.Put(s, pipeline.ShellFile, file.Text())
	return nil
}

// Run does nothing: the boot method exports the variables.
func (deviceEnv) Run(context.Context, *pipeline.Session) error { return nil }

// targetEnv returns the variables of an env-dut file: the worker's own unless `purge` is set,
// without `removes`, with `overrides`.
func targetEnv(config pipeline.Data, worker []string) []pipeline.Pair {
	// Without purge the worker's own environment goes to the device. That is what LAVA does; its labs
	// set purge.
	env := pipeline.Of([]pipeline.Pair{})
	if !config.Get("purge").True() {
		for _, v := range worker {
			name, value, _ := strings.Cut(v, "=")
			env = env.With(name, pipeline.Of(value))
		}
	}
	removed := map[string]bool{}
	for _, name := range config.Get("removes").Texts() {
		removed[name] = true
	}
	var kept []pipeline.Pair
	for _, p := range env.Pairs() {
		if !removed[p.Key] {
			kept = append(kept, p)
		}
	}
	env = pipeline.Of(kept)
	for _, p := range config.Get("overrides").Pairs() {
		env = env.With(p.Key, p.Value)
	}
	return env.Pairs()
}
