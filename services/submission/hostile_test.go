package submission

import (
	"fmt"
	"strings"
	"testing"

	"strata/events"
	"strata/events/eventtest"
)

// TestHostile: whatever stands in a submission, it is decided, and those behind it are too. One fact
// that could not be recorded would keep everybody waiting.
func TestHostile(t *testing.T) {
	t.Parallel()
	most := 1<<20 - 500
	aliases := "metadata:\n  a: &a " + strings.Repeat("x", most/2)
	for i := range 30 {
		aliases += fmt.Sprintf("\n  a%d: *a", i)
	}
	line := func(was, is string) string { return strings.Replace(small, was, is, 1) }
	tests := []struct{ name, subject, trace, text string }{
		{"trace with a control character", "submit.alice", "00-\x01", small},
		{"trace as long as a header may be", "submit.alice", strings.Repeat("0", 60_000), small},
		{"name with a line break", "submit.al=0Aice", "", small},
		{"name that is no UTF-8", "submit.al=FFice", "", small},
		{"unknown type as long as the text may be", "submit.alice", "", line("device_type: qemu", "device_type: "+strings.Repeat("<", most))},
		{"path as long as the text may be", "submit.alice", "", line("minutes: 15", "? "+strings.Repeat("<", most)+"\n    : 15")},
		{"metadata that JSON makes longer", "submit.alice", "", line("{build: 17}", "{build: "+strings.Repeat("<", most)+"}")},
		{"metadata that aliases make longer", "submit.alice", "", line("metadata: {build: 17}", aliases)},
	}
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	start(t, b.Log, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := natsMsg(tt.subject, tt.text)
			if tt.trace != "" {
				m.Header.Set(events.HeaderTrace, tt.trace)
			}
			decision(t, b.Log, publishMsg(t, b.Conn, m))
			decision(t, b.Log, publish(t, b.Conn, "submit.bob", small))
		})
	}
}
