package boot

import "strata/dispatcher/pipeline"

// resetConnection is reset-connection: a new connection, tried again if it fails.
func resetConnection() pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: "reset-connection", About: "disconnect and connect again",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			return addAll(step, []pipeline.Action{disconnect{}, connect{}})
		},
	}}
}
