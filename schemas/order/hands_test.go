package order_test

import (
	"strings"
	"testing"

	"strata/schemas/order"
)

// What is to be done by hand is read, or refused by the name of what is wrong.
func TestDecodeHands(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, says string }{
		{`{"version":1,"do":"power","power":"off","session":"a","device":"q1","lease":7}`, ""},
		{`{"version":1,"do":"type","session":"a","text":"reboot\n"}`, ""},
		{`{"version":1,"do":"console","session":"a","device":"q1"}`, `device is "q1" and lease 0`},
		{`{"version":1,"do":"check","session":"a","lease":7}`, `device is "" and lease 7`},
		{`{"version":1,"do":"keep"}`, "keep has no session"},
		{`{"version":1,"do":"mend","session":"a"}`, `do is "mend", want power`},
		{`{"version":9,"do":"keep","session":"a"}`, "version is 9"},
		{`{`, "read order by hand: "},
	} {
		h, err := order.DecodeHands([]byte(tt.text))
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %+v, error %v, want %q", tt.text, h, err, tt.says)
		}
	}
}
