package ingestion

import (
	"strings"
	"testing"
	"time"

	"strata/events"
)

// TestFoldFormats reads the checkpoint that this release writes and the one that the last release did.
func TestFoldFormats(t *testing.T) {
	f := newFold()
	f.lab.Evolve(9, time.Unix(0, 0), events.WorkerRegistered{Worker: "w1"})
	f.ended[7] = ended{Lease: 3, Lines: 12}
	data, err := f.encode()
	if err != nil {
		t.Fatal(err)
	}
	v1 := `{"lab_format":"lab.v1","lab":{"through":9,"workers":[{"name":"w1","seq":9}]},"ended":{"7":{"lease":3,"lines":12}}}`
	for format, data := range map[string]string{foldFormat: string(data), foldFormatV1: v1} {
		back, err := decodeFold(format, []byte(data))
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if back.lab.Through() != 9 || back.lab.Worker("w1") == nil || back.ended[7] != f.ended[7] {
			t.Errorf("%s: through %d, worker %v, ended %v; want 9, w1 and %v", format, back.lab.Through(), back.lab.Worker("w1"), back.ended, f.ended)
		}
	}
	for format, data := range map[string]string{"ingestion.v0": "{}", foldFormat: "{", foldFormatV1: "{"} {
		if _, err := decodeFold(format, []byte(data)); err == nil || !strings.Contains(err.Error(), "checkpoint of ingestion") {
			t.Errorf("%s %q: %v, want an error", format, data, err)
		}
	}
}
