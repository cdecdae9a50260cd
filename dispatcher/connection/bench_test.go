package connection

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// BenchmarkConsole is the cost of console lines that match none of a login's patterns, from the stream
// to a log that is not stored.
func BenchmarkConsole(b *testing.B) {
	texts := []string{`-\[ cut here \]`, `Unhandled fault`, `BUG: KCSAN:`, `BUG: KASAN:`, `BUG: KFENCE:`, `Oops(?: -|:)`, `WARNING:`,
		`(kernel BUG at|BUG:)`, `invalid opcode:`, `Kernel panic - not syncing`, `U-Boot SPL 20[0-9][0-9]`, `root@\w+:~# `, `login:`,
		`Login incorrect`, `<LAVA_TEST_RUNNER EXIT>`, `<LAVA_TEST_RUNNER INSTALL_FAIL>`, `<LAVA_SIGNAL_(\S+) ([^>]+)>`}
	text := strings.Repeat("[    4.946791] usb 1-1: new high-speed USB device number 2 using xhci_hcd\r\n", 20000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		c := New(&whole{strings.NewReader(text)}, Settings{MaxRead: 4092, Log: quiet()})
		if _, err := c.ExpectText(b.Context(), texts...); !errors.Is(err, ErrClosed) {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// whole is a stream that is there at once.
type whole struct{ io.Reader }

func (*whole) Write(p []byte) (int, error) { return len(p), nil }
func (*whole) Close() error                { return nil }
