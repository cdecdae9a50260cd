package boot

import (
	"regexp"
	"slices"
	"testing"
)

// iPXE's messages are found though a line end stands in them, and patterns that are no texts stay.
func TestWrapped(t *testing.T) {
	t.Parallel()
	got := wrapped([]string{"iPXE>", "Connection timed out", `Linux version [0-9]`})
	for i, says := range []string{"iPX\r\nE> ", "tftp://10.20.0.1/42/bzImage.................. Conn\r\nection timed out (http://", "Linux version 6"} {
		if !regexp.MustCompile(got[i]).MatchString(says) {
			t.Errorf("%q is not found in %q", got[i], says)
		}
	}
	if regexp.MustCompile(got[1]).MatchString("Connection  timed out") || !slices.Contains(got, `Linux version [0-9]`) {
		t.Errorf("the patterns %q match more than they say", got)
	}
}
