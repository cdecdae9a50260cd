package boot

import "strata/dispatcher/pipeline"

// tail returns the actions with which nearly every method ends: none without prompts to wait for,
// only the login where no test of the namespace needs a shell.
func tail(step *pipeline.Step, s *pipeline.Session) []pipeline.Action { return ending(step, s, true) }

// tailWithout is tail for a console on which no kernel starts.
func tailWithout(step *pipeline.Step, s *pipeline.Session) []pipeline.Action {
	return ending(step, s, false)
}

func ending(step *pipeline.Step, s *pipeline.Session, kernelStarts bool) []pipeline.Action {
	if !step.Block.Has("prompts") {
		return nil
	}
	actions := []pipeline.Action{autoLogin(kernelStarts)}
	if !s.TestInfo().HasShell {
		return actions
	}
	actions = append(actions, expectShell{})
	if step.Block.Has("transfer_overlay") {
		actions = append(actions, &unpack{})
	}
	return append(actions, exportEnv{})
}
