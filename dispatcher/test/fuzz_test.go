package test

import (
	"encoding/json"
	"testing"

	"strata/dispatcher/pipeline"
	"strata/events"
)

// Whatever a device says, the job goes on or ends with somebody to blame, and results stay results.
func FuzzConsole(f *testing.F) {
	f.Add("<LAVA_SIGNAL_STARTRUN 0_smoke u>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass MEASUREMENT=1e999>\n")
	f.Add("<LAVA_SIGNAL_TESTCASE =>\n<LAVA_SIGNAL_TESTSET \n><LAVA_SIGNAL_ENDRUN x>")
	f.Add("\x00\xff<LAVA_SIGNAL_STARTRUN 0_smoke \xff>\n<LAVA_SIGNAL_TESTREFERENCE \x01 b c>\n<LAVA_SIGNAL_STARTTC >")
	f.Add("<LAVA_TEST_RUNNER INSTALL_FAIL><LAVA_SIGNAL_TESTFEEDBACK common><LAVA_SIGNAL_ENDTC ENDTC>")
	f.Add("a mark that is not closed takes the next one with it <LAVA_SIGNAL_STARTRUN 0_s")
	f.Fuzz(func(t *testing.T, says string) {
		j := &job{says: says + "\n<LAVA_TEST_RUNNER EXIT>\n", stays: true, timeout: 1}
		if err := j.run(t); pipeline.ClassOf(err) == pipeline.Bug {
			t.Errorf("a bug: %v", err)
		}
		for _, r := range j.log {
			var m map[string]any
			if r.Level == events.Results && (json.Unmarshal(r.Message, &m) != nil || m["case"] == nil || m["result"] == nil) {
				t.Errorf("no result: %s", r.Message)
			}
		}
	})
}
