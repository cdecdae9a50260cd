package boot

import "strata/dispatcher/pipeline"

// tail returns the actions with which nearly every method ends: none without prompts to wait for,
// only the login where no test of the namespace needs a shell.
func tail(step *pipeline.Step, s *pipeline.Session) []pipeline.Action {
	if !step.Block.Has("prompts") {
		return nil
	}
	actions := []pipeline.Action{autoLogin(true)}
	if !s.TestInfo().HasShell {
		return actions
	}
	actions = append(actions, expectShell{})
	if step.Block.Has("transfer_overlay") {
		actions = append(actions, &unpack{})
	}
	return append(actions, exportEnv{})
}
