package boot

import (
	"context"

	"strata/dispatcher/pipeline"
)

// avh boots a virtual board at Arm Virtual Hardware, a service on the network.
func avh(pipeline.Data) pipeline.Action {
	return retried("boot-avh", "boot a virtual board of Arm Virtual Hardware",
		func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			actions := []pipeline.Action{callAVH()}
			if step.Block.Has("prompts") {
				actions = append(actions, autoLogin(true))
				if s.TestInfo().HasShell {
					actions = append(actions, expectShell{}, exportEnv{})
				}
			}
			return actions
		})
}

// callAVH is call-avh.
// TODO: upload the package, make the instance and attach its console, once there is an account to
// try it with. Until then validation refuses the job, instead of a device being waited for in vain.
func callAVH() pipeline.Action {
	return pipeline.Basic{Title: "call-avh", About: "make and start the virtual board",
		Check: func(_ context.Context, s *pipeline.Session) error {
			if s.Job.Get("secrets", "avh_api_token").Text() == "" {
				s.Invalid("[AVH] Missing 'avh_api_token' secret")
			}
			s.Invalid("boot method avh: this version plans it, but cannot talk to the service yet")
			return nil
		}}
}
