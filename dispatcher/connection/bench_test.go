package connection

import (
	"fmt"
	"testing"
	"time"

	"strata/dispatcher/output"
	"strata/events"
)

// BenchmarkConsole is the cost of 10,000 console lines that match none of a login's patterns.
func BenchmarkConsole(b *testing.B) {
	patterns := []string{`-\[ cut here \]`, `Unhandled fault`, `BUG: KASAN:`, `Oops(?: -|:)`, `WARNING:`,
		`(kernel BUG at|BUG:)`, `invalid opcode:`, `Kernel panic - not syncing`, `U-Boot SPL 20[0-9][0-9]`, `login:`, `END OF IT`}
	const lines = 10000
	script := fmt.Sprintf(`yes "[    4.946791] usb 1-1: new high-speed USB device number 2 using xhci_hcd" | head -%d; echo END OF IT; cat`, lines)
	for b.Loop() {
		log := output.New(output.Settings{Now: time.Now, Write: func(events.Record) error { return nil }})
		c, err := Start(Settings{Command: []string{"/bin/sh", "-c", script}, MaxRead: 4092, Log: log})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.ExpectText(b.Context(), patterns...); err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*lines/b.Elapsed().Seconds(), "lines/s")
}
