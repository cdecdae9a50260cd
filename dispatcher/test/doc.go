// Package test runs tests on a device and turns what its console says into results.
//
// A test shell is a conversation. The dispatcher sources the overlay's environment and starts
// lava-test-runner; from then on the device talks and the dispatcher listens, for marks in what it
// says: <LAVA_SIGNAL_STARTRUN 0_smoke 42_1.1.2.1>, <LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a
// RESULT=pass>, at last <LAVA_TEST_RUNNER EXIT>. A mark may stand anywhere in a line. A definition
// may also bring a regular expression that finds results in ordinary output.
//
// Each result is a record of the job's log, with the log lines that it came from. A failed case
// does not fail the job: only a test that cannot be run does.
package test
