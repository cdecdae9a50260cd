package test

import (
	"fmt"

	"strata/dispatcher/pipeline"
)

// Methods returns the kinds of test in the order in which they are asked. Of a block that several
// would take, the one of the highest priority has it.
func Methods() []pipeline.Method {
	return []pipeline.Method{
		{Name: "docker", Words: []string{"docker"}, Priority: 10, Accepts: has("docker", "definitions"), Action: newDocker, Test: dockerNeeds},
		{Name: "multinode", Words: []string{"role"}, Priority: 2, Accepts: acceptsMultinode, Action: newMultinode, Test: multinodeNeeds},
		{Name: "interactive", Accepts: has("interactive"), Action: newInteractive, Test: needsNothing},
		{Name: "monitors", Accepts: has("monitors"), Action: newMonitors, Test: needsNothing},
		{Name: "shell", Words: []string{"definitions"}, Accepts: has("definitions"), Action: newShell, Test: shellNeeds},
		{Name: "services", Accepts: has("services"), Action: newServices, Test: needsNothing},
	}
}

// has accepts blocks with all of the keys.
func has(keys ...string) func(device, block pipeline.Data) (string, error) {
	return func(_, block pipeline.Data) (string, error) {
		for _, key := range keys {
			if !block.Has(key) {
				return fmt.Sprintf("%q not in parameters", key), nil
			}
		}
		return "", nil
	}
}

// acceptsMultinode accepts the blocks of a part of a multinode job.
func acceptsMultinode(_, block pipeline.Data) (string, error) {
	switch {
	case !block.Has("role"):
		return `"role" not in parameters`, nil
	case block.Get("lava-multinode", "target_group").IsNull():
		return `"lava-multinode" not in parameters`, nil
	}
	return "", nil
}

func needsNothing(pipeline.Data) pipeline.TestInfo { return pipeline.TestInfo{} }

func shellNeeds(pipeline.Data) pipeline.TestInfo {
	return pipeline.TestInfo{NeedsDeployment: true, NeedsOverlay: true, HasShell: true, CharacterDelay: true}
}

// dockerNeeds says that a container gets an overlay and the device nothing.
func dockerNeeds(pipeline.Data) pipeline.TestInfo { return pipeline.TestInfo{NeedsOverlay: true} }

// multinodeNeeds returns what the kind within a multinode block needs.
func multinodeNeeds(block pipeline.Data) pipeline.TestInfo {
	switch {
	case block.Has("monitors"), block.Has("interactive"):
		return pipeline.TestInfo{}
	case block.Has("docker"):
		return dockerNeeds(block)
	}
	return shellNeeds(block)
}
