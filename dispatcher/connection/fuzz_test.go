package connection

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/output"
	"strata/events"
)

// FuzzLines lets a device say anything, in pieces of any size: what it said is logged as records that
// fit their frame, no secret among them, and reading ends with the device.
func FuzzLines(f *testing.F) {
	f.Add("U-Boot 2026.01\r\n\r\r\n=> \x1b[31mred\x1b[0m\n", 3)
	f.Add("\xff\xfe\x00half a ch\xc3", 1)
	f.Add("no end of a line", 100)
	f.Add("a\rb\rc\r\nlogin: \x08\x08\x1b[", 2)
	f.Fuzz(func(t *testing.T, says string, piece int) {
		if len(says) > 1<<16 {
			t.Skip()
		}
		const secret = "s3cr3t-of-the-lab"
		at := len(says) / 2
		says = says[:at] + secret + says[at:]
		var records []events.Record
		log := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
			records = append(records, r)
			return nil
		}})
		log.Mask(secret)
		c := New(&chopped{rest: says, size: max(piece, 1)}, Settings{Log: log})
		if _, err := c.ExpectText(t.Context(), "this never comes"); !errors.Is(err, ErrClosed) {
			t.Fatalf("the device went away: error %v, want ErrClosed", err)
		}
		for _, r := range records {
			if len(r.Message) > events.MaxRecordBytes || !json.Valid(r.Message) || strings.Contains(string(r.Message), secret) {
				t.Errorf("record %.200s", r.Message)
			}
		}
	})
}

// chopped is a device that says a text in pieces and goes away.
type chopped struct {
	rest string
	size int
}

func (c *chopped) Read(p []byte) (int, error) {
	if c.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:min(c.size, len(c.rest))])
	c.rest = c.rest[n:]
	return n, nil
}

func (c *chopped) Write(p []byte) (int, error) { return len(p), nil }

func (c *chopped) Close() error { return nil }
