package overlay_test

import (
	"fmt"

	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// The script that runs a test definition on the device.
func ExampleDefinition_RunScript() {
	file, err := pipeline.ReadYAML([]byte("run: {steps: [lava-test-case hello --shell echo $GREETING]}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	job, err := pipeline.ReadYAML([]byte("parameters: {GREETING: hi}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	d := overlay.Definition{Name: "0_hello", Dir: "/lava-42/0/tests/0_hello", File: file, Job: job}
	fmt.Print(d.RunScript(0))
	// Output:
	// # defaults of the test definition
	// #
	// # parameters of the job
	// GREETING='hi'
	// #
	// set -e
	// set -x
	// export TESTRUN_ID=0_hello
	// cd /lava-42/0/tests/0_hello
	// UUID="$(cat uuid)"
	// set +x
	// echo "<LAVA_SIGNAL_STARTRUN $TESTRUN_ID $UUID>"
	// set -x
	// lava-test-case hello --shell echo $GREETING
	// set +x
	// echo "<LAVA_SIGNAL_ENDRUN $TESTRUN_ID $UUID>"
}
