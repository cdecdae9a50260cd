package output

import (
	"testing"
	"time"

	"strata/events"
)

// BenchmarkSpooledLine is the cost of one console line from the Logger to the kernel's page cache.
func BenchmarkSpooledLine(b *testing.B) {
	s, err := OpenSpool(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	l := New(Settings{Now: time.Now, Write: s.Append})
	l.Mask("a-secret-of-the-job")
	line := "[    4.946791] usb 1-1: new high-speed USB device number 2 using xhci_hcd, and so on"
	for b.Loop() {
		l.Text(events.Target, "", line)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
