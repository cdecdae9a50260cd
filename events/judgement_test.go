package events_test

import (
	"testing"

	"strata/events"
)

// Every cause but none has a next step, and belongs to a verdict.
func TestCauses(t *testing.T) {
	t.Parallel()
	causes := []events.Cause{events.CauseTestFailed, events.CauseTestTimeout, events.CauseTestRun, events.CausePanic, events.CauseOops, events.CauseBug,
		events.CauseLockup, events.CauseHungTask, events.CauseMemory, events.CauseSanitizer, events.CauseWarning, events.CauseFirmware, events.CauseRootfs,
		events.CauseImage, events.CauseCommand, events.CauseReset, events.CauseHang, events.CauseLogin, events.CauseDefinition, events.CauseDownload,
		events.CauseNetwork, events.CauseConsole, events.CauseNoise, events.CauseSilent, events.CausePower, events.CauseLoader, events.CauseHardware,
		events.CauseHost, events.CauseLost, events.CauseSettings, events.CauseStrata, events.CauseGroup, events.CauseCanceled}
	for _, c := range causes {
		if c.Next() == "" || c.Verdict() == events.VerdictPass {
			t.Errorf("cause %s: verdict %s, next step %q", c, c.Verdict(), c.Next())
		}
	}
	if events.CauseNone.Verdict() != events.VerdictPass || events.CauseNone.Next() != "" {
		t.Errorf("no cause: verdict %s, next step %q; want pass and none", events.CauseNone.Verdict(), events.CauseNone.Next())
	}
}
