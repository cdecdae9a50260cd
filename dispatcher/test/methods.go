package test

import (
	"strata/dispatcher/pipeline"
)

// Methods returns the kinds of test in the order in which they are asked.
func Methods() []pipeline.Method {
	return []pipeline.Method{
		{Name: "shell", Accepts: definitions, Action: newShell, Test: shellNeeds},
	}
}

// definitions accepts plain test shells.
// TODO: docker, multinode, monitors, interactive and services, each a row of its own.
func definitions(_, block pipeline.Data) (string, error) {
	switch {
	case block.Has("docker"):
		return `"docker" tests cannot be run yet`, nil
	case !block.Has("definitions"):
		return `"definitions" not in parameters`, nil
	}
	return "", nil
}

func shellNeeds(pipeline.Data) pipeline.TestInfo {
	return pipeline.TestInfo{NeedsDeployment: true, NeedsOverlay: true, HasShell: true, CharacterDelay: true}
}
