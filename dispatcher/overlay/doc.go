// Package overlay makes what a test shell needs on the device: a directory of scripts and test
// definitions that is packed, put into the device's file system by the deploy or boot method, and
// started by the test action over the console.
//
// On the device it lies at the results directory, /lava-<job> by default:
//
//	bin/            the helpers: lava-test-runner, lava-test-case, …
//	environment     export lines, sourced before the runner starts
//	secrets         KEY=value lines, which a test may read
//	0/, 1/, …       one directory a stage, that is a test block that needs an overlay:
//	  lava-test-runner.conf    one line a definition, its directory
//	  tests/0_smoke/           the definition's files beside run.sh, install.sh, uuid, testdef.yaml
//
// Test repositories written for LAVA run unchanged, so names, layout and the texts on the console
// are LAVA's. The helpers are our own, in POSIX sh, and stand in scripts/: those in generic/ for
// every device, those in a directory named after a distribution instead of the generic one of the
// same name, where the deploy block's os says so.
//
// The rest of the package are the actions that make it in the worker's scratch directory, in the
// order in which they run: lava-overlay around lava-multinode-overlay, test-definition (for each
// definition a repo action, test-overlay, test-install-overlay, test-runscript-overlay) and
// compress-overlay, which leaves a tarball for whoever applies it.
package overlay
